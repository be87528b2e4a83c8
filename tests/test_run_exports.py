"""`run` follows an export that grows, through a kill: its events are those of `parse`, and the double prompt is found once."""

import json
from pathlib import Path

import pytest

from shipper.cli import command
from tests.support.exports import content
from tests.support.process import Shipper, configuration, until


@pytest.mark.parametrize("name", ["powershell-5-pretty", "event-viewer-xml"])
def test_a_growing_export_gives_the_events_of_parse(tmp_path: Path, name: str) -> None:
    out, data = tmp_path / "events.ndjson", content(name)
    shipper = Shipper(tmp_path, configuration(tmp_path, {"type": "file", "file": {"path": str(out)}}))
    log = tmp_path / "logs" / "Mfa.log"
    shipper.start()
    try:
        for part in range(4):
            with open(log, "ab") as file:
                file.write(data[len(data) * part // 4 : len(data) * (part + 1) // 4])
            wanted = (0, 2, 4, 8)[part]
            until(lambda wanted=wanted: out.exists() and out.read_bytes().count(b"\n") >= wanted, shipper.said)  # type: ignore[misc]
            if part == 1:
                shipper.kill()
                shipper.start()
    finally:
        shipper.terminate()
    parsed = tmp_path / "parsed.ndjson"
    command.main(["parse", "-q", "--output", str(parsed), str(log)], standalone_mode=False)
    came, expected = ([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] for path in (out, parsed))
    by_id = {event["event"]["id"]: event for event in came}
    assert len(expected) == 8
    assert list(by_id) == [event["event"]["id"] for event in expected]
    for event in expected:
        assert by_id[event["event"]["id"]]["event"] == event["event"]
        assert by_id[event["event"]["id"]].get("user") == event.get("user")
