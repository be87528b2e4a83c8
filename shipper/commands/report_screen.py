"""The report as a screen for a terminal: tables and bars. Pure: a summary in, text out."""

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from shipper.commands.screen import Screen
from shipper.commands.tables import drawn, new_table
from shipper.printable import printable
from shipper.report.advice import counted, spoken
from shipper.report.sections import Cache, CodeRow, Durations, Hour
from shipper.report.summary import Summary

BAR = 24  # columns
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
STEPS = (1, 5, 10, 20, 30, 45, 60, 120, 300, 600, 1800, 3600)  # seconds; the steps of the ladder to show
FAILURES = 12
EVENTS = 5
NOBODY = "no user named"


def report_screen(summary: Summary, screen: Screen) -> str:
    """The summary as text for a screen."""
    return drawn(_parts(summary), screen)


def _parts(summary: Summary) -> Iterable[RenderableType]:
    quality, logs = summary.quality, len(summary.logs)
    yield Text(f"MFA report: {counted(quality.lines, 'line')} of {counted(logs, 'log')}", style="bold")
    yield Padding(Group(*(Text(sentence) for sentence in summary.answer)), (1, 0, 1, 2))
    if not summary.authentications.total.authentications and not summary.authentications.total.first_steps:
        yield from _quality(summary)
        return
    yield from _asked_twice(summary)
    yield from _cache(summary.cache) if summary.cache and summary.cache.double_prompts else ()
    yield from _when(summary.authentications.week)
    yield from _methods(summary)
    yield from _failures(summary.authentications.codes)
    yield from _security(summary)
    yield from _quality(summary)


def _section(title: str, *parts: RenderableType) -> Iterable[RenderableType]:
    yield Text(title, style="bold")
    yield Padding(Group(*parts), (0, 0, 1, 2))


def _bar(part: int, whole: int) -> Text:
    return Text("█" * round(BAR * part / whole) if whole else "", style="cyan")


def _seconds(value: float | None) -> str:
    return "" if value is None else spoken(value)


def _asked_twice(summary: Summary) -> Iterable[RenderableType]:
    doubles = summary.double_prompts
    if not doubles.total.total:
        return
    table = new_table("user", "double prompts", "sequential", "concurrent", "of prompts", "spared by a cache of")
    for row in doubles.top:
        spared = "" if row.spared_from_seconds is None else spoken(row.spared_from_seconds)
        table.add_row(Text(printable(row.user)), *_numbers(row.total, row.sequential, row.concurrent, row.prompts), spared)
    more = doubles.users - len(doubles.top)
    yield from _section(
        f"Who is asked twice: {counted(doubles.users, 'user')}", table, *([Text(f"and {more:,} more")] if more > 0 else [])
    )
    named = [client for client in doubles.clients if client.address is not None]
    if named:
        table = new_table("client address", "double prompts", "sequential", "concurrent", "asks again after")
        for client in named:
            numbers = _numbers(client.total, client.sequential, client.concurrent)
            table.add_row(Text(printable(str(client.address))), *numbers, _seconds(client.repeats.median))
        yield from _section("From where", table)


def _numbers(*numbers: int) -> list[str]:
    return [f"{number:,}" for number in numbers]


def _cache(cache: Cache) -> Iterable[RenderableType]:
    by_user = cache.types[0]
    chosen = cache.recommendation.seconds
    table = new_table(
        "cache", "", "double prompts spared", "users spared all", "sign-ins a day without a prompt", "at most after", left=(1,)
    )
    for step in by_user.not_renewed:
        if step.seconds in STEPS or step.seconds == chosen:
            table.add_row(
                spoken(step.seconds),
                _bar(step.spared_double_prompts, cache.double_prompts),
                f"{step.spared_double_prompts:,}",
                f"{step.users_spared_all:,} of {cache.users:,}",
                f"{step.without_prompt_a_day:,.1f}",
                spoken(step.longest_without_prompt),
                style="bold" if step.seconds == chosen else "",
            )
    where = [Text(f"Where: {way}") for way in cache.recommendation.where]
    yield from _section(
        f"What a cache by user would have spared of {counted(cache.double_prompts, 'double prompt')} of MFA Server", table, *where
    )


