"""What identifies a file: its fingerprint, its encoding, its first time stamp and its last. I/O through the functions given.

`event.id` must be the same on every read, from a copy, a `.gz` or a pipe, so it is made of the
content: SHA-256 of the bytes up to the end of the first line with a time stamp, its LF included.
"""

import hashlib
import os
from collections.abc import Callable
from typing import NamedTuple

from shipper.model import LogFile
from shipper.read.files import STDIN, UNMARKED_HEAD, Read, after, encoding_of, read_chunks, read_head
from shipper.read.lines import split, without_lead
from shipper.times import StampReader, from_seconds

FINGERPRINT_SPAN = 64 * 1024  # bytes at the beginning of a file that its fingerprint may depend on
LONGEST_STAMP = 64  # bytes; a time stamp of MFA Server has 30 characters at most
TAIL_SPAN = 64 * 1024  # bytes at the end of a file in which its last time stamp is looked for

StampOf = Callable[[str], str | None]
"""The time stamp of a line that does not begin as MFA Server writes it, such as syslog; None if it has none."""


class Description(NamedTuple):
    """What the beginning of a file tells.

    Attributes:
        head: its first bytes, as many as had to be read, `FINGERPRINT_SPAN` at most.
        encoding: `utf-8`, `utf-16-le` or `utf-16-be`.
        start: where the first line begins: behind the byte order mark, if there is one.
        time: the first valid time stamp; None if there is none.
        end: where the line with that time stamp ends; None without one.
        ended: that line has its LF: nothing that is appended to the file can change what is said here.
    """

    head: bytes
    encoding: str
    start: int
    time: str | None
    end: int | None
    ended: bool

    def log_file(self, path: str | None, fallback: str) -> LogFile:
        """The file as its events see it: under `path`, with the time `fallback` if it has no time stamp."""
        # A name need not be UTF-8, but an event is.
        name = None if path is None else os.fsencode(path).decode("utf-8", "replace")
        return LogFile(name, fingerprint(self.head, self.end), self.time or fallback, self.encoding)


def describe(read: Read, encoding: str = "auto", stamp_of: StampOf | None = None) -> Description:
    """Describe a file by its beginning.

    Reads no further than it must: behind the first dated line of a pipe there may be nothing yet for hours.

    Args:
        read: from the first byte on.
        encoding: of the file; `auto`: as its byte order mark or its first characters say.
        stamp_of: for lines that do not begin as MFA Server writes them.
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
    time, end, ended = _first_stamp(after(begin[start:], keep), encoding, start, stamp_of)
    return Description(head, encoding, start, time, end, ended)


def _first_stamp(read: Read, encoding: str, start: int, stamp_of: StampOf | None) -> tuple[str | None, int | None, bool]:
    """`time`, `end` and `ended` of a description; `read` goes on from offset `start`."""
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
    """The last time stamp in bytes of a file; None if there is none.

    Args:
        tail: `TAIL_SPAN` bytes or fewer; they begin with a whole character.
        encoding: of the file.
        stamp_of: for lines that do not begin as MFA Server writes them.
        whole: they begin with a whole line as well.
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


def _text(line: bytes, encoding: str, *, ended: bool) -> str:
    text = line.decode(encoding, "replace")
    return text.removesuffix("\r") if ended else text


def fingerprint(head: bytes, end: int | None) -> str:
    """16 hex digits for a file that begins with `head` and whose first dated line ends at `end` (None: it has none)."""
    return hashlib.sha256(head[:FINGERPRINT_SPAN][:end]).hexdigest()[:16]


def identify(path: str, read: Read, fallback: str, stamp_of: StampOf | None = None) -> LogFile:
    """What the events of a file share, from its beginning; reads as far as `describe` does.

    Args:
        path: as events name it; `-` for none.
        read: from the first byte on.
        fallback: the time of a file that has no time stamp at all.
        stamp_of: for lines that do not begin as MFA Server writes them.
    """
    return describe(read, stamp_of=stamp_of).log_file(None if path == STDIN else path, fallback)


def time_of_change(status: os.stat_result) -> str:
    """When a file was last written to, as a time stamp of the log."""
    return from_seconds(status.st_mtime_ns // 1000 / 1e6)
