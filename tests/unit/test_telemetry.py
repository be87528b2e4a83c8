"""The pages: stable names with a help text each, and health that says what is wrong."""

import base64
import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import trustme
from prometheus_client.parser import text_string_to_metric_families

from shipper.deliver.dead_letters import DeadLetterFile
from shipper.deliver.delivery import Delivery
from shipper.deliver.file import FileOptions, FileSink
from shipper.deliver.sink import Refusal, SinkDown
from shipper.detect import DETECTORS
from shipper.errors import UsageError
from shipper.model import TALLIES, Counts
from shipper.read.inputs import TailInput
from shipper.read.tail import Tail
from shipper.sidecar.metrics import METRICS, Scrape, VitalsCollector
from shipper.sidecar.pages import BEAT, MOST_CONNECTIONS, Listen, Server, pages_of
from shipper.sidecar.vitals import Vitals
from shipper.testing import FakeClock, MemorySink
from shipper.times import SECOND
from tests.support.process import DEADLINE, until

# Alert rules and dashboards are made of these names: to rename one breaks those of others.
NAMES = """
mfa_shipper_batch_latency_seconds mfa_shipper_batches_delivered mfa_shipper_bytes_delivered mfa_shipper_bytes_read
mfa_shipper_cache_hits mfa_shipper_checkpoint_age_seconds mfa_shipper_completions_late mfa_shipper_crowded_out mfa_shipper_dead_letters mfa_shipper_detector_users
mfa_shipper_double_prompts mfa_shipper_events mfa_shipper_events_delivered mfa_shipper_events_filtered
mfa_shipper_events_masked mfa_shipper_events_waiting mfa_shipper_exchanges_given_up mfa_shipper_files_open mfa_shipper_lag_bytes
mfa_shipper_lag_seconds mfa_shipper_lines_merged mfa_shipper_lines_misdated mfa_shipper_lines_read
mfa_shipper_lines_unparsed mfa_shipper_lost_bytes mfa_shipper_memo_entries mfa_shipper_mfa_fatigue
mfa_shipper_mfa_fatigue_gave_in mfa_shipper_output_reopened mfa_shipper_possible_losses mfa_shipper_problems mfa_shipper_retries mfa_shipper_rotations mfa_shipper_sink_up
mfa_shipper_sources_without_past mfa_shipper_statuses mfa_shipper_truncations mfa_shipper_unknown_messages
"""
DETECTED = {
    total.name: number
    for number, total in enumerate((total for one in DETECTORS.values() for total in (one.found, *one.totals)), 500)
}  # each has a metric of its name


class Door(MemorySink):
    """Cannot be reached while `closed`."""

    name = "kafka"
    closed = True

    def open(self) -> Mapping[bytes, bytes]:
        if self.closed:
            raise SinkDown("the broker refuses hunter2")
        return super().open()


class Silent:
    def down(self, reason: str) -> None: ...

    def up(self) -> None: ...

    def refused(self, refusals: tuple[Refusal, ...]) -> None: ...

    def unkept(self, reason: str | None) -> None: ...


class Case:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.log = folder / "Mfa.log"
        self.sink = Door()
        letters = DeadLetterFile(str(folder / "letters"))
        self.delivery = Delivery(self.sink, letters, Silent(), run="r", now=self.clock, random=lambda: 1.0)
        self.tail = Tail([TailInput(f"{self.log}*")], {}, now=lambda: self.clock() / SECOND)
        counts = Counts(lines=7, findings=1)
        counts.classes["success"] = 2
        self.vitals = Vitals(counts, self.delivery, self.tail, newest=100 * SECOND, saved_at=0)
        self.server = Server(Listen("127.0.0.1:0"), pages_of(self.vitals, self.clock, {"hunter2"}))

    def close(self) -> None:
        self.server.close()
        self.tail.close()

    def page(self, path: str) -> tuple[int, str]:
        try:
            with urlopen(f"http://127.0.0.1:{self.server.port}{path}", timeout=DEADLINE) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def samples(self) -> list[str]:
        return self.page("/metrics")[1].splitlines()


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    made = Case(tmp_path)
    yield made
    made.close()


