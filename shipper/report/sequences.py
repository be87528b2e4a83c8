"""The prompts of each user of one component in their order, as far as a cache ties them together. Pure.

A prompt ends a sequence when no cache of the ladder can reach from it to the next one; the sequence is then counted and
forgotten. Long ones are counted piece by piece. So memory holds the users of the last hours of event time.
"""

from bisect import bisect_left
from collections.abc import Callable
from operator import itemgetter

from shipper.detect.prompts import NO_METHOD
from shipper.model import CompletionFields
from shipper.report.cache import (
    ADDRESS,
    END,
    ID,
    IS_SECOND,
    LONGEST,
    READINGS,
    START,
    SUCCEEDED,
    TYPES,
    WAITS,
    Memory,
    Prompt,
    Spared,
)
from shipper.times import BEFORE_ALL

PIECE = 64  # prompts of a sequence that are in memory before some of them are counted
MOST_WAITING = 4096  # two-step prompts that wait for their code

Missed = Callable[[str, int, int, int], None]
"""Is told the key of a user, the place of a cache type and of a reading, and the bits of `Spared.take`."""


class Advice:
    """What caches would have spared: by cache type and reading, and of how many prompts."""

    def __init__(self) -> None:
        self.prompts = 0
        self.with_address = 0
        self.spared = [[Spared() for _ in READINGS] for _ in TYPES]

    def add(self, other: "Advice") -> None:
        """Add the sums of another log."""
        self.prompts += other.prompts
        self.with_address += other.with_address
        for mine, theirs in zip(self.spared, other.spared, strict=True):
            for reading, other_reading in zip(mine, theirs, strict=True):
                reading.add(other_reading)


class _Sequence:
    """One user. `memory` by cache type, reading and address, once a piece of the sequence has been counted."""

    __slots__ = ("latest", "memory", "prompts")

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []
        self.latest = BEFORE_ALL
        self.memory: dict[tuple[int, int, str], Memory] | None = None


