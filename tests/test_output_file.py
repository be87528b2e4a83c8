"""An output file that other programs touch while a real `mfa-shipper run` writes to it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipper.deliver.rotated_files import rotated
from tests.support.process import Shipper, configuration, delivered, numbered, until, whole_lines


def ships_to(folder: Path, path: Path, batch: dict[str, Any] | None = None, **file: Any) -> Shipper:
    """A shipper of `logs/Mfa*.log*` whose output is a file."""
    output = {"type": "file", "file": {"path": str(path), **file}, "batch": batch or {"max_age": "50ms", "max_events": 20}}
    return Shipper(folder, configuration(folder, output))


def messages(*paths: Path) -> list[str]:
    """The messages of all events, as they stand in the files."""
    return [json.loads(line)["message"] for path in paths for line in whole_lines(path)]


def wanted(end: int) -> set[str]:
    return {f"line {number}" for number in range(end)}


def write(folder: Path, begin: int, end: int) -> None:
    with open(folder / "logs" / "Mfa.log", "ab") as log:
        log.write(numbered(begin, end))


@pytest.mark.parametrize("neighbour", [Path.unlink, lambda path: path.rename(path.with_name("taken"))], ids=["remove", "rename"])
def test_a_file_taken_from_a_quiet_shipper(neighbour: Callable[[Path], object], tmp_path: Path) -> None:
    out = tmp_path / "out.ndjson"
    shipper = ships_to(tmp_path, out)
    write(tmp_path, 0, 10)
    shipper.start()
    until(
        lambda: delivered(tmp_path) == len(numbered(0, 10)), "ten events"
    )  # until then it looks whether the file is still there
    neighbour(out)
    write(tmp_path, 10, 20)
    until(lambda: len(messages(out)) == 10, "ten events in a new file")
    assert shipper.terminate() == 0
    assert set(messages(out)) == wanted(20) - wanted(10)
    assert set(messages(tmp_path / "taken")) <= wanted(10)


def test_a_file_renamed_again_and_again_under_load(tmp_path: Path) -> None:
    out = tmp_path / "out.ndjson"
    shipper = ships_to(tmp_path, out)
    taken: list[Path] = []
    shipper.start()
    for number in range(30):
        write(tmp_path, number * 200, number * 200 + 200)
        until(out.exists, "the output file")
        taken.append(out.rename(tmp_path / f"taken-{number}"))
    until(lambda: set(messages(*taken, out)) == wanted(6000), "all events in one of the files")
    assert shipper.terminate() == 0


def test_a_name_with_brackets_rotates_without_loss(tmp_path: Path) -> None:
    out = tmp_path / "ev[prod].ndjson"
    shipper = ships_to(tmp_path, out, rotate_size="10KiB")
    write(tmp_path, 0, 2000)
    shipper.start()
    until(lambda: len(messages(*map(Path, rotated(str(out))), out)) == 2000, "2,000 events")
    assert shipper.terminate() == 0


def test_a_second_shipper_with_the_same_output_is_kept_away(tmp_path: Path) -> None:
    out = tmp_path / "out.ndjson"
    first = ships_to(tmp_path, out)
    write(tmp_path, 0, 10)
    first.start()
    until(lambda: len(messages(out)) == 10, "ten events")
    (tmp_path / "second").mkdir()
    second = ships_to(tmp_path / "second", out)
    assert second.start().wait(60) == 2
    assert f"output file {out} is in use by the mfa-shipper with pid {first.pid}" in second.said()
    assert first.terminate() == 0
    assert set(messages(out)) == wanted(10)


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(("make", "kind"), [(os.mkfifo, "a FIFO"), (os.mkdir, "a folder")])
def test_what_is_no_file_is_refused(command: str, make: Callable[[Path], None], kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out.ndjson"
    make(out)
    config = ships_to(tmp_path, out).config
    done = subprocess.run(
        [sys.executable, "-m", "shipper", command, "--config", config], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr.endswith(f"mfa-shipper: output.file.path: {out} is {kind}, not a file; give the path of a file\n")
    assert done.stderr.count("\n") == 1


def test_a_look_at_the_output_changes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "keep.txt"
    out.write_bytes(b"no line end")
    config = ships_to(tmp_path, out).config
    before = sorted(tmp_path.rglob("*"))
    command = [sys.executable, "-m", "shipper", "check", "--connect", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == b"no line end"
    out.unlink()
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    assert sorted(tmp_path.rglob("*")) == [path for path in before if path != out]


def test_a_frozen_shipper_goes_on_where_it_was(tmp_path: Path) -> None:
    out = tmp_path / "out.ndjson"
    shipper = ships_to(tmp_path, out)
    write(tmp_path, 0, 10)
    shipper.start()
    until(lambda: len(messages(out)) == 10, "ten events")
    os.kill(shipper.pid, signal.SIGSTOP)
    write(tmp_path, 10, 20)
    out.rename(tmp_path / "taken")
    os.kill(shipper.pid, signal.SIGCONT)
    until(lambda: "line 19" in messages(out), "ten more events")
    assert shipper.terminate() == 0
    came = messages(tmp_path / "taken", out)  # the first ten twice if it was frozen before it had looked whether they count
    assert list(dict.fromkeys(came)) == [f"line {number}" for number in range(20)]
