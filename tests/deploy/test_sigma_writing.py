"""The examples of WRITING_RULES.md: each is parsed, names fields that exist, and the EQL finds what the text says."""

import re
from pathlib import Path

import pytest
import yaml

from deploy.generate.schema import known_names
from deploy.generate.sigma.events import Document, codes
from deploy.generate.sigma.rules import SIGMA, rules
from tests.deploy import named_fields, spl
from tests.support.deploy import sigma_run
from tests.support.deploy.sigma_offline import sigma_check
from tests.support.deploy.splunk_app import ECS, expand, fields
from tests.support.tools import DEPLOY, ROOT, run, tool

TEXT = (SIGMA / "WRITING_RULES.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


def event(
    second: int, action: str, outcome: str, code: int | None = None, user: str = "anna", domain: str | None = "CONTOSO"
) -> Document:
    document: Document = {"@timestamp": f"2026-03-02T10:{second // 60:02d}:{second % 60:02d}.000000Z", "user": {"name": user}}
    document["event"] = {"action": action, "outcome": outcome, "category": ["authentication"], "id": f"{second}"}
    if domain:
        document["user"]["domain"] = domain
    if code is not None:
        document["azure_mfa"] = {"status": {"code": code, "class": codes()[code]["class"], "method": codes()[code]["method"]}}
    return document


def hits(query: str, documents: list[Document]) -> list[list[str]]:
    return [[event["event"]["id"] for event in hit] for hit in sigma_run.run_eql(query, documents)]


def test_each_language_has_its_examples() -> None:
    assert {name: len(blocks(name)) for name in ("yaml", "eql", "esql", "spl")} == {"yaml": 3, "eql": 3, "esql": 4, "spl": 4}
    assert {name for name, _ in BLOCKS} == {"yaml", "eql", "esql", "spl"}


@pytest.mark.parametrize("query", [text for name, text in BLOCKS if name != "yaml"])
def test_queries_name_fields_that_exist(query: str) -> None:
    named = named_fields.in_query(query)
    assert named
    assert named <= known_names()


def test_the_text_names_fields_that_exist() -> None:
    named = set(re.findall(r"`((?:event|user|azure_mfa|source)\.[a-z_.]+)[`:]", TEXT))
    assert len(named) > 8
    assert named <= known_names()


@pytest.mark.parametrize("query", blocks("esql"))
def test_esql_is_esql(query: str) -> None:
    sigma_run.parse_esql(query)


@pytest.mark.parametrize("query", blocks("spl"))
def test_spl_names_fields_that_are_there(query: str) -> None:
    assert spl.check(expand(query), fields(ECS))


def test_sigma_examples_are_sound(tmp_path: Path) -> None:
    for number, text in enumerate(blocks("yaml")):
        (tmp_path / f"mfa_example_number_{number}.yml").write_text(text, encoding="utf-8")
        assert named_fields.in_sigma(text)
        assert named_fields.in_sigma(text) <= known_names()
    status, said = sigma_check(tmp_path)
    assert "Found 0 errors, 0 condition errors and 0 issues." in said
    assert status == 0
    assert sum(len(list(yaml.safe_load_all(text))) for text in blocks("yaml")) == 6


def test_one_event() -> None:
    documents = [
        event(0, "mfa-status", "failure", 132),
        event(1, "mfa-result", "failure", 14),
        event(2, "mfa-status", "failure", 129),
    ]
    assert hits(blocks("eql")[0], [*documents, event(3, "mfa-verdict", "failure")]) == [["0"], ["1"]]


def test_a_count() -> None:
    wrong = [event(second, "mfa-status", "failure", 122, domain=None) for second in (0, 100, 299)]
    assert hits(blocks("eql")[1], wrong) == [["0", "100", "299"]]
    assert hits(blocks("eql")[1], [*wrong[:2], event(301, "mfa-status", "failure", 122, domain=None)]) == []
    assert hits(blocks("eql")[1], [*wrong[:2], event(299, "mfa-status", "failure", 138, domain=None)]) == []


def test_a_sequence() -> None:
    right, refused = event(0, "primary-auth-result", "success"), event(60, "mfa-status", "failure", 129)
    assert hits(blocks("eql")[2], [right, refused]) == [["0", "60"]]
    assert hits(blocks("eql")[2], [right, event(121, "mfa-status", "failure", 129)]) == []
    assert hits(blocks("eql")[2], [right, event(60, "mfa-status", "failure", 129, user="bob")]) == []
    assert hits(blocks("eql")[2], [right, event(60, "mfa-status", "success", 21)]) == []
    assert hits(blocks("eql")[2], [event(0, "primary-auth-result", "failure"), refused]) == []


def test_the_readme_lists_each_rule_with_its_level() -> None:
    rows = re.findall(r"^\| `(mfa_\w+)` \| (\w+) \|", (SIGMA / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == [(rule.stem, rule.main["level"]) for rule in rules()]
    assert len(rows) == 25, "the text says twenty-five, here and in deploy/elastic/rules; deploy/README.md says 25"
    assert (SIGMA / "eql").is_dir()
    assert len(list((SIGMA / "eql").glob("*.eql"))) == 20, "the text says twenty"


COMMANDS = re.findall(r"^sigma convert (.+)$", (SIGMA / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
COMMANDS += re.findall(r"`sigma convert (.+?)`", (DEPLOY / "README.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("arguments", COMMANDS)
def test_sigma_converts_as_the_readme_says(arguments: str, tmp_path: Path) -> None:
    out = tmp_path / "queries"
    done = run(tool("sigma", "make deploy-check installs it"), "convert", "-o", out, *arguments.split(), cwd=ROOT)
    assert done.returncode == 0, done.stderr
    queries = [line for line in out.read_text(encoding="utf-8").splitlines() if "event.action" in line]
    single = [rule for rule in rules() if rule.kind == "single"]
    assert len(queries) == len(single) == 8, "the text says eight rules, eight queries"


def test_the_commands_name_each_backend_once() -> None:
    named = [re.search(r"-t (\w+)", arguments) for arguments in COMMANDS]
    assert {match[1] for match in named if match} == {
        *("splunk", "splunk_spl2", "eql", "esql", "lucene", "elastalert", "opensearch_lucene"),
    }
