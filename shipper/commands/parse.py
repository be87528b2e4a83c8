"""`parse`: log files become a stream of events, with a summary and a progress bar. I/O."""

import os
import socket
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from shipper.across import Gathered, Part, findings_across
from shipper.commands.forms import refuse_input
from shipper.commands.library import library_of
from shipper.commands.progress import Progress, progress, summary
from shipper.commands.screen import tell
from shipper.decode.facts import Library
from shipper.decode.library import event_fields
from shipper.decode.line_patterns import Stamps
from shipper.detect import DETECTORS, rules_for
from shipper.emit.filters import checked
from shipper.emit.output import ClosedPipe, Output, open_output
from shipper.emit.pseudonyms import SHORTEST_KEY, Pseudonyms
from shipper.errors import InputError, RunError, UsageError
from shipper.model import Counts
from shipper.pipeline import Settings, run_source, settings
from shipper.printable import printable
from shipper.read.files import Read
from shipper.read.inputs import open_inputs
from shipper.read.logs import Log, listing
from shipper.report.advice import counted

PLANNED = (  # the options of --plan: they decide what a file is, and when it begins
    "exchange_timeout", "deterministic", "syslog_year", "syslog_zone", "local_zone", "max_line", "pattern_dirs", "quiet",
)  # fmt: skip


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
    across: bool
    deterministic: bool
    workers: str
    only: str | None
    detect: tuple[str, ...] | None
    conditions: tuple[str, ...]
    since: str | None
    until: str | None
    pseudonyms: Path | None
    pretty: bool
    events: str
    syslog_year: str | None
    syslog_zone: str
    local_zone: str | None
    namespace: str | None
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
    if options.namespace is not None and options.format != "elastic-bulk":
        raise UsageError("--namespace is for --format elastic-bulk")
    o = options
    library = library_of(o.pattern_dirs, o.status_codes, o.syslog_year, o.syslog_zone, o.local_zone)
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
        namespace=options.namespace or "default",
        pretty=options.pretty,
        only_findings=options.only is not None,
        conditions=_conditions(options, library),
        since=options.since,
        until=options.until,
        pseudonyms=None if options.pseudonyms is None else Pseudonyms(read_key(options.pseudonyms)),
        per_exchange=options.events == "exchange",
        across=options.across,
        line_limit=options.max_line,
    )


def _conditions(options: ParseOptions, library: Library) -> tuple[str, ...]:
    """The conditions of `--where`, once each of them and the span of time can be met."""
    if options.since is not None and options.until is not None and options.since >= options.until:
        raise UsageError("--since must be before --until, or no event is left")
    fields = event_fields(library) if options.conditions else {}
    return tuple(checked(condition, fields) for condition in options.conditions)


def _detectors(options: ParseOptions) -> Collection[str]:
    chosen = DETECTORS if options.detect is None else options.detect
    if options.only in (None, "findings"):
        return chosen
    if options.only not in chosen:
        raise UsageError(f"--only {options.only}: --detect leaves it out")
    return [options.only]


def read_key(path: Path) -> bytes:
    """The key of pseudonyms: the first line of a file, as `${file:...}` takes it in the configuration of `run`."""
    try:
        with path.open("rb") as file:
            open_to_others = os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077
            key = file.readline(1 << 16).rstrip(b"\r\n")
    except OSError as error:
        raise UsageError(f"cannot read the key {path}: {error.strerror}") from None
    if len(key) < SHORTEST_KEY or not _is_text(key):
        raise UsageError(
            f"--pseudonyms {path}: its first line must be a text of {SHORTEST_KEY} bytes or more; "
            f"make a key with: openssl rand -hex 32 > {path}"
        )
    if open_to_others:
        print(f"mfa-shipper: warning: others can read the key {path}; chmod 600 {path}", file=sys.stderr)
    return key


