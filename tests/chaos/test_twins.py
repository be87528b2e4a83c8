"""Two shippers with one transactional id: the one that took over last goes on, the other ends, and nothing comes twice.

`make chaos` and `python -m tests.chaos.twins 1-100` run more seeds.
"""

import os
import secrets
import signal
import subprocess
from pathlib import Path

import pytest

from shipper.testing import LogWriter
from tests.chaos import twins
from tests.chaos.kill import delivered
from tests.support.kafka import Broker, create_topic, read_topic
from tests.support.process import Shipper, Verdict, configuration, expected, numbered, until


@pytest.mark.parametrize("client", twins.CLIENTS)
def test_a_frozen_twin_that_wakes_up_ends(client: str, broker: Broker, tmp_path: Path) -> None:
    topic = f"twins-{secrets.token_hex(4)}"
    create_topic(broker.address, topic)
    create_topic(broker.address, f"{topic}-state", 1, **{"cleanup.policy": "compact"})
    kafka = {
        "bootstrap_servers": [broker.address], "topic": topic, "state_topic": f"{topic}-state",
        "client": client, "exactly_once": True, "transactional_id": topic,
    }  # fmt: skip
    output = {"type": "kafka", "kafka": kafka, "batch": {"max_age": "50ms", "max_events": 100}}
    config = configuration(tmp_path, output)
    pair = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        pair.append(Shipper(tmp_path / name, {**config, "state_dir": str(tmp_path / name / "state")}))
    first, second = pair
    log = LogWriter(str(tmp_path / "logs" / "Mfa.log"))

    sleeper = first.start()
    log.write(numbered(0, 1000))
    until(lambda: delivered(first.folder, log), "the first delivers")
    log.write(numbered(1000, 2000))  # in the middle of which it freezes, perhaps
    os.kill(sleeper.pid, signal.SIGSTOP)
    second.start()
    log.write(numbered(2000, 3000))
    until(lambda: delivered(second.folder, log), "the second delivers")
    os.kill(sleeper.pid, signal.SIGCONT)
    log.write(numbered(3000, 4000))

    try:
        status = sleeper.wait(120)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"the first goes on:\n{first.said()}\n{second.said()}") from None
    assert status == 1
    assert "has taken over" in first.said()
    log.write(numbered(4000, 5000))
    until(lambda: delivered(second.folder, log), lambda: f"the second delivers the rest\n{second.said()}")
    assert second.terminate() == 0
    log.close()
    came = [record.value for record in read_topic(broker.address, topic) if record.value is not None]
    verdict = Verdict(came, expected(log.generations, tmp_path))
    assert (verdict.lost, verdict.wrong, verdict.repeats) == (0, 0, 0), verdict


@pytest.mark.parametrize("client", twins.CLIENTS)
def test_of_two_that_start_at_the_same_instant_one_ends(client: str, broker: Broker, tmp_path: Path) -> None:
    topic = f"twins-{secrets.token_hex(4)}"
    create_topic(broker.address, topic)
    create_topic(broker.address, f"{topic}-state", 1, **{"cleanup.policy": "compact"})
    kafka = {
        "bootstrap_servers": [broker.address], "topic": topic, "state_topic": f"{topic}-state",
        "client": client, "exactly_once": True, "transactional_id": topic,
    }  # fmt: skip
    config = configuration(tmp_path, {"type": "kafka", "kafka": kafka, "batch": {"max_age": "50ms", "max_events": 100}})
    log = LogWriter(str(tmp_path / "logs" / "Mfa.log"))
    log.write(numbered(0, 1000))
    pair = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        pair.append(Shipper(tmp_path / name, {**config, "state_dir": str(tmp_path / name / "state")}))
    for shipper in pair:
        shipper.start()

    until(lambda: not all(shipper.alive for shipper in pair), "one of them ends")
    left, ended = sorted(pair, key=lambda shipper: not shipper.alive)
    assert ended.terminate() == 1
    assert "has taken over" in ended.said()
    log.write(numbered(1000, 2000))
    until(lambda: delivered(left.folder, log), lambda: f"the other delivers all\n{left.said()}")
    assert left.terminate() == 0
    for shipper in pair:
        assert "Traceback" not in shipper.said()
        assert "Exception ignored" not in shipper.said()
    log.close()
    came = [record.value for record in read_topic(broker.address, topic) if record.value is not None]
    verdict = Verdict(came, expected(log.generations, tmp_path))
    assert (verdict.lost, verdict.wrong, verdict.repeats) == (0, 0, 0), verdict


@pytest.mark.parametrize("client", twins.CLIENTS)
@pytest.mark.parametrize("seed", range(1, 7))
def test_twins_at_random(seed: int, client: str, broker: Broker, tmp_path: Path) -> None:
    twins.run(seed, client, broker, tmp_path)
