"""Metrics and health over HTTP: /metrics for Prometheus, /healthz, /readyz. I/O.

Nothing is counted here: at each scrape the numbers are read from the loop's `Vitals`. Names follow
Prometheus' conventions: base units, `_total` on what only grows.
"""

import json
import time
from collections.abc import Callable, Collection, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shipper.errors import UsageError
from shipper.secrets import hide
from shipper.sidecar.vitals import LATENCY_BOUNDS, Vitals
from shipper.times import SECOND

BEAT = 30.0  # seconds without a turn of the loop, after which it does not count as alive

# The documentation of each metric, in the order of the page. README's table is made of it.
COUNTERS = {
    "lines_read": "Lines read from the logs.",
    "bytes_read": "Bytes read from the logs, decompressed.",
    "events_filtered": "Events left out by the user's own filters.",
    "lines_merged": "Lines merged into the event of their exchange.",
    "lines_unparsed": "Lines that no pattern matches; shipped as pipeline_error.",
    "double_prompts": "Findings: one sign-in, and the phone asked twice.",
    "cache_hits": "Second prompts that the cache spared.",
    "events_delivered": "Events that the sink has acknowledged, dead letters included.",
    "bytes_delivered": "Bytes of acknowledged batches.",
    "batches_delivered": "Batches that the sink has acknowledged.",
    "dead_letters": "Records that the sink refused for good.",
    "retries": "Failed attempts to reach the sink.",
    "rotations": "Log files that were rotated away.",
    "truncations": "Log files that were cut while they were followed.",
    "lost_bytes": "Bytes that were cut away before they could be read.",
}
GAUGES = {
    "events_waiting": "Events read and not acknowledged yet.",
    "sink_up": "1 if the sink accepts events.",
    "files_open": "Log files that are open.",
    "lag_bytes": "Bytes that are in the logs and not read yet.",
    "lag_seconds": "Time since the newest event that was read, by its own time stamp.",
    "memo_entries": "Messages in the parser's memo.",
    "detector_users": "Users in the detector's memory.",
    "sources_without_past": "LivePipelines whose recent past could not be read again at the start.",
    "problems": "Files that cannot be read now.",
    "checkpoint_age_seconds": "Time since places were written down last.",
}
PREFIX = "mfa_shipper_"


class VitalsCollector(Collector):
    """Reads the vitals at each scrape."""

    def __init__(self, vitals: Vitals, now: Callable[[], int], wall: Callable[[], float] = time.time) -> None:
        """`now` is the loop's clock, `wall` seconds since 1970."""
        self._vitals, self._now, self._wall = vitals, now, wall

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        v, c = self._vitals, self._vitals.counts
        totals = {
            "lines_read": c.lines,
            "bytes_read": v.bytes_read,
            "events_filtered": c.filtered + c.findings_filtered,
            "lines_merged": c.merged,
            "lines_unparsed": c.unparsed,
            "double_prompts": c.findings,
            "cache_hits": c.cache_hits,
            "events_delivered": v.events_delivered,
            "bytes_delivered": v.bytes_sent,
            "batches_delivered": v.batches,
            "dead_letters": v.dead_letters,
            "retries": v.retries,
            "rotations": v.rotations,
            "truncations": v.truncations,
            "lost_bytes": v.lost_bytes,
        }
        for name, text in COUNTERS.items():
            yield CounterMetricFamily(PREFIX + name, text, value=totals[name])
        now = self._now()
        levels: dict[str, float | None] = {
            "events_waiting": v.events_waiting,
            "sink_up": float(v.sink_up),
            "files_open": v.files_open,
            "lag_bytes": v.lag_bytes,
            "lag_seconds": None if v.newest is None else max(0.0, self._wall() - v.newest / SECOND),
            "memo_entries": v.memo_entries,
            "detector_users": v.users,
            "sources_without_past": v.past_lost,
            "problems": len(v.problems),
            "checkpoint_age_seconds": None if v.saved_at is None else (now - v.saved_at) / SECOND,
        }
        for name, text in GAUGES.items():
            value = levels[name]
            if value is not None:
                yield GaugeMetricFamily(PREFIX + name, text, value=value)
        kinds = CounterMetricFamily(PREFIX + "events", "Events by kind.", labels=["kind"])
        for kind, number in (
            ("request", c.requests), ("verdict", c.verdicts), ("status", c.statuses), ("result", c.results),
            ("log", c.logs), ("unparsed", c.unparsed), ("double_prompt", c.findings),
        ):  # fmt: skip
            kinds.add_metric([kind], number)
        yield kinds
        classes = CounterMetricFamily(PREFIX + "statuses", "Status codes by class.", labels=["class"])
        for name, number in sorted(c.classes.copy().items()):
            classes.add_metric([name], number)
        yield classes
        yield _histogram(v)


def _histogram(vitals: Vitals) -> Metric:
    total, buckets = 0, []
    for bound, number in zip([*LATENCY_BOUNDS, "+Inf"], vitals.latency.buckets, strict=True):
        total += number
        buckets.append((str(bound), float(total)))
    text = "Seconds from sending a batch to its acknowledgement."
    return HistogramMetricFamily(PREFIX + "batch_latency_seconds", text, buckets=buckets, sum_value=vitals.latency.sum)


class Server:
    """The HTTP server, on a thread of its own."""

    def __init__(self, listen: str, vitals: Vitals, now: Callable[[], int], secrets: Collection[str] = ()) -> None:
        """`listen` is `HOST:PORT`; port 0 takes a free one. `secrets` are on no page.

        Raises:
            UsageError: the port is taken, or there is no such address.
        """
        host, _, port = listen.rpartition(":")
        registry = CollectorRegistry()
        registry.register(VitalsCollector(vitals, now))

        class Handler(_Handler):
            pages = {  # noqa: RUF012  one per server
                "/metrics": lambda: (200, CONTENT_TYPE_LATEST, generate_latest(registry)),
                "/healthz": lambda: _health(vitals, now()),
                "/readyz": lambda: _readiness(vitals, secrets),
            }

        try:
            self._server = ThreadingHTTPServer((host.strip("[]"), int(port)), Handler)
        except (OSError, OverflowError) as error:
            what = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"metrics.listen: cannot listen on {listen}: {what}; choose another port, or null") from None
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True, name="metrics").start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


Page = tuple[int, str, bytes]


def _health(vitals: Vitals, now: int) -> Page:
    age = (now - vitals.beat) / SECOND
    return _json(200 if age <= BEAT else 503, {"alive": age <= BEAT, "seconds_since_last_turn": round(age, 3)})


def _readiness(vitals: Vitals, secrets: Collection[str]) -> Page:
    answer = {"ready": vitals.sink_up, "sink": vitals.sink}
    return _json(
        200 if vitals.sink_up else 503, answer if vitals.sink_up else {**answer, "reason": hide(vitals.sink_reason, secrets)}
    )


def _json(status: int, value: dict[str, object]) -> Page:
    return status, "application/json", json.dumps(value).encode() + b"\n"


class _Handler(BaseHTTPRequestHandler):
    pages: dict[str, Callable[[], Page]]

    def do_GET(self) -> None:
        """Answer."""
        page = self.pages.get(self.path.partition("?")[0])
        status, kind, body = page() if page else (404, "text/plain", b"/metrics, /healthz or /readyz\n")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Scrapes are no news."""
