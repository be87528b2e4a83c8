"""What is a line, who a file is, and in which order files are read."""

import gzip
import os
from collections.abc import Callable
from itertools import pairwise

import pytest

from shipper.read.files import open_bytes
from shipper.read.identity import identify
from tests.support.tail_rig import Rig, line


def test_a_partial_last_line_waits(rig: Rig) -> None:
    rig.append("a.log", line(1) + line(2)[:-5])
    assert rig.step() == line(1)
    assert rig.settle() == b""
    rig.append("a.log", line(2)[-5:])
    assert rig.step() == line(2)


def test_a_partial_last_line_is_shipped_when_rotated_away(rig: Rig) -> None:
    rig.append("a.log", line(1) + b"half")
    assert rig.step() == line(1)
    rig.path("a.log").rename(rig.path("a.log.1"))
    rig.append("a.log", line(3))
    assert rig.step() == b""  # it may still grow, and comes before the new file
    assert rig.step(6.0) == b"half" + line(3)


def test_a_first_line_in_the_making_waits(rig: Rig) -> None:
    rig.append("a.log", b"\xef\xbb")
    assert rig.settle() == b""
    rig.append("a.log", b"\xbfno stamp\n" + line(1)[:-1])
    assert rig.settle() == b""
    rig.append("a.log", b"\n")
    assert rig.step() == b"no stamp\n" + line(1)
    assert rig.out[0][1] == 3


def test_without_a_stamp_64_kib_suffice(rig: Rig) -> None:
    rig.append("a.log", b"nothing\n" * 8191)
    assert rig.settle() == b""
    rig.append("a.log", b"nothing\n")
    assert rig.step() == b"nothing\n" * 8192


def test_without_a_stamp_rotation_suffices(rig: Rig) -> None:
    rig.append("a.log", b"nothing\n")
    rig.step()
    rig.path("a.log").rename(rig.path("a.log.1"))
    assert rig.settle() == b"nothing\n"


@pytest.mark.parametrize(
    "content", [line(1) + line(2), b"a\n" + line(1), b"\xff\xfe" + (line(1) + line(2)).decode().encode("utf-16-le")]
)
def test_who_a_file_is_agrees_with_parse(rig: Rig, content: bytes) -> None:
    rig.append("a.log", content)
    rig.step()
    path = str(rig.path("a.log"))
    with open_bytes(path) as read:
        file = identify(path, read, "")
    (position,) = rig.positions.values()
    assert (position.fingerprint, position.time, position.encoding) == (file.fingerprint, file.time, file.encoding)
    assert position.offset == position.size == len(content)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16(make: Callable[..., Rig], encoding: str) -> None:
    rig = make(options={"read_size": 50})
    mark = "\ufeff".encode(encoding)
    text = (line(1) + line(2)).decode() + "\u0a0a\n"  # has the byte of LF in both halves
    data = text.encode(encoding)
    rig.append("a.log", mark + data[:-1])
    assert rig.step() == (line(1) + line(2)).decode().encode(encoding)
    rig.append("a.log", data[-1:])
    assert rig.step() == "\u0a0a\n".encode(encoding)
    rig.restart()
    assert rig.settle() == b""


def test_a_long_utf16_line_may_stop_inside_a_character(make: Callable[..., Rig]) -> None:
    rig = make(options={"read_size": 16})
    first, long = ("\ufeff" + line(1).decode()).encode("utf-16-le"), ("x" * 100 + "\n").encode("utf-16-le")
    rig.append("a.log", first + long[:151])
    assert rig.step() == first[2:]
    rig.append("a.log", long[151:])
    assert rig.step() == long


def test_half_a_character_that_looks_like_a_line_end_is_none(rig: Rig) -> None:
    data = ("\ufeff" + line(1).decode().rstrip("\n") + "\u0a41\u4100\n").encode("utf-16-le")
    at = data.index(b"\x41\x0a\x00\x41") + 3
    rig.append("a.log", data[:at])  # the last two bytes are those of LF, but on an odd offset
    assert rig.step() == b""
    rig.append("a.log", data[at:])
    assert rig.step() == data[2:]
    assert rig.tail.truncations == 0


def test_a_given_encoding_without_mark(make: Callable[..., Rig]) -> None:
    rig = make(encoding="utf-16-le")
    rig.append("a.log", line(1).decode().encode("utf-16-le"))
    assert rig.step() == line(1).decode().encode("utf-16-le")
    assert next(iter(rig.positions.values())).encoding == "utf-16-le"


@pytest.mark.parametrize("read_size", [16, 50, 100, 16384])
def test_a_line_over_the_limit_is_cut_when_its_end_is_there(make: Callable[..., Rig], read_size: int) -> None:
    rig = make(options={"line_limit": 100, "read_size": read_size})
    rig.append("a.log", line(1) + b"z" * 5000)
    assert rig.step() == line(1)
    rig.append("a.log", b"z" * 5000 + b"\n" + line(2))
    assert rig.step() == b"z" * 100 + line(2)
    assert rig.out[-1][1] == len(line(1)) + 10001
    rig.restart()
    assert rig.settle() == b""


def test_lines_at_the_limit_are_whole(make: Callable[..., Rig]) -> None:
    rig = make(options={"line_limit": 100, "read_size": 16})
    data = line(1) + b"a" * 100 + b"\r\n" + b"b" * 100 + b"\n" + b"c" * 101 + b"\n"
    rig.append("a.log", data)
    assert rig.step() == data[:-2]


