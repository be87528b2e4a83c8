"""The log of the service, which has no standard error: a file in `state_dir`, and warnings in Windows' event log. I/O."""

import contextlib
import logging
import os
from logging.handlers import NTEventLogHandler, RotatingFileHandler

from shipper.service.rights import NAME
from shipper.sidecar.log import SERVICE_LOG

# Has the text `%1` for each message number. The event log would keep a library of ours loaded, which would block an upgrade.
EVENT_TEXTS = r"%SystemRoot%\System32\EventCreate.exe"
SIZE = 10 << 20
KEPT = 5


def log_file(state_dir: str) -> str:
    """The log file of the service; full files get the suffixes `.1` to `.5`."""
    return os.path.join(state_dir, SERVICE_LOG)


def to_file(state_dir: str) -> logging.Handler:
    """A handler that logs to the file of `log_file`.

    Raises:
        OSError: the file cannot be written.
    """
    return RotatingLog(log_file(state_dir), maxBytes=SIZE, backupCount=KEPT, encoding="utf-8")


def to_event_log() -> logging.Handler:
    """A handler that logs warnings and errors to the event log."""
    handler = NTEventLogHandler(NAME, EVENT_TEXTS)
    handler.setLevel(logging.WARNING)
    return handler


class RotatingLog(RotatingFileHandler):
    """A log that keeps growing while another program holds one of its files open, which Windows then cannot rename."""

    def doRollover(self) -> None:  # noqa: N802
        with contextlib.suppress(OSError):
            super().doRollover()
        if self.stream is None:
            self.stream = self._open()
