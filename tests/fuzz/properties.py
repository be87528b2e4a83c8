"""What must hold of any file that is read, checked for one file at a time.

- No error is raised; of a file that cannot be read the error is one sentence that names it.
- Every byte belongs to one record, to a separator between two, or to the rest of a record that is too long: each record is
  what stands at its offset, offsets grow, and what stands between two records is nothing.
- Each record is one event, which is JSON, and whose `log.offset` and `event.id` say where the record begins.
- The records and the events are the same whatever the reads, on the fast path and on the general one; gzip gives the same file.
"""

import gzip
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta, timezone
from io import BytesIO
from itertools import cycle, pairwise
from typing import NamedTuple

import orjson

from shipper.decode.library import load
from shipper.decode.line_patterns import Stamps
from shipper.errors import RunError, UsageError
from shipper.model import Chunk, Counts, LogFile
from shipper.pipeline import Pipeline, Settings, run_source
from shipper.read.compression import Read
from shipper.read.files import read_chunks, read_fully, text_of
from shipper.read.identity import Description, describe
from shipper.read.inputs import open_inputs
from shipper.read.lines import split, without_lead
from shipper.times import EPOCH

NAME = "fuzzed"
LIBRARY = load(local_zone=timezone(timedelta(hours=2)))
STAMPS = Stamps(LIBRARY)
READ_SIZES = (1, 7, 64 * 1024)
SMALL = 3000  # bytes of a file that is read in all ways, byte by byte too
LIMITS = (1 << 20, 1 << 20, 1 << 20, 5000, 200)  # bytes of a record
FIELDS = ("@timestamp", "event", "log", "ecs")

# What may stand between two records, by the form of the file; the last is for lines.
_NAME = r"(?:[\w.-]{1,64}:)?"
BETWEEN = {
    "json": re.compile(r"[\s\0,\[\]\x1e\ufeff]*", re.ASCII),
    "xml": re.compile(rf"(?:[\s\0\ufeff]|<(?=\?).*?\?>|<!(?=--).*?-->|</?{_NAME}Events(?=[\s/>]).*?>)*", re.ASCII | re.DOTALL),
    "csv": re.compile(r"[\s\0\ufeff]*", re.ASCII),
    "text": re.compile(r"[\s\0\ufeff]*", re.ASCII),
    "frames": re.compile(r"[\s\0\ufeff]*", re.ASCII),
    "parts": re.compile(r"(?:\r?\n|[\0\ufeff])*"),
    None: re.compile(r"[\n\0\ufeff]*"),
}


class Record(NamedTuple):
    """Where a record begins, its bytes, whether it was cut because it is too long, and its further pieces."""

    offset: int
    data: bytes
    cut: bool
    more: tuple[tuple[int, bytes], ...] = ()


class Outcome(NamedTuple):
    """What became of a file: its records, and in a word whether all of it could be read."""

    records: int
    word: str


def check_text(data: bytes, choice: int) -> Outcome:
    """Check a file that is no archive. `choice` decides how it is read beside the way that all are."""
    whole = [len(data) + 1]
    about = describe(_reader(data, whole), stamp_of=STAMPS)
    file = about.log_file(None, EPOCH)
    limit = LIMITS[choice % len(LIMITS)]
    text, counts, records = _shipped(data, file, about.start, whole, limit, fast=False)
    _check_conservation(data, file, about.start, records, limit)
    assert counts.lines == counts.events == len(records), f"{counts.lines} lines, {counts.events} events, {len(records)} records"
    _check_events(text, file, records)
    for number, sizes in enumerate(_ways(data, choice)):
        again = describe(_reader(data, sizes), stamp_of=STAMPS).log_file(None, EPOCH)
        assert again == file, f"another file in reads of {sizes}"
        other = _shipped(data, file, about.start, sizes, limit, fast=number % 2 == 0)
        assert other[2] == records, f"other records in reads of {sizes}"
        assert other[:2] == (text, counts), f"other events in reads of {sizes}"
    if choice % 4 == 0:
        _check_in_gzip(data, file)
    return Outcome(len(records), "read")