class Sequences:
    """The sequences of one component.

    Users are kept in two generations, as in `detect/detector.py`: after some hours of event time without a prompt a
    sequence is counted.
    """

    def __init__(self, exchange_timeout: int, window: int, advice: Advice | None, missed: Missed) -> None:
        """
        Args:
            exchange_timeout: nanoseconds that a request waits for its status, and the first of two steps for the second.
            window: of double prompts, in nanoseconds: how far a finding reaches.
            advice: takes the sums; None where there is no cache.
            missed: is told which caches would not have spared a user a double prompt.
        """
        self._timeout = exchange_timeout
        self._slack = 4 * exchange_timeout  # after that much event time a prompt and its findings are known
        self._apart = max(LONGEST, window) + self._slack
        self._advice = advice
        self._missed = missed
        self._young: dict[str, _Sequence] = {}
        self._old: dict[str, _Sequence] = {}
        self._turn = BEFORE_ALL
        self._waiting: dict[tuple[str, str], Prompt] = {}

    def take(self, key: str, completion: CompletionFields, address: str | None, *, success: bool) -> Prompt | None:
        """Take a completed authentication.

        Returns:
            The prompt that it is, or whose answer it is; None if it rang no phone.
        """
        _, _, event_id, _, start, _, end, _, code, _, newest = completion
        if newest > self._turn:
            self._next_generation(newest)
        method = code.method or NO_METHOD
        pending = code.status_class == "pending"
        if self._waiting and not pending:
            first = self._waiting.get((key, method))
            if first is not None and 0 <= start - first[END] <= self._timeout:
                del self._waiting[key, method]
                first[END], first[SUCCEEDED], first[WAITS] = end, success, None
                first[ADDRESS] = first[ADDRESS] or address
                return first
        if not code.prompted:
            return None
        prompt: Prompt = [start, event_id, end, success, address, False, method if pending else None]
        self._append(key, prompt, newest)
        if pending:
            self._wait(key, method, prompt, newest)
        return prompt

    def _append(self, key: str, prompt: Prompt, newest: int) -> None:
        sequence = self._young.get(key)
        if sequence is None:
            sequence = self._young[key] = self._old.pop(key) if key in self._old else _Sequence()
        if prompt[START] > sequence.latest + self._apart and sequence.prompts:
            self._count(key, sequence)
            sequence = self._young[key] = _Sequence()
        sequence.prompts.append(prompt)
        sequence.latest = max(sequence.latest, prompt[END])
        if len(sequence.prompts) % PIECE == 0 and self._advice is not None:
            self._count_piece(key, sequence, newest - self._slack)
        elif len(sequence.prompts) >= 2 * PIECE:
            del sequence.prompts[:PIECE]  # without a cache nothing asks for them again

    def _wait(self, key: str, method: str, prompt: Prompt, newest: int) -> None:
        """Only the latest prompt of a user and method waits for its answer."""
        self._waiting[key, method] = prompt
        if len(self._waiting) > MOST_WAITING:
            oldest = newest - self._slack
            self._waiting = {name: waits for name, waits in self._waiting.items() if waits[END] >= oldest}
            for name in list(self._waiting)[: max(0, len(self._waiting) - MOST_WAITING)]:
                del self._waiting[name]

    def second(self, key: str, prompt_id: str) -> Prompt | None:
        """A finding says that a prompt is the second of two; returns that prompt, or None if it is not known any more."""
        sequence = self._young.get(key) or self._old.get(key)
        for prompt in reversed(sequence.prompts if sequence else ()):
            if prompt[ID] == prompt_id:
                prompt[IS_SECOND] = True
                return prompt
        return None

    def _next_generation(self, newest: int) -> None:
        for key, sequence in self._old.items():
            self._count(key, sequence)
        self._old, self._young = self._young, {}
        self._turn = newest + self._apart

    def close(self) -> None:
        """The end of the log: count what is left."""
        for generation in (self._old, self._young):
            for key, sequence in generation.items():
                self._count(key, sequence)
        self._old, self._young, self._waiting = {}, {}, {}

    def _count_piece(self, key: str, sequence: _Sequence, settled: int) -> None:
        """Count the prompts that started before `settled`, after which nothing about them can change."""
        prompts = sequence.prompts
        prompts.sort(key=_ORDER)
        at = bisect_left(prompts, settled, key=itemgetter(START))
        if at:
            rest = prompts[at:]
            del prompts[at:]
            sequence.memory = sequence.memory or {}
            self._count(key, sequence)
            sequence.prompts = rest

    def _count(self, key: str, sequence: _Sequence) -> None:
        advice, prompts = self._advice, sequence.prompts
        if advice is None:
            return
        prompts.sort(key=_ORDER)
        advice.prompts += len(prompts)
        by_address: dict[str, list[Prompt]] = {}
        unknown = False  # a second prompt without an address: the narrower cache would not have spared it
        for prompt in prompts:
            if prompt[ADDRESS] is not None:
                by_address.setdefault(prompt[ADDRESS], []).append(prompt)
            elif prompt[IS_SECOND]:
                unknown = True
        advice.with_address += sum(map(len, by_address.values()))
        for reading in range(len(READINGS)):
            self._take(key, sequence, (0, reading, ""), prompts)
            for address, theirs in by_address.items():
                self._take(key, sequence, (1, reading, address), theirs)
            if unknown:
                self._missed(key, 1, reading, -1)
        if sequence.memory:
            oldest = prompts[-1][START] - self._apart if prompts else BEFORE_ALL
            for name in [name for name, memory in sequence.memory.items() if max(memory.until) < oldest]:
                del sequence.memory[name]

    def _take(self, key: str, sequence: _Sequence, name: tuple[int, int, str], prompts: list[Prompt]) -> None:
        assert self._advice is not None
        kind, reading, _ = name
        memory = None if sequence.memory is None else sequence.memory.setdefault(name, Memory())
        missed = self._advice.spared[kind][reading].take(prompts, memory, renewed=reading == 1)
        if missed:
            self._missed(key, kind, reading, missed)


_ORDER = itemgetter(START, ID)
