"""The results as rows, and the rows as text or Markdown."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

from tests.bench.cases import GROWTH_TARGET, MIB, PEAK_TARGET, START_TARGET, Case, Measured


class Row(NamedTuple):
    """One line of the table."""

    what: str
    measured: str = ""
    ratio: str = ""
    spread: str = ""
    target: str = ""
    result: str = ""


HEADINGS = Row("what", "measured", "ratio", "min..max", "target", "result")


def failed(what: str, why: str, target: str = "") -> Row:
    """The row of something that has no result."""
    return Row(what, target=target, result=f"failed: {why}")


def _verdict(reached: bool) -> str:
    return "ok" if reached else "short"


def speed(case: Case, measured: Measured, lines: int) -> Row:
    """Lines a second, and the median of the ratios of the rounds."""
    target = f">= {case.target}" if case.target else ""
    why = measured.failure(case)
    if why is not None:
        return failed(case.name, why, target)
    samples = measured.samples[case.name]
    taken = [sample.wall if case.wall else sample.cpu for sample in samples]
    row = Row(case.name, f"{lines / median(taken) / 1000:.0f} k lines/{'s wall' if case.wall else 'CPU s'}")
    if not case.against:
        return row
    others = [sample.wall if case.wall else sample.cpu for sample in measured.samples[case.against]]
    ratios = [other / own for other, own in zip(others, taken, strict=True)]
    row = row._replace(ratio=f"{median(ratios):.2f}", spread=f"{min(ratios):.2f}..{max(ratios):.2f}", target=target)
    return row._replace(result=_verdict(median(ratios) >= case.target)) if case.target else row


def memory(what: str, peak: int, shorter: int | None = None) -> Row:
    """The peak of the largest process, and how it grew from that of a shorter log."""
    reached, target = peak < PEAK_TARGET, f"< {PEAK_TARGET // MIB} MiB"
    if shorter is None:
        return Row(what, f"{peak / MIB:.1f} MiB", target=target, result=_verdict(reached))
    growth = peak / shorter
    return Row(
        what,
        f"{peak / MIB:.1f} MiB",
        ratio=f"{growth:.2f}",
        target=f"{target}, <= {GROWTH_TARGET:.2f}",
        result=_verdict(reached and growth <= GROWTH_TARGET),
    )


def start(what: str, seconds: Sequence[float]) -> Row:
    """The median time to the first event."""
    middle = median(seconds)
    spread = f"{min(seconds):.2f}..{max(seconds):.2f} s"
    return Row(what, f"{middle:.2f} s", spread=spread, target=f"<= {START_TARGET} s", result=_verdict(middle <= START_TARGET))


def text(rows: Iterable[Row]) -> str:
    """The table in columns."""
    table = [HEADINGS, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADINGS) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row.result]) for row in table
    )


def markdown(rows: Iterable[Row]) -> str:
    """The table in Markdown."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (HEADINGS, *rows)]
    lines.insert(1, "|---|--:|--:|--:|--:|---|")
    return "\n".join(lines)
