"""What lasts is said at once, and then once a minute."""

import logging
from collections.abc import Iterator

import pytest

from shipper.sidecar.log import LOGGER
from shipper.stream.sparing import AGAIN, SparingLog


class Said(logging.Handler):
    """What was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str, object]] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = getattr(record, "fields", {})
        self.lines.append((record.levelname, record.getMessage(), fields.get("reason")))


@pytest.fixture
def said() -> Iterator[Said]:
    logger, handler = logging.getLogger(LOGGER), Said()
    before, logger.handlers, level = logger.handlers, [handler], logger.level
    logger.setLevel(logging.INFO)
    yield handler
    logger.handlers = before
    logger.setLevel(level)


def test_it_is_said_once_a_minute_and_at_once_when_it_begins_again(said: Said) -> None:
    now = 0
    say = SparingLog(lambda: now)
    assert say("warning", "the broker is away", reason="down for 1 s")
    for now in range(1, AGAIN, AGAIN // 100):
        assert not say("warning", "the broker is away", reason=f"down for {now} s")
    assert say("error", "3 of 3 brokers are down")
    assert not say("error", "2 of 3 brokers are down")
    assert len(said.lines) == 2
    now = AGAIN
    assert say("warning", "the broker is away", reason="down for 60 s")
    say("info", "detecting")
    say.over("the broker is away")
    assert say("warning", "the broker is away", reason="down for 1 s")
    assert not say("info", "detecting")
    assert said.lines == [
        ("WARNING", "the broker is away", "down for 1 s"),
        ("ERROR", "3 of 3 brokers are down", None),
        ("WARNING", "the broker is away", "down for 60 s"),
        ("INFO", "detecting", None),
        ("WARNING", "the broker is away", "down for 1 s"),
    ]
