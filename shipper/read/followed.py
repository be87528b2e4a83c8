"""One file that is followed: who it is, and its next whole lines. I/O.

Between two calls reading keeps nothing but an offset: an incomplete last line is read again when it has grown. Each read includes the bytes
before the offset and compares them with what they were, so a file that was truncated and rewritten is noticed even if it is longer than before.
"""

import os
from collections.abc import Iterator
from dataclasses import replace

from shipper.model import Chunk, Export, LogFile
from shipper.read.content import open_content
from shipper.read.files import sequential
from shipper.read.identity import FINGERPRINT_SPAN, TAIL_SPAN, describe, fingerprint, last_between, look_ahead, time_of_change
from shipper.read.inputs import TailOptions, file_id
from shipper.read.line_search import SCAN, LineSearch
from shipper.read.lines import LineRules, last_newline
from shipper.read.parts import first_joined, may_hold_parts
from shipper.read.position import CHECK, Position, check_of
from shipper.read.records import RecordBuffer, first_taken
from shipper.read.rotation import number_of
from shipper.read.signatures import LOOK, no_log
from shipper.times import StampReader

BACK = 64 * 1024 * 1024  # bytes at the end of a file in which a line end is looked for


class Changed(Exception):
    """The bytes before the offset are not what they were: the file was truncated and rewritten."""


