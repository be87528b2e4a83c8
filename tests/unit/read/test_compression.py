"""Compressed data of every form: all that is readable comes out, in bounded memory, whatever is wrong with it."""

import bz2
import gzip
import lzma
import random
import tracemalloc
from collections.abc import Callable
from io import BytesIO

import pytest
import zstandard

from shipper.errors import RunError
from shipper.read.compression import BLOCK, BOMB_RATIO, BOMB_SIZE, FORMS, STEP, Form, Unpacked, form_of

Pack = Callable[[bytes], bytes]
PACKERS: dict[str, Pack] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}
BY_NAME = {form.name: form for form in FORMS}
ALL = pytest.mark.parametrize("name", PACKERS)
LOG = b"".join(
    b"2017-02-14T02:57:%02d.%06dZ|0|1412|%d|pfrad|line\n" % (n % 60, n * 7919 % 1_000_000, n * 104_729 % 9973)
    for n in range(4000)
)


def unpack(form: Form, data: bytes, size: int = 5000, most: int = 1 << 30) -> tuple[bytes, str]:
    """What compressed data gives, read `most` bytes at a time, and the error at its end (empty for none)."""
    stream, parts = BytesIO(data), list[bytes]()
    unpacked = Unpacked(form, lambda wanted: stream.read(min(wanted, most)), "a.log")
    try:
        while part := unpacked(size):
            assert len(part) <= size
            parts.append(part)
    except RunError as error:
        return b"".join(parts), str(error)
    return b"".join(parts), ""


def drain(read: Unpacked, size: int) -> None:
    while read(size):
        pass


@ALL
def test_every_form_is_known_by_its_first_bytes(name: str) -> None:
    for data in (b"", LOG):
        packed = PACKERS[name](data)
        assert form_of(packed) == BY_NAME[name]
        assert unpack(BY_NAME[name], packed) == (data, "")


@pytest.mark.parametrize("head", [b"", b"2017", b"BZh9 is how some text begins", b"\x1f", b"(\xb5/", b"PK\3\4", b"\xfd7zXY\0"])
def test_what_is_not_compressed(head: bytes) -> None:
    assert form_of(head) is None


@ALL
@pytest.mark.parametrize("most", [1, 31, 100_000])
def test_members_on_end_with_padding_between_are_one_text(name: str, most: int) -> None:
    pack = PACKERS[name]
    packed = pack(LOG[:1000]) + pack(b"") + b"\0" * 8 + pack(LOG[1000:30_000]) + b"\0" * 40_000
    assert unpack(BY_NAME[name], packed, 700, most) == (LOG[:30_000], "")


def test_skippable_frames_hold_no_data() -> None:
    frame = b"\x5f\x2a\x4d\x18" + (40_000).to_bytes(4, "little") + b"x" * 40_000
    packed = frame + PACKERS["zstd"](LOG) + frame
    form = form_of(packed)
    assert form is BY_NAME["zstd"]
    assert unpack(form, packed) == (LOG, "")
    assert "ends too early" in unpack(form, packed[:-1])[1]


@pytest.mark.parametrize("content_size", [True, False])
@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("data", [b"", b"x", b"x" * 300, b"x" * 70_000, LOG, random.Random(1).randbytes(300_000)])
def test_frames_of_zstd_with_every_kind_of_head_and_block(content_size: bool, checksum: bool, data: bytes) -> None:
    packer = zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=content_size)
    assert unpack(BY_NAME["zstd"], packer.compress(data)) == (data, "")
    stream = packer.compressobj()
    assert unpack(BY_NAME["zstd"], stream.compress(data) + stream.flush()) == (data, "")


@ALL
def test_cut_data_gives_what_is_readable_and_then_a_sentence(name: str) -> None:
    packed = PACKERS[name](LOG[:30_000])
    before = 0
    for length in range(10, len(packed), 29):
        data, error = unpack(BY_NAME[name], packed[:length])
        assert (
            error
            == f"a.log: the {name} file ends too early, after {length} compressed bytes; its whole lines up to there were read: get it once more"
        )
        assert LOG.startswith(data)
        assert len(data) >= before
        before = len(data)


@ALL
def test_a_cut_second_member_does_not_touch_the_first(name: str) -> None:
    packed = PACKERS[name](LOG)
    data, error = unpack(BY_NAME[name], packed + packed[:20])
    assert data == LOG
    assert "ends too early" in error


@ALL
def test_garbage_behind_a_member_is_an_error_after_all_that_is_readable(name: str) -> None:
    data, error = unpack(BY_NAME[name], PACKERS[name](LOG) + b"garbage")
    assert data == LOG
    assert f"a.log: damaged {name} data before compressed byte " in error


@ALL
def test_damage_takes_little_of_what_stands_before_it_however_the_bytes_arrive(name: str) -> None:
    """A block of bzip2 or zstd is whole or not at all; gzip and xz give what they made of the bytes before."""
    packed = PACKERS[name](LOG * 6)
    for at in (len(packed) // 2, len(packed) - 40):
        damaged = packed[:at] + bytes([packed[at] ^ 0xFF]) + packed[at + 1 :]
        data, error = unpack(BY_NAME[name], damaged)
        assert f"damaged {name} data" in error
        sound = len(unpack(BY_NAME[name], packed[:at])[0])
        assert data[:sound] == (LOG * 6)[: min(sound, len(data))]
        assert len(data) >= sound - STEP
        for size, most in ((700, 1000), (1 << 20, 33)):
            again = unpack(BY_NAME[name], damaged, size, most)
            assert again[0] == data
            assert again[1].partition("byte")[0] == error.partition("byte")[0]


@ALL
def test_error_is_told_again_when_asked_again(name: str) -> None:
    read = Unpacked(BY_NAME[name], BytesIO(PACKERS[name](b"text")[:-1]).read, "a.log")
    for _ in range(2):
        with pytest.raises(RunError, match="ends too early"):
            drain(read, 100)


@ALL
def test_a_bomb_is_read_in_bounded_memory_up_to_a_size_and_no_further(name: str) -> None:
    if name == "gzip":  # a thousandfold is all that it can do
        packed = gzip.compress(bytes(1 << 20)) * (2 * BOMB_SIZE >> 20)
    else:
        packed = PACKERS[name](bytes(1 << 26)) * (2 * BOMB_SIZE >> 26)
    read = Unpacked(BY_NAME[name], BytesIO(packed).read, "a.log")
    size = 0
    tracemalloc.start()
    try:
        error = ""
        try:
            while part := read(BLOCK):
                size += len(part)
        except RunError as caught:
            error = str(caught)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert BOMB_SIZE - (1 << 20) < size <= BOMB_SIZE
    assert f" became more than 256 MiB and more than {BOMB_RATIO} times their size" in error


def test_a_small_member_that_expands_a_thousandfold_is_no_bomb() -> None:
    for name, pack in PACKERS.items():
        assert unpack(BY_NAME[name], pack(b"\0" * 50_000_000), 1 << 20) == (b"\0" * 50_000_000, "")


def test_memory_that_a_file_asks_for_is_bounded() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 1 << 29}]
    greedy = lzma.compress(b"text", filters=filters)
    assert unpack(BY_NAME["xz"], greedy) == (
        b"",
        "a.log: unpacking this xz file takes more than 128 MiB of memory; unpack it yourself",
    )
    parameters = zstandard.ZstdCompressionParameters(window_log=30, write_content_size=False)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    greedy = stream.compress(b"text") + stream.flush()
    assert unpack(BY_NAME["zstd"], greedy) == (
        b"",
        "a.log: unpacking this zstd file takes more than 128 MiB of memory; unpack it yourself",
    )
