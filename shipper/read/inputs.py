"""Which files are read: what the arguments of `parse` name, and what the inputs of `run` match. I/O."""

import glob
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from shipper.errors import RunError, UsageError
from shipper.model import LogFile
from shipper.read.files import LINE_LIMIT, READ_SIZE, STDIN, Read, open_bytes, size_of
from shipper.read.identity import TAIL_SPAN, StampOf, describe, last_stamp, time_of_change
from shipper.read.opener import Open, default_opener
from shipper.read.rotation import is_another_log, name_apart, source_name, why_apart
from shipper.times import BEFORE_ALL, EPOCH, SECOND, StampReader

EXCHANGE_TIMEOUT = 600 * SECOND  # nanoseconds, the default
SPOOL_IN_MEMORY = 1 << 20  # bytes of standard input that are kept in memory, not on the disk


@dataclass(frozen=True, slots=True)
class Input:
    """One file to read.

    Attributes:
        path: how to open it; `-` for standard input.
        file: what its events share.
        order: where it stood among the arguments, from 0.
        dated: it has a time stamp.
    """

    path: str
    file: LogFile
    order: int
    dated: bool = True


@dataclass(frozen=True, slots=True)
class Log:
    """One log with its rotated files, in the order in which they were written.

    `apart` is a sentence that says why the file is not read with the others of its log's name.
    """

    name: str
    inputs: tuple[Input, ...]
    apart: str | None = None


def expand(arguments: Iterable[str]) -> list[str]:
    """The files that the arguments name, each once (by its first name): paths, globs, `-`.

    Raises:
        UsageError: a file is missing, a folder, a pipe or not readable; a glob matches nothing.
    """
    paths = dict.fromkeys(path for argument in arguments for path in _named_by(argument))
    for path in paths:
        if path != STDIN:
            _check_readable(path)
    files: dict[object, str] = {}
    for path in paths:
        files.setdefault(path if path == STDIN else file_id(os.stat(path)), path)
    return list(files.values())


def _named_by(argument: str) -> list[str]:
    if argument == STDIN or os.path.lexists(argument):
        return [argument]
    found = sorted(path for path in glob.glob(argument, recursive=True) if not os.path.isdir(path))
    if not found:
        fault = "no file matches" if glob.has_magic(argument) else "there is no file"
        raise UsageError(f"{fault} {argument}; give a log file, a glob or - for standard input")
    return found


def _check_readable(path: str) -> None:
    if os.path.isdir(path):
        raise UsageError(f"{path} is a directory; name its files, for example '{os.path.join(path, '*.log')}'")
    if not os.path.exists(path):
        raise UsageError(f"{path} is a link to a file that does not exist")
    if not os.access(path, os.R_OK):
        raise UsageError(f"{path} cannot be read: permission denied; run as a user who may read it")
    if stat.S_ISFIFO(os.stat(path).st_mode):
        raise UsageError(f"{path} is a pipe, which can be read once only; give it to standard input (-) instead")


FileId = tuple[int, int]
"""Device and inode: the same for two names of one file, which must not be read twice."""


def file_id(status: os.stat_result) -> FileId:
    """The identity of a file on its file system."""
    return status.st_dev, status.st_ino


def fallback_time(path: str, *, deterministic: bool) -> str:
    """The time of a file without any time stamp: when it was last written to, or 1970."""
    return EPOCH if deterministic or path == STDIN else time_of_change(os.stat(path))


@contextmanager
def open_inputs(
    arguments: Iterable[str],
    *,
    deterministic: bool = False,
    stamp_of: StampOf | None = None,
    exchange_timeout: int = EXCHANGE_TIMEOUT,
) -> Iterator[tuple[list[Log], Read | None]]:
    """The logs that the arguments name, in the order of their first time stamps.

    A file whose times, further apart than `exchange_timeout` nanoseconds, contradict its name is a log of its own.
    Standard input cannot be read twice: what finding its first time stamp consumed is kept (on disk
    beyond 1 MiB), and the second value reads it from its beginning. It is a log of its own.
    """
    paths = expand(arguments)
    with tempfile.SpooledTemporaryFile(SPOOL_IN_MEMORY) as spool:

        def spooled(read: Read) -> Read:
            def reading(size: int) -> bytes:
                block = read(size)
                spool.write(block)
                return block

            return reading

        inputs: list[Input] = []
        stdin: Read | None = None
        for order, path in enumerate(paths):
            with open_bytes(path) as read:
                readable = _readable(read)
                if path == STDIN:
                    readable = spooled(readable)
                    stdin = _chain(spool.read, read)
                about = describe(readable, stamp_of=stamp_of)
                file = about.log_file(None if path == STDIN else path, fallback_time(path, deterministic=deterministic))
                inputs.append(Input(path, file, order, about.time is not None))
        spool.seek(0)
        yield _logs(inputs, exchange_timeout, stamp_of), stdin


def _readable(read: Read) -> Read:
    """The same bytes, ending where they cannot be read. Whoever ships them reports that."""

    def reading(size: int) -> bytes:
        try:
            return read(size)
        except RunError:
            return b""

    return reading


