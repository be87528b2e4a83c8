"""The metrics: one table of names, help texts and the source of each number at a scrape.

Nothing is counted here. Names follow the conventions of Prometheus: base units, and `_total` for
counters.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily as Counter
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from shipper.deliver.delivery import Delivery
from shipper.deliver.file import FileSink
from shipper.detect import DETECTORS
from shipper.detect.protocol import Total
from shipper.model import Counts
from shipper.read.channels import FilesAndChannels
from shipper.read.tail import Tail
from shipper.sidecar.vitals import LATENCY_BOUNDS, Vitals
from shipper.times import SECOND

PREFIX = "mfa_shipper_"


class Scrape(NamedTuple):
    """The input of a scrape: the vitals, the time by the loop's clock, and seconds since 1970."""

    vitals: Vitals
    now: int
    wall: float

    @property
    def counts(self) -> Counts:
        """The counters of the pipelines."""
        return self.vitals.counts


class Metric(NamedTuple):
    """A metric of the page.

    Attributes:
        family: the type.
        name: the name without the prefix and without the `_total` of a counter.
        text: the help text.
        read: returns the value, or a value per label value; None omits the metric.
        label: the name of the label, if any.
    """

    family: type[Counter] | type[Gauge]
    name: str
    text: str
    read: Callable[[Scrape], Mapping[str, float] | float | None]
    label: str | None = None

    @property
    def full_name(self) -> str:
        """The name on the page."""
        return PREFIX + self.name + ("_total" if self.family is Counter else "")

    def collect(self, scrape: Scrape) -> Iterator[Family]:
        """Yield the metric with its present value."""
        value = self.read(scrape)
        if value is None:
            return
        family = self.family(PREFIX + self.name, self.text, labels=None if self.label is None else [self.label])
        for label, number in value.items() if isinstance(value, Mapping) else [(None, value)]:
            family.add_metric([] if label is None else [label], number)
        yield family


def _delivery(read: Callable[[Delivery], float]) -> Callable[[Scrape], float]:
    return lambda scrape: read(scrape.vitals.delivery) if scrape.vitals.delivery else 0


def _tail(read: Callable[[Tail | FilesAndChannels], float]) -> Callable[[Scrape], float]:
    return lambda scrape: read(scrape.vitals.tail) if scrape.vitals.tail else 0


def _reopened(scrape: Scrape) -> float:
    sink = scrape.vitals.delivery.sink if scrape.vitals.delivery else None
    return sink.reopened if isinstance(sink, FileSink) else 0


def _lag_seconds(scrape: Scrape) -> float | None:
    newest = scrape.vitals.newest
    return None if newest is None else max(0.0, scrape.wall - newest / SECOND)


def _checkpoint_age(scrape: Scrape) -> float | None:
    saved_at = scrape.vitals.saved_at
    return None if saved_at is None else (scrape.now - saved_at) / SECOND


def _events(scrape: Scrape) -> dict[str, float]:
    c = scrape.counts
    return {
        "request": c.requests, "verdict": c.verdicts, "status": c.statuses, "result": c.results,
        "log": c.logs, "unparsed": c.unparsed,
        **{name: c.detected[detector.found.name] for name, detector in DETECTORS.items()},
    }  # fmt: skip


def _detected(total: Total) -> Metric:
    return Metric(Counter, total.name, total.help, lambda scrape: scrape.counts.detected[total.name])


# The counters of the detectors.
FINDINGS = tuple(_detected(total) for detector in DETECTORS.values() for total in (detector.found, *detector.totals))

