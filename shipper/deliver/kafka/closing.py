"""Wrappers that make kafka-python end when asked to: its producer, and a commit. I/O."""

import contextlib
import threading
from collections.abc import Callable

from kafka import KafkaProducer
from kafka import errors as kafka_errors


class QuietProducer(KafkaProducer):  # type: ignore[misc]  # the library has no types
    """A producer that closes without a traceback and ends its thread.

    After fencing or a lost connection, the library's `close` raises while it waits for records that can no longer be sent.
    `close` then stops halfway, its thread lives on, and the destructor calls `close` once more.
    """

    def flush(self, timeout: float | None = None) -> None:
        """Flush without raising; `close` calls this."""
        with contextlib.suppress(kafka_errors.KafkaError):
            super().flush(timeout)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            super().__del__()


class Commit(threading.Thread):
    """A commit on a daemon thread, because the client waits for it without a limit.

    A thread pool would not do: Python joins the threads of a pool at exit, and an abandoned commit may never end.
    """

    def __init__(self, commit: Callable[[], object]) -> None:
        super().__init__(name="kafka-commit", daemon=True)
        self._work = commit
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self._work()
        except Exception as error:
            self.error = error
