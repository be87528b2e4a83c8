"""One number for each measure of the made-up week, wherever it is asked: in the dashboards, the rules, `parse` and the report.

Kibana's and OpenSearch Dashboards' queries, as they stand in the files that are imported, run on the real OpenSearch. Splunk
runs nowhere here: the terms of its searches are asked of OpenSearch as well. What all are held against is counted in plain
Python from the events (`counted.py`).
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

import pytest

from deploy.generate.elastic.panels import lucene, rows, search
from tests.support.deploy import read_back
from tests.support.deploy.counted import COUNTED, HOURS
from tests.support.deploy.loaded import Week
from tests.support.deploy.splunk_app import expand, filled, panels
from tests.support.tools import DEPLOY, ROOT


@dataclass(frozen=True)
class Measure:
    """Where a number stands.

    Attributes:
        panel: of both dashboards, by its id; of several rows those that end with `key` are added up.
        splunk: the panel of Splunk's dashboard.
        summary: what `parse` says.
        report: what the report says.
        rule: the Sigma rule that finds each of them.
    """

    panel: str
    splunk: str | None = None
    key: str | None = None
    summary: str | None = None
    report: Callable[[Any], int] | None = None
    rule: str | None = None


MEASURES = {
    "authentications": Measure(
        "authentications", "count_authentications", summary=r"^  authentications ([\d,]+)",
        # The report wants the request, too, and counts a status without one apart.
        report=lambda report: report["authentications"]["total"]["authentications"] + report["quality"]["orphans"],
    ),
    "failed": Measure("failed", "count_failed"),
    "users": Measure("users", "count_users"),
    "cache hits": Measure("cache-hits", key="cache hit", summary=r"cached ([\d,]+)"),
    "fraud reports": Measure("fraud", "count_fraud", summary=r"fraud ([\d,]+)", rule="mfa_fraud_reported"),
    "blocked or locked": Measure("alarming", "count_lockouts", key="blocked or locked", summary=r"blocked ([\d,]+)"),
    "double prompts": Measure(
        "double-prompts", "count_double_prompts", summary=r"double prompts ([\d,]+)",
        report=lambda report: report["double_prompts"]["total"]["total"],
    ),
    "users asked twice": Measure("users-asked-twice", "count_users_asked_twice"),
    "spared by a cache of 30 s": Measure("cache-would-spare", "count_spared", key="30 s"),
    "MFA fatigue": Measure("fatigue", "count_fatigue", summary=r"MFA fatigue ([\d,]+)"),
    "unparsed lines": Measure("unparsed", "count_unparsed", summary=r"unparsed ([\d,]+)"),
}  # fmt: skip
every_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


@dataclass(frozen=True)
class Said:
    """What `parse` says of the week, and the report of it."""

    summary: str
    report: Any


@pytest.fixture(scope="module")
def said(week: Week) -> Said:
    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "shipper", *arguments, *sorted(path.name for path in week.folder.glob("*.log"))]
        environment = {"PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=week.folder, capture_output=True, text=True, env=environment, check=True).stderr

    summary = run("parse", "--no-progress")
    run("report", "--output", "report.json")
    return Said(summary, json.loads((week.folder / "report.json").read_text(encoding="utf-8")))


def added(found: list[tuple[tuple[str, ...], tuple[float, ...]]], key: str | None) -> float:
    return sum(values[0] for keys, values in found if key is None or keys[-1] == key)


def as_lucene(search: str) -> str:
    """The terms of a Splunk search in the words of OpenSearch, and that an event has what it is grouped by.

    `stats` leaves out an event that lacks one of those fields, unless `fillnull` has given it a value.
    """
    terms = [step.removeprefix("search ") for step in search.split(" | ") if step.startswith(("search ", "index="))]
    filled_in, grouped = (
        {name for names in re.findall(pattern, search) for name in names.split()}
        for pattern in (r'fillnull value="-" ([^|]+)', r"stats count AS \w+ BY ([^|]+)")
    )
    terms += [f"_exists_:{name}" for name in sorted(grouped - filled_in - {"_time", "who_domain"})]
    assert expand("`mfa_who`").endswith("who_name=lower('user.name')")
    text = " ".join(terms).replace("who_name", "user.name")
    text = re.sub(r"\b(?:index|sourcetype)=\S+", "", text).replace('="*"', "=*").replace("=", ":").replace("<:", ":<=")
    text = re.sub(r'([\w.]+)!:"-"', r"_exists_:\1", text)
    return re.sub(r"([\w.]+) IN \(([^)]+)\)", lambda found: f"{found[1]}:({found[2].replace(',', ' OR ')})", text)


def in_splunk(week: Week, search: str, namespace: str = "week") -> int:
    """The one number that a Splunk search ends with, asked of OpenSearch."""
    query = {"query_string": {"query": as_lucene(search), "default_operator": "AND"}}
    (counted,) = re.findall(
        r"\| stats (count|sum\(authentications\)|dc\(who_name\)) AS \w+(?: \| fillnull value=0 \w+)?$", search
    )
    if counted.startswith("dc"):
        body = {"size": 0, "query": query, "aggs": {"users": {"cardinality": {"field": "user.name"}}}}
        answer = week.node.ask("POST", f"/logs-azure_mfa.*-{namespace}/_search", body)
        return int(answer["aggregations"]["users"]["value"])
    return week.count(query, namespace)


@every_measure
def test_a_measure_is_one_number(week: Week, said: Said, measure: Measure) -> None:
    wanted = added(COUNTED[measure.panel](week.events), measure.key)
    assert wanted > 0, "the week shows nothing here"
    for namespace in ("week", "merged"):
        for read in (read_back.kibana, read_back.opensearch):
            (panel,) = [panel for panel in read() if panel.id == measure.panel]
            answer = week.node.ask("POST", f"/logs-azure_mfa.*-{namespace}/_search", search(panel, f"{HOURS}h"))
            assert added(rows(panel, answer), measure.key) == wanted, (read.__name__, namespace)
        if measure.splunk:
            assert in_splunk(week, filled(panels()[measure.splunk]), namespace) == wanted, namespace
    if measure.summary:
        (number,) = re.findall(measure.summary, said.summary, re.MULTILINE)[:1]
        assert int(number.replace(",", "")) == wanted
    if measure.report:
        assert measure.report(said.report) == wanted
    if measure.rule:
        query = (DEPLOY / "sigma" / "lucene" / f"{measure.rule}.txt").read_text(encoding="utf-8").strip()
        assert week.count(lucene(query)) == wanted
        terms = expand((DEPLOY / "sigma" / "splunk" / f"{measure.rule}.spl").read_text(encoding="utf-8")).partition("\n|")[0]
        assert in_splunk(week, f"{terms} | stats count AS found") == wanted


@pytest.mark.parametrize("namespace", ["week", "merged"])
def test_stock_content_counts_each_authentication_once(week: Week, namespace: str) -> None:
    """Kibana's pages of users and hosts, machine learning and ready-made rules go by category and outcome."""
    query = lucene("event.category:authentication AND event.outcome:(success OR failure)")
    body = {"size": 0, "query": query, "aggs": {"by": {"terms": {"field": "event.action"}}}}
    answer = week.node.ask("POST", f"/logs-azure_mfa.*-{namespace}/_search", body)
    counted = {bucket["key"]: bucket["doc_count"] for bucket in answer["aggregations"]["by"]["buckets"]}
    first_factors, errors = counted.pop("primary-auth-result"), counted.pop("mfa-error")
    outcomes = {keys[-1]: values[0] for keys, values in COUNTED["outcomes"](week.events)}
    assert sum(counted.values()) == outcomes["success"] + outcomes["failure"]
    assert counted.keys() == {"mfa-status", "mfa-result"}
    assert (first_factors, errors) == (
        180,
        30,
    )  # sign-ins of their own: by the first factor, and those that the extension gave up


