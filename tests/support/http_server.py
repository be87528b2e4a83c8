"""A small HTTP server on 127.0.0.1 whose answers a test decides; and one that takes events as Splunk's collector does."""

import gzip
import json
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit


class Request(NamedTuple):
    """What came in; the body is unpacked."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


class Reply(NamedTuple):
    """What goes out; a status of 0 cuts the connection without an answer. A body in pieces goes out piece by piece, without its
    length unless `headers` say one, and then the connection is cut."""

    status: int
    body: object = b""
    headers: Mapping[str, str] = {}


Answer = Callable[[Request], Reply]


class HttpServer:
    """Answers as `answer` says, until the end of the `with` block.

    Attributes:
        requests: all that came, in their order.
        met: is told the port of the other side with each request.
        faults: replies to the next requests that `is_fault_for` takes, in place of the true ones.
    """

    def __init__(self, answer: Answer, *, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.faults: deque[Reply] = deque()
        self.met: Callable[[int], object] = lambda port: None
        self._answer = answer
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # or a body waits until the other side has acknowledged the head

            def do_GET(self) -> None:
                try:
                    outer._handle(self)
                except OSError:  # whoever asked has gone
                    self.close_connection = True

            do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.scheme = "http" if tls is None else "https"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"{self.scheme}://127.0.0.1:{self._server.server_address[1]}"

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        if handler.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        parts = urlsplit(handler.path)
        request = Request(handler.command, parts.path, parse_qs(parts.query), dict(handler.headers.items()), body)
        self.requests.append(request)
        self.met(handler.client_address[1])
        reply = self.faults.popleft() if self.faults and self.is_fault_for(request) else self._answer(request)
        if not reply.status:
            handler.close_connection = True
            return
        if isinstance(reply.body, Iterator):
            self._feed(handler, reply, reply.body)
            return
        data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self._begin(handler, reply)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(data)

    def _begin(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        handler.send_response_only(reply.status)
        for name, value in {"Date": handler.date_time_string(), **reply.headers}.items():
            handler.send_header(name, value)

    def _feed(self, handler: BaseHTTPRequestHandler, reply: Reply, pieces: Iterator[bytes]) -> None:
        self._begin(handler, reply)
        handler.end_headers()
        handler.close_connection = True
        for piece in pieces:
            handler.wfile.write(piece)

    def is_fault_for(self, request: Request) -> bool:
        """True for a request that brings events."""
        return bool(request.body)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Cluster(HttpServer):
    """Takes documents by `create`, once each, as Elasticsearch and OpenSearch do.

    Attributes:
        documents: those that are there, by id.
        room: when so many are there, it is busy.
        refused: how often it was.
    """

    def __init__(self, documents: dict[str, bytes] | None = None, *, port: int = 0) -> None:
        """`documents`: of one that answered before."""
        super().__init__(self._take, port=port)
        self.documents = {} if documents is None else documents
        self.room = 1_000_000
        self.refused = 0

    def is_fault_for(self, request: Request) -> bool:
        return request.path == "/_bulk" and bool(request.body)

    def _take(self, request: Request) -> Reply:
        if request.path.startswith("/_index_template/_simulate_index/"):
            return Reply(200, {"template": {"mappings": {"properties": {"azure_mfa": {"type": "object"}}}}})
        if request.path != "/_bulk":
            return Reply(404, {"error": "no handler"})
        if not request.body:
            return Reply(400, {"error": {"type": "parse_exception", "reason": "request body is required"}, "status": 400})
        if len(self.documents) >= self.room:
            self.refused += 1
            return Reply(429, {"error": {"type": "circuit_breaking_exception", "reason": "Data too large"}})
        items = []
        lines = request.body.splitlines()
        for head, document in zip(lines[::2], lines[1::2], strict=True):
            identity = json.loads(head)["create"]["_id"]
            items.append({"create": {"status": 409 if identity in self.documents else 201}})
            self.documents.setdefault(identity, document)
        return Reply(200, {"errors": any(item["create"]["status"] == 409 for item in items), "items": items})


class Collector(HttpServer):
    """Takes events as Splunk's documentation says that its HTTP Event Collector does, and is strict about it.

    Attributes:
        events: those taken, in their order, as JSON objects.
        polls: how often an acknowledgement is asked for before it is given; None: it never is.
        largest: bytes of a body; one that is larger gets 413.
        is_bad: True for an event that is refused.
    """

    TOKEN = "11111111-2222-3333-4444-555555555555"

    def __init__(
        self,
        *,
        acknowledges: bool = False,
        indexes: tuple[str, ...] = ("main", "mfa"),
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(self._take, tls=tls, port=port)
        self.events: list[dict[str, Any]] = []
        self.polls: int | None = 0
        self.largest = 1 << 30
        self.is_bad: Callable[[dict[str, Any]], bool] = lambda event: False
        self._acknowledges = acknowledges
        self._indexes = indexes
        self._asked: dict[tuple[str, int], int] = {}
        self._given: dict[str, int] = {}
        self._lock = threading.Lock()

    def is_fault_for(self, request: Request) -> bool:
        return request.path == "/services/collector/event" and bool(request.body)

    def _take(self, request: Request) -> Reply:
        if request.path == "/services/collector/health":
            return Reply(200, {"text": "HEC is healthy", "code": 17})
        authorization = request.headers.get("Authorization", "")
        if not authorization:
            return Reply(401, {"text": "Token is required", "code": 2})
        if not authorization.startswith("Splunk "):
            return Reply(401, {"text": "Invalid authorization", "code": 3})
        if authorization != f"Splunk {self.TOKEN}":
            return Reply(403, {"text": "Invalid token", "code": 4})
        channel = request.headers.get("X-Splunk-Request-Channel", "")
        if self._acknowledges and not channel:
            return Reply(400, {"text": "Data channel is missing", "code": 10})
        if request.path == "/services/collector/ack":
            return self._acks(request, channel)
        if request.path != "/services/collector/event":
            return Reply(404, {"text": "The requested URL was not found on this server.", "code": 404})
        return self._events(request.body, channel)

    def _events(self, body: bytes, channel: str) -> Reply:
        if not body.strip():
            return Reply(400, {"text": "No data", "code": 5})
        if len(body) > self.largest:
            return Reply(413, b"<html>Content-Length too large</html>")
        taken: list[dict[str, Any]] = []
        for number, event in enumerate(_objects(body.decode())):
            if event is None or set(event) - {"time", "host", "source", "sourcetype", "index", "event", "fields"}:
                return _refusal("Invalid data format", 6, number)
            if "event" not in event:
                return _refusal("Event field is required", 12, number)
            if event["event"] in ("", None):
                return _refusal("Event field cannot be blank", 13, number)
            if event.get("index", "main") not in self._indexes:
                return _refusal("Incorrect index", 7, number)
            if self.is_bad(event):
                return _refusal("Error in handling indexed fields", 15, number)
            taken.append(event)
        with self._lock:
            self.events += taken
            if not self._acknowledges:
                return Reply(200, {"text": "Success", "code": 0})
            number = self._given[channel] = self._given.get(channel, -1) + 1
        return Reply(200, {"text": "Success", "code": 0, "ackId": number})

    def _acks(self, request: Request, channel: str) -> Reply:
        if not self._acknowledges:
            return Reply(400, {"text": "ACK is disabled", "code": 14})
        if request.query.get("channel") != [channel]:
            return Reply(400, {"text": "Invalid data channel", "code": 11})
        acks: dict[str, bool] = {}
        for number in json.loads(request.body)["acks"]:
            asked = self._asked[channel, number] = self._asked.get((channel, number), 0) + 1
            acks[str(number)] = self.polls is not None and number <= self._given.get(channel, -1) and asked > self.polls
        return Reply(200, {"acks": acks})


def _refusal(text: str, code: int, number: int) -> Reply:
    return Reply(400, {"text": text, "code": code, "invalid-event-number": number})


def _objects(text: str) -> Iterator[dict[str, Any] | None]:
    """JSON objects one after the other; None for what is none, and the end."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            yield None
            return
        yield value if isinstance(value, dict) else None
