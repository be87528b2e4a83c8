"""Exactly once on a real Kafka: who a shipper is, where it goes on, and which state topic it refuses."""

import gc
import secrets
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from shipper.deliver.kafka.client import KafkaOptions, Pending
from shipper.deliver.kafka.kafka_python import KafkaPythonClient
from shipper.sidecar.transactional_id import former
from shipper.testing import LogWriter
from tests.chaos.kill import delivered
from tests.support.kafka import Broker, create_topic, read_topic
from tests.support.process import Shipper, Verdict, configuration, expected, numbered, under_host_name, until

CLIENTS = ["kafka-python", "confluent-kafka"]
both_clients = pytest.mark.parametrize("client", CLIENTS)


class Rig:
    """A log, a topic, and the shippers between them, which have a state directory in common and run one at a time."""

    def __init__(self, broker: Broker, folder: Path, client: str, **policy: str) -> None:
        self.broker, self.folder, self.client = broker, folder, client
        self.topic = f"once-{secrets.token_hex(4)}"
        create_topic(broker.address, self.topic)
        create_topic(broker.address, f"{self.topic}-state", 1, **{"cleanup.policy": "compact", **policy})
        (folder / "logs").mkdir()
        self.log = LogWriter(str(folder / "logs" / "Mfa.log"))

    def shipper(self, command: tuple[str, ...] = (), state: str = "state", **kafka: Any) -> Shipper:
        section = {
            "bootstrap_servers": [self.broker.address], "topic": self.topic, "state_topic": f"{self.topic}-state",
            "client": self.client, "exactly_once": True, **kafka,
        }  # fmt: skip
        output = {"type": "kafka", "kafka": section, "batch": {"max_age": "50ms", "max_events": 100}}
        return Shipper(self.folder, {**configuration(self.folder, output), "state_dir": str(self.folder / state)}, command)

    def ships_all(self, shipper: Shipper) -> None:
        """Start it, and return when all that was written has arrived, and the checkpoint may lag behind."""
        shipper.start()
        written = sum(content.count(b"\n") for content in self.log.generations)
        until(lambda: len(self.came()) >= written, lambda: f"all arrives\n{shipper.said()[-3000:]}", every=0.3)

    def came(self) -> list[bytes]:
        return [record.value for record in read_topic(self.broker.address, self.topic) if record.value is not None]

    def assert_once(self) -> None:
        self.log.close()
        verdict = Verdict(self.came(), expected(self.log.generations, self.folder))
        assert (verdict.lost, verdict.wrong, verdict.repeats) == (0, 0, 0), verdict


@both_clients
def test_another_host_name_changes_nothing(client: str, broker: Broker, tmp_path: Path) -> None:
    rig = Rig(broker, tmp_path, client)
    for number in range(3):
        rig.log.write(numbered(1000 * number, 1000 * (number + 1)))
        shipper = rig.shipper(under_host_name(f"pod-{number}"))
        rig.ships_all(shipper)
        shipper.kill()
        (tmp_path / "state" / "checkpoint.json").unlink(missing_ok=True)
        (tmp_path / "state" / "checkpoint.json.1").unlink(missing_ok=True)

    rig.assert_once()


def test_another_path_changes_nothing(broker: Broker, tmp_path: Path) -> None:
    rig = Rig(broker, tmp_path, "kafka-python")
    for number in range(2):
        rig.log.write(numbered(1000 * number, 1000 * (number + 1)))
        shipper = rig.shipper(state=f"state{number}")
        rig.ships_all(shipper)
        shipper.kill()
        (tmp_path / "state0" / "checkpoint.json").unlink(missing_ok=True)
        if not number:
            (tmp_path / "state0").rename(tmp_path / "state1")

    rig.assert_once()


def test_the_id_of_an_earlier_version_is_kept(broker: Broker, tmp_path: Path) -> None:
    """That version stored the positions under an id made of host name and path, and its checkpoint may be behind."""
    rig = Rig(broker, tmp_path, "kafka-python")
    rig.log.write(numbered(0, 1000))
    earlier = rig.shipper(transactional_id=former(str(tmp_path / "state")))
    rig.ships_all(earlier)
    until(lambda: delivered(tmp_path, rig.log), "there is a checkpoint")
    shutil.copytree(tmp_path / "state", tmp_path / "behind")
    rig.log.write(numbered(1000, 2000))
    until(lambda: len(rig.came()) == 2000, "the rest arrives", every=0.3)
    earlier.kill()
    shutil.rmtree(tmp_path / "state")
    (tmp_path / "behind").rename(tmp_path / "state")
    assert not (tmp_path / "state" / "transactional_id").exists()

    rig.log.write(numbered(2000, 3000))
    shipper = rig.shipper()
    rig.ships_all(shipper)
    assert shipper.terminate() == 0
    assert (tmp_path / "state" / "transactional_id").read_text() == f"{former(str(tmp_path / 'state'))}\n"
    rig.assert_once()


