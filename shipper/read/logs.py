"""Group the files to read into logs, each a series of rotated files in order. I/O.

Names decide which files belong together, and times where a name misleads: see `rotation`.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

from shipper.errors import InputError, RunError
from shipper.model import LogFile
from shipper.printable import printable
from shipper.read.archive_members import Member
from shipper.read.files import STDIN, Read, open_bytes, size_of
from shipper.read.identity import TAIL_SPAN, StampOf, last_of_records, last_stamp
from shipper.read.rotation import is_another_log, name_apart, number_of, source_name, source_of_member, why_apart
from shipper.shared_files import open_shared
from shipper.times import BEFORE_ALL, SECOND, StampReader

EXCHANGE_TIMEOUT = 600 * SECOND  # nanoseconds, the default


@dataclass(frozen=True, slots=True)
class Input:
    """One file to read.

    Attributes:
        path: how to open it; `-` for standard input.
        file: what its events share.
        order: its place among the arguments, from 0.
        dated: it has a time stamp.
        member: opens it if it is a file in an archive; None otherwise.
    """

    path: str
    file: LogFile
    order: int
    dated: bool = True
    member: Member | None = None

    @property
    def on_disk(self) -> str:
        """The path of the file on disk that holds it: its own, or that of the archive."""
        return self.path if self.member is None else self.member.archive

    @property
    def size(self) -> int | None:
        """Bytes of its text; None if only reading it would tell."""
        return size_of(self.path) if self.member is None else None

    @property
    def source(self) -> str:
        """The source that its name gives: the same for all files of a log."""
        if self.path == STDIN:
            return STDIN
        return source_name(self.path) if self.member is None else source_of_member(self.member.archive, self.member.name)

    @contextmanager
    def open(self) -> Iterator[Read]:
        """Open it to read the bytes of its text; see `open_bytes`.

        Raises:
            InputError: the file cannot be opened, or could not be read to its end.
        """
        try:
            with open_bytes(self.path) if self.member is None else self.member.open() as read:
                yield read
        except RunError as error:
            raise InputError(str(error), self.path) from None


@dataclass(frozen=True, slots=True)
class Log:
    """One log with its rotated files, in the order in which they were written.

    `apart` is a sentence on why its only file is not read with others of that name; None for a log that is not set apart.
    """

    name: str
    inputs: tuple[Input, ...]
    apart: str | None = None


def logs_of(inputs: Iterable[Input], timeout: int, stamp_of: StampOf | None = None) -> list[Log]:
    """Group files into logs, in the order of the logs' first time stamps.

    Args:
        inputs: in any order.
        timeout: nanoseconds by which a file may begin before the newest line of the files before it.
        stamp_of: finds the time stamp of lines that do not begin as MFA Server writes them.
    """
    named: dict[str, list[Input]] = {}
    for given in inputs:
        named.setdefault(given.source, []).append(given)
    logs = [log for name, members in named.items() for log in _divided(name, _in_order(members, stamp_of), timeout, stamp_of)]
    return sorted(logs, key=lambda log: (_begin(log.inputs[0]), log.inputs[0].path))


def _begin(given: Input) -> int:
    return StampReader().read(given.file.time) or 0


def _in_order(members: Iterable[Input], stamp_of: StampOf | None) -> list[Input]:
    """Sort the files of one name by their first time stamps; of files that begin at the same time, the one that ends earlier
    comes first, then the one with the higher number."""

    def age(given: Input) -> tuple[int, int, str]:
        end = StampReader().read(_last_stamp(given, stamp_of) or "") if given.dated else None
        return end or 0, -number_of(given.path), given.path

    ordered: list[Input] = []
    for _, together in groupby(sorted(members, key=_begin), key=_begin):
        same = [*together]
        ordered += sorted(same, key=age) if len(same) > 1 else same
    return ordered


def _divided(name: str, members: Sequence[Input], timeout: int, stamp_of: StampOf | None) -> Iterator[Log]:
    """The log of all files of one name, and before it one for each file whose times show that it is another log."""
    reader = StampReader()
    kept: list[Input] = []
    newest = (BEFORE_ALL, "", "")
    for number, member in enumerate(members, 1):
        first = reader.read(member.file.time) or 0
        if member.dated and is_another_log(first, newest[0], timeout):
            why = why_apart(member.path, member.file.time, *newest[1:])
            yield Log(name_apart(name, member.file.fingerprint), (member,), why)
            continue
        kept.append(member)
        if number < len(members) and member.dated:
            end = _last_stamp(member, stamp_of) or member.file.time
            newest = max(newest, (reader.read(end) or 0, end, member.path))
    yield Log(name, tuple(kept))


def _last_stamp(member: Input, stamp_of: StampOf | None) -> str | None:
    """The last time stamp of a file; a compressed file or an export is read whole to find it."""
    export = member.file.export
    if export is not None:
        with member.open() as opened:
            return last_of_records(readable(opened), member.file.encoding, export, stamp_of)
    size = member.size
    if size is None:
        with member.open() as opened:
            tail, size = _end_of(readable(opened))
    else:
        with open(member.path, "rb", opener=open_shared) as file:
            file.seek(_tail_begin(size))
            tail = file.read(size - file.tell())
    return last_stamp(tail, member.file.encoding, stamp_of, whole=size == len(tail))


def _tail_begin(size: int) -> int:
    """The offset at which the last `TAIL_SPAN` bytes of a file begin, or one less: on a whole character of UTF-16."""
    return max(0, size - TAIL_SPAN) & ~1


def _end_of(read: Read) -> tuple[bytes, int]:
    """The last bytes that can be read, as far as `_tail_begin` reaches, and the number of all of them."""
    tail, size = b"", 0
    while block := read(TAIL_SPAN):
        tail, size = tail + block, size + len(block)
        tail = tail[_tail_begin(size) - (size - len(tail)) :]
    return tail, size


def readable(read: Read) -> Read:
    """Wrap `read` to end where bytes cannot be read. The error is reported when the file is shipped."""

    def reading(size: int) -> bytes:
        try:
            return read(size)
        except RunError:
            return b""

    return reading


def name_of(log: Log) -> str:
    """The name of a log to display, in the folder as the user wrote it."""
    folder = os.path.dirname(log.inputs[0].path)
    return "standard input" if log.name == STDIN else os.path.join(folder, os.path.basename(log.name))


def listing(logs: Iterable[Log]) -> list[str]:
    """Lines to display: each log, its files in reading order, and why a file was set apart."""
    lines: list[str] = []
    for log in logs:
        lines.append(printable(name_of(log)))
        for member in log.inputs:
            path = "-" if member.path == STDIN else printable(member.path)
            lines.append(f"  {path}, from {member.file.time}" if member.dated else f"  {path}, without a time stamp")
        if log.apart:
            lines.append(f"  note: {printable(log.apart)}")
    return lines
