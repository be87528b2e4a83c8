"""Reading a log: lines and offsets whatever the reads, and gzip to its last readable byte."""

import gzip
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.errors import RunError
from shipper.model import Chunk
from shipper.read.files import (
    GZIP_MAGIC,
    Read,
    after,
    encoding_of,
    open_bytes,
    read_chunks,
    size_of,
    skip_mark,
)
from shipper.read.lines import last_newline, next_newline

ENCODINGS = ["utf-8", "utf-16-le", "utf-16-be"]
# In UTF-16, U+0A00 and U+0D00 hold the bytes of LF and CR; U+0A0D and U+0D0A those of both.
PIECES = ["\n", "\r", "\r\n", "a", "bc", "é", "👤", "\u0a00", "\u0d00", "\u0a0d", "\u0d0a", "\u000b", "\u2028", "\x00", "|"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
Line = tuple[int, bytes, bool]  # offset, the line without its end, whether it was cut


def model(data: bytes, encoding: str, limit: int, offset: int) -> list[Line]:
    """The lines of a whole file, read off the contract: an LF ends a line, and one CR before it belongs to the end."""
    unit = len("\n".encode(encoding))
    units = [data[at : at + unit] for at in range(0, len(data), unit)]
    lines: list[Line] = []
    start = 0
    for at, character in enumerate([*units, b""]):
        ended = character == "\n".encode(encoding)
        if not ended and character:
            continue
        if not ended and start == at:
            break
        stop = at - 1 if ended and at > start and units[at - 1] == "\r".encode(encoding) else at
        line = b"".join(units[start:stop])
        most = max(unit, limit // unit * unit)
        lines.append((offset + start * unit, line[:most], len(line) > most))
        start = at + 1
    return lines


def lines_of(chunks: list[Chunk], encoding: str) -> list[Line]:
    """The lines of chunks, and a check that chunks are what `Chunk` says."""
    newline, carriage_return = "\n".encode(encoding), "\r".encode(encoding)
    unit = len(newline)
    lines: list[Line] = []
    for number, (data, offset, cut) in enumerate(chunks):
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
            lines.append(
                (offset + at, line[:-unit] if ended and line.endswith(carriage_return) and len(line) % unit == 0 else line, False)
            )
            at = stop + unit
    return lines


def reader(data: bytes, sizes: list[int] | None = None) -> Read:
    """Gives at most the bytes asked for, and fewer where `sizes` says so, as a pipe does."""
    at, turn = 0, 0

    def read(size: int) -> bytes:
        nonlocal at, turn
        if sizes:
            size = min(size, sizes[turn % len(sizes)])
            turn += 1
        part = data[at : at + size]
        at += len(part)
        return part

    return read


def chunks(data: bytes, encoding: str = "utf-8", size: int = 65536, limit: int = 1024, offset: int = 0) -> list[Line]:
    return lines_of(list(read_chunks(reader(data), offset, encoding, size, limit)), encoding)


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
    read = reader(data, sizes)

    assert lines_of(list(read_chunks(read, 3, encoding, size, limit)), encoding) == model(data, encoding, limit, 3)


@given(
    st.lists(st.sampled_from([b"\n", b"\r", b"\x00", b"\x0a\x00", b"\x00\x0a", b"\x0d\x00", b"\xff", b"a"]), max_size=30).map(
        b"".join
    )
)
def test_bytes_that_are_no_text_give_the_lines_of_the_model(data: bytes) -> None:
    for encoding in ENCODINGS:
        for limit in (2, 6, 100):
            assert lines_of(list(read_chunks(reader(data, [1, 3]), 0, encoding, 5, limit)), encoding) == model(
                data, encoding, limit, 0
            )


@given(TEXTS, st.sampled_from(ENCODINGS), st.integers(1, 16))
def test_lines_that_fit_come_back_as_the_bytes_that_were_read(text: str, encoding: str, size: int) -> None:
    data = text.encode(encoding)

    assert b"".join(chunk.data for chunk in read_chunks(reader(data), 0, encoding, size, 1000)) == data


def test_empty_file_has_no_line() -> None:
    assert list(read_chunks(reader(b""))) == []


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


def test_memory_is_bounded_by_the_limit_for_a_file_of_one_line() -> None:
    asked: list[int] = []
    left = 200

    def read(size: int) -> bytes:
        nonlocal left
        asked.append(size)
        left -= 1
        return b"x" * size if left else b""

    assert [(c.offset, len(c.data), c.cut) for c in read_chunks(read, size=1 << 20, limit=4096)] == [(0, 4096, True)]
    assert max(asked) <= 4096


def test_limit_of_utf_16_is_whole_characters() -> None:
    assert chunks("abcdef\n".encode("utf-16-le"), "utf-16-le", limit=5) == [(0, "ab".encode("utf-16-le"), True)]


def test_what_was_read_before_a_failure_comes_first() -> None:
    def read(size: int) -> bytes:
        return parts.pop(0) if parts else fail()

    def fail() -> bytes:
        raise RunError("the device fails")

    parts = [b"one\ntw", b"o\nthree"]
    seen: list[Chunk] = []
    with pytest.raises(RunError, match="the device fails"):
        collect(read_chunks(read), seen)
    assert lines_of(seen, "utf-8") == [(0, b"one", False), (4, b"two", False), (8, b"three", False)]


def collect(chunks: Iterator[Chunk], seen: list[Chunk]) -> None:
    """Append to `seen` one by one, so that it holds what came before an error."""
    for chunk in chunks:
        seen.append(chunk)  # noqa: PERF402


@given(st.binary(max_size=30), st.sampled_from(["\n".encode(e) for e in ENCODINGS]), st.integers(0, 15))
def test_newlines_are_found_on_character_boundaries(data: bytes, newline: bytes, start: int) -> None:
    unit = len(newline)
    start *= unit
    found = [at for at in range(0, len(data), unit) if data[at : at + unit] == newline]

    assert last_newline(data, newline) == (found[-1] if found else -1)
    assert next_newline(data, newline, start) == next((at for at in found if at >= start), -1)


# Byte order marks


@pytest.mark.parametrize(
    ("head", "encoding", "length"),
    [
        (b"", "utf-8", 0),
        (b"2017", "utf-8", 0),
        (b"\xef\xbb\xbf2", "utf-8", 3),
        (b"\xef\xbb", "utf-8", 0),
        (b"\xff\xfe2\x00", "utf-16-le", 2),
        (b"\xfe\xff\x002", "utf-16-be", 2),
        (b"\xff\xfe", "utf-16-le", 2),
        (b"\xff", "utf-8", 0),
    ],
)
def test_byte_order_mark_tells_the_encoding_and_is_read_past(head: bytes, encoding: str, length: int) -> None:
    assert encoding_of(head) == (encoding, length)
    for sizes in ([1], [2], [100]):
        read, skipped = skip_mark(reader(head + b"rest", sizes))
        rest = b"".join(iter(lambda read=read: read(2), b""))  # type: ignore[misc]
        assert (skipped, rest) == (encoding_of(head + b"rest")[1], (head + b"rest")[encoding_of(head + b"rest")[1] :])


def test_after_gives_the_head_first_and_never_more_than_asked() -> None:
    read = after(b"abc", reader(b"def"))

    assert [read(2), read(2), read(2), read(2), read(2)] == [b"ab", b"c", b"de", b"f", b""]


# gzip


def read_file(path: Path, size: int = 1000) -> tuple[bytes, str]:
    """What a file gives, and the error at its end (empty for none)."""
    parts: list[bytes] = []
    try:
        with open_bytes(str(path)) as read:
            while part := read(size):
                assert len(part) <= size
                parts.append(part)
    except RunError as error:
        return b"".join(parts), str(error)
    return b"".join(parts), ""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    def writing(data: bytes) -> Path:
        path = tmp_path / "a.log"
        path.write_bytes(data)
        return path

    return writing


LOG = b"".join(b"2017-02-14T02:57:%02d.%06dZ|0|1412|6452|pfrad|line\n" % (n % 60, n * 7919 % 1_000_000) for n in range(400))


@pytest.mark.parametrize("data", [b"", b"\x1f", b"\x8b\x1f", b"plain\n", b"\x1f\n\x8b"])
def test_file_without_gzip_magic_is_plain_whatever_its_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.log.gz").write_bytes(data)

    assert read_file(tmp_path / "a.log.gz") == (data, "")


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_gzip_is_recognized_by_its_magic_whatever_its_name(write: Callable[[bytes], Path], size: int) -> None:
    assert read_file(write(gzip.compress(LOG)), size) == (LOG, "")
    assert read_file(write(gzip.compress(b"")), size) == (b"", "")


def test_gzip_that_expands_a_thousandfold_is_read_in_small_parts(write: Callable[[bytes], Path]) -> None:
    assert read_file(write(gzip.compress(b"a" * 5_000_000)), 4096) == (b"a" * 5_000_000, "")


def test_gzip_of_several_members_is_one_text(write: Callable[[bytes], Path]) -> None:
    parts = [LOG[:1000], b"", LOG[1000:], b"end"]

    assert read_file(write(b"".join(map(gzip.compress, parts)))) == (b"".join(parts), "")


def test_padding_behind_a_member_is_no_data(write: Callable[[bytes], Path]) -> None:
    """As tape tools leave it; also where another member follows, and where the padding fills whole reads."""
    member = gzip.compress(LOG)

    assert read_file(write(member + b"\0" * 512)) == (LOG, "")
    assert read_file(write(member + b"\0" * 200_000)) == (LOG, "")
    assert read_file(write(member + b"\0" * 512 + member)) == (LOG + LOG, "")


def test_garbage_behind_the_last_member_is_an_error_after_all_that_is_readable(write: Callable[[bytes], Path]) -> None:
    path = write(gzip.compress(LOG) + b"garbage")

    data, error = read_file(path)
    assert data == LOG
    assert error.startswith(f"{path}: damaged gzip data before compressed byte ")


def test_truncated_gzip_gives_what_is_readable_and_then_an_error(write: Callable[[bytes], Path]) -> None:
    """At every place where it can be cut; without its check sum, all of the text is there."""
    member = gzip.compress(LOG)
    before = 0
    for length in range(len(GZIP_MAGIC), len(member)):
        path = write(member[:length])
        data, error = read_file(path)
        assert error == f"{path}: the gzip file ends too early, after {length} compressed bytes"
        assert LOG.startswith(data)
        assert len(data) >= before
        before = len(data)
    assert before == len(LOG)


def test_second_member_may_be_the_truncated_one(write: Callable[[bytes], Path]) -> None:
    data, error = read_file(write(gzip.compress(LOG) + gzip.compress(LOG)[:12]))

    assert data == LOG
    assert "ends too early" in error


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_damaged_gzip_gives_what_stands_before_the_damage(write: Callable[[bytes], Path], size: int) -> None:
    packer = zlib.compressobj(wbits=31)
    sound = packer.compress(LOG) + packer.flush(zlib.Z_FULL_FLUSH)
    path = write(sound + b"\x07 no block begins like this")

    data, error = read_file(path, size)
    assert data == LOG
    assert "damaged gzip data before compressed byte" in error


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_wrong_check_sum_is_an_error_after_all_of_the_text(write: Callable[[bytes], Path], size: int) -> None:
    member = gzip.compress(LOG)

    data, error = read_file(write(member[:-8] + b"\0\0\0\0" + member[-4:]), size)
    assert data == LOG
    assert "incorrect data check" in error


def test_error_of_a_damaged_file_is_told_again_when_asked_again(write: Callable[[bytes], Path]) -> None:
    member = gzip.compress(b"text")
    with open_bytes(str(write(member[:-8] + b"\0\0\0\0" + member[-4:]))) as read:
        assert read(100) == b"text"
        for _ in range(2):
            with pytest.raises(RunError, match="incorrect data check"):
                read(100)


def test_lines_of_a_truncated_gzip_are_shipped_before_the_error(write: Callable[[bytes], Path]) -> None:
    path = write(gzip.compress(b"one\ntwo\nthr")[:-8])
    seen: list[Chunk] = []

    with open_bytes(str(path)) as read, pytest.raises(RunError, match="ends too early"):
        collect(read_chunks(read), seen)
    assert lines_of(seen, "utf-8") == [(0, b"one", False), (4, b"two", False), (8, b"thr", False)]


# Files that cannot be read


def test_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught, open_bytes(str(tmp_path / "no")):
        pass
    assert str(caught.value) == f"cannot open {tmp_path / 'no'}: No such file or directory"
    assert caught.value.exit_status == 1


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught, open_bytes(str(tmp_path)):
        pass
    assert str(caught.value) == f"cannot open {tmp_path}: Is a directory"


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="a file whose first byte cannot be read")
def test_device_that_fails_while_reading() -> None:
    with open_bytes("/proc/self/mem") as read, pytest.raises(RunError) as caught:
        read(10)
    assert str(caught.value) == "cannot read /proc/self/mem: Input/output error"


def test_size_is_known_of_plain_files_only(tmp_path: Path, write: Callable[[bytes], Path]) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert size_of(str(write(b"12345"))) == 5
    assert size_of(str(write(b""))) == 0
    assert size_of(str(write(gzip.compress(b"12345")))) is None
    assert size_of("-") is None
    assert size_of(str(tmp_path)) is None
    assert size_of(str(tmp_path / "pipe")) is None


# Standard input

COPY = """
import sys
from shipper.read.files import open_bytes
with open_bytes("-") as unused, open_bytes("-") as read:
    sys.stdout.buffer.write(read(100_000))
    sys.stdout.buffer.flush()
    while part := read(7):
        sys.stdout.buffer.write(part)
"""


@pytest.mark.parametrize(
    "data", [b"", b"plain\n" * 1000, gzip.compress(b"plain\n" * 1000, mtime=0)], ids=["empty", "plain", "gzip"]
)
def test_standard_input_is_read_like_a_file_and_opening_it_takes_nothing(data: bytes) -> None:
    done = subprocess.run([sys.executable, "-c", COPY], input=data, capture_output=True, check=True, timeout=60)

    assert done.stdout == (gzip.decompress(data) if data.startswith(GZIP_MAGIC) else data)


def test_pipe_that_does_not_block_is_waited_for() -> None:
    """A reader that takes `nothing yet` for the end would lose what comes later."""
    out, into = os.pipe()
    os.set_blocking(out, False)
    with subprocess.Popen([sys.executable, "-c", COPY], stdin=out, stdout=subprocess.PIPE) as child:
        os.close(out)
        assert child.stdout is not None
        os.write(into, b"first")
        assert child.stdout.read(5) == b"first"  # by now it asks again
        os.write(into, b"second")
        os.close(into)
        assert child.stdout.read() == b"second"
        assert child.wait(60) == 0


def test_closed_standard_input_is_an_error() -> None:
    program = "import sys; sys.stdin = None\nfrom shipper.read.files import open_bytes\nwith open_bytes('-'): pass"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 1
    assert done.stderr.endswith("shipper.errors.RunError: cannot read standard input: it is closed\n")
