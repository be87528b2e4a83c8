"""The README's alerts a day are those that the rules make of the made-up week, and no rule is one that a SOC switches off."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from deploy.generate.sigma.rules import SIGMA, rules
from tests.deploy.alert_days import LOOKS_EVERY, Measured, measure, week
from tests.deploy.test_sigma_opensearch import FIELDS, MAPPING, at
from tests.support import corpus
from tests.support.deploy import sigma_run
from tests.support.opensearch import OpenSearch

RULES = rules()
ROW = re.compile(r"^\| `(mfa_\w+)` \| (\w+) \| ([\d,]+) \| ([\d.]+) \|", re.MULTILINE)
SUMS = re.compile(r"Together ([\d.]+) alerts a day, ([\d.]+) of them high or critical")
MOST = {"critical": 1, "high": 2, "medium": 5, "low": 12}  # alerts a day of a rule, of 108 users
Document = dict[str, Any]


class Week:
    """An index with events of the week."""

    def __init__(self, server: OpenSearch, name: str, documents: list[Document]) -> None:
        self.server, self.name = server, name
        mapping = json.loads(json.dumps(MAPPING))
        for field in FIELDS:
            mapping["mappings"]["properties"][field] = {"type": "keyword"}
        server.ask("DELETE", f"/{name}?ignore_unavailable=true")
        server.ask("PUT", f"/{name}", mapping)
        for start in range(0, len(documents), 5000):
            body = "".join(f'{{"index": {{}}}}\n{json.dumps(document)}\n' for document in documents[start : start + 5000])
            assert not server.ask("POST", f"/{name}/_bulk", body)["errors"]
        server.ask("POST", f"/{name}/_refresh")

    def matching(self, query: str) -> list[datetime]:
        """The times of the events that a query string finds."""
        body = {"size": 10_000, "query": {"query_string": {"query": query}}, "_source": ["@timestamp"]}
        found = self.server.ask("POST", f"/{self.name}/_search", body)["hits"]["hits"]
        assert len(found) < 10_000
        return [datetime.fromisoformat(hit["_source"]["@timestamp"]) for hit in found]

    def buckets(self, body: str, clock: datetime) -> list[Document]:
        """What a search of a correlation finds, as if it ran at that time."""
        text = at(body, clock.strftime("%Y-%m-%dT%H:%M:%S.%fZ")[:-4] + "Z")
        return list(self.server.ask("POST", f"/{self.name}/_search", text)["aggregations"]["hits"]["buckets"])


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    return week(tmp_path_factory.mktemp("week"))


@pytest.fixture(scope="module")
def measured(documents: list[Document], opensearch: OpenSearch) -> dict[str, Measured]:
    index = Week(opensearch, "alert-days", documents)
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
        index = Week(opensearch, name, thin + second)
        found = [clock for clock in clocks if index.buckets(body, clock)]
        if alarms is None:
            assert stops + timedelta(hours=1) <= found[0] <= stops + timedelta(hours=1) + LOOKS_EVERY
        else:
            assert found == alarms


def later(text: str) -> str:
    return f"{datetime.fromisoformat(text) + timedelta(days=7):%Y-%m-%dT%H:%M:%S.%fZ}"
