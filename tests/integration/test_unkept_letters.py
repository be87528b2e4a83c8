"""Dead letters that cannot be written, with a real broker: the records around them arrive, and are not sent again and again."""

import json
from pathlib import Path
from secrets import token_hex

import pytest

from tests.support.kafka import Broker, create_topic, read_topic
from tests.support.process import Shipper, configuration, numbered, until


@pytest.mark.parametrize("client", ["kafka-python", "confluent-kafka"])
def test_only_the_letter_is_tried_again(client: str, broker: Broker, tmp_path: Path) -> None:
    topic = f"unkept-{token_hex(4)}"
    create_topic(broker.address, topic, 1, **{"max.message.bytes": "3000"})
    kafka = {"bootstrap_servers": [broker.address], "topic": topic, "client": client, "compression": "none"}
    output = {"type": "kafka", "kafka": kafka, "batch": {"max_age": "50ms", "max_events": 10}}
    shipper = Shipper(tmp_path, configuration(tmp_path, output))
    letters = tmp_path / "state" / "dead_letters.ndjson"
    letters.mkdir(parents=True)  # no file can be written there
    log = tmp_path / "logs" / "Mfa.log"
    large = b"2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|" + b"x" * 5000 + b"\n"

    def arrived() -> list[str]:
        return [json.loads(record.value or b"")["message"] for record in read_topic(broker.address, topic)]

    log.write_bytes(numbered(0, 20) + large + numbered(20, 40))
    shipper.start()
    until(lambda: "what was refused waits in memory" in shipper.said(), "it says that the letter is not kept")
    until(lambda: set(arrived()) == {f"line {number}" for number in range(40)}, "all that is not too large")
    before = len(arrived())
    for begin in range(40, 70, 10):  # each of these rounds takes longer than a pause before a retry
        with open(log, "ab") as file:
            file.write(numbered(begin, begin + 10))
        until(lambda: f"line {begin + 9}" in arrived(), "what came later")  # noqa: B023
    assert len(arrived()) == before + 30
    letters.rmdir()
    until(lambda: "dead letters can be kept again" in shipper.said(), "the letter is kept")
    assert [json.loads(line)["line"].count("x" * 5000) for line in letters.read_bytes().splitlines()] == [2]
    assert shipper.terminate() == 0
    assert len(arrived()) == before + 30
    shipper.start()
    until(lambda: shipper.said().count("continuing path=") == 1, "it goes on from its place")
    assert shipper.terminate() == 0
    assert len(arrived()) == before + 30
