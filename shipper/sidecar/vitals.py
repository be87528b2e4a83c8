"""The numbers of a running shipper: filled by the loop, shown by metrics, health and status. Pure."""

from bisect import bisect_left
from dataclasses import dataclass, field

from shipper.model import Counts
from shipper.times import SECOND

LATENCY_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)  # seconds


@dataclass(slots=True)
class Histogram:
    """How often a duration fell below each of `LATENCY_BOUNDS`, the last place above all of them."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS) + 1))
    sum: float = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.buckets[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        self.sum += seconds


@dataclass(slots=True)
class Vitals:
    """What the shipper did and how it is. Times are nanoseconds of the loop's clock.

    `counts` says what was read: lines, events by kind and class. The rest says what became of it:
    an event is waiting (in no batch yet, or in a batch that is not acknowledged), delivered, or dead.
    """

    counts: Counts = field(default_factory=Counts)
    bytes_read: int = 0
    batches: int = 0
    bytes_sent: int = 0
    events_delivered: int = 0
    events_waiting: int = 0
    dead_letters: int = 0
    retries: int = 0
    sink: str = ""
    sink_up: bool = False
    sink_reason: str = "not connected yet"
    latency: Histogram = field(default_factory=Histogram)
    files_open: int = 0
    lag_bytes: int = 0
    newest: int | None = None  # newest event time, nanoseconds since 1970
    rotations: int = 0
    truncations: int = 0
    lost_bytes: int = 0
    past_lost: int = 0
    memo_entries: int = 0
    users: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    saved_at: int | None = None
    save_trouble: str | None = None
    beat: int = 0
    _under_way: dict[int, tuple[int, int, int]] = field(default_factory=dict)

    def sent(self, number: int, events: int, size: int, now: int) -> None:
        """A batch is on its way."""
        self._under_way[number] = events, size, now

    @property
    def events_under_way(self) -> int:
        """Events of the batches that are not acknowledged."""
        return sum(events for events, _, _ in self._under_way.values())

    def delivered(self, number: int, now: int) -> None:
        """A batch is acknowledged."""
        events, size, since = self._under_way.pop(number)
        self.batches += 1
        self.bytes_sent += size
        self.events_delivered += events
        self.latency.observe((now - since) / SECOND)

    def saved(self, trouble: str | None, now: int) -> None:
        """A checkpoint was written, or could not be."""
        self.save_trouble = trouble
        if trouble is None:
            self.saved_at = now


def conservation(vitals: Vitals) -> str | None:
    """None if every line that was read is accounted for; else what does not add up.

    lines = events + filtered + merged + held back, and events + findings = delivered + waiting.
    Dead letters are among the delivered: their batch is done. Holds whenever the loop is between two turns.
    """
    c = vitals.counts
    if c.lines < c.events + c.filtered + c.merged:
        return f"{c.lines} lines were read, but {c.events} events, {c.filtered} filtered and {c.merged} merged came of them"
    out = c.events + c.findings - c.findings_filtered
    if out != vitals.events_delivered + vitals.events_waiting:
        return f"{out} events came, but {vitals.events_delivered} are delivered and {vitals.events_waiting} on their way"
    return None
