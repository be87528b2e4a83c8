"""`check --connect` looks and changes nothing, also where the broker makes a topic for whoever asks about it."""

import subprocess
import sys
from pathlib import Path
from secrets import token_hex

import pytest
from confluent_kafka.admin import AdminClient

from tests.support.kafka import Broker
from tests.support.process import Shipper, configuration


@pytest.mark.parametrize("exactly_once", [False, True])
@pytest.mark.parametrize("client", ["kafka-python", "confluent-kafka"])
def test_no_topic_is_made(client: str, exactly_once: bool, broker: Broker, tmp_path: Path) -> None:
    name = f"unmade-{token_hex(4)}"
    kafka = {
        "bootstrap_servers": [broker.address], "topic": name, "alert_topic": f"{name}-alerts", "dead_letter_topic": f"{name}-dead",
        "state_topic": f"{name}-state", "client": client, "exactly_once": exactly_once,
    }  # fmt: skip
    config = Shipper(tmp_path, configuration(tmp_path, {"type": "kafka", "kafka": kafka})).config
    command = [sys.executable, "-m", "shipper", "check", "--connect", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    topics = AdminClient({"bootstrap.servers": broker.address}).list_topics(timeout=30).topics
    assert [topic for topic in topics if topic.startswith(name)] == []
    assert not (tmp_path / "state").exists()
    assert done.returncode == 1
    assert f"missing topic: {name} and {name}-alerts and {name}-dead" in done.stderr
