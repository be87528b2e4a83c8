"""Render a summary as the page. Pure."""

from collections.abc import Sequence
from typing import Any

from shipper.page import words
from shipper.page.charts import charts
from shipper.page.document import document
from shipper.page.draw import drawn
from shipper.report.advice import counted, spoken
from shipper.report.sections import Cache, CodeRow
from shipper.report.summary import Summary

MOST_USERS = 500
WITH_PAIRS = 200  # users whose double prompts are drawn; for the others the page has only numbers
FIRST_USERS = 25  # users that the table shows at first; page.css repeats this number
MOST_ROWS = 50  # of a table
MOST_EVENTS = 12


def page(summary: Summary) -> bytes:
    """The report as one HTML document in UTF-8, the same bytes for the same summary."""
    drawings = {chart.name: (chart, drawn(chart.spec, chart.name, f"{chart.title}. {chart.says}")) for chart in charts(summary)}
    return document(
        "report.html",
        {
            "plain": words.plain,
            "clock": words.clock,
            "moment": words.moment,
            "told": words.told,
            "spoken": spoken,
            "number": _number,
        },
        counted=counted,
        to_do=words.to_do,
        Timeline=words.Timeline,
        summary=summary,
        drawings=drawings,
        meanings={row.code: row.description for row in summary.authentications.codes},
        reasons=_reasons(summary.authentications.codes),
        advisor=_advisor(summary.cache),
        most_users=MOST_USERS,
        first_users=FIRST_USERS,
        with_pairs=WITH_PAIRS,
        most_rows=MOST_ROWS,
        most_events=MOST_EVENTS,
    )


def _number(value: Any) -> str:
    """A value of a table as text: numbers with commas, texts unchanged."""
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else "–" if value is None else str(value)  # noqa: RUF001  a dash: no number


def _reasons(codes: Sequence[CodeRow]) -> list[tuple[str | None, int, list[CodeRow]]]:
    """Codes of failures, grouped by what to check: (advice, failures, codes), the commonest first."""
    found: dict[str | None, list[CodeRow]] = {}
    for row in sorted(codes, key=lambda row: -row.failure):
        if row.failure:
            found.setdefault(row.advice, []).append(row)
    reasons = [(advice, sum(row.failure for row in rows), rows) for advice, rows in found.items()]
    return sorted(reasons, key=lambda reason: -reason[1])


def _advisor(cache: Cache | None) -> dict[str, Any] | None:
    """The data of the slider: for each cache type and reading, the values of each step."""
    if cache is None or not cache.double_prompts:
        return None
    return {
        "total": cache.double_prompts,
        "users": cache.users,
        "start": cache.recommendation.seconds,
        "seconds": [step.seconds for step in cache.types[0].not_renewed],
        "labels": [spoken(step.seconds) for step in cache.types[0].not_renewed],
        "steps": {
            f"{kind.type} {reading}": [
                (
                    step.spared_double_prompts,
                    step.users_spared_all,
                    step.without_prompt_a_day,
                    spoken(round(step.longest_without_prompt, 1)),
                )
                for step in steps
            ]
            for kind in cache.types
            for reading, steps in (("not_renewed", kind.not_renewed), ("renewed", kind.renewed))
        },
    }
