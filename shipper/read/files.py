"""Reading a log: plain, gzip or standard input, as chunks of whole lines. I/O.

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

READ_SIZE = 16 * 1024  # what comes of it, some 200 KiB, stays in the cache
LINE_LIMIT = 1024 * 1024
GZIP_MAGIC = b"\x1f\x8b"
STDIN = "-"

Read = Callable[[int], bytes]

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
    """A function that reads the decompressed bytes of a file (`-`: standard input).

    gzip is recognized by its first two bytes, not by the name.

    Raises:
        RunError: from the read function; the file is damaged or the device fails. What was readable
            has been returned by then.
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
    """Reads a descriptor that may not block, as one end of a pipe can be set by the other program."""

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
    """The same bytes, decompressed if they begin with gzip's magic number. Reads nothing before it is asked to."""
    chosen: Read | None = None

    def reading(size: int) -> bytes:
        nonlocal chosen
        if chosen is None:
            head = read_fully(read, len(GZIP_MAGIC))
            chosen = after(head, read)
            if head == GZIP_MAGIC:
                chosen = gunzip(chosen, name)
        return chosen(size)

    return reading


def after(head: bytes, read: Read) -> Read:
    """A read function that gives `head` first."""
    rest = head

    def reading(size: int) -> bytes:
        nonlocal rest
        if rest:
            part, rest = rest[:size], rest[size:]
            return part
        return read(size)

    return reading


def gunzip(read: Read, name: str) -> Read:
    """Decompress a gzip stream of one or more members, giving out all that is readable before an error."""
    member = zlib.decompressobj(31)
    waiting = b""
    ended = False  # between two members, where the file may end
    position = 0
    failure: RunError | None = None

    def reading(size: int) -> bytes:
        nonlocal member, waiting, ended, position, failure
        while True:
            if failure:
                raise failure
            if not waiting:
                waiting = read(READ_SIZE)
                position += len(waiting)
                if not waiting and ended:
                    return b""
            if ended:
                waiting = waiting.lstrip(b"\0")  # padding behind a member, as tape tools leave it
                if not waiting:
                    continue
                member, ended = zlib.decompressobj(31), False
            before = member.copy()
            try:
                data = member.decompress(waiting, size)
            except zlib.error as error:
                failure = RunError(f"{name}: damaged gzip data before compressed byte {position}: {error}")
                data = _salvage(before, waiting)
                if data:
                    return data
                continue
            if not data and not waiting and not member.eof:
                raise RunError(f"{name}: the gzip file ends too early, after {position} compressed bytes")
            waiting = member.unused_data if member.eof else member.unconsumed_tail
            ended = member.eof
            if data:
                return data

    return reading


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
