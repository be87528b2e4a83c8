"""`--workers N`: process the pieces of the input in several processes, with the results of one process. I/O.

A piece depends on the lines before it: open exchanges, recent prompts, the newest event time. That
state follows from the recent past (`Settings.warm_up`), so each worker first reads that much of the past
and discards the output. How many bytes that takes is an estimate, so the resulting state is a guess. When
its turn comes, the worker receives the digest of the state in which the piece before really ended. If the
guess was wrong, the worker does its piece again from the real state. So a wrong guess costs time and
nothing else.

The turn goes round: piece 0 to worker 0, piece 1 to worker 1, and so on, back to worker 0. The
`Work` decides what happens to a piece: `writing.py` for `parse`, `commands/report_reading.py` for `report`.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from shipper.consoles import uninterrupted
from shipper.decode.line_patterns import Stamps
from shipper.emit.output import ClosedPipe
from shipper.errors import MfaShipperError, RunError
from shipper.model import Chunk, Counts
from shipper.parallel import starting
from shipper.parallel.shards import Range, Shard, read_range, warm_up
from shipper.parallel.starting import Connection, has_message, wait_for
from shipper.pipeline import Pipeline, Settings, read_input
from shipper.read.files import Read, read_chunks, skip_mark
from shipper.shared_files import open_shared

POLL = 4  # chunks between two checks for the turn
LOST = "a worker was lost; the output is incomplete"

Advance = Callable[[int, Counts], None]
END_OF_LOG = b"end of log"  # sent in place of a digest


class _WrongGuessError(Exception):
    """The piece does not begin in the guessed state; the worker has the real one."""


class Work(Protocol):
    """What a worker does with its pieces, one after the other."""

    def begin(self, piece: Shard, pipeline: Pipeline) -> None:
        """A piece begins, or begins again: drop everything taken from it."""

    def take(self, pipeline: Pipeline, chunk: Chunk) -> None:
        """The next chunk of the piece."""

    def turn(self) -> None:
        """All pieces before this one are done, and its pipeline began in the right state."""

    def close(self, pipeline: Pipeline) -> None:
        """The log ends with this piece."""

    def done(self) -> Any:
        """The piece is done; return its result for the parent, which is pickled."""


class _Worker:
    """One process. `before` and `behind` are the pipes to its neighbours in the ring."""

    def __init__(self, settings: Settings, pieces: Sequence[Shard], stdin: Read | None, work: Work) -> None:
        self._settings = settings
        self._pieces = pieces
        self._stdin = stdin
        self._work = work
        self._has_turn = False
        self._guessed = END_OF_LOG
        self._state = b""

    def run(self, number: int, workers: int, before: Connection, behind: Connection, parent: Connection) -> None:
        """Do pieces `number`, `number + workers`, ...; send the parent the result of each, and the error at the end, or None."""
        self._before, self._behind, self._parent = before, behind, parent
        end: Exception | None = None
        try:
            for index in range(number, len(self._pieces), workers):
                self._piece(index)
        except (MfaShipperError, ClosedPipe) as error:
            end = error
        except (EOFError, ConnectionError):
            end = RunError(LOST)
        except OSError as error:
            end = RunError(f"a worker failed: {error}")
        with suppress(EOFError, OSError):  # the parent may be gone
            parent.send(end)
            parent.recv()  # stay until all are done: a process that ends earlier counts as lost

    def _piece(self, index: int) -> None:
        piece = self._pieces[index]
        self._has_turn = index == 0
        pipeline = self._guess(piece) if piece.known or piece.first else None
        if pipeline is None:  # the past of the piece cannot be read quickly
            self._before.recv_bytes()
            self._hear_state()
            pipeline = self._restore(piece)
        try:
            failure = self._do(piece, pipeline)
        except _WrongGuessError:
            pipeline = self._restore(piece)
            failure = self._do(piece, pipeline)
        state = END_OF_LOG if piece.last or failure else pipeline.snapshot()  # `snapshot` counts exchanges that it gives up
        self._parent.send((piece.size, pipeline.counts, index, self._work.done()))
        if failure is not None:
            raise failure
        if index + 1 < len(self._pieces):
            self._pass_on(state)

    def _guess(self, piece: Shard) -> Pipeline:
        """A pipeline in the state in which the piece probably begins."""
        pipeline = Pipeline(self._settings, Counts())
        for part in warm_up(piece, self._settings.warm_up, Stamps(self._settings.library)):
            pipeline.open(part.input.file)
            for chunk in self._read(part):
                pipeline(chunk)
        self._guessed = END_OF_LOG if piece.first else _digest(pipeline.snapshot())
        self._begin(piece, pipeline)
        return pipeline

    def _begin(self, piece: Shard, pipeline: Pipeline) -> None:
        """Begin the piece: from here on the pipeline counts the piece's lines only."""
        pipeline.open(piece.range.input.file, pipeline.last_time if piece.range.start else None)
        pipeline.counts.clear()
        self._work.begin(piece, pipeline)
        if self._has_turn:
            self._work.turn()

    def _do(self, piece: Shard, pipeline: Pipeline) -> RunError | None:
        """Do a piece. The turn may come at any time; at the end, wait for it.

        Returns:
            Why the piece could not be read to its end, or None.
        """
        failure: RunError | None = None
        try:
            for number, chunk in enumerate(self._read(piece.range)):
                self._work.take(pipeline, chunk)
                if not self._has_turn and number % POLL == 0 and has_message(self._before):
                    self._take_turn()
        except RunError as error:
            failure = error
        if not self._has_turn:
            self._take_turn()
        if piece.last or failure is not None:
            self._work.close(pipeline)
        return failure

    def _read(self, part: Range) -> Iterator[Chunk]:
        one, settings = part.input, self._settings
        if part.start or part.end is not None:
            with open(one.path, "rb", buffering=0, opener=open_shared) as file:
                file.seek(part.start)
                read, at = (file.read, part.start) if part.start else skip_mark(file.read)
                inside = read_range(read, part, at)
                yield from read_chunks(
                    inside, at, one.file.encoding, settings.read_size, settings.line_limit, parts=one.file.parts
                )
            return
        yield from read_input(settings, one, self._stdin)

    def _take_turn(self) -> None:
        """Wait until the piece before is done; raise `_WrongGuessError` if it ended in another state than guessed."""
        if self._before.recv_bytes() != self._guessed:
            self._hear_state()
            raise _WrongGuessError
        self._before.send(True)
        self._has_turn = True
        self._work.turn()

    def _hear_state(self) -> None:
        """Ask for the state in which the piece before ended."""
        self._before.send(False)
        self._state = self._before.recv_bytes()
        self._has_turn = True

    def _restore(self, piece: Shard) -> Pipeline:
        pipeline = Pipeline(self._settings, Counts())
        pipeline.open(piece.range.input.file)
        pipeline.restore(self._state)
        self._begin(piece, pipeline)
        return pipeline

    def _pass_on(self, state: bytes) -> None:
        """Give the turn to the next worker, with the state if it guessed wrong."""
        self._behind.send_bytes(END_OF_LOG if state == END_OF_LOG else _digest(state))
        if not self._behind.recv():
            self._behind.send_bytes(state)


