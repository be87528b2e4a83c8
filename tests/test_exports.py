"""The same events come of each exporter's form: the same fields, but for those of the file and what the exporter leaves out."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipper.cli import command
from shipper.errors import UsageError
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


@pytest.mark.parametrize("name", ["powershell-array", "event-viewer-csv", "wevtutil", "splunk-text"])
def test_a_packed_export_gives_the_same_events(name: str, tmp_path: Path) -> None:
    plain, _ = parsed(tmp_path, name, content(name), EXPORTS[name][0])
    packed, _ = parsed(tmp_path, name, gzip.compress(content(name)), EXPORTS[name][0])
    assert packed == plain


def test_several_workers_give_the_same_events(tmp_path: Path) -> None:
    names = ["powershell-pretty", "event-viewer-xml", "export-csv", "powershell-lines"]
    for name in names:
        (tmp_path / f"{name}.log").write_bytes(content(name))
    arguments = ["parse", "-q", "--deterministic", "--local-zone", "+02:00", *(str(tmp_path / f"{name}.log") for name in names)]
    outputs = []
    for workers in ("1", "3"):
        output = tmp_path / f"{workers}.ndjson"
        command.main([*arguments, "--workers", workers, "--output", str(output)], standalone_mode=False)
        outputs.append(output.read_bytes())
    assert outputs[0] == outputs[1]
    assert outputs[0].count(b"\n") == 4 * (len(EVENTS) + 1)


def test_exports_of_one_log_are_told_apart_by_their_times(tmp_path: Path) -> None:
    """The newest time of an export is that of its last record, wherever in the file that stands."""
    data = content("powershell-pretty")
    (tmp_path / "nps.json").write_bytes(data)
    (tmp_path / "nps.1.json").write_bytes(data.replace(b"2019-10-17", b"2019-10-18"))
    output = tmp_path / "events.ndjson"
    files = [str(tmp_path / name) for name in ("nps.1.json", "nps.json")]
    counts: Counts = command.main(["parse", "-q", "--output", str(output), *files], standalone_mode=False)
    times = [json.loads(line)["@timestamp"] for line in output.read_text(encoding="utf-8").splitlines()]
    assert times == sorted(times)
    assert (counts.lines, counts.findings) == (2 * len(EVENTS), 2)


@pytest.mark.parametrize("zone", ["Nowhere/Land", "+25:00", "CET+"])
def test_a_zone_that_is_none_is_refused(zone: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(content("event-viewer-csv"))
    with pytest.raises(UsageError, match="--local-zone: the zone"):
        command.main(["parse", "--local-zone", zone, str(tmp_path / "a.csv")], standalone_mode=False)


LINES = [
    "2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|Calling pfAuthUser('CONTOSO\\pnigam', '', 1)",
    "2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|authResult = 1",
    "2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|rawCallStatus = 21",
]


@pytest.mark.parametrize(
    "record",
    [
        lambda line: {"@timestamp": "2026-01-01T00:00:00.000Z", "message": line, "host": {"name": "mfa01"}},
        lambda line: {
            "EventReceivedTime": "2026-01-01 00:00:00",
            "SourceModuleType": "im_file",
            "Hostname": "mfa01",
            "Message": line,
        },
        lambda line: {
            "TimeCreated": "/Date(1700000000000)/",
            "MachineName": "mfa01",
            "ProviderName": "Collector",
            "Message": line,
        },
    ],
    ids=["filebeat", "nxlog", "windows"],
)
def test_lines_of_a_log_in_records_are_those_lines(record: Callable[[str], dict[str, Any]], tmp_path: Path) -> None:
    plain, _ = parsed(tmp_path, "plain", "".join(f"{line}\n" for line in LINES).encode(), ("--host", "mfa01"))
    array, counts = parsed(tmp_path, "array", json.dumps([record(line) for line in LINES], indent=4).encode())
    assert alike(array) == alike(plain)
    assert counts.unparsed == 0


def test_an_export_may_come_through_a_pipe(tmp_path: Path) -> None:
    data = content("powershell-5-pretty")
    (tmp_path / "a.json").write_bytes(data)
    arguments = [sys.executable, "-m", "shipper", "parse", "-q", "--deterministic"]
    piped = subprocess.run([*arguments, "-"], input=data, capture_output=True, check=True, timeout=60)
    named = subprocess.run([*arguments, "a.json"], cwd=tmp_path, capture_output=True, check=True, timeout=60)
    assert piped.stdout == named.stdout.replace(b'"file":{"path":"a.json"},', b"")
    assert piped.stdout.count(b"\n") == len(EVENTS) + 1
