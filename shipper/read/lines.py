"""Whole lines out of bytes: where they end, where they are cut, how they decode. Pure.

A line ends with LF. One CR before the LF belongs to the line end, any other CR to the line. A line
of more than `limit` bytes, its end not counted, is cut there and the rest of it is skipped.

NULs and byte order marks at the beginning of a line are not part of it: the NULs are the hole that
copytruncate leaves under a writer that keeps its offset, the marks come from joined files.
The line begins behind them. A file that ends with such NULs ends before them.

Everything that reads a log uses these operations:

    LineRules.whole    the whole lines in bytes that begin with a line
    LineBuffer         the same for a stream: `add` bytes, get chunks; `finish` gives a last line without end
    next_newline, last_newline
                       the search for a line end, on character boundaries
    split, decode      the lines of a chunk, and their text

Goals:

- The lines are the same however the bytes were read.
- Memory: the buffer holds at most the limit and the bytes added last; nothing of a cut line.
- Time: bytes are searched and copied a fixed number of times, so the cost of a line is proportional to
  its length, even if it has a gigabyte or arrives byte by byte. This is why `searched` exists: it counts
  the bytes at the beginning that are known to hold no line end.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from shipper.model import Chunk

DECODE_ERROR = "mfa_decode_error"
TOO_LONG = "mfa_line_too_long"
BLANKS = " \t\r"  # not part of the message at the end of a line: mail, terminals and copying leave them there


def last_newline(data: bytes | bytearray, newline: bytes, start: int = 0) -> int:
    """Where the last line end at or after `start` begins, on a character boundary; -1 if there is none."""
    at = data.rfind(newline, start)
    while at > 0 and len(newline) == 2 and at % 2:
        at = data.rfind(newline, start, at + 1)
    return at


def next_newline(data: bytes | bytearray, newline: bytes, start: int = 0) -> int:
    """Where the first line end at or after `start` begins, on a character boundary; -1 if there is none."""
    at = data.find(newline, start)
    while at >= 0 and len(newline) == 2 and at % 2:
        at = data.find(newline, at + 1)
    return at


LEAD_SCAN = 256 * 1024  # bytes per read in search of the end of a hole
LEADS = b"\0\xef\xff\xfe"  # bytes with which NULs and byte order marks begin
_NULS = {"utf-8": b"\0", "utf-16-le": b"\0\0", "utf-16-be": b"\0\0"}
_MARKS = {
    "utf-8": re.compile(rb"(?:\xef\xbb\xbf|\0)*+"),
    "utf-16-le": re.compile(rb"(?:\xff\xfe|\0\0)*+"),
    "utf-16-be": re.compile(rb"(?:\xfe\xff|\0\0)*+"),
}


def lead(data: bytes | bytearray, encoding: str) -> int:
    """The number of bytes at the beginning of a line that are not part of it: NULs and byte order marks."""
    at = 0
    if data.startswith(_NULS[encoding]):  # there may be megabytes of NULs, for which a regular expression is slow
        at = len(data) - len(data.lstrip(b"\0"))
        at -= at % len(_NULS[encoding])
    marks = _MARKS[encoding].match(data, at)
    assert marks is not None
    return marks.end()


def without_lead(line: bytes, offset: int, encoding: str) -> tuple[bytes, int]:
    """A line without leading NULs and byte order marks, and its offset then."""
    if not line or line[0] not in LEADS:
        return line, offset
    size = lead(line, encoding)
    return line[size:], offset + size


def behind_lead(at: Callable[[int, int], bytes], begin: int, end: int, encoding: str) -> int:
    """Where the line from `begin` to `end` begins behind its NULs and byte order marks, of which there may be any number."""
    while size := lead(at(begin, min(LEAD_SCAN, end - begin)), encoding):
        begin += size
    return begin


class Taken(NamedTuple):
    """The chunk that can be taken from bytes that begin with a line.

    Attributes:
        size: bytes of the chunk.
        behind: bytes before the next line; None if not known yet, because a line was cut and its end is still to come.
        cut: the chunk is the beginning of a single line that is longer than the limit.
    """

    size: int
    behind: int | None
    cut: bool = False


class LineRules:
    """How the lines of one file end, and how long they may be.

    Attributes:
        encoding: of the file.
        newline: the bytes of LF in the encoding of the file.
        unit: bytes of a character: 1, or 2 in UTF-16, where a line end must stand on an even offset.
        limit: bytes of a line without its end, a multiple of `unit`.
        longest: bytes of a line that is not cut, CR and LF included.
    """

    def __init__(self, encoding: str, limit: int) -> None:
        self.encoding = encoding
        self.newline = "\n".encode(encoding)
        self._carriage_return = "\r".encode(encoding)
        self.unit = len(self.newline)
        self.limit = max(self.unit, self.whole_characters(limit))
        self.longest = self.limit + 2 * self.unit

    def whole_characters(self, size: int) -> int:
        """`size` without the bytes of an incomplete character."""
        return size // self.unit * self.unit

    def whole(self, data: bytes | bytearray, searched: int = 0, *, final: bool = False) -> Taken | None:
        """All whole lines of `data`, or the beginning of its first line if that is too long; None if there is neither yet.

        Args:
            data: begins with a line. At most `limit` bytes follow those searched, so no line but the first can be too long.
            searched: bytes known to hold no line end, a multiple of `unit`.
            final: nothing follows `data`, so the bytes behind the last line end are a line as well.
        """
        if len(data) > self.limit:
            end = next_newline(data, self.newline, searched)
            if self._length(data, end, final=final) > self.limit:
                return Taken(self.limit, None if end < 0 else end + self.unit, cut=True)
        if final:
            return Taken(len(data), len(data)) if data else None
        end = last_newline(data, self.newline, searched)
        return None if end < 0 else Taken(end + self.unit, end + self.unit)

    def _length(self, data: bytes | bytearray, end: int, *, final: bool) -> int:
        """The least number of bytes of the first line. `end` is where its LF begins, -1 if it was not seen: then a
        CR at the end of `data` may still belong to the line end."""
        if end < 0:
            return len(data) if final else self.whole_characters(len(data)) - self.unit
        return end - self.unit if data.endswith(self._carriage_return, 0, end) else end


class LineBuffer:
    """Assembles the lines of a stream from the pieces in which they arrive."""

    def __init__(self, rules: LineRules, offset: int) -> None:
        """`offset` is that of the first byte of the stream in its file."""
        self._rules = rules
        self._data = bytearray()
        self._offset = offset  # of the first byte of `_data`
        self._searched = 0
        self._skipping = False  # `_data` begins inside a line that was cut

    def add(self, data: bytes) -> list[Chunk]:
        """Take the next bytes, `rules.limit` at most; return the chunks that they complete. A line too long comes alone."""
        self._data += data
        if self._skipping and not self._skip():
            return []
        chunks: list[Chunk] = []
        while (taken := self._whole()) is not None:
            chunks.append(self._chunk(taken))
            if taken.behind is None:
                self._skipping = True
                self._drop(self._rules.whole_characters(len(self._data)))
                return chunks
            self._drop(taken.behind)
        self._searched = self._rules.whole_characters(len(self._data))
        return chunks

    def finish(self) -> list[Chunk]:
        """End the stream; return its last line if that has no line end."""
        taken = None if self._skipping else self._whole(final=True)
        return [] if taken is None else [self._chunk(taken)]

    def _whole(self, *, final: bool = False) -> Taken | None:
        """What can be taken now. NULs and marks before the first line are dropped and do not count towards its length."""
        if self._data and self._data[0] in LEADS and (size := lead(self._data, self._rules.encoding)):
            self._drop(size)
        return self._rules.whole(self._data, self._searched, final=final)

    def _chunk(self, taken: Taken) -> Chunk:
        return Chunk(bytes(self._data[: taken.size]), self._offset, taken.cut)

    def _skip(self) -> bool:
        """Drop the rest of a cut line, as far as it has arrived; True once its end is reached."""
        end = next_newline(self._data, self._rules.newline)
        self._skipping = end < 0
        self._drop(self._rules.whole_characters(len(self._data)) if end < 0 else end + self._rules.unit)
        return not self._skipping

    def _drop(self, size: int) -> None:
        del self._data[:size]
        self._offset += size
        self._searched = 0


def split(chunk: Chunk, encoding: str) -> Iterator[tuple[bytes, int, bool]]:
    """The lines of a chunk without their LF, the offset of each, and whether it had an LF."""
    newline = "\n".encode(encoding)
    data, at = chunk.data, 0
    while at < len(data):
        end = next_newline(data, newline, at)
        stop = len(data) if end < 0 else end
        yield data[at:stop], chunk.offset + at, end >= 0
        at = stop + len(newline)


def decode(line: bytes, encoding: str, *, ended: bool, cut: bool = False) -> tuple[str, list[str]]:
    """The text of a line and the tags that decoding gives it; `ended`: an LF followed, `cut`: the line went on."""
    tags: list[str] = []
    end = "\r".encode(encoding)
    if ended and line.endswith(end) and len(line) % len(end) == 0:
        line = line[: -len(end)]
    if cut:
        tags.append(TOO_LONG)
        line = _whole_characters(line, encoding)
    try:
        return line.decode(encoding), tags
    except UnicodeDecodeError:
        tags.append(DECODE_ERROR)
        return line.decode(encoding, "replace"), tags


def _whole_characters(line: bytes, encoding: str) -> bytes:
    """A line that was cut at a byte count, without the character that the cut went through."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    decoder.decode(line)
    return line[: len(line) - len(decoder.getstate()[0])]
