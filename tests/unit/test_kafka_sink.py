"""The Kafka sink over a client in memory: what real brokers cannot be made to do on command."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from shipper.config.load import load_config
from shipper.deliver.kafka.causes import cause, lacking
from shipper.deliver.kafka.client import KafkaOptions, Pending
from shipper.deliver.kafka.records import Record
from shipper.deliver.kafka.sink import KafkaSink
from shipper.deliver.sink import Batch
from shipper.sidecar.assemble import kafka_options

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


@pytest.mark.parametrize(
    ("pipeline", "exact"),
    [
        ("{host: {name: mfa01}}", False),
        ("{host: {name: mfa01, user: {name: svc}}}", True),
        ("{labels: {user: svc}}", True),
        ("{observer: {user: {name: svc}}}", True),
    ],
)
def test_a_user_among_the_fields_of_every_event_is_not_taken_for_the_event_s_own(
    pipeline: str, exact: bool, tmp_path: Path
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "state_dir: s\ninputs: [{path: x.log}]\noutput: {type: kafka, kafka: {bootstrap_servers: ['x:1'], topic: t}}\n"
        f"pipeline: {pipeline}\n"
    )
    options = kafka_options(load_config(str(path), {})[0])
    line = b'{"event":{"id":"0123456789abcdef-0","dataset":"d","kind":"event"},"host":{"user":{"name":"svc"}}}\n'
    batches: list[Record] = []
    client = Topics({})
    client.send = lambda pending, records: batches.extend(records)  # type: ignore[method-assign]
    kafka = KafkaSink(options, lambda _: client)
    kafka.open()
    kafka.send(Batch(1, line, 1))
    assert options.exact_keys == exact
    assert batches[0][1] == (b"0123456789abcdef" if exact else b"svc")


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
    program = "import threading; from shipper.deliver.kafka.kafka_python import _Commit; _Commit(threading.Event().wait).start()"

    subprocess.run([sys.executable, "-W", "ignore", "-c", program], timeout=60, check=True)
