"""What identifies a file: its fingerprint, its encoding, its first time stamp and its last. I/O through the functions given.

`event.id` must be the same on every read, from a copy, a `.gz` or a pipe, so it is made of the
content: SHA-256 of the bytes up to the end of the first line with a time stamp, its LF included. In an
export the record takes the place of the line, and the line end right behind it that of the LF, except in an array.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import NamedTuple, Protocol

from shipper.model import Export, LogFile
from shipper.read.exports import UNDECIDED, export_of
from shipper.read.files import READ_SIZE, STDIN, UNMARKED_HEAD, Read, after, encoding_of, read_chunks, read_fully, read_head
from shipper.read.lines import split, without_lead
from shipper.read.parts import is_of_runtime
from shipper.times import StampReader, from_seconds

FINGERPRINT_SPAN = 64 * 1024  # bytes at the beginning of a file that its fingerprint may depend on
LONGEST_STAMP = 64  # bytes; a time stamp of MFA Server has 30 characters at most
_SHORT = 256  # bytes; up to this length, a beginning is examined again whenever bytes arrive
LOOK_AHEAD = 2 * 1024 * 1024  # bytes that `run` searches for the first time stamp of a file; a block of NULs counts 1/64
TAIL_SPAN = 64 * 1024  # bytes at the end of a file that are searched for its last time stamp


class StampOf(Protocol):
    """Finds the time stamps of records, and of lines that do not begin as MFA Server writes them, such as syslog."""

    def __call__(self, text: str, export: Export | None = None, /) -> str | None:
        """The time stamp of a line, or of a record of `export`; None if it has none."""
        ...

    def is_header(self, columns: Sequence[str], /) -> bool:
        """True if a CSV of Windows events has columns of these names."""
        ...


class Description(NamedTuple):
    """What the beginning of a file tells.

    Attributes:
        head: the first bytes, as many as had to be read, `FINGERPRINT_SPAN` at most.
        encoding: `utf-8`, `utf-16-le` or `utf-16-be`.
        start: where the first line begins: behind the byte order mark, if there is one, and the header of a CSV.
        time: the first valid time stamp; None if there is none.
        end: where the line with that time stamp ends; None without one.
        ended: that line has its LF, so nothing appended to the file can change this description.
        export: how records are written; None if the file holds lines.
        parts: the lines are those of a container runtime, which writes long ones in parts.
    """

    head: bytes
    encoding: str
    start: int
    time: str | None
    end: int | None
    ended: bool
    export: Export | None = None
    parts: bool = False

    def log_file(self, path: str | None, fallback: str) -> LogFile:
        """The `LogFile` under `path`, with the time `fallback` if the file has no time stamp."""
        # A file name need not be UTF-8, but an event must be.
        name = None if path is None else os.fsencode(path).decode("utf-8", "replace")
        known = fingerprint(self.head, self.end)
        return LogFile(name, known, self.time or fallback, self.encoding, export=self.export, parts=self.parts)


def describe(read: Read, encoding: str = "auto", stamp_of: StampOf | None = None) -> Description:
    """Describe a file by its beginning.

    Reads no further than needed: behind its first dated line, a pipe may deliver nothing for hours.

    Args:
        read: reads the file from its first byte on.
        encoding: of the file; `auto` to detect it by the byte order mark or the first characters.
        stamp_of: finds the time stamp of lines that do not begin as MFA Server writes them.
    """
    head = b""

    def keep(size: int) -> bytes:
        nonlocal head
        block = read(size)
        head += block[: FINGERPRINT_SPAN - len(head)]
        return block

    begin = read_head(keep, UNMARKED_HEAD)
    marked, start = encoding_of(begin)
    if encoding == "auto":
        encoding = marked
    elif encoding != marked:
        start = 0
    unmarked = after(begin[start:], keep)
    export, beginning = _recognize(unmarked, encoding, stamp_of)
    content = after(beginning, unmarked)
    if export is None:
        time, end, ended = _first_stamp(content, encoding, start, stamp_of)
        parts = encoding == "utf-8" and is_of_runtime(head[start:])
        return Description(head, encoding, start, time, end, ended, parts=parts)
    export = export._replace(start=start + export.start)
    read_fully(content, export.start - start)
    time, end = _first_record(content, encoding, export, stamp_of)
    ended = False
    if end is not None and beginning.decode(encoding, "replace").lstrip().startswith("["):
        ended = True  # the closing bracket of an array, perhaps on a line of its own, gives way to the next record
    elif end is not None:
        behind, ended = _behind_line_end(head, end, encoding)
        while not ended and keep(1):
            behind, ended = _behind_line_end(head, end, encoding)
        end = behind
    return Description(head, encoding, export.start, time, end, ended, export)


def look_ahead(read: Read) -> Read:
    """Limit what `describe` reads while other files wait: a file may be one large hole, or hold no time stamp at all."""
    left = LOOK_AHEAD

    def limited(size: int) -> bytes:
        nonlocal left
        data = read(size) if left > 0 else b""
        left -= len(data) if data.strip(b"\0") else len(data) // 64
        return data

    return limited


def _recognize(read: Read, encoding: str, stamp_of: StampOf | None) -> tuple[Export | None, bytes]:
    """The export that the file is, None if it holds lines, and the bytes read to tell; `Export.start` counts from their first."""
    beginning, final, seen = b"", False, 0
    unit = len("\n".encode(encoding))
    errors = "surrogateescape" if encoding == "utf-8" else "replace"
    is_header = None if stamp_of is None else stamp_of.is_header
    while not final:
        block = read(min(READ_SIZE, FINGERPRINT_SPAN - len(beginning)))
        beginning += block
        final = not block or len(beginning) == FINGERPRINT_SPAN
        # Each look examines the whole beginning, so a long line that arrives in small pieces must not cause one per piece.
        if not final and b"\n" not in block and _SHORT < len(beginning) < seen + seen // 16:
            continue
        seen = len(beginning)
        text = beginning[: len(beginning) // unit * unit].decode(encoding, errors)
        export = export_of(text, is_header, final=final)
        if export is None:
            break
        if export is not UNDECIDED:
            columns = tuple(name.encode(encoding, errors).decode(encoding, "replace") for name in export.columns)
            return export._replace(start=len(text[: export.start].encode(encoding, errors)), columns=columns), beginning
    return None, beginning


def _first_record(read: Read, encoding: str, export: Export, stamp_of: StampOf | None) -> tuple[str | None, int | None]:
    """`time` and `end` of a description, the line end not included; `read` begins with the first record."""
    reader = StampReader()
    for chunk in read_chunks(read, export.start, encoding, export=export):
        for begin, end in chunk.records or ():
            text = chunk.data[begin:end][:FINGERPRINT_SPAN].decode(encoding, "replace")
            stamp = None if stamp_of is None else stamp_of(text, export)
            if stamp is not None and reader.read(stamp) is not None:
                return stamp, chunk.offset + end
    return None, None


def _behind_line_end(head: bytes, end: int, encoding: str) -> tuple[int, bool]:
    """`end` and `ended` of a description whose first dated record ends at `end`."""
    if end >= FINGERPRINT_SPAN:
        return end, True
    line_ends = ["\n".encode(encoding), "\r\n".encode(encoding)]
    for line_end in line_ends:
        if head.startswith(line_end, end):
            return end + len(line_end), True
    return end, not any(line_end.startswith(head[end:]) for line_end in line_ends)


def _first_stamp(read: Read, encoding: str, start: int, stamp_of: StampOf | None) -> tuple[str | None, int | None, bool]:
    """`time`, `end` and `ended` of a description; `read` begins at offset `start`."""
    reader = StampReader()
    unit = len("\n".encode(encoding))
    for chunk in read_chunks(read, start, encoding):
        for whole, at, ended in split(chunk, encoding):
            line, offset = without_lead(whole, at, encoding)
            stamp = _text(line[:LONGEST_STAMP], encoding, ended=ended).partition("|")[0]
            if reader.read(stamp) is None and stamp_of is not None:
                stamp = stamp_of(_text(line[:FINGERPRINT_SPAN], encoding, ended=ended)) or ""
            if reader.read(stamp) is not None:
                return stamp, offset + len(line) + (unit if ended else 0), ended
    return None, None, False


def last_stamp(tail: bytes, encoding: str, stamp_of: StampOf | None = None, *, whole: bool) -> str | None:
    """The last time stamp in some bytes of a file; None if there is none.

    Args:
        tail: `TAIL_SPAN` bytes or fewer, beginning with a whole character.
        encoding: of the file.
        stamp_of: finds the time stamp of lines that do not begin as MFA Server writes them.
        whole: `tail` begins with a whole line.
    """
    reader = StampReader()
    lines = tail.decode(encoding, "replace").split("\n")
    for written in reversed(lines if whole else lines[1:]):
        line = written.lstrip("\0\ufeff")
        stamp = line[:LONGEST_STAMP].removesuffix("\r").partition("|")[0]
        if reader.read(stamp) is None and stamp_of is not None:
            stamp = stamp_of(line.removesuffix("\r")) or ""
        if reader.read(stamp) is not None:
            return stamp
    return None


def last_between(at: Callable[[int, int], bytes], begin: int, end: int, file: LogFile, stamp_of: StampOf | None) -> str | None:
    """The last time stamp between two offsets of a file; None if there is none.

    Args:
        at: reads the file, given an offset and a size.
        begin: in an export, where a record begins; otherwise where any character begins.
        end: where a line or record ends.
        file: gives encoding and export.
        stamp_of: finds the time stamp of records, and of lines that do not begin as MFA Server writes them.
    """
    data = at(begin, end - begin)
    if file.export is None:
        return last_stamp(data, file.encoding, stamp_of, whole=begin == 0)
    return last_of_records(BytesIO(data).read, file.encoding, file.export._replace(start=0), stamp_of)


def last_of_records(read: Read, encoding: str, export: Export, stamp_of: StampOf | None) -> str | None:
    """The time stamp of the last record that has one; None if none has. `read` begins at the first byte of the file."""
    reader = StampReader()
    last: str | None = None
    read_fully(read, export.start)
    for chunk in read_chunks(read, export.start, encoding, export=export):
        for begin, end in reversed(chunk.records or ()):
            stamp = None if stamp_of is None else stamp_of(chunk.data[begin:end].decode(encoding, "replace"), export)
            if stamp is not None and reader.read(stamp) is not None:
                last = stamp
                break
    return last


def _text(line: bytes, encoding: str, *, ended: bool) -> str:
    text = line.decode(encoding, "replace")
    return text.removesuffix("\r") if ended else text


def fingerprint(head: bytes, end: int | None) -> str:
    """16 hex digits for a file that begins with `head` and whose first dated line ends at `end` (None: it has none)."""
    return hashlib.sha256(head[:FINGERPRINT_SPAN][:end]).hexdigest()[:16]


def identify(path: str, read: Read, fallback: str, stamp_of: StampOf | None = None) -> LogFile:
    """The `LogFile` of a file, by its beginning; reads as far as `describe` does.

    Args:
        path: as events name it; `-` for none.
        read: reads the file from its first byte on.
        fallback: the time of a file that has no time stamp at all.
        stamp_of: finds the time stamp of lines that do not begin as MFA Server writes them.
    """
    return describe(read, stamp_of=stamp_of).log_file(None if path == STDIN else path, fallback)


def time_of_change(status: os.stat_result) -> str:
    """When a file was last written to, as a time stamp of the log."""
    return from_seconds(status.st_mtime_ns // 1000 / 1e6)
