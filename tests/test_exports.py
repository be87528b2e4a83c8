"""The same events come of each exporter's form: the same fields, but for those of the file and what the exporter leaves out."""

import json
from pathlib import Path
from typing import Any

import pytest

from shipper.cli import command
from shipper.model import Counts
from tests.support.exports import EVENTS, EXPORTS, LESS, content


def parsed(folder: Path, name: str, data: bytes, options: tuple[str, ...] = ()) -> tuple[list[dict[str, Any]], Counts]:
    file, output = folder / f"{name}.export", folder / f"{name}.ndjson"
    file.write_bytes(data)
    counts: Counts = command.main(
        ["parse", "-q", "--deterministic", *options, "--output", str(output), str(file)], standalone_mode=False
    )
    return [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()], counts


def alike(events: list[dict[str, Any]], less: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Events without what depends on the file: its name, the offset of each, its identity, and what it is made of."""
    ids = {event["event"]["id"]: number for number, event in enumerate(events)}

    def number(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: number(inner) for key, inner in value.items()}
        return ids.get(value, value) if isinstance(value, str) else value

    found = []
    for event in map(number, events):
        for name in ("log", *less):
            level = event.pop(name, {}).get("level")
            if name == "log":
                event["level"] = level
        event["event"].pop("original", None)
        event["@timestamp"] = whole_second(event["@timestamp"])
        for name in ("start", "end"):
            if name in event["event"]:
                event["event"][name] = whole_second(event["event"][name])
        for part in event.get("azure_mfa", {}).get("double_prompt", {}).values():
            if isinstance(part, dict):
                part |= {name: whole_second(part[name]) for name in ("start", "end")}
        found.append(event)
    return found


def whole_second(stamp: str) -> str:
    """Exporters write none to nine digits of a second's fraction, which are zeros here."""
    return stamp.rstrip("Z").rstrip("0").rstrip(".") if "." in stamp else stamp.rstrip("Z")


@pytest.mark.parametrize("name", EXPORTS)
def test_the_events_are_the_same_from_every_exporter(name: str, tmp_path: Path) -> None:
    expected, _ = parsed(tmp_path, "expected", content("powershell-lines"))
    events, counts = parsed(tmp_path, name, content(name), EXPORTS[name][0])
    less = LESS.get(name, ())
    assert alike(events, less) == alike(expected, less)
    assert (counts.lines, counts.unparsed, counts.findings) == (len(EVENTS), 0, 1)
    assert [event["event"]["action"] for event in events if event["event"]["kind"] == "alert"] == ["double_prompt"]


@pytest.mark.parametrize("name", EXPORTS)
def test_an_offset_is_where_its_record_begins(name: str, tmp_path: Path) -> None:
    data = content(name)
    encoding = EXPORTS[name][2].removesuffix("-sig").replace("utf-16", "utf-16-le")
    events, _ = parsed(tmp_path, name, data, EXPORTS[name][0])
    for event in events:
        if event["event"]["kind"] == "event":
            original = event["event"]["original"].encode(encoding)
            assert data[event["log"]["offset"] :].startswith(original)
            assert event["event"]["id"].endswith(f"-{event['log']['offset']}")
