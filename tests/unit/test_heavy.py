"""Exchanges with long texts: what they weigh, which are given up, and that it does not depend on how the log is read."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shipper.decode.clock import OTHERS, LogState
from shipper.decode.exchanges import MEMORY_OF_ONE
from shipper.decode.heavy import light, weight_of
from shipper.decode.merging import MOST_VERDICTS
from shipper.detect import default_rules
from shipper.model import Chunk, Code, Counts, Exchange, User
from shipper.pipeline import Pipeline, Settings
from tests.support.logs import library, log_file

MEMORY = 64 * MEMORY_OF_ONE  # 32 KiB for heavy exchanges


def line(second: int, thread: int, text: str, component: str = "pfrad") -> str:
    return f"2017-02-14T02:{second // 60:02}:{second % 60:02}.000000Z|0|1|{thread}|{component}|{text}\n"


def request(second: int, name: str, component: str = "pfrad") -> str:
    return line(second, second, f"Calling pfAuthUser('{name}', '', 1)", component)


def status(second: int, thread: int) -> str:
    return line(second, thread, "rawCallStatus = 21")


def docker(text: str) -> str:
    """The line as Docker keeps it, with much else."""
    return json.dumps({"log": text, "stream": "stdout", "time": "2017-02-14T02:00:00Z", "more": "y" * 3000}) + "\n"


def settings(**choices: Any) -> Settings:
    return replace(Settings(library(), detectors=default_rules()), memory=MEMORY, **choices)


def parsed(lines: list[str], size: int = 10**6, restart: bool = False, **choices: Any) -> tuple[bytes, Counts, bytes]:
    """The output of lines that are read so many at a time, the counts, and the state."""
    data, counts, out = "".join(lines).encode(), Counts(), b""
    pipeline = Pipeline(settings(**choices), counts)
    pipeline.open(log_file(data))
    at = 0
    for begin in range(0, len(lines), size):
        part = "".join(lines[begin : begin + size]).encode()
        out += pipeline(Chunk(part, at)).data
        at += len(part)
        if restart:
            state, last = pipeline.snapshot(), pipeline.last_time
            pipeline = Pipeline(settings(**choices), counts)
            pipeline.open(log_file(data), last)
            pipeline.restore(state)
    state = pipeline.snapshot()
    return out + pipeline.close().data, counts, state


def alike(lines: list[str], **choices: Any) -> tuple[bytes, Counts]:
    """The same, whatever is read at a time."""
    whole = parsed(lines, **choices)
    for size, restart in ((1, False), (1, True), (7, True)):
        assert parsed(lines, size, restart, **choices) == whole
    assert parsed(lines, fast=False, **choices) == whole
    return whole[:2]


def test_only_long_texts_are_heavy() -> None:
    assert weight_of("pfrad|1|2", Exchange(0, "", "id", User("anna", "DOM", None, "dom\\anna"), "x" * 200)) == 0
    assert weight_of("pfrad|1|2", Exchange(0, "", "id", None, "x" * 1000)) == 0
    assert weight_of("thread", Exchange(0, "", "id", None, "x" * 2000)) == 2006
    assert weight_of("", Exchange(0, "", "id", User("é" * 200, None, None, "é" * 200), "x" * 700)) == 2700


def test_the_oldest_heavy_ones_are_given_up_and_no_light_one() -> None:
    long = "y" * 1100  # weighs about 4,500: eight are more than the bound, five are kept
    lines = [request(0, "light")]
    lines += [request(1 + number, f"{number}{long}") for number in range(8)]
    lines += [status(20 + number, number) for number in range(9)]

    _, counts = alike(lines)

    assert (counts.crowded_out, counts.given_up, counts.orphans, counts.requests) == (3, 3, 3, 9)


@pytest.mark.parametrize("closed", [True, False])
def test_what_is_closed_or_gone_weighs_nothing(closed: bool) -> None:
    long = "y" * 1000
    lines = []
    for number in range(30):
        lines.append(request(number, f"{number}{long}"))
        lines.append(status(number, number) if closed else request(number, "light"))
    _, counts = alike(lines)
    assert (counts.crowded_out, counts.given_up) == (0, 0 if closed else 30)


def test_one_that_is_more_than_the_bound_is_given_up_at_once() -> None:
    _, counts = alike([request(1, "y" * 50_000), status(2, 1)])
    assert (counts.crowded_out, counts.orphans) == (1, 1)


def test_events_that_are_held_back_are_bounded_too() -> None:
    """They go out as they are: no line is lost."""
    arguments = "', '" + "y" * 4000
    lines = [request(number, f"{number}{arguments}") for number in range(8)]
    lines += [status(20 + number, number) for number in range(8)]

    out, counts = alike(lines, per_exchange=True)

    assert counts.crowded_out == counts.orphans == 6
    assert counts.lines == len(lines) == counts.events + counts.merged
    assert out.count(b"mfa-request") == 6


def test_verdicts_that_are_held_back_are_bounded() -> None:
    lines = [request(0, "anna"), *[line(1, 0, "authResult = 1") for _ in range(40)], status(2, 0)]
    out, counts = alike(lines, per_exchange=True)
    assert counts.merged == 1 + MOST_VERDICTS
    assert out.count(b"\n") == len(lines) - counts.merged

    lines = [docker(request(0, "anna")), *[docker(line(1, 0, "authResult = 1")) for _ in range(9)]]
    _, counts = alike(lines, per_exchange=True)
    assert (counts.crowded_out, counts.verdicts) == (1, 9)


def test_requests_whose_thread_is_used_again_are_held_back_in_a_bounded_number() -> None:
    lines = [line(0, 1, f"Calling pfAuthUser('user{number}', '', 1)") for number in range(50)]
    out, counts = alike(lines, per_exchange=True)
    assert counts.crowded_out == 50 - MEMORY // MEMORY_OF_ONE // 2
    assert out.count(b"\n") == 50


def test_a_component_with_a_long_name_shares_a_clock_with_others() -> None:
    log = LogState(600)
    assert log.slot("a" * 129) == log.slot("b" * 129) == OTHERS != log.slot("a" * 128)


def test_detectors_get_no_long_names() -> None:
    code = Code(None, "d" * 1000, "unknown", "unknown", None, None, "medium", "C" * 1000)
    component, short = light("c" * 1000, code)
    assert max(len(component), len(short.description)) < 200
    assert short.constant is None
    assert light("c" * 999, code)[0] != component
    table = code._replace(status_class="denied")
    assert light("pfrad", table) == ("pfrad", table)


def test_heavy_requests_whose_thread_is_used_again_are_given_up_first() -> None:
    """They are not open any more, so only their events are held."""
    lines = [line(number, 1, f"Calling pfAuthUser('{number}', '{'y' * 4000}')") for number in range(20)]
    out, counts = alike(lines, per_exchange=True)
    assert out.count(b"\n") == 20
    assert counts.crowded_out == 0