class Followed:
    """An open file.

    Attributes:
        path: where it is now, or was last.
        source: the log that it belongs to.
        placed: its times were compared with those of its log before any of it was read.
        compared: how many bytes were read by then of the files before it in its log, when that was done last.
        id: device and inode.
        content: its decompressed bytes.
        size, modified: as `stat` said last, in bytes and nanoseconds.
        found, quiet_since: when it was found, and when its size last changed, in seconds of the tail's clock.
        rotated: it was rotated away, or is packed as only rotated files are.
        gone: it is no longer at its path.
        final: nothing more is written to it: it was rotated away and has been quiet since.
        host: the server that writes it, if the configuration says.
        from_end: reading begins behind the last line that is there now, unless a position is known.
        key: its name among the positions; empty until it is identified, and while it is only a copy of another file.
        file: what its events share; None until it is identified.
        fingerprint: of its content; the ids of its events may have another beginning (`Position.identity`).
        no_log: a sentence that says what it is if it is known to be no log; None otherwise.
        resumed: reading goes on from a known position.
        offset: where its next line begins.
        order: sorts the files of a log by age.
    """

    def __init__(self, path: str, descriptor: int, source: str, encoding: str, options: TailOptions, now: float) -> None:
        """
        Raises:
            OSError: it cannot be read.
        """
        status = os.fstat(descriptor)
        self.path = path
        self.source = source
        self.id = file_id(status)
        self.content = open_content(descriptor, path)
        self.size = status.st_size
        self.modified = status.st_mtime_ns
        self.found = self.quiet_since = now
        self.rotated = self.content.packed
        self.gone = self.final = self.from_end = False
        self.host: str | None = None
        self._descriptor = descriptor
        self._encoding = encoding
        self._options = options
        self.start_over()

    def start_over(self) -> None:
        """Forget who it is: from now on it is another log, from its first byte."""
        self.key = ""
        self.file: LogFile | None = None
        self.no_log: str | None = None
        self.resumed = self.placed = False
        self.compared = -1
        self.offset = 0
        self.order: tuple[int, int, int, str] = (0, 0, 0, "")
        self._before = b""  # what was read last before `offset`, `CHECK` bytes or fewer
        self._first_dated_end: int | None = None
        self._newest: tuple[int, str | None] = 0, None  # for `newest`: an offset, and the last time stamp before it
        self._search = LineSearch(0)  # for the end of the line at `offset`
        self._looked_at: tuple[int, bool] | None = None  # the size at which it could not be identified, and `final`
        self._dry: tuple[int, bool] | None = None  # the size at which there was no whole line, and `final`
        self._chunk_at = 0  # where the last chunk began
        self._idle = 0  # bytes at the end of an export that are no record, when it was dry

    def identify(self) -> bool:
        """Find out who it is, as soon as that can be known; True once it is.

        Raises:
            OSError: it cannot be read.
        """
        if self.file is not None or self._looked_at == (self.size, self.final):
            return self.file is not None
        if not self.content.packed:  # a compressor makes its file before it writes to it
            self.content = open_content(self._descriptor, self.path)
            self.rotated |= self.content.packed
        kind = no_log(self.content.at(0, LOOK), unpacked=self.content.packed)
        if kind is not None:
            self.no_log = kind.sentence(self.path)
            return False
        about = describe(look_ahead(sequential(self.content.at)), self._encoding, self._options.stamp_of)
        self._looked_at = self.size, self.final
        if not about.head or not (about.ended or len(about.head) == FINGERPRINT_SPAN or self.final):
            return False
        self.file = replace(about.log_file(self.path, time_of_change(self.status())), host=self.host)
        self.fingerprint = self.file.fingerprint
        self._first_dated_end = about.end
        self._rules = LineRules(about.encoding, self._options.line_limit)
        # Of two files that begin at the same time, the one written to earlier comes first.
        self.order = StampReader().read(self.file.time) or 0, self.modified, -number_of(self.path), self.path
        self.offset = about.start
        self._before = about.head[: about.start]
        return True

    def found_at(self, path: str) -> None:
        """It is at this path now."""
        if path != self.path:
            self.path, self.gone = path, False
        elif self.gone:  # a share that came back
            self.gone, self.rotated = False, self.content.packed

    def status(self) -> os.stat_result:
        """What the system says of the open file, wherever it is now."""
        return os.fstat(self._descriptor)

    def matches(self, position: Position) -> bool:
        """True if the bytes before this position are there and are those that were read."""
        before = self._bytes_before(position.offset)
        return len(before) == min(CHECK, position.offset) and check_of(before) == position.check

    def _bytes_before(self, offset: int) -> bytes:
        begin = max(0, offset - CHECK)
        return self.content.at(begin, offset - begin)

    def go_to(self, offset: int) -> None:
        """Read on from this offset."""
        self.offset = self._chunk_at = offset
        self._search = LineSearch(offset)
        self._before = self._bytes_before(offset)
        self._dry = None

    def go_to_end(self) -> None:
        """Read on behind the last whole line that is there now."""
        size = self._rules.whole_characters(self.content.size())
        if self.file is not None and self.file.export is not None:
            while self.next() is not None:
                pass
            return
        least = max(self.offset, size - BACK)
        while size > least:
            begin = max(self.offset, size - SCAN)
            end = last_newline(self.content.at(begin, size - begin), self._rules.newline)
            if end >= 0:
                self.go_to(begin + end + self._rules.unit)
                return
            size = begin
        if size > self.offset:
            self.go_to(size)  # into a line that began long before

    def next(self) -> Chunk | None:
        """The next whole lines; None if there are none for now.

        Raises:
            Changed: what was read is no longer there.
            OSError: it cannot be read.
        """
        if self._dry == (self.size, self.final):
            return None
        if self.content.packed and self._search.scanned > self.offset:  # what was unpacked cannot have changed
            return self._next_long(self._search.scanned)
        # No longer than the limit, so that none of the lines in it can be too long.
        size = min(self._options.read_size, self._rules.limit)
        data = self.content.at(self.offset - len(self._before), len(self._before) + size)
        if data[: len(self._before)] != self._before or not self._begins_as_it_did():
            raise Changed  # since the last look
        data = data[len(self._before) :]
        if self.file is not None and self.file.export is not None:
            return self._next_records(data, self.file.export)
        taken = self._rules.whole(data)
        if taken is not None:
            return self._take(Chunk(data[: taken.size], self.offset), self.offset + taken.size)
        if data:
            return self._next_long(self.offset + self._rules.whole_characters(len(data)))
        self._dry = self.size, self.final
        return None

    def _next_long(self, seen: int) -> Chunk | None:
        """Like `next`, for a line that has no end up to the offset `seen`."""
        line = self._search.end(self.content, self._rules, seen, final=self.final)
        if line is None or line.begin == line.behind:
            if line is not None:  # nothing but NULs, and nothing follows
                self.go_to(line.behind)
            if not self._search.unfinished:
                self._dry = self.size, self.final
            return None
        data = self.content.at(line.begin, min(line.behind - line.begin, self._rules.longest))
        taken = self._rules.whole(data, final=True)
        if taken is None:
            raise Changed
        return self._take(Chunk(data[: taken.size], line.begin, taken.cut), line.behind)

    def _next_records(self, data: bytes, export: Export) -> Chunk | None:
        """Like `next`, for an export; `data` stands at `offset`."""
        assert self.file is not None
        buffer = RecordBuffer(export, self.file.encoding, self._options.line_limit, self.offset)
        taken = first_taken(buffer, data, lambda read: self.content.at(self.offset + read, SCAN), final=self.final)
        if taken is not None:
            return self._take(*taken)
        self._dry = self.size, self.final
        self._idle = 0 if buffer.inside else self._known_size - self.offset
        return None

    def _take(self, chunk: Chunk, behind: int) -> Chunk | None:
        """Go on behind a chunk, and behind what was cut off; None if a line in it goes on in what is to come."""
        if self.file is not None and self.file.parts and not chunk.cut and may_hold_parts(chunk.data):
            if (taken := first_joined(self._rules, chunk.offset, self.content.at, SCAN, final=self.final)) is None:
                self._dry = self.size, self.final
                return None
            chunk, behind = taken
        if chunk.offset + len(chunk.data) == behind and len(chunk.data) >= CHECK:
            self._before = chunk.data[-CHECK:]
        else:
            self._before = self._bytes_before(behind)
        self.offset = behind
        self._search = LineSearch(behind)
        self._chunk_at = chunk.offset
        return chunk

    @property
    def unchanged(self) -> bool:
        """False if what was read is no longer there: the file was truncated and rewritten.

        Raises:
            OSError: it cannot be read.
        """
        there = self.content.at(self.offset - len(self._before), len(self._before))
        return there == self._before and self._begins_as_it_did()

    def _begins_as_it_did(self) -> bool:
        """False if so little was read that only the first line can tell, and that is another one now."""
        if self.offset >= CHECK:
            return True
        return fingerprint(self.content.at(0, FINGERPRINT_SPAN), self._first_dated_end) == self.fingerprint

    @property
    def dated(self) -> bool:
        """True if it has a time stamp."""
        return self._first_dated_end is not None

    def newest(self) -> str | None:
        """The last time stamp of what was read, if it is near; else the first. None if nothing with a time stamp was read.

        Raises:
            OSError: it cannot be read.
        """
        if not self.dated or self.offset < (self._first_dated_end or 0):
            return None
        assert self.file is not None
        if self._newest[0] != self.offset:
            begin = max(0, self.offset - TAIL_SPAN) if self.file.export is None else self._chunk_at
            self._newest = self.offset, last_between(self.content.at, begin, self.offset, self.file, self._options.stamp_of)
        return self._newest[1] or self.file.time

    @property
    def at_end(self) -> bool:
        """True if the last attempt to read found no whole line, and nothing has been written since."""
        return self._dry == (self.size, self.final)

    @property
    def has_rest(self) -> bool:
        """True if bytes of an incomplete line are there."""
        return self._known_size > self.offset + (self._idle if self.at_end else 0)

    @property
    def lag(self) -> int:
        """Bytes that are there and not read; 0 for a compressed file, whose length is not known before its end."""
        return 0 if self.content.packed else max(0, self.size - self.offset - (self._idle if self.at_end else 0))

    @property
    def _known_size(self) -> int:
        return self.content.size() if self.content.packed else self.size

    def position(self) -> Position:
        """Where reading goes on."""
        assert self.file is not None
        file, check = self.file, check_of(self._before)
        place = (self.source, self.path, *self.id, self.offset, check)
        identity = "" if file.fingerprint == self.fingerprint else file.fingerprint
        return Position(self.fingerprint, *place, file.encoding, file.time, size=self._known_size, identity=identity)

    def between(self, begin: int, end: int) -> Iterator[Chunk]:
        """The whole lines from one offset to another, once more."""
        kept = self.offset, self._before, self._search, self._dry, self.final
        try:
            self.go_to(begin)
            self.final = True  # what was shipped once is a line, ended or not
            while self.offset < end:
                chunk = self.next()
                if chunk is None:
                    return
                surplus = self.offset - end
                yield chunk if surplus <= 0 else chunk.up_to(max(0, len(chunk.data) - surplus))
        finally:
            self.offset, self._before, self._search, self._dry, self.final = kept

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)


def follow(path: str, source: str, encoding: str, options: TailOptions, now: float) -> Followed:
    """Open a file to follow it.

    Args:
        path: the file.
        source: the log that it belongs to.
        encoding: `auto`, or that of a file without a byte order mark.
        options: how it is read.
        now: seconds of the tail's clock.

    Raises:
        OSError: it cannot be opened or read.
    """
    descriptor = options.opener(path)
    try:
        return Followed(path, descriptor, source, encoding, options, now)
    except OSError:
        os.close(descriptor)
        raise
