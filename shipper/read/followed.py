"""One followed file: its identity and its next whole lines. I/O.

No incomplete line is kept between calls: it is read again once it has grown. Each read includes the bytes before the offset and
compares them with those read before, so a file that was truncated and rewritten is noticed even if it is longer now.
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

BACK = 64 * 1024 * 1024  # bytes at the end of a file that are searched for a line end


class Changed(Exception):
    """The bytes before the offset have changed: the file was truncated and rewritten."""


class Followed:
    """An open file.

    Attributes:
        path: where it is now, or was last.
        source: the log that it belongs to.
        placed: its times were compared with those of its log before its first read, or it was resumed and needs no comparison.
        compared: bytes that had been read of the files before it in its log at the last comparison; -1 before the first.
        id: device and inode.
        content: its decompressed bytes.
        size, modified: from the last `stat`, in bytes and nanoseconds.
        found, quiet_since: when it was found, and when its size last changed, in seconds of the tail's clock.
        rotated: it was rotated away, or is packed, as only rotated files are.
        gone: it is no longer at its path.
        final: nothing more is written to it: it was rotated away and has been quiet since.
        host: the server that writes it; None if the configuration does not say.
        from_end: reading begins behind the last line that is there now, unless a position is known.
        key: its name among the positions; empty until it is identified, and while it is only a copy of another file.
        file: what its events share; None until it is identified.
        fingerprint: of its content; its `event.id`s may begin with another value (`Position.identity`).
        no_log: a sentence about what it is, if it is known to be no log; None otherwise.
        resumed: reading goes on from a known position.
        offset: where its next line begins.
        order: sort key of the files of a log, by age.
    """

    def __init__(self, path: str, descriptor: int, source: str, encoding: str, options: TailOptions, now: float) -> None:
        """
        Raises:
            OSError: the file cannot be read.
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
        """Forget the file's identity: from now on it is another log, from its first byte."""
        self.key = ""
        self.file: LogFile | None = None
        self.no_log: str | None = None
        self.resumed = self.placed = False
        self.compared = -1
        self.offset = 0
        self.order: tuple[int, int, int, str] = (0, 0, 0, "")
        self._before = b""  # the bytes read before `offset`, `CHECK` or fewer
        self._first_dated_end: int | None = None
        self._newest: tuple[int, str | None] = 0, None  # for `newest`: an offset, and the last time stamp before it
        self._search = LineSearch(0)  # for the end of the line at `offset`
        self._looked_at: tuple[int, bool] | None = None  # `size` and `final` at the last attempt to identify it
        self._dry: tuple[int, bool] | None = None  # `size` and `final` when no whole line was left
        self._chunk_at = 0  # where the last chunk began
        self._idle = 0  # bytes at the end of an export that belonged to no record when `_dry` was set

    def identify(self) -> bool:
        """Identify the file, once enough of it is there; True if it is identified.

        Raises:
            OSError: the file cannot be read.
        """
        if self.file is not None or self._looked_at == (self.size, self.final):
            return self.file is not None
        if not self.content.packed:  # a compressor creates its file before writing to it
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
        """Note that the file is at this path now."""
        if path != self.path:
            self.path, self.gone = path, False
        elif self.gone:  # a share that came back
            self.gone, self.rotated = False, self.content.packed

    def status(self) -> os.stat_result:
        """The `fstat` of the open file, wherever it is now."""
        return os.fstat(self._descriptor)

    def matches(self, position: Position) -> bool:
        """True if the bytes before this position exist and match its check."""
        before = self._bytes_before(position.offset)
        return len(before) == min(CHECK, position.offset) and check_of(before) == position.check

    def _bytes_before(self, offset: int) -> bytes:
        begin = max(0, offset - CHECK)
        return self.content.at(begin, offset - begin)

    def go_to(self, offset: int) -> None:
        """Continue reading at this offset."""
        self.offset = self._chunk_at = offset
        self._search = LineSearch(offset)
        self._before = self._bytes_before(offset)
        self._dry = None

    def go_to_end(self) -> None:
        """Continue reading behind the last whole line that is there now."""
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
            self.go_to(size)  # inside a line that began more than `BACK` bytes before

    def next(self) -> Chunk | None:
        """The next whole lines; None if there are none for now.

        Raises:
            Changed: the bytes read before are no longer there.
            OSError: the file cannot be read.
        """
        if self._dry == (self.size, self.final):
            return None
        if self.content.packed and self._search.scanned > self.offset:  # unpacked bytes cannot have changed
            return self._next_long(self._search.scanned)
        # Within the limit, so that no line in it can be too long.
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
        """Like `next`, for a line without an end up to the offset `seen`."""
        line = self._search.end(self.content, self._rules, seen, final=self.final)
        if line is None or line.begin == line.behind:
            if line is not None:  # only NULs up to the end of the file
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
        """Like `next`, for an export; `data` holds the bytes at `offset`."""
        assert self.file is not None
        buffer = RecordBuffer(export, self.file.encoding, self._options.line_limit, self.offset)
        taken = first_taken(buffer, data, lambda read: self.content.at(self.offset + read, SCAN), final=self.final)
        if taken is not None:
            return self._take(*taken)
        self._dry = self.size, self.final
        self._idle = 0 if buffer.inside else self._known_size - self.offset
        return None

    def _take(self, chunk: Chunk, behind: int) -> Chunk | None:
        """Move to `behind`, past the chunk and any bytes cut from it; None if a line in it has parts still to come."""
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
        """False if the bytes read before are no longer there: the file was truncated and rewritten.

        Raises:
            OSError: the file cannot be read.
        """
        there = self.content.at(self.offset - len(self._before), len(self._before))
        return there == self._before and self._begins_as_it_did()

    def _begins_as_it_did(self) -> bool:
        """False if the fingerprint has changed; checked only while the bytes before the offset are too few (`CHECK`) to tell."""
        if self.offset >= CHECK:
            return True
        return fingerprint(self.content.at(0, FINGERPRINT_SPAN), self._first_dated_end) == self.fingerprint

    @property
    def dated(self) -> bool:
        """True if it has a time stamp."""
        return self._first_dated_end is not None

    def newest(self) -> str | None:
        """The last time stamp of the `TAIL_SPAN` bytes (export: the chunk) read last, else the first; None if none was read.

        Raises:
            OSError: the file cannot be read.
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
        """True if the last read found no whole line, and nothing has been written since."""
        return self._dry == (self.size, self.final)

    @property
    def has_rest(self) -> bool:
        """True if an incomplete line follows the offset."""
        return self._known_size > self.offset + (self._idle if self.at_end else 0)

    @property
    def lag(self) -> int:
        """Unread bytes; 0 for a compressed file, whose length is not known before its end."""
        return 0 if self.content.packed else max(0, self.size - self.offset - (self._idle if self.at_end else 0))

    @property
    def _known_size(self) -> int:
        return self.content.size() if self.content.packed else self.size

    def position(self) -> Position:
        """Where reading resumes."""
        assert self.file is not None
        file, check = self.file, check_of(self._before)
        place = (self.source, self.path, *self.id, self.offset, check)
        identity = "" if file.fingerprint == self.fingerprint else file.fingerprint
        return Position(self.fingerprint, *place, file.encoding, file.time, size=self._known_size, identity=identity)

    def between(self, begin: int, end: int) -> Iterator[Chunk]:
        """Read the whole lines between two offsets again, leaving the reading position as it is."""
        kept = self.offset, self._before, self._search, self._dry, self.final
        try:
            self.go_to(begin)
            self.final = True  # a line that was shipped counts as one, ended or not
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
        encoding: `auto` to detect it, or the encoding of the file.
        options: how to read it.
        now: seconds of the tail's clock.

    Raises:
        OSError: the file cannot be opened or read.
    """
    descriptor = options.opener(path)
    try:
        return Followed(path, descriptor, source, encoding, options, now)
    except OSError:
        os.close(descriptor)
        raise
