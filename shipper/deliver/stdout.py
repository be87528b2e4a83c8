"""Standard output as a sink: for pipes into other programs. I/O.

A slow reader stops the log being read, not the loop: what the pipe does not take at once waits here.
A batch is delivered when the pipe has taken all of it; nobody can say more of a pipe.
"""

import os
import select
import sys
from collections import deque
from collections.abc import Mapping

from shipper.deliver.sink import Batch, Receipt, SinkDown
from shipper.emit.output import ClosedPipe
from shipper.errors import UsageError


class StdoutSink:
    """Writes batches to a descriptor."""

    name = "stdout"
    in_flight = 4

    def __init__(self, descriptor: int | None = None) -> None:
        """`descriptor`: standard output unless given.

        Raises:
            UsageError: standard output is closed.
        """
        if descriptor is None:
            if sys.stdout is None:
                raise UsageError("standard output is closed; redirect it or choose another output.type")
            descriptor = sys.stdout.fileno()
        self._descriptor = descriptor
        self._taken: deque[Batch] = deque()
        self._rest = memoryview(b"")
        self._receipts: list[Receipt] = []

    def open(self) -> Mapping[bytes, bytes]:
        """Nothing to do: it is there, or the process would not be."""
        return {}

    def verify(self) -> str | None:
        """Nobody to ask."""
        return None

    def send(self, batch: Batch) -> None:
        """Write as much as goes without waiting."""
        self._taken.append(batch)
        if len(self._taken) == 1:
            self._rest = memoryview(batch.payload)
        self._write(0.0)

    def poll(self, timeout: float) -> list[Receipt]:
        """Write on, waiting up to `timeout` seconds for the reader.

        Raises:
            ClosedPipe: the reader is gone.
        """
        self._write(0.0 if self._receipts else timeout)
        receipts, self._receipts = self._receipts, []
        return receipts

    def _write(self, timeout: float) -> None:
        while self._taken:
            if self._rest:
                if not self._ready(timeout):
                    return
                timeout = 0.0
                self._write_some()
            if not self._rest:
                self._receipts.append(Receipt(self._taken.popleft().number))
                self._rest = memoryview(self._taken[0].payload if self._taken else b"")

    def _ready(self, timeout: float) -> bool:
        try:
            return bool(select.select([], [self._descriptor], [], timeout)[1])
        except (OSError, ValueError):
            return True  # a file on Windows; writing does not wait there

    def _write_some(self) -> None:
        try:
            # No more than a pipe is sure to take at once when it is writable (POSIX: PIPE_BUF).
            written = os.write(self._descriptor, self._rest[: select.PIPE_BUF] if _is_pipe(self._descriptor) else self._rest)
        except BlockingIOError:
            return
        except BrokenPipeError:
            raise ClosedPipe from None
        except OSError as error:
            raise SinkDown(f"cannot write to standard output: {error.strerror}") from None
        self._rest = self._rest[written:]

    def flush(self) -> None:
        """Nothing is held back."""

    def abandon(self) -> None:
        """Begin again with whole lines: what was written of the batch at hand is written once more."""
        self._taken.clear()
        self._receipts.clear()
        self._rest = memoryview(b"")

    def close(self, timeout: float) -> None:
        """It stays open, as it was found."""


def _is_pipe(descriptor: int) -> bool:
    import stat

    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)
