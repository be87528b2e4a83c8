"""The outputs over HTTP, against servers that answer as they should and as they should not."""

import itertools
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import trustme

from shipper.commands.upload import target
from shipper.config.load import load_config
from shipper.decode.ecs import DATASETS
from shipper.deliver.dead_letters import label_of
from shipper.deliver.http.elasticsearch import BulkCourier
from shipper.deliver.http.options import HttpOptions
from shipper.deliver.http.sink import HttpSink
from shipper.deliver.http.splunk_hec import HecCourier
from shipper.deliver.sink import Batch, Receipt, SinkDown
from shipper.emit.formats import data_stream
from shipper.errors import RunError, UsageError
from shipper.model import Origin
from shipper.sidecar.sinks import build_sink
from shipper.testing import block
from tests.support.http_server import Collector, HttpServer, Reply, Request
from tests.support.jars import free_port
from tests.support.process import until

WANTS_DOCUMENTS = Reply(400, {"error": {"type": "parse_exception", "reason": "request body is required"}, "status": 400})
OURS = {"mappings": {"properties": {"azure_mfa": {"type": "object"}}}}
TEMPLATE = Reply(200, {"template": OURS})


def hec_line(number: int) -> bytes:
    return b'{"time":1487041039.234778,"sourcetype":"azure:mfa:ecs","event":{"event":{"id":"ab-%d"}}}' % number


def hec(
    url: str, *, acknowledgement: bool = True, ack_timeout: float = 60.0, token: str = Collector.TOKEN, **more: object
) -> HttpSink:
    options = HttpOptions((url,), {"Authorization": f"Splunk {token}"}, **{"timeout": 20.0, **more})  # type: ignore[arg-type]
    courier = HecCourier(options, acknowledgement=acknowledgement, ack_timeout=ack_timeout)
    courier.patience = 0.02
    return HttpSink("splunk_hec", courier)


def bulk(*urls: str, **more: object) -> HttpSink:
    options = HttpOptions(urls, {"Authorization": "ApiKey secret"}, **{"timeout": 20.0, **more})  # type: ignore[arg-type]
    return HttpSink("elasticsearch", BulkCourier(options, "default"))


@contextmanager
def opened(sink: HttpSink) -> Iterator[HttpSink]:
    sink.open()
    try:
        yield sink
    finally:
        sink.close(5.0)


def receipts(sink: HttpSink, count: int) -> list[Receipt]:
    found: list[Receipt] = []
    end = time.monotonic() + 30
    while len(found) < count:
        assert time.monotonic() < end, f"{len(found)} of {count} receipts"
        found += sink.poll(0.1)
    return found


def failure(sink: HttpSink) -> SinkDown:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            sink.poll(0.1)
        except SinkDown as error:
            return error
    raise AssertionError("no failure")


def batch(number: int, *lines: bytes) -> Batch:
    return Batch(number, (block(*lines),))


def ids(collector: Collector) -> list[str]:
    return [event["event"]["event"]["id"] for event in collector.events]


# --- Splunk's collector


@pytest.mark.parametrize("acknowledges", [False, True])
@pytest.mark.parametrize("compression", [False, True])
def test_events_reach_the_collector(acknowledges: bool, compression: bool) -> None:
    with Collector(acknowledges=acknowledges) as collector, opened(hec(collector.url, compression=compression)) as sink:
        sink.send(batch(1, hec_line(1), hec_line(2)))
        sink.send(batch(2, hec_line(3)))
        assert receipts(sink, 2) == [Receipt(1), Receipt(2)]
        assert ids(collector) == ["ab-1", "ab-2", "ab-3"]


def test_a_batch_waits_for_its_acknowledgement() -> None:
    with Collector(acknowledges=True) as collector, opened(hec(collector.url)) as sink:
        collector.polls = None
        sink.send(batch(1, hec_line(1)))
        until(lambda: sum(request.path.endswith("/ack") for request in collector.requests) > 3, "it asks")
        assert sink.poll(0) == []
        collector.polls = 0
        assert receipts(sink, 1) == [Receipt(1)]


def test_what_is_never_acknowledged_is_sent_again() -> None:
    with Collector(acknowledges=True) as collector, opened(hec(collector.url, ack_timeout=0.1)) as sink:
        collector.polls = None
        sink.send(batch(1, hec_line(1)))
        assert str(failure(sink)) == "the indexers have acknowledged nothing for 0.1 s"
        collector.polls = 0
        sink.abandon()
        sink.open()
        sink.send(batch(1, hec_line(1)))
        assert receipts(sink, 1) == [Receipt(1)]
        channels = {request.headers["X-Splunk-Request-Channel"] for request in collector.requests if request.body}
        assert len(channels) == 2  # the ids of acknowledgements begin anew, so those of the first attempt must not count


