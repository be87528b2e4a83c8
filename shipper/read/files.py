"""Reading a file from its beginning: plain, gzip or standard input, as chunks of whole lines. I/O.

Memory is bounded by the read size and the line limit, whatever the file holds.
"""

import os
import select
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shipper.errors import RunError
from shipper.model import Chunk
from shipper.read.lines import LineBuffer, LineRules

READ_SIZE = 16 * 1024  # bytes; the events made of them, some 200 KiB, stay in the processor's cache
LINE_LIMIT = 1024 * 1024  # bytes
GZIP_MAGIC = b"\x1f\x8b"
STDIN = "-"

Read = Callable[[int], bytes]
"""Returns up to that many of the next bytes; fewer at any time, none only at the end."""

BOMS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
LONGEST_MARK = 3  # bytes of a byte order mark


def encoding_of(head: bytes) -> tuple[str, int]:
    """Encoding and length of the byte order mark at the beginning of a file; UTF-8 without one."""
    for mark, encoding in BOMS.items():
        if head.startswith(mark):
            return encoding, len(mark)
    return "utf-8", 0


def read_fully(read: Read, size: int) -> bytes:
    """`size` bytes, in as many reads as that takes; fewer only at the end."""
    data = b""
    while len(data) < size and (block := read(size - len(data))):
        data += block
    return data


def skip_mark(read: Read) -> tuple[Read, int]:
    """Read past a byte order mark, if there is one; the second value is its length."""
    head = read_fully(read, LONGEST_MARK)
    _, length = encoding_of(head)
    return after(head[length:], read), length


@contextmanager
def open_bytes(path: str) -> Iterator[Read]:
    """Open a file (`-`: standard input) to read its decompressed bytes.

    gzip is recognized by its first two bytes, not by the name.

    Raises:
        RunError: it cannot be opened. From the function returned: the file is damaged or the device
            fails; what was readable has been returned by then.
    """
    if path == STDIN:
        name = "standard input"
        if sys.stdin is None:
            raise RunError(f"cannot read {name}: it is closed")
        yield _maybe_gzip(_guarded(_blocking(sys.stdin.fileno()), name), name)
        return
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115  closed below, after the caller's block
    except OSError as error:
        raise RunError(f"cannot open {path}: {error.strerror}") from None
    with file:
        yield _maybe_gzip(_guarded(file.read, path), path)


def _blocking(descriptor: int) -> Read:
    """Reads a descriptor, waiting for data even if it is set not to block: the program at the other end may have done that."""

    def read(size: int) -> bytes:
        while True:
            try:
                return os.read(descriptor, size)
            except BlockingIOError:
                select.select([descriptor], [], [])

    return read


def _guarded(read: Read, name: str) -> Read:
    def guarded(size: int) -> bytes:
        try:
            return read(size)
        except OSError as error:
            raise RunError(f"cannot read {name}: {error.strerror or error}") from None

    return guarded


def _maybe_gzip(read: Read, name: str) -> Read:
    """The same bytes, decompressed if they begin with gzip's magic number. Making the function reads nothing."""
    chosen: Read | None = None

    def reading(size: int) -> bytes:
        nonlocal chosen
        if chosen is None:
            head = read_fully(read, len(GZIP_MAGIC))
            chosen = after(head, read)
            if head == GZIP_MAGIC:
                chosen = Gunzip(chosen, name)
        return chosen(size)

    return reading


def after(head: bytes, read: Read) -> Read:
    """A read function that returns `head` first."""
    rest = head

    def reading(size: int) -> bytes:
        nonlocal rest
        if rest:
            part, rest = rest[:size], rest[size:]
            return part
        return read(size)

    return reading


def sequential(at: Callable[[int, int], bytes]) -> Read:
    """A read function that begins at the first byte, from one that takes an offset and a size."""
    offset = 0

    def reading(size: int) -> bytes:
        nonlocal offset
        data = at(offset, size)
        offset += len(data)
        return data

    return reading


class Gunzip:
    """Decompresses a gzip file of one or more members, giving out all that is readable before an error. It is a `Read`.

    Ours, because the standard library's reader keeps to itself what it has read of a damaged member.
    """

    def __init__(self, read: Read, name: str) -> None:
        """`name` is for messages."""
        self._read = read
        self._name = name
        self._member = zlib.decompressobj(31)
        self._between = False  # behind a member, where the file may end
        self._waiting = b""  # read, and not decompressed yet
        self._position = 0
        self._failure: RunError | None = None

    def __call__(self, size: int) -> bytes:
        """Up to `size` decompressed bytes; none at the end. More only once, where the data is damaged.

        Raises:
            RunError: the data is damaged, or ends inside a member.
        """
        while self._failure is None:
            if not self._fill():
                return b""
            data = self._decompress(size)
            if data:
                return data
        raise self._failure

    def _fill(self) -> bool:
        """Have bytes of a member to decompress; False where the file ends behind one."""
        while True:
            if not self._waiting:
                self._waiting = self._read(READ_SIZE)
                self._position += len(self._waiting)
            if not self._waiting or not self._between:
                return bool(self._waiting) or not self._between
            self._waiting = self._waiting.lstrip(b"\0")  # padding behind a member, as tape tools leave it
            if self._waiting:
                self._member, self._between = zlib.decompressobj(31), False

    def _decompress(self, size: int) -> bytes:
        before = self._member.copy()
        try:
            data = self._member.decompress(self._waiting, size)
        except zlib.error as error:
            self._failure = RunError(f"{self._name}: damaged gzip data before compressed byte {self._position}: {error}")
            return _salvage(before, self._waiting)
        if not data and not self._waiting and not self._member.eof:
            raise RunError(f"{self._name}: the gzip file ends too early, after {self._position} compressed bytes")
        self._between = self._member.eof
        self._waiting = self._member.unused_data if self._between else self._member.unconsumed_tail
        return data


def _salvage(member: "zlib._Decompress", damaged: bytes) -> bytes:
    """What a gzip member gives before its damage, which zlib keeps to itself unless asked byte by byte."""
    parts = []
    try:
        for at in range(len(damaged)):
            parts.append(member.decompress(damaged[at : at + 1]))  # noqa: PERF401  the parts before an error count
    except zlib.error:
        pass
    return b"".join(parts)


def read_chunks(
    read: Read, offset: int = 0, encoding: str = "utf-8", size: int = READ_SIZE, limit: int = LINE_LIMIT
) -> Iterator[Chunk]:
    """Chunks of whole lines; a line longer than `limit` bytes comes alone, cut there.

    The last line may lack its end. If reading fails, what was read before comes first.

    Args:
        read: gives up to n bytes, none at the end.
        offset: where in the file the first byte stands.
        encoding: decides what a line end is.
        size: bytes a read.
        limit: bytes of a line, without its end.

    Raises:
        RunError: from `read`.
    """
    rules = LineRules(encoding, limit)
    size = max(rules.unit, rules.whole_characters(min(size, rules.limit)))
    lines = LineBuffer(rules, offset)
    failure: RunError | None = None
    while True:
        try:
            block = read(size)
        except RunError as error:
            block, failure = b"", error
        if not block:
            break
        yield from lines.add(block)
    last = lines.finish()
    if last is not None:
        yield last
    if failure is not None:
        raise failure


def size_of(path: str) -> int | None:
    """Bytes of a plain file; None for standard input, pipes and gzip."""
    if path == STDIN or not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        return None if file.read(2) == GZIP_MAGIC else os.path.getsize(path)
