"""Every error that a user can meet, in one tree.

MfaShipperError            anything below; its text is one sentence for a person
├── UsageError             wrong command line, file, pattern or table: exit status 2
│   ├── PatternError       a grok file; names FILE:LINE
│   └── TableError         a status code table; names FILE:LINE
└── RunError               failed while running: exit status 1
"""


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
        line: 1-based line number; 0 where the error belongs to no line.
        what: the fault and the mend, in one sentence.
    """

    def __init__(self, file: str, line: int, what: str) -> None:
        super().__init__(f"{file}:{line}: {what}" if line else f"{file}: {what}")


class TableError(UsageError):
    """A status code table is wrong; arguments as in `PatternError`."""

    def __init__(self, file: str, line: int, what: str) -> None:
        super().__init__(f"{file}:{line}: {what}")


class RunError(MfaShipperError):
    """The work began and could not be finished (disk full, damaged input, lost worker)."""