def test_only_the_event_that_is_wrong_is_refused() -> None:
    with Collector() as collector, opened(hec(collector.url)) as sink:
        collector.is_bad = lambda event: event["event"]["event"]["id"] in ("ab-2", "ab-4")
        sink.send(batch(1, *map(hec_line, range(1, 6))))
        (receipt,) = receipts(sink, 1)
        assert [(refusal.index, refusal.reason) for refusal in receipt.refused] == [
            (1, "Error in handling indexed fields (400, code 15)"),
            (3, "Error in handling indexed fields (400, code 15)"),
        ]
        assert ids(collector) == ["ab-1", "ab-3", "ab-5"]


def test_a_batch_of_which_every_event_is_refused(request: pytest.FixtureRequest) -> None:
    """More than Python lets calls nest, which is made little here, so that the test is short."""
    number, limit = 200, sys.getrecursionlimit()
    sys.setrecursionlimit(number)
    request.addfinalizer(lambda: sys.setrecursionlimit(limit))
    with Collector() as collector, opened(hec(collector.url)) as sink:
        collector.is_bad = lambda event: True
        sink.send(batch(1, *map(hec_line, range(number))))
        (receipt,) = receipts(sink, 1)
        assert [refusal.index for refusal in receipt.refused] == list(range(number))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>Please log in", "that is no answer of a collector: 200 <html>Please log in"),
        (b"", "that is no answer of a collector: 200, and nothing else"),
        ({"code": [], "text": "odd"}, 'that is no answer of a collector: 200 {"code": [], "text": "odd"}'),
    ],
)
def test_a_page_of_somebody_in_between_takes_no_event(body: object, reason: str) -> None:
    with Collector() as collector, opened(hec(collector.url)) as sink:
        collector.faults.append(Reply(200, body))
        sink.send(batch(1, hec_line(1)))
        assert str(failure(sink)) == reason
    with HttpServer(lambda request: Reply(200, body)) as server:
        assert hec(server.url).verify() == reason


def test_a_refusal_that_does_not_say_of_what() -> None:
    """Some versions leave the number out."""

    def answer(request: Request) -> Reply:
        bad = b"ab-2" in request.body
        return Reply(400, {"text": "Invalid data format", "code": 6}) if bad else Reply(200, {"text": "Success", "code": 0})

    with HttpServer(answer) as server, opened(hec(server.url)) as sink:
        sink.send(batch(1, *map(hec_line, range(4))))
        (receipt,) = receipts(sink, 1)
        assert [(refusal.index, refusal.reason) for refusal in receipt.refused] == [(2, "Invalid data format (400, code 6)")]


def test_a_body_that_is_too_large_goes_in_parts() -> None:
    with Collector(acknowledges=True) as collector, opened(hec(collector.url)) as sink:
        collector.largest = 2 * len(hec_line(1)) + 2
        huge = b'{"event":"%s"}' % (b"x" * 500)
        sink.send(batch(1, hec_line(1), hec_line(2), huge, hec_line(3)))
        (receipt,) = receipts(sink, 1)
        assert [(refusal.index, refusal.reason) for refusal in receipt.refused] == [
            (2, f"too large for the collector (413): {len(huge)} bytes")
        ]
        assert ids(collector) == ["ab-1", "ab-2", "ab-3"]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(503, {"text": "Server is busy", "code": 9}), "Server is busy (503, code 9)"),
        (Reply(500, {"text": "Internal server error", "code": 8}), "Internal server error (500, code 8)"),
        (Reply(429, b"slow down"), "429 slow down"),
        (Reply(502, b""), "502, and nothing else"),
        (Reply(401, b"<html>"), "the server lets nobody in with this token (401)"),
        (Reply(404, b"<html>"), "there is no collector at this URL (404); is its port that of HEC, 8088 by default?"),
        (Reply(403, {"text": "Token disabled", "code": 1}), "the token is disabled (403, code 1)"),
    ],
)
def test_what_the_collector_does_not_take_now_is_sent_again(reply: Reply, reason: str) -> None:
    with Collector() as collector, opened(hec(collector.url)) as sink:
        collector.faults.append(reply)
        sink.send(batch(1, hec_line(1)))
        sink.send(batch(2, hec_line(2)))
        assert str(failure(sink)) == reason
        assert collector.events == []  # what follows a failure waits, so that events stay in their order
        sink.abandon()
        sink.open()
        sink.send(batch(1, hec_line(1)))
        sink.send(batch(2, hec_line(2)))
        assert receipts(sink, 2) == [Receipt(1), Receipt(2)]
        assert ids(collector) == ["ab-1", "ab-2"]


def test_a_connection_that_is_cut_says_so() -> None:
    with Collector() as collector, opened(hec(collector.url)) as sink:
        collector.faults.append(Reply(0))
        sink.send(batch(1, hec_line(1)))
        assert str(failure(sink)).endswith(": it broke the connection off")


