"""deploy/prometheus: the rules by promtool, every expression on a real Prometheus that scrapes a real sidecar."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from deploy.generate import grafana
from deploy.generate.schema import event_schema
from shipper.decode.status_codes import CLASSES
from shipper.stream.clocks import PartitionClocks
from shipper.stream.vitals import DetectCollector, DetectVitals
from tests.deploy.named_fields import in_text, unknown_in_text
from tests.support.deploy.prometheus import FOLDER, HINT, Prometheus, Sidecar, running, write_until_rates_move
from tests.support.process import until
from tests.support.tools import ROOT, run, tool

RULES = yaml.safe_load((FOLDER / "rules.yml").read_text(encoding="utf-8"))
ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
TESTS = ("rules_test.yml", "rules_long_test.yml")
SPANS = {"$__rate_interval": "30s", "$__range": "5m", "$job": "mfa-shipper", "$instance": ".*"}


def filled(expression: str) -> str:
    """As Grafana would send it."""
    for name, value in SPANS.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def metrics(text: str) -> set[str]:
    """The metric names of a page or of an expression."""
    return set(re.findall(r"\b(?:mfa_shipper_\w+|up(?=\{))", text))


def promtool(*arguments: str | Path, stdin: str | None = None) -> str:
    """What promtool says; it must be content."""
    done = run(tool("promtool", HINT), *arguments, stdin=stdin)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    started = Sidecar(tmp_path_factory.mktemp("sidecar") / "one")
    started.start()
    yield started
    started.shipper.kill()


@pytest.fixture(scope="module")
def server(sidecar: Sidecar, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """It has seen the sidecar without a line, and then with lines for some seconds."""
    with running(tmp_path_factory.mktemp("prometheus"), f"127.0.0.1:{sidecar.port}") as prometheus:
        write_until_rates_move(sidecar, prometheus)
        until(lambda: prometheus.value("mfa_shipper_lines_read_total") == sidecar.lines, "all lines are counted")
        until(lambda: prometheus.value("mfa_shipper_events_waiting") == 0, "all events are delivered")
        yield prometheus


# --- by promtool


def test_rules_are_sound() -> None:
    said = promtool("check", "rules", FOLDER / "rules.yml")
    assert f"SUCCESS: {len(ALERTS)} rules found" in said
    assert f"SUCCESS: {len(ALERTS)} rules found" in promtool("check", "config", FOLDER / "prometheus.yml")


@pytest.mark.parametrize("name", TESTS)
def test_rules_do_what_their_tests_say(name: str) -> None:
    assert "SUCCESS" in promtool("test", "rules", FOLDER / name)


def test_every_alert_is_tested_both_ways() -> None:
    fires: dict[str, set[bool]] = {}
    for name in TESTS:
        for case in yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))["tests"]:
            series = {json.dumps(given["series"]).partition("instance")[2].split('"')[1] for given in case["input_series"]}
            for check in case["alert_rule_test"]:
                fires.setdefault(check["alertname"], set()).add(bool(check["exp_alerts"]))
                if len(check["exp_alerts"]) < len(series):  # an instance beside it stays quiet
                    fires[check["alertname"]].add(False)
    assert fires == {alert: {True, False} for alert in ALERTS}


def mutants(rule: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rule, broken in each way that matters: never true, a condition that always holds, no patience."""
    yield "never", {**rule, "expr": "vector(0) > 1"}
    for found in re.finditer(r"[<>=]=? (?=[\d.]+)", rule["expr"]):
        weak = rule["expr"][: found.start()] + "> -1 + 0 * " + rule["expr"][found.end() :]
        yield f"{found[0]}always at {found.start()}", {**rule, "expr": weak}
    if "for" in rule:
        yield "at once", {key: value for key, value in rule.items() if key != "for"}


@pytest.mark.parametrize("alert", ALERTS)
def test_the_tests_notice_a_broken_alert(alert: str, tmp_path: Path) -> None:
    for name in TESTS:
        content = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
        for case in content["tests"]:
            case["alert_rule_test"] = [check for check in case["alert_rule_test"] if check["alertname"] == alert]
        content["tests"] = [case for case in content["tests"] if case["alert_rule_test"]]
        if content["tests"]:
            (tmp_path / name).write_text(yaml.safe_dump(content), encoding="utf-8")
    for what, broken in mutants(ALERTS[alert]):
        rules = {"groups": [{"name": "broken", "rules": [broken]}]}
        (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules), encoding="utf-8")
        tried = [run(tool("promtool", HINT), "test", "rules", path) for path in sorted(tmp_path.glob("*_test.yml"))]
        assert any("FAILED" in done.stdout + done.stderr for done in tried), f"{what}: {broken['expr']}"


def test_metrics_of_a_real_sidecar_follow_the_conventions(sidecar: Sidecar) -> None:
    assert promtool("check", "metrics", stdin=sidecar.scrape()) == ""


def test_every_expression_of_the_dashboard_is_sound(tmp_path: Path) -> None:
    queries = [*grafana.expressions(detection=False), *grafana.expressions(detection=True)]
    records = [{"record": f"panel:{number}", "expr": filled(query)} for number, (_, query) in enumerate(queries)]
    path = tmp_path / "dashboard.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]}), encoding="utf-8")
    assert f"SUCCESS: {len(queries)} rules found" in promtool("check", "rules", path)


