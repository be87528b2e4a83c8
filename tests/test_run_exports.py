"""`run` follows an export that grows, through a kill: its events are those of `parse`, and the double prompt is found once."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipper.cli import command
from shipper.config.load import load_config
from shipper.config.sections import Config
from shipper.decode.line_patterns import Stamps
from shipper.errors import UsageError
from shipper.sidecar.assemble import settings_of
from tests.support.exports import content
from tests.support.process import Shipper, configuration, until


def ids(path: Path) -> set[str]:
    """Of the whole lines of a file, each `event.id` once: after a kill some come again."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return {json.loads(line)["event"]["id"] for line in lines}


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
            until(lambda wanted=wanted: len(ids(out)) >= wanted, shipper.said)  # type: ignore[misc]
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


def test_local_times_are_of_the_zone_that_the_configuration_names(tmp_path: Path) -> None:
    config = configuration(tmp_path, {"type": "stdout"}, pipeline={"local_zone": "Europe/Berlin"})
    library = settings_of(read_config(tmp_path, config)).library
    assert Stamps(library)('{"EventTime":"2019-10-17 22:48:35","Message":"x"}') == "2019-10-17T20:48:35Z"
    with pytest.raises(UsageError, match=r"pipeline\.local_zone: the zone 'Nowhere' is not known"):
        settings_of(read_config(tmp_path, {**config, "pipeline": {"local_zone": "Nowhere"}}))


def read_config(folder: Path, values: dict[str, Any]) -> Config:
    file = folder / "mfa-shipper.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return load_config(str(file), {})[0]
