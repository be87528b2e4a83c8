"""What every sink promises (`shipper/deliver/sink.py`), against the real thing."""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shipper.deliver.dead_letters import label_of
from shipper.deliver.file import FileOptions, FileSink
from shipper.deliver.http.elasticsearch import BulkCourier
from shipper.deliver.http.options import HttpOptions
from shipper.deliver.http.sink import HttpSink
from shipper.deliver.http.splunk_hec import HecCourier
from shipper.deliver.kafka.client import KafkaOptions
from shipper.deliver.kafka.sink import KafkaSink
from shipper.deliver.sink import Batch, Receipt, Sink, joined
from shipper.deliver.stdout import StdoutSink
from shipper.shared_files import open_shared
from shipper.sidecar.sinks import SINKS, client_class
from shipper.testing import MemorySink
from tests.support.http_server import HttpServer, Reply, Request
from tests.support.kafka import Broker, create_topic, read_topic

KINDS = [
    "memory",
    "stdout",
    "file",
    "kafka-python",
    "confluent-kafka",
    "kafka-python exactly-once",
    "confluent-kafka exactly-once",
    "splunk_hec",
    "elasticsearch",
]


def line(number: int, user: str = "pnigam") -> bytes:
    event = f'"event":{{"id":"0123456789abcdef-{number}","dataset":"azure_mfa.radius","kind":"event"}}'
    return f'{{"@timestamp":"2017-02-14T02:57:19.234778Z",{event},"user":{{"name":"{user}","domain":"Domain"}}}}'.encode()


class Case:
    """A sink, and how to see what it delivered."""

    def __init__(self, sink: Sink, delivered: Callable[[], list[bytes]], *, stores_places: bool = False) -> None:
        self.sink, self.delivered, self.stores_places = sink, delivered, stores_places
        sink.open()

    def send(self, number: int, *lines: bytes) -> None:
        """Send a batch of two blocks."""
        events = [(line, label_of(line)) for line in lines]
        self.sink.send(Batch(number, (joined(events[:1]), joined(events[1:])), ((b"place:x", b"%d" % number),)))

    def receipts(self, count: int, deadline: float = 40.0) -> list[Receipt]:
        """Poll until so many receipts have come."""
        found: list[Receipt] = []
        end = time.monotonic() + deadline
        while len(found) < count:
            assert time.monotonic() < end, f"{len(found)} of {count} receipts"
            self.sink.flush()
            found += self.sink.poll(0.1)
        return found


def took(request: Request, lines: list[bytes]) -> Reply:
    """The answer of a server that takes any lines: as a cluster gives it, and as a collector does."""
    came = request.body.splitlines()
    lines += came
    items = [{"create": {"status": 201}} for _ in came]
    return Reply(200, {"errors": False, "items": items, "text": "Success", "code": 0})


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    servers = ExitStack()
    kind = str(request.param)
    if kind == "memory":
        memory = MemorySink()
        one = Case(memory, lambda: memory.lines)
    elif kind == "file":
        path = tmp_path / "out.ndjson"
        one = Case(FileSink(FileOptions(str(path))), lambda: path.read_bytes().splitlines())
    elif kind in ("splunk_hec", "elasticsearch"):
        taken: list[bytes] = []
        at = HttpOptions((servers.enter_context(HttpServer(lambda request: took(request, taken))).url,))
        courier = HecCourier(at, acknowledgement=True) if kind == "splunk_hec" else BulkCourier(at, "default")
        one = Case(HttpSink(kind, courier), lambda: taken)
    elif kind == "stdout":
        path = tmp_path / "stdout"
        descriptor = open_shared(str(path), os.O_WRONLY | os.O_CREAT)
        one = Case(StdoutSink(descriptor), lambda: path.read_bytes().splitlines())
    else:
        broker: Broker = request.getfixturevalue("broker")
        client, _, mode = kind.partition(" ")
        topic = f"contract-{secrets.token_hex(4)}"
        create_topic(broker.address, topic, 1)
        create_topic(broker.address, f"{topic}-state", 1, **{"cleanup.policy": "compact"})
        options = KafkaOptions(
            (broker.address,), topic, exactly_once=bool(mode), state_topic=f"{topic}-state", transactional_id=topic
        )
        sink = KafkaSink(options, client_class(client), run="0123456789abcdef")
        one = Case(sink, lambda: [r.value or b"" for r in read_topic(broker.address, topic)], stores_places=bool(mode))
    with servers:
        yield one
        one.sink.close(5.0)


def test_every_sink_is_held_to_its_promises() -> None:
    assert [name for name in SINKS if not any(name in kind for kind in KINDS)] == [], "a kind for each sink"


def test_delivers_in_order(case: Case) -> None:
    case.send(1, line(1), line(2))
    case.send(2, line(3))
    assert [receipt.number for receipt in case.receipts(2)] == [1, 2]
    assert case.delivered() == [line(1), line(2), line(3)]


def test_a_batch_without_events_is_done_too(case: Case) -> None:
    case.send(1)
    assert case.receipts(1) == [Receipt(1)]
    assert case.delivered() == []


def test_what_was_abandoned_can_be_sent_again(case: Case) -> None:
    case.send(1, line(1))
    case.sink.abandon()
    case.sink.open()
    case.send(1, line(1))
    case.send(2, line(2))
    assert [receipt.number for receipt in case.receipts(2)] == [1, 2]
    delivered = case.delivered()
    assert list(dict.fromkeys(delivered)) == [line(1), line(2)]
    if case.stores_places:
        assert delivered == [line(1), line(2)]


def test_takes_as_many_as_it_says(case: Case) -> None:
    for number in range(1, case.sink.in_flight + 1):
        case.send(number, line(number))
    assert len(case.receipts(case.sink.in_flight)) == case.sink.in_flight
    assert len(case.delivered()) == case.sink.in_flight


def test_a_transaction_remembers_the_positions_of_its_last_batch(case: Case) -> None:
    if not case.stores_places:
        pytest.skip("this sink stores no positions")
    case.send(1, line(1))
    case.send(2, line(2))
    assert len(case.receipts(2)) == 2
    case.send(3, line(3))
    case.sink.abandon()
    assert case.sink.open()[b"place:x"] == b"2"


def test_a_record_that_is_too_large_is_refused(case: Case) -> None:
    if not isinstance(case.sink, KafkaSink) or case.stores_places:
        pytest.skip("only Kafka refuses, and a transaction says it in another way")
    huge = line(1, secrets.token_hex(1 << 20))
    case.send(1, line(2), huge, line(3))
    (receipt,) = case.receipts(1)
    assert [(refusal.index, refusal.line) for refusal in receipt.refused] == [(1, huge)]
    assert case.delivered() == [line(2), line(3)]