def test_an_answer_that_does_not_come() -> None:
    def answer(request: Request) -> Reply:
        if request.body:
            until(lambda: not waits, "the end of the wait")
        return Reply(200, {"text": "Success", "code": 0})

    waits = [True]
    with HttpServer(answer) as server, opened(hec(server.url, timeout=0.2)) as sink:
        sink.send(batch(1, hec_line(1)))
        assert str(failure(sink)).endswith("no whole answer within 0.2 s")
        waits.clear()


def drops() -> Iterator[bytes]:
    """A byte of an answer now and then, without an end."""
    while True:
        yield b" "
        threading.Event().wait(0.02)


@pytest.mark.parametrize("encoding", ["identity", "chunked"])
def test_an_answer_that_comes_byte_by_byte_takes_no_longer_than_another(encoding: str) -> None:
    pieces = (b"1\r\n \r\n" for _ in drops()) if encoding == "chunked" else drops()
    headers = {"Transfer-Encoding": "chunked"} if encoding == "chunked" else {"Content-Length": "1000000"}
    with Collector() as collector, opened(hec(collector.url, timeout=0.3)) as sink:
        collector.faults.append(Reply(200, pieces, headers))
        sink.send(batch(1, hec_line(1)))
        assert str(failure(sink)).endswith(": no whole answer within 0.3 s")


