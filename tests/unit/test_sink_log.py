"""What the shipper's log says of a sink that is away."""

import logging
from collections.abc import Iterator

import pytest

from shipper.commands.run import SinkLog
from shipper.commands.upload import Told
from shipper.sidecar.log import LOGGER
from shipper.times import SECOND


class Entries(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[tuple[str, dict[str, object]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.entries.append((record.getMessage(), record.__dict__["fields"]))

    def take(self) -> list[tuple[str, dict[str, object]]]:
        taken, self.entries = self.entries, []
        return taken


@pytest.fixture
def logged() -> Iterator[Entries]:
    logger, entries = logging.getLogger(LOGGER), Entries()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(entries)
    yield entries
    logger.removeHandler(entries)
    logger.setLevel(level)


def test_an_outage_is_told_at_once_then_once_a_minute_and_when_it_is_over(logged: Entries) -> None:
    now = 0
    sink = SinkLog(lambda: now)
    sink.sink = "kafka"
    sink.remind()
    assert logged.take() == []
    sink.down("nobody listens there")
    ((said, fields),) = logged.take()
    assert said.startswith("the sink does not accept events")
    assert fields == {"sink": "kafka", "reason": "nobody listens there"}
    told = []
    for second in range(1, 181):
        now = second * SECOND
        sink.remind()
        told += [(second, said, fields["minutes"], fields["reason"]) for said, fields in logged.take()]
    words = "the sink still does not accept events; nothing is lost"
    assert told == [(60 * minute, words, minute, "nobody listens there") for minute in (1, 2, 3)]
    sink.down("the password is wrong")  # another reason is told at once, and the outage goes on
    assert len(logged.take()) == 1
    now = 240 * SECOND
    sink.remind()
    assert [fields for _, fields in logged.take()] == [{"sink": "kafka", "minutes": 4, "reason": "the password is wrong"}]
    sink.up()
    now = 900 * SECOND
    sink.remind()
    assert [said for said, _ in logged.take()] == ["the sink accepts events again"]


def test_an_import_tells_an_outage_in_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0
    told = Told(lambda: now)
    told.remind()
    told.down("connection refused")
    for second in range(1, 121):
        now = second * SECOND
        told.remind()
    told.up()
    now = 300 * SECOND
    told.remind()
    assert capsys.readouterr().err.splitlines() == [
        "mfa-shipper: connection refused; trying again",
        "mfa-shipper: connection refused; still trying after 1 minute, nothing is lost",
        "mfa-shipper: connection refused; still trying after 2 minutes, nothing is lost",
        "mfa-shipper: the server takes events again",
    ]
