"""`detect` when the broker is away, or a part of itself fails: it says so, not too often, and goes on or ends."""

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, OffsetSpec, ResourceType

from shipper.deliver.kafka.client import KafkaOptions
from shipper.sidecar.transactional_id import kept
from shipper.stream.settings import DetectSettings
from shipper.stream.ticks import Ticks
from shipper.times import SECOND
from tests.integration.test_detect import T0, Rig, status, twice
from tests.support.kafka import Broker, create_topic, free_port, read_topic, start_or_skip
from tests.support.process import until

pytestmark = pytest.mark.slow


@pytest.fixture
def frail(tmp_path: Path) -> Iterator[Broker]:
    """A broker that a test may stop."""
    broker = Broker(tmp_path / "broker")
    start_or_skip(broker.start)
    yield broker
    broker.stop()


def readiness(port: int) -> dict[str, Any]:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            page = answer.read()
    except HTTPError as error:
        page = error.read()
    except OSError as error:  # it starts again
        return {"ready": False, "reason": str(error)}
    answered: dict[str, Any] = json.loads(page)
    return answered


def number(port: int, name: str) -> float:
    """A counter of `detect`."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        rows = dict(row.rsplit(" ", 1) for row in answer.read().decode().splitlines())
    return float(rows[f"mfa_shipper_detect_{name}_total"])


def is_at_rest(rig: Rig) -> bool:
    """The group has read every record, and no transaction is open: the next one begins with a new record."""
    admin = AdminClient({"bootstrap.servers": rig.broker.address})
    held = f"{rig.name}-held"
    read, written = [rig.name, held], [held, f"changelog__{rig.name}--{held}--default", rig.alerts]
    known = admin.list_topics(timeout=20).topics
    latest = {TopicPartition(topic, number): OffsetSpec.latest() for topic in written for number in known[topic].partitions}
    ends, stable = (
        {
            (place.topic, place.partition): end.result(20).offset
            for place, end in admin.list_offsets(latest, isolation_level=level).items()
        }
        for level in (IsolationLevel.READ_UNCOMMITTED, IsolationLevel.READ_COMMITTED)
    )
    try:
        group = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(rig.name)], require_stable=True)[rig.name].result(
            20
        )
    except KafkaException as error:
        if error.args[0].code() != KafkaError.UNSTABLE_OFFSET_COMMIT:
            raise
        return False
    offsets: dict[str, dict[int, int]] = {topic: {} for topic in read}
    for place in group.topic_partitions:
        offsets[place.topic][place.partition] = place.offset
    unstable = any(place.error for place in group.topic_partitions)
    return ends == stable and not unstable and not any(read_topic(rig.broker.address, topic, offsets[topic]) for topic in read)


def test_it_is_not_ready_while_the_broker_is_away_and_says_so_once(frail: Broker, tmp_path: Path) -> None:
    rig = Rig(frail, tmp_path)
    first, second = twice("anna")
    rig.ship("mfa01", first)
    port = free_port()
    detect = rig.instance(metrics={"listen": f"127.0.0.1:{port}"})
    detect.start()
    until(lambda: "detecting" in detect.said() and readiness(port)["ready"], detect.said)
    # Kafka 4.3 may lose the end of a transaction in which it is killed (see deploy/docs/detect.md), and reads nothing more.
    until(lambda: number(port, "judged") == 1 and is_at_rest(rig), detect.said)

    frail.kill()
    until(lambda: not readiness(port)["ready"], detect.said)
    until(lambda: readiness(port).get("reason", "").startswith("nobody listens there: is the broker up"), detect.said)
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert "mfa_shipper_detect_up 0.0" in answer.read().decode()
    frail.start()
    until(lambda: readiness(port) == {"ready": True, "group": rig.name}, detect.said)
    rig.ship("mfa02", second)
    rig.waits_for(1, detect)

    said = detect.said()
    assert said.count("events cannot be read now; findings wait") == 1
    # The application may have begun again, if it was just asking for something; then that, too, says that it is back.
    again, begun = said.count("events can be read again"), said.count("info    detecting")
    assert again <= 1 <= begun <= 2 <= again + begun
    assert "Kafka consumer error" not in said
    assert "Kafka producer error" not in said
    assert detect.terminate() == 0, detect.said()
    assert len(detect.said().splitlines()) < 12, detect.said()


def test_what_a_lost_transaction_did_is_not_counted(broker: Broker, tmp_path: Path) -> None:
    """Another client with its transactional id ends the transaction at hand; what was in it is read again."""
    rig, pairs = Rig(broker, tmp_path, lateness="0s"), 10_000
    rig.put([status(f"user{n}", 2 * n + half, T0 + n + 8 * half) for n in range(pairs) for half in (0, 1)], b"all")
    port = free_port()
    detect = rig.instance(metrics={"listen": f"127.0.0.1:{port}"})
    detect.start()

    until(lambda: "detecting" in detect.said(), detect.said)
    for times in range(1, 4):
        judged = number(port, "judged")
        until(lambda before=judged: number(port, "judged") > before, detect.said, every=0.01)  # type: ignore[misc]
        thief = {"bootstrap.servers": broker.address, "transactional.id": str(kept(str(tmp_path / "detect" / "state")))}
        Producer(thief).init_transactions(20)
        until(lambda times=times: number(port, "restarts") >= times, detect.said)  # type: ignore[misc]
    until(lambda: number(port, "judged") == 2 * pairs, detect.said)
    found = rig.waits_for(pairs, detect)
    assert len({finding["event"]["id"] for finding in found}) == len(found) == pairs
    assert (number(port, "double_prompts"), number(port, "events")) == (pairs, 2 * pairs)
    assert detect.terminate() == 0, detect.said()


def test_what_ends_the_thread_of_the_ticks_ends_the_service(broker: Broker, tmp_path: Path) -> None:
    rig = Rig(broker, tmp_path)
    detect = rig.instance()
    code = (
        "import sys; from shipper.stream import ticks; ticks.Ticks._look = lambda self: {}['a mistake'];"
        "from shipper.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "detect", "--config", str(detect.config)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stderr.endswith("mfa-shipper: detect: the thread that looks for quiet partitions has ended: 'a mistake'\n")
    assert "Traceback" not in done.stderr


def test_a_tick_that_the_broker_refuses_is_sent_again(broker: Broker, tmp_path: Path) -> None:
    name = f"ticks-{secrets.token_hex(4)}"
    kafka = KafkaOptions((broker.address,), name)
    settings = DetectSettings(kafka, name, str(tmp_path), idle_timeout=SECOND, partitions=2)
    create_topic(broker.address, name, 1)
    create_topic(broker.address, settings.held_topic, 2, **{"max.message.bytes": "1"})
    producer = Producer({"bootstrap.servers": broker.address})
    producer.produce(name, b"{}")
    assert producer.flush(20) == 0
    group = Consumer({"bootstrap.servers": broker.address, "group.id": name})
    group.commit(offsets=[TopicPartition(name, 0, 1)], asynchronous=False)
    group.close()

    reasons: list[str] = []
    ticks = Ticks(settings, reasons.append)
    until(lambda: any("too large" in reason for reason in reasons), lambda: str(reasons))
    assert ticks.told == 0
    entry = ConfigEntry("max.message.bytes", "100000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, settings.held_topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": broker.address})
    admin.incremental_alter_configs([resource])[resource].result(20)
    until(lambda: ticks.told == 1 and reasons[-1] == "", lambda: str(reasons))
    ticks.close()
    assert ticks.failure is None
    assert sorted(record.value or b"" for record in read_topic(broker.address, settings.held_topic)) == [b'{"p":0,"idle":1}'] * 2


def test_a_topic_that_is_removed_and_made_again(broker: Broker, tmp_path: Path) -> None:
    """The new one may have as many records as the old one had."""
    rig = Rig(broker, tmp_path)
    port = free_port()
    detect = rig.instance(metrics={"listen": f"127.0.0.1:{port}"})
    rig.put([status("anna", number, T0 + 10 * number) for number in (1, 2)], b"anna")
    detect.start()
    rig.waits_for(1, detect)

    admin = AdminClient({"bootstrap.servers": broker.address})
    admin.delete_topics([rig.name])[rig.name].result(20)
    until(lambda: readiness(port).get("reason", "").startswith(f"there is no topic {rig.name} now; the sidecars"), detect.said)
    create_topic(broker.address, rig.name)
    until(lambda: readiness(port)["ready"], detect.said)
    rig.put([status("anna", number, T0 + 10 * number) for number in (11, 12)], b"anna")
    found = rig.waits_for(2, detect)
    assert len({finding["event"]["id"] for finding in found}) == len(found) == 2
    assert "detect begins again; nothing is lost reason=there is no topic" in detect.said()
    assert detect.terminate() == 0, detect.said()


def test_a_state_ahead_of_its_topic_is_explained_and_can_be_removed(broker: Broker, tmp_path: Path) -> None:
    """Somebody removed the changelog; what came to its new namesake is less than the state has seen."""
    rig = Rig(broker, tmp_path)
    detect = rig.instance()
    rig.put([status("anna", number, T0 + 10 * number) for number in (1, 2)], b"anna")
    detect.start()
    rig.waits_for(1, detect)
    assert detect.terminate() == 0, detect.said()

    changelog = f"changelog__{rig.name}--{rig.name}-held--default"
    (written, *_) = read_topic(broker.address, changelog)
    admin = AdminClient({"bootstrap.servers": broker.address})
    admin.delete_topics([changelog])[changelog].result(20)
    until(lambda: changelog not in admin.list_topics(timeout=20).topics, "the topic is removed")
    create_topic(broker.address, changelog, 4, **{"cleanup.policy": "compact"})
    producer = Producer({"bootstrap.servers": broker.address})
    producer.produce(changelog, written.value, written.key, written.partition, headers=list(written.headers.items()))
    assert producer.flush(20) == 0

    detect.start()
    state = tmp_path / "detect" / "state" / "detect"
    until(
        lambda: f"the state in {state} is ahead of the topic {changelog}: if the topic was removed" in detect.said(), detect.said
    )
    assert "clear_state" not in detect.said()
    assert detect.terminate() == 0, detect.said()
    shutil.rmtree(state)
    detect.start()
    rig.put([status("anna", number, T0 + 10 * number) for number in (11, 12)], b"anna")
    rig.waits_for(2, detect)
    assert detect.terminate() == 0, detect.said()
