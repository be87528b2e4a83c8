"""Results that MFA Server sends through syslog: the fast path changes no byte, and takes the plain ones."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.decode.facts import Library
from shipper.decode.library import load, syslog_time
from shipper.decode.parser import Parser
from shipper.decode.plain import FastParser
from shipper.model import Chunk, Counts
from shipper.pipeline import Settings, _scratch
from tests.property.test_fast_equals_general import SETTINGS, made, shipped
from tests.support import grammar
from tests.support.grammar import Values
from tests.support.logs import log_file, started

# fmt: off
TIMES = Values(
    ("2017-02-14T02:57:19.234778Z", "2017-02-14T03:57:20.234778+01:00", "2017-02-14T02:57:19Z", "2017-02-14T02:57:21.123456789Z"),
    ("2017-02-30T02:57:19.234778Z", "2017-02-14T02:57:19.1234567890Z", "2017-02-14T02:57:60Z", "-", "2017-02-14 02:57:19Z",
     "2017-02-14T02:57:19+0100", "0001-01-01T00:00:00+14:00"),
)
LOCAL = Values(("Feb 14 02:57:19", "Feb  4 02:57:19"), ("Feb 30 02:57:19", "Foo 14 02:57:19", "Feb 14 2017 02:57:19"))
HOSTS = Values(("mfa01", "10.0.0.5", "-"), ("fe80::1", "mfä", "a b", "", "a|b", 'a"b', "a\\b", "x" * 256, "stdout", "[a]"))
PROGRAMS = Values(("pfsvc", "pfrad", "-"), ("pfsvc:", "pf svc", "", "Microsoft-AzureMfa-AuthZ", "ü", "x" * 200, "[", "P"))
PROCESSES = Values(("18288", "-", "0"), ("007", "1" * 18, "1" * 19, "x7", "٣", ""))
GUIDS = Values((grammar.GUIDS.plain[0] + "|", ""), tuple(f"{guid}|" for guid in grammar.GUIDS.other))
HEADS = (
    "<134>1 {time} {host} {program} {process} - - ",
    "99 <134>1 {time} {host} {program} {process} ID47 - \ufeff",
    '<134>1 {time} {host} {program} {process} - [a b="c"] ',
    "{time} {host} {program}[{process}]: ",
    "<13>{time} {host} {program}: ",
    "<13>{local} {host} {program}[{process}]: ",
    "{local} {host} {program}: ",
)
# fmt: on


@cache
def library() -> Library:
    return load(syslog=syslog_time("2017", ZoneInfo("Europe/Berlin"), "--syslog-year"))


@st.composite
def results(draw: st.DrawFn) -> bytes:
    """A line, a part of it odd at most."""
    odd = draw(st.integers(0, 11))

    def value(number: int, values: Values) -> str:
        return draw(st.sampled_from(values.other if number == odd else values.plain))

    line = draw(st.sampled_from(HEADS)).format(
        time=value(0, TIMES),
        local=value(1, LOCAL),
        host=value(2, HOSTS),
        program=value(3, PROGRAMS),
        process=value(4, PROCESSES),
    )
    word, user, tail = value(5, grammar.WORDS), value(6, grammar.USERS), value(7, grammar.RESULTS)
    raw = f"{line}{value(8, GUIDS)}Pfauth {word} for user '{user}'. Call status: {tail}".replace("\n", "").encode()
    if odd == 9:
        how = draw(st.tuples(st.integers(0, 7), st.integers(0, 999), st.integers(0, 255)))
        return grammar.mutate(raw, raw, *how)
    return raw


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    lines=st.lists(results(), min_size=1, max_size=12),
    end=st.sampled_from((b"\n", b"\n", b"\r\n")),
    options=SETTINGS,
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=4),
    whole=st.booleans(),
)
def test_the_fast_path_changes_no_byte(
    lines: list[bytes], end: bytes, options: dict[str, Any], sizes: Sequence[int], whole: bool
) -> None:
    data = b"".join(line + end for line in lines)
    data = data if whole else data.removesuffix(end)

    def run(*, fast: bool, sizes: Sequence[int]) -> Any:
        return shipped(replace(made(fast=fast, **options), library=library()), data, sizes, 1 << 20)

    assert run(fast=True, sizes=sizes) == run(fast=False, sizes=[1 << 16])


def test_a_program_with_a_long_name_is_the_same_to_detectors_on_both_paths() -> None:
    line = f"<134>1 2017-02-14T02:57:19.234778Z mfa01 {'x' * 200} 18288 - - Pfauth succeeded for user 'anna'. Call status: {grammar.RESULTS.plain[0]}\n"
    data = (line * 3).encode()
    seen = [shipped(Settings(library(), fast=fast), data, [1], 1 << 20) for fast in (True, False)]
    assert seen[0] == seen[1]


@pytest.mark.parametrize("head", [head for head in HEADS if "[a b" not in head])
def test_plain_results_take_the_fast_path(head: str) -> None:
    lines = [
        head.format(time=TIMES.plain[number], local=LOCAL.plain[number % 2], host="mfa01", program="pfsvc", process="18288")
        + f"{GUIDS.plain[number % 2]}Pfauth failed for user 'DOM\\anna{number}'. Call status: {grammar.RESULTS.plain[number]}"
        for number in range(4)
    ]
    data = "".join(f"{line}\n" for line in lines).encode()
    how = Settings(library())
    general = Parser(how.library, how.options, log_file(data), started(how.options.exchange_timeout), Counts())
    taken: list[bytes] = []
    general.raw = lambda line, offset, **how: taken.append(line)  # type: ignore[method-assign]

    events = FastParser(general, partial(_scratch, how))(Chunk(data, 0))

    assert taken == []
    assert len(events.texts) == len(events.completions) == general.counts.lines == len(lines)
