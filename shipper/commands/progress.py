"""What `parse` shows on standard error: a bar while it works, the sums when it is done. I/O."""

import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from shipper.commands.screen import tell
from shipper.detect import DETECTORS
from shipper.detect.protocol import AnyDetector
from shipper.model import Counts
from shipper.printable import printable
from shipper.report.advice import counted
from shipper.report.hints import hints

SHAPES = 3  # unknown messages listed in the sums
EVERY = 0.1  # seconds between two drawings of the bar
MINUTE = 60.0


def summary(counts: Counts, seconds: float, detectors: Collection[str]) -> str:
    """The sums of a run, in a few lines for a person; `detectors` names the detectors that ran."""
    c = counts
    shown = c.events + c.findings - c.findings_filtered
    lines = [
        f"{counted(c.lines, 'line')} in {seconds:.1f} s, {counted(shown, 'event')} out"
        + (f", {c.filtered + c.findings_filtered:,} filtered out" if c.filtered or c.findings_filtered else "")
        + (f", {counted(c.merged, 'line')} merged into their exchange" if c.merged else ""),
        f"  requests {c.requests:,} · verdicts {c.verdicts:,} · statuses {c.statuses:,} · results {c.results:,}"
        f" · other {c.logs:,} · unparsed {c.unparsed:,}",
    ]
    if c.classes:
        steps = c.classes["pending"]
        waiting = f", and {counted(steps, 'first step')} waiting for a code" if steps else ""
        lines.append(f"  authentications {c.statuses + c.results - steps:,}{waiting}")
        classes = sorted(c.classes.items(), key=lambda row: (-row[1], row[0]))
        lines.append("  by class: " + ", ".join(f"{name} {n:,}" for name, n in classes))
    lines += [f"  {_detected(DETECTORS[name], counts)}" for name in detectors]
    notes = {
        "without the request line": c.orphans,
        "exchange{s} given up": c.given_up,
        "exchange{s} or user{s} given up because memory was full": c.crowded_out,
        "exchange{s} open at the end": c.open_at_end,
        "unknown status code{s}": c.unknown_codes,
        "verdict{s} against the code": c.conflicts,
        "line{s} with undecodable bytes": c.decode_errors,
        "line{s} too long": c.too_long,
        "prompt{s} too old for the newest event time": c.late,
        "line{s} dated more than a day ahead of the others, whose time moves nothing": c.misdated,
        "event{s} without a user, in whose texts a name may stand and is masked": c.masked,
    }
    seen = [f"{number:,} {note.format(s='' if number == 1 else 's')}" for note, number in notes.items() if number]
    if seen:
        lines.append("  note: " + ", ".join(seen))
    return "\n".join([*lines, *_unknown_messages(c), *(f"  hint: {hint}" for hint in hints(c))])


def _unknown_messages(c: Counts) -> list[str]:
    """The commonest messages of known components that no pattern matches; empty if there are none."""
    lines = []
    if c.unknown_messages:
        common = c.shapes.most_common(SHAPES)  # empty with --pseudonyms
        lines.append(
            f"  unknown messages {c.unknown_messages:,}"
            + (", the commonest:" if len(c.shapes) > SHAPES else ":" if common else "")
        )
        width = max((len(f"{number:,}") for _, number in common), default=0)
        lines += [f'    {number:>{width},}  "{printable(shape)}"' for shape, number in common]
    return lines


def _detected(detector: AnyDetector, counts: Counts) -> str:
    found, *others = [
        total.phrase.format(f"{counts.detected[total.name]:,}")
        for total in (detector.found, *detector.totals)
        if total is detector.found or counts.detected[total.name]
    ]
    return f"{found} ({', '.join(others)})" if others else found


class Progress:
    """Receives progress after every block; draws nothing."""

    def advance(self, bytes_read: int, counts: Counts) -> None:
        """Another `bytes_read` bytes of the input are done."""


class Lines(Progress):
    """Prints a line every minute where nobody sees a bar, as in a file or cron's mail, so that hours are not silent."""

    def __init__(self, total: int | None, now: Callable[[], float] = time.monotonic) -> None:
        """`total`: input bytes, None if not known; `now`: seconds of a monotonic clock."""
        self._total = total
        self._now = now
        self._begun = self._told = now()
        self._done = 0

    def advance(self, bytes_read: int, counts: Counts) -> None:
        self._done += bytes_read
        now = self._now()
        if now - self._told < MINUTE:
            return
        self._told = now
        elapsed = now - self._begun
        share = f", {min(100, 100 * self._done // self._total)} % of the input" if self._total else ""
        tell(f"{counts.lines:,} lines after {elapsed / MINUTE:.0f} min{share}, {counts.lines / elapsed:,.0f} lines/s")


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
def progress(total: int | None, *, show: bool | None, quiet: bool = False) -> Iterator[Progress]:
    """A bar over `total` input bytes (None: not known) on standard error.

    With `show` None, there is a bar if standard error is a terminal, else a line every minute unless `quiet`.
    """
    if not (sys.stderr.isatty() if show is None else show):
        yield Progress() if quiet or show is False else Lines(total)
        return
    bar = _Bar(total)
    try:
        yield bar
    finally:
        bar.stop()
