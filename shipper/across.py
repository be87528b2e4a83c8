"""`parse --across`: the detectors over all logs at once, as if one server had written them. I/O.

The logs are read one after the other, as always. Their authentications, far fewer than their lines, go to a temporary file
(one for each process that reads logs), in the order of their log. Then all logs are read side by side and merged by time,
with a few kilobytes of memory for each but no open file of its own. The findings come after all events: the same bytes,
whatever the size of reads and the number of workers.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import IO, Any, NamedTuple

import msgspec

from shipper.detect.across import AcrossLogs, Completed, merged
from shipper.detect.components import ComponentDetectors
from shipper.detect.detector import Detectors
from shipper.errors import RunError
from shipper.model import Block, Code, CompletionFields, Counts, Label, is_withdrawal
from shipper.pipeline import Pipeline, Settings
from shipper.shared_files import handed_on

READ = 4096  # bytes of a log's authentications in memory at a time, besides the objects made of them
BATCH = 500  # authentications for one call of the detectors
STREAMS = 16  # components of a log that get a stream each; all others share one


class _Kept(NamedTuple):
    """A `Completed` as stored in the file. `code` is a number if the table has the code."""

    event_id: str
    host: str | None
    user: tuple[str, str | None, str | None, str]
    id: str
    component: str
    start: int
    start_text: str
    end: int
    end_text: str
    code: int | Code
    success: bool
    newest: int


class Part(NamedTuple):
    """The authentications in a range of bytes of a spool."""

    spool: "Spool"
    begin: int
    end: int


class Spool:
    """Authentications in an unnamed temporary file. One process writes it; this process or its parent reads it afterwards.

    `end` is the number of bytes; it may be set back.
    """

    def __init__(self, codes: Mapping[int, Code], descriptor: int | None = None) -> None:
        """`codes` is the table, by number; `descriptor` is the open file, if another process made it.

        Raises:
            RunError: there is no room.
        """
        self.end = 0
        self._codes = codes
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(_Kept | str)
        try:
            self._file: IO[bytes] = _file(descriptor)
        except OSError as error:
            raise no_room(error) from None

    def __reduce__(self) -> tuple[Any, ...]:  # for a worker process: the worker writes, this process reads
        return Spool, (self._codes, handed_on(self._file.fileno()))

    def add(self, completions: Sequence[CompletionFields], labels: Sequence[Label]) -> None:
        """Store the authentications of a chunk that have a user, and withdrawals; `labels` are the labels of its events.

        Raises:
            RunError: there is no room.
        """
        kept: list[Any] = []
        for completion in completions:
            position, user, *exchange, code, success, newest = completion
            if is_withdrawal(completion):
                kept.append(completion[3])
            elif user is not None:
                _, event_id, origin, _ = labels[position]
                number = code.number
                short = number if number is not None and self._codes.get(number) is code else code
                kept.append((event_id, origin.host, user, *exchange, short, success, newest))
        data = memoryview(self._encoder.encode_lines(kept))
        try:
            self._file.seek(self.end)
            while data:
                size = self._file.write(data)
                self.end += size
                data = data[size:]
        except OSError as error:
            raise no_room(error) from None

    def read(self, begin: int, end: int) -> Iterator[Completed | str]:
        """Yield the entries between two offsets, with a few kilobytes in memory; a `withdrawal` as the name of its component.

        Raises:
            RunError: the temporary file cannot be read.
        """
        rest = b""
        while begin < end:
            try:
                self._file.seek(begin)
                block = self._file.read(min(READ, end - begin))
            except OSError as error:
                raise RunError(f"cannot read a temporary file in {tempfile.gettempdir()}: {error.strerror}") from None
            if not block:
                raise RunError(f"a temporary file in {tempfile.gettempdir()} was cut")
            begin += len(block)
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                kept = self._decoder.decode(line)
                yield kept if isinstance(kept, str) else self._completed(kept)

    def _completed(self, kept: _Kept) -> Completed:
        event_id, host, user, exchange_id, component, start, start_text, end, end_text, code, success, newest = kept
        row = self._codes[code] if isinstance(code, int) else code
        fields = (0, user, exchange_id, component, start, start_text, end, end_text, row, success, newest)
        return Completed(event_id, host, fields)

    def close(self) -> None:
        """Close the file, which frees its space."""
        self._file.close()


def _file(descriptor: int | None) -> IO[bytes]:
    if descriptor is None:
        return tempfile.TemporaryFile(buffering=0)
    return open(descriptor, "r+b", buffering=0)


class Gathered:
    """Collects the authentications of all logs, while these are read. Its files are gone when the context ends."""

    def __init__(self, codes: Mapping[int, Code]) -> None:
        """`codes` is the table, by number."""
        self._codes = codes
        self._spools: list[Spool] = []
        self._parts: dict[int, tuple[int, Part]] = {}

    def __enter__(self) -> "Gathered":
        return self

    def __exit__(self, *_: object) -> None:
        for spool in self._spools:
            spool.close()

    def spool(self) -> Spool:
        """Make another file, for another process to write.

        Raises:
            RunError: there is no room.
        """
        self._spools.append(Spool(self._codes))
        return self._spools[-1]

    def add(self, log: int, piece: int, part: Part) -> None:
        """Note where the authentications of a piece of a log are stored; pieces are numbered in order, over all logs."""
        self._parts[piece] = log, part

    @property
    def logs(self) -> list[list[Part]]:
        """The parts that hold the authentications of each log, in order."""
        logs: dict[int, list[Part]] = {}
        for _, (log, part) in sorted(self._parts.items(), key=itemgetter(0)):
            logs.setdefault(log, []).append(part)
        return list(logs.values())


def no_room(error: OSError) -> RunError:
    """The error for a temporary file that cannot be written."""
    return RunError(f"no room for temporary files in {tempfile.gettempdir()}: {error.strerror}; set TMPDIR")


def findings_across(settings: Settings, logs: Sequence[Sequence[Part]], counts: Counts) -> Iterator[Block]:
    """Yield the findings over all logs; each log is given as the parts that hold its authentications.

    Raises:
        RunError: the temporary files cannot be read.
    """
    pipeline = Pipeline(settings, counts)  # for its filters and its format
    detectors = ComponentDetectors(partial(Detectors, settings.detectors, counts), pipeline.state)
    across = AcrossLogs(detectors, settings.detectors.values(), settings.options.constants.get("host", {}).get("name"))
    in_order = merged([stream for parts in logs for stream in of_log(parts)])
    while batch := list(islice(in_order, BATCH)):
        yield pipeline.findings(across(batch))


def of_log(parts: Sequence[Part]) -> list[Iterator[Completed]]:
    """The authentications of a log, as a stream for each component: no component moves the time of another."""
    names = dict.fromkeys(completed.fields[3] for completed in _read(parts) if not isinstance(completed, str))
    apart = list(names)[:STREAMS]
    streams = [_of_components(parts, name.__eq__) for name in apart]
    return [*streams, _of_components(parts, lambda name: name not in apart)] if len(names) > STREAMS else streams


def _read(parts: Sequence[Part]) -> Iterator[Completed | str]:
    return (completed for spool, begin, end in parts for completed in spool.read(begin, end))


def _of_components(parts: Sequence[Part], wanted: Callable[[str], bool]) -> Iterator[Completed]:
    """Yield the authentications of some components. One ahead of the clock waits for its component's next, or its withdrawal."""
    ahead: dict[str, Completed] = {}
    for completed in _read(parts):
        name = completed if isinstance(completed, str) else completed.fields[3]
        if not wanted(name):
            continue
        before = ahead.pop(name, None)
        if isinstance(completed, str):
            continue
        if before is not None:
            yield before
        if completed.fields[6] > completed.fields[10]:
            ahead[name] = completed._replace(fields=(*completed.fields[:10], completed.fields[6]))
        else:
            yield completed
    yield from ahead.values()
