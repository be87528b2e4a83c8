"""`check --connect` looks and changes nothing, also where the broker makes a topic for whoever asks about it."""

import subprocess
import sys
from pathlib import Path
from secrets import token_hex

import pytest
import yaml
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.support.kafka import Broker, create_topic
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


class TestOfDetect:
    """What `detect` needs is looked at before it starts."""

    @pytest.fixture
    def topic(self, broker: Broker) -> str:
        name = f"detect-{token_hex(4)}"
        for made in (name, f"{name}-found"):
            create_topic(broker.address, made)
        return name

    def check(self, broker: Broker, folder: Path, topic: str, **detect: object) -> tuple[int, str]:
        kafka = {"bootstrap_servers": [broker.address], "topic": topic, "alert_topic": f"{topic}-found"}
        file = folder / "detect.yaml"
        config = {
            "state_dir": str(folder / "state"), "output": {"type": "kafka", "kafka": kafka},
            "detect": {"group": f"{topic}-group", "partitions": 4} | detect,
        }  # fmt: skip
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        before = there(broker, topic)
        done = subprocess.run(
            [sys.executable, "-m", "shipper", "check", "--connect", "--config", str(file)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert there(broker, topic) == before
        assert not (folder / "state").exists()
        return done.returncode, done.stdout + done.stderr

    def test_it_is_content_with_what_detect_makes_itself(self, broker: Broker, topic: str, tmp_path: Path) -> None:
        status, said = self.check(broker, tmp_path, topic)
        assert status == 0, said
        assert f"{topic}-group-held, 4 partitions" in said

    def test_the_events_must_be_there(self, broker: Broker, topic: str, tmp_path: Path) -> None:
        status, said = self.check(broker, tmp_path, f"{topic}-none")
        assert status == 1
        assert f"missing topic: {topic}-none, to which the sidecars write; create it" in said

    def test_the_middle_topic_must_have_the_partitions_of_the_configuration(
        self, broker: Broker, topic: str, tmp_path: Path
    ) -> None:
        create_topic(broker.address, f"{topic}-group-held", 6)
        status, said = self.check(broker, tmp_path, topic)
        assert status == 1
        assert f"{topic}-group-held has 6 partitions, but detect.partitions is 4: set it to 6" in said
        assert self.check(broker, tmp_path, topic, partitions=6)[0] == 0

    def test_the_middle_topic_must_not_grow(self, broker: Broker, topic: str, tmp_path: Path) -> None:
        held, changelog = f"{topic}-group-held", f"changelog__{topic}-group--{topic}-group-held--default"
        create_topic(broker.address, held, 4)
        create_topic(broker.address, changelog, 4, **{"cleanup.policy": "compact"})
        assert self.check(broker, tmp_path, topic)[0] == 0
        admin = AdminClient({"bootstrap.servers": broker.address})  # it must outlive what it promises
        admin.create_partitions([NewPartitions(held, 5)])[held].result(20)
        status, said = self.check(broker, tmp_path, topic)
        assert status == 1
        assert f"{held} has 5 partitions and {changelog} has 4" in said

    @pytest.mark.parametrize(("policy", "status"), [("delete", 1), ("compact", 0), ("compact,delete", 0)])
    def test_the_changelog_must_be_compacted(self, policy: str, status: int, broker: Broker, topic: str, tmp_path: Path) -> None:
        create_topic(broker.address, f"changelog__{topic}-group--{topic}-group-held--default", 4, **{"cleanup.policy": policy})
        done, said = self.check(broker, tmp_path, topic)
        assert (done, "has cleanup.policy=delete" in said) == (status, bool(status)), said


def there(broker: Broker, prefix: str) -> list[str]:
    """The topics whose names begin so."""
    topics = AdminClient({"bootstrap.servers": broker.address}).list_topics(timeout=30).topics
    return sorted(topic for topic in topics if prefix in topic)