def _is_text(key: bytes) -> bool:
    try:
        return bool(key.decode())
    except UnicodeDecodeError:
        return False


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
    stamp_of = Stamps(settings.library)
    counts = Counts()
    notes: list[str] = []
    began = time.monotonic()
    try:
        with (
            open_inputs(
                options.files,
                deterministic=options.deterministic,
                stamp_of=stamp_of,
                exchange_timeout=options.exchange_timeout,
                left_out=notes,
            ) as (logs, stdin),
            open_for(options.output, logs, options.pseudonyms, options.status_codes) as out,
            progress(total_size(logs), show=options.show_progress) as bar,
        ):
            work = _Work(settings, logs, stdin, out, bar, counts)
            try:
                if settings.across:
                    work.with_findings_across(workers)
                else:
                    work.read(workers)
            except InputError as error:
                raise RunError(f"{error}{_unread(logs, error.path)}") from None
    except ClosedPipe:
        return counts
    if not options.quiet:
        notes += [log.apart for log in logs if log.apart]
        said = [summary(counts, time.monotonic() - began, settings.detectors), *(f"  note: {printable(note)}" for note in notes)]
        tell("\n".join(said))
    return counts


def _unread(logs: Sequence[Log], path: str) -> str:
    """What to add to a sentence about a file that could not be read to its end: parsing ends there."""
    files = [file.path for log in logs for file in log.inputs]
    more = len(files) - files.index(path) - 1
    return f"; {counted(more, 'more file')} {'was' if more == 1 else 'were'} not read" if more else ""


def plan(options: ParseOptions) -> str:
    """Which files make which log: all that is read of them is where they begin, and where they end.

    Raises:
        UsageError: an option is wrong, a file is missing or not readable.
    """
    stamp_of = Stamps(settings_of(options).library)
    notes: list[str] = []
    lines: list[str] = []
    try:
        with open_inputs(
            options.files,
            deterministic=options.deterministic,
            stamp_of=stamp_of,
            exchange_timeout=options.exchange_timeout,
            left_out=notes,
        ) as (logs, _):
            lines = listing(logs)
    except RunError as error:
        if not lines:
            raise
        notes.append(str(error))
    return "\n".join([*lines, *(f"note: {printable(note)}" for note in notes)])


def total_size(logs: Sequence[Log]) -> int | None:
    """The bytes of all files; None if one of them has no size."""
    total = 0
    for file in (file for log in logs for file in log.inputs):
        size = file.size
        if size is None:
            return None
        total += size
    return total


def open_for(output: str | None, logs: Sequence[Log], *others: Path | None) -> AbstractContextManager[Output]:
    """The output, unless it would go into a log, or another file, that is read.

    Raises:
        UsageError: it would.
    """
    refuse_input(output, [file.on_disk for log in logs for file in log.inputs], *others)
    return open_output(output)


@dataclass(frozen=True, slots=True)
class _Work:
    """All logs that are to be read, and where their events go."""

    settings: Settings
    logs: Sequence[Log]
    stdin: Read | None
    out: Output
    bar: Progress
    counts: Counts

    def with_findings_across(self, workers: int) -> None:
        """Read all logs, then look for what their authentications make together; of a log that cannot be read to its end,
        what could be read counts."""
        failure: RunError | None = None
        with Gathered(self.settings.library.codes.codes) as gathered:
            try:
                self.read(workers, gathered)
            except RunError as error:
                failure = error
            for block in findings_across(self.settings, gathered.logs, self.counts):
                self.out.write(block.data)
        if failure is not None:
            raise failure

    def read(self, workers: int, gathered: Gathered | None = None) -> None:
        """Read all logs, in several processes where that helps; `gathered` takes their authentications."""
        if workers > 1 and self._on_all_cores(workers, gathered):
            return
        spool = gathered.spool() if gathered else None
        keep = spool.add if spool else None
        for number, log in enumerate(self.logs):
            begin = spool.end if spool else 0
            try:
                for block, size in run_source(self.settings, log, self.stdin, self.counts, keep):
                    self.out.write(block.data)
                    self.bar.advance(size, self.counts)
            finally:
                if gathered and spool:
                    gathered.add(number, number, Part(spool, begin, spool.end))

    def _on_all_cores(self, workers: int, gathered: Gathered | None) -> bool:
        """Do the work in several processes; False if there is only one shard of it, or no way to fork."""
        from shipper.parallel.shards import plan
        from shipper.parallel.workers import AVAILABLE, run_workers
        from shipper.parallel.writing import Writing

        shards = plan(self.logs, workers)
        if len(shards) < 2 or not AVAILABLE:
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

        run_workers(self.settings, shards, self.stdin, advance, [Writing(self.out, spool) for spool in spools], keep)
        return True
