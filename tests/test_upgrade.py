"""The state of an earlier version: what its checkpoint says is neither lost nor read twice."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from shipper.decode.library import load
from shipper.model import Counts
from shipper.pipeline import Settings, run_source
from shipper.read.inputs import open_inputs
from shipper.sidecar.checkpoint import Checkpoint
from shipper.sidecar.places import WarmStart
from tests.support.loop import loop


def former_name(path: str) -> str:
    """How earlier versions named the log of a file."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(folder, re.sub(r"[0-9_-]", "", name.partition(".")[0]))


def line(second: int, message: str) -> bytes:
    return f"2017-02-14T02:{second // 60:02}:{second % 60:02}.000000Z|0|1412|6452|pfrad|{message}\n".encode()


def sign_in(second: int, user: str) -> list[bytes]:
    return [
        line(second, f"Calling pfAuthUser('CONTOSO\\{user}', '', 1)"),
        line(second + 5, "authResult = 1"),
        line(second + 5, "rawCallStatus = 21"),
    ]


def ship(folder: Path) -> list[dict[str, Any]]:
    """What a run of the shipper delivers until it is at rest."""
    with loop(folder) as running:
        running.turn()
    return running.events


def parsed(folder: Path) -> list[dict[str, Any]]:
    with open_inputs([str(folder / "logs" / "*")]) as (logs, stdin):
        blocks = [block.data for log in logs for block, _ in run_source(Settings(load()), log, stdin, Counts())]
    return [json.loads(text) for text in b"".join(blocks).splitlines()]


def make_old(folder: Path, warm_of: str) -> None:
    """The checkpoint as an earlier version would have written it; the warm start of a log is that of the file `warm_of`."""
    checkpoint = Checkpoint(str(folder / "state"))
    stored = checkpoint.load()
    old = {key: place._replace(source=former_name(place.path)) for key, place in stored.places.items()}
    warm: dict[str, WarmStart] = {}
    for start in stored.warm.values():
        place = old[start.key]
        if os.path.basename(place.path) == warm_of or place.source not in warm:
            warm[place.source] = start
    assert checkpoint.save(old, warm) is None
    assert checkpoint.save(old, warm) is None  # the older of the two that are kept, as well


def by_id(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The events without their path, which a rename changes."""
    same = {
        event["event"]["id"]: {**event, "log": {k: v for k, v in event.get("log", {}).items() if k != "file"}} for event in events
    }
    assert len(same) == len(events), "an event came twice"
    return same


def test_a_log_goes_on_where_the_earlier_version_stopped(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    lines = sign_in(0, "anna") + sign_in(20, "anna") + sign_in(90, "ben") + sign_in(100, "ben")
    (logs / "MultiFactorAuthRadiusSvc.log").write_bytes(b"".join(lines[:5]))
    came = ship(tmp_path)
    make_old(tmp_path, "MultiFactorAuthRadiusSvc.log")

    (logs / "MultiFactorAuthRadiusSvc.log").rename(logs / "MultiFactorAuthRadiusSvc.log.1")
    (logs / "MultiFactorAuthRadiusSvc.log").write_bytes(b"".join(lines[5:]))
    came += ship(tmp_path)

    assert by_id(came) == by_id(parsed(tmp_path))
    assert sum(event["event"]["action"] == "double_prompt" for event in came) == 2
    saved = Checkpoint(str(tmp_path / "state")).load()
    assert {place.source for place in saved.places.values()} == {str(logs / "MultiFactorAuthRadiusSvc.log")} == saved.warm.keys()


@pytest.mark.parametrize("warm_of", ["mfa01-Svc.log", "mfa02-Svc.log"])
def test_what_was_one_log_and_is_two_now_goes_on_in_both(tmp_path: Path, warm_of: str) -> None:
    """Each begins with the open sign-in and the prompts that it had, whichever file the one warm start was in."""
    logs = tmp_path / "logs"
    logs.mkdir()
    servers = {"mfa01": sign_in(0, "anna") + sign_in(20, "anna"), "mfa02": sign_in(1, "ben") + sign_in(22, "ben")}
    for server, lines in servers.items():
        (logs / f"{server}-Svc.log").write_bytes(b"".join(lines[:4]))
    came = ship(tmp_path)
    make_old(tmp_path, warm_of)

    for server, lines in servers.items():
        with open(logs / f"{server}-Svc.log", "ab") as log:
            log.writelines(lines[4:])
    came += ship(tmp_path)

    assert by_id(came) == by_id(parsed(tmp_path))
    assert sum(event["event"]["action"] == "double_prompt" for event in came) == 2
    assert Checkpoint(str(tmp_path / "state")).load().warm.keys() == {str(logs / f"{server}-Svc.log") for server in servers}
