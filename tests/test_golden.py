"""Every golden case gives its expected bytes and counts, and every event in them is a valid ECS document."""

import csv
import ipaddress
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from shipper.detect import DETECTORS, rules_for
from shipper.emit.formats import FORMATS
from shipper.model import Chunk, Counts, LogFile
from shipper.pipeline import Pipeline, Settings, read_input, run_source
from shipper.read.files import LINE_LIMIT, READ_SIZE
from shipper.read.inputs import open_inputs
from tests.support import oracle
from tests.support.findings import findings
from tests.support.golden_cases import Case, cases, documents, sums
from tests.support.logs import library
from tests.support.ocsf import faults
from tests.support.oracle import SECOND

HERE = Path(__file__).parent
OF_AN_AUTHENTICATION = ("mfa-request", "mfa-verdict", "mfa-status", "mfa-result")
CASES = [pytest.param(case, id=case.name) for case in cases()]
OF_OCSF = [pytest.param(case, id=case.name) for case in cases() if "ocsf" in case.options]
OF_ECS = [pytest.param(case, id=case.name) for case in cases() if "ocsf" not in case.options]
OF_DOUBLE_PROMPT = [pytest.param(case, id=case.name) for case in cases() if case.name.startswith("dp-")]
OF_FATIGUE = [pytest.param(case, id=case.name) for case in cases() if case.name.startswith("mf-")]

VALIDATOR = jsonschema.Draft202012Validator(
    json.loads((HERE.parent / "schemas" / "event.schema.json").read_text(encoding="utf-8"))
)

with (HERE.parent / "deploy" / "generate" / "ecs_fields.csv").open(encoding="utf-8", newline="") as _file:
    FIELDS = {row["field"]: row for row in csv.DictReader(_file)}
OWN = ("azure_mfa.", "labels.", "log.offset")  # log.offset is Filebeat's name
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z")
ALLOWED = {
    "event.kind": {"alert", "event", "pipeline_error"},
    "event.category": {"authentication", "iam"},
    "event.type": {"start", "end", "info", "user", "change", "creation", "deletion"},
    "event.outcome": {"success", "failure", "unknown"},
}
SNAPSHOTS = 75  # of a longer log not after every line
TOTALS = [total.name for detector in DETECTORS.values() for total in (detector.found, *detector.totals)]
EXPECTED_TYPES = {"authentication": {"start", "end", "info"}, "iam": {"user", "change", "creation", "deletion"}}  # by ECS


@pytest.mark.parametrize("case", CASES)
def test_output_and_counts_are_as_expected(case: Case) -> None:
    output, counts = case.parse()
    assert output == case.expected.read_bytes()
    assert sums(counts) == json.loads(case.counts.read_bytes())
    assert counts.lines == counts.events + counts.filtered + counts.merged
    assert len(list(documents(output))) == counts.events + counts.findings - counts.findings_filtered


@pytest.mark.parametrize("name", ["article-curly", "gzip", "format-splunk-hec", "dp-out-of-order", "line-too-long"])
def test_the_command_writes_the_same_to_standard_output(name: str) -> None:
    case = Case(name)
    assert case.standard_output() == case.expected.read_bytes()


NOT_HERE = ("detected", "crowded_out")  # the second takes a log of many megabytes: `tests/unit/test_heavy.py`


@pytest.mark.parametrize("name", [*(name for name in Counts.__slots__ if name not in NOT_HERE), *TOTALS])
def test_every_count_is_more_than_zero_in_some_case(name: str) -> None:
    assert any(name in json.loads(case.counts.read_bytes()) for case in cases())


@pytest.mark.parametrize("case", CASES)
def test_neither_fast_path_nor_read_size_change_a_byte_or_a_count(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case.directory)

    def parsed(*, fast: bool, read_size: int) -> tuple[bytes, Counts]:
        limit = 90 if "--max-line" in case.options else LINE_LIMIT
        how = Settings(library=library(), fast=fast, read_size=read_size, line_limit=limit)
        counts = Counts()
        with open_inputs(case.files, deterministic=True) as (sources, _):
            return b"".join(block.data for source in sources for block, _ in run_source(how, source, None, counts)), counts

    plain = parsed(fast=False, read_size=READ_SIZE)
    for read_size in (1, 2, 61, 1000, READ_SIZE):
        for fast in (False, True):
            assert parsed(fast=fast, read_size=read_size) == plain, (fast, read_size)


