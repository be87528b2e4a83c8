"""Read a file (plain, compressed or standard input) from its beginning, as chunks of whole lines. I/O.

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
KERNEL_READ_SIZE = 2 * READ_SIZE  # the kernel makes lines cheap, so the fixed cost of a read, all Python, counts for more
LINE_LIMIT = 1024 * 1024  # bytes
STDIN = "-"

BOMS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
LONGEST_MARK = 3  # bytes of a byte order mark
UNMARKED_HEAD = 16  # bytes examined to detect UTF-16 without a mark
_UNMARKED = {
    "utf-16-le": re.compile(rb"[\[{]\0|(?:[\t\r -~]\0){2,8}"),
    "utf-16-be": re.compile(rb"\0[\[{]\0?|(?:\0[\t\r -~]){2,8}\0?"),
}


def encoding_of(head: bytes) -> tuple[str, int]:
    """The encoding of a file that begins with `head`, and the length of its byte order mark.

    Without a mark it is UTF-16 if the first line, up to `UNMARKED_HEAD` bytes, consists of ASCII characters in UTF-16: at
    least two, or one bracket that begins JSON; else UTF-8.
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
    """Read `size` bytes, in as many reads as needed; fewer only at the end."""
    data = b""
    while len(data) < size and (block := read(size - len(data))):
        data += block
    return data


def read_head(read: Read, size: int) -> bytes:
    """Read `size` bytes; fewer at the end, or once a line has ended, because the next line may take hours to come."""
    data = b""
    while len(data) < size and b"\n" not in data and (block := read(size - len(data))):
        data += block
    return data


def skip_mark(read: Read) -> tuple[Read, int]:
    """Skip the byte order mark, if there is one; the second value is its length."""
    head = read_fully(read, LONGEST_MARK)
    _, length = encoding_of(head)
    return after(head[length:], read), length


@contextmanager
def open_bytes(path: str, *, event_logs: bool = True) -> Iterator[Read]:
    """Open a file (`-`: standard input) to read the bytes of its text.

    Compressed data and Windows event logs are recognized by their first bytes, not by the name; the text of an event
    log is the XML of its events. With `event_logs` False they are refused, like any other file that is no log.

    Raises:
        RunError: the file cannot be opened. From the returned function: the file is damaged or the device
            fails; all readable bytes have been returned by then.
        NotALog: from the returned function.
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
    """A `Read` of a descriptor that waits for data even in non-blocking mode, which the program at the other end may have set."""
    some = reader_of(descriptor)

    def read(size: int) -> bytes:
        while True:
            try:
                return some(size)
            except BlockingIOError:
                select.select([descriptor], [], [])

    return read


def text_of(read: Read, name: str, *, event_logs: bool = True) -> Read:
    """Turn a `Read` of a file's bytes into one of its text: see `open_bytes`. Nothing is read before its first call."""
    chosen: Read | None = None

    def reading(size: int) -> bytes:
        nonlocal chosen
        if chosen is None:
            chosen = _recognized(guarded(read, name), name, event_logs=event_logs)
        return chosen(size)

    return reading


def guarded(read: Read, name: str) -> Read:
    """Wrap `read` to turn an OSError into a sentence about `name`.

    Raises:
        RunError: from the returned function: the device fails.
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
    """Read enough of the beginning to tell what a file is. Does not wait for data behind the first line end; an error is
    left for the next read to raise."""
    head = b""
    try:
        while len(head) < LOOK and b"\n" not in head and form_of(head) is None and (block := read(LOOK - len(head))):
            head += block
    except RunError:
        pass
    return head


def after(head: bytes, read: Read) -> Read:
    """A `Read` that returns `head` first, then what `read` returns."""
    rest = head

    def reading(size: int) -> bytes:
        nonlocal rest
        if rest:
            part, rest = rest[:size], rest[size:]
            return part
        return read(size)

    return reading


def sequential(at: Callable[[int, int], bytes]) -> Read:
    """A `Read` from the first byte on, made of a function that takes an offset and a size."""
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
    """Read chunks of whole lines, or of whole records; a line or record longer than `limit` bytes comes alone, cut there.

    The last line may lack its end. If reading fails, the whole lines read before come first; the rest of a line is not a line:
    a status cut short is another status.

    Args:
        read: returns up to n bytes, none at the end.
        offset: where in the file the first byte stands.
        encoding: determines the bytes of a line end.
        size: bytes per read.
        limit: bytes of a line, without its end, or of a record.
        export: how records are written; None for lines.
        parts: join the parts in which a container runtime wrote long lines.

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
    while block := read(size):
        yield from buffer.add(block)
    yield from buffer.finish()


def size_of(path: str) -> int | None:
    """The size of a plain file in bytes; None for standard input, pipes, and files whose bytes are not their text."""
    if path == STDIN or not os.path.isfile(path):
        return None
    with open(path, "rb", opener=open_shared) as file:
        head = file.read(LOOK)
        return None if form_of(head) or no_log(head) else os.path.getsize(path)
