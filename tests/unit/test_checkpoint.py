"""The checkpoint through every way of failing."""

import errno
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper import durable
from shipper.errors import UsageError
from shipper.read.position import Position, check_of
from shipper.read.rotation import compared
from shipper.sidecar.checkpoint import Checkpoint, Stored, farther, refuse_folder
from shipper.sidecar.places import WarmStart, read_records

LOG, OTHER = compared("/log/a\udcff.log"), compared("/log/\udcff")
A, B = compared("/log/a"), compared("/log/b")
PLACE = Position("0" * 16, LOG, LOG, 1, 2, 3, check_of(b"abc"), "utf-8", "t", "u", 4)
OLD = {"k": PLACE}, {A: WarmStart("k", 0)}
NEW = (
    {"k": PLACE._replace(offset=9), "l.2": PLACE},
    {OTHER: WarmStart("k", 5, {}, {"pfrad": (253_402_300_799_999_999_999, None)})},
)  # a name that is not UTF-8
CALLS = ["open_shared", "write", "fsync", "link", "replace"]  # of a save that has a predecessor, in their order


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


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Lets a system call fail, before or after it is made."""

    def fail(name: str, error: BaseException, *, after: bool = False) -> None:
        place = durable if name == "open_shared" else os
        real = getattr(place, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if after:
                real(*arguments, **options)
            raise error

        monkeypatch.setattr(place, name, call)

    yield fail
    monkeypatch.undo()


@pytest.mark.parametrize("generations", [1, 2])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_a_crash_anywhere_leaves_the_old_one_or_the_new(
    call: str, after: bool, generations: int, tmp_path: Path, failing: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path, *[OLD] * generations)
    failing(call, Crash(), after=after)
    with pytest.raises(Crash):
        Checkpoint(str(tmp_path)).save(*NEW)
    monkeypatch.undo()
    assert loaded(tmp_path) == (*(NEW if (call, after) == ("replace", True) else OLD), 0)
    saved(tmp_path, NEW)
    assert loaded(tmp_path) == (*NEW, 0)
    (tmp_path / "checkpoint.json").write_bytes(b"")
    assert loaded(tmp_path)[:2] in (OLD, NEW)  # the previous one is whole in any case


@pytest.mark.parametrize("call", CALLS)
def test_a_full_disk_is_reported_and_changes_nothing(
    call: str, tmp_path: Path, failing: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path, OLD)
    failing(call, OSError(errno.ENOSPC, "No space left on device"))
    said = Checkpoint(str(tmp_path)).save(*NEW)
    monkeypatch.undo()
    assert said == f"the checkpoint cannot be written to {tmp_path}: No space left on device"
    assert loaded(tmp_path) == (*OLD, 0)
    saved(tmp_path, NEW)
    assert loaded(tmp_path) == (*NEW, 0)


def test_each_step_of_a_save_is_announced(tmp_path: Path) -> None:
    steps: list[str] = []
    checkpoint = Checkpoint(str(tmp_path), step=steps.append)
    checkpoint.save(*OLD)
    assert steps == ["written", "kept", "renamed"]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda data: b"\0" * len(data), "it is no checkpoint"),
        (lambda data: data[:50], "is unreadable"),
        (lambda data: b"[]", "it is no checkpoint"),
        (lambda data: b"\xff", "is unreadable"),
        (lambda data: data.replace(b'"offset": 9', b'"offset": 8'), "its checksum is wrong"),
        (lambda data: b'{"version": 0}', "it has version 0, this program writes 1"),
        (lambda data: b'{"version": "2"}', "it has version 2, this program writes 1"),
        (lambda data: b'{"version": 1}', "its checksum is wrong"),
    ],
    ids=["zeros", "cut", "list", "bytes", "changed", "older", "text", "empty"],
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


@pytest.mark.parametrize("damaged", [False, True])
def test_a_newer_one_is_a_reason_not_to_start(damaged: bool, tmp_path: Path) -> None:
    one = saved(tmp_path, OLD, NEW)
    newer = tmp_path / ("checkpoint.json.1" if damaged else "checkpoint.json")
    newer.write_bytes(b'{"version": 2, "more": []}')
    if damaged:
        (tmp_path / "checkpoint.json").write_bytes(b"{")
    with pytest.raises(
        UsageError, match=f"{re.escape(str(newer))} is unusable: it has version 2, this program reads 1; start a version"
    ):
        one.load()
    assert newer.read_bytes() == b'{"version": 2, "more": []}'


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


def test_a_state_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(
        UsageError, match=r"state_dir .*state cannot be created: (File exists|File already exists); give a directory"
    ):
        Checkpoint(str(tmp_path / "state"))


def place(offset: int, time: str = "1", source: str = A) -> Position:
    return PLACE._replace(offset=offset, time=time, source=source, path=source)


def warm(number: int) -> dict[str, WarmStart]:
    return {A: WarmStart("k", number)}


@pytest.mark.parametrize(
    ("own", "in_sink", "start"),
    [
        ({"k": place(5)}, {"k": place(9)}, 2),
        ({"k": place(9)}, {"k": place(5)}, 1),
        ({"k": place(9)}, {"k": place(9)}, 2),
        ({"k": place(9)}, {}, 1),
        ({}, {"k": place(9)}, 2),
        ({"k": place(9), "l": place(1, "2")}, {"k": place(9)}, 1),  # rotated since
        ({"k": place(9)}, {"k": place(9), "l": place(1, "2")}, 2),
        ({"k": place(9), "l": place(4, "2")}, {"l": place(5, "2")}, 2),  # the record of the older file expired
        ({"k": place(9), "l": place(5, "2")}, {"k": place(7), "l": place(5, "2")}, 1),  # the older file got a line more
    ],
)
def test_the_farther_place_and_its_warm_start(own: dict[str, Position], in_sink: dict[str, Position], start: int) -> None:
    found = farther(Stored(own, warm(1) if own else {}, ("odd",)), Stored(in_sink, warm(2) if in_sink else {}))

    assert {key: position.offset for key, position in found.places.items()} == {
        key: max(side[key].offset for side in (own, in_sink) if key in side) for key in own.keys() | in_sink.keys()
    }
    assert found.warm == warm(start)
    assert found.warnings == ("odd",)
    behind = {key for key in own if key not in in_sink or in_sink[key].offset < own[key].offset}
    assert {key for key in found.amends if key.startswith(b"place:")} == {f"place:{key}".encode() for key in behind}
    assert found.amends.keys() >= ({b"warm:" + A.encode()} if start == 1 else set())


def test_the_farther_of_logs_that_have_nothing_in_common() -> None:
    own, in_sink = Stored({"k": place(5)}, warm(1)), Stored({"m": place(1, source=B)}, {B: WarmStart("m", 0)})

    found = farther(own, in_sink)

    assert found.places == {**own.places, **in_sink.places}
    assert found.warm == {**own.warm, **in_sink.warm}
    assert read_records({key: value or b"" for key, value in found.amends.items()}) == (own.places, own.warm)


def test_a_folder_that_cannot_hold_the_state(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in ("file", "file/state", "file/a/b"):
        with pytest.raises(UsageError, match=r"state_dir: .*[/\\\\]file is not a folder"):
            refuse_folder(str(tmp_path / path))
    refuse_folder(str(tmp_path / "a" / "b"))
    refuse_folder(str(tmp_path))
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_of_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(UsageError, match=r"state_dir: .* cannot be written; give a directory of the user"):
        refuse_folder(str(tmp_path))
    with pytest.raises(UsageError, match=r"state_dir: .*[/\\\\]new cannot be made: .* cannot be written"):
        refuse_folder(str(tmp_path / "new"))
