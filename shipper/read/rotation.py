"""Which files make one log: those of one name, unless their times contradict it. Pure.

Rotation keeps the name of a log and adds a mark: `X.log` becomes `X.log.1`, `X.log-20170214.gz` or
`X_2017-02-14.log`. Everything before the mark is the name, digits included: `mfa01-X.log` and `mfa02-X.log`
are two logs. A name can mislead, because servers are numbered as well; then the times of two files overlap.
"""

import os
import re

CHANNEL = "eventlog:"  # before the name of a channel; no path on Windows begins like this

_PACKED = re.compile(r"\.(?:gz|bz2|xz|zst|zip)$", re.IGNORECASE)
_ENDING = re.compile(r"\.log$", re.IGNORECASE)
_DAY = r"(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])"
_TIME = r"[-_.T]?\d\d(?:[-_.]?\d\d){0,2}"
# A date needs no separator before it and may hold a `T`; any other mark is digits behind a separator. `X.1.` is `X.1`.
_MARK = re.compile(rf"(?:(?<!\d){_DAY}(?:{_TIME})?| \(\d+\)|[-_.]\d*)$", re.ASCII)
_SURE = rf"(?:[-_.]?{_DAY}(?:{_TIME})?|\.\d+)"
_RENAMED = re.compile(
    rf"(?P<name>.+?)(?:(?P<ending>\.log){_SURE}+|[-_.]?{_DAY}(?:{_TIME})?(?P<dated>\.log))", re.ASCII | re.IGNORECASE
)
_NUMBER = re.compile(r"[-_.(](\d{1,4})\)?(?:\.log)?$", re.ASCII | re.IGNORECASE)


def log_name(name: str) -> str:
    """The name of the log that a file belongs to: its own without rotation marks and the ending of a compressor.

    Marks stand at the end, or right before `.log`; there may be several. A file name of marks alone gives an empty
    name, or `.log`: some programs write one log a day and name it by nothing but the date.
    """
    ending = ""
    while True:
        shorter = _MARK.sub("", _PACKED.sub("", name))
        if shorter == name:
            found = None if ending else _ENDING.search(name)
            if found is None:
                return name + ending
            ending, shorter = found[0], name[: found.start()]
        name = shorter


def live_name(name: str) -> str | None:
    """The name that a rotated file had before its rotation; None if `name` is not certain to come from one.

    It is certain with a number or date behind `.log`, or a date before it. A number before `.log` proves nothing: `X_2.log`
    may be another live log.
    """
    found = _RENAMED.fullmatch(_PACKED.sub("", name))
    return None if found is None else found["name"] + (found["ending"] or found["dated"])


def number_of(name: str) -> int:
    """The number in a rotation mark; 0 without one, as for the live log. Most programs give older files higher numbers."""
    found = _NUMBER.search(_PACKED.sub("", name))
    return 0 if found is None else int(found[1])


def is_packed(name: str) -> bool:
    """True for a name with the ending of a compressor."""
    return _PACKED.search(name) is not None


def is_log(name: str) -> bool:
    """True for a name that ends in `.log`, or did before rotation; names that begin with a dot are hidden files."""
    return _ENDING.search(log_name(name)) is not None and not name.startswith(".")


def is_channel(path: str) -> bool:
    """True for a path that names a Windows event log channel instead of a file."""
    return path.startswith(CHANNEL)


def compared(path: str) -> str:
    """A path in the form that the system compares: absolute; on Windows in lower case, without the long-path prefix `\\\\?\\`."""
    path = os.path.normcase(os.path.abspath(path))
    if path.startswith("\\\\?\\unc\\"):
        return "\\" + path[7:]
    return path.removeprefix("\\\\?\\")


def source_name(path: str) -> str:
    """The source of a file, the same for all files of a log: its folder, however it was written, and the name of the log."""
    if is_channel(path):
        return path.casefold()  # Windows ignores the case of channel names
    return _source(os.path.dirname(os.path.abspath(path)), log_name(os.path.basename(path)))


def _source(folder: str, log: str) -> str:
    return os.path.join(compared(folder), os.path.normcase(log))


def source_of_member(archive: str, name: str) -> str:
    """The source of a file in an archive. A member named like the archive is a packed rotated file: it belongs to the log
    beside the archive. For other members the archive counts as a folder."""
    folder, packed = os.path.split(os.path.abspath(archive))
    log = log_name(os.path.basename(name))
    if _ENDING.sub("", log) == _ENDING.sub("", log_name(packed)):
        return _source(folder, log)
    return source_name(f"{archive}!{name}")


def is_another_log(first: int, newest: int, timeout: int) -> bool:
    """True if a file that begins at `first` cannot continue a log whose earlier files go on until `newest`.

    Times are nanoseconds since 1970; `timeout` is that of exchanges: threads that write at the same time may swap lines,
    but no sign-in spans more than that.
    """
    return newest - first > timeout


def name_apart(source: str, key: str) -> str:
    """The source of a file that was set apart from the log of its name; `key` makes it unique."""
    return f"{source} {key}"


def belongs_to(source: str, name: str) -> bool:
    """True if `source` is `name`, the source by file name, or that of a file set apart from it."""
    return source == name or source.startswith(name_apart(name, ""))


def why_apart(path: str, first: str, newest: str, before: str | None) -> str:
    """The sentence for a file that was set apart: `first` is its first time stamp, `newest` the newest one before it, and
    `before` the file that holds `newest` (None: a part of the log that was read before)."""
    where = "the log of that name" if before is None else before
    return f"{path} is read as a log of its own, whatever its name says: it begins at {first}, and {where} goes on until {newest}"
