"""Batches: the output of whole reads, grouped by count, bytes and age. Pure.

A batch is closed after the read that reaches a limit, never in the middle of a read, so the positions
that it carries cover exactly its events.
"""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shipper.model import Block
from shipper.times import SECOND

Advance = TypeVar("Advance")

LINE, EVENT = 70, 800  # bytes: a plain line of a log, and the event that it becomes
SMALLEST_READ = 1024  # so that nearly every line fits into one read


@dataclass(frozen=True, slots=True)
class Limits:
    """When a batch is closed: at `max_events`, at `max_bytes` of output, or `max_age` nanoseconds after its first read."""

    max_events: int = 2000
    max_bytes: int = 1 << 20
    max_age: int = SECOND


def read_size(limits: Limits, wanted: int) -> int:
    """How many bytes a read should take: `wanted`, or less where that would overshoot small limits.

    A read of ordinary lines then brings at most a quarter of a batch.
    """
    events = min(limits.max_events, limits.max_bytes // EVENT)
    return min(wanted, max(SMALLEST_READ, events * LINE // 4))


@dataclass(slots=True)
class OpenBatch(Generic[Advance]):
    """A batch being filled: events, and the positions reached by reading them.

    `since` is the time of its first read.
    """

    since: int
    blocks: list[Block] = field(default_factory=list)
    advances: list[Advance] = field(default_factory=list)
    size: int = 0
    events: int = 0


class Batcher(Generic[Advance]):
    """Groups the output of reads. Times are nanoseconds of a monotonic clock."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: OpenBatch[Advance] | None = None

    def add(self, block: Block, advance: Advance, now: int) -> OpenBatch[Advance] | None:
        """Take the output of one read; returns the batch if it is full now.

        Args:
            block: may hold no events.
            advance: the position behind the read, to be released when the batch is delivered.
            now: the time.
        """
        batch = self._open = self._open or OpenBatch(now)
        if block.ends:
            batch.blocks.append(block)
            batch.size += len(block.data)
            batch.events += len(block.ends)
        batch.advances.append(advance)
        full = batch.events >= self._limits.max_events or batch.size >= self._limits.max_bytes
        return self.flush() if full else None

    def flush(self) -> OpenBatch[Advance] | None:
        """Close the batch being filled, full or not; None if there is none."""
        batch, self._open = self._open, None
        return batch

    @property
    def due(self) -> int | None:
        """When the batch being filled is too old to wait any longer; None if there is none."""
        return None if self._open is None else self._open.since + self._limits.max_age

    @property
    def waiting(self) -> int:
        """Events in the batch being filled."""
        return 0 if self._open is None else self._open.events
