"""The Lucene queries and the searches of correlations, run on a real OpenSearch over the test events of each rule.

The fixture `opensearch` gives a running server with its address in `.url`.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from deploy.generate.sigma import events as sigma_events
from deploy.generate.sigma.rules import SIGMA, Rule, rules
from tests.support.tools import missing

RULES = rules()
SINGLE = [rule for rule in RULES if rule.kind == "single"]
COUNTED = [rule for rule in RULES if rule.kind != "single"]
SILENT_AFTER = timedelta(days=7, minutes=59)  # from a case's first event to the clock of the rule about silence
TEXTS = {"strings": {"match_mapping_type": "string", "mapping": {"type": "keyword"}}}
MAPPING = {
    "mappings": {"dynamic_templates": [TEXTS], "properties": {"@timestamp": {"type": "date"}, "message": {"type": "text"}}}
}
FIELDS = ("user.name", "user.domain", "user.target.name", "user.target.domain", "source.ip", "host.name", "azure_mfa.exchange.id")

Document = dict[str, Any]


class Index:
    """The test events of one rule on the server."""

    def __init__(self, url: str, rule: Rule) -> None:
        self.url, self.name = url.rstrip("/"), f"sigma-{rule.stem}"
        self.documents = sigma_events.stored(rule.stem)

    def fill(self) -> None:
        """Make the index anew, with keywords for texts as in the shipper's index templates."""
        self.remove()
        mapping = json.loads(json.dumps(MAPPING))
        for field in FIELDS:  # there also where no event has them, as scripts ask for them
            mapping["mappings"]["properties"][field] = {"type": "keyword"}
        self.ask("PUT", "", mapping)
        lines = [
            json.dumps(line) for document in self.documents for line in ({"create": {"_id": document["event"]["id"]}}, document)
        ]
        answer = self.ask("POST", "/_bulk?refresh=true", "\n".join(lines) + "\n")
        assert not answer["errors"], answer

    def remove(self) -> None:
        """Remove it."""
        self.ask("DELETE", "?ignore_unavailable=true", None)

    def ask(self, method: str, path: str, body: Document | str | None) -> Document:
        """One request about the index."""
        return self.request(method, f"/{self.name}{path}", body)

    def request(self, method: str, path: str, body: Document | str | None) -> Document:
        """One request; an answer that is no success raises, with what the server said."""
        data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        kind = "application/x-ndjson" if isinstance(body, str) else "application/json"
        request = urllib.request.Request(f"{self.url}{path}", data, {"Content-Type": kind}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return dict(json.loads(answer.read()))
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def buckets(self, body: str, clock: datetime) -> list[Document]:
        """The buckets of a search of a correlation, as if it ran at that time."""
        text = clock.strftime("%Y-%m-%dT%H:%M:%S.%fZ")[:-4] + "Z"  # whole milliseconds, as the field keeps them
        return list(self.ask("POST", "/_search", at(body, text))["aggregations"]["hits"]["buckets"])


def at(body: str, clock: str) -> str:
    """The search with another clock than the server's."""
    return body.replace('"now-', f'"{clock}||-').replace('"now"', f'"{clock}"')


def cases(documents: list[Document]) -> dict[str, list[Document]]:
    """The events of each case, in their order."""
    found: dict[str, list[Document]] = {}
    for document in documents:
        found.setdefault(document["labels"]["case"], []).append(document)
    return found


def moment(document: Document) -> datetime:
    return datetime.fromisoformat(document["@timestamp"])


@pytest.fixture
def index(request: pytest.FixtureRequest) -> Iterator[Index]:
    try:
        server = request.getfixturevalue("opensearch")
    except pytest.FixtureLookupError:
        missing("there is no fixture `opensearch`")
    made = Index(server.url, request.getfixturevalue("rule"))
    made.fill()
    yield made
    made.remove()


@pytest.mark.parametrize("rule", SINGLE, ids=lambda rule: str(rule.stem))
def test_a_query_finds_exactly_the_positive_events(rule: Rule, index: Index) -> None:
    query = (SIGMA / "lucene" / f"{rule.stem}.txt").read_text(encoding="utf-8").strip()
    answer = index.ask("POST", "/_search", {"size": 1000, "query": {"query_string": {"query": query}}})
    found = sorted(hit["_id"] for hit in answer["hits"]["hits"])
    assert found == sorted(document["event"]["id"] for document in index.documents if document["labels"]["hit"])


@pytest.mark.parametrize("rule", [rule for rule in COUNTED if rule.stem != "mfa_log_silent"], ids=lambda rule: str(rule.stem))
def test_a_search_fires_when_the_positive_event_comes(rule: Rule, index: Index) -> None:
    """Run at the time of every event: it must fire first when the event comes that completes a hit, and else never."""
    body = (SIGMA / "lucene" / f"{rule.stem}.json").read_text(encoding="utf-8")
    fired, wanted = {}, {}
    for case, documents in cases(index.documents).items():
        clocks = sorted({moment(document) for document in documents})
        fired[case] = next((clock for clock in clocks if index.buckets(body, clock)), None)
        wanted[case] = next((moment(document) for document in documents if document["labels"]["hit"]), None)
    assert fired == wanted


@pytest.mark.parametrize("rule", [rule for rule in COUNTED if rule.stem == "mfa_log_silent"], ids=lambda rule: str(rule.stem))
def test_silence_is_noticed(rule: Rule, index: Index) -> None:
    body = (SIGMA / "lucene" / f"{rule.stem}.json").read_text(encoding="utf-8")
    for documents in cases(index.documents).values():
        clock = moment(documents[0]) + SILENT_AFTER
        silent = [bucket["key"] for bucket in index.buckets(body, clock)]
        assert silent == ([documents[0]["host"]["name"]] if any(document["labels"]["hit"] for document in documents) else [])


def test_the_clock_is_replaced_everywhere() -> None:
    """Otherwise a search would look at today, where no test event is, and every negative case would pass."""
    for rule in RULES:
        body = (SIGMA / "lucene" / f"{rule.stem}.json").read_text(encoding="utf-8")
        assert '"now' in body
        assert "now" not in at(body, "2026-03-02T10:00:00.000Z")