def test_heads_that_come_byte_by_byte_take_no_longer() -> None:
    """Even of the status line, which a server that is none sends in its own time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                for drop in itertools.cycle(b"HTTP/1.1 "):
                    connection.send(bytes([drop]))
                    if ended.wait(0.02):
                        break

        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert hec(url, timeout=0.3).verify() == f"{url}: no whole answer within 0.3 s"
        ended.set()


def test_an_answer_without_an_end() -> None:
    with Collector() as collector, opened(hec(collector.url)) as sink:
        collector.faults.append(Reply(200, itertools.repeat(b" " * (1 << 20))))
        sink.send(batch(1, hec_line(1)))
        assert "its answer is longer than 64 MiB" in str(failure(sink))


def test_an_answer_that_is_cut_in_the_middle() -> None:
    with Collector() as collector, opened(hec(collector.url)) as sink:
        collector.faults.append(Reply(200, iter([b'{"text":"Succ']), {"Content-Length": "27"}))
        sink.send(batch(1, hec_line(1)))
        assert "it broke the connection off" in str(failure(sink))


def test_a_connection_is_used_again() -> None:
    ports: set[int] = set()
    with Collector() as collector, opened(hec(collector.url)) as sink:
        collector.met = ports.add
        for number in range(5):
            sink.send(batch(number, hec_line(number)))
        receipts(sink, 5)
    assert len(ports) == 1


@pytest.mark.parametrize(
    ("given", "pause"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT", "Date": "Wed, 21 Oct 2015 07:28:30 GMT"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2015"}, 0.0),
        ({"Retry-After": "-3"}, 0.0),
        ({}, 0.0),
    ],
)
def test_a_collector_that_wants_to_be_left_alone(given: dict[str, str], pause: float) -> None:
    """Its date counts by its own clock."""
    with Collector() as collector, opened(hec(collector.url)) as sink:
        collector.faults.append(Reply(503, {"text": "Server is busy", "code": 9}, given))
        sink.send(batch(1, hec_line(1)))
        assert failure(sink).pause == pause


def test_a_server_that_sends_us_elsewhere() -> None:
    there = Reply(302, b"", {"Location": "https://login.example/?token=abc"})
    with HttpServer(lambda request: there) as server:
        told = f"{server.url}: it sends us to https://login.example/ (302); give the URL of the server itself"
        assert hec(server.url).verify() == bulk(server.url).verify() == told


def test_a_sink_closes_while_the_server_keeps_silent() -> None:
    waits = [True]

    def answer(request: Request) -> Reply:
        if request.body:
            until(lambda: not waits, "the end of the wait")
        return Reply(200, {"text": "Success", "code": 0})

    with HttpServer(answer) as server:
        sink = hec(server.url)
        sink.open()
        sink.send(batch(1, hec_line(1)))
        until(lambda: len(server.requests) > 1, "the request")
        began = time.monotonic()
        sink.close(0.1)
        assert time.monotonic() - began < 10
        waits.clear()


def test_the_token_is_tried_without_an_event() -> None:
    with Collector() as collector:
        assert hec(collector.url).verify() is None
        assert hec(collector.url, token="wrong").verify() == "the server does not know the token (403, code 4)"
        assert collector.events == []
    with Collector(acknowledges=True) as collector:
        assert hec(collector.url).verify() is None
        told = "the token asks for acknowledgement: set output.splunk_hec.acknowledgement: true (400, code 10)"
        assert hec(collector.url, acknowledgement=False).verify() == told


@pytest.mark.parametrize(("token", "said"), [("te", "401 no text of te"), ("text", "401 no *** of ***")])
def test_a_token_of_a_few_letters_makes_no_holes_in_words(token: str, said: str) -> None:
    """They would tell it."""
    with HttpServer(lambda request: Reply(403, f"401 no text of {token}".encode())) as server:
        assert hec(server.url, token=token).verify() == f"403 {said}"


def test_an_index_that_is_not_there_stops_the_flow() -> None:
    """Somebody can make it; no event is thrown away before."""
    with Collector(indexes=("main",)) as collector, opened(hec(collector.url)) as sink:
        sink.send(batch(1, b'{"index":"mfa","event":{"event":{"id":"ab-1"}}}'))
        assert str(failure(sink)).startswith("the token may not write into this index, or it does not exist")


def test_a_collector_that_is_full_is_not_open() -> None:
    full = Reply(503, {"text": "HEC is unhealthy, queues are full", "code": 18})
    with HttpServer(lambda request: full) as server, pytest.raises(SinkDown, match="takes nothing now: HEC is unhealthy"):
        hec(server.url).open()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_key_that_was_written_on_windows(encoding: str, tmp_path: Path) -> None:
    key = tmp_path / "key.txt"
    key.write_bytes(f"{Collector.TOKEN}\r\n".encode(encoding))
    with Collector() as collector:
        assert target(collector.url, key, None, "default").format == "splunk-hec"


@pytest.mark.parametrize("url", ["https://me:hidden@es:9200", "https://me:hid/hidden@es", "ftp://me:hidden@es"])
def test_a_password_in_a_url_is_refused_and_not_told(url: str) -> None:
    with pytest.raises(UsageError) as error:
        target(url, None, None, "default")
    assert str(error.value) == "--to: a name or password may not stand in the URL; give --to-key FILE"


@pytest.mark.parametrize(("text", "is_key"), [("me:pässword", True), ("tökén", False), ("", False), ("a\tb", False)])
def test_what_can_be_a_key(text: str, is_key: bool, tmp_path: Path) -> None:
    key = tmp_path / "key.txt"
    key.write_text(text, encoding="utf-8")
    with HttpServer(looks({"/_bulk": WANTS_DOCUMENTS} | NONE_THERE)) as server:
        if is_key:
            target(server.url, key, None, "default")
            assert server.requests[-1].headers["Authorization"] == "Basic bWU6cMOkc3N3b3Jk"
            return
        with pytest.raises(UsageError, match="first line must be an API key"):
            target(server.url, key, None, "default")


@pytest.mark.parametrize("answers", [{"/_bulk": Reply(401, {"error": {"type": "security_exception"}})}, {}])
def test_a_key_that_is_missing(answers: dict[str, Reply]) -> None:
    told = "it lets nobody in without a key or token: give --to-key FILE"
    with HttpServer(looks(answers)) if answers else Collector() as server, pytest.raises(UsageError, match=told):
        target(server.url, None, None, "default")


@pytest.mark.parametrize(("text", "hint"), [("id:key", True), ("aWQ6a2V5", False)])
def test_an_api_key_that_was_taken_for_a_password(text: str, hint: bool, tmp_path: Path) -> None:
    key = tmp_path / "key.txt"
    key.write_text(text, encoding="utf-8")
    answers = {"/_bulk": Reply(401, {"error": {"type": "security_exception"}})}
    with HttpServer(looks(answers)) as server, pytest.raises(RunError) as error:
        target(server.url, key, None, "default")
    assert str(error.value).endswith("give an API key in its encoded form") == hint


@pytest.mark.parametrize("written", ["id:key", "aWQ6a2V5"])
def test_an_api_key_as_beats_have_it_or_as_kibana_shows_it(written: str, tmp_path: Path) -> None:
    with HttpServer(looks({"/_bulk": WANTS_DOCUMENTS} | ALL_THERE)) as server:
        file = tmp_path / "config.yaml"
        section = f"{{urls: ['{server.url}'], security: {{api_key: '{written}'}}}}"
        output = f"output: {{type: elasticsearch, elasticsearch: {section}}}"
        file.write_text(f"state_dir: {tmp_path}\ninputs: [{{path: {tmp_path}/x.log}}]\n{output}\n", encoding="utf-8")
        assert build_sink(load_config(str(file), {})[0]).verify() is None
        assert {request.headers["Authorization"] for request in server.requests} == {"ApiKey aWQ6a2V5"}


@pytest.mark.parametrize("page", [b"<html>Welcome", b"", {"code": 200, "message": "ok"}, {"text": "fine"}])
def test_who_answers_everything_is_a_cluster_where_it_has_a_bulk(page: object) -> None:
    """As a proxy in front of Elasticsearch that shows its own page at every other path."""
    answers = {"/_bulk": WANTS_DOCUMENTS, **dict.fromkeys(STREAMS, Reply(404)), **NONE_THERE, PRIVILEGES: Reply(404)}
    with HttpServer(lambda request: answers.get(request.path, Reply(200, page))) as server:
        assert target(server.url, None, None, "default").format == "elastic-bulk"
    with (
        HttpServer(lambda request: Reply(200, page)) as server,
        pytest.raises(RunError, match="that is no answer of a collector"),
    ):
        target(server.url, None, None, "default")


def test_a_collector_that_says_nothing_of_its_health(tmp_path: Path) -> None:
    """As VictoriaLogs."""
    key = tmp_path / "key.txt"
    key.write_text("token", encoding="utf-8")

    def answer(request: Request) -> Reply:
        if request.path.startswith("/services/collector/"):
            return Reply(200, {"text": "Success", "code": 0} if request.method == "POST" else b"")
        return Reply(400, b"unsupported path")

    with HttpServer(answer) as server:
        assert target(server.url, key, None, "default").format == "splunk-hec"


# --- Elasticsearch and OpenSearch


def documents(*numbers: int) -> list[bytes]:
    return [b'{"create":{"_index":"logs-azure_mfa.radius-default","_id":"ab-%d"}}\n{"n":%d}' % (n, n) for n in numbers]


def two_line_batch(number: int, lines: Sequence[bytes]) -> Batch:
    """A batch whose events have two lines each."""
    given = block(*(b"x" * len(line) for line in lines))
    label = ("", "", Origin(None, "", "event"), None)
    data = b"".join(line + b"\n" for line in lines)
    return Batch(number, (given._replace(data=data, labels=[label] * len(lines)),))


def cluster(status_of: Callable[[int], tuple[int, dict[str, object] | None]]) -> Callable[[Request], Reply]:
    """Answers `_bulk` with these statuses and errors, by the number in a document."""

    def answer(request: Request) -> Reply:
        if not request.body:
            return WANTS_DOCUMENTS
        numbers = [orjson.loads(line)["n"] for line in request.body.splitlines()[1::2]]
        items = []
        for number in numbers:
            status, error = status_of(number)
            items.append({"create": {"status": status, **({"error": error} if error else {})}})
        return Reply(200, {"errors": any(status_of(number)[0] >= 300 for number in numbers), "items": items})

    return answer


CONFLICT: dict[str, object] = {"type": "version_conflict_engine_exception", "reason": "document already exists"}
STRICT: dict[str, object] = {
    "type": "strict_dynamic_mapping_exception",
    "reason": "introduction of [x] is not allowed",
    "caused_by": {"reason": "deeper"},
}


def test_documents_that_are_there_already_are_done() -> None:
    with HttpServer(cluster(lambda n: (409, CONFLICT) if n % 2 else (201, None))) as server, opened(bulk(server.url)) as sink:
        sink.send(two_line_batch(1, documents(1, 2, 3)))
        assert receipts(sink, 1) == [Receipt(1)]
        (request,) = [request for request in server.requests if request.body]
        assert request.body == b"\n".join(documents(1, 2, 3)) + b"\n"
        assert request.headers["Content-Encoding"] == "gzip"
        assert request.headers["Authorization"] == "ApiKey secret"


def test_a_document_that_does_not_fit_is_refused_with_its_reason() -> None:
    with HttpServer(cluster(lambda n: (400, STRICT) if n == 2 else (201, None))) as server, opened(bulk(server.url)) as sink:
        sink.send(two_line_batch(1, documents(1, 2, 3)))
        (receipt,) = receipts(sink, 1)
        (refusal,) = receipt.refused
        assert (refusal.index, refusal.line) == (1, documents(2)[0])
        assert refusal.reason == "400 strict_dynamic_mapping_exception: introduction of [x] is not allowed: deeper"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, {"type": "es_rejected_execution_exception", "reason": "queue is full"}),
        (503, {"type": "unavailable_shards_exception", "reason": "primary is away"}),
        (403, {"type": "security_exception", "reason": "action is unauthorized"}),
        (404, {"type": "index_not_found_exception", "reason": "no such index and auto_create is off"}),
    ],
)
def test_documents_that_may_be_taken_later_are_sent_again(status: int, error: dict[str, object]) -> None:
    with HttpServer(cluster(lambda n: (status, error) if n == 2 else (400, STRICT))) as server, opened(bulk(server.url)) as sink:
        sink.send(two_line_batch(1, documents(1, 2, 3)))
        assert str(failure(sink)) == f"1 of 3 documents are not taken now: {status} {error['type']}: {error['reason']}"


def test_a_pause_that_the_cluster_asks_for() -> None:
    with HttpServer(cluster(lambda n: (201, None))) as server, opened(bulk(server.url)) as sink:
        server.faults.append(Reply(429, {"error": {"reason": "too many requests"}}, {"Retry-After": "7"}))
        sink.send(two_line_batch(1, documents(1)))
        error = failure(sink)
        assert (str(error), error.pause) == ("the cluster is busy or ill (429): too many requests", 7.0)


def test_a_request_that_is_too_large_goes_in_parts() -> None:
    taken = cluster(lambda n: (201, None))

    def answer(request: Request) -> Reply:
        return Reply(413, b"") if len(request.body) > 170 else taken(request)

    huge = documents(1)[0] + b" " * 200
    with HttpServer(answer) as server, opened(bulk(server.url)) as sink:
        sink.send(two_line_batch(1, [*documents(1, 2), huge, *documents(4)]))
        (receipt,) = receipts(sink, 1)
        assert [(refusal.index, refusal.reason) for refusal in receipt.refused] == [
            (2, f"too large for the server (413): {len(huge)} bytes")
        ]


def test_another_node_answers_when_one_is_away() -> None:
    with HttpServer(cluster(lambda n: (201, None))) as server:
        away = f"http://127.0.0.1:{free_port()}"
        with opened(bulk(away, server.url)) as sink:
            sink.send(two_line_batch(1, documents(1)))
            assert receipts(sink, 1) == [Receipt(1)]
        with pytest.raises(SinkDown, match=f"^{away}: connection refused$"):
            bulk(away).open()


def looks(answers: dict[str, Reply]) -> Callable[[Request], Reply]:
    return lambda request: answers.get(request.path, Reply(404, {"error": "no handler"}))


def closed(kind: str, value: str) -> dict[str, object]:
    """Settings of a cluster that say whether it makes indexes."""
    return {kind: {"action": {"auto_create_index": value}}}


RADIUS, NPS = "/logs-azure_mfa.radius-default", "/logs-azure_mfa.nps-default"
STREAMS = [f"/logs-azure_mfa.{name}-default" for name in ("radius", "server", "adsync", "nps", "unparsed")]
SETTINGS, PRIVILEGES = "/_cluster/settings", "/_security/user/_has_privileges"
SIMULATE = "/_index_template/_simulate_index"
ALL_THERE = dict.fromkeys(STREAMS, Reply(200, {"b": OURS}))
NONE_THERE = {SIMULATE + stream: TEMPLATE for stream in STREAMS}


def with_block(name: str) -> dict[str, Reply]:
    """Answers where the newest index of the NPS extension's stream has a block."""
    older = {**OURS, "settings": {"index": {"blocks": {"write": "true"}}}}
    newest = {**OURS, "settings": {"index": {"blocks": {name: "true"}}}}
    return ALL_THERE | {NPS: Reply(200, {".ds-2026.11.02-000010": newest, ".ds-2026.11.01-000009": older})}


