"""All errors that a user can meet, in one tree.

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
        line: 1-based line number; 0 if the error belongs to no line.
        fault: what is wrong and how to mend it, in one sentence.
    """

    def __init__(self, file: str, line: int, fault: str) -> None:
        super().__init__(f"{file}:{line}: {fault}" if line else f"{file}: {fault}")


class TableError(UsageError):
    """A status code table is wrong; arguments as in `PatternError`."""

    def __init__(self, file: str, line: int, fault: str) -> None:
        super().__init__(f"{file}:{line}: {fault}")


class RunError(MfaShipperError):
    """The command started and could not finish (disk full, damaged input, lost worker)."""
