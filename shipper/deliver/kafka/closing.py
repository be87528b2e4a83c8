"""What of kafka-python has to end when it is told to: its producer, a commit. I/O."""

import contextlib
import threading
from collections.abc import Callable

from kafka import KafkaProducer
from kafka import errors as kafka_errors


class QuietProducer(KafkaProducer):  # type: ignore[misc]  # the library has no types
    """A producer that ends without a traceback, and ends its thread.

    Once it was fenced or cut off, the library's `close` raises while it waits for records that can no longer be sent. It goes no
    further then, its thread lives on, and the destructor calls it once more.
    """

    def flush(self, timeout: float | None = None) -> None:
        """Called by `close`."""
        with contextlib.suppress(kafka_errors.KafkaError):
            super().flush(timeout)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            super().__del__()


class Commit(threading.Thread):
    """A commit on a thread of its own, because the client waits for it without a limit.

    No thread pool: Python waits for the threads of a pool at its end, and an abandoned commit may never end.
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
