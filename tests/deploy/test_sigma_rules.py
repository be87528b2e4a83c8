"""deploy/sigma: rules are sound, their test events are real, what is generated is fresh, EQL hits what it must."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.deploy import convert_rules, sigma_events, sigma_fields, sigma_run
from tests.deploy.sigma_kibana import attack
from tests.deploy.sigma_rules import LANGUAGES, SIGMA, Rule, library, load, rules
from tests.deploy.tools import ROOT, run

RULES = rules()
STEMS = [rule.stem for rule in RULES]
NO_EQL = {  # and why EQL has no words for it
    "mfa_cache_hit_other_machine": "a value that differs",
    "mfa_log_silent": "an event that does not come",
    "mfa_unknown_users_tried": "values that differ",
}


@pytest.fixture(scope="module")
def schema() -> Any:
    return jsonschema.Draft202012Validator(json.loads((ROOT / "schemas" / "event.schema.json").read_text(encoding="utf-8")))


def sigma_check(folder: Path) -> tuple[int, str]:
    library("sigma.cli.main")  # says what is missing
    import sys

    done = run(
        *(
            sys.executable,
            "-m",
            "tests.deploy.sigma_offline",
            "check",
            "--fail-on-issues",
            "-c",
            SIGMA / "validation.yml",
            folder,
        ),
        cwd=ROOT,
    )
    return done.returncode, done.stdout + done.stderr


def test_sigma_check_is_clean() -> None:
    status, said = sigma_check(SIGMA / "rules")
    assert "Found 0 errors, 0 condition errors and 0 issues." in said
    assert status == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("attack.t1621", "attack.t9999", "InvalidATTACKTagIssue"),
        ("level: critical", "level: mediumish", "mediumish"),
        ("condition: selection", "condition: selektion", "selektion"),
        ("status: experimental", "status: experimental\nid: 1", "id"),
    ],
)
def test_sigma_check_finds_what_is_wrong(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = (SIGMA / "rules" / "mfa_fraud_reported.yml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "mfa_fraud_reported.yml").write_text(text.replace(old, new), encoding="utf-8")
    status, output = sigma_check(tmp_path)
    assert status == 1
    assert said in output


def test_there_are_enough_rules_and_each_has_cases() -> None:
    assert len(RULES) >= 12
    for folder, ending in (("tests", ".yaml"), ("tests", ".ndjson")):
        assert sorted(path.stem for path in (SIGMA / folder).glob(f"*{ending}")) == STEMS
    assert {path.stem for path in (SIGMA / "by_hand").iterdir()} <= set(STEMS)


@pytest.mark.parametrize("rule", RULES, ids=STEMS)
def test_a_rule_says_what_an_analyst_needs(rule: Rule) -> None:
    main = rule.main
    assert len(main["description"]) > 80
    assert main["falsepositives"]
    assert all(isinstance(text, str) for text in main["falsepositives"]), "a colon makes a mapping of it"
    assert main["level"] in ("low", "medium", "high", "critical")
    assert all(part["level"] == "informational" for part in rule.parts.values())
    names = [tag.removeprefix("attack.") for tag in main.get("tags", [])]
    tactics = {name for name in names if "kill_chain_phases" not in attack()[name]}
    for name in set(names) - tactics:
        phases = {phase["phase_name"] for phase in attack()[name]["kill_chain_phases"]}
        assert phases & tactics, f"{name} serves none of the tactics that the rule names"


def test_identifiers_are_unique() -> None:
    identifiers = [part["id"] for rule in RULES for part in (rule.main, *rule.parts.values())]
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize("stem", STEMS)
def test_events_are_fresh_and_valid(stem: str, schema: Any) -> None:
    assert (SIGMA / "tests" / f"{stem}.ndjson").read_text(encoding="utf-8") == sigma_events.text(stem)
    documents = sigma_events.stored(stem)
    for document in documents:
        schema.validate(document)
    identifiers = [document["event"]["id"] for document in documents]
    assert len(set(identifiers)) == len(identifiers)
    cases = {document["labels"]["case"] for document in documents}
    given = yaml.safe_load((SIGMA / "tests" / f"{stem}.yaml").read_text(encoding="utf-8"))
    assert given["positive"]
    assert given["negative"]
    assert cases == {case["case"] for case in given["positive"] + given["negative"]}


def test_what_is_generated_is_fresh() -> None:
    wanted = convert_rules.outputs()
    assert convert_rules.present() == wanted.keys()
    stale = [str(path.relative_to(ROOT)) for path, text in wanted.items() if path.read_text(encoding="utf-8") != text]
    assert not stale, f"run python -m tests.deploy.convert_rules: {stale}"


@pytest.mark.parametrize("rule", RULES, ids=STEMS)
def test_every_field_is_in_the_schema(rule: Rule) -> None:
    named = {f"{rule.stem}.yml": sigma_fields.in_sigma((SIGMA / "rules" / f"{rule.stem}.yml").read_text(encoding="utf-8"))}
    for path, text in convert_rules.outputs().items():
        if path.stem == rule.stem:
            named[path.name] = sigma_fields.in_search(text) if path.suffix == ".json" else sigma_fields.in_query(text)
    assert len(named) >= 4
    assert all(named.values())
    unknown = {f"{file}: {field}" for file, fields in named.items() for field in fields - sigma_fields.known()}
    assert not unknown


def test_a_field_that_is_no_more_is_noticed() -> None:
    query = 'sequence by user.nmae [any where ?azure_mfa.exchange.idd == null and event.code == "a.b"]'
    assert sigma_fields.in_query(query) - sigma_fields.known() == {"user.nmae", "azure_mfa.exchange.idd"}
    assert sigma_fields.in_query("_exists_:sauce.ip AND event.codes:1") - sigma_fields.known() == {"sauce.ip", "event.codes"}
    text = (SIGMA / "lucene" / "mfa_fatigue.json").read_text(encoding="utf-8").replace("user.name", "user.nmae")
    assert sigma_fields.in_search(text) - sigma_fields.known() == {"user.nmae"}
    text = (SIGMA / "lucene" / "mfa_contact_changed_before_success.json").read_text(encoding="utf-8")
    assert sigma_fields.in_search(text.replace("'user.target.name'", "'user.trg.name'")) - sigma_fields.known() == {
        "user.trg.name"
    }


@pytest.mark.parametrize("stem", [stem for stem in STEMS if stem not in NO_EQL])
def test_eql_hits_exactly_the_positive_events(stem: str) -> None:
    documents = sigma_events.stored(stem)
    hits = sigma_run.run_eql((SIGMA / "eql" / f"{stem}.eql").read_text(encoding="utf-8"), documents)
    assert [hit for hit in hits if len({one["labels"]["case"] for one in hit}) > 1] == []
    completed = sorted(hit[-1]["event"]["id"] for hit in hits)
    assert completed == sorted(document["event"]["id"] for document in documents if document["labels"]["hit"])


def test_eql_is_there_unless_it_has_no_words() -> None:
    assert {path.stem for path in (SIGMA / "eql").glob("*.eql")} == set(STEMS) - NO_EQL.keys()


@pytest.mark.parametrize("stem", STEMS)
def test_esql_is_esql(stem: str) -> None:
    sigma_run.parse_esql((SIGMA / "esql" / f"{stem}.esql").read_text(encoding="utf-8"))


@pytest.mark.parametrize("query", ["from x | wher a == 1", "from x | where a = 1", "from x | stats c = count(* by a"])
def test_what_is_no_esql_is_noticed(query: str) -> None:
    with pytest.raises(ValueError, match=r"\d+:\d+: "):
        sigma_run.parse_esql(query)


def test_numbers_are_compared_as_numbers() -> None:
    """pySigma writes `code:7` and `code like~ (1, 2)`, which Elasticsearch refuses for a field of numbers."""
    assert load(SIGMA / "rules" / "mfa_one_time_bypass_used.yml").condition("eql", "").count("azure_mfa.status.code == 7") == 1
    assert "azure_mfa.status.code in (112, 132)" in load(SIGMA / "rules" / "mfa_fraud_reported.yml").condition("eql", "")


def test_every_part_converts_in_every_language() -> None:
    for rule in RULES:
        for part in rule.events:
            for language in LANGUAGES:
                if not (language == "eql" and rule.stem in NO_EQL):
                    assert rule.condition(language, part)


def test_a_placeholder_that_no_part_has_is_noticed() -> None:
    for path, text in convert_rules.outputs().items():
        assert "{mfa_" not in text, path
        assert "{index}" not in text, path
        assert "{events}" not in text, path
