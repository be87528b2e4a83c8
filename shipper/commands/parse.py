"""`parse`: log files become a stream of events, with a summary and a progress bar. I/O."""

import os
import socket
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from shipper.commands.progress import Progress, progress, summary
from shipper.decode.facts import Library
from shipper.decode.library import event_fields, load, syslog_time
from shipper.decode.line_patterns import stamp_reader
from shipper.detect import DETECTORS, rules_for
from shipper.emit.filters import check_field
from shipper.emit.output import ClosedPipe, Output, open_output
from shipper.errors import UsageError
from shipper.model import Counts
from shipper.pipeline import Settings, run_source, settings
from shipper.read.files import STDIN, Read, size_of
from shipper.read.inputs import open_inputs
from shipper.read.logs import Log, listing


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseOptions:
    """The options of the command, under the names that they have there; durations in nanoseconds, sizes in bytes."""

    files: tuple[str, ...]
    format: str
    output: str | None
    no_original: bool
    window: int
    exchange_timeout: int
    include_retries: bool
    host: str | None
    deterministic: bool
    workers: str
    only: str | None
    detect: tuple[str, ...] | None
    conditions: tuple[str, ...]
    since: str | None
    until: str | None
    pretty: bool
    events: str
    syslog_year: str | None
    syslog_zone: str
    namespace: str
    max_line: int
    show_progress: bool | None
    quiet: bool
    pattern_dirs: tuple[Path, ...]
    status_codes: Path | None


def settings_of(options: ParseOptions) -> Settings:
    """The settings of the pipelines.

    Raises:
        UsageError: patterns, code table, time zone or filters are wrong.
    """
    year, zone = options.syslog_year, options.syslog_zone
    syslog = None if year is None else syslog_time(year, zone, "--syslog-year")
    library = load(options.pattern_dirs, options.status_codes, syslog=syslog)
    return settings(
        library,
        rules_for(
            _detectors(options),
            options.exchange_timeout,
            {"double_prompt": {"window": options.window, "include_retries": options.include_retries}},
        ),
        {} if options.deterministic else {"host": {"name": socket.gethostname()}},
        server=options.host,
        exchange_timeout=options.exchange_timeout,
        agent=not options.deterministic,
        keep_original=not options.no_original,
        format=options.format,
        namespace=options.namespace,
        pretty=options.pretty,
        only_findings=options.only is not None,
        conditions=_conditions(options, library),
        since=options.since,
        until=options.until,
        per_exchange=options.events == "exchange",
        line_limit=options.max_line,
    )


def _conditions(options: ParseOptions, library: Library) -> tuple[str, ...]:
    """The conditions of `--where`, once each of them and the span of time can be met."""
    if options.conditions:
        fields = event_fields(library)
        for condition in options.conditions:
            check_field(condition, fields)
    if options.since is not None and options.until is not None and options.since >= options.until:
        raise UsageError("--since must be before --until, or no event is left")
    return options.conditions


def _detectors(options: ParseOptions) -> Collection[str]:
    chosen = DETECTORS if options.detect is None else options.detect
    if options.only in (None, "findings"):
        return chosen
    if options.only not in chosen:
        raise UsageError(f"--only {options.only}: --detect leaves it out")
    return [options.only]


def worker_count(text: str) -> int:
    """How many processes `--workers` asks for.

    Raises:
        UsageError: neither a number from 1 to 256 nor `auto`.
    """
    if text == "auto":
        return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if not text.isdecimal() or len(text) > 3 or not 1 <= int(text) <= 256:
        raise UsageError(f"--workers {text}: expected a number from 1 to 256, or auto")
    return int(text)


def import_logs(options: ParseOptions) -> Counts:
    """Parse the files into the output.

    Raises:
        UsageError: an option is wrong, a file is missing or not readable, or the output would replace it;
            nothing has been written then.
        RunError: reading or writing failed on the way, or a worker was lost.
    """
    settings = settings_of(options)
    workers = worker_count(options.workers)
    stamp_of = stamp_reader(settings.library.lines)
    counts = Counts()
    began = time.monotonic()
    try:
        with (
            open_inputs(
                options.files,
                deterministic=options.deterministic,
                stamp_of=stamp_of,
                exchange_timeout=options.exchange_timeout,
            ) as (logs, stdin),
            open_for(options.output, logs) as out,
            progress(total_size(logs), show=options.show_progress) as bar,
        ):
            if workers < 2 or not _on_all_cores(settings, logs, workers, stdin, out, bar, counts):
                for log in logs:
                    for block, size in run_source(settings, log, stdin, counts):
                        out.write(block.data)
                        bar.advance(size, counts)
    except ClosedPipe:
        return counts
    if not options.quiet:
        apart = [f"  note: {log.apart}" for log in logs if log.apart]
        print("\n".join([summary(counts, time.monotonic() - began, settings.detectors), *apart]), file=sys.stderr)
    return counts


def plan(options: ParseOptions) -> str:
    """Which files make which log: all that is read of them is where they begin, and where they end.

    Raises:
        UsageError: an option is wrong, a file is missing or not readable.
    """
    stamp_of = stamp_reader(settings_of(options).library.lines)
    with open_inputs(
        options.files, deterministic=options.deterministic, stamp_of=stamp_of, exchange_timeout=options.exchange_timeout
    ) as (logs, _):
        return "\n".join(listing(logs))


def total_size(logs: Sequence[Log]) -> int | None:
    """The bytes of all files; None if one of them has no size."""
    total = 0
    for file in (file for log in logs for file in log.inputs):
        size = size_of(file.path)
        if size is None:
            return None
        total += size
    return total


def open_for(output: str | None, logs: Sequence[Log]) -> AbstractContextManager[Output]:
    """The output, unless it would replace a log that is to be read."""
    for file in (file for log in logs for file in log.inputs):
        if output is not None and file.path != STDIN and os.path.exists(output) and os.path.samefile(output, file.path):
            raise UsageError(f"--output {output} is one of the logs to read; give another name")
    return open_output(output)


def _on_all_cores(
    settings: Settings, logs: Sequence[Log], workers: int, stdin: Read | None, out: Output, bar: Progress, counts: Counts
) -> bool:
    """Do the work in several processes; False if there is only one shard of it, or no way to fork."""
    from shipper.parallel.shards import plan
    from shipper.parallel.workers import AVAILABLE, run_workers

    shards = plan(logs, workers)
    if len(shards) < 2 or not AVAILABLE:
        return False

    def advance(size: int, more: Counts) -> None:
        counts.add(more)
        bar.advance(size, counts)

    run_workers(settings, shards, workers, stdin, out, advance)
    return True
