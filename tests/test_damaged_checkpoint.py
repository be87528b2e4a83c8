"""A real `mfa-shipper run` whose checkpoint is damaged, or written by a newer version."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.process import Shipper, configuration, numbered, until


def lines(folder: Path) -> int:
    path = folder / "out.ndjson"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def started_at_the_end(tmp_path: Path) -> tuple[Shipper, Path]:
    """A shipper with `start: end`, which finds ten lines in a log."""
    output = {"type": "file", "file": {"path": str(tmp_path / "out.ndjson")}, "batch": {"max_age": "50ms"}}
    config = configuration(tmp_path, output)
    config["inputs"][0]["start"] = "end"
    shipper = Shipper(tmp_path, config)
    log = tmp_path / "logs" / "Mfa.log"
    log.write_bytes(numbered(0, 10))
    shipper.start()
    return shipper, log


@pytest.fixture
def stopped(tmp_path: Path) -> Shipper:
    """A shipper with `start: end` that found ten lines, delivered ten more, was stopped, and has ten before it."""
    shipper, log = started_at_the_end(tmp_path)
    until(lambda: "no checkpoint yet: starting each file at inputs[].start" in shipper.said(), "it starts")
    until(lambda: (tmp_path / "state" / "checkpoint.json").exists(), "the place at the end of the file is kept")
    log.write_bytes(numbered(0, 20))
    until(lambda: lines(tmp_path) == 10, "ten events")
    assert shipper.terminate() == 0
    log.write_bytes(numbered(0, 30))
    return shipper


@pytest.mark.parametrize("damage", [b"", b"{", b"\0\0", b'{"version":1}', b"[]"])
def test_a_damaged_one_begins_at_the_beginning_and_says_so(damage: bytes, stopped: Shipper, tmp_path: Path) -> None:
    for path in (tmp_path / "state").glob("checkpoint.json*"):
        path.write_bytes(damage)
    stopped.start()
    until(lambda: lines(tmp_path) == 40, "all lines of the file")
    assert stopped.terminate() == 0
    assert "every file is read from its beginning" in stopped.said()
    assert stopped.said().count("no checkpoint yet") == 1


@pytest.mark.parametrize("of_two", [lambda paths: paths, lambda paths: paths[:1]], ids=["both", "the last"])
def test_a_newer_one_is_refused(of_two: Callable[[list[Path]], list[Path]], stopped: Shipper, tmp_path: Path) -> None:
    state = tmp_path / "state"
    kept = (state / "checkpoint.json").read_bytes()
    for path in of_two([state / "checkpoint.json", state / "checkpoint.json.1"]):
        path.write_bytes(b'{"version":2}')
    assert stopped.start().wait(60) == 2
    assert "checkpoint.json is unusable: it has version 2, this program reads 1" in stopped.said()
    assert (lines(tmp_path), sorted(path.name for path in state.glob("*damaged*"))) == (10, [])
    (state / "checkpoint.json").write_bytes(kept)
    stopped.start()
    until(lambda: lines(tmp_path) == 20, "what came meanwhile")
    assert stopped.terminate() == 0


def test_a_file_that_stayed_silent_goes_on_from_its_end(tmp_path: Path) -> None:
    """Nothing was delivered of it, so only its beginning at the end can be kept."""
    shipper, log = started_at_the_end(tmp_path)
    until(lambda: (tmp_path / "state" / "checkpoint.json").exists(), "its place is kept")
    assert shipper.terminate() == 0
    log.write_bytes(numbered(0, 20))
    shipper.start()
    until(lambda: lines(tmp_path) == 10, "what came meanwhile")
    assert shipper.terminate() == 0
