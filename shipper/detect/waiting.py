"""Authentications that wait until one arrives that may pair with them. Pure.

Thousands wait, and most are forgotten unseen. Long-lived objects push each new object into memory that no cache holds,
which costs more than all other work on them. So the authentications of a chunk are stored side by side: times as
machine integers, texts as one string.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Self

from shipper.decode import compiled
from shipper.model import Code, CompletionFields, UserFields

Row = tuple[int, UserFields | None, int, int, int]
"""The values that decide whether an authentication waits: place in the chunk, user, start, end, newest event time."""


class Waiting:
    """The fields of a chunk's authentications that a detector's `step` reads, by place in the chunk. Immutable."""

    __slots__ = ("_codes", "_components", "_end_texts", "_ends", "_ids", "_start_texts", "_starts", "_successes")

    def __init__(self, completions: Sequence[CompletionFields]) -> None:
        """`completions` are one or more."""
        _, _, ids, self._components, starts, start_texts, ends, end_texts, self._codes, self._successes, _ = zip(
            *completions, strict=True
        )
        self._starts = _times(starts)
        self._ends = _times(ends)
        self._ids, self._start_texts, self._end_texts = map("\n".join, (ids, start_texts, end_texts))  # no line end is in them

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def completion(self, at: int) -> CompletionFields:
        """An authentication, without the fields that belong to the host."""
        event_id, start_text, end_text = (
            texts.split("\n", at + 1)[at] for texts in (self._ids, self._start_texts, self._end_texts)
        )
        code, success, end = self._codes[at], self._successes[at], self._ends[at]
        return 0, None, event_id, self._components[at], self._starts[at], start_text, end, end_text, code, success, end

    def end(self, at: int) -> int:
        """The end of an authentication."""
        return self._ends[at]

    def code(self, at: int) -> Code:
        """The status of an authentication."""
        code: Code = self._codes[at]
        return code


class Arrived:
    """The completions of a chunk on their way into the detectors.

    Attributes:
        completions: all completions of the chunk.
        waiting: what is kept of completions that wait.
        code: returns the status of the completion at a place.
        completion: returns the completion at a place.
        tidy: each completion has a user and ends at the newest event time, as nearly all do.
    """

    __slots__ = ("_ends", "_newests", "_starts", "_users", "code", "completion", "completions", "tidy", "waiting")

    def __init__(self, completions: Sequence[CompletionFields]) -> None:
        """`completions` are one or more."""
        self.completions = completions
        self.completion: Callable[[int], CompletionFields] = completions.__getitem__
        self.waiting: Waiting | compiled.Completions = Waiting(completions)
        _, self._users, _, _, self._starts, _, self._ends, _, codes, _, self._newests = zip(*completions, strict=True)
        self.code: Callable[[int], Code] = codes.__getitem__
        self.tidy = self._ends == self._newests and None not in self._users

    def rows(self) -> Iterator[Row]:
        """The rows of all completions."""
        return zip(range(len(self._users)), self._users, self._starts, self._ends, self._newests, strict=True)

    def row(self, at: int) -> Row:
        """The row of the completion at a place."""
        return at, self._users[at], self._starts[at], self._ends[at], self._newests[at]


class CompiledArrived:
    """Like `Arrived`, for completions that the kernel made: Python looks at few of them."""

    __slots__ = ("_seen", "code", "completions", "tidy", "waiting")

    def __init__(self, completions: "compiled.Completions") -> None:
        self.completions = self.waiting = completions
        self.code = completions.code
        self.tidy = completions.tidy
        self._seen: dict[int, CompletionFields] = {}  # those that were looked at: detectors keep the same texts of them

    def completion(self, at: int) -> CompletionFields:
        """See `Arrived`."""
        seen = self._seen.get(at)
        if seen is None:
            seen = self._seen[at] = self.completions[at]
        return seen

    def rows(self) -> Iterator[Row]:
        """See `Arrived.rows`."""
        return map(self.row, range(len(self.completions)))

    def row(self, at: int) -> Row:
        """See `Arrived.row`."""
        _, user, _, _, start, _, end, _, _, _, newest = self.completion(at)
        return at, user, start, end, end if end == newest else newest


def arrived(completions: Sequence[CompletionFields]) -> Arrived | CompiledArrived:
    """The completions of a chunk, one or more, on their way into the detectors."""
    return CompiledArrived(completions) if compiled.are_completions(completions) else Arrived(completions)


def _times(values: tuple[int, ...]) -> Sequence[int]:
    try:
        return array("q", values)
    except OverflowError:  # after the year 2262
        return values
