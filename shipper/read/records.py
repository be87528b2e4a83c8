"""Whole records out of bytes, for files that hold records instead of lines. Pure.

`RecordBuffer` does for an export what `LineBuffer` does for a log: it takes bytes as they arrive and returns chunks of
whole records. A grammar finds the records (see `grammars`). Blanks at the end of a record are not part of it. A record of
more than `limit` bytes is cut there, and the rest of it is skipped.

Memory: the bytes added last, and at most `limit` bytes of an incomplete record.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from shipper.model import Chunk, Export
from shipper.read.frames import FrameRecords
from shipper.read.grammars import LOOK_BACK, CsvRecords, Edge, Grammar, JsonRecords, TextRecords, XmlRecords

_BLANKS = b" \t\r\n\0"


_GRAMMARS: Final = {"json": JsonRecords, "xml": XmlRecords, "text": TextRecords, "frames": FrameRecords}


def grammar_of(export: Export) -> Grammar:
    """The grammar of an export, in its state before the first record or between two."""
    if export.form == "csv":
        return CsvRecords(export.delimiter)
    return _GRAMMARS[export.form]()


class TakenRecords(NamedTuple):
    """A chunk of whole records, and the offset behind the last record, at which reading can resume."""

    chunk: Chunk
    behind: int


class RecordBuffer:
    """Assembles the records of a stream from the pieces in which they arrive."""

    def __init__(self, export: Export, encoding: str, limit: int, offset: int) -> None:
        """
        Args:
            export: how the records are written.
            encoding: of the file.
            limit: bytes of a record.
            offset: of the first byte of the stream in its file, which must not be inside a record.
        """
        self._grammar = grammar_of(export)
        self._unit = 1 if encoding == "utf-8" else 2
        self._low = 0 if encoding == "utf-16-le" else 1
        self._limit = max(1, limit // self._unit)  # in units
        self._data = bytearray()
        self._units = self._data if self._unit == 1 else bytearray()  # a byte for each unit of `_data`
        self._offset = offset  # of the first byte of `_data`
        self._at = 0  # the position of the grammar, in units
        self._begin: int | None = None  # where the incomplete record begins, in units
        self._head: tuple[int, bytes] | None = None  # of a record that is too long: its offset and the bytes kept
        self._half = False  # the end of the stream cut the last record off

    @property
    def inside(self) -> bool:
        """True if the last record is incomplete."""
        return self._begin is not None

    def add(self, data: bytes) -> list[Chunk]:
        """Take the next bytes; return the chunks that they complete. A record that is too long comes alone."""
        return [taken.chunk for taken in self.take(data)]

    def finish(self) -> list[Chunk]:
        """End the stream; the bytes left are one record, whole or not."""
        return [taken.chunk for taken in self.take(b"", final=True)]

    def take(self, data: bytes, *, final: bool = False, resting: bool = False) -> list[TakenRecords]:
        """Like `add`, with the offset behind each chunk; `final`: no byte follows; `resting`: none follows for now."""
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
        """Take the record that ends at the position of the grammar."""
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
        """Add a chunk of the records found since the last chunk to `taken`."""
        if not spans:
            return
        first, last = spans[0][0] * self._unit, spans[-1][1] * self._unit
        records = tuple((begin * self._unit - first, end * self._unit - first) for begin, end in spans)
        chunk = Chunk(bytes(self._data[first:last]), self._offset + first, records=records, half=self._half)
        taken.append(TakenRecords(chunk, self._offset + last))
        spans.clear()

    def _forget(self) -> None:
        """Drop the bytes that are no longer needed, and all but the head of a record that is too long."""
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
    """A buffer that returns chunks of whole records from the bytes that it takes."""

    def take(self, data: bytes, *, final: bool = False, resting: bool = False) -> list[TakenRecords]:
        """Take the next bytes; return what they complete. `final`: no byte follows; `resting`: none follows for now."""
        ...


def first_taken(buffer: Takes, data: bytes, more: Callable[[int], bytes], *, final: bool) -> TakenRecords | None:
    """The first chunk of whole records in a file that may still grow; None if there is none yet.

    No state is kept for the next call, because a writer may replace the end of an array with its next record.

    Args:
        buffer: a new buffer.
        data: the first bytes.
        more: given the number of bytes read so far, returns the next bytes, none at the end.
        final: nothing more is written to the file, so half a record counts. If not, the last one needs the length it states.
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
    """A byte for each whole unit of UTF-16: the character if it is ASCII, a byte above ASCII otherwise.

    A byte order mark becomes NUL: both are ignored between records.
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
