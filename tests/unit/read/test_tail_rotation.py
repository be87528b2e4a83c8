"""What rotation does to a file while it is followed and while nobody looks."""

import bz2
import gzip
import lzma
import os
import random
from collections.abc import Callable

import pytest
import zstandard

from shipper.read.rotation import source_name
from tests.support.tail_rig import Rig, line

Pack = Callable[[bytes], bytes]
PACKED = pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "bzip2", "xz", "zstd"]
)


def test_appended_lines_come_once(rig: Rig) -> None:
    assert rig.step() == b""
    rig.append("a.log", line(1))
    assert rig.step() == line(1)
    assert rig.step() == b""
    rig.append("a.log", line(2) + line(3))
    assert rig.step() == line(2) + line(3)


def test_rename_finishes_the_old_file_first(rig: Rig) -> None:
    rig.append("a.log", line(1))
    assert rig.step() == line(1)
    rig.append("a.log", line(2))
    rig.path("a.log").rename(rig.path("a.log.1"))
    rig.append("a.log", line(3))
    assert rig.step() == line(2) + line(3)
    assert rig.tail.rotations == 1
    assert rig.tail.truncations == 0


def test_what_is_written_after_the_rename_is_read(rig: Rig) -> None:
    rig.append("a.log", line(1))
    rig.step()
    rig.path("a.log").rename(rig.path("a.log.1"))
    rig.step()
    rig.append("a.log.1", line(2))
    assert rig.step() == line(2)


@pytest.mark.parametrize("pause", [2.0, 3600.0])
@pytest.mark.parametrize("seen", [False, True])
def test_a_rotated_file_whose_only_line_has_no_end_comes_first(seen: bool, pause: float, rig: Rig) -> None:
    """It is known only when it is complete; a shipper that is frozen meanwhile learns all at once."""
    rig.append("a.log", line(1)[:-1])
    if seen:
        assert rig.step() == b""
    rig.path("a.log").rename(rig.path("a.log.1"))
    if seen:
        rig.append("a.log", line(2)[:5])
        assert rig.step() == b""
        rig.append("a.log", line(2)[5:])
    else:
        rig.append("a.log", line(2))
    assert rig.step(pause) + rig.settle() == line(1)[:-1] + line(2)


def test_a_packed_file_whose_only_line_has_no_end_comes_first(rig: Rig) -> None:
    """It was rotated and packed while nothing ran."""
    rig.path("a.log.1.gz").write_bytes(gzip.compress(line(1)[:-1]))
    rig.append("a.log", line(2))
    assert rig.step(0.1) == b""
    assert rig.settle() == line(1)[:-1] + line(2)


def test_the_past_is_found_in_a_file_that_was_packed_just_now(rig: Rig) -> None:
    """Since the last search, and after the rotated file was closed."""
    rig.append("a.log", line(1))
    rig.step()
    rig.path("a.log").rename(rig.path("a.log.1"))
    rig.append("a.log", line(2))
    rig.step()
    rig.restart()
    rig.settle()
    key = next(key for key, position in rig.positions.items() if position.time.endswith("01.000000Z"))
    rig.path("a.log.1.gz").write_bytes(gzip.compress(line(1)))
    rig.path("a.log.1").unlink()
    assert [reading.chunk.data for reading in rig.tail.replay(source_name(str(rig.path("a.log"))), key, 0)] == [line(1), line(2)]
    assert rig.tail.past_lost == set()


def test_a_file_that_was_cut_before_it_was_known_is_read_behind_its_copy(rig: Rig) -> None:
    """Between two searches for files, and with more in it afterwards than before."""
    rig.append("a.log", line(1)[:4])
    assert rig.step(0.1) == b""
    rig.append("a.log", line(1)[4:])
    rig.copytruncate("a.log", "a.log.1")
    rig.append("a.log", line(2))
    assert rig.step(0.1) + rig.settle() == line(1) + line(2)


def test_a_file_renamed_out_of_the_glob_is_finished(rig: Rig) -> None:
    rig.append("a.log", line(1))
    rig.step()
    rig.append("a.log", line(2))
    rig.path("a.log").rename(rig.path("old"))
    rig.append("a.log", line(3))
    assert rig.step() == line(2) + line(3)
    rig.settle()
    assert rig.tail.levels[0] == 1


def test_several_rotations_between_two_looks(rig: Rig) -> None:
    rig.append("a.log", line(1))
    rig.step()
    for second in (2, 3, 4):
        rig.append("a.log", line(second))
        for number in (3, 2, 1):
            if rig.path(f"a.log.{number}").exists():
                rig.path(f"a.log.{number}").rename(rig.path(f"a.log.{number + 1}"))
        rig.path("a.log").rename(rig.path("a.log.1"))
    rig.append("a.log", line(5))
    assert rig.step() == line(2) + line(3) + line(4) + line(5)


def test_rotation_while_stopped(rig: Rig) -> None:
    rig.append("a.log", line(1))
    rig.step()
    rig.append("a.log", line(2))
    rig.path("a.log").rename(rig.path("a.log.1"))
    rig.append("a.log", line(3))
    rig.restart()
    assert rig.step() == line(2) + line(3)


