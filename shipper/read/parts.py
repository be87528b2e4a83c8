"""Lines that a container runtime wrote in parts, put together again. Pure.

Docker and CRI write a line of more than 16 KiB in parts, each of which is a line of the file:

    {"log":"BEGINNING","stream":"stdout","time":"…"}     only what ends a line ends with \\n
    2016-10-06T00:17:09.669794202Z stdout P BEGINNING    only what ends a line has F

The parts of a line are one record of several pieces, which begins where the first does. Lines of the other stream may stand
between them. A line that goes on is waited for: for `PATIENCE` bytes behind its last part, and as long as it has no more
bytes, with those between, than a line may have. Then it is given out as it is, and what comes later is a line of its own.

Where no line waits nothing is remembered, so that reading can go on there. Chunks without parts pass as they are.
"""

import re
from collections.abc import Callable
from typing import Final

from shipper.model import Chunk
from shipper.read.lines import LEADS, LineBuffer, LineRules, lead
from shipper.read.records import TakenRecords, first_taken

PATIENCE = 64 * 1024
LEAST_PIECE = 4096  # bytes; Docker's pieces have 16 KiB, and what is shorter lost its line end in another shipper
LOOK_BACK: Final = 8 * PATIENCE  # bytes before an offset that show whether a line waits there

_ISO = rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
_RUNTIME = re.compile(rb'\{"log":"|' + _ISO + rb" std(?:out|err) ")
_CRI = re.compile(_ISO + rb" (stdout|stderr) ([A-Z])[ :]")
_DOCKER = re.compile(rb'\{"log":"((?:[^"\\]++|\\.)*+)","stream":"(stdout|stderr)"')
_STREAM, _ENDED, _PERHAPS_ENDED = b'","stream":"std', b'\\n","stream":"std', b'\\\\n","stream":"std'


def is_of_runtime(beginning: bytes) -> bool:
    """True for a file that begins as a container runtime writes it."""
    return _RUNTIME.match(beginning) is not None


def may_hold_parts(data: bytes) -> bool:
    """False if none of these lines is a part."""
    if b" stdout P" in data or b" stderr P" in data:
        return True
    return data.count(_STREAM) > data.count(_ENDED) - data.count(_PERHAPS_ENDED)


def _part_of(line: bytes) -> tuple[bytes, bool] | None:
    """The stream that a line belongs to, and whether it is a part that another one follows; None if no runtime wrote it."""
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
    """Does for the lines of a container runtime what `LineBuffer` does for a log."""

    def __init__(self, rules: LineRules, offset: int) -> None:
        """`offset` is that of the first byte of the stream in its file; no line waits there."""
        self._lines = LineBuffer(rules, offset)
        self._limit = rules.limit
        self._data = bytearray()  # from the first byte on that was not given out
        self._offset = offset  # of the first byte of `_data`
        self._done: list[list[int]] = []  # the spans of records up to `_settled`, where no line waits
        self._settled = offset
        self._records: list[list[int]] = []  # those behind it
        self._waiting: dict[bytes, list[int]] = {}  # by stream, the record that goes on

    @property
    def inside(self) -> bool:
        """True if a line waits for its next part."""
        return bool(self._waiting)

    def add(self, data: bytes) -> list[Chunk]:
        """The next bytes, as many as a line may have at most; the chunks that they complete."""
        return [taken.chunk for taken in self.take(data)]

    def finish(self) -> list[Chunk]:
        """The stream ends here: what waits, and a last line without end."""
        return [taken.chunk for taken in self.take(b"", final=True)]

    def take(self, data: bytes, *, final: bool = False, resting: bool = False) -> list[TakenRecords]:
        """Like `add`, of any number of bytes, with the offset behind each chunk; `final`: no byte follows. `resting`, that
        none does for now, ends no line."""
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
        if chunk.cut or chunk.offset != behind:  # a line that is too long, or NULs: nothing goes on behind those
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
        """Take a line of the file; `behind` is where the next one begins."""
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
        """Let nothing wait for a line of `stream` at `begin` that is too far away."""
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
        """Nothing waits any more for what comes at `at`."""
        self._waiting.clear()
        self._done += self._records
        self._records = []
        self._settled = at

    def _give(self, taken: list[TakenRecords], *, cut: bool = False) -> None:
        """A chunk of the records that are done."""
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
        at: gives bytes of the file, from an offset on.
        scan: bytes a read.
        final: nothing more is written to the file.
    """
    buffer = PartBuffer(rules, offset)
    return first_taken(buffer, at(offset, scan), lambda read: at(offset + read, scan), final=final)


def waits_at(before: bytes) -> bool:
    """True if a line may wait where these bytes end: as many as `LOOK_BACK` says, or those of the file up to there."""
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
