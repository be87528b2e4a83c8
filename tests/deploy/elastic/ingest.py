"""The ingest pipeline for raw lines: grok patterns out of `patterns/`, the code table as parameters of a script.

A pipeline sees one line at a time. So it decodes, and ties nothing together: no user on verdicts and statuses, no
duration, no double prompts. That is what the shipper is for.
"""

import csv
import re
from typing import Any

from shipper.decode.status_codes import SEVERITIES
from tests.deploy.tools import ROOT

LINE = "LINE_MFA"
MESSAGES = (
    "MESSAGE_PFRAD_REQUEST", "MESSAGE_PFRAD_VERDICT", "MESSAGE_PFRAD_STATUS", "MESSAGE_PFSVC_RESULT", "MESSAGE_PFADSSVC_ERROR",
)  # fmt: skip
BUILT_IN = {"GREEDYDATA"}  # of grok itself
REFERENCE = re.compile(r"%\{(\w+)(?::([\w.@]+))?(?::(\w+))?\}")
KEPT = {"source.ip", "source.port", "error.message"}  # captured where they belong; all else goes through the script
NOT_OURS = [
    "input",
    "agent.ephemeral_id",
    "elastic_agent",
    "event.created",
    "event.timezone",
    "cloud",
    "container",
    "fileset",
    "service",
]
SCRIPT = """
def event = ctx.event;
def found = ctx.remove('_mfa');
event.module = 'azure_mfa';
ctx.ecs = ['version': params.ecs];
boolean good = found != null && found.stamp != null && !found.stamp.startsWith('0000');
if (good) {
  try { ZonedDateTime.parse(found.stamp); } catch (Exception e) { good = false; }
}
if (!good) {
  event.kind = 'pipeline_error';
  event.dataset = 'azure_mfa.unparsed';
  ctx.error = ['message': 'no line of MFA Server: TIMESTAMP|LEVEL|PID|TID|COMPONENT|MESSAGE was expected'];
  if (ctx.tags == null) { ctx.tags = []; }
  ctx.tags.add('_grokparsefailure');
  ctx.remove('message');
  ctx.remove('source');
  return;
}
ctx['@timestamp'] = found.stamp;
ctx.message = found.message == null ? '' : found.message;
event.kind = 'event';
event.provider = found.component;
event.dataset = 'azure_mfa.' + params.datasets.getOrDefault(found.component, found.component.toLowerCase());
ctx.process = ['pid': found.pid, 'thread': ['id': found.tid]];
if (ctx.log == null) { ctx.log = [:]; }
ctx.log.level = params.levels.getOrDefault(found.level, found.level);
def own = [:];
if (found.guid != null) { own.request = ['id': found.guid]; }
String action = 'log';
String kind = null;
def row = null;
if (found.auth_result != null) {
  action = 'mfa-verdict'; kind = 'info';
  own.auth_result = found.auth_result;
  event.outcome = found.auth_result == 1 ? 'success' : found.auth_result == 0 ? 'failure' : 'unknown';
} else if (found.code != null) {
  action = 'mfa-status'; kind = 'end';
  row = params.codes.get(found.code.toString());
  if (row == null) {
    row = ['code': found.code, 'description': 'Unknown status ' + found.code, 'class': 'unknown', 'severity': 'medium', 'outcome': 'unknown'];
  }
  event.outcome = row.outcome;
} else if (found.constant != null) {
  action = 'mfa-result'; kind = 'info';
  String number = params.constants.get(found.constant);
  if (number == null) { number = params.descriptions.get(found.description.toLowerCase()); }
  row = number == null ? null : new HashMap(params.codes.get(number));
  if (row == null) {
    String words = found.description.isEmpty() ? 'Unknown status ' + found.constant : found.description;
    row = ['description': words, 'class': 'unknown', 'severity': 'medium', 'outcome': 'unknown'];
  }
  if (row.constant == null) { row.constant = found.constant; }
  event.outcome = found.word == 'succeeded' ? 'success' : 'failure';
  if (row.outcome != 'unknown' && row.outcome != event.outcome) {
    if (ctx.tags == null) { ctx.tags = []; }
    ctx.tags.add('mfa_outcome_conflict');
  }
} else if (found.request != null) {
  action = 'mfa-request'; kind = 'start';
  event.outcome = 'unknown';
}
event.action = action;
if (kind != null) {
  event.category = ['authentication'];
  event.type = [kind];
}
if (row != null) {
  def status = new HashMap(row);
  status.remove('outcome');
  own.status = status;
  if (row.code != null) { event.code = row.code.toString(); }
  event.reason = row.description;
  event.severity = params.severities.get(row.severity);
}
if (!own.isEmpty()) { ctx.azure_mfa = own; }
String name = found.name;
String domain = null;
String email = null;
if (found.principal != null) {
  String text = found.principal;
  int slash = text.indexOf('\\\\');
  int at = text.lastIndexOf('@');
  if (slash >= 0) {
    domain = text.substring(0, slash);
    name = text.substring(slash + 1);
  } else if (at >= 0) {
    name = text.substring(0, at);
    domain = text.substring(at + 1);
    if (!name.isEmpty() && !domain.isEmpty()) { email = text; }
  } else {
    name = text;
  }
}
if (name != null && !name.isEmpty()) {
  ctx.user = ['name': name];
  ctx.related = ['user': [name]];
  if (domain != null && !domain.isEmpty()) { ctx.user.domain = domain; }
  if (email != null) {
    ctx.user.email = email;
    ctx.related.user.add(email);
  }
}
if (ctx.source != null && ctx.source.ip != null) {
  if (ctx.related == null) { ctx.related = [:]; }
  ctx.related.ip = [ctx.source.ip];
}
"""
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
    found = {}
    for path in sorted((ROOT / "patterns").glob("*.grok")):
        for line in path.read_text(encoding="utf-8").splitlines():
            name, space, expression = line.partition(" ")
            if space and not line.startswith("#"):
                found[name] = expression
    return found


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
    """For Elasticsearch's grok: our types are the script's business. In Oniguruma as it is set up there a dot takes line ends
    in (?m:...), Python's (?s:...), and \\w is ASCII."""

    def reference(match: re.Match[str]) -> str:
        name, field, _ = match.groups()
        if field is None:
            return match[0]
        return f"%{{{name}:{TARGETS[field] if field in TARGETS else kept(field)}}}"

    return REFERENCE.sub(reference, expression).replace("(?s:", "(?m:").replace(r"\w", r"[\p{L}\p{N}_]")


