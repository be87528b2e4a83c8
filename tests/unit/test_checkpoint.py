"""The checkpoint through every way of failing, and the lock of a state directory."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shipper.errors import UsageError
from shipper.read.position import Position, check_of
from shipper.sidecar.checkpoint import Checkpoint, Lock, lock_holder
from shipper.sidecar.warm_start import WarmStart

PLACE = Position("0" * 16, "/log/a", "/log/a\udcff.log", 1, 2, 3, check_of(b"abc"), "utf-8", "t", "u", 4)
OLD = {"k": PLACE}, {"/log/a": WarmStart("k", 0)}
NEW = {"k": PLACE._replace(offset=9), "l.2": PLACE}, {"/log/\udcff": WarmStart("k", 5)}  # a name that is not UTF-8
STEPS = ["created", "written", "synced", "kept", "renamed", "settled"]


class Crash(BaseException):
    """The process ends here."""


def saved(folder: Path, *generations: tuple[dict[str, Position], dict[str, WarmStart]]) -> Checkpoint:
    one = Checkpoint(str(folder))
    for generation in generations:
        assert one.save(*generation) is None
    return one


def loaded(folder: Path) -> tuple[object, object, int]:
    stored = Checkpoint(str(folder)).load()
    return stored.places, stored.warm, len(stored.warnings)


def test_nothing_yet(tmp_path: Path) -> None:
    assert loaded(tmp_path / "made" / "for us") == ({}, {}, 0)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    saved(tmp_path, OLD, NEW)
    assert loaded(tmp_path) == (*NEW, 0)
    assert sorted(os.listdir(tmp_path)) == ["checkpoint.json", "checkpoint.json.1"]
    assert json.loads((tmp_path / "checkpoint.json").read_bytes())["version"] == 1


def stopping(at: str, error: BaseException) -> Callable[[str], None]:
    def step(name: str) -> None:
        if name == at:
            raise error

    return step


@pytest.mark.parametrize("before", [1, 2])
@pytest.mark.parametrize("at", STEPS)
def test_a_crash_between_any_two_steps_leaves_one_or_the_other(at: str, before: int, tmp_path: Path) -> None:
    saved(tmp_path, *[OLD] * before)
    with pytest.raises(Crash):
        Checkpoint(str(tmp_path), step=stopping(at, Crash())).save(*NEW)
    assert loaded(tmp_path) == (*(NEW if at in ("renamed", "settled") else OLD), 0)
    saved(tmp_path, NEW)
    assert loaded(tmp_path) == (*NEW, 0)
    (tmp_path / "checkpoint.json").write_bytes(b"")
    assert loaded(tmp_path)[:2] in (OLD, NEW)  # the one before is whole in any case


@pytest.mark.parametrize("at", STEPS[:4])
def test_a_full_disk_is_said_and_changes_nothing(at: str, tmp_path: Path) -> None:
    saved(tmp_path, OLD)
    full = OSError(errno.ENOSPC, "No space left on device")
    said = Checkpoint(str(tmp_path), step=stopping(at, full)).save(*NEW)
    assert said == f"the checkpoint cannot be written to {tmp_path}: No space left on device"
    assert loaded(tmp_path) == (*OLD, 0)
    saved(tmp_path, NEW)
    assert loaded(tmp_path) == (*NEW, 0)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda data: b"\0" * len(data), "it is no checkpoint"),
        (lambda data: data[:50], "is of no use"),
        (lambda data: b"[]", "it is no checkpoint"),
        (lambda data: b"\xff", "is of no use"),
        (lambda data: data.replace(b'"offset": 9', b'"offset": 8'), "its checksum is wrong"),
        (lambda data: b'{"version": 2}', "it has version 2, this program writes 1"),
        (lambda data: b'{"version": 1}', "its checksum is wrong"),
    ],
    ids=["zeros", "cut", "list", "bytes", "changed", "newer", "empty"],
)
def test_a_damaged_one_is_set_aside_and_the_one_before_taken(damage: Callable[[bytes], bytes], says: str, tmp_path: Path) -> None:
    one = saved(tmp_path, OLD, NEW)
    path = tmp_path / "checkpoint.json"
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    stored = one.load()
    assert (stored.places, stored.warm) == OLD
    assert says in stored.warnings[0]
    assert f"set aside as {path}.damaged-1" in stored.warnings[0]
    assert Path(f"{path}.damaged-1").read_bytes() == damaged
    assert "sent again, with the same ids" in stored.warnings[1]
    # The good one survives the next saves.
    saved(tmp_path, NEW)
    assert loaded(tmp_path) == (*NEW, 0)


def test_both_damaged(tmp_path: Path) -> None:
    one = saved(tmp_path, OLD, NEW)
    for name in ("checkpoint.json", "checkpoint.json.1"):
        (tmp_path / name).write_bytes(b"{")
    stored = one.load()
    assert (stored.places, stored.warm, len(stored.warnings)) == ({}, {}, 3)
    assert "every file is read from its beginning" in stored.warnings[2]
    assert sorted(os.listdir(tmp_path)) == ["checkpoint.json.1.damaged-1", "checkpoint.json.damaged-1"]


def test_only_the_older_one_is_there(tmp_path: Path) -> None:
    saved(tmp_path, OLD, NEW)
    (tmp_path / "checkpoint.json").unlink()
    assert loaded(tmp_path) == (*OLD, 0)


@pytest.mark.parametrize(
    "value", [{"places": []}, {"places": {"k": 1}}, {"warm": {"s": ["k"]}}, {"warm": {"s": 1}}, {"warm": None}]
)
def test_a_sum_that_fits_is_not_enough(value: dict[str, object], tmp_path: Path) -> None:
    from shipper.sidecar.checkpoint import _sum

    whole = {"version": 1, "places": {}, "warm": {}, **value}
    (tmp_path / "checkpoint.json").write_text(json.dumps({**whole, "sum": _sum(whole)}), encoding="utf-8")
    assert loaded(tmp_path) == ({}, {}, 2)


def test_the_second_shipper_names_the_first(tmp_path: Path) -> None:
    code = f"from shipper.sidecar.checkpoint import Lock; lock = Lock({str(tmp_path)!r}); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        first.stdout.readline()
        with pytest.raises(UsageError, match=f"in use by the mfa-shipper with pid {first.pid};"):
            Lock(str(tmp_path))
        assert lock_holder(str(tmp_path)) == first.pid
        first.kill()
        first.wait()
    assert lock_holder(str(tmp_path)) is None
    mine = Lock(str(tmp_path))
    with pytest.raises(UsageError, match=f"with pid {os.getpid()};"):
        Lock(str(tmp_path))
    mine.release()
    Lock(str(tmp_path)).release()


def test_nobody_holds_what_is_not_there(tmp_path: Path) -> None:
    assert lock_holder(str(tmp_path)) is None
    assert os.listdir(tmp_path) == []


def test_a_state_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(UsageError, match=r"state_dir .*state cannot be made: File exists; give a directory"):
        Checkpoint(str(tmp_path / "state"))
