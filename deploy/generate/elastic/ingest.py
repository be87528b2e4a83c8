"""The ingest pipeline for raw lines: grok patterns out of `patterns/`, the code table as parameters of a script.

A pipeline sees one line at a time. So it decodes, and ties nothing together: no user on verdicts and statuses, no
duration, no double prompts. That is what the shipper is for.
"""

import csv
import re
from pathlib import Path
from typing import Any

from deploy.generate.places import ROOT
from shipper.decode.status_codes import SEVERITIES

LINE = "LINE_MFA"
MESSAGES = (
    "MESSAGE_PFRAD_REQUEST", "MESSAGE_PFRAD_VERDICT", "MESSAGE_PFRAD_STATUS", "MESSAGE_PFSVC_RESULT", "MESSAGE_PFADSSVC_ERROR",
)  # fmt: skip
BUILT_IN = {"GREEDYDATA"}  # of grok itself
REFERENCE = re.compile(r"%\{(\w+)(?::([\w.@]+))?(?::(\w+))?\}")
KEPT = {"source.ip", "source.port", "error.message"}  # captured where they belong; all else goes through the script
SCRIPT = Path(__file__).with_name("decode.painless")
TARGETS = {
    "@timestamp": "_mfa.stamp", "log.level": "_mfa.level", "process.pid": "_mfa.pid:long", "process.thread.id": "_mfa.tid:long",
    "event.provider": "_mfa.component", "azure_mfa.request.id": "_mfa.guid", "message": "_mfa.message", "user": "_mfa.principal",
    "user.name": "_mfa.name", "azure_mfa.request.arguments": "_mfa.request", "azure_mfa.auth_result": "_mfa.auth_result:long",
    "azure_mfa.status.code": "_mfa.code:long", "azure_mfa.status.constant": "_mfa.constant",
    "azure_mfa.status.description": "_mfa.description", "event.outcome": "_mfa.word",
    "source.port": "source.port:int",
}  # fmt: skip


def definitions() -> dict[str, str]:
    """The shipper's own patterns by name, as they stand in `patterns/`."""
    expressions = {}
    for path in sorted((ROOT / "patterns").glob("*.grok")):
        for line in path.read_text(encoding="utf-8").splitlines():
            name, space, expression = line.partition(" ")
            if space and not line.startswith("#"):
                expressions[name] = expression
    return expressions


def fields_of(names: tuple[str, ...]) -> set[str]:
    """The event fields that patterns capture."""
    return {field for name in needed(names) for _, field, _ in REFERENCE.findall(definitions()[name]) if field}


def needed(names: tuple[str, ...]) -> list[str]:
    """The patterns and all that they are made of."""
    known, found, waiting = definitions(), [], list(names)
    while waiting:
        name = waiting.pop(0)
        if name not in found and name not in BUILT_IN:
            found.append(name)
            waiting += [inner for inner, _, _ in REFERENCE.findall(known[name])]
    return sorted(found)


def translated(expression: str) -> str:
    """An expression as Elasticsearch's grok takes it.

    Types go: the script converts. In its Oniguruma a dot takes line ends in (?m:...), as in Python's (?s:...), and \\w is
    ASCII only.
    """

    def reference(match: re.Match[str]) -> str:
        name, field, _ = match.groups()
        if field is None:
            return match[0]
        return f"%{{{name}:{TARGETS[field] if field in TARGETS else kept(field)}}}"

    return REFERENCE.sub(reference, expression).replace("(?s:", "(?m:").replace(r"\w", r"[\p{L}\p{N}_]")


def kept(field: str) -> str:
    """The name of a field that stays where it is captured.

    Raises:
        ValueError: The pipeline has no place for the field.
    """
    if field not in KEPT:
        raise ValueError(f"the ingest pipeline does not know what to do with {field}")
    return field


def script() -> str:
    """The script that makes an event of what was captured."""
    return SCRIPT.read_text(encoding="utf-8").strip()


