"""The Lucene queries and the searches of correlations, run on a real OpenSearch over the test events of each rule."""

from datetime import timedelta

import pytest

from deploy.generate.sigma.rules import SIGMA, Rule, rules
from tests.support.deploy.indexed import Index, at, cases, moment

RULES = rules()
SINGLE = [rule for rule in RULES if rule.kind == "single"]
COUNTED = [rule for rule in RULES if rule.kind != "single"]
SILENT_AFTER = timedelta(days=7, minutes=59)  # from a case's first event to the clock of the rule about silence


@pytest.mark.parametrize("rule", SINGLE, ids=lambda rule: str(rule.stem))
def test_a_query_finds_exactly_the_positive_events(rule: Rule, index: Index) -> None:
    query = (SIGMA / "lucene" / f"{rule.stem}.txt").read_text(encoding="utf-8").strip()
    found = sorted(document["event"]["id"] for document in index.matching(query))
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