def without_right(rights: dict[str, bool]) -> dict[str, Reply]:
    """Answers where these are the rights on the NPS extension's stream."""
    granted = {stream[1:]: {"create_doc": True, "auto_configure": True} for stream in STREAMS}
    return {PRIVILEGES: Reply(200, {"has_all_requested": False, "index": granted | {NPS[1:]: rights}})}


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (NONE_THERE, None),
        (ALL_THERE, None),
        (NONE_THERE | {SIMULATE + NPS: Reply(403, {})}, None),
        ({"/_bulk": Reply(401, {"error": {"reason": "unable to authenticate"}})}, "is not known there (401)"),
        ({"/_bulk": Reply(200, b"<html>hello")}, "that is no Elasticsearch and no OpenSearch: 200 <html>hello"),
        (
            NONE_THERE | {SIMULATE + NPS: Reply(200, {})},
            "logs-azure_mfa.nps-default has no index template of ours: "
            "run deploy/elastic/install.sh or deploy/opensearch/install.sh, or fields",
        ),
        (ALL_THERE | {NPS: Reply(200, {"a": {"mappings": {}}})}, "and make logs-azure_mfa.nps-default anew"),
        (ALL_THERE | {RADIUS: Reply(200, {"a": {"mappings": {}}, "b": OURS})}, None),
        (dict.fromkeys(STREAMS, Reply(403, {})), None),
        (
            dict.fromkeys(STREAMS, Reply(400, {"error": "no handler"})),
            "the server knows of no index templates at this URL (404); is its path right?",
        ),
        (
            ALL_THERE | {RADIUS: Reply(503, {"error": {"reason": "state not recovered"}})},
            "busy or ill (503): state not recovered",
        ),
        (NONE_THERE | {SIMULATE + RADIUS: Reply(429, {})}, "busy or ill (429): 429 {}"),
        (
            with_block("read_only_allow_delete"),
            "logs-azure_mfa.nps-default takes no documents now (index.blocks.read_only_allow_delete): "
            "make room on the disks of the cluster",
        ),
        (with_block("read_only"), "(index.blocks.read_only): take the block away"),
        (with_block("metadata"), None),
        (
            NONE_THERE | ALL_THERE | {NPS: Reply(404), SETTINGS: Reply(200, closed("persistent", "false"))},
            "logs-azure_mfa.nps-default is not there, and the cluster makes no index of such a name by itself "
            "(action.auto_create_index: false): make it with PUT /_data_stream/NAME",
        ),
        (
            NONE_THERE | {SETTINGS: Reply(200, closed("persistent", "+*.nps-*, -logs-*,+*"))},
            "logs-azure_mfa.radius-default, logs-azure_mfa.server-default, logs-azure_mfa.adsync-default, "
            "logs-azure_mfa.unparsed-default are not there, and",
        ),
        (NONE_THERE | {SETTINGS: Reply(200, closed("defaults", "other*"))}, "(action.auto_create_index: other*): make each with"),
        (NONE_THERE | {SETTINGS: Reply(200, closed("defaults", "logs-*,-*"))}, None),
        (NONE_THERE | {SETTINGS: Reply(200, closed("transient", "true") | closed("defaults", "false"))}, None),
        (ALL_THERE | {SETTINGS: Reply(200, closed("defaults", "false"))}, None),
        (
            NONE_THERE | without_right({"create_doc": True, "auto_configure": False}),
            "we lack the right auto_configure on logs-azure_mfa.nps-default: give the API key or the user both",
        ),
        (
            NONE_THERE | without_right({"create_doc": False, "auto_configure": False}),
            "we lack the right create_doc and auto_configure on logs-azure_mfa.nps-default",
        ),
    ],
)
def test_what_check_finds(answers: dict[str, Reply], reason: str | None) -> None:
    with HttpServer(looks({"/_bulk": WANTS_DOCUMENTS} | answers)) as server:
        found = bulk(server.url).verify()
        assert found is None if reason is None else reason in str(found)
        changing = [
            request for request in server.requests if request.method != "GET" and request.path not in (PRIVILEGES, "/_bulk")
        ]
        assert all(request.path.startswith(SIMULATE) for request in changing)
        assert not any(request.body for request in server.requests if request.path == "/_bulk")


