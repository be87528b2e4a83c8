"""The decompressed bytes of a file at any offset, forwards and backwards."""

import bz2
import gc
import gzip
import lzma
import os
import random
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from shipper.read.content import BEHIND, BLOCK, Content, open_content
from shipper.shared_files import open_log

Opened = Callable[[bytes], Content]
TEXT = random.Random(1).randbytes(50_000).hex().encode() * 2


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    descriptors: list[int] = []

    def opening(data: bytes) -> Content:
        path = tmp_path / "a.log"
        path.write_bytes(data)
        descriptors.append(open_log(str(path)))
        return open_content(descriptors[-1], str(path))

    yield opening
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.mark.parametrize("packed", [False, True])
def test_any_offset_in_any_order(packed: bool, opened: Opened) -> None:
    content = opened(gzip.compress(TEXT) if packed else TEXT)
    assert content.packed == packed
    order = random.Random(2)
    for _ in range(200):
        offset, size = order.randint(0, len(TEXT) + 10), order.randint(0, 3 * BLOCK)
        assert content.at(offset, size) == TEXT[offset : offset + size]
    assert content.at(0, len(TEXT) + 1) == TEXT
    assert (content.size(), content.complete, content.trouble) == (len(TEXT), packed, None)


def test_gzip_keeps_only_what_was_read_last(opened: Opened) -> None:
    content = opened(gzip.compress(bytes(12 * BEHIND), 1))
    tracemalloc.start()
    try:
        for offset in range(0, 12 * BEHIND, BLOCK):
            assert len(content.at(offset, BLOCK)) == BLOCK
        assert tracemalloc.get_traced_memory()[1] < 5 * BEHIND
    finally:
        tracemalloc.stop()
    assert content.at(5, 3) == bytes(3)
    assert content.size() < BEHIND  # it began again


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("gzip", gzip.compress),
        ("bzip2", lambda data: bz2.compress(data, 1)),
        ("xz", lzma.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
    ],
)
def test_compressed_file_that_ended_too_early_is_tried_again_when_it_has_grown(
    name: str, pack: Callable[[bytes], bytes], opened: Opened, tmp_path: Path
) -> None:
    whole = pack(TEXT)
    content = opened(whole[: len(whole) * 9 // 10])
    begin = content.at(0, len(TEXT))
    assert TEXT.startswith(begin)
    assert len(begin) < len(TEXT)
    assert begin or name == "zstd"  # gives nothing before a block is whole, and this text is one block
    assert f"the {name} file ends too early" in (content.trouble or "")
    (tmp_path / "a.log").write_bytes(whole)
    assert content.at(0, len(TEXT)) == begin
    content.retry()
    assert content.at(0, len(TEXT)) == TEXT
    assert content.trouble is None


def test_content_of_a_closed_file_waits_for_no_collector(opened: Opened) -> None:
    """It may hold megabytes."""
    content = opened(gzip.compress(TEXT))
    content.at(0, 100)
    alive = weakref.ref(content)
    gc.disable()
    try:
        del content
        assert alive() is None
    finally:
        gc.enable()
