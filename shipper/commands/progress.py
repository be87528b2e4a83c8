"""What `parse` shows on standard error: a bar while it works, the sums when it is done. I/O."""

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from shipper.decode.unparsed import HINTS
from shipper.detect import DETECTORS
from shipper.detect.protocol import AnyDetector
from shipper.model import Counts
from shipper.printable import printable

SHAPES = 3  # of unknown messages, in the sums
EVERY = 0.1  # seconds between two drawings of the bar


def summary(counts: Counts, seconds: float, detectors: Collection[str]) -> str:
    """The sums of a run, a few lines for a person; `detectors` are the names of those that ran."""
    c = counts
    shown = c.events + c.findings - c.findings_filtered
    lines = [
        f"{c.lines:,} lines in {seconds:.1f} s, {shown:,} events out"
        + (f", {c.filtered + c.findings_filtered:,} filtered out" if c.filtered or c.findings_filtered else "")
        + (f", {c.merged:,} lines merged into their exchange" if c.merged else ""),
        f"  requests {c.requests:,} · verdicts {c.verdicts:,} · statuses {c.statuses:,} · results {c.results:,}"
        f" · other {c.logs:,} · unparsed {c.unparsed:,}",
    ]
    if c.classes:
        lines.append("  by class: " + ", ".join(f"{name} {n:,}" for name, n in c.classes.most_common()))
    lines += [f"  {_detected(DETECTORS[name], counts)}" for name in detectors]
    notes = {
        "without their request line": c.orphans,
        "exchanges given up": c.given_up,
        "exchanges open at the end": c.open_at_end,
        "status codes unknown": c.unknown_codes,
        "verdicts that disagree with the code": c.conflicts,
        "lines with undecodable bytes": c.decode_errors,
        "lines too long": c.too_long,
        "prompts too old for the newest event time": c.late,
        "lines dated more than a day ahead of the others, whose time moves nothing": c.misdated,
        "events without a user, their texts masked for a name may stand there": c.masked,
    }
    seen = [f"{number:,} {note}" for note, number in notes.items() if number]
    if seen:
        lines.append("  note: " + ", ".join(seen))
    return "\n".join([*lines, *_not_understood(c), *_hints(c)])


def _not_understood(c: Counts) -> list[str]:
    """What the sums say of lines that are shipped without being understood; nothing where there are none."""
    lines = []
    if c.unknown_messages:
        common = c.shapes.most_common(SHAPES)  # none where pseudonyms are wanted
        lines.append(
            f"  unknown messages {c.unknown_messages:,}"
            + (", the commonest:" if len(c.shapes) > SHAPES else ":" if common else "")
        )
        width = max((len(f"{number:,}") for _, number in common), default=0)
        lines += [f'    {number:>{width},}  "{printable(shape)}"' for shape, number in common]
    understood = c.lines - c.unparsed - c.unknown_messages
    if understood * 2 < c.lines:
        lines.append(
            f"  less than half of the lines were understood: {understood:,} of {c.lines:,}; mfa-shipper explain LINE says why"
        )
    return lines


def _hints(c: Counts) -> list[str]:
    """What probably went wrong, where that can be seen."""
    hints = [f"{number:,} lines {HINTS[cause]}" for cause, number in c.causes.most_common()]
    disordered = c.late + c.out_of_order
    if disordered:
        hints.append(
            f"{disordered:,} lines are much older than lines before them, so the log is not in the order of time;"
            " if several logs were joined, give the parts as files of their own"
        )
    if c.backwards * 2 > c.lines:
        hints.append(
            "the export is newest first, so results stand before their requests: make it oldest first"
            " (Get-WinEvent -Oldest; wevtutil qe without /rd:true)"
        )
    return [f"  hint: {hint}" for hint in hints]


def _detected(detector: AnyDetector, counts: Counts) -> str:
    found, *others = [
        total.phrase.format(f"{counts.detected[total.name]:,}")
        for total in (detector.found, *detector.totals)
        if total is detector.found or counts.detected[total.name]
    ]
    return f"{found} ({', '.join(others)})" if others else found


class Progress:
    """Is told the progress after every block; draws nothing."""

    def advance(self, bytes_read: int, counts: Counts) -> None:
        """Another `bytes_read` bytes of the input are done."""


class _Bar(Progress):
    def __init__(self, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.fields[lines]:>12} lines"),
            BarColumn(),
            TextColumn("{task.fields[rate]} lines/s"),
            TimeRemainingColumn(compact=True),
        )
        # No refreshing thread: workers are forked while the bar is shown.
        self._bar = RichProgress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
        self._task = self._bar.add_task("", total=total, lines="0", rate="-")
        self._bar.start()
        self._drawn = 0.0

    def advance(self, bytes_read: int, counts: Counts) -> None:
        elapsed = self._bar.tasks[0].elapsed or 0
        rate = f"{counts.lines / elapsed:,.0f}" if elapsed > 0 else "-"
        self._bar.update(self._task, advance=bytes_read, lines=f"{counts.lines:,}", rate=rate)
        if elapsed - self._drawn >= EVERY:
            self._drawn = elapsed
            self._bar.refresh()

    def stop(self) -> None:
        self._bar.stop()


@contextmanager
def progress(total: int | None, *, show: bool | None) -> Iterator[Progress]:
    """A bar over `total` input bytes (None: not known) on standard error.

    `show` None means: if standard error is a terminal.
    """
    if not (sys.stderr.isatty() if show is None else show):
        yield Progress()
        return
    bar = _Bar(total)
    try:
        yield bar
    finally:
        bar.stop()
