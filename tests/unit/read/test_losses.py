"""What is gone before it could be read is said, with a number where files tell it and without one where they do not."""

import gzip
import os
from collections.abc import Callable

import pytest

from shipper.read import losses
from tests.support.tail_rig import Rig, line

Make = Callable[..., Rig]


@pytest.fixture
def live(make: Make) -> Rig:
    """Follows the live name only; one line is read."""
    rig = make(glob="a.log")
    rig.append("a.log", line(1))
    assert rig.step() == line(1)
    return rig


def rotate(rig: Rig) -> None:
    for number in (3, 2, 1):
        if rig.path(f"a.log.{number}").exists():
            rig.path(f"a.log.{number}").rename(rig.path(f"a.log.{number + 1}"))
    rig.path("a.log").rename(rig.path("a.log.1"))


def said(rig: Rig) -> tuple[int, int, list[str]]:
    """Bytes, possible losses, and the sentences without folder and remedy."""
    told = rig.tail.losses
    assert all(sentence.endswith(losses.REMEDY) for sentence in told.told)
    return told.bytes, told.possible, [one.replace(f"{rig.folder}{os.sep}", "").rpartition("; ")[0] for one in told.told]


ANOTHER = "a.log is another file than at the last look; if there were others in between, their lines are not read"


def test_a_rotation_is_no_loss(live: Rig) -> None:
    live.append("a.log", line(2))
    rotate(live)
    live.append("a.log", line(3))
    assert live.step() == line(2) + line(3)
    assert said(live) == (0, 0, [])


def test_three_rotations_between_two_looks(live: Rig) -> None:
    for second in (2, 3, 4):
        live.append("a.log", line(second))
        rotate(live)
    live.append("a.log", line(5))
    assert live.step() == line(2) + line(5)
    assert said(live) == (2 * len(line(3)), 0, [f"{2 * len(line(3))} bytes of a.log are in a.log.1 and a.log.2 and are not read"])
    rotate(live)
    live.append("a.log", line(6))
    live.step()
    assert said(live)[0] == 2 * len(line(3))


def test_the_log_comes_back_later(live: Rig) -> None:
    rotate(live)
    assert live.step() + live.settle() == b""
    live.append("a.log", line(2))
    rotate(live)
    live.append("a.log", line(3))
    assert live.step() == line(3)
    assert said(live)[:2] == (len(line(2)), 0)


def test_files_rotated_long_before_are_no_loss(make: Make) -> None:
    rig = make(glob="a.log")
    for name in ("a.log.1", "a.log-20170213.gz", "b.log.1"):
        rig.append(name, line(1))
        os.utime(rig.path(name), (1e9, 1e9))
    rig.append("a.log", line(2))
    rig.step()
    rotate(rig)
    rig.append("a.log", line(3))
    assert rig.step() == line(3)
    assert said(rig) == (0, 0, [])


def test_a_log_that_is_packed_at_once_is_no_loss(live: Rig) -> None:
    rotate(live)
    times = live.path("a.log.1").stat()
    live.path("a.log.1.gz").write_bytes(gzip.compress(live.path("a.log.1").read_bytes()))
    os.utime(live.path("a.log.1.gz"), ns=(times.st_atime_ns, times.st_mtime_ns))
    live.remove("a.log.1")
    live.append("a.log", line(2))
    assert live.step() == line(2)
    assert said(live) == (0, 0, [])


def test_packed_files_that_were_in_between_are_possible_losses(live: Rig) -> None:
    rotate(live)
    live.path("a.log.2.gz").write_bytes(gzip.compress(line(2)))
    later = live.path("a.log.1").stat().st_mtime_ns + 10**9
    os.utime(live.path("a.log.2.gz"), ns=(later, later))
    live.append("a.log", line(3))
    assert live.step() == line(3)
    assert said(live) == (0, 1, ["lines of a.log may be in a.log.2.gz and are not read"])


@pytest.mark.parametrize("how", ["removed", "elsewhere"])
def test_a_log_that_is_replaced_without_a_trace_is_a_possible_loss(how: str, live: Rig) -> None:
    live.append("a.log", line(2))
    if how == "removed":
        live.remove("a.log")
    else:
        live.path("a.log").rename(live.path("old"))
    live.append("a.log", line(3))
    assert live.step() == line(2) + line(3)
    assert said(live) == (0, 1, [ANOTHER])