def _ways(data: bytes, choice: int) -> Iterator[list[int]]:
    """Sizes of reads, over and over; the first is for the fast path, the next for the general one, and so on."""
    yield [1 + choice % 9973, 1 + choice // 7 % 300, 1 + choice // 11 % 40_000]
    if len(data) <= SMALL:
        yield from ([size] for size in READ_SIZES)


def _check_in_gzip(data: bytes, file: LogFile) -> None:
    """The same file comes out of gzip, unless what is inside is refused."""
    read = text_of(_reader(gzip.compress(data, 1), [1013, 3]), NAME)
    packed = bytearray()
    try:
        while block := read(4099):
            packed += block
    except UsageError as error:
        _check_sentence(error, NAME)
        return
    assert packed == data, "other bytes from gzip"
    assert describe(_reader(data, [4099]), stamp_of=STAMPS).log_file(None, EPOCH) == file, "another file from gzip"


def _reader(data: bytes, sizes: Sequence[int]) -> Read:
    stream, most = BytesIO(data), cycle(sizes)
    return lambda size: stream.read(min(size, next(most)))


def _shipped(
    data: bytes, file: LogFile, start: int, sizes: Sequence[int], limit: int, *, fast: bool
) -> tuple[bytes, Counts, list[Record]]:
    """What comes out of a file in reads of these sizes, and the records that were read."""
    counts, out, records = Counts(), list[bytes](), list[Record]()
    pipeline = Pipeline(Settings(library=LIBRARY, fast=fast), counts)
    pipeline.open(file)
    read = _reader(data, sizes)
    read_fully(read, start)
    for chunk in read_chunks(read, start, file.encoding, max(sizes), limit, file.export, parts=file.parts):
        records += _records(chunk, file)
        out.append(pipeline(chunk).data)
    return b"".join([*out, pipeline.close().data]), counts, records


def _records(chunk: Chunk, file: LogFile) -> Iterator[Record]:
    if chunk.records is not None:
        for begin, end, *rest in chunk.records:
            more = tuple((chunk.offset + a, chunk.data[a:b]) for a, b in zip(rest[::2], rest[1::2], strict=True))
            yield Record(chunk.offset + begin, chunk.data[begin:end], chunk.cut, more)
        return
    for line, offset, ended in split(chunk, file.encoding):
        bare, at = without_lead(line, offset, file.encoding)
        bare = bare.removesuffix(b"\r") if ended and file.parts else bare
        yield Record(at, bare, chunk.cut)


def _check_conservation(data: bytes, file: LogFile, start: int, records: Sequence[Record], limit: int) -> None:
    between = BETWEEN[file.export.form if file.export else "parts" if file.parts else None]
    pieces = [Record(*piece, record.cut) for record in records for piece in ((record.offset, record.data), *record.more)]
    pieces.sort()
    unit = len("\n".encode(file.encoding))
    for record in pieces:
        assert data[record.offset : record.offset + len(record.data)] == record.data, f"not what stands at {record.offset}"
        assert len(record.data) <= max(limit, unit) + 2 * unit, f"{len(record.data)} bytes of a record, {limit} allowed"
    for before, behind in pairwise([Record(start, b"", False), *pieces, Record(len(data), b"", False)]):
        end = before.offset + len(before.data)
        assert end <= behind.offset or before.cut, f"records overlap at {behind.offset}"
        if not before.cut:
            gap = data[end : behind.offset - (behind.offset - end) % unit].decode(file.encoding, "backslashreplace")
            assert between.fullmatch(gap), f"lost at {end}: {gap[:200]!r}"
    assert all(a.offset < b.offset for a, b in pairwise(records)), "offsets do not grow"


def _check_events(text: bytes, file: LogFile, records: Sequence[Record]) -> None:
    events = orjson.loads(b"[" + b",".join(text.splitlines()) + b"]")
    own = [event for event in events if event["event"]["kind"] != "alert"]
    assert [event["log"]["offset"] for event in own] == [record.offset for record in records], "other offsets"
    for event in own:
        assert all(field in event for field in FIELDS), event
        assert event["event"]["id"] == f"{file.fingerprint}-{event['log']['offset']}"


def check_compressed(data: bytes, choice: int) -> Outcome:
    """Check a compressed file: what can be read of it does not depend on how its bytes arrive."""
    found = _unpacked(data, [64 * 1024], 64 * 1024)
    assert _unpacked(data, [1 if len(data) < SMALL else 1 + choice % 60, 1 + choice % 9973], 1 + choice % 5000) == found, (
        "other bytes"
    )
    text, word = found
    return Outcome(check_text(text, choice).records if text else 0, word)


def _unpacked(data: bytes, sizes: Sequence[int], size: int) -> tuple[bytes, str]:
    """The bytes that can be read, and what ended them."""
    read, text = text_of(_reader(data, sizes), NAME), bytearray()
    try:
        while block := read(size):
            text += block
    except (RunError, UsageError) as error:
        _check_sentence(error, NAME)
        return bytes(text), "refused" if isinstance(error, UsageError) else "read in part"
    return bytes(text), "read"


def check_archive(path: str, choice: int) -> Outcome:
    """Check an archive or an event log on the disk, as `parse` reads it."""
    found = _of_archive(path, Settings(library=LIBRARY, fast=False, read_size=64 * 1024))
    assert _of_archive(path, Settings(library=LIBRARY, read_size=1 + choice % 3000)) == found, "other events"
    return Outcome(*found[1:])


def _of_archive(path: str, settings: Settings) -> tuple[bytes, int, str]:
    counts, out, word = Counts(), bytearray(), "read"
    try:
        with open_inputs([path], deterministic=True, stamp_of=STAMPS) as (logs, _):
            for log in logs:
                try:
                    for block, _ in run_source(settings, log, None, counts):
                        out += block.data
                except RunError as error:
                    _check_sentence(error, path)
                    word = "read in part"
    except (RunError, UsageError) as error:
        _check_sentence(error, path)
        word = "refused" if isinstance(error, UsageError) else "damaged"
    assert counts.lines == counts.events, f"{counts.lines} lines, {counts.events} events"
    events = orjson.loads(b"[" + b",".join(out.splitlines()) + b"]")
    offsets: dict[str, int] = {}
    for event in events:
        if event["event"]["kind"] != "alert":
            log = event["log"]
            assert log["offset"] > offsets.get(log["file"]["path"], -1), f"offsets do not grow in {log['file']['path']}"
            offsets[log["file"]["path"]] = log["offset"]
    return bytes(out), counts.lines, word


def _check_sentence(error: Exception, path: str) -> None:
    text = str(error)
    assert path in text, f"which file? {text}"
    assert "\n" not in text, f"more than one line: {text}"


def check_cut(data: bytes, step: int) -> None:
    """Check a file that is cut off at each of its bytes in turn, and at every `step`th the events of what is left.

    What stands before the cut is as in the whole file; what is left of a record is one more.
    """
    whole = describe(_reader(data, [len(data)]), stamp_of=STAMPS)
    records = _read(data, whole)
    for size in range(1, len(data)):
        part = data[:size]
        about = describe(_reader(part, [size]), stamp_of=STAMPS)
        found = _read(part, about)
        _check_conservation(part, about.log_file(None, EPOCH), about.start, found, size)
        if about.export == whole.export and about.start == whole.start:
            assert found[:-1] == records[: max(0, len(found) - 1)], f"other records before byte {size}"
            complete = sum(record.offset + len(record.data) < size for record in records)
            assert len(found) - 1 <= complete <= len(found), f"{len(found)} records before byte {size}, {complete} of them whole"
        if size % step == 0:
            check_text(part, size)


def _read(data: bytes, about: Description) -> list[Record]:
    read, file = _reader(data, [len(data)]), about.log_file(None, EPOCH)
    read_fully(read, about.start)
    chunks = read_chunks(read, about.start, about.encoding, len(data), export=about.export, parts=about.parts)
    return [record for chunk in chunks for record in _records(chunk, file)]
