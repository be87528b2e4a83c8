"""What the rules become in Kibana and in Splunk: rules that can be imported, searches that can be scheduled."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from deploy.generate.schema import known_names
from deploy.generate.sigma import KIBANA
from deploy.generate.sigma.rules import rules
from tests.deploy import named_fields
from tests.support.deploy import sigma_run
from tests.support.deploy.splunk_app import default
from tests.support.tools import DEPLOY

RULES = rules()
TITLES = [rule.main["title"] for rule in RULES]


def kibana_rules() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DEPLOY / KIBANA).read_text(encoding="utf-8").splitlines()]


def validator() -> Any:
    path = Path(__file__).with_name("kibana_rule.schema.json")
    schema = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_kibana_rules_can_be_imported() -> None:
    every, check = kibana_rules(), validator()
    assert [rule["name"] for rule in every] == TITLES
    assert len({rule["rule_id"] for rule in every}) == len(every)
    for rule in every:
        check.validate(rule)


@pytest.mark.parametrize(
    "change",
    [
        {"bogus": 1},
        {"risk_score": 470},
        {"severity": "mediumish"},
        {"language": "kuery", "type": "eql"},
        {"index": []},
        {"from": "10 minutes ago"},
        {"rule_id": "fraud"},
        {"false_positives": [{"a": "b"}]},
        {"required_fields": [{"name": "user.name"}]},
        {"related_integrations": [{"package": "azure_mfa"}]},
        {"timestamp_override": ""},
        {
            "threat": [
                {
                    "framework": "MITRE ATT&CK",
                    "tactic": {"id": "TA0006", "name": "x", "reference": "https://attack.mitre.org/tactics/TA0006"},
                }
            ]
        },
    ],
)
def test_a_wrong_kibana_rule_is_noticed(change: dict[str, Any]) -> None:
    good = next(rule for rule in kibana_rules() if rule["type"] == "eql")
    with pytest.raises(jsonschema.ValidationError):
        validator().validate(good | change)


@pytest.mark.parametrize("rule", kibana_rules(), ids=lambda rule: str(rule["name"]))
def test_kibana_queries_are_read_and_name_fields_that_exist(rule: dict[str, Any]) -> None:
    named = named_fields.in_query(rule["query"])
    suppressed = set(rule.get("alert_suppression", {}).get("group_by", ()))
    if rule["type"] == "eql":
        sigma_run.parse_eql(rule["query"])
    elif rule["type"] == "esql":
        sigma_run.parse_esql(rule["query"])
        last = re.findall(r"\| stats .* by (.*)", rule["query"])[-1]
        assert suppressed <= set(re.findall(r"[\w.]+", last)), "suppressed by a column that the result does not have"
    assert named
    assert named | suppressed <= known_names()
    required = {field["name"]: field for field in rule["required_fields"]}
    assert named - required.keys() <= {"event.ingested", "user.domain"}
    assert required.keys() - named <= suppressed | {"@timestamp"}
    assert all(field["ecs"] != name.startswith("azure_mfa.") for name, field in required.items())


@pytest.mark.parametrize("rule", kibana_rules(), ids=lambda rule: str(rule["name"]))
def test_a_kibana_rule_guides_the_analyst(rule: dict[str, Any]) -> None:
    assert re.fullmatch(
        r"## Triage\n\n### Investigate\n\n1\. .+### It may be harmless\n\n- .+### Respond\n\n- .+", rule["note"], re.S
    )
    assert re.search(r"## Setup.*\n- `?\w", rule["setup"], re.S)
    manifest = yaml.safe_load((DEPLOY / "elastic" / "package" / "manifest.yml").read_text(encoding="utf-8"))
    [integration] = rule["related_integrations"]
    assert (integration["package"], integration["version"]) == (manifest["name"], f"^{manifest['version']}")


def test_the_package_brings_each_rule() -> None:
    folder = DEPLOY / "elastic" / "package" / "kibana" / "security_rule"
    packed = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    assert {rule["id"]: rule["attributes"] | {"enabled": False} for rule in packed.values()} == {
        rule["rule_id"]: rule for rule in kibana_rules()
    }
    assert all(stem == rule["id"] and rule["type"] == "security-rule" for stem, rule in packed.items())


def seconds(span: str) -> int:
    return int(span[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[span[-1]]


def test_kibana_runs_overlap() -> None:
    """What is looked at must reach back at least as far as the run before, or events fall between two runs."""
    for rule in kibana_rules():
        assert seconds(rule["from"].removeprefix("now-")) >= seconds(rule["interval"]) + 300


def test_no_rule_reads_a_day_every_minute() -> None:
    for rule in kibana_rules():
        back, interval = seconds(rule["from"].removeprefix("now-")), seconds(rule["interval"])
        assert interval >= 300
        assert back <= 30 * interval or "168 hours" in rule["query"], rule["name"]
    silent = next(rule for rule in kibana_rules() if "168 hours" in rule["query"])
    assert seconds(silent["interval"]) == 1800, "it reads two hours of a week, see its query"


def test_splunk_has_a_saved_search_for_each_rule() -> None:
    stanzas = default("savedsearches")
    assert list(stanzas) == TITLES
    wanted = {"search", "description", "disabled", "enableSched", "cron_schedule", "counttype", "relation", "quantity"}
    wanted |= {"dispatch.earliest_time", "dispatch.latest_time", "alert.track", "alert.severity", "alert.digest_mode"}
    wanted |= {"alert.suppress", "alert.suppress.fields", "alert.suppress.period"}
    wanted |= {"dispatch.index_earliest", "dispatch.index_latest"}
    for stanza, rule in zip(stanzas.values(), RULES, strict=True):
        by_clock = {"dispatch.index_earliest", "dispatch.index_latest"} if rule.triage.back else set()
        techniques = {"action.correlationsearch.annotations"} if rule.main.get("tags") else set()
        made_up_for = {"realtime_schedule"} if rule.kind == "single" else set()
        assert set(stanza) == (wanted - by_clock) | techniques | made_up_for
        assert stanza["alert.severity"] in ("2", "3", "4", "5")
        assert stanza["disabled"] == "1"
        assert all(step in stanza["description"] for step in rule.triage.investigate)


def test_annotations_name_the_techniques_of_the_rules() -> None:
    for rule in RULES:
        text = default("savedsearches")[rule.main["title"]].get("action.correlationsearch.annotations", '{"mitre_attack": []}')
        tags = [f"attack.{number.lower()}" for number in json.loads(text)["mitre_attack"]]
        assert tags == [tag for tag in rule.main.get("tags", []) if tag.startswith("attack.t")]


def minutes_ago(text: str) -> int:
    """Of `-6m@m` or `now`."""
    match = re.fullmatch(r"-(\d+)m@m|now", text)
    assert match
    return int(match[1] or 0)


@pytest.mark.parametrize("title", TITLES)
def test_a_splunk_schedule_leaves_no_gap(title: str) -> None:
    stanza, rule = default("savedsearches")[title], RULES[TITLES.index(title)]
    minute, *rest = stanza["cron_schedule"].split()
    assert rest == ["*", "*", "*", "*"]
    every = int(minute.removeprefix("*/")) if minute.startswith("*/") else 60
    assert every == 60 or 60 % every == 0
    times = ("earliest_time", "latest_time") if rule.triage.back else ("index_earliest", "index_latest")
    first, last = (minutes_ago(stanza[f"dispatch.{time}"]) for time in times)
    assert first - last >= every
    if rule.kind == "single":
        assert first - last == every, "an event that is looked at twice is suppressed only where somebody is named"
    else:
        assert (first - last) * 60 >= rule.seconds
        assert rule.triage.back or seconds(stanza["alert.suppress.period"]) >= (first - last) * 60, (
            "a hit is seen again, and is no new alert"
        )
