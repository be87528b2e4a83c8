"""Tracks the event time of each partition of the events topic that an instance reads. Pure.

A single event cannot move a clock for good: as in a log (see `decode/clock.py`), the first time of a partition, and a time
more than a day ahead of its newest, take effect only when the next time confirms them. Clocks live in memory only: a partition
that is read again, after a failure or by another instance, starts with a new clock.
"""

from collections.abc import Iterable

from shipper.decode.clock import DAY
from shipper.times import SECOND


class _Clock:
    __slots__ = ("newest", "offset", "told", "told_at", "waiting")

    def __init__(self) -> None:
        self.offset = -1  # of the last record read
        self.newest: int | None = None
        self.waiting: int | None = None
        self.told: int | None = None  # the newest time sent to all buckets, and when it was sent
        self.told_at = 0

    def turn(self, time: int) -> bool:
        """Take the time of the next event; return True if it shows that the waiting time was wrong."""
        before, self.waiting = self.waiting, None
        if before is not None and time >= before - DAY:
            self.newest, before = before if self.newest is None else max(self.newest, before), None
        if self.newest is None or time > self.newest + DAY:
            self.waiting = time
        else:
            self.newest = max(self.newest, time)
        return before is not None


class PartitionClocks:
    """The clock of each partition.

    `misdated` counts wrong times.
    """

    def __init__(self, lateness: int) -> None:
        """`lateness` in nanoseconds of event time."""
        self.misdated = 0
        self._step = max(lateness // 16, SECOND)
        self._clocks: dict[int, _Clock] = {}

    def read(self, partition: int, offset: int, time: int | None) -> int | None:
        """Return the newest time of a partition after a record whose event has this `time`; None while it is unknown."""
        clock = self._clocks.get(partition)
        if clock is None or offset <= clock.offset:
            clock = self._clocks[partition] = _Clock()
        clock.offset = offset
        if time is not None:
            self.misdated += clock.turn(time)
        return clock.newest

    def to_tell(self, partition: int, now: int) -> bool:
        """Return True if a partition's newest time has advanced enough to be sent to all buckets.

        Args:
            partition: a partition that has been read.
            now: nanoseconds of a monotonic clock; it only limits how often the answer is True, to twice a second.
        """
        clock = self._clocks[partition]
        if clock.newest is None or (clock.told is not None and clock.newest - clock.told < self._step):
            return False
        if clock.told is not None and now - clock.told_at < SECOND // 2:
            return False
        clock.told, clock.told_at = clock.newest, now
        return True

    def newest(self) -> Iterable[tuple[int, int]]:
        """Return each partition whose time is known, with that time."""
        return [(partition, clock.newest) for partition, clock in list(self._clocks.items()) if clock.newest is not None]