def test_the_failure_rate_is_that_of_the_shares(week: Week) -> None:
    """Both dashboards show the share of each outcome; Splunk divides the same two numbers."""
    shares = {keys[-1]: values[0] for keys, values in COUNTED["outcomes"](week.events)}
    failed, every = (added(COUNTED[name](week.events), None) for name in ("failed", "authentications"))
    assert shares["failure"] / sum(shares.values()) == failed / every
    rate = filled(panels()["failure_rate"])
    assert rate.startswith(filled(panels()["count_authentications"]).partition(" | stats sum")[0])
    assert "failure_rate=round(100*failed/authentications,1)" in rate


def test_the_answer_of_a_person_is_not_the_second_exchange(week: Week, said: Said) -> None:
    """Where a code is entered the panels leave the time out; Splunk's search and the report know both steps.

    What the search says is done here step by step: the status before of the same user and method, within the patience.
    """
    shown = {keys[0]: values[0] for keys, values in COUNTED["answer-time"](week.events)}
    assert shown["mobile_app"] > 0
    assert "text_message" not in shown
    times = {kind["method"]: kind for kind in said.report["answer_times"]}
    ended = [event for event in week.events if event["event"].get("action") == "mfa-status" and "duration" in event["event"]]
    before: dict[Any, str] = {}
    asked: dict[Any, str] = {}
    seconds, at_once = [], 0
    for event in sorted(ended, key=lambda event: str(event["@timestamp"])):
        status, user = event["azure_mfa"]["status"], event.get("user", {})
        key = (user.get("domain"), user.get("name"), event["event"]["provider"], status.get("method"))
        if key[-1] == "text_message" and status["class"] in ("authenticated", "wrong_input"):
            if before.get(key) == "pending":
                seconds.append((datetime.fromisoformat(event["@timestamp"]) - datetime.fromisoformat(asked[key])).total_seconds())
            else:
                at_once += 1  # one of every code stands in the week: the report counts such an exchange as it is
        before[key], asked[key] = status["class"], event["event"]["start"]
    assert (len(seconds) + at_once, at_once) == (times["text_message"]["count"], 3)
    assert median(seconds) == pytest.approx(times["text_message"]["median"], rel=0.05)  # the report knows it by bins
    search = filled(panels()["answer_time"])
    for part in ("last(azure_mfa.status.class) AS step_before", "last(event.start) AS asked", 'step_before=="pending"'):
        assert part in search
