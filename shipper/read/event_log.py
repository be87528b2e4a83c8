"""Windows event logs (.evtx) as text: one line of XML per event, by the library `evtx`. I/O through the functions given.

The library does not report what a cut or damaged log has lost. So it gets the log chunk by chunk (64 KiB, each readable
without the others), and the events are counted against the numbers in the headers of file and chunks; see Metz,
"Windows XML Event Log (EVTX) format". This needs memory for one chunk only, and works on a file that can be read only once.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from shipper.errors import RunError, UsageError
from shipper.read.compression import Read

HEADER, CHUNK = 4096, 65536  # bytes
_MAGIC = b"ElfChnk\0"
_RECORDS = 512  # where the records of a chunk begin
_MOST = (CHUNK - _RECORDS) // 28  # records that a chunk can hold: head and tail of a record alone take 28 bytes
_ALONE = struct.pack("<8sQQQIHHHH", b"ElfFile\0", 0, 0, 2, 128, 1, 3, HEADER, 1).ljust(
    HEADER, b"\0"
)  # header of a log of one chunk
_FORM = 128, 3, HEADER  # in every log: the size of the header's fields, the major version, the size of the header
_DIRTY = 1  # flag of a log that is in use: its check sums and the numbers in its header are out of date


class EventLog:
    """The text of an event log. It is a `Read`."""

    def __init__(self, read: Read, name: str) -> None:
        """`read` gives the bytes of the log from the first on; `name` is for messages."""
        self._events = _lines(read, name)
        self._line = b""
        self._failure: RunError | None = None

    def __call__(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end.

        Raises:
            UsageError: the library is not installed.
            RunError: events are missing; all readable events have been returned.
        """
        while not self._line:
            if self._failure is not None:
                raise self._failure
            try:
                self._line = next(self._events)
            except StopIteration:
                return b""
            except RunError as error:
                self._failure = error
        part, self._line = self._line[:size], self._line[size:]
        return part


class _Bytes:
    """The bytes of a file in portions of a given size, as far as it can be read."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self.position = 0
        self.failure: RunError | None = None

    def take(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end, and where reading fails."""
        data = b""
        try:
            while len(data) < size and (block := self._read(size - len(data))):
                data += block
        except RunError as error:
            self.failure = error
        self.position += len(data)
        return data


class _Losses:
    """Counts what is known to be missing from a log."""

    def __init__(self, header: bytes) -> None:
        self._next, self.chunks, flags = struct.unpack_from("<24xQ10xH76xI", header)
        self._dirty = bool(flags & _DIRTY)
        self._behind: int | None = None  # the number after that of the last event seen
        self._highest = 0  # the highest value of `_behind`
        self._events = 0
        self._chunks = 0
        self._doubtful = 0  # chunks that do not match their check sums

    def chunk(self, chunk: bytes, read: int, *, cut: bool) -> None:
        """Count a chunk from which `read` events could be read; `cut`: its end was missing."""
        first_here, last_here, first, last = struct.unpack_from("<8x4Q", chunk)
        if 0 < last_here - first_here + 1 <= _MOST:
            self._events += max(0, last_here - first_here + 1 - read)
            gap = 0 if self._behind is None else first - self._behind  # below 0 where a circular log wraps around
            if 0 < gap <= _MOST * self.chunks:
                self._events += gap
            self._behind = last + 1
            self._highest = max(self._highest, last + 1)
        else:
            self._behind, self._next = None, 0  # so no gap can be concluded from the next number
            empty = last_here + 1 == first_here or last_here == 0xFFFFFFFFFFFFFFFF
            self._chunks += not empty
        free, check = struct.unpack_from("<48xII", chunk)
        self._doubtful += not (cut or self._dirty) and zlib.crc32(chunk[_RECORDS:free]) != check

    def hole(self) -> None:
        """Count a place where something else than a chunk stands."""
        self._chunks += 1

    def sentence(self, found: int) -> str | None:
        """What is missing from a log that has `found` places for chunks; None if nothing is."""
        if self._highest and not self._dirty and 0 < self._next - self._highest <= _MOST * self.chunks:
            self._events += self._next - self._highest
        self._chunks += max(0, self.chunks - found)
        missing = []
        if self._events:
            missing.append(f"at least {self._events} of its events cannot be read")
        elif self._chunks:
            missing.append(f"{self._chunks} of its parts cannot be read")
        if self._doubtful:
            missing.append(f"{self._doubtful} of its parts do not match their check sums")
        return " and ".join(missing) or None


def _lines(read: Read, name: str) -> Iterator[bytes]:
    try:
        from evtx import PyEvtxParser
    except ImportError:
        raise UsageError(
            f"{name} is a Windows event log (.evtx); what reads it is not installed: pip install 'evtx>=0.14',"
            " or export its events as XML or JSON"
        ) from None

    source = _Bytes(read)
    header = source.take(HEADER)
    losses, found, chunks, cut = _Losses(header.ljust(HEADER, b"\0")), 0, 0, len(header) < HEADER
    while data := source.take(CHUNK):
        cut = len(data) < CHUNK
        chunk = data.ljust(CHUNK, b"\0")
        if chunk.startswith(_MAGIC):
            count = 0
            for record in _records(PyEvtxParser(io.BytesIO(_ALONE + chunk), number_of_threads=1, indent=False).records()):
                count += 1
                yield _line(record["data"])
            losses.chunk(chunk, count, cut=cut)
            chunks += 1
        elif found < losses.chunks or chunk.strip(b"\0"):
            losses.hole()
        found += 1
    if source.failure is not None:
        raise source.failure
    if not chunks and struct.unpack_from("<32xI2xHH", header.ljust(HEADER, b"\0")) != _FORM:
        raise RunError(f"{name} has the first bytes of a Windows event log (.evtx) and nothing of one behind them: it is damaged")
    missing = losses.sentence(found)
    if cut or found < losses.chunks:
        raise RunError(
            f"{name}: the event log ends too early, after {source.position} bytes" + (f": {missing}" if missing else "")
        )
    if missing:
        raise RunError(f"{name}: the event log is damaged: {missing}")


def _records(records: Iterator[Any]) -> Iterator[Any]:
    """The records of a chunk that can be read."""
    for _ in range(_MOST):
        try:
            yield next(records)
        except StopIteration:
            return
        except RuntimeError:  # a record that cannot be read is missing from the count
            pass


def _line(xml: str) -> bytes:
    """An event as a line. Line ends in its texts become references, which an XML parser reads as it reads line ends: as LF."""
    event = xml.partition("?>")[2].strip()
    return event.replace("\r\n", "&#10;").replace("\r", "&#10;").replace("\n", "&#10;").encode("utf-8", "replace") + b"\n"
