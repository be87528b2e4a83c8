"""The Kafka sink over a client in memory: what real brokers cannot be made to do on command."""

import subprocess
import sys
from collections.abc import Iterable

import pytest

from shipper.sinks.kafka import KafkaSink
from shipper.sinks.kafka_causes import cause, lacking
from shipper.sinks.kafka_client import KafkaOptions, Pending
from shipper.sinks.protocol import Batch
from shipper.sinks.records import Record

EVENT = b'{"event":{"id":"00-0","dataset":"azure_mfa.radius","kind":"event"}}\n'


class Topics:
    """A client whose broker takes everything; several may share `state`."""

    def __init__(self, state: dict[bytes, bytes]) -> None:
        self.state = state
        self._transaction: list[Record] = []

    def connect(self) -> None:
        pass

    def read_state(self, topic: str) -> dict[bytes, bytes]:
        return dict(self.state)

    def rights(self, topics: Iterable[str]) -> dict[str, set[str] | None]:
        return {}

    def send(self, pending: Pending, records: list[Record]) -> None:
        self._transaction += records
        pending.left -= len(records)

    def collect(self, first: Pending | None, timeout: float) -> None:
        pass

    def begin(self) -> None:
        self._transaction = []

    def commit(self) -> None:
        self.state.update({key: value for topic, key, value, _ in self._transaction if topic == "state"})

    def committed(self, timeout: float) -> bool:
        return True

    def close(self, timeout: float) -> None:
        pass


def sink(state: dict[bytes, bytes], name: str) -> KafkaSink:
    options = KafkaOptions(("x:1",), "events", exactly_once=True, state_topic="state", transactional_id=name)
    return KafkaSink(options, lambda _: Topics(state))


def test_shippers_that_share_a_state_topic_keep_apart() -> None:
    state: dict[bytes, bytes] = {}
    for name in ("mfa01", "mfa02"):
        one = sink(state, name)
        one.open()
        one.send(Batch(1, EVENT, 1, ((b"batch", name.encode()),)))
        one.flush()
        one.poll(0.0)
        assert one.poll(0.0)

    assert sink(state, "mfa01").open() == {b"batch": b"mfa01"}
    assert sink(state, "mfa02").open() == {b"batch": b"mfa02"}
    assert sink(state, "mfa03").open() == {}


OPTIONS = KafkaOptions(("x:1",), "events", alert_topic="alerts", exactly_once=True, username="anna", ca_file="ca.pem")


@pytest.mark.parametrize(
    ("complaint", "sentence"),
    [
        ("Connection lost: SSL: CERTIFICATE_VERIFY_FAILED; socket disconnected", "unknown CA: ca_file (ca.pem)"),
        ("socket disconnected\n[Error 58] SaslAuthenticationFailedError: invalid credentials", "the user or the password"),
        ("Connect failed: Connection refused", "nobody listens there"),
        ("Unknown topic or partition", "create events and alerts and mfa-shipper-state"),
    ],
)
def test_the_cause_and_not_its_effects(complaint: str, sentence: str) -> None:
    assert sentence in (cause([complaint], OPTIONS) or "")


def test_what_no_phrase_explains() -> None:
    assert cause(["the moon is full"], OPTIONS) is None


def test_rights() -> None:
    everything: dict[str, set[str] | None] = {"events": {"WRITE"}, "alerts": {"WRITE"}, "mfa-shipper-state": {"READ", "WRITE"}}
    assert lacking(OPTIONS, everything) is None
    assert "missing topic: alerts" in (lacking(OPTIONS, everything | {"alerts": None}) or "")
    assert "does not give anna READ on the topic mfa-shipper-state" in (
        lacking(OPTIONS, everything | {"mfa-shipper-state": {"WRITE"}}) or ""
    )


def test_a_commit_that_never_ends_does_not_keep_the_process() -> None:
    program = "import threading; from shipper.sinks.kafka_python import _Commit; _Commit(threading.Event().wait).start()"

    subprocess.run([sys.executable, "-W", "ignore", "-c", program], timeout=60, check=True)
