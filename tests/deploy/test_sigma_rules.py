"""deploy/sigma: the rules are sound, their test events are valid, the queries are fresh, and EQL hits what it must."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from deploy.generate import sigma
from deploy.generate.files import GENERATORS, stale
from deploy.generate.schema import event_schema, known_names
from deploy.generate.sigma import events as sigma_events
from deploy.generate.sigma.kibana import attack
from deploy.generate.sigma.rules import FOLDERS, LANGUAGES, SIGMA, Rule, load, rules
from deploy.generate.sigma.triage import LOGS, entries
from tests.deploy import named_fields
from tests.support.deploy import sigma_run
from tests.support.deploy.sigma_offline import has_sigmahq, sigma_check
from tests.support.tools import missing

RULES = rules()
STEMS = [rule.stem for rule in RULES]
NO_EQL = {  # and why EQL has no words for it
    "mfa_cache_hit_other_machine": "a value that differs",
    "mfa_log_silent": "an event that does not come",
    "mfa_refused_by_many_users": "values that differ",
    "mfa_spray_then_prompt": "values that differ",
    "mfa_unknown_users_tried": "values that differ",
}


def test_sigma_check_is_clean() -> None:
    status, said = sigma_check()
    assert "Found 0 errors, 0 condition errors and 0 issues." in said
    assert status == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("attack.t1621", "attack.t9999", "InvalidATTACKTagIssue"),
        ("level: critical", "level: mediumish", "mediumish"),
        ("condition: selection", "condition: selektion", "selektion"),
        ("status: experimental", "status: experimental\nid: 1", "id"),
        # By SigmaHQ's validators: complaints that they had.
        ("    - attack.persistence\n", "", "TechniquesWithoutTactics"),
        ("product: azure_mfa", "product: azure", "LogsourceUnknown"),
        ("azure_mfa.status.code", "azure_mfa.status.cod", "InvalidFieldname"),
        ("references:\n", "references:\n    - https://attack.mitre.org/techniques/T1621/\n", "MitreLink"),
    ],
)
def test_sigma_check_finds_what_is_wrong(tmp_path: Path, old: str, new: str, said: str) -> None:
    if not has_sigmahq():
        missing("pysigma-validators-sigmahq is not installed: make deploy-check")
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
        assert phases <= tactics, f"{name} serves {phases - tactics} as well"


@pytest.mark.parametrize("rule", RULES, ids=STEMS)
def test_a_rule_says_what_to_do(rule: Rule) -> None:
    assert len(rule.triage.investigate) >= 2 or rule.main["level"] == "low"
    assert all(step.endswith((".", "?")) for step in rule.triage.investigate + rule.triage.respond)
    assert rule.triage.respond
    assert rule.triage.logs
    assert set(rule.triage.logs) <= set(LOGS)
    assert set(rule.triage.quiet_by) <= known_names()
    assert len(rule.triage.quiet_by) <= 3, "Kibana takes no more"
    assert rule.triage.quiet % 3600 == 0
    if rule.group and rule.triage.quiet_by:
        assert set(rule.triage.quiet_by) == set(rule.group)


def test_every_entry_of_triage_has_its_rule() -> None:
    assert sorted(entries()) == STEMS


def test_identifiers_are_unique() -> None:
    identifiers = [part["id"] for rule in RULES for part in (rule.main, *rule.parts.values())]
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize("stem", STEMS)
def test_events_are_valid(stem: str) -> None:
    documents, schema = sigma_events.stored(stem), jsonschema.Draft202012Validator(event_schema())
    for document in documents:
        schema.validate(document)
    identifiers = [document["event"]["id"] for document in documents]
    assert len(set(identifiers)) == len(identifiers)
    cases = {document["labels"]["case"] for document in documents}
    given = yaml.safe_load((SIGMA / "tests" / f"{stem}.yaml").read_text(encoding="utf-8"))
    assert given["positive"]
    assert given["negative"]
    assert cases == {case["case"] for case in given["positive"] + given["negative"]}


def test_queries_are_fresh() -> None:
    """Those generated files that need pySigma; tests/test_deploy_files.py has the others."""
    assert stale(GENERATORS["sigma rules"]) == [], "run make deploy-files"


@pytest.mark.parametrize("rule", RULES, ids=STEMS)
def test_every_field_is_in_the_schema(rule: Rule) -> None:
    written = next(SIGMA / folder / f"{rule.stem}.yml" for folder in FOLDERS if (SIGMA / folder / f"{rule.stem}.yml").exists())
    named = {written.name: named_fields.in_sigma(written.read_text(encoding="utf-8"))}
    assert rule.fields == named[written.name] | {"@timestamp"}
    for path in SIGMA.glob(f"*/{rule.stem}.*"):
        if path.parent.name in ("eql", "esql", "splunk", "lucene"):
            text = path.read_text(encoding="utf-8")
            named[path.name] = named_fields.in_search(text) if path.suffix == ".json" else named_fields.in_query(text)
    assert len(named) >= 4
    assert all(named.values())
    unknown = {f"{file}: {field}" for file, fields in named.items() for field in fields - known_names()}
    assert not unknown


def test_a_field_that_is_no_more_is_noticed() -> None:
    query = 'sequence by user.nmae [any where ?azure_mfa.exchange.idd == null and event.code == "a.b"]'
    assert named_fields.in_query(query) - known_names() == {"user.nmae", "azure_mfa.exchange.idd"}
    assert named_fields.in_query("_exists_:sauce.ip AND event.codes:1") - known_names() == {"sauce.ip", "event.codes"}
    text = (SIGMA / "lucene" / "mfa_fatigue.json").read_text(encoding="utf-8").replace("user.name", "user.nmae")
    assert named_fields.in_search(text) - known_names() == {"user.nmae"}
    text = (SIGMA / "lucene" / "mfa_contact_changed_before_success.json").read_text(encoding="utf-8")
    assert named_fields.in_search(text.replace("'user.target.name'", "'user.trg.name'")) - known_names() == {"user.trg.name"}


@pytest.mark.parametrize("stem", [stem for stem in STEMS if stem not in NO_EQL])
def test_eql_hits_exactly_the_positive_events(stem: str) -> None:
    documents = sigma_events.stored(stem)
    hits = sigma_run.run_eql((SIGMA / "eql" / f"{stem}.eql").read_text(encoding="utf-8"), documents)
    assert [hit for hit in hits if len({event["labels"]["case"] for event in hit}) > 1] == []
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
    for path, content in sigma.files().items():
        for placeholder in (b"{mfa_", b"{index}", b"{events}"):
            assert placeholder not in content, path
