"""Standard output as a sink: for pipes into other programs. I/O.

A slow reader stops the reading of logs, not the loop: what the pipe does not take at once waits here.
A batch counts as delivered when the pipe has taken all of it; a pipe confirms nothing more.
"""

import os
import select
import stat
import sys
from collections import deque
from collections.abc import Mapping

from shipper.deliver.sink import Batch, Receipt, SinkDown
from shipper.emit.output import ClosedPipe
from shipper.errors import UsageError


class StdoutSink:
    """Writes batches to a file descriptor."""

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
        self._unwritten: deque[Batch] = deque()  # the first of them in part
        self._rest = memoryview(b"")  # of the first
        self._receipts: list[Receipt] = []

    def open(self) -> Mapping[bytes, bytes]:
        return {}

    def verify(self) -> str | None:
        return None

    def send(self, batch: Batch) -> None:
        """Write as much as possible without waiting."""
        self._unwritten.append(batch)
        if len(self._unwritten) == 1:
            self._rest = memoryview(batch.data)
        self._write(0.0)

    def poll(self, timeout: float) -> list[Receipt]:
        """Write more, waiting up to `timeout` seconds for the reader.

        Raises:
            ClosedPipe: the reader is gone.
        """
        self._write(0.0 if self._receipts else timeout)
        receipts, self._receipts = self._receipts, []
        return receipts

    def _write(self, timeout: float) -> None:
        while self._unwritten:
            if self._rest:
                if not self._ready(timeout):
                    return
                timeout = 0.0
                self._write_some()
            if not self._rest:
                self._receipts.append(Receipt(self._unwritten.popleft().number))
                self._rest = memoryview(self._unwritten[0].data if self._unwritten else b"")

    def _ready(self, timeout: float) -> bool:
        try:
            return bool(select.select([], [self._descriptor], [], timeout)[1])
        except (OSError, ValueError):
            return True  # a file on Windows; writing does not wait there

    def _write_some(self) -> None:
        try:
            # A pipe that is writable takes this much without blocking (POSIX: PIPE_BUF).
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
        """Forget all batches. One that was written in part will be written again from its beginning."""
        self._unwritten.clear()
        self._receipts.clear()
        self._rest = memoryview(b"")

    def close(self, timeout: float) -> None:
        """Standard output is not ours to close."""


def _is_pipe(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)
