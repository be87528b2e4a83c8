"""Holds the authentications of one events partition in a bucket until event time is past them by the lateness. Pure.

All events of a user are in one partition, so each partition has its own lane with its own clock: an instance that is dead or
behind holds back only the authentications of its own users, and makes no others late.

Authentications wait in slots of a sixteenth of the lateness and leave a slot at a time, ordered by end, then by `event.id`.
Each has its own key in the bucket's state, so the cost of a step does not depend on how many wait.
"""

from bisect import bisect_left
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, Protocol, TypedDict

from shipper.decode.clock import DAY
from shipper.stream.completions import MOST, Completed

SLOTS = 16  # per lateness


class State(Protocol):
    """JSON values by key: the state that Quix Streams keeps for each key of a topic."""

    def get(self, key: str) -> Any:
        """Return the value of a key; None if there is none."""

    def set(self, key: str, value: Any) -> None:
        """Set the value of a key."""

    def delete(self, key: str) -> None:
        """Remove a key; a missing key is no error."""


class LaneState(TypedDict):
    """A lane as a JSON value.

    Attributes:
        offset: offset of the last event of the partition that this bucket knows of.
        clock: the newest event time, in nanoseconds; None before it is known.
        upto: an authentication that ended before this time is late.
        slots: the slots in use, in order: number, and count of authentications.
        turns: the times at which users are checked for removal, in order: number, and count of users (see `users.py`).
    """

    offset: int
    clock: int | None
    upto: int
    slots: list[list[int]]
    turns: list[list[int]]


class Lane:
    """A lane, loaded from the state for one record."""

    def __init__(self, origin: int, state: State, lateness: int) -> None:
        """
        Args:
            origin: the partition of the events.
            state: the state of the bucket.
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
        """The newest event time; `-MOST` before it is known."""
        clock = self.value["clock"]
        return -MOST if clock is None else clock

    def turn(self, offset: int, time: int | None) -> None:
        """Record that the partition was read up to this offset, and that its newest event time is at least `time`, if known."""
        self.value["offset"] = offset
        if time is not None:
            self.value["clock"] = max(self.clock, time)

    def is_late(self, completed: Completed) -> bool:
        """Return True if an authentication arrives after its turn."""
        return completed.end < self.value["upto"]

    def hold(self, completed: Completed) -> bool:
        """Store an authentication until its turn; return False, without storing it, if its turn is now.

        One more than a day ahead of the clock does not move the clock, and waits until others do.
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
        """Yield the authentications whose turn has come; all of them if the partition is quiet.

        Args:
            end: the offset up to which a quiet partition was read; ignored if the lane knows of an event at `end` or later.
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
        """Return the state key of an item of this lane."""
        return f"{kind}{self._origin}:{number}:{index}"

    @property
    def waiting(self) -> int:
        """The number of waiting authentications."""
        return sum(count for _, count in self.value["slots"])

    def save(self) -> None:
        """Write the lane back to the state."""
        self._state.set(self._name, self.value)


def _new() -> LaneState:
    return {"offset": -1, "clock": None, "upto": -MOST, "slots": [], "turns": []}
