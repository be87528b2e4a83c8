"""`parse`: turn log files into a stream of events, with a summary and a progress bar. I/O."""

import os
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from shipper.commands.ending import end_in_order
from shipper.commands.forms import refuse_input
from shipper.commands.importing import Import, Into
from shipper.commands.library import library_of
from shipper.commands.progress import progress, summary
from shipper.commands.screen import tell
from shipper.decode.facts import Library
from shipper.decode.library import event_fields
from shipper.decode.line_patterns import Stamps
from shipper.detect import DETECTORS, rules_for
from shipper.emit.filters import checked
from shipper.emit.formats import refuse_pretty
from shipper.emit.output import ClosedPipe, Output, open_output
from shipper.emit.pseudonyms import SHORTEST_KEY, Pseudonyms
from shipper.errors import InputError, RunError, UsageError
from shipper.first_line import first_line
from shipper.model import Block, Counts
from shipper.parallel.starting import MOST
from shipper.pipeline import Settings, settings
from shipper.printable import printable
from shipper.read.inputs import open_inputs
from shipper.read.logs import Log, listing
from shipper.report.advice import counted

PLANNED = (  # the options that go with --plan: they decide how a file is identified, and when it begins
    "exchange_timeout", "deterministic", "syslog_year", "syslog_zone", "local_zone", "max_line", "pattern_dirs", "quiet",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseOptions:
    """The options of the command, under the same names; durations in nanoseconds, sizes in bytes."""

    files: tuple[str, ...]
    format: str | None
    output: str | None
    to: str | None
    to_key: Path | None
    to_ca: str | None
    to_index: str | None
    refused: Path | None
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
    events: str | None
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
        UsageError: patterns, code table, time zone or filters are wrong, or options contradict each other.
    """
    if options.pretty:
        refuse_pretty(options.format or "ecs")
    if options.namespace is not None and options.format != "elastic-bulk":
        raise UsageError("--namespace is for --format elastic-bulk, and for --to Elasticsearch or OpenSearch")
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
        format=options.format or "ecs",
        namespace=options.namespace or "default",
        index=options.to_index,
        pretty=options.pretty,
        only_findings=options.only is not None,
        conditions=_conditions(options, library),
        since=options.since,
        until=options.until,
        pseudonyms=None if options.pseudonyms is None else Pseudonyms(read_key(options.pseudonyms)),
        per_exchange=(options.events or ("exchange" if options.to else "line")) == "exchange",
        across=options.across,
        line_limit=options.max_line,
    )


def _conditions(options: ParseOptions, library: Library) -> tuple[str, ...]:
    """The conditions of `--where`; refuse a condition or a time span that no event can meet."""
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
    """Read the key of pseudonyms: the first line of a file, as `${file:...}` in the configuration of `run` reads it."""
    try:
        open_to_others = os.name == "posix" and path.stat().st_mode & 0o077
        key = first_line(path).encode()
    except OSError as error:
        raise UsageError(f"cannot read the key {path}: {error.strerror}") from None
    except ValueError:
        key = b""
    if len(key) < SHORTEST_KEY:
        raise UsageError(
            f"--pseudonyms {path}: its first line must be a text of {SHORTEST_KEY} bytes or more; "
            "make a new file with: openssl rand -hex 32 > pseudonyms.key"
        )
    if open_to_others:
        print(f"mfa-shipper: warning: others can read the key {path}; chmod 600 {path}", file=sys.stderr)
    return key


def worker_count(text: str) -> int:
    """How many processes `--workers` asks for.

    Raises:
        UsageError: neither a number from 1 to 256 nor `auto`.
    """
    if text == "auto":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(cores, MOST)
    if not text.isdecimal() or len(text) > 3 or not 1 <= int(text) <= 256:
        raise UsageError(f"--workers {text}: expected a number from 1 to 256, or auto")
    return min(int(text), MOST)


def import_logs(options: ParseOptions) -> Counts:
    """Parse the files into the output.

    Raises:
        UsageError: an option is wrong, a file is missing or not readable, or the output would replace one;
            nothing has been written.
        RunError: reading or writing failed on the way, or a worker was lost.
    """
    return read_into(options, settings_of(options), lambda logs: _file(options, logs))


def read_into(
    options: ParseOptions, settings: Settings, open_for_logs: Callable[[Sequence[Log]], AbstractContextManager[Into]]
) -> Counts:
    """Parse the files; `open_for_logs` opens the destination of the events once the logs are known. If a file cannot be read to
    its end, the events of its readable part go to the destination, and the sums are printed, before the error is raised.

    Raises:
        UsageError, RunError: see `import_logs`.
    """
    end_in_order()
    workers = worker_count(options.workers)
    counts = Counts()
    notes: list[str] = []
    began = time.monotonic()

    def tell_sums(told: Sequence[str]) -> None:
        if not options.quiet:
            sums = summary(counts, time.monotonic() - began, settings.detectors)
            tell("\n".join([sums, *told, *(f"  note: {printable(note)}" for note in notes)]))

    try:
        with (
            open_inputs(
                options.files,
                deterministic=options.deterministic,
                stamp_of=Stamps(settings.library),
                exchange_timeout=options.exchange_timeout,
                left_out=notes,
            ) as (logs, stdin),
            open_for_logs(logs) as into,
        ):
            with progress(total_size(logs), show=options.show_progress, quiet=options.quiet) as bar:
                failure = _read(Import(settings, logs, stdin, into, bar, counts), workers)
            told = into.finish()
            notes += [log.apart for log in logs if log.apart]
            if failure is not None:
                if into.output is not None and into.output.is_temporary:
                    notes.append(f"{options.output} is not written, since it would not be complete")
                if counts.lines:
                    tell_sums(told)
                raise failure
    except ClosedPipe:
        return counts
    tell_sums(told)
    return counts


def _read(work: Import, workers: int) -> InputError | None:
    """Read all logs; return why one of them could not be read to its end, if so. Its readable part counts."""
    try:
        if work.settings.across:
            work.with_findings_across(workers)
        else:
            work.read(workers)
    except InputError as error:
        return InputError(f"{error}{_unread(work.logs, error.path)}", error.path)
    return None


class _File:
    """A file, or standard output."""

    def __init__(self, output: Output) -> None:
        self.output = output

    def take(self, block: Block) -> None:
        self.output.write(block.data)

    def finish(self) -> list[str]:
        return []


@contextmanager
def _file(options: ParseOptions, logs: Sequence[Log]) -> Iterator[_File]:
    with open_for(options.output, logs, options.pseudonyms, options.status_codes) as output:
        yield _File(output)


def _unread(logs: Sequence[Log], path: str) -> str:
    """The end of the sentence about a file that could not be read: how many files after it were not read."""
    files = [file.path for log in logs for file in log.inputs]
    more = len(files) - files.index(path) - 1
    return f"; {counted(more, 'more file')} {'was' if more == 1 else 'were'} not read" if more else ""


def plan(options: ParseOptions) -> str:
    """List which files form which log, reading only the beginning and end of each file.

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
    """The bytes of all files; None if the size of one is unknown."""
    total = 0
    for file in (file for log in logs for file in log.inputs):
        size = file.size
        if size is None:
            return None
        total += size
    return total


def open_for(output: str | None, logs: Sequence[Log], *others: Path | None) -> AbstractContextManager[Output]:
    """Open the output, unless it is one of the logs or of the `others`, which are read.

    Raises:
        UsageError: it is one of these files.
    """
    refuse_input(output, [file.on_disk for log in logs for file in log.inputs], *others)
    return open_output(output)