def test_a_producer_that_was_fenced_ends_in_silence(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """kafka-python: its thread ends, and its destructor raises nothing."""
    topic = f"once-{secrets.token_hex(4)}"
    create_topic(broker.address, topic)
    raised: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: raised.append(unraisable.exc_value))
    before = set(threading.enumerate())
    options = KafkaOptions((broker.address,), topic, exactly_once=True, transactional_id=topic)
    older, newer = KafkaPythonClient(options), KafkaPythonClient(options)
    older.connect()
    older.take_over()
    older.begin()
    newer.connect()
    newer.take_over()
    pending = Pending(1)
    older.send(pending, [(topic, b"key", b"value", [])])
    until(lambda: older.collect(None, 0.0) or pending.failed, "the record fails")  # type: ignore[func-returns-value]
    assert pending.fenced
    for client in (older, newer):
        client.close(0.0)
    gc.collect()
    until(lambda: not set(threading.enumerate()) - before, lambda: f"all threads end: {set(threading.enumerate()) - before}")
    assert raised == []


@both_clients
def test_off_for_a_while_and_on_again(client: str, broker: Broker, tmp_path: Path) -> None:
    rig = Rig(broker, tmp_path, client)
    for number, exactly_once in enumerate((True, False, True)):
        rig.log.write(numbered(1000 * number, 1000 * (number + 1)))
        shipper = rig.shipper(exactly_once=exactly_once)
        rig.ships_all(shipper)
        assert shipper.terminate() == 0

    rig.assert_once()


def test_a_position_that_the_state_topic_lost_is_that_of_the_checkpoint(broker: Broker, tmp_path: Path) -> None:
    rig = Rig(broker, tmp_path, "confluent-kafka")
    quiet = numbered(0, 500)
    (tmp_path / "logs" / "Mfa-quiet.log").write_bytes(quiet.replace(b"pfrad", b"pfsvc"))
    shipper = rig.shipper()
    shipper.start()
    until(lambda: len(rig.came()) == 500, "the quiet log arrives", every=0.3)
    assert shipper.terminate() == 0
    producer = Producer({"bootstrap.servers": broker.address})
    for key in {record.key for record in read_topic(broker.address, f"{rig.topic}-state")}:
        producer.produce(f"{rig.topic}-state", None, key)
    assert producer.flush(20) == 0
    rig.log.write(numbered(500, 600))
    shipper.start()
    until(lambda: len(rig.came()) >= 600, "the other log arrives", every=0.3)
    assert shipper.terminate() == 0
    (tmp_path / "state" / "checkpoint.json").unlink()  # by now the state topic knows again what it had lost
    (tmp_path / "state" / "checkpoint.json.1").unlink()
    rig.log.write(numbered(600, 700))
    shipper.start()
    until(lambda: len(rig.came()) >= 700, "the rest arrives", every=0.3)
    assert shipper.terminate() == 0

    assert len(rig.came()) == 700


@pytest.fixture(scope="module")
def expiring(broker: Broker) -> str:
    topic = f"expires-{secrets.token_hex(4)}"
    create_topic(broker.address, topic, 1, **{"cleanup.policy": "compact,delete"})
    return topic


@both_clients
def test_a_state_topic_that_is_not_compacted_is_refused(client: str, broker: Broker, expiring: str, tmp_path: Path) -> None:
    rig = Rig(broker, tmp_path, client)
    rig.log.write(numbered(0, 10))
    shipper = rig.shipper(state_topic=expiring)
    command = [sys.executable, "-m", "shipper"]
    sentence = f"the state topic {expiring} has cleanup.policy=compact,delete, so its positions expire"
    for arguments, status in ((["check", "--connect"], 1), (["run"], 2)):
        done = subprocess.run(
            [*command, *arguments, "--config", str(shipper.config)], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert done.stderr.count(sentence) == 1
        assert "Traceback" not in done.stderr
    assert rig.came() == []
    assert read_topic(broker.address, expiring) == []


@both_clients
def test_a_state_topic_that_is_missing_is_not_made_with_another_policy(client: str, broker: Broker, tmp_path: Path) -> None:
    rig = Rig(broker, tmp_path, client)
    rig.log.write(numbered(0, 10))
    late = f"{rig.topic}-late"
    shipper = rig.shipper(state_topic=late)
    shipper.start()
    until(lambda: f"missing topic: {late}; create it" in shipper.said(), "it says what is missing")
    create_topic(broker.address, late, 1, **{"cleanup.policy": "compact"})
    until(lambda: len(rig.came()) == 10, lambda: f"it goes on\n{shipper.said()[-2000:]}", every=0.3)
    assert shipper.terminate() == 0
