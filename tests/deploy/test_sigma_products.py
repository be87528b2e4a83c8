"""What the rules become in Kibana and in Splunk: rules that can be imported, searches that can be scheduled."""

import configparser
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deploy.generate.schema import known_names
from deploy.generate.sigma import KIBANA, SPLUNK
from deploy.generate.sigma.rules import rules
from tests.deploy import named_fields, sigma_run
from tests.deploy.tools import DEPLOY

RULES = rules()
TITLES = [rule.main["title"] for rule in RULES]
MACRO = re.compile(r"`([a-z_]+)`")


def kibana_rules() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DEPLOY / KIBANA).read_text(encoding="utf-8").splitlines()]


def validator() -> Any:
    path = Path(__file__).with_name("kibana_rule.schema.json")
    schema = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def saved_searches() -> configparser.RawConfigParser:
    conf = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",), strict=True)
    conf.optionxform = str  # type: ignore[assignment, method-assign]
    conf.read_string((DEPLOY / SPLUNK).read_text(encoding="utf-8"))
    return conf


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
        columns = set(re.findall(r"[\w.]+", rule["query"].rsplit(" by ", 1)[1]))
        assert suppressed <= columns, "suppressed by a column that the result does not have"
    assert named
    assert named | suppressed <= known_names()


def test_kibana_runs_overlap() -> None:
    """What is looked at must reach back at least as far as the run before, or events fall between two runs."""
    units = {"m": 1, "h": 60, "d": 1440}
    for rule in kibana_rules():
        interval, back = rule["interval"], rule["from"].removeprefix("now-")
        assert int(back[:-1]) * units[back[-1]] >= int(interval[:-1]) * units[interval[-1]] + (5 if rule["type"] != "esql" else 0)


def test_splunk_has_a_saved_search_for_each_rule() -> None:
    conf = saved_searches()
    assert conf.sections() == TITLES
    wanted = {"search", "description", "disabled", "enableSched", "cron_schedule", "counttype", "relation", "quantity"}
    wanted |= {"dispatch.earliest_time", "dispatch.latest_time", "alert.track", "alert.severity", "alert.digest_mode"}
    wanted |= {"alert.suppress", "alert.suppress.fields", "alert.suppress.period"}
    for section in conf.sections():
        assert set(conf[section]) == wanted
        assert conf[section]["alert.severity"] in ("2", "3", "4", "5")
        assert conf[section]["disabled"] == "1"


@pytest.mark.parametrize("title", TITLES)
def test_a_splunk_schedule_leaves_no_gap(title: str) -> None:
    stanza = saved_searches()[title]
    minute, *rest = stanza["cron_schedule"].split()
    assert rest == ["*", "*", "*", "*"]
    every = int(minute.removeprefix("*/")) if minute.startswith("*/") else 60
    assert every == 60 or 60 % every == 0
    ends = [re.fullmatch(r"-(\d+)([mhd])@m|now", stanza[f"dispatch.{end}_time"]) for end in ("earliest", "latest")]
    minutes = [int(end[1]) * {"m": 1, "h": 60}[end[2]] if end and end[1] else 0 for end in ends]
    assert all(ends)
    assert minutes[0] - minutes[1] >= every
    rule = RULES[TITLES.index(title)]
    if rule.kind != "single":
        assert (minutes[0] - minutes[1]) * 60 >= rule.seconds


@pytest.mark.parametrize("title", TITLES)
def test_a_splunk_search_names_fields_that_exist(title: str) -> None:
    stanza = saved_searches()[title]
    search = stanza["search"]
    assert search.startswith('`mfa_index` sourcetype="azure:mfa:ecs" ')
    named = named_fields.in_query(search)
    assert named
    assert named <= known_names()
    assert search.count("(") == search.count(")")
    assert search.count('"') % 2 == 0
    columns = re.split(r"\| (?:table|stats) ", search)[-1]  # the last command that says which columns are left
    for field in stanza["alert.suppress.fields"].split(", "):
        assert re.search(rf"(?<![\w.]){re.escape(field)}(?![\w.])", columns), f"{field} is no column of the result"


def test_macros_are_defined_by_the_app() -> None:
    path = DEPLOY / "splunk" / "TA-mfa-shipper" / "default" / "macros.conf"
    if not path.exists():
        pytest.skip("the app has no macros yet")
    used = {name for title in TITLES for name in MACRO.findall(saved_searches()[title]["search"])}
    assert used <= set(re.findall(r"^\[([a-z_]+)", path.read_text(encoding="utf-8"), re.MULTILINE))
