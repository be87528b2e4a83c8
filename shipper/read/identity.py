"""Who a file is, and which files make one log: fingerprints, first time stamps, sources. I/O.

`event.id` must be the same on every read, from a copy, a `.gz` or a pipe, so it is made of the
content: SHA-256 of the bytes up to the end (its LF included) of the first line with a time stamp.
"""

import glob
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shipper.errors import RunError, UsageError
from shipper.model import LogFile
from shipper.read.files import STDIN, Read, after, encoding_of, open_bytes, read_chunks
from shipper.read.lines import next_newline
from shipper.times import EPOCH, StampReader, from_seconds

HEAD = 64 * 1024
StampOf = Callable[[str], str | None]  # the time stamp of a line in a form of its own, such as syslog
MARK = 3  # bytes of the longest byte order mark


@dataclass(frozen=True, slots=True)
class Input:
    """A file to read: how to open it (`-`: standard input), and what its events share."""

    path: str
    file: LogFile
    order: int


@dataclass(frozen=True, slots=True)
class Log:
    """One log with its rotated files, in the order in which they were written."""

    name: str
    inputs: tuple[Input, ...]


def fingerprint(head: bytes, end: int | None) -> str:
    """16 hex digits for a file that begins with `head`, whose first dated line ends at `end`."""
    return hashlib.sha256(head[: min(HEAD, len(head) if end is None else end)]).hexdigest()[:16]


def no_other(line: str) -> str | None:
    """For logs that hold nothing but lines as MFA Server writes them."""
    return None


def first_stamp(read: Read, encoding: str, skip: int, stamp_of: StampOf) -> tuple[str | None, int | None]:
    """The first valid time stamp and the offset behind its line, reading on from offset `skip`."""
    clock = StampReader()
    newline = "\n".encode(encoding)
    for chunk in read_chunks(read, skip, encoding):
        at = 0
        while at < len(chunk.data):
            end = next_newline(chunk.data, newline, at)
            stop = len(chunk.data) if end < 0 else end
            # A time stamp has 30 characters at most; the rest of a long line need not be decoded.
            text = chunk.data[at : min(stop, at + 64)].decode(encoding, "replace")
            stamp = text.partition("|")[0]
            if end >= 0:
                stamp = stamp.removesuffix("\r")
            if clock.read(stamp) is None and stamp_of is not no_other:
                line = chunk.data[at : min(stop, at + HEAD)].decode(encoding, "replace")
                stamp = stamp_of(line.removesuffix("\r") if end >= 0 else line) or ""
            if clock.read(stamp) is not None:
                return stamp, chunk.offset + stop + (0 if end < 0 else len(newline))
            at = stop + len(newline)
    return None, None


def identify(path: str, read: Read, fallback: str, stamp_of: StampOf = no_other) -> LogFile:
    """Fingerprint, encoding and first time stamp of a file, from its beginning.

    Reads no further than it must: behind the first dated line of a pipe there may be nothing yet for hours.

    Args:
        path: as events name it; `-` for none.
        read: from the first byte on.
        fallback: the time of a file that has no time stamp at all.
        stamp_of: for lines that do not begin as MFA Server writes them.
    """
    head = b""

    def keep(size: int) -> bytes:
        nonlocal head
        block = read(size)
        head += block[: HEAD - len(head)]
        return block

    while len(head) < MARK and keep(MARK - len(head)):
        pass
    encoding, skip = encoding_of(head)
    stamp, end = first_stamp(after(head[skip:], keep), encoding, skip, stamp_of)
    # A name need not be UTF-8, but an event is.
    name = None if path == STDIN else os.fsencode(path).decode("utf-8", "replace")
    return LogFile(name, fingerprint(head, end), stamp or fallback, encoding)