def _when(week: Sequence[Hour]) -> Iterable[RenderableType]:
    hours: Counter[int] = Counter()
    days: Counter[int] = Counter()
    doubles: Counter[tuple[str, int]] = Counter()
    for row in week:
        hours[row.hour] += row.prompts
        days[row.weekday] += row.prompts
        doubles["hour", row.hour] += row.double_prompts
        doubles["day", row.weekday] += row.double_prompts
    table = new_table("hour (UTC)", "", "prompts", "double prompts", left=(0, 1))
    for hour in range(24):
        if hours[hour]:
            table.add_row(f"{hour:02}", _bar(hours[hour], max(hours.values())), *_numbers(hours[hour], doubles["hour", hour]))
    by_day = new_table("weekday", "", "prompts", "double prompts", left=(0, 1))
    for day, name in enumerate(WEEKDAYS, 1):
        by_day.add_row(name, _bar(days[day], max(days.values())), *_numbers(days[day], doubles["day", day]))
    yield from _section("When", by_day, Text(), table)


def _methods(summary: Summary) -> Iterable[RenderableType]:
    times: dict[str | None, Durations] = {row.method: row for row in summary.answer_times}
    table = new_table("method", "authentications", "success", "failure", "median answer", "95 of 100 within", "double prompts")
    for row in summary.authentications.methods:
        known = times.get(row.name)
        table.add_row(
            Text(printable(str(row.name))),
            *_numbers(row.authentications, row.success, row.failure),
            _seconds(known.median if known else None),
            _seconds(known.p95 if known else None),
            f"{row.double_prompts:,}",
        )
    yield from _section("Methods and answer times", table)


def _failures(codes: Sequence[CodeRow]) -> Iterable[RenderableType]:
    failed = sorted((row for row in codes if row.failure), key=lambda row: -row.failure)
    if not failed:
        return
    table = new_table("failures", "code", "reason", left=(1, 2))
    for row in failed[:FAILURES]:
        # A result name of the NPS extension is its own description, and no code to look up.
        code = row.code if row.code != row.description else ""
        table.add_row(f"{row.failure:,}", Text(printable(code)), Text(printable(row.description)))
    more = len(failed) - FAILURES
    notes = [Text(f"and {counted(more, 'more reason')}")] if more > 0 else []
    yield from _section("Failures by reason", table, *notes, Text("What to check: mfa-shipper explain CODE", style="dim"))


def _security(summary: Summary) -> Iterable[RenderableType]:
    security = summary.security
    lines = [
        f"{counted(security.fatigue.total, 'finding')} of prompts sent until the user gives in (mfa_fatigue)",
        *(
            f"  {row.time}  {row.user}: {counted(row.count, 'refusal')}{', then gave in' if row.gave_in else ''}"
            for row in security.fatigue.latest[:EVENTS]
        ),
        counted(security.fraud.total, "fraud report"),
        *(f"  {row.time}  {row.user or NOBODY}: {row.description}" for row in security.fraud.latest[:EVENTS]),
        f"{counted(security.denied, 'prompt')} denied, {security.no_response:,} without an answer, of {counted(security.users_refusing, 'user')}",
        f"{counted(security.lockouts.total, 'sign-in')} of blocked or locked users, {security.bypasses.total:,} by a one-time bypass",
    ]
    yield from _section("Attacks and open doors", *(Text(printable(line)) for line in lines))


def _quality(summary: Summary) -> Iterable[RenderableType]:
    quality = summary.quality
    numbers = {
        "lines that no pattern matches": quality.unparsed,
        "unknown messages": quality.unknown_messages,
        "verdicts and statuses without their request": quality.orphans,
        "requests without a status": quality.given_up + quality.open_at_end,
        "requests and users given up because memory was full": quality.crowded_out,
        "unknown status codes": quality.unknown_codes,
        "verdicts that disagree with the code": quality.conflicts,
        "prompts too old for the newest event time": quality.late,
        "lines with a time far ahead": quality.misdated,
        "lines with undecodable bytes": quality.decode_errors,
        "lines too long": quality.too_long,
    }
    table = new_table("", "")
    table.show_header = False
    for what, number in numbers.items():
        if number:
            table.add_row(what, f"{number:,}")
    said = [*(f"Hint: {hint}" for hint in quality.hints), *quality.notes]
    wrong = [Text(f"does not add up: {total.says}", style="red") for total in quality.sums if not total.holds]
    good = [] if wrong else [Text("All sums add up." if table.row_count or said else "Everything was understood.")]
    yield from _section(
        "Data quality", *([table] if table.row_count else []), *(Text(printable(sentence)) for sentence in said), *wrong, *good
    )
