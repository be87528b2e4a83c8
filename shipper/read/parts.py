"""Join the lines that a container runtime wrote in parts. Pure.

Docker and CRI write a line of more than 16 KiB in parts, each of which is a line of the file:

    {"log":"BEGINNING","stream":"stdout","time":"…"}     only the last part of a line ends with \\n
    2016-10-06T00:17:09.669794202Z stdout P BEGINNING    only the last part of a line has F

The parts of a line form one record of several pieces, which begins with the first part. Lines of the other stream may stand
between them. An unfinished line waits for its next part: for `PATIENCE` bytes behind its last part, and as long as it has, with
the lines between, no more bytes than the line limit. Then it is given out as it is, and later parts are lines of their own.

Where no line waits no state is kept, so reading can resume there. Chunks without parts pass unchanged.
"""

import re
from collections.abc import Callable
from typing import Final

from shipper.model import Chunk
from shipper.read.lines import LEADS, LineBuffer, LineRules, lead
from shipper.read.records import TakenRecords, first_taken

PATIENCE = 64 * 1024
LEAST_PIECE = 4096  # bytes; Docker's parts have 16 KiB, and a shorter line without an end lost it in another shipper
LOOK_BACK: Final = 8 * PATIENCE  # bytes before an offset that show whether a line waits there

_ISO = rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
_RUNTIME = re.compile(rb'\{"log":"|' + _ISO + rb" std(?:out|err) ")
_CRI = re.compile(_ISO + rb" (stdout|stderr) ([A-Z])[ :]")
_DOCKER = re.compile(rb'\{"log":"((?:[^"\\]++|\\.)*+)","stream":"(stdout|stderr)"')
_STREAM, _ENDED, _PERHAPS_ENDED = b'","stream":"std', b'\\n","stream":"std', b'\\\\n","stream":"std'


def is_of_runtime(beginning: bytes) -> bool:
    """True if a file begins like one that a container runtime writes."""
    return _RUNTIME.match(beginning) is not None


def may_hold_parts(data: bytes) -> bool:
    """False if none of these lines is a part."""
    if b" stdout P" in data or b" stderr P" in data:
        return True
    return data.count(_STREAM) > data.count(_ENDED) - data.count(_PERHAPS_ENDED)


def _part_of(line: bytes) -> tuple[bytes, bool] | None:
    """The stream of a line, and whether another part follows it; None if no container runtime wrote the line."""
    found = _CRI.match(line)
    if found is not None:
        return found[1], found[2] == b"P"
    found = _DOCKER.match(line)
    if found is None:
        return None
    written = found[1]
    slashes = len(written) - 1 - len(written[:-1].rstrip(b"\\"))
    ended = written.endswith(b"n") and slashes % 2 == 1
    return found[2], not ended and len(written) >= LEAST_PIECE


