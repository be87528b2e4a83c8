"""The event time of the partitions of the events topic, as one instance reads them. Pure.

One event cannot move a clock for good: as in a log (see `decode/clock.py`), a time more than a day ahead of the newest one of
its partition, and the first one that is read, waits for the next. The clocks live in memory only: a partition that is read
again, after a failure or by another instance, has a new one.
"""

from collections.abc import Iterable

from shipper.decode.clock import DAY
from shipper.times import SECOND


class _Clock:
    __slots__ = ("newest", "offset", "told", "told_at", "waiting")

    def __init__(self) -> None:
        self.offset = -1  # of the last record that was read
        self.newest: int | None = None
        self.waiting: int | None = None
        self.told: int | None = None  # the newest time that all buckets have been told, and when that was
        self.told_at = 0

    def turn(self, time: int) -> bool:
        """Take the time of the next event; True if the time that waited turns out to be wrong."""
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

    `misdated` counts the times that were wrong.
    """

    def __init__(self, lateness: int) -> None:
        """`lateness` in nanoseconds of event time."""
        self.misdated = 0
        self._step = max(lateness // 16, SECOND)
        self._clocks: dict[int, _Clock] = {}

    def read(self, partition: int, offset: int, time: int | None) -> int | None:
        """The newest time of a partition at this record, whose event is of `time`; None while it is not known."""
        clock = self._clocks.get(partition)
        if clock is None or offset <= clock.offset:
            clock = self._clocks[partition] = _Clock()
        clock.offset = offset
        if time is not None:
            self.misdated += clock.turn(time)
        return clock.newest

    def to_tell(self, partition: int, now: int) -> bool:
        """True if the newest time of a partition is to be told to all buckets, because it has moved on by enough.

        Args:
            partition: which has been read.
            now: of a clock that only tells how often this is answered with True.
        """
        clock = self._clocks[partition]
        if clock.newest is None or (clock.told is not None and clock.newest - clock.told < self._step):
            return False
        if clock.told is not None and now - clock.told_at < SECOND // 2:
            return False
        clock.told, clock.told_at = clock.newest, now
        return True

    def newest(self) -> Iterable[tuple[int, int]]:
        """The partitions whose time is known, and that time."""
        return [(partition, clock.newest) for partition, clock in list(self._clocks.items()) if clock.newest is not None]