def test_the_first_event_waits_for_the_template() -> None:
    """An index that it made without would have guessed fields for good; once it is there, nothing more is asked."""
    answers = {"/_bulk": WANTS_DOCUMENTS, SIMULATE + RADIUS: Reply(200, {})}
    with HttpServer(looks(answers)) as server:
        sink = bulk(server.url)
        with pytest.raises(SinkDown, match=r"^logs-azure_mfa\.radius-default has no index template of ours: run deploy/elastic"):
            sink.open()
        answers[SIMULATE + RADIUS] = TEMPLATE
        sink.open()
        server.requests.clear()
        sink.open()
        assert [request.path for request in server.requests] == ["/_bulk"]
        sink.close(1.0)


@pytest.mark.parametrize(
    "answers",
    [
        {RADIUS: Reply(200, {"a": {"mappings": {}}})},
        {RADIUS: Reply(403, {})},
        {SIMULATE + RADIUS: Reply(403, {})},
        {SIMULATE + RADIUS: Reply(400, {})},
    ],
)
def test_who_may_not_be_asked_or_has_a_stream_gets_events(answers: dict[str, Reply]) -> None:
    with HttpServer(looks({"/_bulk": WANTS_DOCUMENTS} | answers)) as server, opened(bulk(server.url)):
        assert all(not request.body for request in server.requests)


