"""A log gives the same events whatever is wrapped around its lines, but for what says where a line stands."""

import gzip
from functools import cache, partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from shipper.cli import command
from shipper.decode.line_patterns import Stamps
from shipper.decode.parser import Parser
from shipper.decode.plain import FastParser
from shipper.detect.double_prompt import Rule
from shipper.model import Chunk, Counts
from shipper.parallel import shards
from shipper.pipeline import Settings, _scratch
from shipper.read.inputs import open_inputs
from shipper.times import SECOND
from tests.property.test_fast_equals_general import SETTINGS, made, shipped
from tests.support import grammar, wrapping
from tests.support.generate import Recipe, generate
from tests.support.golden_cases import QUIET
from tests.support.golden_cases import ROOT as GOLDEN
from tests.support.logs import library, log_file, started
from tests.support.wrapping import Wrap

FIRST = "x" * 10_000  # so that all offsets have five digits: ties of prompts are decided by ids as text


def plain_line(line: str, number: int) -> str:
    return line


BY_NAME = {wrap.__name__: wrap for wrap in wrapping.WRAPPERS}


def lines_of(choices: bytes, mixture: tuple[str, ...]) -> list[str]:
    """Lines of a log that are well-formed, and end with a character of their own."""
    found: list[str] = []
    for raw in grammar.lines(choices, mixture):
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            continue
        if line.rstrip(" \t\r") == line:
            found.append(line)
    entries = parsed(found)
    return [
        line
        for line, event in zip(found, [e for e in entries if not e["event"]["id"].endswith("-dp")], strict=True)
        if understood(event)
    ]


def understood(event: dict[str, Any]) -> bool:
    return bool(event["event"]["kind"] == "event")


def parsed(lines: list[str], **options: Any) -> list[dict[str, Any]]:
    data = "".join(f"{line}\n" for line in lines).encode()
    out, _, _ = shipped(made(fast=True, keep_original=True, constants={}, rule=Rule(), **options), data, [1 << 16], 1 << 20)
    return [orjson.loads(entry[0]) for entry in out]


def placeless(events: list[dict[str, Any]], lines: list[str], host: str | None) -> list[dict[str, Any]]:
    """The events with the number of a line in place of its offset, and without what says where it stands."""
    numbers: dict[int, int] = {}
    offset = 0
    for number, line in enumerate(lines):
        numbers[offset] = number
        offset += len(line.encode()) + 1

    def changed(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: changed(inner, key) for key, inner in value.items() if key not in ("log", "original")}
        if name == "id" and isinstance(value, str) and value[16:17] == "-":
            at, *rest = value[17:].split("-")
            return "-".join([str(numbers[int(at)]), *rest])
        return value

    for event in events:
        if host is not None and event["event"]["kind"] == "event":
            assert event.pop("host") == {"name": host}
        event.pop("host", None)
    return [changed(event) | {"level": event.get("log", {}).get("level")} for event in events]


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(
    choices=st.integers(1, 30).flatmap(lambda size: st.binary(min_size=grammar.STEP * size, max_size=grammar.STEP * size)),
    mixture=st.sampled_from(grammar.MIXTURES),
    wrap=st.sampled_from(wrapping.WRAPPERS),
    per_exchange=st.booleans(),
)
def test_the_events_are_those_of_the_plain_log(choices: bytes, mixture: tuple[str, ...], wrap: Wrap, per_exchange: bool) -> None:
    lines = lines_of(choices, mixture)
    assume(lines)
    lines = [FIRST, *lines]
    wrapped = [FIRST, *(wrap(line, number) for number, line in enumerate(lines[1:]))]
    host = None if wrap in (wrapping.docker, wrapping.cri, wrapping.fluent_bit) else wrapping.HOST
    plain, other = parsed(lines, per_exchange=per_exchange), parsed(wrapped, per_exchange=per_exchange)

    originals = [event["event"].get("original") for event in other if event["event"]["kind"] == "event"]
    flat = [text for entry in originals for text in (entry if isinstance(entry, list) else [entry])]
    assert sorted(flat) == sorted(wrapped[1:])
    assert placeless(other, wrapped, host)[1:] == placeless(plain, lines, None)[1:]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    choices=st.integers(1, 30).flatmap(lambda size: st.binary(min_size=grammar.STEP * size, max_size=grammar.STEP * size)),
    mixture=st.sampled_from(grammar.MIXTURES),
    wraps=st.lists(st.sampled_from((*wrapping.WRAPPERS, plain_line)), min_size=1, max_size=3),
    mutations=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 7), st.integers(0, 999), st.integers(0, 255)), max_size=4),
    glued=st.sets(st.integers(0, 30), max_size=3),
    end=st.sampled_from((b"\n", b"\n", b"\r\n")),
    options=SETTINGS,
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=4),
    whole=st.booleans(),
)
def test_the_fast_path_changes_no_byte(
    choices: bytes,
    mixture: tuple[str, ...],
    wraps: list[Wrap],
    mutations: list[tuple[int, int, int, int]],
    glued: set[int],
    end: bytes,
    options: dict[str, Any],
    sizes: list[int],
    whole: bool,
) -> None:
    texts = [line.decode("utf-8", "surrogateescape") for line in grammar.lines(choices, mixture)]
    lines = [wraps[number % len(wraps)](text, number).encode("utf-8", "surrogateescape") for number, text in enumerate(texts)]
    for which, how, at, what in mutations if lines else ():
        number = which % len(lines)
        lines[number] = grammar.mutate(lines[number], lines[-1], how, at, what)
    data = b"".join(line + (b"" if number in glued else end) for number, line in enumerate(lines))
    data = data if whole else data.removesuffix(end)

    fast = shipped(made(fast=True, **options), data, sizes, 1 << 20)
    general = shipped(made(fast=False, **options), data, [1 << 16], 1 << 20)

    assert fast == general


