"""Batches: the output of whole reads, grouped by count, bytes and age. Pure.

A batch is closed after the read that reaches a limit, never within a read, so its positions cover
exactly its events.
"""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shipper.model import Block
from shipper.times import SECOND

Advance = TypeVar("Advance")

LINE, EVENT = 70, 800  # typical bytes of a plain log line, and of its event
SMALLEST_READ = 1024  # bytes; nearly every line fits into one read


@dataclass(frozen=True, slots=True)
class Limits:
    """When a batch is closed: at `max_events`, at `max_bytes` of output, or `max_age` nanoseconds after its first read."""

    max_events: int = 2000
    max_bytes: int = 1 << 20
    max_age: int = SECOND


def read_size(limits: Limits, wanted: int) -> int:
    """The number of bytes to read at once: `wanted`, or less if `wanted` would overshoot small limits.

    A read of ordinary lines then fills at most a quarter of a batch.
    """
    events = min(limits.max_events, limits.max_bytes // EVENT)
    return min(wanted, max(SMALLEST_READ, events * LINE // 4))


@dataclass(slots=True)
class OpenBatch(Generic[Advance]):
    """A batch being filled: its events, and the positions after each read. `since` is the time of its first read."""

    since: int
    blocks: list[Block] = field(default_factory=list)
    advances: list[Advance] = field(default_factory=list)
    size: int = 0
    events: int = 0


class Batcher(Generic[Advance]):
    """Groups the output of reads into batches. Times are nanoseconds of a monotonic clock."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: OpenBatch[Advance] | None = None

    def add(self, block: Block, advance: Advance, now: int) -> OpenBatch[Advance] | None:
        """Add the output of one read; return the batch if it is now full.

        Args:
            block: the output; may hold no events.
            advance: the position after the read, released when the batch is delivered.
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
        """Close and return the batch being filled, full or not; None if there is none."""
        batch, self._open = self._open, None
        return batch

    @property
    def due(self) -> int | None:
        """The time at which the batch being filled reaches its maximum age; None if there is none."""
        return None if self._open is None else self._open.since + self._limits.max_age

    @property
    def waiting(self) -> int:
        """The number of events in the batch being filled."""
        return 0 if self._open is None else self._open.events
