"""What a detector remembers of a user: a state, and authentications that wait to be taken into it. Pure."""

from hashlib import sha256
from typing import Any

from shipper.detect.protocol import Lull, Rule
from shipper.detect.waiting import Waiting
from shipper.model import Code, CompletionFields

CODES = 4096  # looked at and remembered
LONGEST_KEY = 128  # characters; of a longer key of a user `short` is kept
_CHAIN = 8  # authentications of a user that wait, and are surely few
_FEW = 128  # values in a state that is surely small, even with those that wait on it
_VALUES = 10  # of an authentication in a state

# A completion that waits: those of its chunk (`Waiting`, or the kernel's), and its place among them; then what else is in memory of the user, which is older.
Waits = tuple[Any, int, Any]


class Known:
    """The state of a user, and the time after which an authentication that starts matters to nothing in it."""

    __slots__ = ("after", "state")

    def __init__(self, after: int, state: Any) -> None:
        self.after = after
        self.state = state


Memory = Waits | Known  # of one user


class Spans:
    """For how long an authentication matters, by its code: `Lull.of_code`, asked once for each code."""

    def __init__(self, lull: Lull[Any, Any] | None, rule: Rule) -> None:
        self._lull = lull
        self._rule = rule
        self._known: dict[int, tuple[Code, int | None]] = {}  # by identity of the code

    def __call__(self, code: Code) -> int | None:
        """Nanoseconds after its end, or None."""
        known = self._known.get(id(code))
        if known is None:
            if len(self._known) >= CODES:
                self._known.clear()
            assert self._lull is not None
            known = self._known[id(code)] = code, self._lull.of_code(code, self._rule)
        return known[1]


def known_of(memory: Memory | None) -> Known | None:
    """The state in a memory, without those that wait; None if there is none."""
    while isinstance(memory, tuple):
        memory = memory[2]
    return memory


def waits(memory: Memory | None) -> list[CompletionFields]:
    """Those in a memory that wait, in their order."""
    newest_first: list[CompletionFields] = []
    while isinstance(memory, tuple):
        waiting, at, memory = memory
        newest_first.append(waiting.completion(at))
    return newest_first[::-1]


def short(key: str) -> str:
    """What stands for a key in memory: of a long one its beginning, and a digest that tells it from any other."""
    if len(key) <= LONGEST_KEY:
        return key
    return f"{key[:LONGEST_KEY]}…{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"


def digest(key: str) -> str:
    """What names a user on the disk."""
    return sha256(key.encode()).hexdigest()[:16]


def remembered(memory: Memory, oldest: int) -> Memory | None:
    """A memory without what ended before `oldest`: of those that wait, each ended before the next one started."""
    if isinstance(memory, tuple) and memory[2] is None:  # as nearly always
        return memory if memory[0].end(memory[1]) >= oldest else None
    kept: list[Waits] = []
    left: Memory | None = memory
    while isinstance(left, tuple) and left[0].end(left[1]) >= oldest:
        kept.append(left)
        left = left[2]
    if isinstance(left, tuple) or (left is not None and left.after < oldest):
        left = None
    for waiting, at, _ in reversed(kept):
        left = waiting, at, left
    return left


def alone(completion: CompletionFields, older: Memory | None) -> Waits:
    """One that waits without those of its chunk: for a detector that remembers few of each, and would keep them all."""
    return Waiting((completion,)), 0, older


def is_small(memory: Memory | None) -> bool:
    """True if a memory is surely small, also as a state."""
    waiting = 0
    while isinstance(memory, tuple):
        memory, waiting = memory[2], waiting + 1
    return waiting <= _CHAIN and (memory is None or _values(memory.state) <= _FEW)


def size_of(state: Any) -> int:
    """For how many authentications a state counts, if they are many: those that it holds; 0 for a few."""
    values = _values(state)
    return values // _VALUES if values > 2 * _FEW else 0


def _values(state: Any) -> int:
    """How many values are in a JSON value."""
    if isinstance(state, dict):
        return sum(map(_values, state.values()))
    return sum(map(_values, state)) if isinstance(state, list) else 1