def test_names_are_stable_and_each_has_a_help_text(case: Case) -> None:
    status, text = case.page("/metrics")
    families = list(text_string_to_metric_families(text))
    assert status == 200
    assert sorted(family.name for family in families) == sorted({*NAMES.split(), *(f"mfa_shipper_{name}" for name in DETECTED)})
    assert [family.name for family in families if not family.documentation.endswith(".")] == []
    assert {family.type for family in families} == {"counter", "gauge", "histogram"}


def test_a_full_name_is_that_of_the_page(case: Case) -> None:
    shown = {line.split()[2] for line in case.samples() if line.startswith("# TYPE")}
    assert shown - {metric.full_name for metric in METRICS} == {"mfa_shipper_batch_latency_seconds"}


def test_units_stand_at_the_end_of_names() -> None:
    for metric in METRICS:
        for unit in ("seconds", "bytes"):
            assert unit not in metric.name or metric.name.endswith(unit) or metric.name.startswith(unit), metric.name


def test_each_number_is_read_where_it_is_counted(case: Case) -> None:
    """Each number is another one, so that none is shown under the name of its neighbour."""
    for number, name in enumerate(Counts.__slots__, 100):
        if name not in TALLIES:
            setattr(case.vitals.counts, name, number)
    counted = case.vitals.counts
    counted.detected.update(DETECTED)
    own = ("bytes_read", "batches", "bytes_sent", "events_delivered", "events_waiting", "files_open", "lag_bytes")
    for number, name in enumerate((*own, "memo_entries", "users"), 200):
        setattr(case.vitals, name, number)
    case.delivery.refused, case.delivery.retries = 300, 301
    case.delivery.sink = sink = FileSink(FileOptions("out.ndjson"))
    sink.reopened = 302
    case.tail.rotations, case.tail.truncations = 400, 401
    case.tail.losses.bytes, case.tail.losses.possible = 402, 403
    case.tail.past_lost = {"a", "b"}
    case.tail.problems = {"a": "x", "b": "y", "c": "z"}

    shown = {name: float(value) for name, value in (line.split() for line in case.samples() if line[0] != "#")}

    kinds = {"request": "requests", "verdict": "verdicts", "status": "statuses", "result": "results", "log": "logs"}
    wanted = {
        "lines_read_total": counted.lines, "bytes_read_total": 200, "lines_merged_total": counted.merged,
        "events_filtered_total": counted.filtered + counted.findings_filtered, "lines_unparsed_total": counted.unparsed,
        "unknown_messages_total": counted.unknown_messages, "events_masked_total": counted.masked,
        "lines_misdated_total": counted.misdated, "exchanges_given_up_total": counted.given_up,
        "completions_late_total": counted.late, "crowded_out_total": counted.crowded_out,
        "batches_delivered_total": 201,
        "bytes_delivered_total": 202, "events_delivered_total": 203, "events_waiting": 204, "files_open": 205, "lag_bytes": 206,
        "memo_entries": 207, "detector_users": 208, "dead_letters_total": 300, "retries_total": 301, "output_reopened_total": 302,
        "rotations_total": 400,
        "truncations_total": 401, "lost_bytes_total": 402, "possible_losses_total": 403, "sources_without_past": 2, "problems": 3,
        'events_total{kind="unparsed"}': counted.unparsed,
        'statuses_total{class="success"}': 2, "sink_up": 0, "checkpoint_age_seconds": 0,
    }  # fmt: skip
    wanted |= {f'events_total{{kind="{kind}"}}': getattr(counted, name) for kind, name in kinds.items()}
    wanted |= {f"{name}_total": number for name, number in DETECTED.items()}
    wanted |= {f'events_total{{kind="{name}"}}': DETECTED[detector.found.name] for name, detector in DETECTORS.items()}
    left = {name: value for name, value in shown.items() if not name.startswith("mfa_shipper_batch_latency")}
    del left["mfa_shipper_lag_seconds"]  # by the clock of the machine
    assert left == {f"mfa_shipper_{name}": value for name, value in wanted.items()}


