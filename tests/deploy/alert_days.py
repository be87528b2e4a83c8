"""How many alerts a day each Sigma rule makes of the made-up week: by the EQL engine, or where EQL has no words by OpenSearch."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from deploy.generate.sigma.rules import SIGMA, Rule
from tests.support import corpus
from tests.support.deploy import sigma_run

Document = dict[str, Any]
Key = tuple[str, ...]
MINUTE = timedelta(minutes=1)
LOOKS_EVERY = timedelta(minutes=30)  # of the rule about silence


class Searches(Protocol):
    """An index with the week in it."""

    def matching(self, query: str) -> list[datetime]:
        """The times of the events that a query string finds."""

    def buckets(self, body: str, clock: datetime) -> list[Document]:
        """What a search of a correlation finds, as if it ran at that time."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a rule made of the week.

    Attributes:
        hits: how often its query found something; where it ran on OpenSearch, how many searches had a bucket.
        alerts: what is left of them when the rule keeps quiet after an alert.
    """

    hits: int
    alerts: int

    @property
    def a_day(self) -> float:
        """Alerts on a working day."""
        return self.alerts / corpus.DAYS


def week(folder: Path) -> list[Document]:
    """The events of the made-up week, in the order of time."""
    corpus.write(folder)
    documents = [json.loads(line) for line in corpus.parse(folder, "--no-original", "--host", "mfa01").splitlines()]
    return sorted(documents, key=lambda document: str(document["@timestamp"]))


def measure(rule: Rule, events: list[Any], index: Searches) -> Measured:
    """Hits and alerts of a rule in the week; `events` are those of `sigma_run.stream`."""
    path = SIGMA / "eql" / f"{rule.stem}.eql"
    found = list(_by_eql(rule, path.read_text(encoding="utf-8"), events) if path.exists() else _by_search(rule, index))
    return Measured(len(found), _alerts(rule, found))


def _by_eql(rule: Rule, query: str, events: list[Any]) -> Iterator[tuple[datetime, Key]]:
    for hit in sigma_run.run_on_stream(query, events):
        yield datetime.fromisoformat(hit[-1]["@timestamp"]), tuple(_value(hit[-1], name) for name in rule.triage.quiet_by)


def _by_search(rule: Rule, index: Searches) -> Iterator[tuple[datetime, Key]]:
    """Run every minute in which something happened that the rule is about."""
    body, query = ((SIGMA / "lucene" / f"{rule.stem}.{ending}").read_text(encoding="utf-8") for ending in ("json", "txt"))
    if rule.triage.back:
        clocks: Iterable[datetime] = (corpus.START + number * LOOKS_EVERY for number in range(corpus.DAYS * 48))
    else:
        clocks = sorted({when.replace(second=0, microsecond=0) + MINUTE for when in index.matching(query.strip())})
    for clock in clocks:
        for bucket in index.buckets(body, clock):
            key = bucket["key"] if isinstance(bucket["key"], list) else [bucket["key"]]
            yield clock, tuple(str(part).casefold() for part in key)


def _value(document: Document, name: str) -> str:
    value: Any = document
    for step in name.split("."):
        value = value.get(step, {}) if isinstance(value, dict) else {}
    return str(value or "-").casefold()


def _alerts(rule: Rule, found: list[tuple[datetime, Key]]) -> int:
    """An alert, and then quiet about that user or server."""
    if not rule.triage.quiet_by:
        return len(found)
    until: dict[Key, datetime] = {}
    alerts = 0
    for when, key in sorted(found):
        if key not in until or when >= until[key]:
            until[key], alerts = when + timedelta(seconds=rule.triage.quiet), alerts + 1
    return alerts
