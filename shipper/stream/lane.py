"""What waits in a bucket of users, of one partition of the events: authentications until event time has passed them. Pure.

A user's events are in one partition, so each partition has a lane of its own, with its own clock: an instance that is
dead or behind holds back only its own users' authentications, and makes nobody's late.

Authentications wait in slots of a sixteenth of the lateness, and come out a whole slot at a time, in the order of their
ends and then of their `event.id`s. Everything is under keys of its own in the bucket's state, so that a step costs the same
however many wait.
"""

from bisect import bisect_left
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, Protocol, TypedDict

from shipper.decode.clock import DAY
from shipper.stream.completions import MOST, Completed

SLOTS = 16  # in the lateness


class State(Protocol):
    """JSON values by key, as Quix Streams keeps them for each key of a topic."""

    def get(self, key: str) -> Any:
        """The value of a key; None if there is none."""

    def set(self, key: str, value: Any) -> None:
        """Set the value of a key."""

    def delete(self, key: str) -> None:
        """Remove a key; one that is not there is no error."""


class LaneState(TypedDict):
    """A lane as a JSON value.

    Attributes:
        offset: of the last event in the partition that this bucket has heard of.
        clock: the newest event time, in nanoseconds; None before it is known.
        upto: what ended before this comes too late for its turn.
        slots: those in which something waits, in order: number, and how many.
        turns: when users are looked at to be forgotten, in order: number, and how many (see `users.py`).
    """

    offset: int
    clock: int | None
    upto: int
    slots: list[list[int]]
    turns: list[list[int]]


class Lane:
    """A lane for the time of one record."""

    def __init__(self, origin: int, state: State, lateness: int) -> None:
        """
        Args:
            origin: the partition of the events.
            state: of the bucket.
            lateness: nanoseconds.
        """
        self._origin = origin
        self._name = f"l{origin}"
        self._state = state
        self._lateness = lateness
        self._width = max(lateness // SLOTS, 1)
        self.value: LaneState = state.get(self._name) or _new()

    @property
    def clock(self) -> int:
        """The newest event time; long ago before it is known."""
        clock = self.value["clock"]
        return -MOST if clock is None else clock

    def turn(self, offset: int, time: int | None) -> None:
        """The partition has been read up to an event, and its newest event time is at least `time`, if that is known."""
        self.value["offset"] = offset
        if time is not None:
            self.value["clock"] = max(self.clock, time)

    def is_late(self, completed: Completed) -> bool:
        """True if an authentication comes after its turn."""
        return completed.end < self.value["upto"]

    def hold(self, completed: Completed) -> bool:
        """Let an authentication wait for its turn; False if that is now.

        One that is ahead of the clock by more than a day does not move it, and waits until others do.
        """
        end, clock = completed.end, self.value["clock"]
        if clock is not None and end <= clock + DAY:
            clock = self.value["clock"] = max(clock, end)
            if not self._lateness:
                return False
        number, slots = end // self._width, self.value["slots"]
        at = bisect_left(slots, [number])
        if at == len(slots) or slots[at][0] != number:
            slots.insert(at, [number, 0])
        self._state.set(self.key("s", number, slots[at][1]), list(completed))
        slots[at][1] += 1
        return True

    def due(self, end: int | None = None) -> Iterator[Completed]:
        """Those whose turn it is; all of them if the partition is quiet.

        Args:
            end: the offset at which it is. A partition of which something later is known here is not quiet any more.
        """
        slots, limit = self.value["slots"], (self.clock - self._lateness) // self._width
        idle = end is not None and end > self.value["offset"]
        while slots and (idle or slots[0][0] < limit):
            number, count = slots.pop(0)
            keys = [self.key("s", number, index) for index in range(count)]
            waited = sorted((Completed(*self._state.get(key)) for key in keys), key=itemgetter(0, 1))
            for key in keys:
                self._state.delete(key)
            for completed in waited:
                if completed.end <= self.clock:
                    self._pass(completed.end)
                yield completed
        if self.value["clock"] is not None:
            self._pass(limit * self._width)

    def _pass(self, time: int) -> None:
        self.value["upto"] = max(self.value["upto"], time)

    def key(self, kind: str, number: int, index: int) -> str:
        """The key of something that belongs to this lane."""
        return f"{kind}{self._origin}:{number}:{index}"

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(count for _, count in self.value["slots"])

    def save(self) -> None:
        """Write the lane back."""
        self._state.set(self._name, self.value)


def _new() -> LaneState:
    return {"offset": -1, "clock": None, "upto": -MOST, "slots": [], "turns": []}