def test_latency_and_age(case: Case) -> None:
    case.vitals.sent(1, 2, 100, 0)
    case.clock.wait(0.3)
    case.vitals.delivered(1, case.clock())
    lines = case.samples()
    for wanted in (
        "mfa_shipper_events_delivered_total 2.0",
        "mfa_shipper_checkpoint_age_seconds 0.3",
        'mfa_shipper_batch_latency_seconds_bucket{le="0.25"} 0.0',
        'mfa_shipper_batch_latency_seconds_bucket{le="0.5"} 1.0',
        'mfa_shipper_batch_latency_seconds_bucket{le="+Inf"} 1.0',
        "mfa_shipper_batch_latency_seconds_sum 0.3",
    ):
        assert wanted in lines


def test_what_the_delivery_did(case: Case) -> None:
    case.delivery.turn(0)
    assert {"mfa_shipper_retries_total 1.0", "mfa_shipper_sink_up 0.0"} <= set(case.samples())
    case.sink.closed = False
    case.clock.wait(60)
    case.delivery.turn(0)
    assert {"mfa_shipper_retries_total 1.0", "mfa_shipper_sink_up 1.0"} <= set(case.samples())


def test_what_the_tail_did(case: Case) -> None:
    case.log.write_bytes(b"2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|a line\n")
    case.tail.look()
    case.log.rename(f"{case.log}.1")
    case.clock.wait(60)
    case.tail.look()
    assert "mfa_shipper_rotations_total 1.0" in case.samples()


def test_before_there_are_any_parts() -> None:
    """The pages are there before the sink has been reached, which can take long."""
    scrape = Scrape(Vitals(), 0, 0.0)
    families = {metric.full_name: list(metric.collect(scrape)) for metric in METRICS}
    for name in ("mfa_shipper_retries_total", "mfa_shipper_rotations_total", "mfa_shipper_sink_up"):
        assert [sample.value for family in families[name] for sample in family.samples] == [0]
    assert families["mfa_shipper_checkpoint_age_seconds"] == []


def lag(newest: int | None, wall: float) -> float | None:
    found = {family.name: family for family in VitalsCollector(Vitals(newest=newest), lambda: 0, lambda: wall).collect()}
    return found["mfa_shipper_lag_seconds"].samples[0].value if "mfa_shipper_lag_seconds" in found else None


def test_the_lag_in_seconds() -> None:
    assert lag(100 * SECOND, 160.0) == 60.0
    assert lag(100 * SECOND, 40.0) == 0.0  # the log's clock is ahead of ours
    assert lag(None, 40.0) is None  # nothing was read: no number is better than a wrong one


def test_alive_as_long_as_the_loop_turns(case: Case) -> None:
    case.vitals.beat = case.clock()
    case.clock.wait(BEAT)
    status, text = case.page("/healthz")
    assert (status, json.loads(text)) == (200, {"alive": True, "seconds_since_last_turn": BEAT})
    case.clock.wait(1)
    assert case.page("/healthz")[0] == 503


def test_ready_as_long_as_the_sink_accepts(case: Case) -> None:
    status, text = case.page("/readyz")
    assert (status, json.loads(text)) == (503, {"ready": False, "sink": "kafka", "reason": "not connected yet"})
    case.delivery.turn(0)
    status, text = case.page("/readyz")
    assert (status, json.loads(text)) == (503, {"ready": False, "sink": "kafka", "reason": "the broker refuses ***"})
    case.sink.closed = False
    case.clock.wait(60)
    case.delivery.turn(0)
    status, text = case.page("/readyz?verbose=1")
    assert (status, json.loads(text)) == (200, {"ready": True, "sink": "kafka"})


