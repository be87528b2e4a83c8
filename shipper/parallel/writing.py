"""The work of `parse --workers N`: write events to the output, in order. I/O.

The worker that has the turn writes to the output; each of the others keeps its events in a temporary file,
which it reuses for every piece. So memory and disk are bounded, however large the input.
"""

import tempfile
from typing import IO

from shipper.across import Spool, no_room
from shipper.emit.output import Output
from shipper.model import Chunk
from shipper.parallel.shards import Shard
from shipper.pipeline import Pipeline
from shipper.shared_files import read_at, write_at

COPY = 1 << 20


class Writing:
    """A `Work`. `done` returns where the completed authentications of the piece begin and end in the spool."""

    def __init__(self, out: Output, completed: Spool | None) -> None:
        """
        Args:
            out: the output.
            completed: takes the completed authentications; None if they are not needed.
        """
        self._out = out
        self._completed = completed
        self._begin = 0
        self._kept = 0
        self._has_turn = False
        self._file: IO[bytes] | None = None

    def begin(self, piece: Shard, pipeline: Pipeline) -> None:
        """See `Work.begin`."""
        self._has_turn, self._kept = False, 0
        if self._completed:
            self._completed.end = self._begin
            pipeline.on_completed = self._completed.add

    def take(self, pipeline: Pipeline, chunk: Chunk) -> None:
        """See `Work.take`."""
        self._write(pipeline(chunk).data)

    def turn(self) -> None:
        """See `Work.turn`; writes the events kept so far."""
        self._has_turn = True
        at = 0
        while at < self._kept:
            block = read_at(self._spool(), min(COPY, self._kept - at), at)
            self._out.write(block)
            at += len(block)

    def close(self, pipeline: Pipeline) -> None:
        """See `Work.close`."""
        self._write(pipeline.close().data)

    def done(self) -> tuple[int, int]:
        """See `Work.done`."""
        begin = self._begin
        self._begin = self._completed.end if self._completed else 0
        return begin, self._begin

    def _spool(self) -> int:
        """The descriptor of the temporary file; each process creates its own."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  open as long as the process
        return self._file.fileno()

    def _write(self, block: bytes) -> None:
        if self._has_turn:
            self._out.write(block)
            return
        view = memoryview(block)
        try:
            while view:
                done = write_at(self._spool(), view, self._kept)
                self._kept += done
                view = view[done:]
        except OSError as error:
            raise no_room(error) from None