def test_every_data_set_is_looked_at() -> None:
    """Those of the streams above are all that the built-in patterns know."""
    assert [f"/{data_stream(dataset, 'default')}" for dataset in DATASETS] == STREAMS


@pytest.mark.parametrize(
    "answered",
    [
        {"errors": True, "items": [1]},
        {"errors": True, "items": [{"create": {"status": "400"}}]},
        {"errors": True, "items": [{"create": {"status": 400, "error": "text"}}]},
        {"errors": True, "items": []},
        {"took": 1},
        [],
    ],
)
def test_an_answer_that_is_none_of_bulk_is_no_delivery(answered: object) -> None:
    with (
        HttpServer(lambda request: Reply(200, answered) if request.body else WANTS_DOCUMENTS) as server,
        opened(bulk(server.url)) as sink,
    ):
        sink.send(two_line_batch(1, documents(1)))
        assert str(failure(sink)).startswith("no answer of _bulk: 200 ")


def test_a_fault_of_ours_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpServer(cluster(lambda n: (201, None))) as server, opened(bulk(server.url)) as sink:
        with monkeypatch.context() as patch:
            patch.setattr(BulkCourier, "deliver", lambda self, batch: [][0])
            sink.send(two_line_batch(1, documents(1)))
            assert "IndexError" in str(failure(sink))
        sink.abandon()
        sink.open()
        sink.send(two_line_batch(1, documents(1)))
        assert receipts(sink, 1) == [Receipt(1)]


def test_the_next_node_is_asked_where_a_proxy_says_that_one_is_away() -> None:
    with HttpServer(lambda request: Reply(502, b"<html>")) as proxy, HttpServer(cluster(lambda n: (201, None))) as server:
        with opened(bulk(proxy.url, server.url)) as sink:
            sink.send(two_line_batch(1, documents(1)))
            assert receipts(sink, 1) == [Receipt(1)]
        assert bulk(proxy.url).verify() == "the cluster is busy or ill (502): 502 <html>"


