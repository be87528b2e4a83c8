"""One sidecar for the logs of several servers, as `deploy/docs/several-servers.md` has it."""

import os
from pathlib import Path

import orjson
import pytest

from tests.support.process import Shipper, configuration, until

SERVERS = ("mfa01", "mfa02")


def line(second: int, server: str) -> str:
    return f"2017-02-14T02:57:{second:02}.000000Z|0|1412|6452|pfrad|line {second} of {server}\n"


def messages(out: Path) -> list[str]:
    return [orjson.loads(text)["message"] for text in out.read_bytes().splitlines()] if out.exists() else []


def sidecar(folder: Path) -> Shipper:
    output = {"type": "file", "file": {"path": str(folder / "out.ndjson")}, "batch": {"max_age": "50ms"}}
    inputs = [{"path": str(folder / "logs" / name / "*.log*"), "host": {"name": name}} for name in SERVERS]
    shipper = Shipper(folder, {**configuration(folder, output), "inputs": inputs})
    for name in SERVERS:
        (folder / "logs" / name).mkdir(parents=True)
        (folder / "logs" / name / "Mfa.log").write_text(line(1, name))
    return shipper


@pytest.mark.posix("a folder that is renamed while a file in it is open")
def test_a_share_that_is_away_holds_nobody_up_and_goes_on_from_its_place(tmp_path: Path) -> None:
    shipper, out = sidecar(tmp_path), tmp_path / "out.ndjson"
    shipper.start()
    until(lambda: len(messages(out)) == 2, "a line of each server")
    (tmp_path / "logs" / "mfa01").rename(tmp_path / "away")
    with open(tmp_path / "logs" / "mfa02" / "Mfa.log", "a") as log:
        log.write(line(2, "mfa02"))
    until(lambda: "line 2 of mfa02" in messages(out), "the other server's line")
    with open(tmp_path / "away" / "Mfa.log", "a") as log:
        log.write(line(2, "mfa01"))
    (tmp_path / "away").rename(tmp_path / "logs" / "mfa01")
    until(lambda: "line 2 of mfa01" in messages(out), "what came while it was away")
    assert shipper.terminate() == 0
    assert sorted(messages(out)) == [f"line {number} of {name}" for number in (1, 2) for name in SERVERS]
    hosts = {(event["message"][-5:], event["host"]["name"]) for event in map(orjson.loads, out.read_bytes().splitlines())}
    assert hosts == {(name, name) for name in SERVERS}


@pytest.mark.posix("a file that is replaced while it is open")
def test_a_longer_copy_in_place_of_the_log_is_continued(tmp_path: Path) -> None:
    shipper, out = sidecar(tmp_path), tmp_path / "out.ndjson"
    log = tmp_path / "logs" / "mfa01" / "Mfa.log"
    shipper.start()
    until(lambda: len(messages(out)) == 2, "a line of each server")
    for number in (2, 3, 4):
        copy = tmp_path / "copy"
        copy.write_text("".join(line(second, "mfa01") for second in range(1, number + 1)))
        os.replace(copy, log)
        until(lambda: len(messages(out)) == number + 1, "the new line")  # noqa: B023
    assert shipper.terminate() == 0
    assert sorted(messages(out)) == sorted(["line 1 of mfa02", *(f"line {number} of mfa01" for number in (1, 2, 3, 4))])