def source_name(path: str) -> str:
    """What the files of one log have in common: the folder, however it was written, and the name up to the first dot
    without digits, `-` and `_`."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(folder, re.sub(r"[0-9_-]", "", name.partition(".")[0]))


def expand(arguments: Iterable[str]) -> list[str]:
    """The files that the arguments name, each once (by its first name): paths, globs, `-`.

    Raises:
        UsageError: a file is missing, a folder, a pipe or not readable; a glob matches nothing.
    """
    paths: dict[str, None] = {}
    for argument in arguments:
        if argument == STDIN or os.path.lexists(argument):
            paths[argument] = None
            continue
        found = sorted(p for p in glob.glob(argument, recursive=True) if not os.path.isdir(p))
        if not found:
            what = "no file matches" if glob.has_magic(argument) else "there is no file"
            raise UsageError(f"{what} {argument}; give a log file, a glob or - for standard input")
        paths.update(dict.fromkeys(found))
    for path in paths:
        if path == STDIN:
            continue
        if os.path.isdir(path):
            raise UsageError(f"{path} is a directory; name its files, for example '{os.path.join(path, '*.log')}'")
        if not os.path.exists(path):
            raise UsageError(f"{path} is a link to a file that does not exist")
        if not os.access(path, os.R_OK):
            raise UsageError(f"{path} cannot be read: permission denied; run as a user who may read it")
        if stat.S_ISFIFO(os.stat(path).st_mode):
            raise UsageError(f"{path} is a pipe, which can be read once only; give it to standard input (-) instead")
    files: dict[object, str] = {}
    for path in paths:
        files.setdefault(_inode(path), path)
    return list(files.values())


def _inode(path: str) -> tuple[int, int] | str:
    """The same for two names of one file, which must not be read twice."""
    if path == STDIN:
        return path
    status = os.stat(path)
    return status.st_dev, status.st_ino


def fallback_time(path: str, *, deterministic: bool) -> str:
    """The time of a file without any time stamp: its modification time, or 1970."""
    if deterministic or path == STDIN:
        return EPOCH
    return from_seconds(os.stat(path).st_mtime_ns // 1000 / 1e6)


@contextmanager
def open_inputs(
    arguments: Iterable[str], *, deterministic: bool = False, stamp_of: StampOf = no_other
) -> Iterator[tuple[list[Log], Read | None]]:
    """The sources that the arguments name, in the order of their first time stamps.

    Standard input cannot be read twice: what finding its first time stamp consumed is kept (on disk
    beyond 1 MiB), and the second value reads it from its beginning. It is a source of its own.
    """
    paths = expand(arguments)
    with tempfile.SpooledTemporaryFile(1 << 20) as spool:
        inputs: list[Input] = []
        stdin: Read | None = None
        for order, path in enumerate(paths):
            with open_bytes(path) as read:
                fallback = fallback_time(path, deterministic=deterministic)
                readable = _readable(read)
                if path == STDIN:

                    def keep(size: int, read: Read = readable) -> bytes:
                        block = read(size)
                        spool.write(block)
                        return block

                    inputs.append(Input(path, identify(path, keep, fallback, stamp_of), order))
                    spool.seek(0)
                    stdin = _chain(spool.read, read)
                else:
                    inputs.append(Input(path, identify(path, readable, fallback, stamp_of), order))
        yield _group(inputs), stdin


def _readable(read: Read) -> Read:
    """The same bytes, ending where they cannot be read: that is for the one to report who ships them."""

    def reading(size: int) -> bytes:
        try:
            return read(size)
        except RunError:
            return b""

    return reading


def _chain(first: Read, second: Read) -> Read:
    def read(size: int) -> bytes:
        return first(size) or second(size)

    return read


def _group(inputs: list[Input]) -> list[Log]:
    clock = StampReader()
    groups: dict[str, list[Input]] = {}
    for one in sorted(inputs, key=lambda i: (clock.read(i.file.time) or 0, i.path)):
        groups.setdefault(STDIN if one.path == STDIN else source_name(one.path), []).append(one)
    return [Log(name, tuple(members)) for name, members in groups.items()]
