"""Whole records out of bytes, for files that hold records instead of lines. Pure.

`RecordBuffer` does for an export what `LineBuffer` does for a log: bytes in, as they arrive, chunks of whole records
out. What a record is, a grammar says (see `grammars`). Blanks at the end of a record are no part of it. A record of
more than `limit` bytes is cut there, and the rest of it is skipped.

Memory: what was added last, and of a record that is not complete no more than the limit.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from shipper.model import Chunk, Export
from shipper.read.frames import FrameRecords
from shipper.read.grammars import LOOK_BACK, CsvRecords, Edge, Grammar, JsonRecords, TextRecords, XmlRecords

_BLANKS = b" \t\r\n\0"


_GRAMMARS: Final = {"json": JsonRecords, "xml": XmlRecords, "text": TextRecords, "frames": FrameRecords}


def grammar_of(export: Export) -> Grammar:
    """A grammar that stands before the first record, or between two."""
    if export.form == "csv":
        return CsvRecords(export.delimiter)
    return _GRAMMARS[export.form]()


class TakenRecords(NamedTuple):
    """A chunk of whole records, and the offset behind the last of them, from which reading can go on."""

    chunk: Chunk
    behind: int


class RecordBuffer:
    """Puts the records of a stream together from the pieces in which they arrive."""

    def __init__(self, export: Export, encoding: str, limit: int, offset: int) -> None:
        """
        Args:
            export: what the file is.
            encoding: of the file.
            limit: bytes of a record.
            offset: of the first byte of the stream in its file; a record begins there, or something between two.
        """
        self._grammar = grammar_of(export)
        self._unit = 1 if encoding == "utf-8" else 2
        self._low = 0 if encoding == "utf-16-le" else 1
        self._limit = max(1, limit // self._unit)  # in units
        self._data = bytearray()
        self._units = self._data if self._unit == 1 else bytearray()  # a byte for each unit of `_data`
        self._offset = offset  # of the first byte of `_data`
        self._at = 0  # how far the grammar is, in units
        self._begin: int | None = None  # where the record begins that is not complete, in units
        self._head: tuple[int, bytes] | None = None  # of a record that is too long: its offset, what is left of it
        self._half = False  # the last record ends with the stream

    @property
    def inside(self) -> bool:
        """True if there is the beginning of a record that is not complete."""
        return self._begin is not None

    def add(self, data: bytes) -> list[Chunk]:
        """The next bytes; the chunks that they complete. A record that is too long comes alone."""
        return [taken.chunk for taken in self.take(data)]

    def finish(self) -> list[Chunk]:
        """The stream ends here: what is left is one record, whole or not."""
        return [taken.chunk for taken in self.take(b"", final=True)]

    def take(self, data: bytes, *, final: bool = False, resting: bool = False) -> list[TakenRecords]:
        """Like `add`, with the offset behind each chunk; `final`: no byte follows; `resting`: none for now."""
        self._data += data
        self._grammar.resting = resting
        if self._unit == 2:
            self._units += _units(self._data[2 * len(self._units) :], self._low)
        taken: list[TakenRecords] = []
        spans: list[tuple[int, int]] = []
        while True:
            edge, self._at = self._grammar.step(self._units, self._at, final=final)
            if edge is Edge.MORE:
                if not final or self._begin is None:
                    break
                self._at, self._half = len(self._units), True
            if edge is Edge.BEGIN:
                self._begin = self._at
                continue
            if edge is not Edge.DROP:
                self._end(taken, spans)
            self._begin = self._head = None
        self._flush(taken, spans)
        self._forget()
        return taken

    def _end(self, taken: list[TakenRecords], spans: list[tuple[int, int]]) -> None:
        """A record ends here."""
        assert self._begin is not None
        if self._at - self._begin <= self._limit and self._head is None:
            spans.append((self._begin, self._trimmed(self._begin, self._at)))
            return
        self._flush(taken, spans)
        offset, data = self._head or self._cut()
        taken.append(TakenRecords(Chunk(data, offset, cut=True, records=((0, len(data)),)), self._offset + self._at * self._unit))

    def _trimmed(self, begin: int, end: int) -> int:
        while end > begin and self._units[end - 1] in _BLANKS:
            end -= 1
        return end

    def _cut(self) -> tuple[int, bytes]:
        assert self._begin is not None
        begin = self._begin * self._unit
        return self._offset + begin, bytes(self._data[begin : begin + self._limit * self._unit])

    def _flush(self, taken: list[TakenRecords], spans: list[tuple[int, int]]) -> None:
        """A chunk of the records found since the last one."""
        if not spans:
            return
        first, last = spans[0][0] * self._unit, spans[-1][1] * self._unit
        records = tuple((begin * self._unit - first, end * self._unit - first) for begin, end in spans)
        chunk = Chunk(bytes(self._data[first:last]), self._offset + first, records=records, half=self._half)
        taken.append(TakenRecords(chunk, self._offset + last))
        spans.clear()

    def _forget(self) -> None:
        """Drop what is done with, and of a record that is too long all but its head."""
        done = self._at if self._begin is None else self._begin
        if self._begin is not None and (self._head is not None or self._at - self._begin > self._limit):
            self._head = self._head or self._cut()
            done = max(self._begin, self._at - LOOK_BACK)
        if not done:
            return
        del self._data[: done * self._unit]
        if self._unit == 2:
            del self._units[:done]
        self._offset += done * self._unit
        self._at -= done
        if self._begin is not None:
            self._begin = max(0, self._begin - done)


class Takes(Protocol):
    """What gives chunks of whole records out of bytes that arrive one after the other."""

    def take(self, data: bytes, *, final: bool = False, resting: bool = False) -> list[TakenRecords]:
        """The next bytes; what they complete. `final`: no byte follows; `resting`: none for now."""
        ...


def first_taken(buffer: Takes, data: bytes, more: Callable[[int], bytes], *, final: bool) -> TakenRecords | None:
    """The first chunk of whole records in a file that may still grow; None if there is none yet.

    Nothing is kept for the next time, because a writer may replace the end of an array by what comes next.

    Args:
        buffer: a new one.
        data: its first bytes.
        more: gives the bytes behind the number of those that were read, none at the end.
        final: nothing more is written to the file: half a record is a record. If not, one that is as long as it says is whole.
    """
    read = 0
    while data:
        taken = buffer.take(data)
        if taken:
            return taken[0]
        read += len(data)
        data = more(read)
    return next(iter(buffer.take(b"", final=final, resting=True)), None)


_MASK = bytes([0, *[0xFF] * 255])


def _units(data: bytearray, low: int) -> bytes:
    """A byte for each whole unit of UTF-16: the character if it is one of ASCII, a byte above those otherwise.

    A byte order mark becomes NUL: both are nothing between records.
    """
    whole = data[: len(data) // 2 * 2]
    lows, highs = whole[low::2], whole[1 - low :: 2]
    if not highs.strip(b"\0"):
        return bytes(lows)
    mask = highs.translate(_MASK)
    units = (int.from_bytes(lows, "little") | int.from_bytes(mask, "little")).to_bytes(len(lows), "little")
    if 0xFE not in highs:
        return units
    return bytes(0 if (a, b) == (0xFF, 0xFE) else unit for a, b, unit in zip(lows, highs, units, strict=True))
