"""Which files are one log: by their names, as long as their times do not say otherwise. Pure.

Rotation leaves the name of a log and adds a mark: `X.log` becomes `X.log.1`, `X.log-20170214.gz` or
`X_2017-02-14.log`. What stands before the mark is the name, digits included: `mfa01-X.log` and `mfa02-X.log`
are two logs. A name can mislead, because servers are numbered as well; then the times of two files overlap.
"""

import os
import re

CHANNEL = "eventlog:"  # before the name of a channel; no path on Windows begins like this

_PACKED = re.compile(r"\.(?:gz|bz2|xz|zst|zip)$", re.IGNORECASE)
_ENDING = re.compile(r"\.log$", re.IGNORECASE)
_DAY = r"(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])"
_TIME = r"[-_.T]?\d\d(?:[-_.]?\d\d){0,2}"
# A date needs no separator before it and may hold a `T`; all else is digits behind a separator. `X.1.` is `X.1`.
_MARK = re.compile(rf"(?:(?<!\d){_DAY}(?:{_TIME})?| \(\d+\)|[-_.]\d*)$", re.ASCII)
_SURE = rf"(?:[-_.]?{_DAY}(?:{_TIME})?|\.\d+)"
_RENAMED = re.compile(
    rf"(?P<name>.+?)(?:(?P<ending>\.log){_SURE}+|[-_.]?{_DAY}(?:{_TIME})?(?P<dated>\.log))", re.ASCII | re.IGNORECASE
)
_NUMBER = re.compile(r"[-_.(](\d{1,4})\)?(?:\.log)?$", re.ASCII | re.IGNORECASE)


def log_name(name: str) -> str:
    """The name of the log that a file belongs to: its own without rotation marks and the ending of a compressor.

    Marks stand at the end, or right before `.log`; there may be several. A name that is nothing but marks is
    empty, or `.log`: that is how a program names its logs that writes one a day and uses nothing but the date.
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
    """The name of the log that was renamed to this one when it was rotated; None if the name does not say so for sure.

    It does with a number or date behind `.log`, and with a date before it. A number before it is none: `X_2.log` may be
    another log that is written to.
    """
    found = _RENAMED.fullmatch(_PACKED.sub("", name))
    return None if found is None else found["name"] + (found["ending"] or found["dated"])


def number_of(name: str) -> int:
    """The number in a rotation mark, where most programs give the older file the higher one; 0 for none, as the log itself has."""
    found = _NUMBER.search(_PACKED.sub("", name))
    return 0 if found is None else int(found[1])


def is_packed(name: str) -> bool:
    """True for a name with the ending of a compressor."""
    return _PACKED.search(name) is not None


def is_log(name: str) -> bool:
    """True for a name that ends in `.log`, or did before rotation; those that begin with a dot are hidden."""
    return _ENDING.search(log_name(name)) is not None and not name.startswith(".")


def is_channel(path: str) -> bool:
    """True for what stands for an event log channel of Windows in place of the path of a file."""
    return path.startswith(CHANNEL)


def compared(path: str) -> str:
    """A path as the system compares it: absolute; on Windows in lower case, and `\\\\?\\`, with which a path may be long, is left out."""
    path = os.path.normcase(os.path.abspath(path))
    if path.startswith("\\\\?\\unc\\"):
        return "\\" + path[7:]
    return path.removeprefix("\\\\?\\")


def source_name(path: str) -> str:
    """What the files of one log have in common: the folder, however it was written, and the name of the log."""
    if is_channel(path):
        return path.casefold()  # Windows takes its name in any case
    return _source(os.path.dirname(os.path.abspath(path)), log_name(os.path.basename(path)))


def _source(folder: str, log: str) -> str:
    return os.path.join(compared(folder), os.path.normcase(log))


def source_of_member(archive: str, name: str) -> str:
    """The source of a file in an archive. One that has the name of the archive is what was rotated, packed: it belongs to
    the log beside the archive. Others belong together as those of a folder do."""
    folder, packed = os.path.split(os.path.abspath(archive))
    log = log_name(os.path.basename(name))
    if _ENDING.sub("", log) == _ENDING.sub("", log_name(packed)):
        return _source(folder, log)
    return source_name(f"{archive}!{name}")


def is_another_log(first: int, newest: int, timeout: int) -> bool:
    """True for a file that begins at `first` although the files before it in its log go on until `newest`.

    Times are nanoseconds since 1970, `timeout` is that of exchanges: lines of threads that write at the same time may
    change places, and nothing that lies further apart is one sign-in.
    """
    return newest - first > timeout


def name_apart(source: str, key: str) -> str:
    """The source of a file that is no part of the log that its name says; `key` tells it from others."""
    return f"{source} {key}"


def belongs_to(source: str, name: str) -> bool:
    """True for the source that files have by their name, and for that of a file of this name that was set apart."""
    return source == name or source.startswith(name_apart(name, ""))


def why_apart(path: str, first: str, newest: str, before: str | None) -> str:
    """The sentence for a file that was set apart: its path and first time stamp, the newest one before it and where that
    stands (None: in what was read of the log before)."""
    where = "the log of that name" if before is None else before
    return f"{path} is read as a log of its own, whatever its name says: it begins at {first}, and {where} goes on until {newest}"
