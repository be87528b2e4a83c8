"""Reading a file: byte order marks, gzip to its last readable byte, errors, standard input."""

import gzip
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipper.errors import RunError
from shipper.model import Chunk
from shipper.read.files import (
    Read,
    after,
    encoding_of,
    open_bytes,
    read_chunks,
    size_of,
    skip_mark,
)
from tests.support.said import ABSENT


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


def collect(chunks: Iterator[Chunk]) -> tuple[list[Chunk], str]:
    """All chunks that come before an error, and the error (empty for none)."""
    seen: list[Chunk] = []
    try:
        for chunk in chunks:
            seen.append(chunk)  # noqa: PERF402  one by one, so that it holds what came before an error
    except RunError as error:
        return seen, str(error)
    return seen, ""


def test_whole_lines_that_were_read_before_a_failure_come_first() -> None:
    parts = [b"one\ntw", b"o\nthree"]

    def read(size: int) -> bytes:
        if not parts:
            raise RunError("the device fails")
        return parts.pop(0)

    assert collect(read_chunks(read)) == (
        [Chunk(b"one\n", 0), Chunk(b"two\n", 4)],
        "the device fails",
    )


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
        ("2017-02-14T02:57".encode("utf-16-le"), "utf-16-le", 0),
        ("2017-02-14T02:57".encode("utf-16-be"), "utf-16-be", 0),
        ("[\r\n".encode("utf-16-le")[:-1], "utf-16-le", 0),  # an export; what is behind the line end may not be there yet
        ("[\r\n".encode("utf-16-be"), "utf-16-be", 0),
        ("[\n{".encode("utf-16-le"), "utf-16-le", 0),
        ("{\n".encode("utf-16-be"), "utf-16-be", 0),
        ("[".encode("utf-16-be"), "utf-16-be", 0),
        ("201é".encode("utf-16-le"), "utf-8", 0),
        (b"2\x000", "utf-8", 0),
        (b"2\x00\n\x00", "utf-8", 0),
        (b"2\x00\x000\x00", "utf-8", 0),
        (bytes(16), "utf-8", 0),
    ],
)
def test_the_first_bytes_tell_the_encoding_and_a_mark_is_read_past(head: bytes, encoding: str, length: int) -> None:
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
    for length in range(2, len(member)):
        path = write(member[:length])
        data, error = read_file(path)
        assert (
            error
            == f"{path}: the gzip file ends too early, after {length} compressed bytes; its whole lines up to there were read: get it once more"
        )
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


def test_whole_lines_of_a_truncated_gzip_are_shipped_before_the_error(write: Callable[[bytes], Path]) -> None:
    with open_bytes(str(write(gzip.compress(b"one\ntwo\nthr")[:-8]))) as read:
        chunks, error = collect(read_chunks(read))
    assert chunks == [Chunk(b"one\ntwo\n", 0)]
    assert "ends too early" in error


# Files that cannot be read


def test_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught, open_bytes(str(tmp_path / "no")):
        pass
    assert str(caught.value) in [f"cannot open {tmp_path / 'no'}: {said}" for said in ABSENT]
    assert caught.value.exit_status == 1


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught, open_bytes(str(tmp_path)):
        pass
    assert str(caught.value) == f"cannot open {tmp_path}: Is a directory"


@pytest.mark.posix("a file whose first byte cannot be read")
@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="a file whose first byte cannot be read")
def test_device_that_fails_while_reading() -> None:
    with open_bytes("/proc/self/mem") as read, pytest.raises(RunError) as caught:
        read(10)
    assert str(caught.value) == "cannot read /proc/self/mem: Input/output error"


def test_size_is_known_of_plain_files_only(tmp_path: Path, write: Callable[[bytes], Path]) -> None:
    assert size_of(str(write(b"12345"))) == 5
    assert size_of(str(write(b""))) == 0
    assert size_of(str(write(gzip.compress(b"12345")))) is None
    assert size_of("-") is None
    assert size_of(str(tmp_path)) is None
    assert size_of(os.devnull) is None


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

    assert done.stdout == (data if data[:5] in (b"", b"plain") else b"plain\n" * 1000)


@pytest.mark.posix("pipes that do not block")
def test_pipe_that_does_not_block_is_waited_for() -> None:
    """A reader that takes `nothing yet` for the end would lose what comes later."""
    out, into = os.pipe()
    os.set_blocking(out, False)
    with subprocess.Popen([sys.executable, "-c", COPY], stdin=out, stdout=subprocess.PIPE) as child:
        os.close(out)
        assert child.stdout is not None
        os.write(into, b"first\n")
        assert child.stdout.read(6) == b"first\n"  # by now it asks again
        os.write(into, b"second")
        os.close(into)
        assert child.stdout.read() == b"second"
        assert child.wait(60) == 0


def test_closed_standard_input_is_an_error() -> None:
    program = "import sys; sys.stdin = None\nfrom shipper.read.files import open_bytes\nwith open_bytes('-'): pass"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 1
    assert done.stderr.endswith("shipper.errors.RunError: cannot read standard input: it is closed\n")
