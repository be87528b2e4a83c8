"""Wrapped lines and results sent through syslog: what their fast paths leave to the general path changes no byte."""

import re

import pytest

from shipper.decode import syslog_results, templates, wrapped
from shipper.decode.parser import Options
from shipper.model import Chunk
from tests.support import wrapping
from tests.support.wrapping import Wrap
from tests.unit.test_plain import LOGS, at, exchange, parsed, result

ODD = [
    *exchange(0),
    "no line",
    at(2, "Größe"),
    at(3, "a\tb"),
    at(5, "Calling pfAuthUser('DOM\\a\tb', '', 1)"),
    result(6),
    *exchange(7)[:1],
    *exchange(8),
]


def both(lines: list[str], options: Options | None = None, *, per_exchange: bool = False) -> bytes:
    fast, general = (parsed(lines, options or Options(), fast=fast, per_exchange=per_exchange) for fast in (True, False))
    assert fast == general
    return fast[0]


@pytest.mark.parametrize("per_exchange", [False, True])
@pytest.mark.parametrize("keep_original", [False, True])
@pytest.mark.parametrize("limit", [0, 3, templates.LIMIT])
@pytest.mark.parametrize(
    "wrap", [wrapping.docker, wrapping.vector, wrapping.rsyslog, wrapping.cri, wrapping.docker_around_syslog]
)
@pytest.mark.parametrize("name", LOGS)
def test_both_paths_agree(
    name: str, wrap: Wrap, limit: int, keep_original: bool, per_exchange: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "LIMIT", limit)
    monkeypatch.setattr(wrapped, "THREADS", 4)
    lines = [wrap(line, number) for number, line in enumerate(LOGS[name])]
    both(lines, Options(keep_original), per_exchange=per_exchange)


@pytest.mark.parametrize("wrap", wrapping.WRAPPERS)
def test_odd_lines_among_them(wrap: Wrap) -> None:
    lines = [*(wrap(line, number) for number, line in enumerate(ODD)), "a line alone", *ODD]
    both(lines)
    both([*lines, "a carriage return \r in a line"])


@pytest.mark.parametrize("name", ["mfa01", "ä", '"', "\\", "770000000000000001", "mark-7-user-7-mark", "x" * 255, "{host}"])
def test_hosts_of_any_name(name: str) -> None:
    lines = exchange(0)
    both([wrapping.rsyslog(line, 0).replace("mfa01", name) for line in lines])
    both([wrapping.vector(line, 0).replace("mfa01", name.replace("\\", "\\\\").replace('"', '\\"')) for line in lines])


def test_octet_counts_that_do_not_fit() -> None:
    lines = [wrapping.counted(line, number) for number, line in enumerate([*exchange(0), *exchange(3), *exchange(6)])]
    lines[1] += " "
    lines[2] = "9" + lines[2]
    lines[3] += lines[4]
    lines[5] = "1" + lines[5].lstrip("0123456789") + lines[6]
    assert both(lines).count(b"does not tell where its message ends") == 2


def test_lines_of_many_hosts() -> None:
    lines = [wrapping.rsyslog(line, 0).replace("mfa01", f"mfa{n % 20}") for n in range(60) for line in exchange(n)]

    assert both(lines, Options(False)).count(b'"log":{"level":"info","file":{"path":"input.log"},"offset":') == len(lines)


def test_a_relay_with_another_name_than_the_record() -> None:
    lines = [f"<134>1 - relay mfa - - - {wrapping.vector(line, 0)}" for line in exchange(0)]

    both([wrapping.docker(line, 0) for line in lines])
    assert both(lines).count(b'"syslog":{"hostname":"relay"}') == 3


def test_bytes_that_do_not_decode_are_no_simple_text() -> None:
    data = b"a\n\xff\nb\t\nc\r\nd"

    texts = [text for _, _, text in wrapped.lines_of(Chunk(data, 0), data)]

    assert texts == ["a", None, None, "c\r", "d"]


# Results sent through syslog


def sent(line: str, number: int, head: str = "<134>1 {stamp} mfa01 {program} {pid} - - {rest}") -> str:
    stamp, _, pid, _, program, rest = line.split("|", 5)
    return head.format(stamp=stamp, program=program, pid=pid, rest=rest)


HEADS = [
    "<134>1 {stamp} mfa01 {program} {pid} - - {rest}",
    "<134>1 {stamp} mfa01 {program} 007 - - {rest}",
    "<134>1 {stamp} - - - - - {rest}",
    "{stamp} mfa01 {program}[{pid}]: {rest}",
    "{stamp} - -: {rest}",
    "Feb 14 02:57:19 mfa01 {program}: {rest}",
]


@pytest.mark.parametrize("per_exchange", [False, True])
@pytest.mark.parametrize("limit", [0, 3, templates.LIMIT])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", ["users of results", "results", "no real instant", "many components", "numbers"])
def test_both_paths_agree_on_results(
    name: str, head: str, limit: int, per_exchange: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "LIMIT", limit)
    monkeypatch.setattr(syslog_results, "FOUND", 4)
    lines = [sent(line, 0, head) for line in LOGS[name]]
    both(lines, per_exchange=per_exchange)
    both([re.sub(r"[0-9a-f-]{36}\|", "", line) for line in lines], Options(False), per_exchange=per_exchange)


def test_results_among_exchanges_that_are_held_back() -> None:
    both([sent(result(0), 0), sent(result(1), 0), *exchange(2)[:2], sent(result(700), 0)], per_exchange=True)
    both([wrapping.docker(line, 0) for line in [result(0), *exchange(2)[:2], result(700)]], per_exchange=True)
