"""`parse`: files in, a stream of events out, with summary and progress. I/O."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager

from shipper.commands.progress import Progress, progress, summary
from shipper.decode.line_patterns import stamp_reader
from shipper.emit.output import ClosedPipe, Output, open_output
from shipper.errors import UsageError
from shipper.model import Counts
from shipper.pipeline import Settings, run_source
from shipper.read.files import STDIN, Read, size_of
from shipper.read.inputs import Log, open_inputs


def import_logs(
    settings: Settings,
    arguments: Sequence[str],
    output: str | None,
    *,
    workers: int = 1,
    deterministic: bool = False,
    show_progress: bool | None = None,
    quiet: bool = True,
) -> Counts:
    """Parse the files that `arguments` name into `output` (None: standard output).

    Raises:
        UsageError: a file is missing or not readable, or the output would take its place; nothing
            has been written then.
        RunError: reading or writing failed on the way, or a worker was lost.
    """
    counts = Counts()
    began = time.monotonic()
    try:
        with (
            open_inputs(arguments, deterministic=deterministic, stamp_of=stamp_reader(settings.library.lines)) as (
                sources,
                stdin,
            ),
            _open(output, sources) as out,
        ):
            sizes = [size_of(one.path) for source in sources for one in source.inputs]
            total = None if None in sizes else sum(size or 0 for size in sizes)
            with progress(total, show=show_progress) as bar:
                done = workers > 1 and _on_all_cores(settings, sources, workers, stdin, out, bar, counts)
                for source in () if done else sources:
                    for block, size in run_source(settings, source, stdin, counts):
                        out.write(block)
                        bar.advance(size, counts)
    except ClosedPipe:
        return counts
    if not quiet:
        print(summary(counts, time.monotonic() - began), file=sys.stderr)
    return counts


def _open(output: str | None, sources: Sequence[Log]) -> AbstractContextManager[Output]:
    """The output, unless it would replace a log that is to be read."""
    for one in (one for source in sources for one in source.inputs):
        if output is not None and one.path != STDIN and os.path.exists(output) and os.path.samefile(output, one.path):
            raise UsageError(f"--output {output} is one of the logs to read; give another name")
    return open_output(output)


def _on_all_cores(
    settings: Settings, sources: Sequence[Log], workers: int, stdin: Read | None, out: Output, bar: Progress, counts: Counts
) -> bool:
    """Do the work with several processes; False if there is only one piece of it, or no way to fork."""
    from shipper.parallel.shards import plan
    from shipper.parallel.workers import AVAILABLE, run_workers

    pieces = plan(sources, workers)
    if len(pieces) < 2 or not AVAILABLE:
        return False

    def advance(size: int, more: Counts) -> None:
        counts.add(more)
        bar.advance(size, counts)

    run_workers(settings, pieces, workers, stdin, out, advance)
    return True