def test_metrics_of_detect_are_sound_and_each_is_on_the_dashboard(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    vitals = DetectVitals(ticks=Ticked({0: 1}, 1), clocks=PartitionClocks(0))
    vitals.clocks.read(0, 1, 10**18)  # type: ignore[union-attr]
    vitals.clocks.read(0, 2, 10**18)  # type: ignore[union-attr]
    registry.register(DetectCollector(vitals, str(tmp_path)))
    page = generate_latest(registry).decode()
    assert promtool("check", "metrics", stdin=page) == ""
    there = {sample.name for family in registry.collect() for sample in family.samples}
    shown = metrics(" ".join(query for _, query in grafana.expressions(detection=True)))
    alerted = metrics(" ".join(rule["expr"] for rule in ALERTS.values() if "mfa_shipper_detect_" in rule["expr"]))
    assert shown == there
    assert alerted <= there


@dataclass
class Ticked:
    """What the thread of ticks knows."""

    lag: dict[int, int]
    told: int


# --- against the page of a real sidecar


def test_every_metric_named_exists_and_each_is_on_the_dashboard(server: Prometheus, sidecar: Sidecar) -> None:
    page = metrics(sidecar.scrape()) | {"up"}
    shown = metrics(" ".join(query for _, query in grafana.expressions(detection=False)))
    alerted = metrics(" ".join(rule["expr"] for rule in ALERTS.values() if "mfa_shipper_detect_" not in rule["expr"]))
    assert shown <= page
    assert alerted <= page
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in page}
    assert families == {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}


def test_every_expression_of_the_dashboard_gives_numbers(server: Prometheus) -> None:
    for title, query in grafana.expressions(detection=False):
        values = server.query(filled(query))
        assert values, f"{title}: nothing from {query}"
        assert all(math.isfinite(value) for value in values.values()), f"{title}: {query} gives {values}"


def test_variables_of_the_dashboard_have_values(server: Prometheus) -> None:
    for variable in grafana.dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            series, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
            assert any(label in json.loads(labels) for labels in server.query(filled(series))), variable["name"]


def test_numbers_add_up_on_the_server(server: Prometheus, sidecar: Sidecar) -> None:
    out = (sidecar.shipper.folder / "events.ndjson").read_bytes().splitlines()
    findings = sum(json.loads(line)["event"]["kind"] == "alert" for line in out)
    assert findings > 0
    assert server.value("mfa_shipper_events_delivered_total") == len(out) == sidecar.lines + findings
    assert server.value(filled(grafana.unaccounted())) == 0


def test_the_server_has_no_trouble_with_a_rule(server: Prometheus) -> None:
    rules = server.rules()
    assert {rule["name"] for rule in rules} == set(ALERTS)
    until(lambda: all(rule["health"] == "ok" for rule in server.rules()), "each rule was evaluated", 20)
    assert not [rule["lastError"] for rule in server.rules() if rule.get("lastError")]


def test_fraud_is_reported_and_nothing_else(server: Prometheus) -> None:
    until(lambda: server.alerts("firing"), "an alert fires", 20)
    assert server.alerts("firing") == {"MfaFraudReported"}


def test_a_sidecar_that_dies_is_noticed(server: Prometheus, sidecar: Sidecar) -> None:
    """The last one: it kills the sidecar. `pending` is enough; how long is for promtool."""
    assert "MfaShipperDown" not in server.alerts("pending")
    sidecar.shipper.kill()
    until(lambda: "MfaShipperDown" in server.alerts("pending"), "the alert is pending", 20)


# --- by what is in the files


def test_panels_do_not_overlap_and_have_what_grafana_needs() -> None:
    board = grafana.dashboard()
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & own, panel["title"]
        cells |= own
        assert panel["type"] == "row" or (panel["targets"] and panel["description"])
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_fields_and_classes_that_are_named_exist() -> None:
    texts = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.iterdir())]
    assert {"azure_mfa.status.class", "user.name", "event.action"} <= in_text("\n".join(texts))
    assert not unknown_in_text("\n".join(texts))
    for rule in ALERTS.values():
        for classes in re.findall(r'class=~?"([^"]+)"', rule["expr"]):
            assert set(classes.split("|")) <= set(CLASSES)
    assert "double_prompt" in event_schema()["properties"]["event"]["properties"]["action"]["enum"]


def test_every_alert_says_who_cares_and_what_to_do() -> None:
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), name
        assert len(rule["annotations"]["description"]) > 40, name
        assert f"`{name}`" in (FOLDER / "README.md").read_text(encoding="utf-8"), f"README lacks {name}"


def test_every_alert_leads_to_its_runbook() -> None:
    page = ROOT / "deploy" / "docs" / "alerts.md"
    sections = re.split(r"^### (\w+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    steps = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert list(steps) == list(ALERTS), "in the order of the rules"
    for name, rule in ALERTS.items():
        path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert (ROOT / path, anchor) == (page, name.lower())
        assert "\n1. " in steps[name] or "](#" in steps[name], name