class PartBuffer:
    """The `LineBuffer` for files of a container runtime."""

    def __init__(self, rules: LineRules, offset: int) -> None:
        """`offset` is that of the first byte of the stream in its file; no line may wait there."""
        self._lines = LineBuffer(rules, offset)
        self._limit = rules.limit
        self._data = bytearray()  # begins with the first byte not given out yet
        self._offset = offset  # of the first byte of `_data`
        self._done: list[list[int]] = []  # the spans of records up to `_settled`, where no line waits
        self._settled = offset
        self._records: list[list[int]] = []  # the spans of records behind `_settled`
        self._waiting: dict[bytes, list[int]] = {}  # by stream, the record that waits for its next part

    @property
    def inside(self) -> bool:
        """True if a line waits for its next part."""
        return bool(self._waiting)

    def add(self, data: bytes) -> list[Chunk]:
        """Take the next bytes; return the chunks that they complete."""
        return [taken.chunk for taken in self.take(data)]

    def finish(self) -> list[Chunk]:
        """End the stream; return the lines that wait, and a last line without end."""
        return [taken.chunk for taken in self.take(b"", final=True)]

    def take(self, data: bytes, *, final: bool = False, resting: bool = False) -> list[TakenRecords]:
        """Like `add`, with the offset behind each chunk. `final`: no byte follows. `resting` (none follows for now) has no
        effect: it ends no line."""
        taken: list[TakenRecords] = []
        for at in range(0, len(data), self._limit):
            for chunk in self._lines.add(data[at : at + self._limit]):
                self._add(chunk, taken)
        if final:
            for last in self._lines.finish():
                self._add(last, taken)
            self._settle(self._offset + len(self._data))
            self._give(taken)
        return taken

    def _add(self, chunk: Chunk, taken: list[TakenRecords]) -> None:
        behind = self._offset + len(self._data)
        if chunk.cut or chunk.offset != behind:  # behind a line that is too long, or NULs, no line goes on
            self._settle(behind)
        if not self._waiting and (chunk.cut or not may_hold_parts(chunk.data)):
            self._give(taken)
            self._offset = self._settled = chunk.offset + len(chunk.data)
            taken.append(TakenRecords(chunk, self._settled))
            return
        if not self._waiting:
            self._give(taken)
            self._offset = self._settled = chunk.offset
        self._data += chunk.data
        at, end = 0, len(chunk.data)
        while at < end:
            stop = chunk.data.find(b"\n", at)
            line = chunk.data[at:] if stop < 0 else chunk.data[at:stop]
            next_at = at + len(line) + (stop >= 0)
            self._line(line, chunk.offset + at, chunk.offset + next_at, taken)
            at = next_at
        self._give(taken)

    def _line(self, line: bytes, begin: int, behind: int, taken: list[TakenRecords]) -> None:
        """Take a line of the file; `behind` is where the next line begins."""
        no_part = lead(line, "utf-8") if line[:1] and line[0] in LEADS else 0
        stream, goes_on = _part_of(line[no_part:]) or (b"", False)
        end = begin + len(line)
        end -= end < behind and line.endswith(b"\r")
        if self._waiting:
            if no_part:
                self._settle(begin)
            self._look_who_waits(stream, begin, behind, taken)
        begin += no_part
        record = self._waiting.get(stream)
        if record is None:
            self._records.append([begin, end])
        else:
            record += begin, end
        if goes_on:
            self._waiting[stream] = record or self._records[-1]
        else:
            self._waiting.pop(stream, None)
        if not self._waiting:
            self._settle(behind)

    def _look_who_waits(self, stream: bytes, begin: int, behind: int, taken: list[TakenRecords]) -> None:
        """Stop waiting where a line of `stream` at `begin` comes too late: too far behind the last part, or over the limit."""
        if self._records and behind - self._records[0][0] > self._limit:
            too_long = stream in self._waiting and len(self._records) == 1
            if too_long:
                self._give(taken)
            self._settle(begin)
            if too_long:
                self._give(taken, cut=True)
            return
        for waiting, record in list(self._waiting.items()):
            if begin - record[-1] > PATIENCE:
                del self._waiting[waiting]
        if not self._waiting:
            self._settle(begin)

    def _settle(self, at: int) -> None:
        """Stop waiting: all records before `at` are done."""
        self._waiting.clear()
        self._done += self._records
        self._records = []
        self._settled = at

    def _give(self, taken: list[TakenRecords], *, cut: bool = False) -> None:
        """Add a chunk of the records that are done to `taken`."""
        if not self._done:
            return
        size = self._settled - self._offset
        records = tuple(tuple(at - self._offset for at in record) for record in self._done)
        taken.append(TakenRecords(Chunk(bytes(self._data[:size]), self._offset, cut, records), self._settled))
        self._done = []
        del self._data[:size]
        self._offset = self._settled


def first_joined(
    rules: LineRules, offset: int, at: Callable[[int, int], bytes], scan: int, *, final: bool
) -> TakenRecords | None:
    """The first chunk at `offset` of a file that may still grow; None while a line waits for its next part.

    Args:
        rules: how its lines end.
        offset: where a line begins, and none waits.
        at: reads the file, given an offset and a size.
        scan: bytes per read.
        final: nothing more is written to the file.
    """
    buffer = PartBuffer(rules, offset)
    return first_taken(buffer, at(offset, scan), lambda read: at(offset + read, scan), final=final)


def waits_at(before: bytes) -> bool:
    """True if a line may wait at the end of these bytes: the last `LOOK_BACK` before an offset, or all that there are."""
    near = max(0, len(before) - PATIENCE)
    if not may_hold_parts(before):
        return len(before) == LOOK_BACK and b"\n" not in before[:near]
    lines, at = before.split(b"\n"), 0
    for number, line in enumerate(lines):
        at += len(line) + 1
        whole = number > 0 or len(before) < LOOK_BACK
        part = _part_of(line)
        if at > near and (not whole or (part is not None and part[1])):
            return True
    return False
