"""The shipper's sequential double prompts against an EQL sequence on the same events, and where the two part.

deploy/sigma/README.md tells each of these differences; here each is shown.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.generate.schema import known_names
from deploy.generate.sigma.rules import SIGMA
from tests.deploy import named_fields
from tests.support.deploy.sigma_run import run_eql
from tests.support.generate import Recipe, generate
from tests.support.tools import ROOT

Document = dict[str, Any]
Pair = tuple[str, str]
FOLDER = SIGMA / "double_prompt"


def query(name: str) -> str:
    return (FOLDER / f"{name}.eql").read_text(encoding="utf-8")


def parse(log: str | Path) -> list[Document]:
    text = log.read_text(encoding="utf-8") if isinstance(log, Path) else log
    command = [sys.executable, "-m", "shipper", "parse", "--deterministic", "--no-original", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT, encoding="utf-8")
    return [json.loads(line) for line in done.stdout.splitlines()]


def findings(documents: list[Document]) -> dict[Pair, str]:
    """The shipper's findings: the ids of both prompts, and the pattern."""
    found = [event["azure_mfa"]["double_prompt"] for event in documents if event["event"].get("action") == "double_prompt"]
    return {(finding["first"]["id"], finding["second"]["id"]): finding["pattern"] for finding in found}


def of_results(documents: list[Document]) -> set[Pair]:
    """What EQL finds in one-line results."""
    return {(first["event"]["id"], second["event"]["id"]) for first, second in run_eql(query("results"), documents)}


def of_exchanges(documents: list[Document]) -> set[Pair]:
    """What EQL finds in exchanges: the second request must turn out to be a prompt, which takes a second query."""
    prompts = {request["event"]["id"] for request, _ in run_eql(query("prompts"), documents)}
    hits = run_eql(query("exchanges"), documents)
    return {
        (success["azure_mfa"]["exchange"]["id"], two["event"]["id"]) for success, two in hits if two["event"]["id"] in prompts
    }


def sequential(documents: list[Document]) -> set[Pair]:
    return {pair for pair, pattern in findings(documents).items() if pattern == "sequential"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_findings_equal_the_sequence_where_no_prompt_fails(seed: int, tmp_path: Path) -> None:
    generate(Recipe(lines=9000, seed=seed, users=3000, results=True), tmp_path / "mfa.log")
    lines = (tmp_path / "mfa.log").read_text(encoding="utf-8").splitlines(keepends=True)
    documents = parse("".join(line for line in lines if "Pfauth failed" not in line))
    found = sequential(documents)
    assert len(found) > 200
    assert of_results(documents) == found


def test_with_failures_a_success_is_used_up(tmp_path: Path) -> None:
    """EQL spends a success on the first prompt after it; the shipper lets it count for the prompt behind a failed one too."""
    generate(Recipe(lines=12_000, seed=7, users=4000, results=True), tmp_path / "mfa.log")
    documents = parse(tmp_path / "mfa.log")
    ours, theirs = sequential(documents), of_results(documents)
    assert len(ours) > 400
    assert theirs < ours
    for first, _ in ours - theirs:
        assert any(pair[0] == first for pair in theirs), "no other prompt had used it up"


def test_of_exchanges_the_nearest_is_the_last_to_start(tmp_path: Path) -> None:
    """Of several successes before it, EQL takes the last to end; the shipper the last to start. What was double is the same."""
    generate(Recipe(lines=12_000, seed=7, users=4000), tmp_path / "mfa.log")
    documents = parse(tmp_path / "mfa.log")
    ours, theirs = sequential(documents), of_exchanges(documents)
    assert len(ours & theirs) > 100
    assert len(ours ^ theirs) < 10
    assert {second for _, second in theirs} == {second for _, second in ours}
    start = {event["event"]["id"]: event["@timestamp"] for event in documents if event["event"].get("action") == "mfa-request"}
    chosen = {second: first for first, second in ours}
    assert ours - theirs, "this log has such a case"
    for first, second in theirs - ours:
        assert start[first] < start[chosen[second]]


def exchange(thread: int, user: str, begin: str, end: str, code: int) -> list[str]:
    head, verdict = f"|0|1412|{thread}|pfrad|", int(code in (19, 21))
    said = (f"Calling pfAuthUser('{user}', '', 1)", f"authResult = {verdict}", f"rawCallStatus = {code}")
    return [f"2026-03-02T10:{at}.000000Z{head}{text}\n" for at, text in zip((begin, end, end), said, strict=True)]


def log(*exchanges: list[str]) -> str:
    return "".join(sorted((line for lines in exchanges for line in lines), key=lambda line: line[:27]))


def test_the_window_is_inclusive_in_both() -> None:
    for later, found in (("01:10", 1), ("01:11", 0)):
        documents = parse(log(exchange(8, "anna", "00:00", "00:10", 21), exchange(12, "anna", later, "01:20", 21)))
        assert len(of_exchanges(documents)) == len(sequential(documents)) == found


def test_concurrent_prompts_are_no_sequence() -> None:
    documents = parse(log(exchange(8, "anna", "00:00", "00:30", 21), exchange(12, "anna", "00:10", "00:25", 21)))
    assert list(findings(documents).values()) == ["concurrent"]
    assert of_exchanges(documents) == set()


def test_the_answer_to_a_text_message_is_no_prompt_of_its_own() -> None:
    sent, other = exchange(8, "anna", "00:00", "00:02", 20), exchange(12, "anna", "00:01", "00:05", 21)
    answered = exchange(16, "anna", "00:20", "00:21", 19)
    documents = parse(log(sent, other, answered))
    assert list(findings(documents).values()) == ["concurrent"]
    assert len(of_exchanges(documents)) == 1, "EQL takes the code for a second prompt after the other one"


def test_a_text_message_that_waits_for_its_code_is_open() -> None:
    documents = parse(log(exchange(8, "anna", "00:00", "00:02", 20), exchange(12, "anna", "00:30", "00:40", 21)))
    answered = parse(
        log(
            *(exchange(8, "anna", "00:00", "00:02", 20), exchange(12, "anna", "00:30", "00:40", 21)),
            exchange(16, "anna", "00:50", "00:51", 19),
        )
    )
    assert findings(documents) == {}
    assert list(findings(answered).values()) == ["concurrent"], "the first was open until its code came"
    assert not {second for _, second in of_exchanges(answered)} & {second for _, second in findings(answered)}


def test_a_user_in_other_letters_is_the_same_user_to_the_shipper() -> None:
    """The engine here joins letters of any case, Elasticsearch only equal ones: so this half is all that can be run."""
    documents = parse(
        log(exchange(8, "CONTOSO\\anna", "00:00", "00:10", 21), exchange(12, "contoso\\Anna", "00:20", "00:30", 21))
    )
    assert list(findings(documents).values()) == ["sequential"]


def test_the_queries_name_fields_that_exist() -> None:
    for path in FOLDER.glob("*.eql"):
        assert named_fields.in_query(path.read_text(encoding="utf-8"))
        assert named_fields.in_query(path.read_text(encoding="utf-8")) <= known_names()
