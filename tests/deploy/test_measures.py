"""One number for each measure of the made-up week, wherever it is asked: in the dashboards, the rules, `parse` and the report.

Kibana's and OpenSearch Dashboards' queries, as they stand in the files that are imported, run on the real OpenSearch. Splunk
runs nowhere here: the terms and counts of its searches are evaluated by `spl_rows.py`. What all are held against is
counted in plain Python from the events (`counted.py`).
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from deploy.generate.elastic.panels import Panel, lucene, rows, search
from tests.deploy import spl_rows
from tests.deploy.counted import COUNTED, HOURS
from tests.deploy.spl_text import SplError
from tests.support import corpus
from tests.support.deploy import read_back
from tests.support.deploy.loaded import install, load
from tests.support.deploy.splunk_app import expand, filled, panels
from tests.support.opensearch import OpenSearch
from tests.support.tools import DEPLOY, ROOT

Event = dict[str, Any]


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


class Week:
    """The week: its events, in the index, and in the words of the commands."""

    def __init__(self, node: OpenSearch, folder: Path) -> None:
        self.node, self.folder = node, folder
        self.names = sorted(corpus.write(folder))
        install(node)
        load(node, folder, "measured")
        load(node, folder, "measuredmerged", "--events", "exchange")
        self.events = [json.loads(line) for line in corpus.parse(folder).splitlines()]
        self.merged = [json.loads(line) for line in corpus.parse(folder, "--events", "exchange").splitlines()]

    def said(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "shipper", *arguments, *self.names]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, check=True)
        return done.stderr

    @cached_property
    def summary(self) -> str:
        return self.said("parse", "--no-progress")

    @cached_property
    def report(self) -> Any:
        self.said("report", "--output", "report.json")
        return json.loads((self.folder / "report.json").read_text(encoding="utf-8"))

    def shown(self, panel: Panel, key: str | None, namespace: str) -> float:
        answer = self.node.ask("POST", f"/logs-azure_mfa.*-{namespace}/_search", search(panel, f"{HOURS}h"))
        return added(rows(panel, answer), key)


def added(found: list[tuple[tuple[str, ...], tuple[float, ...]]], key: str | None) -> float:
    return sum(values[0] for keys, values in found if key is None or keys[-1] == key)


@pytest.fixture(scope="module")
def week(opensearch: OpenSearch, tmp_path_factory: pytest.TempPathFactory) -> Week:
    return Week(opensearch, Path(tmp_path_factory.mktemp("week")))


@every_measure
def test_a_measure_is_one_number(week: Week, measure: Measure) -> None:
    wanted = added(COUNTED[measure.panel](week.events), measure.key)
    assert wanted > 0, "the week shows nothing here"
    for read in (read_back.kibana, read_back.opensearch):
        (panel,) = [panel for panel in read() if panel.id == measure.panel]
        for namespace in ("measured", "measuredmerged"):
            assert week.shown(panel, measure.key, namespace) == wanted, (read.__name__, namespace)
    if measure.splunk:
        for events in (week.events, week.merged):
            assert spl_rows.number(filled(panels()[measure.splunk]), events) == wanted
    if measure.summary:
        (said,) = re.findall(measure.summary, week.summary, re.MULTILINE)[:1]
        assert int(said.replace(",", "")) == wanted
    if measure.report:
        assert measure.report(week.report) == wanted
    if measure.rule:
        query = (DEPLOY / "sigma" / "lucene" / f"{measure.rule}.txt").read_text(encoding="utf-8").strip()
        assert week.node.ask("POST", "/logs-azure_mfa.*-measured/_count", {"query": lucene(query)})["count"] == wanted
        terms = expand((DEPLOY / "sigma" / "splunk" / f"{measure.rule}.spl").read_text(encoding="utf-8")).partition("|")[0]
        assert spl_rows.number(f"{terms} | stats count AS found", week.events) == wanted


@pytest.mark.parametrize("namespace", ["measured", "measuredmerged"])
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


@pytest.mark.parametrize(
    "search", ["index=* | top user", "index=* | stats avg(x) AS y", "index=* (a=b", "a=b)", "index=* | stats count AS n BY"]
)
def test_what_is_no_number_is_refused(search: str) -> None:
    with pytest.raises((SplError, IndexError)):
        spl_rows.number(search, [{"user": "x"}])


def test_the_answer_of_a_person_is_not_the_second_exchange(week: Week) -> None:
    """Where a code is entered the panels leave the time out; Splunk's search and the report know both steps.

    What the search says is done here step by step: the status before of the same user and method, within the patience.
    """
    shown = {keys[0]: values[0] for keys, values in COUNTED["answer-time"](week.events)}
    assert shown["mobile_app"] > 0
    assert "text_message" not in shown
    times = {kind["method"]: kind for kind in week.report["answer_times"]}
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
