"""Batches: output grouped by count, bytes and age, cut between two events. Pure.

A batch carries, beside its events, what may be said when it is delivered: the moves, one for each
read whose last event is in it. So acknowledging batches in order acknowledges the log in order.
"""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shipper.times import SECOND

Advance = TypeVar("Advance")


@dataclass(frozen=True, slots=True)
class Limits:
    """When a batch is full: `max_events`, `max_bytes` of output, or `max_age` nanoseconds after its first event."""

    max_events: int = 2000
    max_bytes: int = 1 << 20
    max_age: int = SECOND


@dataclass(slots=True)
class OpenBatch(Generic[Advance]):
    """A batch being filled, or filled: lines of output, their events, and the moves that they complete.

    `whole`: the last event is the last of its read. `since`: when its first event came.
    """

    since: int
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    events: int = 0
    moves: list[Advance] = field(default_factory=list)
    whole: bool = True

    @property
    def payload(self) -> bytes:
        """All lines of it."""
        return self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)


class Batcher(Generic[Advance]):
    """Groups what the pipelines give out. Times are nanoseconds of any clock that only goes forward."""

    def __init__(self, limits: Limits, lines_per_event: int = 1) -> None:
        """`lines_per_event`: 2 for elastic-bulk."""
        self._limits = limits
        self._lines = lines_per_event
        self._group: OpenBatch[Advance] | None = None

    def add(self, output: bytes, events: int, move: Advance, now: int) -> list[OpenBatch[Advance]]:
        """Take the output of one read, all its lines with their ends; returns the batches that are full now."""
        full: list[OpenBatch[Advance]] = []
        group = self._group or OpenBatch(now)
        if not self._fits(group, len(output), events):
            if group.events:
                group, rest = self._fill(group, output, now, full)
            else:
                rest = output
            while rest:
                group, rest = self._fill(group, rest, now, full)
        elif output:
            group.parts.append(output)
            group.size += len(output)
            group.events += events
        group.moves.append(move)
        group.whole = True
        self._group = group
        if self._is_full(group):
            full.append(group)
            self._group = None
        return full

    def _fits(self, group: OpenBatch[Advance], size: int, events: int) -> bool:
        return group.events + events <= self._limits.max_events and group.size + size <= self._limits.max_bytes

    def _is_full(self, group: OpenBatch[Advance]) -> bool:
        return group.events >= self._limits.max_events or group.size >= self._limits.max_bytes

    def _fill(
        self, group: OpenBatch[Advance], output: bytes, now: int, full: list[OpenBatch[Advance]]
    ) -> tuple[OpenBatch[Advance], bytes]:
        """Put into a group what fits, and close it if something is left."""
        at = 0
        while at < len(output):
            end = at
            for _ in range(self._lines):
                end = output.index(b"\n", end) + 1
            if group.events + 1 > self._limits.max_events or (group.events and group.size + end - at > self._limits.max_bytes):
                break
            group.events += 1
            group.size += end - at
            at = end
        if at:
            group.parts.append(output[:at])
        if at < len(output):
            group.whole = at == 0 and group.whole
            full.append(group)
            group = OpenBatch(now)
        return group, output[at:]

    def flush(self) -> OpenBatch[Advance] | None:
        """What is there, full or not."""
        group, self._group = self._group, None
        return group

    @property
    def due(self) -> int | None:
        """When what is there becomes too old to wait; None if nothing is there."""
        return None if self._group is None else self._group.since + self._limits.max_age

    @property
    def waiting(self) -> int:
        """Events that are in no batch yet."""
        return 0 if self._group is None else self._group.events