@pytest.mark.parametrize("wrap", wrapping.WRAPPERS)
def test_plain_lines_inside_take_the_fast_path(wrap: Wrap) -> None:
    lines = [
        "2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|Calling pfAuthUser('DOM\\anna', '', 1)",
        "2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|authResult = 1",
        "2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|rawCallStatus = 21",
        "2017-02-14T02:57:24.600871Z|i|7|8|pfsvc|82a3db8d-3317-43f7-b203-6ba81cba93c9|Pfauth failed for user 'anna'. "
        'Call status: SUCCESS_NO_PIN_BUT_TIMEOUT - "No Phone Input - Timed Out".',
    ]
    data = "".join(f"{wrap(line, number)}\n" for number, line in enumerate(lines)).encode()
    how = Settings(library())
    general = Parser(how.library, how.options, log_file(data), started(how.options.exchange_timeout), Counts())
    taken: list[bytes] = []
    general.raw = lambda line, offset, **how: taken.append(line)  # type: ignore[method-assign]

    events = FastParser(general, partial(_scratch, how))(Chunk(data, 0))

    assert taken == []
    assert len(events.texts) == general.counts.lines == len(lines)


def test_a_worker_reads_back_no_further_than_in_a_plain_log(tmp_path: Path) -> None:
    lines = generated(tmp_path, Recipe(9000, 7, users=60))
    starts = {}
    for wrap in (plain_line, wrapping.filebeat, wrapping.rsyslog):
        log = tmp_path / f"{wrap.__name__}.log"
        log.write_text("".join(f"{wrap(line, number)}\n" for number, line in enumerate(lines)), encoding="utf-8")
        with open_inputs((str(log),), deterministic=True, stamp_of=Stamps(library())) as (sources, _):
            size = log.stat().st_size
            past = shards.Range(sources[0].inputs[0], 0, size)
            piece = shards.Shard(past, size, first=False, last=True, past=(past,), known=True)
            [before] = shards.warm_up(piece, 60 * SECOND, Stamps(library()))
        starts[wrap.__name__] = before.start / size

    assert min(starts.values()) > 0.1


@cache
def generated(tmp: Path, recipe: Recipe) -> list[str]:
    log = tmp / "generated.log"
    generate(recipe, log)
    return [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("20")]


def run(path: Path, *options: str) -> tuple[bytes, Counts]:
    out = path.parent / "out.ndjson"
    counts: Counts = command.main(["parse", *QUIET, *options, "--output", str(out), str(path)], standalone_mode=False)
    return out.read_bytes(), counts


@pytest.mark.parametrize("name", [*BY_NAME, "gzip"])
@pytest.mark.parametrize(
    "recipe", [Recipe(1500, 7, users=60), Recipe(1500, 8, users=60, results=True)], ids=["radius", "results"]
)
def test_the_command_finds_the_same_double_prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, recipe: Recipe
) -> None:
    for size in ("LEAST", "MOST"):  # several pieces, though the log is small
        monkeypatch.setattr(shards, size, 100_000)
    lines = generated(tmp_path, recipe)
    wrapped = [BY_NAME[name](line, number) for number, line in enumerate(lines)] if name in BY_NAME else lines
    plain, other = tmp_path / "plain.log", tmp_path / "wrapped.log"
    plain.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    text = "".join(f"{line}\n" for line in wrapped).encode()
    other.write_bytes(gzip.compress(text) if name == "gzip" else text)

    for options in ((), ("--events", "exchange")):
        expected, counts = run(plain, "--host", "mfa01", *options)
        output, counted = run(other, "--host", "mfa01", *options)
        assert counted == counts
        assert counted.findings > 20
        assert run(other, "--host", "mfa01", "--workers", "2", *options)[0] == output
        events, wanted = ([orjson.loads(text) for text in found.splitlines()] for found in (output, expected))
        assert placeless(events, wrapped, None) == placeless(wanted, lines, None)


@pytest.mark.parametrize("case", ["doubled-backslashes", "cut-and-copied-lines", "wrapped-parts", "syslog-frames"])
def test_odd_lines_are_the_same_on_both_paths(case: str) -> None:
    lines = (GOLDEN / case / "input.log").read_text(encoding="utf-8").split("\n")
    how: dict[str, Any] = {"keep_original": True, "constants": {}, "rule": Rule()}
    for wrap in (plain_line, *wrapping.WRAPPERS):
        data = "".join(f"{wrap(line, number)}\n" for number, line in enumerate([*lines, *lines])).encode()
        fast = shipped(made(fast=True, **how), data, [1 << 16], 1 << 20)
        assert fast == shipped(made(fast=False, **how), data, [1 << 16], 1 << 20)
