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

pytestmark = pytest.mark.slow


class Pair:
    """Two shippers that read one log into one topic, with one transactional id."""

    def __init__(self, client: str, broker: Broker, folder: Path) -> None:
        self._address, self._folder = broker.address, folder
        self._topic = topic = f"twins-{secrets.token_hex(4)}"
        create_topic(broker.address, topic)
        create_topic(broker.address, f"{topic}-state", 1, **{"cleanup.policy": "compact"})
        kafka = {
            "bootstrap_servers": [broker.address], "topic": topic, "state_topic": f"{topic}-state",
            "client": client, "exactly_once": True, "transactional_id": topic,
        }  # fmt: skip
        config = configuration(folder, {"type": "kafka", "kafka": kafka, "batch": {"max_age": "50ms", "max_events": 100}})
        self.shippers = []
        for name in ("first", "second"):
            (folder / name).mkdir()
            self.shippers.append(Shipper(folder / name, {**config, "state_dir": str(folder / name / "state")}))
        self.log = LogWriter(str(folder / "logs" / "Mfa.log"))

    def wait_for(self, shipper: Shipper) -> None:
        """Return when it has delivered all that is written."""
        until(lambda: delivered(shipper.folder, self.log), lambda: f"all is delivered by\n{shipper.said()}")

    def nothing_is_lost_and_nothing_twice(self) -> None:
        self.log.close()
        came = [record.value for record in read_topic(self._address, self._topic) if record.value is not None]
        verdict = Verdict(came, expected(self.log.generations, self._folder))
        assert (verdict.lost, verdict.wrong, verdict.repeats) == (0, 0, 0), verdict


@pytest.fixture(params=twins.CLIENTS)
def pair(request: pytest.FixtureRequest, broker: Broker, tmp_path: Path) -> Pair:
    return Pair(request.param, broker, tmp_path)


def test_a_frozen_twin_that_wakes_up_ends(pair: Pair) -> None:
    first, second = pair.shippers
    log = pair.log

    sleeper = first.start()
    log.write(numbered(0, 1000))
    pair.wait_for(first)
    log.write(numbered(1000, 2000))  # in the middle of which it freezes, perhaps
    os.kill(sleeper.pid, signal.SIGSTOP)
    second.start()
    log.write(numbered(2000, 3000))
    pair.wait_for(second)
    os.kill(sleeper.pid, signal.SIGCONT)
    log.write(numbered(3000, 4000))

    try:
        status = sleeper.wait(120)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"the first goes on:\n{first.said()}\n{second.said()}") from None
    assert status == 1
    assert "has taken over" in first.said()
    log.write(numbered(4000, 5000))
    pair.wait_for(second)
    assert second.terminate() == 0
    pair.nothing_is_lost_and_nothing_twice()


def test_of_two_that_start_at_the_same_instant_one_ends(pair: Pair) -> None:
    pair.log.write(numbered(0, 1000))
    for shipper in pair.shippers:
        shipper.start()

    written = 1000

    def one_has_ended() -> bool:
        nonlocal written
        if not all(shipper.alive for shipper in pair.shippers):
            return True
        pair.log.write(numbered(written, written + 1))  # who has nothing to send does not see that another took over
        written += 1
        return False

    until(one_has_ended, "one of them ends", every=0.2)
    left, ended = sorted(pair.shippers, key=lambda shipper: not shipper.alive)
    assert ended.terminate() == 1
    assert "has taken over" in ended.said()
    pair.log.write(numbered(written, written + 1000))
    pair.wait_for(left)
    assert left.terminate() == 0
    for shipper in pair.shippers:
        assert "Traceback" not in shipper.said()
        assert "Exception ignored" not in shipper.said()
    pair.nothing_is_lost_and_nothing_twice()


@pytest.mark.parametrize("client", twins.CLIENTS)
@pytest.mark.parametrize("seed", range(1, 7))
def test_twins_at_random(seed: int, client: str, broker: Broker, tmp_path: Path) -> None:
    twins.run(seed, client, broker, tmp_path)
