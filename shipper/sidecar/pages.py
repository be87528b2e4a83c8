"""The HTTP pages of a running shipper: /metrics for Prometheus, /healthz, /readyz. I/O."""

import base64
import contextlib
import errno
import hmac
import json
import socket
import ssl
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from socketserver import TCPServer, ThreadingMixIn
from threading import Lock, Thread
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.registry import Collector

from shipper.errors import UsageError
from shipper.secrets import hide
from shipper.sidecar.metrics import VitalsCollector
from shipper.sidecar.vitals import Vitals
from shipper.times import SECOND
from shipper.tls import UnusableFile, tls_context

BEAT = 30.0  # seconds without a turn after which the loop no longer counts as alive
MOST_CONNECTIONS = 16
SILENCE = 10.0  # seconds after which a silent client is disconnected


@dataclass(frozen=True, slots=True)
class Listen:
    """The address of the pages, and who may read them.

    Attributes:
        address: `HOST:PORT`; port 0 picks a free port.
        username, password: credentials that a client must send; None: everybody may read.
        cert_file, key_file: PEM files for HTTPS; None: HTTP.
    """

    address: str
    username: str | None = None
    password: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


Answer = tuple[bool, dict[str, object]]  # whether all is well, and the JSON body


class Pages(NamedTuple):
    """The content of the pages: the metrics, and the functions that answer each request of /healthz and /readyz."""

    metrics: Collector
    health: Callable[[], Answer]
    readiness: Callable[[], Answer]


def pages_of(vitals: Vitals, now: Callable[[], int], secrets: Collection[str] = ()) -> Pages:
    """The pages of a sidecar. `now` is the loop's clock; `secrets` are hidden on every page."""
    return Pages(VitalsCollector(vitals, now), lambda: _health(vitals, now()), lambda: _readiness(vitals, secrets))


class Server:
    """The HTTP server, on threads of its own."""

    def __init__(self, listen: Listen, pages: Pages) -> None:
        """
        Raises:
            UsageError: the port is taken, the address is not ours, or the certificate cannot be used.
        """
        tls = None
        if listen.cert_file is not None:
            try:
                tls = tls_context(ssl.Purpose.CLIENT_AUTH, cert_file=listen.cert_file, key_file=listen.key_file)
            except UnusableFile as error:
                raise UsageError(f"metrics.{error.key}: {error}") from None
        self._server = _bound(listen.address)
        if tls:
            # The handshake takes place on the client's thread, so a slow client delays only itself.
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._server.set_app(_application(listen, pages))
        self.port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True, name="metrics").start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


class PortTaken(UsageError):
    """Another program listens on the address."""


def try_out(address: str) -> None:
    """Check that `address` can be listened on.

    Raises:
        UsageError: listening is impossible; PortTaken: another program listens there now.
    """
    _bound(address).server_close()


def _bound(address: str) -> "_Server":
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        return (_Server6 if ":" in host else _Server)((host, int(port)), _Handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        kind = PortTaken if getattr(error, "errno", None) == errno.EADDRINUSE else UsageError
        raise kind(f"metrics.listen: cannot listen on {address}: {reason}; choose another port, or null") from None


class _Server(ThreadingMixIn, WSGIServer):
    """One thread per client, for a few. Beyond that the oldest is cut off: a new client is more likely the real Prometheus."""

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # on Windows it lets two programs share one port
    block_on_close = False
    request_queue_size = 4 * MOST_CONNECTIONS

    def __init__(self, address: tuple[str, int], handler: type["_Handler"]) -> None:
        self._clients: list[socket.socket] = []
        self._lock = Lock()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without a reverse DNS lookup, which can take long and whose result nobody reads."""
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a new thread."""
        with self._lock:
            self._clients.append(request)
            surplus = self._clients.pop(0) if len(self._clients) > MOST_CONNECTIONS else None
        if surplus is not None:
            with contextlib.suppress(OSError):
                surplus.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection of a client that is done."""
        with self._lock, contextlib.suppress(ValueError):
            self._clients.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Do not log errors of clients that disconnect, stay silent or send nonsense."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = SILENCE

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Do not log scrapes."""


def _application(listen: Listen, shown: Pages) -> WSGIApplication:
    registry = CollectorRegistry()
    registry.register(shown.metrics)
    metrics: WSGIApplication = make_wsgi_app(registry)
    pages = {"/healthz": shown.health, "/readyz": shown.readiness}
    wanted = None
    if listen.username is not None:
        wanted = b"Basic " + base64.b64encode(f"{listen.username}:{listen.password}".encode())

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if wanted is not None and not hmac.compare_digest(environ.get("HTTP_AUTHORIZATION", "").encode("latin-1"), wanted):
            return _text(
                start, "401 Unauthorized", "user name and password, please\n", ("WWW-Authenticate", 'Basic realm="mfa-shipper"')
            )
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _text(start, "405 Method Not Allowed", "GET only\n", ("Allow", "GET, HEAD"))
        if path == "/metrics":
            return metrics(environ, start)
        if path in pages:
            well, value = pages[path]()
            return _text(
                start, "200 OK" if well else "503 Service Unavailable", json.dumps(value) + "\n", kind="application/json"
            )
        return _text(start, "404 Not Found", "/metrics, /healthz or /readyz\n")

    return answer


def _text(
    start: StartResponse, status: str, text: str, *headers: tuple[str, str], kind: str = "text/plain; charset=utf-8"
) -> Iterable[bytes]:
    body = text.encode()
    start(status, [("Content-Type", kind), ("Content-Length", str(len(body))), *headers])
    return [body]


def _health(vitals: Vitals, now: int) -> Answer:
    age = (now - vitals.beat) / SECOND
    return age <= BEAT, {"alive": age <= BEAT, "seconds_since_last_turn": round(age, 3)}


def _readiness(vitals: Vitals, secrets: Collection[str]) -> Answer:
    delivery = vitals.delivery
    if delivery is None:
        return False, {"ready": False, "sink": "", "reason": "not connected yet"}
    answer: dict[str, object] = {"ready": delivery.is_up, "sink": delivery.sink.name}
    if not delivery.is_up:
        answer["reason"] = hide(delivery.reason, secrets)
    return delivery.is_up, answer
