"""`report`: sum up log files: who is asked twice, and what to change. I/O."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from shipper.commands.ending import end_in_order
from shipper.commands.library import library_of
from shipper.commands.parse import open_for, read_key, total_size, worker_count
from shipper.commands.progress import progress
from shipper.commands.report_page import check_open, open_page, page_maker
from shipper.commands.report_reading import FoldedWith, Reading
from shipper.commands.screen import Screen, screen_of
from shipper.decode.library import load_advice
from shipper.decode.line_patterns import Stamps
from shipper.detect import DETECTORS, rules_for
from shipper.emit.pseudonyms import Pseudonymizer, Pseudonyms
from shipper.errors import RunError, UsageError
from shipper.pipeline import Settings, settings
from shipper.read.inputs import open_inputs
from shipper.read.logs import name_of
from shipper.report.hiding import hide
from shipper.report.summarize import AdviceFor, summarize
from shipper.report.summary import Log, Summary
from shipper.report.summary import Settings as ReadWith
from shipper.times import SECOND

FORMS = ("text", "json", "html")
TOP = {"text": 20, "json": 500, "html": 500}  # users and addresses to list
WIDTH = 120  # columns, where there is no terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """The options of the command, under the same names; durations in nanoseconds, sizes in bytes."""

    files: tuple[str, ...]
    form: str
    output: str | None
    open_it: bool
    top: int | None
    window: int
    exchange_timeout: int
    include_retries: bool
    host: str | None
    across: bool
    workers: str
    since: str | None
    until: str | None
    pseudonyms: Path | None
    syslog_year: str | None
    syslog_zone: str
    local_zone: str | None
    max_line: int
    show_progress: bool | None
    pattern_dirs: tuple[Path, ...]
    status_codes: Path | None


def settings_of(options: ReportOptions) -> Settings:
    """The settings of the pipelines: events are as short as possible, since nobody reads them.

    Raises:
        UsageError: patterns, code table, time zone or times are wrong.
    """
    if options.since is not None and options.until is not None and options.since >= options.until:
        raise UsageError("--since must be before --until, or nothing is left")
    o = options
    chosen = {"double_prompt": {"window": options.window, "include_retries": options.include_retries}}
    return settings(
        library_of(o.pattern_dirs, o.status_codes, o.syslog_year, o.syslog_zone, o.local_zone),
        rules_for(DETECTORS, options.exchange_timeout, chosen),
        {},
        server=options.host,
        exchange_timeout=options.exchange_timeout,
        agent=False,
        keep_original=False,
        line_limit=options.max_line,
        completions_only=True,
        across=options.across,
    )


def write_report(options: ReportOptions) -> None:
    """Read the logs and write the report.

    Raises:
        UsageError: an option is wrong, a file is missing or not readable, or the output would replace one; or a page needs
            the extra `report`, which is not installed.
        RunError: a file could not be read to its end (the report covers the readable part), writing failed, or a worker was lost.
        ClosedPipe: the reader of the output has gone.
    """
    end_in_order()
    if options.open_it:
        check_open(options.form, options.output)
    write = _writer(options.form)
    chosen = settings_of(options)
    workers = worker_count(options.workers)
    hidden = None if options.pseudonyms is None else Pseudonymizer(Pseudonyms(read_key(options.pseudonyms)))
    stamp_of = Stamps(chosen.library)
    notes: list[str] = []
    failures: list[str] = []
    with (
        open_inputs(options.files, stamp_of=stamp_of, exchange_timeout=options.exchange_timeout, left_out=notes) as (logs, stdin),
        open_for(options.output, logs, options.pseudonyms, options.status_codes) as out,
        progress(total_size(logs), show=options.show_progress) as bar,
    ):
        fold = FoldedWith(options.exchange_timeout, options.window, options.host, options.since, options.until)
        reading = Reading(chosen, logs, stdin, fold, failures)
        figures, counts = reading.across(bar) if options.across else reading.apart(workers, bar)
        described = [Log(name=name_of(log), files=[member.path for member in log.inputs]) for log in logs]
        notes += [*(log.apart for log in logs if log.apart), *failures]
        if hidden is not None:
            hide(figures, hidden.name, hidden.address)
            counts.shapes.clear()  # an unknown message may hold a name
        summary = summarize(figures, counts, _read_with(options), described, notes, _advice())
        out.write(write(summary, os.isatty(out.descriptor)))
    if options.open_it and options.output is not None:
        open_page(options.output)
    if failures:
        raise RunError("\n".join(failures))


def _writer(form: str) -> Callable[[Summary, bool], bytes]:
    """The function that writes a summary in a form; its second argument is True for a terminal."""
    if form == "html":
        make = page_maker()
        return lambda summary, _: make(summary)
    return (lambda summary, _: as_json(summary)) if form == "json" else _text


def _read_with(options: ReportOptions) -> ReadWith:
    return ReadWith(
        window_seconds=options.window / SECOND,
        exchange_timeout_seconds=options.exchange_timeout / SECOND,
        include_retries=options.include_retries,
        across=options.across,
        pseudonyms=options.pseudonyms is not None,
        since=options.since,
        until=options.until,
        top=options.top or TOP[options.form],
    )


def _advice() -> AdviceFor:
    """What to check, for a code or else for its class."""
    table = load_advice()
    return lambda status_class, code: table.get((status_class, code)) or table.get((status_class, None))


def as_json(summary: Summary) -> bytes:
    """The summary in the form of `schemas/report.schema.json`."""
    return msgspec.json.format(msgspec.json.encode(summary), indent=1) + b"\n"


def _text(summary: Summary, terminal: bool) -> bytes:
    from shipper.commands.report_screen import report_screen

    screen = screen_of(terminal=terminal, otherwise=Screen(WIDTH))
    return report_screen(summary, screen).encode("utf-8", "replace")
