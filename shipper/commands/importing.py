"""Read all logs of `parse`, one after the other or in several processes, and hand over their events. I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from shipper.across import Gathered, Part, findings_across
from shipper.commands.progress import Progress
from shipper.emit.output import Output
from shipper.errors import RunError
from shipper.model import Block, Counts
from shipper.parallel.starting import can_share
from shipper.pipeline import Settings, run_source
from shipper.read.files import Read
from shipper.read.logs import Log


class Into(Protocol):
    """The destination of the events."""

    @property
    def output(self) -> Output | None:
        """The output that worker processes may write to; None: only this process can hand over events."""

    def take(self, block: Block) -> None:
        """Accept the events of a block."""

    def finish(self) -> list[str]:
        """Wait until all events have arrived; return lines about them for the summary."""


@dataclass(frozen=True, slots=True)
class Import:
    """All logs to read, and the destination of their events."""

    settings: Settings
    logs: Sequence[Log]
    stdin: Read | None
    into: Into
    bar: Progress
    counts: Counts

    def with_findings_across(self, workers: int) -> None:
        """Read all logs, then run the detectors over the authentications of all logs together; of a log that cannot be read
        to its end, the readable part counts."""
        failure: RunError | None = None
        with Gathered(self.settings.library.codes.codes) as gathered:
            try:
                self.read(workers, gathered)
            except RunError as error:
                failure = error
            for block in findings_across(self.settings, gathered.logs, self.counts):
                self.into.take(block)
        if failure is not None:
            raise failure

    def read(self, workers: int, gathered: Gathered | None = None) -> None:
        """Read all logs, in several processes where that helps; `gathered` takes their authentications."""
        output = self.into.output
        if workers > 1 and output is not None and self._on_all_cores(workers, output, gathered):
            return
        spool = gathered.spool() if gathered else None
        keep = spool.add if spool else None
        for number, log in enumerate(self.logs):
            begin = spool.end if spool else 0
            try:
                for block, size in run_source(self.settings, log, self.stdin, self.counts, keep):
                    self.into.take(block)
                    self.bar.advance(size, self.counts)
            finally:
                if gathered and spool:
                    gathered.add(number, number, Part(spool, begin, spool.end))

    def _on_all_cores(self, workers: int, output: Output, gathered: Gathered | None) -> bool:
        """Read in several processes; return False if there is only one shard, or other processes cannot share the work."""
        from shipper.parallel.shards import plan
        from shipper.parallel.workers import run_workers
        from shipper.parallel.writing import Writing

        shards = plan(self.logs, workers)
        if len(shards) < 2 or not can_share(self.stdin):
            return False
        log_of = list(accumulate(shard.first for shard in shards))

        def advance(size: int, more: Counts) -> None:
            self.counts.add(more)
            self.bar.advance(size, self.counts)

        number = min(workers, len(shards))
        spools = [gathered.spool() if gathered else None for _ in range(number)]

        def keep(piece: int, span: tuple[int, int]) -> None:
            spool = spools[piece % number]
            if gathered and spool:
                gathered.add(log_of[piece], piece, Part(spool, *span))

        run_workers(self.settings, shards, self.stdin, advance, [Writing(output, spool) for spool in spools], keep)
        return True
