"""Makes the summary from the tables of a report. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from heapq import nsmallest

import msgspec

from shipper.model import Counts
from shipper.report import advice
from shipper.report.asked_twice import asked_twice, caches
from shipper.report.durations import buckets, durations
from shipper.report.figures import Figures
from shipper.report.hints import hints
from shipper.report.people import REFUSALS
from shipper.report.sections import AnswerTimes, Authentications, Bucket, CodeRow, Hour, Named, Row
from shipper.report.summary import (
    Event,
    Events,
    Fatigue,
    Fatigues,
    Log,
    Quality,
    Refuser,
    Security,
    Settings,
    Shape,
    Sum,
    Summary,
)
from shipper.report.tables import (
    AUTHENTICATIONS,
    DOUBLE_PROMPTS,
    FAILURE,
    FIRST_STEPS,
    OTHERS,
    SUCCESS,
    UNKNOWN,
    Latest,
    Rows,
    named,
)

HISTOGRAM = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 90, 120, 300, 600)  # seconds
SHAPES = 20  # most unknown messages to list
_EPOCH = date(1970, 1, 1)

COUNTED = (  # fields that `Quality` shares with `Counts`
    "lines", "requests", "verdicts", "statuses", "results", "unparsed", "unknown_messages", "orphans", "given_up",
    "crowded_out", "open_at_end", "unknown_codes", "conflicts", "decode_errors", "too_long", "late", "misdated",
)  # fmt: skip

AdviceFor = Callable[[str, int | None], str | None]
"""Returns what an administrator should check, by status class and code; None if nothing."""


def summarize(
    figures: Figures, counts: Counts, settings: Settings, logs: Sequence[Log], notes: Sequence[str], advice_for: AdviceFor
) -> Summary:
    """Return the summary of the tables; `counts` are the counters of the same pipelines."""
    times = _answer_times(figures)
    doubles = asked_twice(figures, settings.top)
    cache = caches(figures)
    addresses = [client.address for client in doubles.clients if client.address is not None and client.concurrent]
    timeout = advice.timeout(doubles.total.concurrent, addresses, times[0].p99, doubles.repeats.median)
    no_cache = advice.no_cache(figures.prompts_without_cache, figures.doubles_without_cache)
    span = (figures.first_text, figures.last_text) if figures.first_text else None
    row = Row(**named(figures.total.row("")))
    return Summary(
        version=1,
        first=span and span[0],
        last=span and span[1],
        answer=advice.answer(row.prompts, row.double_prompts, doubles.users, span, cache, timeout, no_cache),
        settings=settings,
        logs=list(logs),
        authentications=_authentications(figures, row, advice_for),
        answer_times=times,
        double_prompts=doubles,
        cache=cache,
        timeout=timeout,
        no_cache=no_cache,
        security=_security(figures, settings.top),
        findings=dict(sorted(figures.findings.items())),
        quality=_quality(figures, counts, notes),
    )


def _rows(rows: Rows) -> list[Named]:
    return [Named(**row) for row in rows.listed()]


def _authentications(figures: Figures, total: Row, advice_for: AdviceFor) -> Authentications:
    days = [
        Named(name=day if day == OTHERS else str(_EPOCH + timedelta(days=day)), **named(row))
        for day, row in sorted(figures.days.rows.items(), key=lambda item: (item[0] == OTHERS, item[0]))
    ]
    week = [Hour(weekday=hour // 24 + 1, hour=hour % 24, **named(figures.week.row(hour))) for hour in range(168)]
    return Authentications(
        total=total,
        cache_hits=sum(number for name, number in figures.codes.items() if name[2] == "cached"),
        users=len(figures.people) + figures.people.forgotten,
        users_exact=not figures.people.forgotten,
        methods=_rows(figures.methods),
        components=_rows(figures.components),
        hosts=_rows(figures.hosts),
        days=days,
        week=week,
        codes=_codes(figures, advice_for),
    )


def _codes(figures: Figures, advice_for: AdviceFor) -> list[CodeRow]:
    by_code: dict[tuple[str, str, str, str], Counter[str]] = {}
    for (*name, outcome), number in figures.codes.items():
        code, description, status_class, method = name
        by_code.setdefault((code, description, status_class, method), Counter())[outcome] += number
    listed = [
        CodeRow(
            code=code,
            description=description,
            status_class=status_class,
            method=method,
            total=outcomes.total(),
            success=outcomes["success"],
            failure=outcomes["failure"],
            unknown=outcomes.total() - outcomes["success"] - outcomes["failure"],
            advice=advice_for(status_class, int(code) if code.lstrip("-").isdecimal() else None),
        )
        for (code, description, status_class, method), outcomes in by_code.items()
    ]
    return sorted(listed, key=lambda row: (-row.total, row.code))


def _answer_times(figures: Figures) -> list[AnswerTimes]:
    together: Counter[int] = Counter()
    for counter in figures.answers.values():
        together.update(counter)
    methods = sorted((-counter.total(), method) for method, counter in figures.answers.items() if counter)
    return [_times(None, together), *(_times(method, figures.answers[method]) for _, method in methods)]


def _times(method: str | None, counter: Counter[int]) -> AnswerTimes:
    known = Counter({tenths: number for tenths, number in counter.items() if tenths})
    histogram = [Bucket(from_seconds=low, to_seconds=high, count=number) for low, high, number in buckets(known, HISTOGRAM)]
    return AnswerTimes(method=method, without_time=counter[0], histogram=histogram, **durations(known))


def _security(figures: Figures, top: int) -> Security:
    refusing = [person for person in figures.people.values() if person.refusals]
    most = nsmallest(top, refusing, key=lambda person: (-person.refusals, person.name))
    by_class: Counter[str] = Counter()
    for name, number in figures.codes.items():
        by_class[name[2]] += number
    return Security(
        denied=by_class["denied"],
        no_response=by_class["no_response"],
        fraud=_events(figures.listed["fraud"]),
        lockouts=_events(figures.listed["blocked"]),
        bypasses=_events(figures.listed["bypassed"]),
        fatigue=Fatigues(
            total=figures.listed["fatigue"].total, latest=msgspec.convert(figures.listed["fatigue"].listed(), list[Fatigue])
        ),
        refusers=[
            Refuser(user=person.name, prompts=person.prompts, **{name: person.number(name) for name in REFUSALS})
            for person in most
        ],
        users_refusing=len(refusing),
    )


def _events(latest: Latest) -> Events:
    return Events(total=latest.total, latest=msgspec.convert(latest.listed(), list[Event]))


def _quality(figures: Figures, counts: Counts, notes: Sequence[str]) -> Quality:
    lines = counts.requests + counts.verdicts + counts.statuses + counts.results + counts.logs + counts.unparsed
    row = figures.total.row("")
    sums = [
        ("lines = requests + verdicts + statuses + results + other + unparsed", counts.lines, lines),
        ("authentications = success + failure + unknown", row[AUTHENTICATIONS], row[SUCCESS] + row[FAILURE] + row[UNKNOWN]),
        ("authentications + first steps = sum of all codes", row[AUTHENTICATIONS] + row[FIRST_STEPS], figures.codes.total()),
        ("double prompts = sequential + concurrent + retry", row[DOUBLE_PROMPTS], sum(map(Counter.total, figures.gaps.values()))),
    ]
    return Quality(
        other=counts.logs,
        shapes=[Shape(shape=shape, count=number) for shape, number in counts.shapes.most_common(SHAPES)],
        causes=dict(counts.causes.most_common()),
        hints=hints(counts),
        notes=list(notes),
        sums=[Sum(says=says, left=left, right=right, holds=left == right) for says, left, right in sums],
        **{name: getattr(counts, name) for name in COUNTED},
    )
