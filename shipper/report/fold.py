"""Folds the completed authentications and the findings of one log, or of many, into tables. Pure.

All tables have a bounded size; totals are exact whatever their size. What the report says of two logs is what it says of
one after the other is added (`add`), in any order.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from shipper.decode.ecs import dataset
from shipper.detect.finding import Found, shown
from shipper.detect.prompts import NO_METHOD, code_text
from shipper.model import Code, CompletionFields, Label, Origin, User
from shipper.report.cache import ADDRESS, END, ID, START
from shipper.report.durations import TENTH
from shipper.report.people import PLACE, REFUSALS, People, Person
from shipper.report.sequences import Advice, Sequences
from shipper.report.tables import AUTHENTICATIONS, DOUBLE_PROMPTS, FIRST_STEPS, OTHERS, PROMPTS, UNKNOWN, Latest, Rows
from shipper.times import AFTER_ALL, BEFORE_ALL, SECOND, StampReader

LONGEST_ANSWER = 36_000  # tenths of a second; longer answers are in the last bucket
MOST_CODES = 1024
MOST_DAYS = 4000
MOST_ADDRESSES = 4096
MOST_KEYS = 4096  # combinations that are counted before they are spread over the rows
_HOUR = 3600 * SECOND
_THURSDAY = 72  # hours from a Monday to the weekday on which 1970 began
NO_CACHE = dataset("nps extension")
_OUTCOMES = {"success": 1, "failure": 2}  # places in a row, else 3
_ANSWERED = {"no_response", "pending"}  # classes of prompts that nobody answered

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


def _side(prompt: dict[str, Any]) -> dict[str, Any]:
    return {name: prompt[name] for name in ("start", "end", "code", "method")}


class Fold:
    """The tables of a report; see `summary.py` for what is made of them."""

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
        self.methods, self.components, self.hosts = Rows(), Rows(), Rows()
        self.week, self.days = Rows(168), Rows(MOST_DAYS)
        self.total = Rows(1)
        self.codes: Counter[CodeRow] = Counter()
        self.answers: dict[str, Counter[int]] = {}
        self.instant: Counter[str] = Counter()  # by method, answers whose time is not known
        self.gaps: dict[str, Counter[int]] = {}  # by pattern, tenths of a second
        self.clients: dict[str | None, Client] = {}
        self.findings: Counter[str] = Counter()
        self.fraud, self.lockouts, self.bypasses, self.fatigue = Latest(), Latest(), Latest(), Latest()
        self.people = People()
        self.advice = Advice()
        self.without_cache = [0, 0]  # prompts and double prompts of services that have none
        self._sequences: dict[str, Sequences] = {}
        self._keys: Counter[tuple[Any, ...]] = Counter()
        self._known: dict[int, Code] = {}
        self._origins: dict[Origin, tuple[str | None, str]] = {}

    def __call__(
        self, texts: Sequence[str], labels: Sequence[Label], completions: Sequence[CompletionFields], findings: Sequence[Found]
    ) -> None:
        """Take what a pipeline made of a chunk: its events, what they completed, and what was found."""
        at = 0
        for completion in completions:
            position = completion[0]
            if self._span is None or self._span[0] <= completion[7][:-1] < self._span[1]:
                self._complete(completion, texts[position], labels[position])
            while at < len(findings) and findings[at][0] == position:
                self._find(findings[at])
                at += 1
        if len(self._keys) > MOST_KEYS:
            self._spread()

    def _complete(self, completion: CompletionFields, text: str, label: Label) -> None:
        """Count a completed authentication; `text` and `label` are those of the event that completed it."""
        _, user, event_id, component, start, start_text, end, end_text, code, success, _ = completion
        host, outcome, address = self._said(text, label[2])
        if start < self.first:
            self.first, self.first_text = start, start_text
        if end > self.last:
            self.last, self.last_text = end, end_text
        pending = code.status_class == "pending"
        prompt = None
        if user is not None:
            name = shown(User(*user)) if user[3] not in self.people.people else ""
            person = self.people.person(user[3], name)
            sequences = self._sequences.get(component) or self._begin(component)
            prompt = sequences.take(user[3], completion, address, success=success)
            person.numbers[PLACE["authentications"]] += not pending
            person.numbers[PLACE["prompts"]] += prompt is not None and prompt[ID] == event_id
            if code.status_class in REFUSALS and code.prompted:
                person.numbers[PLACE[code.status_class]] += 1
        rang = prompt[ID] == event_id if prompt is not None else bool(code.prompted and user is None)
        self._known[id(code)] = code
        self._keys[id(code), component, host, outcome, rang, end // _HOUR] += 1
        if prompt is not None and code.status_class not in _ANSWERED:
            self._answered(code.method or NO_METHOD, prompt[END] - prompt[START])
        if code.status_class in ("fraud", "blocked", "bypassed"):
            self._tell(completion, host, address)

    def _said(self, text: str, origin: Origin) -> tuple[str | None, str, str | None]:
        """Host, outcome and client address of an event. Its text is only searched where its origin has no sample."""
        if origin.sample is None:
            outcome, client = _OUTCOME.search(text), _CLIENT.search(text)
            return origin.host or self._host, outcome[1] if outcome else "unknown", client[1] if client else None
        known = self._origins.get(origin)
        if known is None:
            if len(self._origins) >= MOST_KEYS:
                self._origins.clear()
            known = self._origins[origin] = origin.host or self._host, origin.sample["event"]["outcome"]
        return known[0], known[1], None

    def _begin(self, component: str) -> Sequences:
        if len(self._sequences) >= self.components.most:
            component = OTHERS
        if component not in self._sequences:
            advice = None if dataset(component) == NO_CACHE else self.advice
            self._sequences[component] = Sequences(self._timeout, self._window, advice, self.people.missed)
        return self._sequences[component]

    def _answered(self, method: str, duration: int) -> None:
        if duration == 0:
            self.instant[method] += 1
            return
        self.answers.setdefault(method, Counter())[min(duration // TENTH, LONGEST_ANSWER)] += 1

    def _tell(self, completion: CompletionFields, host: str | None, address: str | None) -> None:
        """Keep a fraud report, a lockout or a bypass to be listed."""
        _, user, _, component, _, _, _, end_text, code, _, _ = completion
        kept = {"fraud": self.fraud, "blocked": self.lockouts, "bypassed": self.bypasses}[code.status_class]
        entry = {"time": end_text, "user": shown(User(*user)) if user else None, "code": code_text(code)}
        entry |= {
            "description": code.description,
            "method": code.method,
            "component": component,
            "host": host,
            "address": address,
        }
        kept.add(end_text, {name: value for name, value in entry.items() if value is not None})

    def _find(self, finding: Found) -> None:
        _, text, (time, _, origin, key) = finding
        if self._span is not None and not self._span[0] <= time[:-1] < self._span[1]:
            return
        document = orjson.loads(text.encode("latin-1"))
        name = document["rule"]["name"]
        self.findings[name] += 1
        if key is None:
            return
        user = document["user"]
        who = shown(User(user["name"], user.get("domain"), user.get("email"), key))
        person = self.people.person(key, who)
        if name == "double_prompt":
            self._double(document, person, key, has_cache=origin.dataset != NO_CACHE)
        elif name == "mfa_fatigue":
            person.numbers[PLACE["fatigue"]] += 1
            event, about = document["event"], document["azure_mfa"][name]
            numbers = {field: value for field, value in about.items() if isinstance(value, bool | int)}
            place = {"component": event["provider"], "host": document.get("host", {}).get("name", self._host)}
            entry = {"time": time, "user": who, "start": event["start"], "end": event["end"], **place, **numbers}
            self.fatigue.add(time, {field: value for field, value in entry.items() if value is not None})

    def _double(self, document: dict[str, Any], person: Person, key: str, *, has_cache: bool) -> None:
        about, component, time = document["azure_mfa"]["double_prompt"], document["event"]["provider"], document["@timestamp"]
        pattern, first, second = about["pattern"], about["first"], about["second"]
        person.numbers[PLACE[pattern]] += 1
        sequences = self._sequences.get(component) or self._sequences.get(OTHERS)
        prompt = sequences.second(key, second["id"]) if sequences else None
        if has_cache:
            person.numbers[PLACE["cacheable"]] += 1
            if prompt is None:
                self.people.missed_by_all(key)  # it came too late to be compared
        else:
            self.without_cache[1] += 1
        host = document.get("host", {}).get("name", self._host)
        began, again, ended = (_STAMPS.read(stamp) or 0 for stamp in (first["start"], second["start"], time))
        self.gaps.setdefault(pattern, Counter())[about["gap_ms"] // 100] += 1
        client = self._client(prompt[ADDRESS] if prompt else None)
        client.patterns[pattern] += 1
        if pattern == "concurrent":
            client.repeats[min((again - began) // TENTH, LONGEST_ANSWER)] += 1
        pair = {"pattern": pattern, "gap_seconds": about["gap_ms"] / 1000, "component": component, "host": host}
        pair |= {"address": prompt[ADDRESS] if prompt else None, "first": _side(first), "second": _side(second)}
        self.people.pair(person, time, {field: value for field, value in pair.items() if value is not None})
        for row in (
            self.total.row(""),
            self.methods.row(second["method"]),
            self.components.row(component),
            self.hosts.row(host),
            self.week.row(week_hour(ended // _HOUR)),
            self.days.row(ended // _HOUR // 24),
        ):
            row[DOUBLE_PROMPTS] += 1

    def _client(self, address: str | None) -> Client:
        if address not in self.clients and len(self.clients) >= MOST_ADDRESSES:
            address = OTHERS
        return self.clients.setdefault(address, Client())

    def _spread(self) -> None:
        """Add to the rows what was counted by combination."""
        for (code_id, component, host, outcome, rang, hour), number in self._keys.items():
            code = self._known[code_id]
            pending = code.status_class == "pending"
            column = FIRST_STEPS if pending else _OUTCOMES.get(outcome, UNKNOWN)
            for row in (
                self.total.row(""),
                self.methods.row(code.method or NO_METHOD),
                self.components.row(component),
                self.hosts.row(host),
                self.week.row(week_hour(hour)),
                self.days.row(hour // 24),
            ):
                row[column] += number
                row[AUTHENTICATIONS] += 0 if pending else number
                row[PROMPTS] += number if rang else 0
            if rang and dataset(component) == NO_CACHE:
                self.without_cache[0] += number
            name = code_text(code), code.description, code.status_class, code.method or NO_METHOD, outcome
            self._add_codes({name: number})
        self._keys.clear()
        self._known.clear()

    def _add_codes(self, more: Mapping[CodeRow, int]) -> None:
        for name, number in more.items():
            known = name in self.codes or len(self.codes) < MOST_CODES
            self.codes[name if known else (OTHERS, OTHERS, "unknown", NO_METHOD, name[4])] += number

    def close(self) -> None:
        """The end of the log."""
        self._spread()
        for sequences in self._sequences.values():
            sequences.close()
        self._sequences.clear()
        self._origins.clear()

    def add(self, other: "Fold") -> None:
        """Add what was folded of another log. Close both before."""
        if other.first < self.first:
            self.first, self.first_text = other.first, other.first_text
        if other.last > self.last:
            self.last, self.last_text = other.last, other.last_text
        for name in ("methods", "components", "hosts", "week", "days", "total", "people", "advice"):
            getattr(self, name).add(getattr(other, name))
        for name in ("fraud", "lockouts", "bypasses", "fatigue"):
            getattr(self, name).merge(getattr(other, name))
        for name in ("answers", "gaps"):
            counters: dict[str, Counter[int]] = getattr(self, name)
            for key, counter in getattr(other, name).items():
                counters.setdefault(key, Counter()).update(counter)
        self._add_codes(other.codes)
        self.instant.update(other.instant)
        self.findings.update(other.findings)
        for address, client in other.clients.items():
            self._client(address).add(client)
        self.without_cache = [a + b for a, b in zip(self.without_cache, other.without_cache, strict=True)]
