"""The README's alerts a day are those that the rules make of the made-up week, and no rule is one that a SOC switches off.

A rule runs on the EQL engine, or where EQL has no words for it on OpenSearch.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from deploy.generate.sigma.rules import SIGMA, Rule, rules
from tests.support import corpus
from tests.support.deploy import sigma_run
from tests.support.deploy.indexed import Document, Index, moment
from tests.support.opensearch import OpenSearch

RULES = rules()
ROW = re.compile(r"^\| `(mfa_\w+)` \| (\w+) \| ([\d,]+) \| ([\d.]+) \|", re.MULTILINE)
SUMS = re.compile(r"Together ([\d.]+) alerts a day, ([\d.]+) of them high or critical")
MOST = {"critical": 1, "high": 2, "medium": 5, "low": 12}  # alerts a day of a rule, of 108 users
MINUTE = timedelta(minutes=1)
LOOKS_EVERY = timedelta(minutes=30)  # of the rule about silence
Key = tuple[str, ...]


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


def measure(rule: Rule, events: list[Any], index: Index) -> Measured:
    """Hits and alerts of a rule in the week; `events` are those of `sigma_run.stream`."""
    path = SIGMA / "eql" / f"{rule.stem}.eql"
    found = list(_by_eql(rule, path.read_text(encoding="utf-8"), events) if path.exists() else _by_search(rule, index))
    return Measured(len(found), _alerts(rule, found))


def _by_eql(rule: Rule, query: str, events: list[Any]) -> Iterator[tuple[datetime, Key]]:
    for hit in sigma_run.run_on_stream(query, events):
        yield datetime.fromisoformat(hit[-1]["@timestamp"]), tuple(_value(hit[-1], name) for name in rule.triage.quiet_by)


def _by_search(rule: Rule, index: Index) -> Iterator[tuple[datetime, Key]]:
    """Run every minute in which something happened that the rule is about."""
    body, query = ((SIGMA / "lucene" / f"{rule.stem}.{ending}").read_text(encoding="utf-8") for ending in ("json", "txt"))
    if rule.triage.back:
        clocks: Iterable[datetime] = (corpus.START + number * LOOKS_EVERY for number in range(corpus.DAYS * 48))
    else:
        clocks = sorted({when.replace(second=0, microsecond=0) + MINUTE for when in map(moment, index.matching(query.strip()))})
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


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    """The events of the made-up week, in the order of time."""
    folder = tmp_path_factory.mktemp("week")
    corpus.write(folder)
    found = [json.loads(line) for line in corpus.parse(folder, "--no-original", "--host", "mfa01").splitlines()]
    return sorted(found, key=lambda document: str(document["@timestamp"]))


@pytest.fixture(scope="module")
def measured(documents: list[Document], opensearch: OpenSearch) -> dict[str, Measured]:
    index = Index(opensearch, "alert-days", documents)
    events = sigma_run.stream(documents)
    return {rule.stem: measure(rule, events, index) for rule in RULES}


def test_the_readme_says_how_many_alerts(measured: dict[str, Measured]) -> None:
    told = ROW.findall((SIGMA / "README.md").read_text(encoding="utf-8"))
    counted = [
        (rule.stem, rule.main["level"], f"{measured[rule.stem].hits:,}", f"{measured[rule.stem].a_day:.1f}") for rule in RULES
    ]
    print(*(f"| `{stem}` | {level} | {hits} | {a_day} |" for stem, level, hits, a_day in counted), sep="\n")
    assert sorted(told) == counted
    loud = [rule.stem for rule in RULES if rule.main["level"] in ("high", "critical")]
    sums = (sum(one.a_day for one in measured.values()), sum(measured[stem].a_day for stem in loud))
    assert SUMS.findall((SIGMA / "README.md").read_text(encoding="utf-8")) == [tuple(f"{value:.1f}" for value in sums)]


def test_the_readme_says_how_large_the_week_is(documents: list[Document]) -> None:
    statuses = [document for document in documents if document["event"].get("action") in ("mfa-status", "mfa-result")]
    authentications = sum(document["azure_mfa"]["status"].get("class") != "pending" for document in statuses)
    text = f"{len(corpus.PEOPLE)} users, {authentications:,} authentications in five days"
    assert text in (SIGMA / "README.md").read_text(encoding="utf-8")


def test_no_rule_is_one_to_switch_off(measured: dict[str, Measured]) -> None:
    too_many = {rule.stem: measured[rule.stem] for rule in RULES if measured[rule.stem].a_day > MOST[rule.main["level"]]}
    assert not too_many


def test_a_server_is_silent_only_when_it_should_not_be(documents: list[Document], opensearch: OpenSearch) -> None:
    """The same week twice: every night of the second is as quiet as the one a week ago. Then the log stops on Wednesday at ten."""
    rule = next(rule for rule in RULES if rule.triage.back)
    body = (SIGMA / "lucene" / f"{rule.stem}.json").read_text(encoding="utf-8")
    assert timedelta(seconds=rule.triage.every or 0) == LOOKS_EVERY
    stops = corpus.START + timedelta(days=9, hours=10)
    thin = [{key: document[key] for key in ("@timestamp", "event", "host")} for document in documents]
    again = [document | {"@timestamp": later(document["@timestamp"])} for document in thin]
    clocks = [corpus.START + timedelta(days=7) + number * LOOKS_EVERY for number in range(corpus.DAYS * 48)]
    for name, second, alarms in (
        ("silent-never", again, []),
        ("silent-once", [document for document in again if datetime.fromisoformat(document["@timestamp"]) < stops], None),
    ):
        index = Index(opensearch, name, thin + second)
        found = [clock for clock in clocks if index.buckets(body, clock)]
        if alarms is None:
            assert stops + timedelta(hours=1) <= found[0] <= stops + timedelta(hours=1) + LOOKS_EVERY
        else:
            assert found == alarms


def later(text: str) -> str:
    return f"{datetime.fromisoformat(text) + timedelta(days=7):%Y-%m-%dT%H:%M:%S.%fZ}"