def grok(field: str, names: tuple[str, ...]) -> dict[str, Any]:
    """A grok processor that needs the whole text to match one of the patterns; no match is no failure."""
    known = definitions()
    parts = {name: translated(known[name]) for name in needed(names)}
    patterns = [rf"\A%{{{name}}}\z" for name in names]
    return {"field": field, "patterns": patterns, "pattern_definitions": parts, "ignore_missing": True, "ignore_failure": True}


def tables() -> dict[str, Any]:
    """The parameters of the script: the code table by number, constant and description, and what words stand for."""
    with open(ROOT / "schemas" / "status_codes.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    codes = {
        row["code"]: {
            "code": int(row["code"]),
            "prompted": row["prompted"] == "true",
            **{name: row[name] for name in ("description", "class", "method", "severity", "constant", "outcome") if row[name]},
        }
        for row in rows
    }
    constants: dict[str, str] = {}
    descriptions: dict[str, str] = {}
    for row in rows:
        if row["constant"]:
            constants.setdefault(row["constant"], row["code"])
        descriptions.setdefault(row["description"].lower(), row["code"])
    return {
        "codes": codes, "constants": constants, "descriptions": descriptions, "severities": SEVERITIES, "ecs": "8.17.0",
        "datasets": {"pfrad": "radius", "pfsvc": "server", "pfadssvc": "adsync"}, "levels": {"0": "info", "i": "info", "e": "error"},
    }  # fmt: skip


def failed(reason: str = "{{_ingest.on_failure_processor_type}}: {{_ingest.on_failure_message}}") -> list[dict[str, Any]]:
    """What an event says whose pipeline failed."""
    return [
        {"set": {"field": "event.kind", "value": "pipeline_error"}},
        {"set": {"field": "event.module", "value": "azure_mfa"}},
        {"set": {"field": "event.dataset", "value": "azure_mfa.unparsed"}},
        {"set": {"field": "error.message", "value": reason}},
    ]


def pipeline() -> dict[str, Any]:
    """The body of `PUT _ingest/pipeline/azure_mfa-raw`."""
    return {
        "description": "Raw lines of Azure MFA Server logs, one at a time; mfa-shipper does more",
        "processors": [
            # Fluent Bit calls the line `log`, and others the machine `host`: in ECS both are objects.
            {"rename": {"field": "log", "target_field": "message", "if": "ctx.log instanceof String && ctx.message == null"}},
            {"remove": {"field": "log", "if": "ctx.log instanceof String"}},
            {"rename": {"field": "host", "target_field": "host.name", "if": "ctx.host instanceof String"}},
            {"rename": {"field": "message", "target_field": "event.original", "ignore_missing": True, "if": "ctx.event?.original == null"}},
            {"remove": {"field": "message", "ignore_missing": True, "if": "ctx.event?.original != null"}},
            {"set": {"field": "@timestamp", "value": "{{_ingest.timestamp}}", "override": False}},
            {"gsub": {"field": "event.original", "pattern": "^[\\x{0}\\x{FEFF}]+", "replacement": "", "ignore_missing": True}},
            {"grok": grok("event.original", (LINE,))},
            {"gsub": {"field": "_mfa.message", "pattern": "[ \\t\\r]+$", "replacement": "", "ignore_missing": True}},
            {"grok": grok("_mfa.message", MESSAGES)},
            {"convert": {
                "field": "source.ip", "type": "ip", "ignore_missing": True,
                "on_failure": [{"remove": {"field": "source"}}],
            }},
            {"script": {"lang": "painless", "source": script(), "params": tables()}},
        ],
        "on_failure": [*failed(), {"remove": {"field": "_mfa", "ignore_missing": True}}],
    }  # fmt: skip


def final_pipeline() -> dict[str, Any]:
    """When the store took an event in: rules that go by it see what comes late, after an outage say."""
    return {
        "description": "Sets event.ingested, as Fleet does for its packages",
        "processors": [{"set": {"field": "event.ingested", "value": "{{_ingest.timestamp}}"}}],
    }
