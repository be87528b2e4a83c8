"""Files that cannot be read, not now or not any more, and more of them than may be open."""

import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shipper.shared_files import open_log
from tests.support.tail_rig import Rig, line


def test_permission_that_comes_back(make: Callable[..., Rig]) -> None:
    locked = True

    def opener(path: str) -> int:
        if locked:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return open_log(path)

    rig = make(options={"opener": opener})
    rig.append("a.log", line(1))
    assert rig.settle() == b""
    path = str(rig.path("a.log"))
    assert rig.tail.problems == {path: f"cannot read {path}: Permission denied; will retry"}
    locked = False
    assert rig.step() == line(1)
    assert rig.tail.problems == {}


def open_files() -> int:
    """Files that are open in this process; 0 where nobody knows."""
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


def test_a_file_that_opens_and_cannot_be_read(make: Callable[..., Rig]) -> None:
    broken = True

    def opener(path: str) -> int:
        return os.open(path, os.O_WRONLY) if broken else open_log(path)

    rig = make(options={"opener": opener})
    rig.append("a.log", line(1))
    before = open_files()
    assert rig.settle() == b""
    assert open_files() == before
    path = str(rig.path("a.log"))
    assert rig.tail.problems == {path: f"cannot read {path}: Bad file descriptor; will retry"}
    broken = False
    assert rig.step() == line(1)
    assert rig.tail.problems == {}


@pytest.mark.parametrize("known", [False, True])
def test_a_device_that_fails_for_a_while(known: bool, make: Callable[..., Rig]) -> None:
    opened: list[int] = []

    def opener(path: str) -> int:
        opened.append(open_log(path))
        return opened[-1]

    rig = make(options={"opener": opener})
    rig.append("a.log", line(1) if known else line(1)[:5])
    rig.step()
    # A descriptor that can only be written gives an error whenever it is read.
    good, bad = os.dup(opened[-1]), os.open(rig.path("a.log"), os.O_WRONLY)
    os.dup2(bad, opened[-1])
    rig.append("a.log", line(2) if known else line(1)[5:])
    assert rig.settle() == b""
    assert "Bad file descriptor" in rig.tail.problems[str(rig.path("a.log"))]
    os.dup2(good, opened[-1])
    assert rig.step() == line(2 if known else 1)
    rig.step()
    assert rig.tail.problems == {}
    os.close(good)
    os.close(bad)


def test_a_share_that_returns(tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    rig = Rig(share)
    rig.append("a.log", line(1) + b"half")
    assert rig.step() == line(1)
    share.rename(tmp_path / "away")
    assert rig.settle() == b""
    shutil.copytree(tmp_path / "away", share)  # other inodes
    rig.append("a.log", b"\n" + line(2))
    assert rig.settle() == b"half\n" + line(2)
    rig.tail.close()


def test_a_place_of_a_gone_file_is_kept(rig: Rig) -> None:
    rig.append("a.log", line(1))
    rig.step()
    rig.path("a.log").rename(rig.path("elsewhere"))
    rig.settle()
    assert rig.tail.levels[0] == 0
    rig.append("elsewhere", line(2))
    rig.path("elsewhere").rename(rig.path("a.log"))
    assert rig.step() == line(2)


def test_five_hundred_files_need_few_descriptors(make: Callable[..., Rig]) -> None:
    rig = make(options={"most_open": 100})
    for number in range(500):
        rig.append(f"a{chr(97 + number % 26)}{chr(97 + number // 26)}.log", line(1, str(number)))
    before = open_files()
    got = b""
    for _ in range(5):
        got += rig.step()
        assert rig.tail.levels[0] <= 100
        assert open_files() - before <= 100
    assert sorted(got.splitlines(keepends=True)) == sorted(line(1, str(number)) for number in range(500))
    assert rig.tail.problems == {}
    rig.path("aaa.log").rename(rig.path("aaa.log.1"))
    rig.append("aaa.log.1", line(2, "rotated while it was closed"))
    rig.append("aaa.log", line(3))
    assert rig.settle() == line(2, "rotated while it was closed") + line(3)
    rig.restart()
    assert rig.settle() == b""


def test_when_no_file_can_make_room_it_is_told(make: Callable[..., Rig]) -> None:
    rig = make(options={"most_open": 2})
    for name in ("a.log", "b.log", "c.log"):
        rig.append(name, line(1, name) + b"half a line")
    assert rig.step() == line(1, "a.log") + line(1, "b.log")
    assert rig.step() == b""
    (problem,) = rig.tail.problems.values()
    assert "too many logs to keep open" in problem
    rig.append("a.log", b"\n")
    assert rig.step() == b"half a line\n"
    assert rig.step() == line(1, "c.log")
    assert rig.tail.problems == {}