def test_gzip_is_known_by_its_first_bytes(rig: Rig) -> None:
    rig.path("a.log").write_bytes(gzip.compress(line(1)) + gzip.compress(line(2) + b"end"))
    assert rig.step() + rig.settle() == line(1) + line(2) + b"end"
    assert rig.settle() == b""


@pytest.mark.parametrize("known_as", ["empty", "one byte"])
def test_gzip_is_known_when_its_first_bytes_come_late(rig: Rig, known_as: str) -> None:
    """The compressor makes the file before it writes to it; what the search finds then is no plain file."""
    rig.append("a.log.1", line(1))
    assert rig.step() == line(1)
    rig.append("a.log.1", line(2))
    rig.path("a.log.1.gz").write_bytes(b"" if known_as == "empty" else b"\x1f")
    assert rig.step() == line(2)
    rig.path("a.log.1.gz").write_bytes(gzip.compress(line(1) + line(2) + line(3)))
    rig.remove("a.log.1")
    assert rig.settle() == line(3)
    assert rig.tail.problems == {}


def test_a_large_gzip_whose_first_bytes_come_late_is_no_garbage(rig: Rig) -> None:
    text = b"".join(line(n % 60, os.urandom(60).hex()) for n in range(2000))
    rig.path("a.log.1.gz").write_bytes(b"")
    assert rig.step() == b""
    rig.path("a.log.1.gz").write_bytes(gzip.compress(text))
    assert rig.settle() == text


def test_a_truncated_gzip_ships_what_is_readable_and_says_so(rig: Rig) -> None:
    whole = gzip.compress(b"".join(line(n % 60, os.urandom(30).hex()) for n in range(2000)))
    rig.path("a.log.1.gz").write_bytes(whole[: len(whole) // 2])
    got = rig.settle()
    assert len(got) > 20_000
    assert gzip.decompress(whole).startswith(got)
    (problem,) = rig.tail.problems.values()
    assert "the gzip file ends too early" in problem
    rig.path("a.log.1.gz").write_bytes(whole)
    assert got + rig.settle() == gzip.decompress(whole)
    assert rig.tail.problems == {}


def test_start_end_skips_only_what_was_there_first(make: Callable[..., Rig]) -> None:
    rig = make(start="end")
    rig.append("a.log", line(1) + line(2)[:9])
    rig.path("a.log.1.gz").write_bytes(gzip.compress(line(0)))
    assert rig.step() == b""
    rig.append("a.log", line(2)[9:])
    rig.append("b.log", line(3))
    assert sorted(rig.step().splitlines(keepends=True)) == [line(2), line(3)]
    rig.append("a.log", line(4))
    rig.restart()
    assert rig.step() == line(4)


def test_start_end_goes_on_from_a_place(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.append("a.log", line(1))
    rig.step()
    rig.append("a.log", line(2))
    rig.start = "end"
    rig.restart()
    assert rig.step() == line(2)


def test_sources_take_turns(make: Callable[..., Rig]) -> None:
    rig = make(options={"read_size": 64})
    for name in ("a.log", "b.log", "c.log"):
        rig.append(name, line(1, name) + line(2, name) * 50)
    rig.step()
    order = [key for key, _, _ in rig.out]
    assert len(set(order)) == 3
    assert all(one != other for one, other in pairwise(order[:100]))


def test_lag_counts_what_is_not_read(rig: Rig) -> None:
    rig.append("a.log", line(1))
    rig.step()
    rig.append("a.log", line(2) + line(3))
    rig.time += 2
    rig.tail.look()
    assert rig.tail.levels[1] == 2 * len(line(2))


def test_replay_gives_the_past_up_to_where_read_goes_on(rig: Rig) -> None:
    rig.append("a.log", line(1) + line(2))
    rig.step()
    key = next(iter(rig.positions))
    rig.path("a.log").rename(rig.path("a.log.1"))
    rig.append("a.log", line(3))
    rig.step()
    rig.restart()
    rig.append("a.log", line(4))
    rig.tail.look()
    source = rig.positions[key].source
    past = list(rig.tail.replay(source, key, len(line(1))))
    assert b"".join(one.chunk.data for one in past) == line(2) + line(3)
    assert source not in rig.tail.past_lost
    assert rig.step() == line(4)


def test_replay_of_a_file_whose_only_line_has_no_end(rig: Rig) -> None:
    """It is under another name by then, and whether it is complete is not known yet."""
    rig.append("a.log", line(1)[:-1])
    rig.step()
    rig.path("a.log").rename(rig.path("a.log.1"))
    assert rig.settle() == line(1)[:-1]
    key = next(iter(rig.positions))
    rig.path("a.log.1").rename(rig.path("a.log.2"))
    rig.append("a.log", line(2))
    rig.restart()
    rig.tail.look()
    source = rig.positions[key].source
    assert b"".join(reading.chunk.data for reading in rig.tail.replay(source, key, 0)) == line(1)[:-1]
    assert source not in rig.tail.past_lost


def test_replay_of_a_past_that_is_gone(rig: Rig) -> None:
    rig.append("a.log", line(1) + line(2))
    rig.step()
    key = next(iter(rig.positions))
    rig.remove("a.log")
    rig.append("a.log", line(3))
    rig.step()
    rig.restart()
    rig.tail.look()
    source = rig.positions[key].source
    assert b"".join(one.chunk.data for one in rig.tail.replay(source, key, 0)) == line(3)
    assert source in rig.tail.past_lost
