"""The pages of a running shipper over HTTP: /metrics for Prometheus, /healthz, /readyz. I/O."""

import json
from collections.abc import Callable, Collection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from shipper.errors import UsageError
from shipper.secrets import hide
from shipper.sidecar.metrics import VitalsCollector
from shipper.sidecar.vitals import Vitals
from shipper.times import SECOND

BEAT = 30.0  # seconds without a turn after which the loop no longer counts as alive


class Server:
    """The HTTP server, on its own thread."""

    def __init__(self, listen: str, vitals: Vitals, now: Callable[[], int], secrets: Collection[str] = ()) -> None:
        """`listen` is `HOST:PORT`; port 0 takes a free one. `secrets` appear on no page.

        Raises:
            UsageError: the port is taken, or the address is not ours.
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
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"metrics.listen: cannot listen on {listen}: {reason}; choose another port, or null") from None
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
    delivery = vitals.delivery
    if delivery is None:
        return _json(503, {"ready": False, "sink": "", "reason": "not connected yet"})
    answer = {"ready": delivery.is_up, "sink": delivery.sink.name}
    if delivery.is_up:
        return _json(200, answer)
    return _json(503, {**answer, "reason": hide(delivery.reason, secrets)})


def _json(status: int, value: dict[str, object]) -> Page:
    return status, "application/json", json.dumps(value).encode() + b"\n"


class _Handler(BaseHTTPRequestHandler):
    pages: dict[str, Callable[[], Page]]

    def do_GET(self) -> None:
        """Answer with one of the pages."""
        page = self.pages.get(self.path.partition("?")[0])
        status, kind, body = page() if page else (404, "text/plain", b"/metrics, /healthz or /readyz\n")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Scrapes are not logged."""
