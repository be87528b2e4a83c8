"""Reading a file from its beginning: plain, compressed or standard input, as chunks of whole lines. I/O.

Memory is bounded by the read size and the line limit, whatever the file holds.
"""

import os
import re
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shipper.consoles import reader_of
from shipper.errors import RunError
from shipper.model import Chunk, Export
from shipper.read.compression import Read as Read
from shipper.read.compression import Unpacked, form_of
from shipper.read.event_log import EventLog
from shipper.read.lines import LineBuffer, LineRules
from shipper.read.parts import PartBuffer
from shipper.read.records import RecordBuffer
from shipper.read.signatures import EVTX, LOOK, TAR, ZIP, NoLog, NotALog, no_log
from shipper.shared_files import open_shared

READ_SIZE = 16 * 1024  # bytes; the events made of them, some 200 KiB, stay in the processor's cache
KERNEL_READ_SIZE = 2 * READ_SIZE  # what a read costs beside its lines is Python's alone then, and counts for more
LINE_LIMIT = 1024 * 1024  # bytes
STDIN = "-"

BOMS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
LONGEST_MARK = 3  # bytes of a byte order mark
UNMARKED_HEAD = 16  # bytes that may tell UTF-16 without a mark
_UNMARKED = {
    "utf-16-le": re.compile(rb"[\[{]\0|(?:[\t\r -~]\0){2,8}"),
    "utf-16-be": re.compile(rb"\0[\[{]\0?|(?:\0[\t\r -~]){2,8}\0?"),
}


def encoding_of(head: bytes) -> tuple[str, int]:
    """The encoding of a file that begins so, and the length of its byte order mark.

    Without a mark it is UTF-8, or UTF-16 where the first characters of the first line are all of ASCII: two at least, or
    the bracket with which JSON begins.
    """
    for mark, encoding in BOMS.items():
        if head.startswith(mark):
            return encoding, len(mark)
    first = head[:UNMARKED_HEAD].partition(b"\n")[0]
    for encoding, begins in _UNMARKED.items():
        if begins.fullmatch(first):
            return encoding, 0
    return "utf-8", 0


def read_fully(read: Read, size: int) -> bytes:
    """`size` bytes, in as many reads as that takes; fewer only at the end."""
    data = b""
    while len(data) < size and (block := read(size - len(data))):
        data += block
    return data


def read_head(read: Read, size: int) -> bytes:
    """`size` bytes, fewer only at the end or where a line ends before: behind that there may be nothing for hours."""
    data = b""
    while len(data) < size and b"\n" not in data and (block := read(size - len(data))):
        data += block
    return data


def skip_mark(read: Read) -> tuple[Read, int]:
    """Read past a byte order mark, if there is one; the second value is its length."""
    head = read_fully(read, LONGEST_MARK)
    _, length = encoding_of(head)
    return after(head[length:], read), length


@contextmanager
def open_bytes(path: str, *, event_logs: bool = True) -> Iterator[Read]:
    """Open a file (`-`: standard input) to read the bytes of its text.

    Compressed data and Windows event logs are recognized by their first bytes, not by the name; the text of an event
    log is the XML of its events. `event_logs` False refuses them, as whatever else is no log.

    Raises:
        RunError: it cannot be opened. From the function returned: the file is damaged or the device
            fails; what was readable has been returned by then.
        NotALog: from the function returned.
    """
    if path == STDIN:
        name = "standard input"
        if sys.stdin is None:
            raise RunError(f"cannot read {name}: it is closed")
        yield text_of(_waiting(sys.stdin.fileno()), name, event_logs=event_logs)
        return
    try:
        file = open(path, "rb", buffering=0, opener=open_shared)  # noqa: SIM115  closed below, after the caller's block
    except OSError as error:
        raise RunError(f"cannot open {path}: {error.strerror}") from None
    with file:
        yield text_of(file.read, path, event_logs=event_logs)


