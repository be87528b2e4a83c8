"""The pipeline for raw lines on a real OpenSearch: line by line it says what the shipper says of that line alone."""

import ipaddress
import json
import re
from pathlib import Path
from typing import Any

from deploy.generate.elastic.ingest import KEPT, LINE, MESSAGES, TARGETS, fields_of, script
from deploy.generate.elastic.templates import PIPELINE
from deploy.generate.schema import fields
from tests.support import corpus
from tests.support.deploy.loaded import leaves
from tests.support.opensearch import OpenSearch
from tests.support.tools import ROOT

Event = dict[str, Any]
THREAD = re.compile(r"^([^| {]*\|[^|]*\|[0-9]+\|)[0-9]{1,18}(\|)")  # of a line that stands in no other one
DECODED = {"mfa-request", "mfa-verdict", "mfa-status", "mfa-result", "log"}
ONLY_THE_SHIPPER = {  # fields that need other lines, the file, or the shipper's own typing
    "event.id", "log.offset", "log.file.path", "azure_mfa.exchange.id", "azure_mfa.request.arguments", "tags",
}  # fmt: skip
PAGE = 400


def golden_lines() -> list[str]:
    """Every line of the golden logs that are UTF-8 text."""
    found: list[str] = []
    for path in sorted((ROOT / "tests" / "golden").glob("*/*.log*")):
        content = path.read_bytes()
        if path.suffix != ".gz" and not content.startswith((b"\xff\xfe", b"\xfe\xff")) and b"\0" not in content:
            text = content.decode("utf-8-sig", errors="replace")
            found += [line.rstrip("\r") for line in text.split("\n") if 0 < len(line) < 10_000]
    return found


def alone(lines: list[str]) -> list[str]:
    """The same lines, each on a thread of its own: nothing belongs to anything."""
    return [THREAD.sub(rf"\g<1>{number}\g<2>", line) for number, line in enumerate(lines, 1)]


def shipped(lines: list[str], folder: Path) -> list[Event]:
    """What the shipper makes of them."""
    folder.mkdir()
    (folder / "lines.log").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="")
    events = [json.loads(line) for line in corpus.parse(folder).splitlines()]
    return [event for event in events if event["event"]["kind"] != "alert"]


def ingested(node: OpenSearch, lines: list[str]) -> list[Event]:
    """What the pipeline makes of them."""
    found: list[Event] = []
    for start in range(0, len(lines), PAGE):
        documents = [{"_source": {"message": line, "@timestamp": "2001-01-01T00:00:00Z"}} for line in lines[start : start + PAGE]]
        answer = node.ask("POST", f"/_ingest/pipeline/{PIPELINE}/_simulate", {"docs": documents})
        found += [answered["doc"]["_source"] for answered in answer["docs"]]
    return found


def comparable(event: Event) -> Event:
    """Without what one line cannot say; addresses in one spelling."""
    found = {name: value for name, value in leaves(event).items() if name not in ONLY_THE_SHIPPER}
    if event["event"]["kind"] == "pipeline_error":
        found.pop("error.message"), found.pop("@timestamp")
    for name in ("source.ip", "related.ip"):
        if name in found:
            address = found[name][0] if isinstance(found[name], list) else found[name]
            found[name] = str(ipaddress.ip_address(address))
    found["conflict"] = "mfa_outcome_conflict" in event.get("tags", [])
    return found


def compare(lines: list[str], node: OpenSearch, folder: Path) -> dict[str, int]:
    """Hold both against each other; returns how many lines of each action were the same."""
    lines = alone(lines)
    ours, theirs = shipped(lines, folder / "lines"), ingested(node, lines)
    assert len(ours) == len(theirs) == len(lines)
    same: dict[str, int] = {}
    for line, wanted, found in zip(lines, ours, theirs, strict=True):
        action = wanted["event"].get("action", "unparsed")
        if not THREAD.match(line) and action != "unparsed":
            assert found["event"]["kind"] == "pipeline_error", line  # syslog, NPS: not among the pipeline's patterns
        elif action not in {*DECODED, "unparsed"} or (action == "mfa-result" and "callStatus = " in line):
            assert found["event"].get("action") == "log", (line, found)  # administration, first factors, second steps
        else:
            assert comparable(found) == comparable(wanted), line
            same[action] = same.get(action, 0) + 1
    return same


def test_golden_lines_mean_what_the_shipper_says(node: OpenSearch, tmp_path: Path) -> None:
    same = compare(golden_lines(), node, tmp_path)
    assert all(same[action] >= 10 for action in (*DECODED, "unparsed")), same
    assert sum(same.values()) > 600


def test_lines_of_the_week_mean_what_the_shipper_says(node: OpenSearch, tmp_path: Path) -> None:
    names = corpus.write(tmp_path)
    lines = [line for name in names for line in (tmp_path / name).read_text(encoding="utf-8").split("\n")[::7] if line]
    same = compare(lines, node, tmp_path)
    assert sum(same.values()) > 1500, same


def test_a_line_that_breaks_the_script_is_kept(node: OpenSearch) -> None:
    """An event without a text at all: the reason stands in it."""
    answer = node.ask("POST", f"/_ingest/pipeline/{PIPELINE}/_simulate", {"docs": [{"_source": {"other": 1}}]})
    found = answer["docs"][0]["doc"]["_source"]
    assert found["event"]["kind"] == "pipeline_error"
    assert found["error"]["message"]
    assert found["@timestamp"].startswith("20")


def test_fields_are_in_the_schema() -> None:
    known = {field.name for field in fields()} | {"user"}  # a principal, which the script takes apart
    captured = fields_of((LINE, *MESSAGES))
    assert captured <= known
    assert captured <= set(TARGETS) | KEPT
    assert set(TARGETS) <= captured, "a target that no pattern captures"
    for parent, name in re.findall(r"\b(?:ctx\.)?(event|user|related|log)\.([a-z]+) =", script()):
        assert f"{parent}.{name}" in known
    for name in re.findall(r"\bown\.([a-z_]+) =", script()):
        assert any(field.startswith(f"azure_mfa.{name}") for field in known), name
