"""The shipper's own log: one line an entry, for people or for programs."""

import json
import logging
import re
from collections.abc import Iterator

import pytest

from shipper.sidecar.log import LOGGER, log, set_up


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in (LOGGER, "kafka")]
    before = [(one.handlers, one.level, one.propagate) for one in loggers]
    yield
    for one, (handlers, level, propagate) in zip(loggers, before, strict=True):
        one.handlers, one.propagate = handlers, propagate
        one.setLevel(level)


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("info", "text", ())
    log("warning", "the sink is down", sink="kafka", retries=3)
    out, said = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning the sink is down sink=kafka retries=3\n", said)


def test_json_has_ecs_names(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("info", "json", ())
    log("error", 'a "quoted" ä', file__path="/log/ä", bytes=7, nothing=None)
    line = json.loads(capsys.readouterr().err)
    stamp = line.pop("@timestamp")
    assert stamp.endswith("Z")
    assert line == {
        "log.level": "error", "message": 'a "quoted" ä', "log.logger": "mfa_shipper", "file.path": "/log/ä", "bytes": 7,
        "nothing": None,
    }  # fmt: skip


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_entry_is_one_line_and_no_traceback(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up("debug", form, ())
    log("info", "two\nlines", more="and\nmore")
    try:
        raise ValueError("value in a traceback")
    except ValueError:
        logging.getLogger(LOGGER).exception("it failed")
    said = capsys.readouterr().err
    assert said.count("\n") == 2
    assert "Traceback" not in said
    assert "value in a traceback" not in said


@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_levels(level: str, lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(level, "text", ())
    for one in ("debug", "info", "warning", "error"):
        log(one, one)
    assert capsys.readouterr().err.count("\n") == lines


@pytest.mark.parametrize(("level", "lines"), [("debug", 1), ("info", 0)])
def test_the_kafka_client_is_heard_only_when_asked_for(level: str, lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(level, "text", ("hunter2",))
    logging.getLogger("kafka.client").warning("connecting as %r with %r", "me", b"hunter2")
    said = capsys.readouterr().err
    assert said.count("\n") == lines
    assert "hunter2" not in said


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_are_hidden_in_sentences_and_values(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    secret = 'h"un\\ter2'
    set_up("info", form, (secret, ""))
    log("info", f"a {secret} in it", values=[secret, {"deep": secret}], shown=repr([secret]))
    said = capsys.readouterr().err
    assert "ter2" not in said
    assert said.count("***") == 4
    if form == "json":
        assert json.loads(said)["values"] == ["***", {"deep": "***"}]
