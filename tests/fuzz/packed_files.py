"""Archives, compressed files and event logs that bytes of a fuzzer stand for: whole ones, and what is done to their bytes."""

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import zstandard

from tests.fuzz.made_files import made
from tests.support import event_log
from tests.support.archives import tarred, zipped

LINES = b"".join(b"2017-02-14T02:57:19.%06dZ|0|1412|6452|pfrad|authResult = %d\n" % (n * 331, n % 2) for n in range(200))
ODD = (
    b"\xff" * 4,
    b"\0" * 4,
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x80",
    b"99999999999",
    b"77777777777",
    b"PK\3\4",
    b"PK\1\2",
    b"PK\5\6",
    b"../",
)
COMPRESSED = ("gzip", "bzip2", "xz", "zstd")
ON_DISK = ("zip", "tar", "evtx")  # read from their middle, or refused as a stream
READERS = (*COMPRESSED, *ON_DISK)


def packed(reader: str, data: bytes) -> bytes:
    """The file that these bytes stand for, for one of `READERS`: two for the seed and what is in it, five for each thing done to it."""
    seeds = _seeds(reader)
    which, content = (*data[:2], 0, 0)[:2]
    whole = seeds[which % len(seeds)]
    if content >= 200 and reader in COMPRESSED:
        whole = pack(reader, made(("plain", "json", "xml", "csv")[content % 4], data), content)
    file = bytearray(whole)
    for at in range(2, len(data) - 4, 5):
        _damage(file, *data[at : at + 5])
    return bytes(file) or b"\0"


def pack(reader: str, data: bytes, how: int = 0) -> bytes:
    """Compress it in one of the ways that the form knows; `how` chooses."""
    half = len(data) // 2
    if how % 5 == 1:  # in two members, with padding as tape tools leave it
        return pack(reader, data[:half]) + (bytes(8) if how % 2 else b"") + pack(reader, data[half:])
    if reader == "gzip":
        stream = io.BytesIO()
        with gzip.GzipFile("a name" if how % 2 else "", "wb", how % 10, stream, 0) as file:
            file.write(data)
        return stream.getvalue()
    if reader == "bzip2":
        return bz2.compress(data, 1 + how % 9)
    if reader == "xz":
        return lzma.compress(
            data, check=(lzma.CHECK_CRC32, lzma.CHECK_CRC64, lzma.CHECK_SHA256, lzma.CHECK_NONE)[how % 4], preset=how % 3
        )
    writer = zstandard.ZstdCompressor(1 + how % 5, write_checksum=bool(how % 2), write_content_size=bool(how % 3))
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0skip" if how % 4 == 2 else b""
    return skippable + writer.compress(data)


def _damage(file: bytearray, way: int, high: int, low: int, size: int, what: int) -> None:
    """Change the file in one place. Headers and directories stand at its ends, so most places are near one of them."""
    place = high << 8 | low
    span = min(len(file), 700)
    if not span:
        return
    at = (place % len(file), place % span, len(file) - 1 - place % span, place * 257 % len(file))[way >> 6]
    kind = way % 8
    if kind == 0:
        file[at] = what
    elif kind == 1:
        file[at] ^= 1 << what % 8
    elif kind == 2:
        odd = ODD[what % len(ODD)]
        file[at : at + len(odd)] = odd
    elif kind == 3:
        file[at:at] = file[at // 2 : at // 2 + size * 3]
    elif kind == 4:
        del file[at : at + size * 3]
    elif kind == 5:
        del file[at:]
    elif kind == 6:
        file += bytes((what,)) * size
    else:
        file[at:at] = ODD[what % len(ODD)]


@cache
def _seeds(reader: str) -> Sequence[bytes]:
    if reader in COMPRESSED:
        return [*(pack(reader, LINES, how) for how in range(8)), pack(reader, b""), pack(reader, b"\0" * 100_000)]
    if reader == "evtx":
        return [_event_log(number, size) for number, size in ((1, 10), (60, 100), (400, 20), (30, 3000))]
    files = {
        "a/X.log": LINES,
        "a/X.log.1": LINES[:900],
        "ö.log.gz": gzip.compress(LINES),
        "empty": b"",
        "../up.log": LINES[:300],
    }
    return _zips(files) if reader == "zip" else _tars(files)


def _zips(files: dict[str, bytes]) -> list[bytes]:
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
    commented, large = io.BytesIO(zipped(files)), io.BytesIO()
    with zipfile.ZipFile(commented, "a") as archive:
        archive.comment = b"PK\5\6" * 20
    with zipfile.ZipFile(large, "w") as archive, archive.open("X.log", "w", force_zip64=True) as file:
        file.write(LINES)
    return [
        *(zipped(files, method) for method in methods),
        commented.getvalue(),
        large.getvalue(),
        zipped({"x.evtx": _event_log(60, 20)}),
    ]


def _tars(files: dict[str, bytes]) -> list[bytes]:
    forms = (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)
    long = {"d/" * 80 + "X.log": LINES[:900], "x.evtx": _event_log(60, 20)}
    ascii_only = {name: data for name, data in files.items() if name.isascii()}
    plain = [tarred(ascii_only if form == tarfile.USTAR_FORMAT else files, form) for form in forms]
    forms_of: list[Callable[[bytes], bytes]] = [gzip.compress, bz2.compress, lzma.compress, zstandard.compress]
    return [*plain, tarred(long), tarred(long, tarfile.GNU_FORMAT), *(pack(plain[0]) for pack in forms_of)]


def _event_log(number: int, size: int) -> bytes:
    begin = datetime(2026, 3, 1, 8, 0, 0, tzinfo=UTC)
    draw = random.Random(size)
    return event_log.event_log(
        [event_log.Event(begin + timedelta(seconds=n), [f"text {n} " + "x" * draw.randrange(size)]) for n in range(number)]
    )