def kept(field: str) -> str:
    """A field that stands where it is captured."""
    if field not in KEPT:
        raise ValueError(f"the ingest pipeline does not know what to do with {field}")
    return field


def grok(field: str, names: tuple[str, ...]) -> dict[str, Any]:
    """A grok processor that needs the whole text to match one of the patterns; no match is no failure."""
    known = definitions()
    parts = {name: translated(known[name]) for name in needed(names)}
    patterns = [rf"\A%{{{name}}}\z" for name in names]
    return {"field": field, "patterns": patterns, "pattern_definitions": parts, "ignore_missing": True, "ignore_failure": True}


def tables() -> dict[str, Any]:
    """What the script looks things up in."""
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


def pipeline() -> dict[str, Any]:
    """The body of `PUT _ingest/pipeline/azure_mfa-raw`."""
    return {
        "description": "Raw lines of Azure MFA Server logs, one at a time; mfa-shipper does more",
        "processors": [
            {"rename": {"field": "message", "target_field": "event.original", "ignore_missing": True, "if": "ctx.event?.original == null"}},
            {"remove": {"field": "message", "ignore_missing": True, "if": "ctx.event?.original != null"}},
            {"set": {"field": "@timestamp", "value": "{{_ingest.timestamp}}", "override": False}},
            {"remove": {"field": NOT_OURS, "ignore_missing": True}},
            {"grok": grok("event.original", (LINE,))},
            {"grok": grok("_mfa.message", MESSAGES)},
            {"convert": {
                "field": "source.ip", "type": "ip", "ignore_missing": True,
                "on_failure": [{"remove": {"field": "source"}}],
            }},
            {"script": {"lang": "painless", "source": SCRIPT.strip(), "params": tables()}},
        ],
        "on_failure": [
            {"set": {"field": "event.kind", "value": "pipeline_error"}},
            {"set": {"field": "event.module", "value": "azure_mfa"}},
            {"set": {"field": "event.dataset", "value": "azure_mfa.unparsed"}},
            {"set": {"field": "error.message", "value": "{{_ingest.on_failure_processor_type}}: {{_ingest.on_failure_message}}"}},
            {"remove": {"field": "_mfa", "ignore_missing": True}},
        ],
    }  # fmt: skip