@PACKED
def test_rotation_into_a_compressed_file_while_stopped(rig: Rig, pack: Pack) -> None:
    rig.append("a.log", line(1))
    rig.step()
    rig.path("a.log.1.gz").write_bytes(pack(line(1) + line(2)))
    rig.remove("a.log")
    rig.append("a.log", line(3))
    rig.restart()
    assert rig.step() == line(2) + line(3)


def test_copytruncate_goes_on_in_the_copy(rig: Rig) -> None:
    rig.append("a.log", line(1))
    rig.step()
    rig.append("a.log", line(2))
    rig.copytruncate("a.log", "a.log.1")
    rig.append("a.log", line(3))
    assert rig.step() == line(2) + line(3)
    assert (rig.tail.truncations, rig.tail.losses.bytes) == (1, 0)


def test_copytruncate_of_a_file_that_is_longer_again(rig: Rig) -> None:
    rig.append("a.log", line(1))
    rig.step()
    rig.copytruncate("a.log", "a.log.1")
    rig.append("a.log", line(3) + line(4))
    assert rig.step() == line(3) + line(4)
    assert rig.tail.truncations == 1


def test_copytruncate_while_stopped(rig: Rig) -> None:
    rig.append("a.log", line(1))
    rig.step()
    rig.append("a.log", line(2))
    rig.copytruncate("a.log", "a.log.1")
    rig.append("a.log", line(3))
    rig.restart()
    assert rig.step() == line(2) + line(3)


def test_truncation_counts_what_it_destroyed(rig: Rig) -> None:
    rig.append("a.log", line(1))
    rig.step()
    rig.append("a.log", line(2) + line(3))
    rig.time += 2
    rig.tail.look()
    os.truncate(rig.path("a.log"), 0)
    rig.append("a.log", line(4))
    assert rig.step() == line(4)
    assert (rig.tail.truncations, rig.tail.losses.bytes) == (1, 2 * len(line(2)))


def test_rewritten_with_the_same_first_line(rig: Rig) -> None:
    rig.append("a.log", line(1) + line(2))
    rig.step()
    rig.path("a.log").write_bytes(line(1))
    assert rig.step() == b""  # it could be a copy in the making
    assert rig.settle() == line(1)
    assert {key.partition(".")[2] for key, _, _ in rig.out} == {"", "2"}


def test_deleted_and_made_again(rig: Rig) -> None:
    rig.append("a.log", line(1))
    rig.step()
    rig.remove("a.log")
    rig.step()
    rig.append("a.log", line(2))
    assert rig.step() == line(2)
    assert rig.settle() == b""


def test_made_again_in_place_as_long_as_before(rig: Rig) -> None:
    rig.append("a.log", line(1))
    rig.step()
    rig.path("a.log").write_bytes(line(2))  # the same name, inode and size
    os.utime(rig.path("a.log"), ns=(1, 1))
    assert rig.step() == line(2)


@pytest.mark.posix("Wine makes no symbolic links")
def test_a_symlink_that_is_moved(rig: Rig) -> None:
    rig.append("day1", line(1))
    rig.append("day2", line(3))
    rig.path("a.log").symlink_to(rig.path("day1"))
    assert rig.step() == line(1)
    rig.append("day1", line(2))
    rig.remove("a.log")
    rig.path("a.log").symlink_to(rig.path("day2"))
    assert rig.step() == line(2) + line(3)


@PACKED
def test_compressor_at_work(rig: Rig, pack: Pack) -> None:
    rig.append("a.log.1", line(1))
    rig.append("a.log", line(3))
    assert rig.step() == line(1) + line(3)
    rig.append("a.log.1", line(2))
    whole = pack(line(1) + line(2))
    rig.path("a.log.1.gz").write_bytes(b"")
    assert rig.step() == line(2)
    for size in (1, len(whole) - 6, len(whole)):
        rig.path("a.log.1.gz").write_bytes(whole[:size])
        assert rig.step() == b""
    rig.remove("a.log.1")
    assert rig.settle() == b""
    rig.restart()
    assert rig.settle() == b""


@PACKED
def test_rotated_into_a_compressed_file_before_all_was_read(rig: Rig, pack: Pack) -> None:
    """No byte of the compressed file is ever taken for a line."""
    noise = b"".join(line(2, random.Random(n).randbytes(40).hex()) for n in range(3000))
    rig.append("a.log", line(1))
    rig.step()
    rig.remove("a.log")
    rig.path("a.log.1.xz").write_bytes(pack(line(1) + noise))
    rig.append("a.log", line(3))
    assert rig.settle() == noise + line(3)
    assert rig.tail.problems == {}


def test_a_copy_is_held_and_takes_over(rig: Rig) -> None:
    rig.append("a.log", line(1) + line(2))
    rig.step()
    rig.path("b.log").write_bytes(line(1) + line(2))
    assert rig.settle() == b""
    rig.remove("a.log")
    assert rig.settle() == b""
    rig.append("b.log", line(3))
    assert rig.settle() == line(3)
    assert rig.out[-1][1] == 2 * len(line(1))