@pytest.mark.parametrize("per_exchange", [False, True])
@pytest.mark.parametrize("case", OF_ECS)
def test_a_snapshot_goes_on_where_it_was_taken(case: Case, per_exchange: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case.directory)
    rules = rules_for(DETECTORS, 600 * SECOND, {"double_prompt": {"include_retries": "--include-retries" in case.options}})
    how = Settings(library(), detectors=rules, per_exchange=per_exchange, read_size=1)
    with open_inputs(case.files, deterministic=True) as (sources, _):
        logs = [[(one, list(read_input(how, one, None))) for one in source.inputs] for source in sources]
    for log in logs:
        steps = [(one.file, chunk) for one, chunks in log for chunk in chunks]
        for number in range(0, len(steps) + 1, 1 + len(steps) // SNAPSHOTS):
            first, second = (Pipeline(how, Counts()) for _ in range(2))
            first.open(log[0][0].file)
            _, file = taken(first, log[0][0].file, steps[:number])
            second.open(file)
            second.restore(first.snapshot())
            assert second.snapshot() == first.snapshot()
            assert taken(second, file, steps[number:]) == taken(first, file, steps[number:])
            assert second.snapshot() == first.snapshot()
            assert second.close().data == first.close().data


def taken(pipeline: Pipeline, file: LogFile, steps: list[tuple[LogFile, Chunk]]) -> tuple[bytes, LogFile]:
    """What a pipeline that has `file` open makes of chunks, and the file that it has open then."""
    output = b""
    for one, chunk in steps:
        if one is not file:
            pipeline.open(one)
            file = one
        output += pipeline(chunk).data
    return output, file


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_a_case(form: str) -> None:
    assert form == "ecs" or Case(f"format-{form}").expected.exists()


@pytest.mark.parametrize("case", OF_ECS)
def test_events_are_valid(case: Case) -> None:
    faults = [
        f"{event['event']['id']}: {fault}"
        for event in documents(case.expected.read_bytes())
        for fault in (*(error.message for error in VALIDATOR.iter_errors(event)), *ecs_faults(event))
    ]
    assert faults == []
    for event in documents(case.expected.read_bytes()):
        for category in event["event"].get("category", ()):
            assert set(event["event"]["type"]) <= EXPECTED_TYPES[category], event


@pytest.mark.parametrize("case", OF_OCSF)
def test_events_in_ocsf_are_valid(case: Case) -> None:
    assert [faults(event) for event in documents(case.expected.read_bytes()) if faults(event)] == []


@pytest.mark.parametrize("case", OF_ECS)
def test_ids_are_unique(case: Case) -> None:
    ids = [event["event"]["id"] for event in documents(case.expected.read_bytes())]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("case", OF_ECS)
def test_only_what_completes_an_authentication_says_its_outcome(case: Case) -> None:
    says = [event for event in documents(case.expected.read_bytes()) if event["event"].get("outcome") in ("success", "failure")]
    own = [event for event in says if event["event"]["action"] in OF_AN_AUTHENTICATION]
    assert {event["event"]["action"] for event in own} <= {"mfa-status", "mfa-result"}
    assert all(event["azure_mfa"]["status"]["class"] != "pending" for event in own)
    exchanges = [event["azure_mfa"]["exchange"]["id"] for event in own if "exchange" in event["azure_mfa"]]
    assert len(exchanges) == len(set(exchanges))


@pytest.mark.parametrize("case", OF_DOUBLE_PROMPT)
def test_findings_and_their_counts_are_those_of_the_oracle(case: Case) -> None:
    options = case.options
    window = int(options[options.index("--window") + 1].removesuffix("s")) if "--window" in options else 60
    files = [(case.directory / name).read_bytes() for name in case.files]
    expected = oracle.find(files, window=window * SECOND, timeout=600 * SECOND, retries="--include-retries" in options)
    counts = json.loads(case.counts.read_bytes())
    found = findings(case.expected.read_bytes())
    sums = (counts.get(name, 0) for name in ("late", "cache_hits", "misdated"))
    assert oracle.Found(found, *sums) == expected


@pytest.mark.parametrize("case", OF_FATIGUE)
def test_findings_of_mfa_fatigue_are_those_of_the_oracle(case: Case) -> None:
    files = [(case.directory / name).read_bytes() for name in case.files]
    expected = oracle.find_fatigue(files, window=600 * SECOND, count=5, timeout=600 * SECOND)
    assert findings(case.expected.read_bytes(), "mfa_fatigue") == expected.findings


@pytest.mark.parametrize("name", ["article-ascii", "dp-text-message"])
def test_every_line_is_one_event(name: str) -> None:
    case = Case(name)
    lines = (case.directory / "input.log").read_bytes().splitlines()
    events = [event for event in documents(case.expected.read_bytes()) if event["event"]["kind"] != "alert"]
    assert [event["event"]["original"].encode() for event in events] == lines


def test_both_forms_of_the_article_are_the_same_events() -> None:
    def without_place(name: str) -> list[dict[str, Any]]:
        found = list(documents(Case(name).expected.read_bytes()))
        for event in found:
            del (
                event["event"]["id"],
                event["event"]["original"],
                event["message"],
                event["log"]["offset"],
                event["azure_mfa"]["exchange"],
            )
        return found

    assert without_place("article-ascii") == without_place("article-curly")


def leaves(value: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from leaves(inner, f"{path}{name}.")
        else:
            yield path + name, inner


def ecs_faults(event: dict[str, Any]) -> list[str]:
    """What is wrong with an event by ECS: names, types, arrays, allowed values."""
    return [f"{path}: {fault}" for path, value in leaves(event) if (fault := ecs_fault(path, value))]


def ecs_fault(path: str, value: Any) -> str | None:
    if value is None:
        return "null"
    if path.startswith(OWN):
        return None
    field = FIELDS.get(path)
    if field is None:
        return "not in ECS, or not in deploy/generate/ecs_fields.csv"
    if path == "event.original" and isinstance(value, list):
        value = value[0]  # of an exchange: its lines
    if isinstance(value, list) != bool(field["array"]):
        return "an array is expected" if field["array"] else "no array is expected"
    return next(
        (fault for one in (value if isinstance(value, list) else [value]) if (fault := value_fault(path, field["type"], one))),
        None,
    )


def value_fault(path: str, kind: str, value: Any) -> str | None:
    if kind == "long":
        good = isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    elif kind == "date":
        good = isinstance(value, str) and DATE.fullmatch(value) is not None
    elif kind == "ip":
        good = isinstance(value, str) and bool(ipaddress.ip_address(value))
    else:
        good = isinstance(value, str)
    if not good:
        return f"{kind} expected, not {value!r}"
    return f"{value!r} is not allowed" if value not in ALLOWED.get(path, {value}) else None
