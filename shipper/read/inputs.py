"""Which files to read: those that the arguments of `parse` name, or the inputs of `run` match. I/O."""

import glob
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from shipper.errors import MfaShipperError, UsageError
from shipper.read.archive_members import Member
from shipper.read.archives import open_archive
from shipper.read.copies import without_copies
from shipper.read.files import LINE_LIMIT, READ_SIZE, STDIN, Read, open_bytes
from shipper.read.identity import StampOf, describe, look_ahead, time_of_change
from shipper.read.logs import EXCHANGE_TIMEOUT, Input, Log, logs_of, readable
from shipper.read.rotation import compared, is_log
from shipper.read.signatures import NotALog
from shipper.shared_files import Open, open_log
from shipper.times import EPOCH, from_seconds

SPOOL_IN_MEMORY = 1 << 20  # bytes of standard input that are kept in memory, not on the disk


def expand(arguments: Iterable[str]) -> list[str]:
    """The files that the arguments (paths, globs, folders, `-`) name, each once, under its first name.

    Raises:
        UsageError: a file is missing, a pipe or not readable; a glob matches nothing, a folder holds no log.
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
    if not argument:
        raise UsageError("the name of a FILE is empty; give a log file, a glob or - for standard input")
    if argument == STDIN:
        return [argument]
    found = matches(argument)
    if found:
        return found
    if os.path.isdir(argument):
        if not os.access(argument, os.R_OK | os.X_OK):
            raise UsageError(f"{argument} cannot be read: permission denied; run as a user who may read it")
        below = os.path.join(argument, "*", "*.log*")
        remedy = f"for those in its folders give '{below}'" if matches(below) else "name its files"
        raise UsageError(f"{argument} holds no logs, such as X.log, X.log.1 or X-20170214.log.gz; {remedy}")
    fault = "no file matches" if glob.has_magic(argument) else "there is no file"
    raise UsageError(f"{fault} {argument}; give a log file, a glob or - for standard input")


def matches(path: str) -> list[str]:
    """The files that a path stands for: the logs of a folder; the file itself if it exists, even if its name looks like a
    glob; else the files that match the path as a glob."""
    if os.path.isdir(path):
        inside = glob.glob(os.path.join(glob.escape(path), "*"))
        return sorted(found for found in inside if is_log(os.path.basename(found)) and not os.path.isdir(found))
    if os.path.lexists(path):
        return [path]
    return sorted(found for found in glob.glob(_glob_of(path), recursive=True) if not os.path.isdir(found))


def _glob_of(path: str) -> str:
    """The path as a glob, with folders that exist under their literal name, such as `logs [prod]`, escaped."""
    folder, name = os.path.split(path)
    if "[" not in folder:
        return path
    if os.path.isdir(folder):
        return os.path.join(glob.escape(folder), name)
    return os.path.join(_glob_of(folder), name)


def _check_readable(path: str) -> None:
    if not os.path.exists(path):
        raise UsageError(f"{path} is a link that leads to no file")
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
    """The time for a file without any time stamp: its last modification, or 1970."""
    return EPOCH if deterministic or path == STDIN else time_of_change(os.stat(path))


@contextmanager
def open_inputs(
    arguments: Iterable[str],
    *,
    deterministic: bool = False,
    stamp_of: StampOf | None = None,
    exchange_timeout: int = EXCHANGE_TIMEOUT,
    left_out: list[str] | None = None,
) -> Iterator[tuple[list[Log], Read | None]]:
    """Open the logs that the arguments name, in the order of their first time stamps.

    A file that begins more than `exchange_timeout` nanoseconds before the newest line of earlier files is a log of its own,
    whatever its name. So is standard input. It cannot be read twice, so the bytes consumed to find its first time stamp are
    kept (on disk beyond 1 MiB), and the second value reads it from its beginning.
    Each member of an archive counts as a file. Members that cannot hold a log are left out, as are copies of other files
    (see `copies`); `left_out` gets a sentence about each.

    Raises:
        UsageError: a file cannot be read or is no log, or nothing is left of an archive.
        RunError: on leaving the block: an archive is damaged.
    """
    paths = expand(arguments)
    with ExitStack() as archives, tempfile.SpooledTemporaryFile(SPOOL_IN_MEMORY) as spool:

        def spooled(read: Read) -> Read:
            def reading(size: int) -> bytes:
                block = read(size)
                spool.write(block)
                return block

            return reading

        inputs: list[Input] = []
        stdin: Read | None = None
        for path in paths:
            members = None if path == STDIN else archives.enter_context(open_archive(path))
            if members is not None:
                fallback = fallback_time(path, deterministic=deterministic)
                found, no_logs = _of_archive(path, members, len(inputs), fallback, stamp_of)
                inputs += found
                if left_out is not None:
                    left_out += no_logs
                continue
            with open_bytes(path) as read:
                begin = readable(read)
                if path == STDIN:
                    begin = spooled(begin)
                    stdin = _chain(spool.read, read)
                about = describe(begin, stamp_of=stamp_of)
                file = about.log_file(None if path == STDIN else path, fallback_time(path, deterministic=deterministic))
                inputs.append(Input(path, file, len(inputs), about.time is not None))
        spool.seek(0)
        once = without_copies(inputs, [] if left_out is None else left_out)
        yield logs_of(once, exchange_timeout, stamp_of), stdin


def _of_archive(
    path: str, members: Iterable[Member], order: int, fallback: str, stamp_of: StampOf | None
) -> tuple[list[Input], list[str]]:
    """The files of an archive, and a sentence for each that cannot hold a log or is not read."""
    inputs: list[Input] = []
    no_logs: list[str] = []
    for member in members:
        try:
            with member.open() as read:
                about = describe(readable(read), stamp_of=stamp_of)
        except NotALog as error:
            if error.may_hold_logs:
                raise
            no_logs.append(str(error))
            continue
        if member.replaces:
            no_logs.append(
                f"{member.path} stands {member.replaces + 1} times in the archive: only the last is read, as unpacking gives it"
            )
        file = about.log_file(member.path, fallback)
        inputs.append(Input(member.path, file, order + len(inputs), about.time is not None, member))
    if not inputs:
        raise UsageError(f"{path} holds no log: {no_logs[0]}")
    return inputs, no_logs


def _chain(first: Read, second: Read) -> Read:
    def reading(size: int) -> bytes:
        return first(size) or second(size)

    return reading


@dataclass(frozen=True, slots=True)
class TailInput:
    """One glob to follow.

    Attributes:
        path: a glob, a folder or a file; it may match nothing yet.
        start: `beginning` or `end`: where to start in files found at the first look, if their position is not known.
        encoding: `auto` to detect it, or the encoding of the files.
        exclude: globs of files not to read although `path` matches them.
        host: the name of the server that writes these logs; None if the configuration does not say.
    """

    path: str
    start: str = "beginning"
    encoding: str = "auto"
    exclude: tuple[str, ...] = ()
    host: str | None = None


@dataclass(frozen=True, slots=True)
class TailOptions:
    """How logs are followed.

    Attributes:
        line_limit: bytes of a line without its end; longer lines are cut.
        read_size: bytes per read.
        rotate_wait: seconds without a change after which a rotated file is complete.
        glob_interval: seconds between searches for new files; a rotation or truncation triggers one at once.
        most_open: how many files may be open at once; None for any number.
        opener: opens a file for reading.
        exchange_timeout: nanoseconds by which a file may begin before the newest line of the files before it in its log.
        stamp_of: finds the time stamp of lines that do not begin as MFA Server writes them.
    """

    line_limit: int = LINE_LIMIT
    read_size: int = READ_SIZE
    rotate_wait: float = 5.0
    glob_interval: float = 1.0
    most_open: int | None = None
    opener: Open = open_log
    exchange_timeout: int = EXCHANGE_TIMEOUT
    stamp_of: StampOf | None = None


class Match(NamedTuple):
    """A file that an input matches.

    Attributes:
        path: the first name under which it was found.
        given: the first input that matches it.
        state: its size and time of modification; unchanged if nothing was written.
    """

    path: str
    given: TailInput
    state: tuple[int, int]


class Found(NamedTuple):
    """What the inputs match now.

    Attributes:
        files: each file once, whatever its names.
        paths: all matching names, including those of files that cannot be read.
        problems: why a file cannot be read, by path.
    """

    files: dict[FileId, Match]
    paths: set[str]
    problems: dict[str, str]


def find(inputs: Iterable[TailInput]) -> Found:
    """Look for the files that the inputs match."""
    found = Found({}, set(), {})
    for given in inputs:
        excluded = {compared(path) for pattern in given.exclude for path in glob.glob(_glob_of(pattern), recursive=True)}
        for path in matches(given.path):
            if not excluded or compared(path) not in excluded:
                _add(found, path, given)
    return found


def find_logs(
    inputs: Iterable[TailInput], exchange_timeout: int = EXCHANGE_TIMEOUT, stamp_of: StampOf | None = None
) -> tuple[list[Log], list[str]]:
    """The logs that the inputs match now, as `run` finds them, and sentences about files that cannot be read or are copies."""
    found = find(inputs)
    problems = list(found.problems.values())
    members: list[Input] = []
    for order, (path, given, (_, modified)) in enumerate(found.files.values()):
        try:
            with open_bytes(path, event_logs=False) as read:
                about = describe(look_ahead(readable(read)), given.encoding, stamp_of)
        except MfaShipperError as error:
            problems.append(str(error))
            continue
        file = about.log_file(path, from_seconds(modified // 1000 / 1e6))
        members.append(Input(path, file, order, about.time is not None))
    return logs_of(without_copies(members, problems), exchange_timeout, stamp_of), problems


def _add(found: Found, path: str, given: TailInput) -> None:
    found.paths.add(path)
    try:
        status = os.stat(path)
    except OSError as error:
        found.problems[path] = cannot_read(path, error)
        return
    if stat.S_ISREG(status.st_mode):
        found.files.setdefault(file_id(status), Match(path, given, state_of(status)))
    elif not stat.S_ISDIR(status.st_mode):
        found.problems[path] = f"{path} is a FIFO, a socket or a device, not a file, and is left out"


def state_of(status: os.stat_result) -> tuple[int, int]:
    """`Match.state` of a file."""
    return status.st_size, status.st_mtime_ns


def cannot_read(path: str, error: OSError) -> str:
    """The sentence for a file that an error keeps from being read for now."""
    return f"cannot read {path}: {error.strerror}; will retry"
