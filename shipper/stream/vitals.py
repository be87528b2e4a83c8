"""The metrics and health pages of `detect`. I/O: reads the size of the state on disk."""

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from prometheus_client.core import CounterMetricFamily as Counter
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from shipper.detect import DETECTORS
from shipper.secrets import hide
from shipper.sidecar.metrics import PREFIX
from shipper.sidecar.pages import Answer, Pages
from shipper.stream.clocks import PartitionClocks
from shipper.stream.stages import StreamCounts
from shipper.times import SECOND

DETECT = PREFIX + "detect_"
BEAT = 60.0  # seconds without a beat after which detect no longer counts as alive


class Lags(Protocol):
    """The numbers of `Ticks`.

    Attributes:
        lag: number of records not yet committed by the group, by events partition.
        told: how often a partition was reported quiet.
    """

    lag: dict[int, int]
    told: int


@dataclass(slots=True)
class DetectVitals:
    """The state of a process; other threads only read it.

    Attributes:
        counts: counters of the stages.
        restarts: number of restarts of the application after an error.
        trouble: why no events are read now; empty if they are.
        away: why the broker cannot be reached now, although the application runs; empty if it can.
        beat: time of the last sign of life of the application, in nanoseconds of a monotonic clock.
        clocks: the clocks of the partitions; None before the first application is built.
        ticks: the numbers of the `Ticks` thread; None before its first start.
    """

    counts: StreamCounts = field(default_factory=StreamCounts)
    restarts: int = 0
    trouble: str = "not connected yet"
    away: str = ""
    beat: int = 0
    clocks: PartitionClocks | None = None
    ticks: Lags | None = None

    @property
    def unready(self) -> str:
        """Why no events are processed now; empty if they are."""
        return self.trouble or self.away


class Metric(NamedTuple):
    """A metric of the page; see `sidecar.metrics.Metric`."""

    family: type[Counter] | type[Gauge]
    name: str
    text: str
    read: Callable[[DetectVitals], Mapping[str, float] | float]
    label: str | None = None

    @property
    def full_name(self) -> str:
        """The name on the page."""
        return DETECT + self.name + ("_total" if self.family is Counter else "")

    def collect(self, vitals: DetectVitals) -> Family:
        """Return the metric with its current value."""
        value = self.read(vitals)
        family = self.family(DETECT + self.name, self.text, labels=None if self.label is None else [self.label])
        for label, number in value.items() if isinstance(value, Mapping) else [(None, value)]:
            family.add_metric([] if label is None else [label], number)
        return family


def _by_partition(numbers: Mapping[int, float]) -> dict[str, float]:
    return {str(partition): number for partition, number in sorted(numbers.copy().items())}  # type: ignore[attr-defined]


def _newest(vitals: DetectVitals) -> dict[str, float]:
    return {} if vitals.clocks is None else {str(p): time / SECOND for p, time in sorted(vitals.clocks.newest())}


# The findings and totals of the detectors, over all servers.
FINDINGS = tuple(
    Metric(Counter, total.name, total.help, lambda v, name=total.name: v.counts.buckets.detected[name])  # type: ignore[misc]
    for detector in DETECTORS.values()
    for total in (detector.found, *detector.totals)
)

METRICS = (
    Metric(Counter, "events", "Events read from the topic.", lambda v: v.counts.events),
    Metric(Counter, "completions", "Authentications of known users among them.", lambda v: v.counts.completions),
    Metric(Counter, "nobody", "Authentications without a user; they take no part.", lambda v: v.counts.nobody),
    Metric(Counter, "dead_letters", "Records that are no events of ours.", lambda v: v.counts.dead_letters),
    Metric(
        Counter, "events_misdated", "Events dated more than a day ahead of the others; their time moves nothing.",
        lambda v: 0 if v.clocks is None else v.clocks.misdated,
    ),
    Metric(Counter, "judged", "Authentications that the detectors got.", lambda v: v.counts.buckets.judged),
    Metric(
        Counter, "late", "Authentications that came later than the lateness allows, and were judged out of order.",
        lambda v: v.counts.buckets.late,
    ),
    Metric(Counter, "repeated", "Authentications that came again and were left out.", lambda v: v.counts.buckets.repeated),
    Metric(
        Counter, "crowded_out", "Authentications forgotten early, of users with more of them than one state holds.",
        lambda v: v.counts.buckets.crowded_out,
    ),
    Metric(Counter, "users_forgotten", "Users whose state was dropped.", lambda v: v.counts.buckets.forgotten),
    *FINDINGS,
    Metric(Counter, "restarts", "Times that detect began again after an error.", lambda v: v.restarts),
    Metric(Counter, "quiet_partitions", "Times that a partition was found to be quiet.", lambda v: v.ticks.told if v.ticks else 0),
    Metric(
        Gauge, "waiting", "Authentications that wait for their turn.", lambda v: sum(list(v.counts.buckets.waiting.values()))
    ),
    Metric(
        Gauge, "lag", "Records of the topic that the group has not taken yet.",
        lambda v: _by_partition(v.ticks.lag if v.ticks else {}), "partition",
    ),
    Metric(Gauge, "newest_timestamp_seconds", "The newest event time that was read here.", _newest, "partition"),
    Metric(Gauge, "up", "1 while events are taken.", lambda v: not v.unready),
)  # fmt: skip


class DetectCollector(Collector):
    """Collects the metrics at each scrape."""

    def __init__(self, vitals: DetectVitals, state: str) -> None:
        self._vitals, self._state = vitals, state

    def collect(self) -> Iterator[Family]:
        """Yield all metrics."""
        for metric in METRICS:
            yield metric.collect(self._vitals)
        yield Gauge(DETECT + "state_bytes", "Bytes of the state on disk.", _size(self._state))


def pages_of(vitals: DetectVitals, group: str, state: str, secrets: Collection[str]) -> Pages:
    """Return the metrics and health pages of `detect`, for its consumer group and the directory of its state."""

    def health() -> Answer:
        age = (time.monotonic_ns() - vitals.beat) / SECOND
        alive = bool(vitals.unready) or age <= BEAT  # in trouble it retries, and /readyz gives the reason
        return alive, {"alive": alive, "seconds_since_last_turn": round(age, 3)}

    def readiness() -> Answer:
        reason = vitals.unready
        answer: dict[str, object] = {"ready": not reason, "group": group}
        if reason:
            answer["reason"] = hide(reason, secrets)
        return not reason, answer

    return Pages(DetectCollector(vitals, state), health, readiness)


def _size(folder: str) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size
            except OSError:
                continue  # just deleted
    return total
