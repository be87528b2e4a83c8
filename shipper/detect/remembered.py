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

# A waiting authentication: its chunk (a `Waiting`, or the kernel's), its place there, and the older memory of its user.
Waits = tuple[Any, int, Any]


class Known:
    """The state of a user, and the latest start of an authentication that it may matter to."""

    __slots__ = ("after", "state")

    def __init__(self, after: int, state: Any) -> None:
        self.after = after
        self.state = state


Memory = Waits | Known  # of one user


class Spans:
    """How long an authentication matters, by its code: `Lull.of_code`, called once for each code."""

    def __init__(self, lull: Lull[Any, Any] | None, rule: Rule) -> None:
        self._lull = lull
        self._rule = rule
        self._known: dict[int, tuple[Code, int | None]] = {}  # by identity of the code

    def __call__(self, code: Code) -> int | None:
        """Nanoseconds after the end of the authentication, or None."""
        known = self._known.get(id(code))
        if known is None:
            if len(self._known) >= CODES:
                self._known.clear()
            assert self._lull is not None
            known = self._known[id(code)] = code, self._lull.of_code(code, self._rule)
        return known[1]


def known_of(memory: Memory | None) -> Known | None:
    """The state in a memory, without the waiting authentications; None if there is no state."""
    while isinstance(memory, tuple):
        memory = memory[2]
    return memory


def waits(memory: Memory | None) -> list[CompletionFields]:
    """The waiting authentications in a memory, oldest first."""
    newest_first: list[CompletionFields] = []
    while isinstance(memory, tuple):
        waiting, at, memory = memory
        newest_first.append(waiting.completion(at))
    return newest_first[::-1]


def short(key: str) -> str:
    """Shorten a long key of a user to its beginning and a digest, which keeps it distinct; return any other key as it is."""
    if len(key) <= LONGEST_KEY:
        return key
    return f"{key[:LONGEST_KEY]}…{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"


def digest(key: str) -> str:
    """The name of a user on disk: a digest of the key."""
    return sha256(key.encode()).hexdigest()[:16]


def remembered(memory: Memory, oldest: int) -> Memory | None:
    """A memory without what ended before `oldest`. Waiting authentications are ordered: each ended before the next started."""
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
    """A waiting authentication apart from its chunk: for a detector that waits for few of each chunk, to keep only those."""
    return Waiting((completion,)), 0, older


def is_small(memory: Memory | None) -> bool:
    """True if a memory is surely small, even as a state."""
    waiting = 0
    while isinstance(memory, tuple):
        memory, waiting = memory[2], waiting + 1
    return waiting <= _CHAIN and (memory is None or _values(memory.state) <= _FEW)


def size_of(state: Any) -> int:
    """The number of authentications in a large state; 0 for a small state."""
    values = _values(state)
    return values // _VALUES if values > 2 * _FEW else 0


def _values(state: Any) -> int:
    """The number of scalars in a JSON value."""
    if isinstance(state, dict):
        return sum(map(_values, state.values()))
    return sum(map(_values, state)) if isinstance(state, list) else 1
