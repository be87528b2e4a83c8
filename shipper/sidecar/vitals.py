"""The numbers of a running shipper, for metrics and health.

Pipelines, tail and delivery keep their own counters; this module adds only the numbers that the loop alone knows.
"""

from bisect import bisect_left
from dataclasses import dataclass, field

from shipper.deliver.delivery import Delivery
from shipper.model import Counts
from shipper.read.channels import FilesAndChannels
from shipper.read.tail import Tail
from shipper.times import SECOND

LATENCY_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)  # seconds


@dataclass(slots=True)
class Histogram:
    """The number of durations in each bucket; `LATENCY_BOUNDS` are the upper bounds, and the last bucket has none."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS) + 1))
    sum: float = 0.0

    def observe(self, seconds: float) -> None:
        """Count a duration."""
        self.buckets[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        self.sum += seconds


@dataclass(slots=True)
class Vitals:
    """The state of a running shipper. Written by the loop's thread, read by the threads of the metrics page.

    Attributes:
        counts: counters of the pipelines.
        delivery, tail: the parts themselves, once they exist. Another thread may read only their plain
            numbers, so the loop stores computed sums here.
        bytes_read: bytes read from the logs, decompressed.
        batches, bytes_sent, events_delivered: totals of acknowledged batches. Events include dead letters.
        events_waiting: events that are read and not acknowledged.
        latency: seconds from sending a batch to its acknowledgement.
        files_open, lag_bytes: open logs, and the bytes in them that are not read yet.
        newest: the newest event time, nanoseconds since 1970.
        memo_entries, users: number in the memory of all pipelines.
        saved_at: when the checkpoint was last written, in nanoseconds of the loop's clock.
        save_trouble: why the checkpoint cannot be written now.
        beat: when the loop last finished a turn, in nanoseconds of the loop's clock.
    """

    counts: Counts = field(default_factory=Counts)
    delivery: Delivery | None = None
    tail: Tail | FilesAndChannels | None = None
    bytes_read: int = 0
    batches: int = 0
    bytes_sent: int = 0
    events_delivered: int = 0
    events_waiting: int = 0
    latency: Histogram = field(default_factory=Histogram)
    files_open: int = 0
    lag_bytes: int = 0
    newest: int | None = None
    memo_entries: int = 0
    users: int = 0
    saved_at: int | None = None
    save_trouble: str | None = None
    beat: int = 0
    _under_way: dict[int, tuple[int, int, int]] = field(default_factory=dict)  # events, size, time sent

    def sent(self, number: int, events: int, size: int, now: int) -> None:
        """Record a batch as sent."""
        self._under_way[number] = events, size, now

    @property
    def events_under_way(self) -> int:
        """Events of batches that are sent and not acknowledged."""
        return sum(events for events, _, _ in self._under_way.values())

    def delivered(self, number: int, now: int) -> None:
        """Record a batch as acknowledged."""
        events, size, since = self._under_way.pop(number)
        self.batches += 1
        self.bytes_sent += size
        self.events_delivered += events
        self.latency.observe((now - since) / SECOND)

    def saved(self, trouble: str | None, now: int) -> None:
        """Record that the checkpoint was written, or why it could not be (`trouble`)."""
        self.save_trouble = trouble
        if trouble is None:
            self.saved_at = now


def conservation(vitals: Vitals) -> str | None:
    """None if, between two turns of the loop, every line read is accounted for; otherwise what is wrong.

    lines = events + filtered + merged + held back, and events + findings = delivered + waiting.
    Dead letters count as delivered: their batch is done.
    """
    c = vitals.counts
    if c.lines < c.events + c.filtered + c.merged:
        return f"{c.lines} lines were read, but {c.events} events, {c.filtered} filtered and {c.merged} merged came of them"
    out = c.events + c.findings - c.findings_filtered
    if out != vitals.events_delivered + vitals.events_waiting:
        return f"{out} events came, but {vitals.events_delivered} are delivered and {vitals.events_waiting} on their way"
    return None
