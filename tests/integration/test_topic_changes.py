"""A topic that is removed and made anew with more partitions, under a running shipper: all that is written meanwhile arrives once."""

import json
from pathlib import Path
from secrets import token_hex

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.support.kafka import Broker, create_topic, read_topic
from tests.support.process import Shipper, configuration, numbered, until


@pytest.mark.parametrize("exactly_once", [False, True])
@pytest.mark.parametrize("client", ["kafka-python", "confluent-kafka"])
def test_nothing_is_lost_and_nothing_comes_twice(client: str, exactly_once: bool, broker: Broker, tmp_path: Path) -> None:
    topic = f"changes-{token_hex(4)}"
    admin = AdminClient({"bootstrap.servers": broker.address})
    create_topic(broker.address, topic, 3)
    create_topic(broker.address, f"{topic}-state", 1, **{"cleanup.policy": "compact"})
    kafka = {
        "bootstrap_servers": [broker.address], "topic": topic, "client": client, "exactly_once": exactly_once,
        "state_topic": f"{topic}-state",
    }  # fmt: skip
    output = {"type": "kafka", "kafka": kafka, "batch": {"max_age": "50ms", "max_events": 20}}
    shipper = Shipper(tmp_path, configuration(tmp_path, output))
    log = tmp_path / "logs" / "Mfa.log"
    log.write_bytes(numbered(0, 100))

    def arrived() -> list[str]:
        return sorted(json.loads(record.value or b"")["message"] for record in read_topic(broker.address, topic))

    def lines(begin: int, end: int) -> list[str]:
        return sorted(f"line {number}" for number in range(begin, end))

    def write(begin: int, end: int) -> None:
        with open(log, "ab") as file:
            file.write(numbered(begin, end))

    shipper.start()
    until(lambda: arrived() == lines(0, 100), "what was there")
    admin.create_partitions([NewPartitions(topic, 6)])[topic].result(20)
    write(100, 200)
    until(lambda: arrived() == lines(0, 200), "what came after there were more partitions", every=0.5)
    admin.delete_topics([topic])[topic].result(20)
    until(lambda: topic not in admin.list_topics(timeout=20).topics, "the topic is gone", every=0.5)
    create_topic(broker.address, topic, 3)
    write(200, 300)
    until(lambda: set(lines(200, 300)) <= set(arrived()), lambda: f"what came after\n{shipper.said()[-2000:]}", every=0.5)
    assert shipper.terminate() == 0
    assert arrived() == lines(200, 300)
