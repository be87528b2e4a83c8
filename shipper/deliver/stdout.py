"""Standard output as a sink: for pipes into other programs. I/O.

A slow reader stops the reading of logs, not the loop: bytes that the pipe does not take at once wait here.
A batch counts as delivered when the pipe has taken all of it; a pipe confirms nothing beyond that.
"""

import os
import select
import stat
import sys
from collections import deque
from collections.abc import Mapping
from functools import cache
from itertools import accumulate, pairwise

from shipper.consoles import writer_of
from shipper.deliver.sink import Batch, Receipt, SinkDown
from shipper.emit.output import ClosedPipe
from shipper.errors import UsageError, reader_is_gone

# Bytes that a writable pipe takes without blocking. On Windows, where a pipe cannot be polled for writability, it may block.
if sys.platform == "win32":
    AT_ONCE = 4096
else:
    AT_ONCE = select.PIPE_BUF


def stdout_sink() -> "StdoutSink":
    """The sink of standard output, the same object after a reload: it remembers an event that is only partly in the pipe, so that
    nothing else is written into the event.

    Raises:
        UsageError: standard output is closed.
    """
    if sys.stdout is None:
        raise UsageError("standard output is closed; redirect it or choose another output.type")
    return _sink_of(sys.stdout.fileno())


class StdoutSink:
    """Writes batches to a file descriptor."""

    name = "stdout"
    in_flight = 4

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._write_to = writer_of(descriptor)
        self._unwritten: deque[Batch] = deque()  # the first may be partly written
        self._rest = memoryview(b"")  # the unwritten part of the first batch
        self._torn = memoryview(b"")  # the rest of a partly written event of an abandoned batch
        self._receipts: list[Receipt] = []

    def open(self) -> Mapping[bytes, bytes]:
        return {}

    def verify(self) -> str | None:
        return None

    def send(self, batch: Batch) -> None:
        """Take a batch, and write as much as possible without waiting."""
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
        while self._torn or self._unwritten:
            if self._torn or self._rest:
                if not self._ready(timeout):
                    return
                timeout = 0.0
                self._write_some()
            if self._unwritten and not self._torn and not self._rest:
                self._receipts.append(Receipt(self._unwritten.popleft().number))
                self._rest = memoryview(self._unwritten[0].data if self._unwritten else b"")

    def _ready(self, timeout: float) -> bool:
        try:
            return bool(select.select([], [self._descriptor], [], timeout)[1])
        except (OSError, ValueError):
            return True  # on Windows, `select` takes only sockets

    def _write_some(self) -> None:
        data = self._torn or self._rest
        try:
            written = self._write_to(data[:AT_ONCE] if _is_pipe(self._descriptor) else data)
        except BlockingIOError:
            return
        except OSError as error:
            if reader_is_gone(error):
                raise ClosedPipe from None
            raise SinkDown(f"cannot write to standard output: {error.strerror}") from None
        if self._torn:
            self._torn = self._torn[written:]
        else:
            self._rest = self._rest[written:]

    def flush(self) -> None:
        """Does nothing: no batch is held back."""

    def abandon(self) -> None:
        """Drop all batches. A partly written batch is written again from its beginning, after the end of the event that is partly
        in the pipe."""
        if self._unwritten and not self._torn:
            self._torn = self._rest[: _to_the_end_of_an_event(self._unwritten[0], len(self._rest))]
        self._unwritten.clear()
        self._receipts.clear()
        self._rest = memoryview(b"")

    def close(self, timeout: float) -> None:
        """Drop unwritten batches. Standard output itself stays open: it is not ours to close."""
        self.abandon()


@cache
def _sink_of(descriptor: int) -> StdoutSink:
    return StdoutSink(descriptor)


def _to_the_end_of_an_event(batch: Batch, left: int) -> int:
    """The number of bytes up to the next end of an event, in a batch of which `left` bytes are unwritten."""
    sizes = (end - begin for block in batch.blocks for begin, end in pairwise((0, *block.ends)))
    done = sum(len(block.data) for block in batch.blocks) - left
    return next((end - done for end in accumulate(sizes, initial=0) if end >= done), 0)


def _is_pipe(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)