def test_a_batch_of_nothing_but_wrong_events_is_refused_in_time() -> None:
    with Collector() as collector, opened(hec(collector.url)) as sink:
        collector.is_bad = lambda event: True
        sink.send(batch(1, *map(hec_line, range(300))))
        (receipt,) = receipts(sink, 1)
        assert [refusal.index for refusal in receipt.refused] == list(range(300))
        assert len(collector.requests) < 700


def test_a_letter_of_two_lines_has_the_label_of_its_event() -> None:
    line = b'{"create":{"_index":"logs-azure_mfa.radius-default","_id":"ab-1"}}\n' + (
        b'{"@timestamp":"2017-02-14T02:57:19Z","event":{"id":"ab-1","dataset":"azure_mfa.radius","kind":"event"}}'
    )
    assert label_of(line)[:2] == ("2017-02-14T02:57:19Z", "ab-1")


# --- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def test_tls_with_an_authority_of_ones_own(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ca_file = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    with Collector(tls=context) as collector:
        assert hec(collector.url, ca_file=str(ca_file)).verify() is None
        told = "its certificate is not accepted: unable to get local issuer certificate; is {} right?"
        assert told.format("ca_file") in str(hec(collector.url).verify())
        ca_file.write_text("no certificate", encoding="ascii")
        with pytest.raises(RunError, match=r"--to-ca: .*ca\.pem holds no certificate in PEM form"):
            target(collector.url, None, str(ca_file), "default")
        with pytest.raises(RunError) as error:
            target(collector.url, None, None, "default")
        assert told.format("--to-ca") in str(error.value)
        plain = str(hec(collector.url.replace("https", "http")).verify())
        assert plain.endswith("it broke the connection off; does it speak https there?")


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        (
            {"not_after": datetime(2020, 1, 1, tzinfo=UTC), "not_before": datetime(2019, 1, 1, tzinfo=UTC)},
            "certificate has expired",
        ),
        ({"name": "es.invalid"}, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
    ],
)
def test_a_certificate_that_is_wrong(certificate: dict[str, Any], reason: str, authority: trustme.CA, tmp_path: Path) -> None:
    """Another ca_file would not help, so nothing is said of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(certificate.pop("name", "127.0.0.1"), **certificate).configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with Collector(tls=context) as collector:
        told = f"{collector.url}: its certificate is not accepted: {reason}"
        assert hec(collector.url, ca_file=str(tmp_path / "ca.pem")).verify() == told


def test_https_where_there_is_none() -> None:
    with Collector() as collector:
        assert "does it speak https there?" in str(hec(collector.url.replace("http", "https")).verify())


def test_a_host_that_is_not_there() -> None:
    assert str(hec("http://no-such-host.invalid:8088").verify()) == "http://no-such-host.invalid:8088: there is no such host"


# --- proxies


def test_a_proxy_gets_the_name_and_password_of_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: Request) -> Reply:
        return WANTS_DOCUMENTS if request.headers.get("proxy-authorization") == "Basic bWU6cEBzcw==" else Reply(407, b"<html>")

    with HttpServer(answer) as proxy:
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//me:p%40ss@"))
        bulk("http://es.invalid:9200").open()
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(SinkDown, match=r"^http://es.invalid:9200: the proxy does not let us through: .* \(407\)$"):
            bulk("http://es.invalid:9200").open()


@pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_proxy_as_curl_takes_it(variable: str, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpServer(lambda request: WANTS_DOCUMENTS) as proxy:
        monkeypatch.setenv("no_proxy", "127.0.0.1,::1")
        monkeypatch.setenv(variable, proxy.url.replace("http://", scheme))
        bulk("http://es.invalid:9200").open()
        assert {request.headers["Host"] for request in proxy.requests} == {"es.invalid:9200"}
        proxy.requests.clear()
        for address in ("127.0.0.1", "[::1]"):
            with pytest.raises(SinkDown, match=r"connection refused|address"):
                bulk(f"http://{address}:{free_port()}").open()
        assert proxy.requests == []


@pytest.mark.parametrize(
    "proxy", ["socks5://me:hidden@127.0.0.1:1080", "http://me:hidden@[::1", "http://me:hidden@127.0.0.1:port"]
)
def test_a_proxy_that_cannot_be_used(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(SinkDown, match=r"^http://es.invalid:9200: the proxy of the environment \(") as error:
        bulk("http://es.invalid:9200").open()
    assert "hidden" not in str(error.value)


def test_a_proxy_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:hidden@127.0.0.1:{free_port()}")
    with pytest.raises(SinkDown) as error:
        bulk("http://es.invalid:9200").open()
    assert str(error.value) == "http://es.invalid:9200: the proxy does not let us through: connection refused"
