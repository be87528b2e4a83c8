"""A log gives the same events whatever is wrapped around its lines, but for what says where a line stands."""

import gzip
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from shipper.cli import command
from shipper.detect.double_prompt import Rule
from shipper.model import Counts
from shipper.parallel import shards
from tests.property.test_fast_equals_general import made, shipped
from tests.support import grammar, wrapping
from tests.support.generate import Recipe, generate
from tests.support.golden_cases import QUIET
from tests.support.wrapping import Wrap

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
    max_examples=150,
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
    wrapped = [wrap(line, number) for number, line in enumerate(lines)]
    host = None if wrap in (wrapping.docker, wrapping.cri, wrapping.fluent_bit) else wrapping.HOST
    plain, other = parsed(lines, per_exchange=per_exchange), parsed(wrapped, per_exchange=per_exchange)

    originals = [event["event"].get("original") for event in other if event["event"]["kind"] == "event"]
    flat = [text for entry in originals for text in (entry if isinstance(entry, list) else [entry])]
    assert sorted(flat) == sorted(wrapped)
    assert placeless(other, wrapped, host) == placeless(plain, lines, None)


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