# Every metric but the histogram, in the order of the page.
METRICS = (
    Metric(Counter, "lines_read", "Lines read from the logs.", lambda s: s.counts.lines),
    Metric(Counter, "bytes_read", "Bytes read from the logs, decompressed.", lambda s: s.vitals.bytes_read),
    Metric(
        Counter, "events_filtered", "Events left out by the user's own filters.",
        lambda s: s.counts.filtered + s.counts.findings_filtered,
    ),
    Metric(Counter, "lines_merged", "Lines merged into the event of their exchange.", lambda s: s.counts.merged),
    Metric(
        Counter, "lines_unparsed", "Lines that no pattern matches; shipped as pipeline_error.", lambda s: s.counts.unparsed
    ),
    Metric(
        Counter, "unknown_messages", "Lines of a known service whose message no pattern matches; shipped as log.",
        lambda s: s.counts.unknown_messages,
    ),
    Metric(
        Counter, "lines_misdated", "Lines dated more than a day ahead of the others; their time moves nothing.",
        lambda s: s.counts.misdated,
    ),
    Metric(
        Counter, "exchanges_given_up", "Requests whose status did not come in time, or whose thread was used again before it came.",
        lambda s: s.counts.given_up,
    ),
    Metric(
        Counter, "crowded_out", "Exchanges, and users of a detector, given up because pipeline.memory was full.",
        lambda s: s.counts.crowded_out,
    ),
    Metric(
        Counter, "completions_late", "Authentications so much older than the newest that no detector could judge them any more.",
        lambda s: s.counts.late,
    ),
    Metric(
        Counter, "events_masked", "Events that name no user and went out without letters and digits in their texts.",
        lambda s: s.counts.masked,
    ),
    *FINDINGS,
    Metric(
        Counter, "events_delivered", "Events that the sink has acknowledged, dead letters included.",
        lambda s: s.vitals.events_delivered,
    ),
    Metric(Counter, "bytes_delivered", "Bytes of acknowledged batches.", lambda s: s.vitals.bytes_sent),
    Metric(Counter, "batches_delivered", "Batches that the sink has acknowledged.", lambda s: s.vitals.batches),
    Metric(Counter, "dead_letters", "Records that the sink refused for good.", _delivery(lambda d: d.refused)),
    Metric(Counter, "retries", "Failed attempts to reach the sink.", _delivery(lambda d: d.retries)),
    Metric(Counter, "output_reopened", "Times that another program had taken the output file and it was opened anew.", _reopened),
    Metric(Counter, "rotations", "Log files that were rotated away.", _tail(lambda t: t.rotations)),
    Metric(
        Counter, "truncations", "Log files that were cut, and event log channels that were cleared, while they were followed.",
        _tail(lambda t: t.truncations),
    ),
    Metric(
        Counter, "lost_bytes", "Bytes that were cut away, or rotated away to where no input matches, before they could be read.",
        _tail(lambda t: t.losses.bytes),
    ),
    Metric(
        Counter, "possible_losses", "Times that lines may have come and gone unread, and nothing tells how many.",
        _tail(lambda t: t.losses.possible),
    ),
    Metric(Gauge, "events_waiting", "Events read and not acknowledged yet.", lambda s: s.vitals.events_waiting),
    Metric(Gauge, "sink_up", "1 if the sink accepts events.", _delivery(lambda d: d.is_up)),
    Metric(Gauge, "files_open", "Log files that are open.", lambda s: s.vitals.files_open),
    Metric(Gauge, "lag_bytes", "Bytes that are in the logs and not read yet.", lambda s: s.vitals.lag_bytes),
    Metric(Gauge, "lag_seconds", "Time since the newest event that was read, by its own time stamp.", _lag_seconds),
    Metric(Gauge, "memo_entries", "Messages in the parser's memo.", lambda s: s.vitals.memo_entries),
    Metric(Gauge, "detector_users", "Users in the detector's memory.", lambda s: s.vitals.users),
    Metric(
        Gauge, "sources_without_past", "Logs whose recent past could not be read again at the start.",
        _tail(lambda t: len(t.past_lost)),
    ),
    Metric(Gauge, "problems", "Files that cannot be read now.", _tail(lambda t: len(t.problems))),
    Metric(Gauge, "checkpoint_age_seconds", "Seconds since the last checkpoint.", _checkpoint_age),
    Metric(Counter, "events", "Events by kind.", _events, "kind"),
    Metric(Counter, "statuses", "Status codes by class.", lambda s: dict(sorted(s.counts.classes.copy().items())), "class"),
)  # fmt: skip
LATENCY = PREFIX + "batch_latency_seconds"


class VitalsCollector(Collector):
    """Reads the metrics at each scrape."""

    def __init__(self, vitals: Vitals, now: Callable[[], int], wall: Callable[[], float] = time.time) -> None:
        """`now` is the loop's clock, `wall` seconds since 1970."""
        self._vitals, self._now, self._wall = vitals, now, wall

    def collect(self) -> Iterator[Family]:
        """Yield all metrics."""
        scrape = Scrape(self._vitals, self._now(), self._wall())
        for metric in METRICS:
            yield from metric.collect(scrape)
        yield _histogram(self._vitals)


def _histogram(vitals: Vitals) -> Family:
    total, buckets = 0, []
    for bound, number in zip([*LATENCY_BOUNDS, "+Inf"], vitals.latency.buckets, strict=True):
        total += number
        buckets.append((str(bound), float(total)))
    text = "Seconds from sending a batch to its acknowledgement."
    return HistogramMetricFamily(LATENCY, text, buckets=buckets, sum_value=vitals.latency.sum)
