"""Authentications that wait until one comes that may pair with them. Pure.

Thousands wait, and most are forgotten unseen. Objects that stay make each new one take memory that no cache holds, and
that costs more than all else that is done with them. So those of a chunk are kept side by side: times as machine
integers, texts as one string.
"""

from array import array
from collections.abc import Iterator, Sequence
from typing import Self

from shipper.model import CompletionFields, UserFields

Row = tuple[int, UserFields | None, int, int, int]
"""What says whether an authentication waits: its place in the chunk, user, start, end, and the newest event time."""


class Waiting:
    """What a detector's `step` reads of the authentications of a chunk, by their places. It never changes."""

    __slots__ = ("_components", "_end_texts", "_ids", "_start_texts", "_successes", "codes", "ends", "starts")

    def __init__(self, completions: Sequence[CompletionFields]) -> None:
        """`completions` are one or more."""
        _, _, ids, self._components, starts, start_texts, ends, end_texts, self.codes, self._successes, _ = zip(
            *completions, strict=True
        )
        self.starts = _times(starts)
        self.ends = _times(ends)
        self._ids, self._start_texts, self._end_texts = map("\n".join, (ids, start_texts, end_texts))  # no line end is in them

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def completion(self, at: int) -> CompletionFields:
        """An authentication, without what is the host's."""
        event_id, start_text, end_text = (
            texts.split("\n", at + 1)[at] for texts in (self._ids, self._start_texts, self._end_texts)
        )
        code, success, end = self.codes[at], self._successes[at], self.ends[at]
        return 0, None, event_id, self._components[at], self.starts[at], start_text, end, end_text, code, success, end


class Arrived:
    """The completions of a chunk on their way into the detectors.

    Attributes:
        completions: these.
        waiting: what is kept of those that wait.
        tidy: each has a user and is the newest, as nearly all are.
    """

    __slots__ = ("completions", "ends", "newests", "starts", "tidy", "users", "waiting")

    def __init__(self, completions: Sequence[CompletionFields]) -> None:
        """`completions` are one or more."""
        self.completions = completions
        self.waiting = Waiting(completions)
        _, self.users, _, _, self.starts, _, self.ends, _, _, _, self.newests = zip(*completions, strict=True)
        self.tidy = self.ends == self.newests and None not in self.users

    def rows(self) -> Iterator[Row]:
        """What is looked at first."""
        return zip(range(len(self.users)), self.users, self.starts, self.ends, self.newests, strict=True)


def _times(values: tuple[int, ...]) -> Sequence[int]:
    try:
        return array("q", values)
    except OverflowError:  # after the year 2262
        return values