def _digest(state: bytes) -> bytes:
    return hashlib.sha256(state).digest()


def run_workers(
    settings: Settings,
    pieces: Sequence[Shard],
    stdin: Read | None,
    advance: Advance,
    work: Sequence[Work],
    keep: Callable[[int, Any], None] = lambda piece, result: None,
) -> None:
    """Do all pieces, each from the state in which the piece before it ended.

    Args:
        settings: the settings of the pipelines.
        pieces: the pieces of all logs.
        stdin: reads standard input.
        advance: called when a piece is done, with its size and counts.
        work: one `Work` for each process, at most one for each piece.
        keep: called with the number and the result of each piece, in no particular order.

    Raises:
        RunError: a file could not be read to its end (its readable part has been processed), or a worker was lost.
        ClosedPipe: the reader of the output has gone.
    """
    workers = len(work)
    context: Any = get_context(starting.METHOD)
    ring: list[tuple[Connection, Connection]] = [context.Pipe() for _ in range(workers)]
    parents: list[tuple[Connection, Connection]] = [context.Pipe() for _ in range(workers)]
    ends = [end for pair in (*ring, *parents) for end in pair]
    processes: list[BaseProcess] = []
    try:
        with uninterrupted():  # the parent decides what an interrupt means
            for number in range(workers):
                ours = ring[number][1], ring[(number + 1) % workers][0], parents[number][1]
                # A forked process also inherits the ends of all other pipes.
                others = [end for end in ends if end not in ours] if starting.METHOD == "fork" else []
                worker = _Worker(settings, pieces, stdin, work[number])
                started = context.Process(target=_serve, args=(worker, number, workers, ours, others), daemon=True)
                try:
                    started.start()
                except OSError as error:
                    raise RunError(f"cannot start a worker: {error.strerror}") from None
                processes.append(started)
        _close(end for pair in ring for end in pair)
        _close(mine for _, mine in parents)

        def hear(size: int, counts: Counts, piece: int, result: Any) -> None:
            advance(size, counts)
            keep(piece, result)

        _attend(processes, [connection for connection, _ in parents], hear)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()


def _serve(worker: _Worker, number: int, workers: int, ours: Sequence[Connection], others: Sequence[Connection]) -> None:
    """Run a worker, in its own process."""
    starting.settle()
    _close(others)  # so that the other end of a pipe notices when a process ends
    worker.run(number, workers, *ours)


def _close(connections: Iterable[Connection]) -> None:
    for connection in connections:
        connection.close()


def _attend(processes: Sequence[BaseProcess], connections: Sequence[Connection], hear: Callable[..., None]) -> None:
    """Receive results until every worker is done. If one fails, receive what the others have sent, then raise its error."""
    working = dict(zip(connections, processes, strict=True))
    while working:
        ready = wait_for(working, working.values())
        for connection, process in list(working.items()):
            if connection not in ready:
                if process.sentinel in ready and not has_message(connection):
                    process.join()
                    raise RunError(f"worker {process.pid} was lost (exit status {process.exitcode}); the output is incomplete")
                continue
            try:
                said = connection.recv()
            except EOFError:
                raise RunError(LOST) from None
            if isinstance(said, Exception):
                _hear_the_others(working, hear)
                raise said
            if said is None:
                del working[connection]
            else:
                hear(*said)


def _hear_the_others(connections: Iterable[Connection], hear: Callable[..., None]) -> None:
    """Receive what the other workers have sent by now: results of earlier pieces, as the failed one passed no turn on."""
    for connection in connections:
        with suppress(EOFError):
            while has_message(connection):
                said = connection.recv()
                if isinstance(said, tuple):
                    hear(*said)
