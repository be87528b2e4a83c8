"""Read the logs of a report, in one process or in several. I/O."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Literal, NamedTuple

from shipper.across import BATCH, Gathered, of_log
from shipper.across import Part as Spooled
from shipper.decode.clock import LogState
from shipper.decode.ecs import dataset
from shipper.detect.across import AcrossLogs, Timed, merged
from shipper.detect.components import ComponentDetectors
from shipper.detect.detector import Detectors
from shipper.errors import RunError
from shipper.model import Chunk, Counts, Label, Origin
from shipper.parallel.each import Told, for_each
from shipper.parallel.shards import Shard, plan
from shipper.parallel.starting import can_share
from shipper.parallel.workers import run_workers
from shipper.pipeline import OnCompleted, Pipeline, Settings, read_input
from shipper.read.files import Read
from shipper.read.logs import Log
from shipper.report.figures import Figures
from shipper.report.fold import Fold
from shipper.report.later import LaterFold
from shipper.report.parts import Part


@dataclass(frozen=True, slots=True)
class FoldedWith:
    """The options of a `Fold`."""

    exchange_timeout: int
    window: int
    host: str | None
    since: str | None
    until: str | None

    def fold(self, half: Literal["rows", "users"] | None = None) -> Fold:
        """A fold for a log from its beginning on."""
        return Fold(self.exchange_timeout, self.window, self.host, self.since, self.until, half)

    def later(self) -> LaterFold:
        """A fold for a later piece of a log."""
        return LaterFold(self.exchange_timeout, self.window, self.host, self.since, self.until)


class _Folding:
    """A `Work` that folds each piece."""

    def __init__(self, options: FoldedWith) -> None:
        self._options = options

    def begin(self, piece: Shard, pipeline: Pipeline) -> None:
        """See `Work.begin`."""
        self._fold = self._options.fold() if piece.first else self._options.later()

    def take(self, pipeline: Pipeline, chunk: Chunk) -> None:
        """See `Work.take`."""
        (texts, labels, completions), findings = pipeline.decode(chunk)
        self._fold(texts, labels, completions, findings)

    def turn(self) -> None:
        """See `Work.turn`. Folding does not depend on the turn."""

    def close(self, pipeline: Pipeline) -> None:
        """See `Work.close`."""
        pipeline.close()

    def done(self) -> Part:
        """See `Work.done`."""
        return self._fold.part()


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads the logs of a report; `failures` gets a sentence for each file that cannot be read to its end."""

    settings: Settings
    logs: Sequence[Log]
    stdin: Read | None
    options: FoldedWith
    failures: list[str]

    def apart(self, workers: int, told: Told) -> tuple[Figures, Counts]:
        """Read each log on its own, in several processes where that helps."""
        workers = workers if can_share(self.stdin) else 1
        shards = plan(self.logs, workers) if workers > 1 else []
        if len(shards) > 1 and all(shard.known for shard in shards):
            with suppress(RunError):  # a file cannot be read to its end: read all again, for what is readable
                return self._in_pieces(shards, workers, told)
        figures, counts = Figures(), Counts()
        for read in for_each(self._one_log, len(self.logs), workers, _After(counts, told)):
            self._add(read, figures, counts)
        return figures, counts

    def _in_pieces(self, shards: Sequence[Shard], workers: int, told: Told) -> tuple[Figures, Counts]:
        """Read all logs, cut into pieces so that every process has work."""
        figures, counts = Figures(), Counts()
        fold, parts, begun = self.options.fold(), dict[int, Part](), 0

        def advance(size: int, more: Counts) -> None:
            counts.add(more)
            told.advance(size, counts)

        def keep(piece: int, part: Part) -> None:
            nonlocal fold, begun
            parts[piece] = part
            while begun in parts:
                fold.join(parts.pop(begun))
                if shards[begun].last:
                    figures.add(fold.close())
                    fold = self.options.fold()
                begun += 1

        work = [_Folding(self.options) for _ in range(min(workers, len(shards)))]
        run_workers(self.settings, shards, self.stdin, advance, work, keep)
        return figures, counts

    def across(self, told: Told) -> tuple[Figures, Counts]:
        """Read all logs as those of one server: the figures about users come from all authentications, merged by time."""
        figures, counts, settings = Figures(), Counts(), self.settings
        with Gathered(settings.library.codes.codes) as gathered:
            spool = gathered.spool()
            for number in range(len(self.logs)):
                begin = spool.end
                read = self._one_log(number, _After(counts, told), spool.add)
                gathered.add(number, number, Spooled(spool, begin, spool.end))
                self._add(read, figures, counts)
            detectors = AcrossLogs(
                ComponentDetectors(partial(Detectors, settings.detectors, counts), LogState(self.options.exchange_timeout)),
                settings.detectors.values(),
                self.options.host,
            )
            users = self.options.fold("users")
            in_order = merged([stream for parts in gathered.logs for stream in of_log(parts)])
            while batch := list(islice(in_order, BATCH)):
                labels = [_label(timed) for timed in batch]
                completions = [(at, *timed[2].fields[1:10], timed[0]) for at, timed in enumerate(batch)]
                users([""] * len(batch), labels, completions, detectors(batch))
        figures.add(users.close())
        return figures, counts

    def _add(self, read: "_Log", figures: Figures, counts: Counts) -> None:
        figures.add(read.figures)
        counts.add(read.counts)
        self.failures.extend(read.failures)

    def _one_log(self, number: int, told: Told, keep: OnCompleted | None = None) -> "_Log":
        folded, counted = self.options.fold("rows" if keep else None), Counts()
        failures: list[str] = []
        pipeline = Pipeline(self.settings, counted)
        pipeline.on_completed = keep
        for member in self.logs[number].inputs:
            pipeline.open(member.file)
            try:
                for chunk in read_input(self.settings, member, self.stdin):
                    (texts, labels, completions), findings = pipeline.decode(chunk)
                    folded(texts, labels, completions, findings)
                    told.advance(len(chunk.data), counted)
            except RunError as error:
                failures.append(str(error))
        pipeline.close()
        return _Log(folded.close(), counted, failures)


class _After(NamedTuple):
    """Reports the progress of a log that is read after others: `before` holds the counts of the others, which grow."""

    before: Counts
    told: Told

    def advance(self, bytes_read: int, counts: Counts) -> None:
        """See `Told.advance`; `counts` are those of the log alone."""
        self.told.advance(bytes_read, Counts(lines=self.before.lines + counts.lines))


class _Log(NamedTuple):
    """The figures and counts of a log, and a sentence for each of its files that could not be read to its end."""

    figures: Figures
    counts: Counts
    failures: list[str]


def _label(timed: Timed) -> Label:
    """The label of the event that completed an authentication, with the values that the fold uses."""
    _, event_id, (_, host, fields) = timed
    return fields[7], event_id, Origin(None, dataset(fields[3]), "event", host=host), None
