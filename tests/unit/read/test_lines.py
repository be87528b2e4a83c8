"""What a line is, however the bytes come: against a reading of the contract that takes one character at a time."""

import gzip
import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.model import Chunk
from shipper.read.compression import Unpacked
from shipper.read.content import BEHIND
from shipper.read.files import LINE_LIMIT, READ_SIZE, Read, read_chunks
from shipper.read.line_search import A_CALL
from shipper.read.lines import LineBuffer, LineRules, Taken, last_newline, next_newline, split
from tests.support.tail_rig import Rig, line

MB = 1_000_000
ENCODINGS = ["utf-8", "utf-16-le", "utf-16-be"]
# In UTF-16, U+0A00 and U+0D00 hold the bytes of LF and CR; U+0A0D and U+0D0A those of both.
PIECES = [
    "\n",
    "\r",
    "\r\n",
    "a",
    "bc",
    "é",
    "👤",
    "\u0a00",
    "\u0d00",
    "\u0a0d",
    "\u0d0a",
    "\u000b",
    "\u2028",
    "\x00",
    "\ufeff",
    "|",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
Line = tuple[int, bytes, bool]  # offset, the line without its end, whether it was cut


def lead_of(line: bytes, encoding: str) -> int:
    """Bytes of the NULs and byte order marks with which a line begins."""
    at, parts = 0, ("\0".encode(encoding), "\ufeff".encode(encoding))
    while size := next((len(part) for part in parts if line.startswith(part, at)), 0):
        at += size
    return at


def model(data: bytes, encoding: str, limit: int, offset: int) -> list[Line]:
    """The lines of a whole file, read off the contract: an LF ends a line, and one CR before it belongs to the end."""
    newline, carriage_return = "\n".encode(encoding), "\r".encode(encoding)
    unit = len(newline)
    units = [data[at : at + unit] for at in range(0, len(data), unit)]
    lines: list[Line] = []
    start = 0
    for at, character in enumerate([*units, b""]):
        ended = character == newline
        if not ended and character:
            continue
        line = b"".join(units[start:at])
        lead = lead_of(line, encoding)
        line = line[lead:]
        if not ended and not line:
            break
        if ended and line.endswith(carriage_return):
            line = line[:-unit]
        most = max(unit, limit // unit * unit)
        lines.append((offset + start * unit + lead, line[:most], len(line) > most))
        start = at + 1
    return lines


def lines_of(chunks: list[Chunk], encoding: str) -> list[Line]:
    """The lines of chunks, and a check that chunks are what `Chunk` says."""
    newline, carriage_return = "\n".encode(encoding), "\r".encode(encoding)
    unit = len(newline)
    lines: list[Line] = []
    for number, (data, offset, cut, *_) in enumerate(chunks):
        if cut:
            lines.append((offset, data, True))
            continue
        assert data
        at = 0
        while at < len(data):
            stop = at
            while stop < len(data) and data[stop : stop + unit] != newline:
                stop += unit
            ended = stop < len(data)
            assert ended or number == len(chunks) - 1
            line = data[at:stop]
            lead = lead_of(line, encoding)
            line = line[lead:]
            if ended and line.endswith(carriage_return) and len(line) % unit == 0:
                line = line[:-unit]
            if line or ended:
                lines.append((offset + at + lead, line, False))
            at = stop + unit
    return lines


def short_reads(data: bytes, sizes: list[int]) -> Read:
    """Reads that give fewer bytes than asked for, as those of a pipe may."""
    stream, most = BytesIO(data), cycle(sizes)
    return lambda size: stream.read(min(size, next(most)))


def chunks(data: bytes, encoding: str = "utf-8", size: int = 65536, limit: int = 1024, offset: int = 0) -> list[Line]:
    return lines_of(list(read_chunks(BytesIO(data).read, offset, encoding, size, limit)), encoding)


# Lines and offsets


@given(
    TEXTS,
    st.sampled_from(ENCODINGS),
    st.integers(1, 40),
    st.integers(1, 16),
    st.lists(st.integers(1, 9), max_size=5),
    st.binary(max_size=1),
)
def test_any_read_size_gives_the_lines_of_the_model(
    text: str, encoding: str, size: int, limit: int, sizes: list[int], tail: bytes
) -> None:
    """For every encoding, with lines too long, and with half a character at the end."""
    data = text.encode(encoding) + tail
    assert lines_of(list(read_chunks(short_reads(data, sizes or [size]), 3, encoding, size, limit)), encoding) == model(
        data, encoding, limit, 3
    )


@given(
    st.lists(st.sampled_from([b"\n", b"\r", b"\x00", b"\x0a\x00", b"\x00\x0a", b"\x0d\x00", b"\xff", b"a"]), max_size=30).map(
        b"".join
    )
)
def test_bytes_that_are_no_text_give_the_lines_of_the_model(data: bytes) -> None:
    for encoding in ENCODINGS:
        for limit in (2, 6, 100):
            assert lines_of(list(read_chunks(short_reads(data, [1, 3]), 0, encoding, 5, limit)), encoding) == model(
                data, encoding, limit, 0
            )


@given(TEXTS, st.sampled_from(ENCODINGS), st.integers(1, 16))
def test_lines_that_fit_come_back_as_the_bytes_that_were_read(text: str, encoding: str, size: int) -> None:
    data = text.replace("\0", "").replace("\ufeff", "").encode(encoding)

    assert b"".join(chunk.data for chunk in read_chunks(BytesIO(data).read, 0, encoding, size, 1000)) == data


def test_empty_file_has_no_line() -> None:
    assert list(read_chunks(BytesIO().read)) == []


def test_last_line_may_lack_its_end() -> None:
    assert chunks(b"a\nb") == [(0, b"a", False), (2, b"b", False)]
    assert chunks(b"a\nb\r") == [(0, b"a", False), (2, b"b\r", False)]


def test_empty_line_is_a_line() -> None:
    assert chunks(b"\n\r\n\n") == [(0, b"", False), (1, b"", False), (3, b"", False)]


def test_one_cr_belongs_to_the_line_end_and_others_to_the_line() -> None:
    assert chunks(b"a\r\r\nb\rc\r\n") == [(0, b"a\r", False), (4, b"b\rc", False)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 1000])
def test_line_of_exactly_the_limit_is_whole_and_one_byte_more_is_cut(end: bytes, size: int) -> None:
    assert chunks(b"12345678" + end, size=size, limit=8) == [(0, b"12345678", False)]
    assert chunks(b"123456789" + end, size=size, limit=8) == [(0, b"12345678", True)]


@pytest.mark.parametrize("size", [1, 3, 8, 9, 1000])
def test_cr_behind_the_limit_counts_unless_a_line_end_follows(size: int) -> None:
    assert chunks(b"12345678\r\n", size=size, limit=8) == [(0, b"12345678", False)]
    assert chunks(b"12345678\r", size=size, limit=8) == [(0, b"12345678", True)]
    assert chunks(b"12345678\r\r\n", size=size, limit=8) == [(0, b"12345678", True)]
    assert chunks(b"12345678\rx\n", size=size, limit=8) == [(0, b"12345678", True)]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_character_with_the_byte_of_a_cr_is_no_cr(encoding: str) -> None:
    assert chunks("abc\u0d00\n".encode(encoding), encoding, limit=6) == [(0, "abc".encode(encoding), True)]
    assert chunks("abc\r\n".encode(encoding), encoding, limit=6) == [(0, "abc".encode(encoding), False)]


@pytest.mark.parametrize("size", [1, 2, 5, 8, 64, 1000])
def test_rest_of_a_long_line_is_skipped_and_the_next_line_is_whole(size: int) -> None:
    assert chunks(b"ok\n" + b"x" * 100 + b"\nnext\n", size=size, limit=8) == [
        (0, b"ok", False),
        (3, b"xxxxxxxx", True),
        (104, b"next", False),
    ]


@pytest.mark.parametrize("size", [1, 5, 8, 1000])
def test_long_lines_may_follow_each_other_and_end_the_file(size: int) -> None:
    data = b"x" * 20 + b"\n" + b"y" * 20 + b"\r\n" + b"z" * 20

    assert chunks(data, size=size, limit=8) == [(0, b"x" * 8, True), (21, b"y" * 8, True), (43, b"z" * 8, True)]


def test_limit_of_utf_16_is_whole_characters() -> None:
    assert chunks("abcdef\n".encode("utf-16-le"), "utf-16-le", limit=5) == [(0, "ab".encode("utf-16-le"), True)]


@given(st.binary(max_size=30), st.sampled_from(["\n".encode(e) for e in ENCODINGS]), st.integers(0, 15))
def test_newlines_are_found_on_character_boundaries(data: bytes, newline: bytes, start: int) -> None:
    unit = len(newline)
    start *= unit
    found = [at for at in range(0, len(data), unit) if data[at : at + unit] == newline]

    assert last_newline(data, newline) == (found[-1] if found else -1)
    assert next_newline(data, newline, start) == next((at for at in found if at >= start), -1)


@given(st.binary(max_size=30), st.sampled_from(["\n".encode(e) for e in ENCODINGS]), st.integers(0, 15))
def test_searching_begins_where_it_is_told(data: bytes, newline: bytes, start: int) -> None:
    unit = len(newline)
    start *= unit
    behind = data[start:]

    for found, whole in (
        (last_newline(data, newline, start), last_newline(behind, newline)),
        (next_newline(data, newline, start), next_newline(behind, newline)),
    ):
        assert found == (whole + start if whole >= 0 else -1)


def test_searching_backwards_stops_where_it_is_told() -> None:
    data = b"\n\0x\n\0y"  # a line end, and its bytes on an odd offset

    assert last_newline(data, b"\n\0", 2) == -1
    assert last_newline(data, b"\n\0") == 0


@given(TEXTS, st.sampled_from(ENCODINGS), st.integers(0, 1000))
def test_lines_of_a_chunk(text: str, encoding: str, offset: int) -> None:
    data = text.encode(encoding)
    newline, ends = "\n".encode(encoding), []
    for part, at, ended in split(Chunk(data, offset), encoding):
        ends.append(ended)
        assert data[at - offset :].startswith(part + newline * ended)
        assert "\n" not in part.decode(encoding)
    assert ends == [True] * text.count("\n") + [False] * (text[-1:] not in ("", "\n"))


# A buffer: nothing waits longer than it must


@given(TEXTS, st.sampled_from(ENCODINGS), st.integers(1, 16), st.lists(st.integers(1, 16), min_size=1, max_size=5))
def test_what_is_whole_is_given_at_once(text: str, encoding: str, limit: int, sizes: list[int]) -> None:
    """After each piece: all lines that have their end, and beyond them at most the beginning of one that is too long."""
    rules, data, at = LineRules(encoding, limit), text.encode(encoding), 0
    lines = LineBuffer(rules, 7)
    given: list[Chunk] = []
    for size in cycle(sizes):
        given += lines.add(data[at : at + min(size, rules.limit)])
        at += min(size, rules.limit)
        whole = data[: last_newline(data[:at], rules.newline) + rules.unit]
        ended = model(whole[: rules.whole_characters(len(whole))] if rules.newline in whole else b"", encoding, limit, 7)
        got, whole_size = lines_of(given, encoding), len(whole) // rules.unit * rules.unit
        assert got[: len(ended)] == ended
        assert [(offset, cut) for offset, _, cut in got[len(ended) :]] in (
            [],
            [(7 + whole_size + lead_of(data[whole_size:], encoding), True)],
        )
        if at >= len(data):
            break
    assert lines_of([*given, *lines.finish()], encoding) == model(data, encoding, limit, 7)


def test_bytes_that_were_searched_are_not_searched_again() -> None:
    rules = LineRules("utf-8", 8)

    assert rules.whole(b"a\nb") == Taken(2, 2)
    assert rules.whole(b"a\nb", 2) is None
    assert rules.whole(b"a\n3456789", 2) is None  # a CR may have come last
    assert rules.whole(b"a\n34567890", 2) == Taken(8, None, cut=True)


# Memory and time


@contextmanager
def memory(most: int) -> Iterator[None]:
    """Fails if the block holds more bytes at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


@contextmanager
def seconds(most: float) -> Iterator[None]:
    """Fails if the block takes more time of this process."""
    begin = time.process_time()
    yield
    assert time.process_time() - begin < most


GIGABYTE = 1 << 30
ENDLESS = {
    "x": ("utf-8", b"x" * READ_SIZE),
    "carriage returns": ("utf-8", b"\r" * READ_SIZE),
    "UTF-16": ("utf-16-be", "山".encode("utf-16-be") * (READ_SIZE // 2)),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_line_of_a_gigabyte_takes_the_memory_of_its_beginning(kind: str) -> None:
    encoding, block = ENDLESS[kind]
    left = GIGABYTE // len(block)

    def read(size: int) -> bytes:
        nonlocal left
        assert size == len(block)
        left -= 1
        return block if left >= 0 else b""

    with memory(4 * LINE_LIMIT), seconds(20):
        assert [(chunk.offset, len(chunk.data), chunk.cut) for chunk in read_chunks(read, 0, encoding)] == [(0, LINE_LIMIT, True)]


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_hole_of_a_gigabyte_takes_no_memory_and_the_line_begins_behind_it(encoding: str) -> None:
    left = GIGABYTE // READ_SIZE

    def read(size: int) -> bytes:
        nonlocal left
        left -= 1
        return bytes(size) if left >= 0 else "a\n".encode(encoding) if left == -1 else b""

    with memory(LINE_LIMIT), seconds(20):
        assert list(read_chunks(read, 0, encoding)) == [Chunk("a\n".encode(encoding), GIGABYTE)]


def test_nuls_and_marks_before_a_line_are_no_part_of_it_and_do_not_count_for_its_length() -> None:
    mark = b"\xef\xbb\xbf"
    for size in (1, 3, 8, 100):
        assert chunks(b"\0\0" + mark + b"\x0012345678\n\0" + mark + b"9\n\0\n" + b"\0" * 20, size=size, limit=8) == [
            (6, b"12345678", False),
            (19, b"9", False),
            (22, b"", False),
        ]
    assert chunks(b"a\0\n" + mark[:2] + b"\n") == [(0, b"a\0", False), (3, mark[:2], False)]


@pytest.mark.parametrize(
    ("data", "size"),
    [
        ("x" * (LINE_LIMIT - 10), 1),  # half a second; searched and copied anew for each byte, it took ten
        ("\u0a41\u4100" * (LINE_LIMIT // 4 - 10), READ_SIZE),  # the bytes of a line end, but on odd offsets
    ],
)
def test_a_long_line_in_small_reads_takes_the_time_of_its_length(data: str, size: int) -> None:
    encoding = "utf-16-le" if size > 1 else "utf-8"
    content = data.encode(encoding)

    with seconds(4):
        assert list(read_chunks(short_reads(content, [size]), 0, encoding)) == [Chunk(content, 0)]


# A file that is followed: the same lines


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([*PIECES, "x" * 30, "山" * 40]), max_size=20).map("".join),
    st.sampled_from(ENCODINGS),
    st.integers(16, 100),
    st.integers(16, 100),
    st.lists(st.integers(1, 60), min_size=1, max_size=4),
    st.binary(max_size=1),
)
def test_a_file_that_grows_gives_the_lines_of_the_model(
    text: str, encoding: str, read_size: int, limit: int, sizes: list[int], tail: bytes
) -> None:
    mark = "\ufeff".encode(encoding)
    data = (line(1).decode() + text).encode(encoding) + tail
    with TemporaryDirectory() as folder:
        rig = Rig(Path(folder), {"read_size": read_size, "line_limit": limit})
        rig.append("a.log", mark)
        given: list[Chunk] = []
        growth, at = cycle(sizes), 0
        while at < len(data):
            size = next(growth)
            rig.append("a.log", data[at : at + size])
            at += size
            given += chunks_of(rig, 1.0)
        rig.path("a.log").rename(rig.path("a.log.1"))
        for _ in range(3):
            given += chunks_of(rig, 6.0)
        rig.tail.close()
    assert lines_of(given, encoding) == model(data, encoding, limit, len(mark))


def chunks_of(rig: Rig, wait: float) -> list[Chunk]:
    rig.time += wait
    rig.tail.look()
    return [reading.chunk for reading in iter(rig.tail.read, None)]


@pytest.mark.slow
def test_a_hole_of_a_gigabyte_in_a_followed_file(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.append("a.log", line(1))
    os.truncate(rig.path("a.log"), GIGABYTE)  # NULs that take no room on the disk
    rig.append("a.log", b"\n" + line(2))

    with memory(8 * LINE_LIMIT), seconds(30):
        steps = [rig.step() for _ in range(GIGABYTE // A_CALL + 2)]
    assert steps[0] == line(1)  # the hole takes several turns, in which others are read
    assert b"".join(steps) == line(1) + b"\n" + line(2)


def test_a_file_of_holes_keeps_nobody_waiting(make: Callable[..., Rig]) -> None:
    """Two hundred gigabytes that cost whoever makes them nothing."""
    rig = make()
    rig.append("a.log", b"")
    os.truncate(rig.path("a.log"), 200 * GIGABYTE)
    rig.append("b.log", line(1))
    with memory(8 * LINE_LIMIT), seconds(30):
        rig.time += 1
        assert b"".join(rig.step() for _ in range(3)) == line(1)
        rig.append("b.log", line(2))
        assert rig.step() == line(2)


def test_long_lines_of_a_compressed_file_are_unpacked_once(make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is longer than what is kept of the unpacked bytes, so that going back would mean to begin anew."""
    unpacked: list[int] = []
    inner = Unpacked.__call__

    def counted(self: Unpacked, size: int) -> bytes:
        data = inner(self, size)
        unpacked.append(len(data))
        return data

    monkeypatch.setattr(Unpacked, "__call__", counted)
    long = [line(number)[:-1] + b"x" * (2 * BEHIND + 1) + b"\n" for number in range(1, 5)]
    rig = make()
    rig.path("a.log.gz").write_bytes(gzip.compress(b"".join(long), 1))
    got = b"".join(rig.step() for _ in range(6))
    assert got == b"".join(whole[:LINE_LIMIT] for whole in long)
    assert sum(unpacked) < 2 * sum(map(len, long))  # who the file is was found out by reading its beginning


def test_a_hole_is_waited_at_until_something_stands_behind_it(make: Callable[..., Rig]) -> None:
    """A file may be made longer first and filled later."""
    rig = make(options={"read_size": 100})
    rig.append("a.log", line(1) + bytes(1000))
    assert rig.step() == line(1)
    with open(rig.path("a.log"), "r+b") as file:
        file.seek(len(line(1)))
        file.write(line(2) + line(3))
    rig.append("a.log", line(4))
    assert rig.step().replace(b"\0", b"") == line(2) + line(3) + line(4)


def test_a_hole_at_the_end_of_a_rotated_file_is_no_line(make: Callable[..., Rig]) -> None:
    rig = make(options={"read_size": 100})
    rig.append("a.log", line(1) + bytes(1000))
    rig.step()
    rig.path("a.log").rename(rig.path("a.log.1"))
    rig.append("a.log", line(2))
    assert rig.settle() == line(2)


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="needs a system that counts what is read")
def test_a_followed_line_that_grows_is_not_read_again_and_again(make: Callable[..., Rig]) -> None:
    rig = make(options={"line_limit": 10 * MB})
    rig.append("a.log", b"".join(map(line, range(10))))
    rig.step()

    before = bytes_read()
    for _ in range(1000):
        rig.append("a.log", b"x" * 2000)
        assert rig.step() == b""
    assert bytes_read() - before < 100 * MB  # a gigabyte, if each look read the whole line
    rig.append("a.log", b"\n")
    assert len(rig.step()) == 2 * MB + 1


def bytes_read() -> int:
    with open("/proc/self/io") as file:
        return int(file.readline().removeprefix("rchar: "))
