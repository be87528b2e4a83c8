"""One file that is followed: who it is, and the next whole lines of it. I/O.

Reading keeps nothing between two calls but an offset: an incomplete last line is read again when
it has grown. Each read takes the bytes before the offset with it and compares them, so a file that
was cut and written anew under our hands is noticed even when it is longer than before.
"""

import os
from collections.abc import Iterator

from shipper.model import Chunk, LogFile
from shipper.read.content import Content
from shipper.read.files import Read, after, encoding_of
from shipper.read.identity import HEAD, StampOf, fingerprint, first_stamp
from shipper.read.lines import LineRules, last_newline, next_newline
from shipper.read.opener import Open
from shipper.read.position import CHECK, Position, check_of
from shipper.times import StampReader, from_seconds

SCAN = 256 * 1024  # bytes a step when the end of a very long line is looked for


class Changed(Exception):
    """The bytes before the offset are not what they were: the file was cut and written anew."""


class Followed:
    """An open file.

    Attributes:
        key: its name among the places; empty until it is identified, and while it is but a copy of another.
        final: nothing more is written to it: it was rotated away and has been quiet since.
    """

    def __init__(
        self,
        path: str,
        descriptor: int,
        source: str,
        encoding: str,
        read_size: int,
        line_limit: int,
        stamp_of: StampOf,
        now: float,
    ) -> None:
        status = os.fstat(descriptor)
        self.path = path
        self.source = source
        self.device, self.inode = status.st_dev, status.st_ino
        self.content = Content(descriptor, path)
        self.size = status.st_size  # as on the disk
        self.modified = status.st_mtime_ns
        self.quiet_since = now
        self.rotated = self.content.packed
        self.gone = False
        self.final = False
        self.from_end = False  # begin behind the last line that is there now, unless its place is known
        self._asked_encoding = encoding
        self._read_size, self._line_limit, self._stamp_of = read_size, line_limit, stamp_of
        self.start_over()

    def start_over(self) -> None:
        """It is another log from now on, from its first byte."""
        self.key = ""
        self.file: LogFile | None = None
        self.place_was_known = False
        self.offset = 0
        self.before = b""
        self.order: tuple[int, int, str] = (0, 0, "")
        self._head_end: int | None = None
        self._scanned = 0
        self._looked_at: tuple[int, bool] | None = None
        self._dry: tuple[int, bool] | None = None  # the size at which there was no whole line

    def identify(self) -> bool:
        """Find out who it is, as soon as that can be known; True once it is.

        Raises:
            OSError: it cannot be read.
        """
        size = self.size
        if self.file is not None or self._looked_at == (size, self.final):
            return self.file is not None
        head = self.content.at(0, HEAD)
        self._looked_at = size, self.final
        if not head:
            return False
        encoding, skip = encoding_of(head) if self._asked_encoding == "auto" else (self._asked_encoding, encoding_of(head)[1])
        if skip and encoding_of(head)[0] != encoding:
            skip = 0
        stamp, end = first_stamp(after(head[skip:], self._reader(len(head))), encoding, skip, self._stamp_of)
        newline = "\n".encode(encoding)
        complete = end is not None and self.content.at(end - len(newline), len(newline)) == newline
        if not (complete or len(head) == HEAD or self.final):
            return False
        time = stamp or from_seconds(os.fstat(self.content.descriptor).st_mtime_ns // 1000 / 1e6)
        name = os.fsencode(self.path).decode("utf-8", "replace")
        self._head_end = end
        self.file = LogFile(name, fingerprint(head, end), time, encoding)
        self.order = StampReader().read(time) or 0, self.modified, self.path  # of two that begin at once, the older one first
        self._rules = LineRules(encoding, self._line_limit)
        self.offset = skip
        self.before = head[:skip]
        return True

    def _reader(self, offset: int) -> Read:
        def read(size: int) -> bytes:
            nonlocal offset
            data = self.content.at(offset, size)
            offset += len(data)
            return data

        return read

    def matches(self, offset: int, check: str) -> bool:
        """True if the bytes before this offset are there and are those of `check`."""
        begin = max(0, offset - CHECK)
        before = self.content.at(begin, offset - begin)
        return len(before) == offset - begin and check_of(before) == check

    def go_to(self, offset: int) -> None:
        """Read on from this offset."""
        begin = max(0, offset - CHECK)
        self.offset = self._scanned = offset
        self.before = self.content.at(begin, offset - begin)
        self._dry = None

    def go_to_end(self) -> None:
        """Read on behind the last whole line that is there now."""
        size = self._rules.whole_characters(self.content.size())
        while size > self.offset:
            begin = max(self.offset, size - SCAN)
            end = last_newline(self.content.at(begin, size - begin), self._rules.newline)
            if end >= 0:
                self.go_to(begin + end + self._rules.unit)
                return
            size = begin

    def next(self) -> Chunk | None:
        """The next whole lines; None if there are none for now.

        Raises:
            Changed: what was read is no longer there.
            OSError: it cannot be read.
        """
        if self._dry == (self.size, self.final):
            return None
        data = self.content.at(self.offset - len(self.before), len(self.before) + min(self._read_size, self._rules.limit))
        if data[: len(self.before)] != self.before or not self._begins_as_it_did():
            raise Changed  # since the last look
        data = data[len(self.before) :]
        taken = self._rules.whole(data)
        if taken is not None:
            return self._take(Chunk(data[: taken.size], self.offset), self.offset + taken.size)
        behind = self._end_of_line(len(data)) if data else None
        if behind is None:
            self._dry = self.size, self.final
            return None
        data = self.content.at(self.offset, min(behind - self.offset, self._rules.longest))
        taken = self._rules.whole(data, final=True)
        if taken is None:
            raise Changed
        return self._take(Chunk(data[: taken.size], self.offset, taken.cut), behind)

    @property
    def unchanged(self) -> bool:
        """False if what was read is no longer there: the file was cut and written anew."""
        there = self.content.at(self.offset - len(self.before), len(self.before))
        return there == self.before and self._begins_as_it_did()

    def _begins_as_it_did(self) -> bool:
        """False if there is so little before the offset that only the first line can tell, and it is another."""
        if self.offset >= CHECK:
            return True
        assert self.file is not None
        return fingerprint(self.content.at(0, HEAD), self._head_end) == self.file.fingerprint

    def _end_of_line(self, seen: int) -> int | None:
        """Where the line after the next begins; None while the end of the next one, which is not among its first
        `seen` bytes, is not written."""
        at = max(self._scanned, self.offset + self._rules.whole_characters(seen))
        while True:
            data = self.content.at(at, SCAN)
            end = next_newline(data, self._rules.newline)
            if end >= 0:
                return at + end + self._rules.unit
            if len(data) < SCAN:
                break
            at += SCAN
        self._scanned = at + self._rules.whole_characters(len(data))
        return at + len(data) if self.final else None

    def _take(self, chunk: Chunk, behind: int) -> Chunk:
        whole = chunk.offset + len(chunk.data) == behind
        if whole and len(chunk.data) >= CHECK:
            self.before = chunk.data[-CHECK:]
        else:
            begin = max(0, behind - CHECK)
            self.before = self.content.at(begin, behind - begin)
        self.offset = self._scanned = behind
        return chunk

    @property
    def at_end(self) -> bool:
        """True if there was no whole line to read when it was last tried, and nothing came since."""
        return self._dry == (self.size, self.final)

    @property
    def has_rest(self) -> bool:
        """True if bytes of an incomplete line are there."""
        return (self.content.size() if self.content.packed else self.size) > self.offset

    @property
    def lag(self) -> int:
        """Bytes that are there and not read; 0 for gzip, whose length is not known before its end."""
        return 0 if self.content.packed else max(0, self.size - self.offset)

    def place(self) -> Position:
        """Where reading it goes on."""
        assert self.file is not None
        return Position(
            self.file.fingerprint,
            self.source,
            self.path,
            self.device,
            self.inode,
            self.offset,
            check_of(self.before),
            self.file.encoding,
            self.file.time,
            "",
            self.content.size() if self.content.packed else self.size,
        )

    def between(self, begin: int, end: int) -> Iterator[Chunk]:
        """The whole lines from one offset to another, once more."""
        kept = self.offset, self.before, self._scanned, self._dry, self.final
        try:
            self.go_to(begin)
            self.final = True  # what was shipped once is a line, ended or not
            while self.offset < end:
                chunk = self.next()
                if chunk is None:
                    return
                surplus = self.offset - end
                yield chunk if surplus <= 0 else chunk._replace(data=chunk.data[: max(0, len(chunk.data) - surplus)])
        finally:
            self.offset, self.before, self._scanned, self._dry, self.final = kept

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.content.descriptor)


def follow(
    opener: Open, path: str, source: str, encoding: str, *, read_size: int, line_limit: int, stamp_of: StampOf, now: float
) -> Followed:
    """Open a file to follow it.

    Raises:
        OSError: it cannot be opened, or not be read.
    """
    descriptor = opener(path)
    try:
        return Followed(path, descriptor, source, encoding, read_size, line_limit, stamp_of, now)
    except OSError:
        os.close(descriptor)
        raise
