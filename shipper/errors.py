"""All errors that the command reports to its user, in one tree.

MfaShipperError            anything below; its text is one sentence for a person
├── UsageError             wrong command line, file, pattern or table: exit status 2
│   ├── PatternError       a grok file; names FILE:LINE
│   └── TableError         a status code table; names FILE:LINE
└── RunError               failed while running: exit status 1
    └── InputError         a file could not be read to its end
"""

import errno
import os
import sys


class MfaShipperError(Exception):
    """Base of all errors that the command reports without a traceback."""

    exit_status = 1


class UsageError(MfaShipperError):
    """The command cannot start: an option, a file or a table is wrong."""

    exit_status = 2


class PatternError(UsageError):
    """A pattern file is wrong.

    Args:
        file: path of the grok file, as the user gave it.
        line: line number, from 1; 0 if the error is not in a line.
        fault: what is wrong and how to fix it, in one sentence.
    """

    def __init__(self, file: str, line: int, fault: str) -> None:
        super().__init__(f"{file}:{line}: {fault}" if line else f"{file}: {fault}")


class TableError(UsageError):
    """A status code table is wrong; arguments are those of `PatternError`, with a line number of at least 1."""

    def __init__(self, file: str, line: int, fault: str) -> None:
        super().__init__(f"{file}:{line}: {fault}")


class RunError(MfaShipperError):
    """The command started but could not finish: disk full, damaged input, lost worker."""


class InputError(RunError):
    """A file could not be read to its end.

    Args:
        sentence: which file, and why.
        path: of the file, as in `Input.path`.
    """

    def __init__(self, sentence: str, path: str) -> None:
        super().__init__(sentence, path)
        self.path = path

    def __str__(self) -> str:
        return str(self.args[0])


class Terminated(BaseException):
    """SIGTERM arrived: raised so that `finally` blocks and context managers clean up, as after an interrupt."""


def reader_is_gone(error: OSError) -> bool:
    """True if writing to a pipe failed because its reader has gone. Windows calls that an invalid argument."""
    return isinstance(error, BrokenPipeError) or (sys.platform == "win32" and error.errno == errno.EINVAL)


def of_system(error: OSError) -> str:
    """An error of the operating system as a sentence, with the name of the file, if it has one."""
    if error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"{os.fsdecode(error.filename)}: {error.strerror}"