def test_a_longer_copy_that_replaces_the_log_is_no_loss(live: Rig) -> None:
    """`rsync`, or a scheduled task that copies from the server: the shipper goes on in the copy."""
    for second in (2, 3, 4):
        copy = live.path("a.log").read_bytes() + line(second)
        live.remove("a.log")
        live.append("a.log", copy)
        assert live.step() + live.settle() == line(second)
        assert said(live) == (0, 0, [])


def test_names_that_inputs_match_are_no_loss(make: Make) -> None:
    for glob, rotated in (("a*.log", "a_2.log"), ("a.log*", "a.log.1")):
        rig = make(glob=glob)
        rig.append("a.log", line(1))
        rig.step()
        rig.path("a.log").rename(rig.path(rotated))
        rig.append("a.log", line(2))
        rig.step()
        assert said(rig) == (0, 0, [])
        rig.tail.close()
        for path in rig.folder.iterdir():
            path.unlink()


def test_a_share_that_comes_back_is_no_loss(live: Rig) -> None:
    live.path("a.log").rename(live.path("away"))
    live.step()
    live.settle()
    live.path("away").rename(live.path("a.log"))
    live.append("a.log", line(2))
    assert live.step() == line(2)
    assert said(live) == (0, 0, [])


class TestWhileNothingRuns:
    def test_what_was_rotated_away_is_counted(self, live: Rig) -> None:
        live.append("a.log", line(2) + line(3))
        rotate(live)
        live.append("a.log", line(4))
        live.restart()
        assert live.step() == line(4)
        assert said(live) == (2 * len(line(2)), 0, [f"{2 * len(line(2))} bytes of a.log are in a.log.1 and are not read"])

    def test_several_rotations(self, live: Rig) -> None:
        for second in (2, 3):
            live.append("a.log", line(second))
            rotate(live)
        live.append("a.log", line(4))
        live.restart()
        assert live.step() == line(4)
        assert said(live)[:2] == (2 * len(line(2)), 0)

    def test_what_had_been_read_is_no_loss(self, live: Rig) -> None:
        rotate(live)
        live.append("a.log", line(4))
        live.restart()
        assert live.step() == line(4)
        assert said(live) == (0, 0, [])

    def test_a_log_that_is_gone_is_a_possible_loss_once(self, live: Rig) -> None:
        live.remove("a.log")
        live.append("a.log", line(4))
        live.restart()
        assert live.step() == line(4)
        assert said(live) == (0, 1, [ANOTHER])
        live.restart()
        live.append("a.log", line(5))
        assert live.step() == line(5)
        assert said(live) == (0, 0, [])

    def test_a_log_that_is_cut_is_a_possible_loss(self, live: Rig) -> None:
        os.truncate(live.path("a.log"), 0)
        live.append("a.log", line(4))
        live.restart()
        assert live.step() == line(4)
        assert said(live) == (0, 1, [ANOTHER])

    @pytest.mark.parametrize("pack", [False, True])
    def test_a_rotated_file_that_inputs_match_is_no_loss(self, pack: bool, rig: Rig) -> None:
        rig.append("a.log", line(1))
        rig.step()
        rig.append("a.log", line(2))
        rotate(rig)
        if pack:
            rig.path("a.log.1.gz").write_bytes(gzip.compress(rig.path("a.log.1").read_bytes()))
            rig.remove("a.log.1")
        rig.append("a.log", line(3))
        rig.restart()
        assert rig.step() + rig.settle() == line(2) + line(3)
        assert said(rig) == (0, 0, [])

    def test_a_file_that_is_not_known_yet_may_be_the_one(self, rig: Rig) -> None:
        rig.append("a.log", line(1))
        rig.step()
        rig.remove("a.log")
        rig.append("a.log", line(4))
        rig.append("a.log.1", line(3)[:-1])
        rig.restart()
        rig.step()
        assert said(rig) == (0, 0, [])
        rig.settle()
        assert said(rig) == (0, 1, [ANOTHER])


def test_paths_that_never_come_back_are_forgotten(monkeypatch: pytest.MonkeyPatch, live: Rig) -> None:
    monkeypatch.setattr(losses, "MOST_LEFT", 0)
    live.path("a.log").rename(live.path("old"))
    live.append("a.log", line(3))
    assert live.step() == line(3)
    assert said(live) == (0, 0, [])
