"""The results as rows, and the rows as text or Markdown."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

from tests.bench.cases import GROWTH_TARGET, MIB, PEAK_TARGET, PLAIN, START_TARGET, Case, Measured


class Row(NamedTuple):
    """One line of the table."""

    name: str
    measured: str = ""
    ratio: str = ""
    spread: str = ""
    target: str = ""
    result: str = ""


HEADINGS = Row("measurement", "measured", "ratio", "min..max", "target", "result")


def failed(name: str, reason: str, target: str = "") -> Row:
    """The row of a measurement that has no result."""
    return Row(name, target=target, result=f"failed: {reason}")


def verdict(reached: bool) -> str:
    """The result of a measurement with a target."""
    return "ok" if reached else "short"


def speed(case: Case, measured: Measured, lines: int) -> Row:
    """Lines a second, and the median of the ratios of the rounds."""
    target = f">= {case.target}" if case.target else ""
    reason = measured.failure(case)
    if reason is not None:
        return failed(case.name, reason, target)
    samples = measured.samples[case.name]
    taken = [sample.wall if case.wall else sample.cpu for sample in samples]
    row = Row(case.name, f"{lines / median(taken) / 1000:.0f} k lines/{'s wall' if case.wall else 'CPU s'}")
    if not case.against:
        return row
    others = [sample.wall if case.wall else sample.cpu for sample in measured.samples[case.against]]
    ratios = [other / own for other, own in zip(others, taken, strict=True)]
    of = "" if case.against.startswith(PLAIN) else f" of {case.against}"
    row = row._replace(ratio=f"{median(ratios):.2f}{of}", spread=f"{min(ratios):.2f}..{max(ratios):.2f}", target=target)
    return row._replace(result=verdict(median(ratios) >= case.target)) if case.target else row


def memory(name: str, peak: int, shorter: int | None = None, target: int = PEAK_TARGET) -> Row:
    """The peak of the largest process, and how it grew from that of a shorter log."""
    reached, limit = peak < target, f"< {target // MIB} MiB"
    if shorter is None:
        return Row(name, f"{peak / MIB:.1f} MiB", target=limit, result=verdict(reached))
    growth = peak / shorter
    return Row(
        name,
        f"{peak / MIB:.1f} MiB",
        ratio=f"{growth:.2f}",
        target=f"{limit}, <= {GROWTH_TARGET:.2f}",
        result=verdict(reached and growth <= GROWTH_TARGET),
    )


def start(name: str, seconds: Sequence[float]) -> Row:
    """The median time to the first event."""
    middle = median(seconds)
    spread = f"{min(seconds):.2f}..{max(seconds):.2f} s"
    return Row(name, f"{middle:.2f} s", spread=spread, target=f"<= {START_TARGET} s", result=verdict(middle <= START_TARGET))


def text(rows: Iterable[Row], headings: Row = HEADINGS) -> str:
    """The table in columns."""
    table = [headings, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADINGS) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row.result]) for row in table
    )


def markdown(rows: Iterable[Row], headings: Row = HEADINGS) -> str:
    """The table in Markdown."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (headings, *rows)]
    lines.insert(1, "|---|--:|--:|--:|--:|---|")
    return "\n".join(lines)
