"""Summarizes who is asked twice, and what a cache would have spared, from the tables of a report. Pure."""

from collections import Counter
from heapq import nsmallest

from shipper.detect.double_prompt import MS
from shipper.detect.prompts import CODE, END_TEXT, METHOD, START_TEXT, Prompt
from shipper.report.advice import recommended
from shipper.report.cache import LADDER, READINGS, TYPES
from shipper.report.durations import buckets, durations
from shipper.report.figures import Figures
from shipper.report.people import PATTERNS, Person, Shown
from shipper.report.sections import (
    Cache,
    CacheType,
    ClientRow,
    DoublePrompts,
    Durations,
    Gap,
    Pair,
    Patterns,
    Side,
    Step,
    UserRow,
)
from shipper.report.tables import AUTHENTICATIONS
from shipper.times import SECOND

GAPS = (
    -3600,
    -600,
    -300,
    -120,
    -60,
    -45,
    -30,
    -20,
    -15,
    -10,
    -5,
    0,
    1,
    2,
    3,
    5,
    10,
    15,
    20,
    30,
    45,
    60,
    120,
    300,
    600,
    1800,
    3600,
)
"""Lower edges of the buckets of gaps, in seconds."""


def asked_twice(figures: Figures, top: int) -> DoublePrompts:
    """Summarize the double prompts, with the `top` users and client addresses."""
    people = [person for person in figures.people.values() if person.doubles]
    most = nsmallest(top, people, key=lambda person: (-person.doubles, person.name))
    repeats: Counter[int] = Counter()
    for client in figures.clients.values():
        repeats.update(client.repeats)
    clients = nsmallest(top, figures.clients.items(), key=lambda item: (-item[1].patterns.total(), item[0] or ""))
    return DoublePrompts(
        total=Patterns(**_patterns(Counter({name: gaps.total() for name, gaps in figures.gaps.items()}))),
        users=len(people),
        gaps=_gaps(figures),
        clients=[
            ClientRow(address=address, repeats=Durations(**durations(client.repeats)), **_patterns(client.patterns))
            for address, client in clients
        ],
        repeats=Durations(**durations(repeats)),
        top=[_user(person) for person in most],
    )


def _patterns(numbers: Counter[str]) -> dict[str, int]:
    return {"total": numbers.total(), **{name: numbers[name] for name in PATTERNS}}


def _gaps(figures: Figures) -> list[Gap]:
    by_pattern = {name: list(buckets(figures.gaps[name], GAPS)) for name in PATTERNS}
    return [
        Gap(from_seconds=low, to_seconds=high, **{name: by_pattern[name][place][2] for name in PATTERNS})
        for place, (low, high, _) in enumerate(by_pattern[PATTERNS[0]])
    ]


def _user(person: Person) -> UserRow:
    doubles = Counter({name: person.number(name) for name in PATTERNS})
    return UserRow(
        user=person.name,
        authentications=person.completed - person.first_steps,
        prompts=person.prompts,
        spared_from_seconds=_spared_from(person),
        pairs=[_pair(pair) for pair in reversed(person.pairs or ())],
        **_patterns(doubles),
    )


def _pair(pair: Shown) -> Pair:
    double = pair.double
    return Pair(
        pattern=double.pattern,
        gap_seconds=double.gap // MS / 1000,
        component=double.component,
        first=_side(double.first, double.first_host),
        second=_side(double.second, double.second_host),
        host=pair.host,
        address=pair.address,
    )


def _side(prompt: Prompt, host: str | None) -> Side:
    return Side(start=prompt[START_TEXT], end=prompt[END_TEXT], code=prompt[CODE], method=prompt[METHOD], host=host)


def _spared_from(person: Person) -> int | None:
    """Return `spared_from_seconds` of `UserRow`."""
    if person.number("cacheable") < person.doubles:
        return None
    missed = person.misses(0, 0)
    return next((seconds for step, seconds in enumerate(LADDER) if not missed >> step), None)


def caches(figures: Figures) -> Cache | None:
    """Summarize what caches would have spared; None if MFA Server sent no prompt."""
    found = figures.advice
    if not found.prompts:
        return None
    people = [person for person in figures.people.values() if person.number("cacheable")]
    days = sum(1 for row in figures.days.rows.values() if row[AUTHENTICATIONS])
    doubles = sum(counter.total() for counter in figures.gaps.values()) - figures.doubles_without_cache
    numbers: dict[str, int] = {"user": found.prompts, "user_and_address": found.with_address}
    types = [
        CacheType(type=name, prompts=numbers[name], **{r: _steps(figures, people, days, kind, r) for r in READINGS})
        for kind, name in enumerate(TYPES)
        if numbers[name]
    ]
    return Cache(
        prompts=found.prompts,
        double_prompts=doubles,
        users=len(people),
        days=days,
        types=types,
        recommendation=recommended(types, doubles, len(people)),
    )


def _steps(figures: Figures, people: list[Person], days: int, kind: int, name: str) -> list[Step]:
    reading = READINGS.index(name)
    spared = figures.advice.types[kind].sums(reading)
    missed = Counter(person.misses(kind, reading) for person in people)
    return [
        Step(
            seconds=seconds,
            spared_prompts=spared.prompts[step],
            spared_double_prompts=spared.doubles[step],
            users_spared_all=sum(users for bits, users in missed.items() if not bits >> step & 1),
            without_prompt_a_day=round(spared.prompts[step] / max(1, days), 2),
            longest_without_prompt=spared.longest[step] / SECOND,
        )
        for step, seconds in enumerate(LADDER)
    ]