def test_not_ready_before_there_is_a_sink(case: Case) -> None:
    case.vitals.delivery = None
    status, text = case.page("/readyz")
    assert (status, json.loads(text)) == (503, {"ready": False, "sink": "", "reason": "not connected yet"})


def test_another_page(case: Case) -> None:
    assert case.page("/") == (404, "/metrics, /healthz or /readyz\n")


@pytest.mark.parametrize("listen", ["127.0.0.1:{port}", "127.0.0.1:99999", "203.0.113.1:0"])
def test_where_it_cannot_listen_it_says_so(listen: str, case: Case) -> None:
    with pytest.raises(UsageError, match=r"metrics\.listen: cannot listen on .*; choose another port"):
        Server(Listen(listen.format(port=case.server.port)), pages_of(Vitals(), case.clock))


@contextmanager
def serving(listen: Listen) -> Iterator[Server]:
    server = Server(listen, pages_of(Vitals(beat=0), lambda: 0))
    try:
        yield server
    finally:
        server.close()


def spoken(server: Server, request: bytes) -> bytes:
    """What a server answers; nothing if it ends the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client, suppress(ConnectionError):
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(4096), b""))
    return b""


def test_with_a_password() -> None:
    with serving(Listen("127.0.0.1:0", "prom", "s3cret:x")) as server:
        for login, status in (("", b"401"), ("prom:wrong", b"401"), ("prom:s3cret:x", b"200"), ("\xff:\xff", b"401")):
            header = f"Authorization: Basic {base64.b64encode(login.encode()).decode()}\r\n".encode() if login else b""
            for path in (b"/metrics", b"/healthz"):
                assert spoken(server, b"GET " + path + b" HTTP/1.0\r\n" + header + b"\r\n").split()[1] == status


def test_other_methods_are_refused(case: Case) -> None:
    assert spoken(case.server, b"POST /metrics HTTP/1.0\r\n\r\n").split()[1] == b"405"
    head = spoken(case.server, b"HEAD /healthz HTTP/1.0\r\n\r\n")
    assert head.split()[1] == b"200"


def test_https(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    for part in certificate.cert_chain_pems:
        part.write_to_path(str(tmp_path / "cert.pem"), append=True)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with serving(Listen("127.0.0.1:0", cert_file=str(tmp_path / "cert.pem"), key_file=str(tmp_path / "key.pem"))) as server:
        with (
            socket.create_connection(("127.0.0.1", server.port)),  # one that never says a word holds up nobody
            urlopen(f"https://127.0.0.1:{server.port}/healthz", timeout=10, context=context) as answer,
        ):
            assert json.loads(answer.read())["alive"]
        assert spoken(server, b"GET /healthz HTTP/1.0\r\n\r\n")[:4] != b"HTTP"
    with pytest.raises(UsageError, match=r"metrics\.cert_file: .* holds no certificate in PEM form"):
        Server(
            Listen("127.0.0.1:0", cert_file=str(tmp_path / "key.pem"), key_file=str(tmp_path / "key.pem")),
            pages_of(Vitals(), lambda: 0),
        )


def test_ipv6() -> None:
    with serving(Listen("[::1]:0")) as server, socket.create_connection(("::1", server.port)) as client:
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b" 200 " in client.recv(64)


def test_silent_clients_shut_nobody_out(case: Case, capfd: pytest.CaptureFixture[str]) -> None:
    """Half-open connections neither take threads and descriptors without end, nor keep Prometheus away."""
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", case.server.port))) for _ in range(100)]
        for client in silent:
            client.sendall(b"GET /metr")
        assert case.page("/healthz")[0] == 200
        until(lambda: threads() <= MOST_CONNECTIONS, lambda: f"{threads()} threads")
        with socket.create_connection(("127.0.0.1", case.server.port)) as rude:
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            rude.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert case.page("/metrics")[0] == 200
    assert capfd.readouterr() == ("", "")


def threads() -> int:
    """How many threads answer clients."""
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())
