"""A log that is cut back to its beginning and written on: other bytes get other ids, whenever the shipper looks or dies."""

import gzip
import os
from collections.abc import Callable

import pytest

from shipper.read.rotation import source_name
from tests.support.tail_rig import Rig, line


def lines(*seconds: int) -> list[bytes]:
    return [line(second) for second in seconds]


def cut(rig: Rig, keep: int, *more: bytes) -> None:
    """Cut the log back to so many lines, and write on."""
    os.truncate(rig.path("a.log"), keep * len(line(1)))
    rig.append("a.log", b"".join(more))


def meanings(rig: Rig) -> dict[str, bytes]:
    """Each id with its line; AssertionError if one has two."""
    found: dict[str, bytes] = {}
    for identity, record in rig.ids:
        assert found.setdefault(identity, record) == record
    return found


def take_begun(rig: Rig) -> None:
    """As the loop does before anything is delivered."""
    rig.positions = {**rig.tail.begun, **rig.positions}
    rig.tail.begun.clear()


@pytest.fixture
def cut_log(rig: Rig) -> Rig:
    """Nine lines were read, four of them stayed, and three others came."""
    rig.append("a.log", b"".join(lines(*range(1, 10))))
    rig.step()
    cut(rig, 4, *lines(11, 12, 13))
    return rig


@pytest.mark.parametrize("stopped", [False, True])
def test_other_bytes_have_other_ids(stopped: bool, cut_log: Rig) -> None:
    if stopped:
        cut_log.restart()
    cut_log.settle()
    assert set(meanings(cut_log).values()) >= set(lines(*range(1, 10), 11, 12, 13))


def test_the_next_run_gives_the_same_ids(cut_log: Rig) -> None:
    """Whatever of it was delivered: the position that it begins with is kept before."""
    cut_log.step()
    take_begun(cut_log)
    kept = dict(cut_log.positions)
    cut_log.settle()
    first = meanings(cut_log)
    cut_log.positions = kept
    cut_log.restart()
    cut_log.settle()
    assert meanings(cut_log) == first


def test_an_editor_writes_it_anew(rig: Rig) -> None:
    rig.append("a.log", b"".join(lines(*range(1, 10))))
    rig.step()
    rig.append("edited", b"".join(lines(1, 2, 11, 12)))
    rig.replace("a.log", "edited")
    rig.settle()
    assert set(meanings(rig).values()) == set(lines(*range(1, 10), 11, 12))


@pytest.mark.parametrize("stopped", [False, True])
def test_a_copy_is_made_before(stopped: bool, rig: Rig) -> None:
    rig.append("a.log", b"".join(lines(*range(1, 10))))
    rig.step()
    rig.append("a.log", line(10))
    rig.path("a.log.1").write_bytes(rig.path("a.log").read_bytes())
    cut(rig, 2, *lines(11, 12))
    if stopped:
        rig.restart()
    rig.settle()
    assert set(meanings(rig).values()) == set(lines(*range(1, 13)))


@pytest.mark.parametrize("pack", [False, True])
def test_it_is_copied_away_while_nothing_runs(pack: bool, cut_log: Rig) -> None:
    content = cut_log.path("a.log").read_bytes()
    cut_log.path("a.log.1").write_bytes(gzip.compress(content) if pack else content)
    cut_log.remove("a.log")
    cut_log.append("a.log", line(30))
    cut_log.restart()
    cut_log.settle()
    assert set(meanings(cut_log).values()) == set(lines(*range(1, 10), 11, 12, 13, 30))


def test_a_copy_is_made_before_and_the_log_rests(rig: Rig) -> None:
    """As long as it holds nothing new, what is left of it is a copy of the copy."""
    rig.append("a.log", b"".join(lines(*range(1, 10))))
    rig.step()
    rig.path("a.log.1").write_bytes(rig.path("a.log").read_bytes())
    cut(rig, 2)
    rig.settle()
    rig.append("a.log", line(11))
    rig.settle()
    assert set(meanings(rig).values()) == set(lines(*range(1, 10), 11))


@pytest.mark.parametrize("growth", [1, 6])
def test_it_is_cut_again_and_again(growth: int, cut_log: Rig) -> None:
    for number in range(5):
        cut_log.settle()
        take_begun(cut_log)
        cut(cut_log, 4, *lines(*range(20 + 6 * number, 20 + 6 * number + growth)))
    cut_log.settle()
    assert set(meanings(cut_log).values()) >= {line(20 + 6 * number) for number in range(5)}


def test_bytes_that_come_back_keep_their_ids(rig: Rig) -> None:
    rig.append("a.log", b"".join(lines(1, 2, 3, 4)))
    rig.step()
    cut(rig, 2)
    assert rig.step(1.0) == b""
    cut(rig, 2, *lines(3, 4, 5))
    assert rig.step(1.0) == line(5)
    assert len({identity.partition("-")[0] for identity, _ in rig.ids}) == 1
    assert rig.tail.begun == {}


@pytest.mark.parametrize("rotated", ["a.log.1", "a.log.1.gz"])
@pytest.mark.parametrize("restart", [False, True])
def test_it_is_rotated_later(rotated: str, restart: bool, cut_log: Rig) -> None:
    cut_log.settle()
    take_begun(cut_log)
    before = meanings(cut_log)
    cut_log.append("a.log", line(14))
    content = cut_log.path("a.log").read_bytes()
    cut_log.path(rotated).write_bytes(gzip.compress(content) if rotated.endswith("gz") else content)
    cut_log.remove("a.log")
    cut_log.append("a.log", line(30))
    if restart:
        cut_log.restart()
    cut_log.step()
    cut_log.settle()
    new = [record for identity, record in cut_log.ids if identity not in before]
    assert new == lines(14, 30)
    prefix = cut_log.ids[-2][0].partition("-")[0]
    assert any(identity.startswith(prefix) for identity in before)


def test_a_warm_start_reads_it_under_its_ids(cut_log: Rig) -> None:
    cut_log.settle()
    take_begun(cut_log)
    cut_log.restart()
    cut_log.step()
    key, identity = next((key, position.identity) for key, position in cut_log.positions.items() if position.identity)
    source = source_name(str(cut_log.path("a.log")))
    assert [reading.file.fingerprint for reading in cut_log.tail.replay(source, key, 0)] == [identity]


def test_another_file_with_the_same_beginning_is_no_cut_one(make: Callable[..., Rig]) -> None:
    rig = make(glob="*.log")
    rig.append("a.log", b"".join(lines(1, 2, 3)))
    rig.step()
    rig.append("b.log", b"".join(lines(1, 4, 5)))
    rig.settle()
    assert rig.tail.begun == {}
    assert len({identity.partition("-")[0] for identity, _ in rig.ids}) == 1
