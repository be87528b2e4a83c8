"""A channel of Windows' event log into a real Kafka, exactly once: the position of a channel stands where those of files do."""

import json
import secrets
from pathlib import Path

import pytest

from tests.support.exports import EVENTS
from tests.support.kafka import Broker, create_topic, read_topic
from tests.support.process import Shipper, until
from tests.support.windows_events import CHANNEL, FOLDER, WindowsChannel

PORTION = range(len(EVENTS))


def test_every_record_once_through_kills_and_a_cleared_channel(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = f"nps-{secrets.token_hex(4)}"
    create_topic(broker.address, topic)
    create_topic(broker.address, f"{topic}-state", 1, **{"cleanup.policy": "compact"})
    (tmp_path / "log").mkdir()
    monkeypatch.setenv(FOLDER, str(tmp_path / "log"))
    channel = WindowsChannel(tmp_path / "log").create()
    kafka = {
        "bootstrap_servers": [broker.address], "topic": topic, "state_topic": f"{topic}-state", "exactly_once": True,
    }  # fmt: skip
    config = {
        "state_dir": str(tmp_path / "state"),
        "inputs": [{"type": "windows_event_log", "channel": CHANNEL}],
        "output": {"type": "kafka", "kafka": kafka, "batch": {"max_age": "50ms", "max_events": 20}},
    }
    shipper = Shipper(tmp_path, config, module="tests.support.windows_events")

    def ids() -> list[str]:
        events = [json.loads(seen.value) for seen in read_topic(broker.address, topic) if seen.value is not None]
        return [event["event"]["id"] for event in events if event["event"]["kind"] == "event"]

    def arrived(number: int) -> None:
        until(lambda: len(ids()) >= number, shipper.said, every=0.3)

    written = 0
    for kill in range(5):
        channel.write(*PORTION)
        written += len(PORTION)
        shipper.start()
        arrived(written - len(PORTION) + 1 + kill % 3)  # sometimes in the middle of a portion
        shipper.kill()
        for file in (tmp_path / "state").glob("checkpoint*"):
            file.unlink()  # the state topic has all
    shipper.start()
    arrived(written)
    channel.clear(anew=True)
    channel.write(*PORTION[1:], 0)  # none with the number that it had before, which would make it the same record
    arrived(written + len(PORTION))
    assert shipper.terminate() == 0
    found = ids()
    assert len(found) == len(set(found)) == written + len(PORTION)
    numbers = [int(one.partition("-")[2]) for one in found]
    assert sorted(numbers) == sorted([*range(1, written + 1), *range(1, len(PORTION) + 1)])