def test_two_files_with_the_same_first_line(rig: Rig) -> None:
    rig.append("a.log", line(1) + line(2, "a"))
    rig.append("b.log", line(1) + line(2, "b"))
    rig.settle()
    assert sorted(data for _, _, data in rig.out) == [line(1) + line(2, "a"), line(1) + line(2, "b")]
    assert sorted(key.partition(".")[2] for key, _, _ in rig.out) == ["", "2"]
    rig.append("a.log", line(3, "a"))
    rig.append("b.log", line(3, "b"))
    rig.restart()
    assert rig.settle() in (line(3, "a") + line(3, "b"), line(3, "b") + line(3, "a"))


def test_truncated_between_look_and_read(rig: Rig) -> None:
    rig.append("a.log", line(1))
    rig.step()
    rig.append("a.log", line(2))
    rig.time += 2
    rig.tail.look()
    rig.path("a.log").write_bytes(line(4) + line(5))
    assert rig.tail.read() is None
    assert rig.step() == line(4) + line(5)
    assert rig.tail.truncations == 1


def test_another_file_with_the_same_first_line_while_stopped(rig: Rig) -> None:
    rig.append("a.log", line(1) + line(2))
    rig.step()
    rig.remove("a.log")
    other = line(1) + line(2, "y") + line(3)
    rig.append("a.log", other)
    rig.restart()
    assert rig.settle() == other


def test_a_newer_log_of_the_same_name_finishes_no_line(rig: Rig) -> None:
    """Two live logs whose names differ in a number: one is in the middle of a line for a long time."""
    late = line(5, "late")
    rig.append("svc.log", line(1) + late[:30])
    rig.append("svc_2.log", line(9))
    assert rig.settle() == line(1) + line(9)
    rig.append("svc_2.log", line(10))
    assert rig.settle() == line(10)
    rig.append("svc.log", late[30:])
    assert rig.settle() == late
    assert rig.tail.levels[1] == 0


def test_a_newer_log_finishes_no_first_line(rig: Rig) -> None:
    rig.append("svc.log", line(1)[:30])
    rig.append("svc_2.log", line(9))
    assert b"".join(rig.settle() for _ in range(5)) == line(9)
    rig.append("svc.log", line(1)[30:])
    assert rig.settle() == line(1)


def test_a_newer_log_waits_a_moment_for_a_line_in_the_making(rig: Rig) -> None:
    rig.append("svc.log", line(1) + line(2)[:30])
    rig.append("svc_2.log", line(9))
    assert rig.step(1.0) == line(1)
    rig.append("svc.log", line(2)[30:])
    assert rig.step(1.0) == line(2) + line(9)


@pytest.mark.parametrize("name", ["a.log.1", "a.log-20170214", "a.log.20170214", "a-20170213.log", "a.2017-02-13.log"])
def test_what_was_rotated_before_it_was_seen_first_is_complete(name: str, rig: Rig) -> None:
    rig.append(name, line(1) + b"half")
    rig.append("a.log", line(3))
    assert rig.settle() == line(1) + b"half" + line(3)


def test_what_was_rotated_while_nobody_looked_is_complete(rig: Rig) -> None:
    rig.append("a_1.log", line(1) + b"half")
    rig.step()
    rig.path("a_1.log").rename(rig.path("a_2.log"))
    rig.append("a_1.log", line(3))
    rig.restart()
    assert rig.settle() == b"half" + line(3)


def test_what_was_removed_is_complete(rig: Rig) -> None:
    rig.append("a.log", line(1) + b"half")
    rig.step()
    rig.remove("a.log")
    assert rig.settle() == b"half"


def test_a_quiet_older_log_is_closed_and_opened_again(rig: Rig) -> None:
    rig.append("svc.log", line(1))
    rig.append("svc_2.log", line(9))
    assert rig.settle() == line(1) + line(9)
    assert rig.tail.levels[0] == 1
    rig.append("svc.log", line(10))
    assert rig.settle() == line(10)


def test_what_was_rotated_is_complete_before_the_log_is_there_again(rig: Rig) -> None:
    rig.append("a.log.2", line(1) + b"half")
    rig.append("a.log.1", line(3))
    assert rig.settle() == line(1) + b"half" + line(3)


@pytest.mark.parametrize("name", ["a.log.gz", "a.log.1.gz", "b.log.gz"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_packed_copy_of_the_beginning_is_read_once(rig: Rig, name: str, restart: bool) -> None:
    rig.append("a.log", line(1) + line(2))
    assert rig.step() == line(1) + line(2)
    rig.path(name).write_bytes(gzip.compress(line(1) + line(2)))
    if restart:
        rig.restart()
    rig.append("a.log", line(3))
    assert b"".join(rig.step() for _ in range(10)) == line(3)
    rig.append("a.log", line(4))
    assert b"".join(rig.step() for _ in range(10)) == line(4)
    assert rig.tail.problems == {}
