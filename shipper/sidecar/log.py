"""The shipper's own log, on standard error or, for a Windows service, elsewhere; text for people or JSON for programs. I/O.

An entry is a sentence with named values. Secrets are replaced wherever they appear.
"""

import contextlib
import json
import logging
import sys
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from shipper.printable import printable
from shipper.secrets import hide, hide_in

LOGGER = "mfa_shipper"
SERVICE_LOG = "mfa-shipper.log"  # in state_dir, for a Windows service
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_elsewhere: list[logging.Handler] = []


def log(level: str, message: str, **fields: Any) -> None:
    """Log a sentence and named values; `__` in a name stands for the dot of an ECS field."""
    named = {name.replace("__", "."): value for name, value in fields.items()}
    logging.getLogger(LOGGER).log(LEVELS[level], message, extra={"fields": named})


def log_to(handlers: Iterable[logging.Handler]) -> None:
    """From the next `set_up` on, log to `handlers` instead of standard error, which a Windows service does not have."""
    _elsewhere[:] = handlers


def set_up(level: str, form: str, secrets: Iterable[str]) -> None:
    """Start logging; `form` is `text` or `json`."""
    handlers = _elsewhere[:] or [logging.StreamHandler(sys.stderr)]
    for handler in handlers:
        handler.setFormatter(_Formatter(form == "json", frozenset(secrets)))
    logger = logging.getLogger(LOGGER)
    logger.handlers = handlers
    logger.setLevel(LEVELS[level])
    logger.propagate = False
    sys.unraisablehook = _unraisable
    threading.excepthook = _ended
    # The Kafka client logs each of its retries; the shipper logs the state of the sink instead.
    client = logging.getLogger("kafka")
    client.propagate = False
    client.handlers = handlers if level == "debug" else [logging.NullHandler()]


def _unraisable(ignored: "sys.UnraisableHookArgs") -> None:
    """Log an error of a destructor, mostly of a client that failed to close its connection; no traceback, see `_Formatter`."""
    with contextlib.suppress(Exception):  # the interpreter may be half gone
        log("debug", "an error while cleaning up was ignored", error=ignored.exc_type.__name__)


def _ended(ended: threading.ExceptHookArgs) -> None:
    """Log the error that ended a thread, mostly a client's whose socket was closed, as one line without traceback. The sink
    notices the silence and reconnects."""
    name = ended.thread.name if ended.thread is not None else ""
    log("warning", "a thread ended with an error", thread=name, error=f"{ended.exc_type.__name__}: {ended.exc_value}")


class _Formatter(logging.Formatter):
    def __init__(self, as_json: bool, secrets: frozenset[str]) -> None:
        super().__init__()
        self._as_json = as_json
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """One line without traceback, since the values in a traceback could hold a secret."""
        fields = getattr(record, "fields", {})
        stamp = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = record.getMessage()
        if self._as_json:
            line = {"@timestamp": stamp, "log.level": record.levelname.lower(), "message": message, "log.logger": record.name}
            text = json.dumps(hide_in({**line, **fields}, self._secrets), ensure_ascii=False)
        else:
            text = f"{stamp} {record.levelname.lower():7} {message}"
            text += "".join(f" {name}={value}" for name, value in fields.items())
            text = printable(hide(text, self._secrets).replace("\n", " "))
        return text
