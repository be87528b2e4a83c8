"""Events that arrive twenty minutes late, as after an outage of the shipper or of Kafka, alert all the same.

On a real OpenSearch the searches themselves; of Kibana and Splunk, which are not run here, the schedules and the times that
each rule looks at, minute by minute.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.generate.places import DEPLOY
from deploy.generate.sigma.rules import SIGMA, Rule, rules
from tests.deploy.test_sigma_opensearch import COUNTED
from tests.deploy.test_sigma_products import TITLES, kibana_rules, minutes_ago, seconds
from tests.support.deploy.indexed import Index, cases, moment
from tests.support.deploy.splunk_app import default

LATE = 20  # minutes
RULES = {rule.main["title"]: rule for rule in rules()}
BY_CLOCK = "MFA Log Went Silent"  # about what is missing: what comes late was missing
PIPELINE = DEPLOY / "opensearch" / "api" / "_ingest" / "pipeline" / "azure_mfa-final.json"
Arrival = tuple[int, int]  # of an event: minutes at which it happened, and at which it arrived
FRAUD = next(rule for rule in RULES.values() if rule.stem == "mfa_fraud_reported")


def arrivals(rule: Rule) -> Iterator[list[Arrival]]:
    """One event that is late; and of a rule about several the first in time and the last late, or all of them late."""
    if rule.kind == "single":
        yield [(0, LATE)]
        return
    span = rule.seconds // 60
    yield [(0, LATE), (span, span + LATE)]
    yield [(0, 0), (span, span + LATE)]


# --- OpenSearch


@pytest.fixture
def rule() -> Rule:
    return FRAUD


def test_a_fraud_report_that_comes_late_is_found_on_a_real_server(index: Index) -> None:
    """By the clock of today: the report is twenty minutes old when it is stored, and the search looks back five."""
    reported = next(document for document in index.documents if document["labels"]["hit"])
    when = datetime.now(UTC) - timedelta(minutes=LATE)
    late = reported | {"@timestamp": f"{when:%Y-%m-%dT%H:%M:%S.%f}Z"}
    late["event"] = reported["event"] | {"id": "late-0"}
    pipeline = f"{index.name}-final"
    index.node.ask("PUT", f"/_ingest/pipeline/{pipeline}", json.loads(PIPELINE.read_text(encoding="utf-8")))
    index.ask("PUT", "/_settings", {"index": {"final_pipeline": pipeline}})
    index.ask("PUT", "/_doc/late-0?refresh=true", late)
    body = json.loads((SIGMA / "lucene" / "mfa_fraud_reported.json").read_text(encoding="utf-8"))
    assert [hit["_id"] for hit in index.ask("POST", "/_search", body)["hits"]["hits"]] == ["late-0"]
    by_event_time = json.loads(json.dumps(body).replace("event.ingested", "@timestamp"))
    assert index.ask("POST", "/_search", by_event_time)["hits"]["hits"] == [], "so it was missed before"


@pytest.mark.parametrize("rule", [rule for rule in COUNTED if rule.main["title"] != BY_CLOCK], ids=lambda rule: str(rule.stem))
def test_a_correlation_is_found_twenty_minutes_later_on_a_real_server(rule: Rule, index: Index) -> None:
    body = (SIGMA / "lucene" / f"{rule.stem}.json").read_text(encoding="utf-8")
    for case, documents in cases(index.documents).items():
        clock = max(map(moment, documents)) + timedelta(minutes=LATE)
        assert bool(index.buckets(body, clock)) == any(document["labels"]["hit"] for document in documents), case


# --- Kibana


def kibana_sees(rule: dict[str, Any], events: list[Arrival], phase: int) -> bool:
    """Whether a run has all events in its range, which goes by the time of arrival, or else by that of the event."""
    interval, back = seconds(rule["interval"]) // 60, seconds(rule["from"].removeprefix("now-")) // 60
    by_arrival = rule.get("timestamp_override") == "event.ingested"
    last = max(arrived for _, arrived in events)
    for run in range(phase, last + interval + back + 1, interval):
        there = [arrived if by_arrival else happened for happened, arrived in events if arrived <= run]
        if len(there) == len(events) and all(run - back <= time <= run for time in there):
            return True
    return False


@pytest.mark.parametrize("rule", kibana_rules(), ids=lambda rule: str(rule["name"]))
def test_kibana_sees_what_comes_late(rule: dict[str, Any]) -> None:
    for events in arrivals(RULES[rule["name"]]):
        for phase in range(seconds(rule["interval"]) // 60):
            assert kibana_sees(rule, events, phase), f"{events}, runs at {phase}"


def test_without_the_override_kibana_never_sees_a_late_fraud_report() -> None:
    rule = next(rule for rule in kibana_rules() if rule["name"] == FRAUD.main["title"])
    del rule["timestamp_override"]
    assert not any(kibana_sees(rule, [(0, LATE)], phase) for phase in range(5))
    assert all(kibana_sees(rule, [(0, 1)], phase) for phase in range(5))


def test_kibana_alerts_on_new_arrivals_only() -> None:
    """ES|QL rules make an alert of each row of a run; one minute more than from run to run, and five for a run that begins late."""
    for rule in kibana_rules():
        if rule["type"] == "esql" and rule["name"] != BY_CLOCK:
            newest = int(rule["query"].rpartition("newest > now() - ")[2].removesuffix(" minutes"))
            assert newest == seconds(rule["interval"]) // 60 + 5


# --- Splunk


def splunk_sees(stanza: Any, events: list[Arrival], phase: int) -> bool:
    minute = stanza["cron_schedule"].split()[0]
    every = int(minute.removeprefix("*/")) if minute.startswith("*/") else 60
    times = ("earliest_time", "latest_time", "index_earliest", "index_latest")
    first, last, indexed_first, indexed_last = (minutes_ago(stanza[f"dispatch.{time}"]) for time in times)
    end = max(arrived for _, arrived in events)
    for run in range(phase, end + every + indexed_first + 1, every):
        if all(
            run - first <= happened <= run - last and run - indexed_first <= arrived < run - indexed_last + (indexed_last == 0)
            for happened, arrived in events
        ):
            return True
    return False


@pytest.mark.parametrize("title", [title for title in TITLES if title != BY_CLOCK])
def test_splunk_sees_what_comes_late(title: str) -> None:
    stanza = default("savedsearches")[title]
    for events in arrivals(RULES[title]):
        for phase in range(5):
            assert splunk_sees(stanza, events, phase), f"{events}, runs at {phase}"


def test_by_event_time_splunk_never_sees_a_late_fraud_report() -> None:
    stanza = dict(default("savedsearches")[FRAUD.main["title"]])
    before = stanza | {"dispatch.earliest_time": "-10m@m", "dispatch.latest_time": "-5m@m", "dispatch.index_earliest": "-9999m@m"}
    assert not any(splunk_sees(before, [(0, LATE)], phase) for phase in range(5))
    assert all(splunk_sees(stanza, [(0, LATE)], phase) for phase in range(5))