def _waiting(descriptor: int) -> Read:
    """Reads a descriptor, waiting for data even if it is set not to block: the program at the other end may have done that."""
    some = reader_of(descriptor)

    def read(size: int) -> bytes:
        while True:
            try:
                return some(size)
            except BlockingIOError:
                select.select([descriptor], [], [])

    return read


def text_of(read: Read, name: str, *, event_logs: bool = True) -> Read:
    """The bytes of a file's text, for the bytes of the file: see `open_bytes`. Making the function reads nothing."""
    chosen: Read | None = None

    def reading(size: int) -> bytes:
        nonlocal chosen
        if chosen is None:
            chosen = _recognized(guarded(read, name), name, event_logs=event_logs)
        return chosen(size)

    return reading


def guarded(read: Read, name: str) -> Read:
    """The same bytes; what goes wrong is told in a sentence about `name`.

    Raises:
        RunError: from the function returned: the device fails.
    """

    def reading(size: int) -> bytes:
        try:
            return read(size)
        except OSError as error:
            raise RunError(f"cannot read {name}: {error.strerror or error}") from None

    return reading


def _recognized(read: Read, name: str, *, event_logs: bool) -> Read:
    head = _look_ahead(read)
    form = form_of(head)
    read = after(head, read)
    if form is not None:
        read = Unpacked(form, read, name)
        head = _look_ahead(read)
        read = after(head, read)
    kind = no_log(head, unpacked=form is not None)
    if kind is EVTX and event_logs:
        return EventLog(read, name)
    if kind in (ZIP, TAR) and name == "standard input":
        kind = kind._replace(remedy="give its path instead, because it is read from its middle")
    return read if kind is None else _refuse(kind, name)


def _refuse(kind: NoLog, name: str) -> Read:
    def refuse(size: int) -> bytes:
        raise NotALog(kind, name)

    return refuse


def _look_ahead(read: Read) -> bytes:
    """As much of the beginning as tells what a file is. Waits for nothing behind the first line end; trouble is for the
    next read to tell."""
    head = b""
    try:
        while len(head) < LOOK and b"\n" not in head and form_of(head) is None and (block := read(LOOK - len(head))):
            head += block
    except RunError:
        pass
    return head


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


def read_chunks(
    read: Read,
    offset: int = 0,
    encoding: str = "utf-8",
    size: int = READ_SIZE,
    limit: int = LINE_LIMIT,
    export: Export | None = None,
    *,
    parts: bool = False,
) -> Iterator[Chunk]:
    """Chunks of whole lines, or of whole records; one longer than `limit` bytes comes alone, cut there.

    The last one may lack its end. If reading fails, what was read before comes first.

    Args:
        read: gives up to n bytes, none at the end.
        offset: where in the file the first byte stands.
        encoding: decides what a line end is.
        size: bytes a read.
        limit: bytes of a line, without its end, or of a record.
        export: how records are written; None for lines.
        parts: put the parts of lines together that a container runtime wrote.

    Raises:
        RunError: from `read`.
    """
    rules = LineRules(encoding, limit)
    size = max(rules.unit, rules.whole_characters(min(size, rules.limit)))
    buffer: LineBuffer | PartBuffer | RecordBuffer
    if export is not None:
        buffer = RecordBuffer(export, encoding, limit, offset)
    else:
        buffer = PartBuffer(rules, offset) if parts else LineBuffer(rules, offset)
    failure: RunError | None = None
    while True:
        try:
            block = read(size)
        except RunError as error:
            block, failure = b"", error
        if not block:
            break
        yield from buffer.add(block)
    yield from buffer.finish()
    if failure is not None:
        raise failure


def size_of(path: str) -> int | None:
    """Bytes of a plain file; None for standard input, pipes, and files whose bytes are not those of their text."""
    if path == STDIN or not os.path.isfile(path):
        return None
    with open(path, "rb", opener=open_shared) as file:
        head = file.read(LOOK)
        return None if form_of(head) or no_log(head) else os.path.getsize(path)
