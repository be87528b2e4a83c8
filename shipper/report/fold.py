"""Folds the completed authentications and the findings of one log, or of many, into tables. Pure.

All tables have a bounded size; totals are exact whatever their size. What the report says of two logs is what it says of
one after the other is added (`add`), in any order.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import orjson

from shipper.decode.ecs import dataset
from shipper.detect.finding import Found
from shipper.detect.prompts import NO_METHOD, code_text
from shipper.model import Code, CompletionFields, Label, Origin
from shipper.report.durations import TENTH, in_tenths
from shipper.report.people import PATTERNS, REFUSALS, People, Person
from shipper.report.service import EVERYTHING_MISSED, PIECE, Advice, Service
from shipper.report.tables import AUTHENTICATIONS, DOUBLE_PROMPTS, FIRST_STEPS, OTHERS, PROMPTS, UNKNOWN, Latest, Row, Rows
from shipper.times import AFTER_ALL, BEFORE_ALL, SECOND, StampReader

MOST_CODES = 1024
MOST_DAYS = 4000
MOST_ADDRESSES = 4096
MOST_SERVICES = 64
MOST_KINDS = 4096  # that are counted before they are spread over the rows
MOST_HOURS = 10_000
LISTED = ("fraud", "blocked", "bypassed")  # classes whose latest authentications are listed
NO_CACHE = dataset("nps extension")
_HOUR = 3600 * SECOND
_THURSDAY = 72  # hours from a Monday to the weekday on which 1970 began
_OUTCOMES = {"success": 1, "failure": 2}  # places in a row, else 3
_START, _END = itemgetter(4), itemgetter(6)
_CEILING = TENTH - 1

_CLIENT = re.compile(r'"source":\{[^{}]*?"ip":"([^"]*)"')
_OUTCOME = re.compile(r'"outcome":"(\w+)"')


CodeRow = tuple[str, str, str, str, str]
"""Code, description, class, method, outcome."""


_STAMPS = StampReader()


class Client:
    """A client address, or all findings without one: double prompts by pattern, and after how many tenths of a second a
    client asked again while the first prompt was open."""

    def __init__(self) -> None:
        self.patterns: Counter[str] = Counter()
        self.repeats: Counter[int] = Counter()

    def add(self, other: "Client") -> None:
        """Add those of another log."""
        self.patterns.update(other.patterns)
        self.repeats.update(other.repeats)


def week_hour(hour: int) -> int:
    """Hours since 1970 as hours since Monday, 0 o'clock, UTC."""
    return (hour + _THURSDAY) % 168


class Kind:
    """What completions of one shape have in common: those of one origin, or of one code, component, host and outcome.

    Attributes:
        number: how many there were.
        hours: how many in each hour since 1970; kinds that count alike share it.
        second_steps: those that were the second step of a prompt.
        answers: their durations in tenths of a second. Kinds of one method share it.
        answered: the user answered the prompt.
        plain: a prompt and nothing else: no first step, no refusal, nothing to be listed.
    """

    __slots__ = ("answered", "answers", "code", "component", "host", "hours", "number", "outcome", "plain", "second_steps")

    def __init__(
        self, code: Code, component: str, host: str | None, outcome: str, hours: Counter[int], answers: Counter[int]
    ) -> None:
        self.code, self.component, self.host, self.outcome = code, component, host, outcome
        self.hours, self.answers = hours, answers
        self.number = self.second_steps = 0
        self.answered = code.status_class not in ("no_response", "pending")
        self.plain = bool(code.prompted) and code.status_class not in (*REFUSALS, *LISTED, "pending")

    @property
    def column(self) -> int:
        """The column of a row in which they count."""
        return FIRST_STEPS if self.code.status_class == "pending" else _OUTCOMES.get(self.outcome, UNKNOWN)


