"""A small share of `make chaos` among the tests: real processes, a real broker, SIGKILL."""

from pathlib import Path

import pytest

from tests.chaos.kill import Plan, run, run_to_a_file
from tests.support.kafka import Broker, start_or_skip

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("client", ["kafka-python", "confluent-kafka"])
@pytest.mark.parametrize("exactly_once", [False, True])
def test_kill(client: str, exactly_once: bool, broker: Broker, tmp_path: Path) -> None:
    verdict = run(Plan(7, 6000, 3, client, exactly_once), broker, tmp_path)

    assert (verdict.lost, verdict.wrong) == (0, 0), verdict
    assert not (exactly_once and verdict.repeats), verdict


@pytest.mark.posix("the shipper is frozen while others act")
def test_an_output_file_among_others(tmp_path: Path) -> None:
    verdict = run_to_a_file(Plan(9, 6000, 3, None), tmp_path)

    assert (verdict.lost, verdict.wrong) == (0, 0), verdict


@pytest.mark.posix("the broker is a process of Linux")
def test_the_broker_dies_too(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "kafka")
    start_or_skip(broker.start)
    try:
        verdict = run(Plan(8, 6000, 3, "kafka-python", True, broker_dies=True), broker, tmp_path)
    finally:
        broker.kill()

    assert (verdict.lost, verdict.wrong, verdict.repeats) == (0, 0, 0), verdict