def _chain(first: Read, second: Read) -> Read:
    def reading(size: int) -> bytes:
        return first(size) or second(size)

    return reading


def _logs(inputs: Iterable[Input], timeout: int, stamp_of: StampOf | None) -> list[Log]:
    reader = StampReader()

    def begin(given: Input) -> tuple[int, str]:
        return reader.read(given.file.time) or 0, given.path

    named: dict[str, list[Input]] = {}
    for member in sorted(inputs, key=begin):
        named.setdefault(STDIN if member.path == STDIN else source_name(member.path), []).append(member)
    logs = [log for name, members in named.items() for log in _divided(name, members, timeout, stamp_of)]
    return sorted(logs, key=lambda log: begin(log.inputs[0]))


def _divided(name: str, members: Sequence[Input], timeout: int, stamp_of: StampOf | None) -> Iterator[Log]:
    """The log that files of one name make, and one for each file that their times show to be of another."""
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
        if number < len(members):
            end = _last_stamp(member, stamp_of)
            newest = max(newest, (BEFORE_ALL if end is None else reader.read(end) or 0, end or "", member.path))
    yield Log(name, tuple(kept))


def _last_stamp(member: Input, stamp_of: StampOf | None) -> str | None:
    """The last time stamp of a file, which for a compressed one takes reading it all."""
    size = size_of(member.path)
    if size is None:
        with open_bytes(member.path) as opened:
            tail, size = _end_of(_readable(opened))
    else:
        with open(member.path, "rb") as file:
            file.seek(_tail_begin(size))
            tail = file.read(size - file.tell())
    return last_stamp(tail, member.file.encoding, stamp_of, whole=size == len(tail))


def _tail_begin(size: int) -> int:
    """Where the end of a file begins, on a whole character of UTF-16."""
    return max(0, size - TAIL_SPAN) & ~1


def _end_of(read: Read) -> tuple[bytes, int]:
    """The end of what can be read, and how long all of it is."""
    tail, size = b"", 0
    while block := read(TAIL_SPAN):
        tail, size = tail + block, size + len(block)
        tail = tail[_tail_begin(size) - (size - len(tail)) :]
    return tail, size


@dataclass(frozen=True, slots=True)
class TailInput:
    """One glob to follow.

    Attributes:
        path: the glob; it may match nothing yet.
        start: `beginning` or `end`, for files that are there at the first look and whose position is not known.
        encoding: `auto`, or that of a log without a byte order mark.
        exclude: globs of files that are not read although `path` matches them.
    """

    path: str
    start: str = "beginning"
    encoding: str = "auto"
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TailOptions:
    """How logs are followed.

    Attributes:
        line_limit: bytes of a line, without its end; what is longer is cut.
        read_size: bytes a read.
        rotate_wait: seconds without a change after which a file that was rotated away is complete.
        glob_interval: seconds between two searches for new files, while nothing says that there are some.
        most_open: how many files may be open at once; None for any number.
        opener: opens a file for reading.
        stamp_of: for lines that do not begin as MFA Server writes them.
    """

    line_limit: int = LINE_LIMIT
    read_size: int = READ_SIZE
    rotate_wait: float = 5.0
    glob_interval: float = 1.0
    most_open: int | None = None
    opener: Open = field(default_factory=default_opener)
    stamp_of: StampOf | None = None


class Match(NamedTuple):
    """A file that an input matches.

    Attributes:
        path: the first name under which it was found.
        given: the first input that matches it.
        state: its size, and when it was last written to; both the same: nothing was written.
    """

    path: str
    given: TailInput
    state: tuple[int, int]


class Found(NamedTuple):
    """What the inputs match now.

    Attributes:
        files: each file once, whatever its names.
        paths: all names that match, of files that cannot be read as well.
        problems: by path.
    """

    files: dict[FileId, Match]
    paths: set[str]
    problems: dict[str, str]


def find(inputs: Iterable[TailInput]) -> Found:
    """Look for the files that the inputs match."""
    found = Found({}, set(), {})
    for given in inputs:
        excluded = {path for pattern in given.exclude for path in glob.glob(pattern, recursive=True)}
        for path in sorted(glob.glob(given.path, recursive=True)):
            if path not in excluded:
                _add(found, path, given)
    return found


def _add(found: Found, path: str, given: TailInput) -> None:
    found.paths.add(path)
    try:
        status = os.stat(path)
    except OSError as error:
        found.problems[path] = cannot_read(path, error)
        return
    if stat.S_ISREG(status.st_mode):
        found.files.setdefault(file_id(status), Match(path, given, state_of(status)))


def state_of(status: os.stat_result) -> tuple[int, int]:
    """`Match.state` of a file."""
    return status.st_size, status.st_mtime_ns


def cannot_read(path: str, error: OSError) -> str:
    """A sentence about a file that an error keeps from being read for now."""
    return f"cannot read {path}: {error.strerror}; will retry"