class Fold:
    """The tables of a report; see `summarize.py` for what is made of them."""

    def __init__(
        self, exchange_timeout: int, window: int, host: str | None = None, since: str | None = None, until: str | None = None
    ) -> None:
        """
        Args:
            exchange_timeout, window: of the log and of double prompts, in nanoseconds.
            host: the name of the server that wrote the log, where its lines do not say; None if not known.
            since, until: as for `selection`: only what completed within is counted.
        """
        self._timeout, self._window, self._host = exchange_timeout, window, host
        self._span = None if since is None and until is None else (since or "", until or ":")
        self.first, self.last = AFTER_ALL, BEFORE_ALL
        self.first_text = self.last_text = ""
        self.total, self.methods, self.components, self.hosts = Rows(), Rows(), Rows(), Rows()
        self.week, self.days = Rows(168), Rows(MOST_DAYS)
        self.codes: Counter[CodeRow] = Counter()
        self.answers: dict[str, Counter[int]] = {}  # by method
        self.gaps = {name: Counter[int]() for name in PATTERNS}  # tenths of a second
        self.clients: dict[str | None, Client] = {}
        self.findings: Counter[str] = Counter()
        self.listed = {name: Latest() for name in (*LISTED, "fatigue")}
        self.people = People()
        self.advice = Advice()
        self.without_cache = [0, 0]  # prompts and double prompts of services that have none
        self._services: dict[str, Service] = {}
        self._kinds: dict[Any, Kind] = {}
        self._hours: dict[tuple[int, bool], Counter[int]] = {}  # by column of a row, and whether the code is one of prompts
        self._second_steps: Counter[int] = Counter()  # by hour, those whose code is one of prompts

    def __call__(
        self, texts: Sequence[str], labels: Sequence[Label], completions: Sequence[CompletionFields], findings: Sequence[Found]
    ) -> None:
        """Take what a pipeline made of a chunk: its events, what they completed, and what was found."""
        if self._span is not None:
            since, until = self._span
            completions = [completion for completion in completions if since <= completion[7][:-1] < until]
            findings = [finding for finding in findings if since <= finding[2][0][:-1] < until]
        if completions:
            self._stretch(completions)
            self._take(texts, labels, completions, findings)

    def _take(
        self, texts: Sequence[str], labels: Sequence[Label], completions: Sequence[CompletionFields], findings: Sequence[Found]
    ) -> None:
        kinds, name, service, turn = self._kinds, None, None, AFTER_ALL
        left = iter(findings)
        finding = next(left, None)
        upcoming = finding[0] if finding else -1
        for completion in completions:
            position, user, event_id, component, start, _, end, _, _, success, newest = completion
            kind, address = kinds.get(labels[position][2]), None
            if kind is None:
                kind, address = self._kind(texts[position], labels[position][2], completion)
            kind.number += 1
            kind.hours[end // _HOUR] += 1
            if user is None:
                continue
            if component is not name or service is None:
                name, service = component, self._services.get(component) or self._begin(component)
                people, apart, waiting, turn = service.people, service.apart, service.waiting, service.turn
            if newest > turn:
                turn = service.sweep(newest)
            person = people.get(user[3]) or people.new(user)
            person.completed += 1
            if waiting or not kind.plain:
                self._other(completion, kind, service, person, address)
            else:
                if start > person.latest + apart:
                    service.begin(person)
                if end > person.latest:
                    person.latest = end
                person.prompts += 1
                run = person.run
                run.append((start, event_id, end, success, address))
                kind.answers[(end - start + _CEILING) // TENTH] += 1
                if len(run) > PIECE:
                    service.shorten(person, newest)
            while position == upcoming and finding is not None:
                self._find(finding, service, person)
                finding = next(left, None)
                upcoming = finding[0] if finding else -1

    def _stretch(self, completions: Sequence[CompletionFields]) -> None:
        """The span of time goes to these as well."""
        first, last = min(completions, key=_START), max(completions, key=_END)
        if first[4] < self.first:
            self.first, self.first_text = first[4], first[5]
        if last[6] > self.last:
            self.last, self.last_text = last[6], last[7]
        if len(self._kinds) > MOST_KINDS or any(len(hours) > MOST_HOURS for hours in self._hours.values()):
            self._spread()

    def _other(self, completion: CompletionFields, kind: Kind, service: Service, person: Person, address: str | None) -> None:
        """Take an authentication that is not just a prompt, or may be the second step of one."""
        _, user, event_id, _, start, _, end, end_text, code, success, newest = completion
        assert user is not None
        prompt = service.answered(user[3], person, completion, address, success=success) if service.waiting else None
        if prompt is not None:
            kind.second_steps += 1
            self._second_steps[end // _HOUR] += bool(code.prompted)
        elif code.prompted:
            prompt = start, event_id, end, success, address
            if start > person.latest + service.apart:
                service.begin(person)
            person.latest = max(person.latest, end)
            person.prompts += 1
            person.run.append(prompt)
            if len(person.run) > PIECE:
                service.shorten(person, newest)
        if code.status_class == "pending":
            person.first_steps += 1
            if prompt is not None:
                service.wait(user[3], code.method or NO_METHOD, prompt, newest)
        elif prompt is not None and kind.answered:
            kind.answers[in_tenths(prompt[2] - prompt[0])] += 1
        if code.status_class in REFUSALS and code.prompted:
            person.count(code.status_class)
        if code.status_class in LISTED:
            entry: dict[str, str | None] = {
                "time": end_text,
                "user": person.name,
                "code": code_text(code),
                "description": code.description,
            }
            entry |= {"method": code.method, "component": kind.component, "host": kind.host, "address": address}
            self.listed[code.status_class].add(end_text, entry)

    def _kind(self, text: str, origin: Origin, completion: CompletionFields) -> tuple[Kind, str | None]:
        """The kind of a completion, and the client address. The text of its event is only searched where the origin has no
        sample: an event that the fast path made names no client, and its origin tells the outcome."""
        component, code = completion[3], completion[8]
        if origin.sample is not None:
            kind = self._kinds[origin] = self._new_kind(code, component, origin.host, origin.sample["event"]["outcome"])
            return kind, None
        found, client = _OUTCOME.search(text), _CLIENT.search(text)
        outcome = found[1] if found else "unknown"
        key = id(code), component, origin.host, outcome  # a kind keeps its code, so that the id stays its own
        if key not in self._kinds:
            self._kinds[key] = self._new_kind(code, component, origin.host, outcome)
        return self._kinds[key], client[1] if client else None

    def _new_kind(self, code: Code, component: str, host: str | None, outcome: str) -> Kind:
        answers = self.answers.setdefault(code.method or NO_METHOD, Counter())
        kind = Kind(code, component, host or self._host, outcome, Counter(), answers)
        kind.hours = self._hours.setdefault((kind.column, bool(code.prompted)), Counter())
        return kind

    def _begin(self, component: str) -> Service:
        """The tables of a component; past `MOST_SERVICES`, further ones share those of one."""
        name = component if len(self._services) < MOST_SERVICES else OTHERS
        if name not in self._services:
            advice = None if dataset(component) == NO_CACHE else self.advice
            self._services[name] = Service(self._timeout, self._window, advice)
        return self._services[name]

    def _find(self, finding: Found, service: Service, person: Person) -> None:
        """Count a finding about a person."""
        _, text, (time, _, origin, _) = finding
        document = orjson.loads(text.encode("latin-1"))
        name, event, host = document["rule"]["name"], document["event"], document.get("host", {}).get("name", self._host)
        self.findings[name] += 1
        about = document["azure_mfa"][name]
        if name == "double_prompt":
            self._double(about, time, service, person, event["provider"], host, has_cache=origin.dataset != NO_CACHE)
        elif name == "mfa_fatigue":
            person.count("fatigue")
            numbers = {field: value for field, value in about.items() if isinstance(value, bool | int)}
            entry = {"time": time, "user": person.name, "start": event["start"], "end": event["end"]}
            self.listed["fatigue"].add(time, {**entry, "component": event["provider"], "host": host, **numbers})

    def _double(  # a double prompt
        self,
        about: dict[str, Any],
        time: str,
        service: Service,
        person: Person,
        component: str,
        host: str | None,
        *,
        has_cache: bool,
    ) -> None:
        pattern, first, second = about["pattern"], about["first"], about["second"]
        prompt = service.second(person, second["id"])
        address = prompt[4] if prompt else None
        person.count(pattern)
        if not has_cache:
            self.without_cache[1] += 1
        else:
            person.count("cacheable")
            if prompt is None:  # it came too late to be compared
                person.miss(0, EVERYTHING_MISSED)
                person.miss(1, EVERYTHING_MISSED)
        began, again, ended = (_STAMPS.read(stamp) or 0 for stamp in (first["start"], second["start"], time))
        self.gaps[pattern][-(-about["gap_ms"] // 100)] += 1
        client = self._client(address)
        client.patterns[pattern] += 1
        if pattern == "concurrent":
            client.repeats[in_tenths(again - began)] += 1
        service.people.pair(person, time, about | {"component": component, "host": host, "address": address})
        for rows in (self._lasting_rows(second["method"], component, host), self._rows_of_hour(ended // _HOUR)):
            for row in rows:
                row[DOUBLE_PROMPTS] += 1

    def _lasting_rows(self, method: str, component: str, host: str | None) -> tuple[Row, ...]:
        return self.total.row(""), self.methods.row(method), self.components.row(component), self.hosts.row(host)

    def _rows_of_hour(self, hour: int) -> tuple[Row, Row]:
        return self.week.row(week_hour(hour)), self.days.row(hour // 24)

    def _client(self, address: str | None) -> Client:
        client = self.clients.get(address)
        if client is None:
            if len(self.clients) >= MOST_ADDRESSES and address != OTHERS:
                return self._client(OTHERS)
            client = self.clients[address] = Client()
        return client

    def _spread(self) -> None:
        """Add to the rows what was counted by kind and by hour."""
        for kind in self._kinds.values():
            code, method = kind.code, kind.code.method or NO_METHOD
            prompts = kind.number - kind.second_steps if code.prompted else 0
            for row in self._lasting_rows(method, kind.component, kind.host):
                _add(row, kind.column, kind.number, prompts)
            if dataset(kind.component) == NO_CACHE:
                self.without_cache[0] += prompts
            self._add_codes({(code_text(code), code.description, code.status_class, method, kind.outcome): kind.number})
        for (column, prompted), hours in self._hours.items():
            for hour, number in hours.items():
                for row in self._rows_of_hour(hour):
                    _add(row, column, number, number if prompted else 0)
        for hour, number in self._second_steps.items():
            for row in self._rows_of_hour(hour):
                row[PROMPTS] -= number
        self._kinds.clear()
        self._hours.clear()
        self._second_steps.clear()

    def _add_codes(self, more: Mapping[CodeRow, int]) -> None:
        for name, number in more.items():
            known = name in self.codes or len(self.codes) < MOST_CODES
            self.codes[name if known else (OTHERS, OTHERS, "unknown", NO_METHOD, name[4])] += number

    def close(self) -> None:
        """The end of the log."""
        self._spread()
        for service in self._services.values():
            service.close()
            self.people.add(service.people)
        self._services.clear()

    def add(self, other: "Fold") -> None:
        """Add what was folded of another log. Close both before."""
        if other.first < self.first:
            self.first, self.first_text = other.first, other.first_text
        if other.last > self.last:
            self.last, self.last_text = other.last, other.last_text
        for name in ("methods", "components", "hosts", "week", "days", "total", "people", "advice"):
            getattr(self, name).add(getattr(other, name))
        for name, latest in other.listed.items():
            self.listed[name].merge(latest)
        for method, answers in other.answers.items():
            self.answers.setdefault(method, Counter()).update(answers)
        for pattern, gaps in other.gaps.items():
            self.gaps[pattern].update(gaps)
        self._add_codes(other.codes)
        self.findings.update(other.findings)
        for address, client in other.clients.items():
            self._client(address).add(client)
        self.without_cache = [a + b for a, b in zip(self.without_cache, other.without_cache, strict=True)]


def _add(row: Row, column: int, number: int, prompts: int) -> None:
    row[column] += number
    row[AUTHENTICATIONS] += 0 if column == FIRST_STEPS else number
    row[PROMPTS] += prompts
