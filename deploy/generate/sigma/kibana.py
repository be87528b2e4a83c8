"""The Sigma rules as Kibana's detection engine imports them: one JSON object a line."""

import json
from functools import cache
from typing import Any

from deploy.generate.schema import fields
from deploy.generate.sigma import queries
from deploy.generate.sigma.rules import SIGMA, Rule

ATTACK = SIGMA / "attack-min.json"
LEVELS = {
    "informational": ("low", 21),
    "low": ("low", 21),
    "medium": ("medium", 47),
    "high": ("high", 73),
    "critical": ("critical", 99),
}
SITE = "https://attack.mitre.org"
OVERLAP = 300  # seconds that a run looks at again, as it may begin late
INTEGRATION = [{"package": "azure_mfa", "version": "^0.1.0"}]


def kibana_rule(rule: Rule) -> dict[str, Any]:
    """A rule: in EQL where EQL can say it, else in ES|QL. A rule about single events is a Lucene query."""
    main, triage = rule.main, rule.triage
    kind, language, query = _query(rule)
    severity, score = LEVELS[main["level"]]
    every, back = times(rule, kind)
    false_positives = list(main.get("falsepositives", []))
    document = {
        "rule_id": main["id"],
        "name": main["title"],
        "description": main["description"].strip(),
        "author": [main["author"]],
        "license": "Apache-2.0",
        "version": 2,
        "enabled": False,
        "type": kind,
        "language": language,
        "query": query.strip(),
        "interval": f"{every // 60}m",
        "from": f"now-{back // 60}m",
        "to": "now",
        "timestamp_override": "event.ingested",
        "severity": severity,
        "risk_score": score,
        "max_signals": 100,
        "false_positives": false_positives,
        "references": list(main.get("references", [])),
        "tags": ["Azure MFA Server", "mfa-shipper", *(["Operations"] if not main.get("tags") else [])],
        "threat": threat(main.get("tags", [])),
        "note": triage.note(false_positives),
        "setup": triage.setup(),
        "related_integrations": INTEGRATION,
        "required_fields": required_fields(rule),
    }
    if kind != "esql":
        document["index"] = [queries.INDEX]
    if triage.quiet_by:
        document["alert_suppression"] = {
            "group_by": triage.quiet_by,
            "duration": {"value": triage.quiet // 3600, "unit": "h"},
            "missing_fields_strategy": "suppress",
        }
    return document


def _query(rule: Rule) -> tuple[str, str, str]:
    """The type of the rule, its language and its query."""
    if rule.kind == "single":
        return "query", "lucene", queries.lucene(rule)
    query = queries.eql(rule)
    if query is not None:
        return "eql", "eql", query
    query = queries.esql(rule)
    if rule.triage.back is None:  # runs overlap: only what came in since the last one makes an alert
        query += f"| where newest > now() - {(times(rule, 'esql')[0] + OVERLAP) // 60} minutes\n"
    return "esql", "esql", query


def times(rule: Rule, kind: str) -> tuple[int, int]:
    """Seconds between two runs, and how far back a run looks, by the time at which events came in.

    A single event is alerted on once, however late it comes. The events of a sequence or count came in at several times, the
    first of them up to its timespan and `LATE` before the last.
    """
    every = rule.triage.every or (300 if rule.seconds <= 3600 else 900 if rule.seconds <= 14400 else 3600)
    if rule.triage.back is not None:
        return every, rule.triage.back
    return every, every + (OVERLAP if kind == "query" else rule.seconds + queries.LATE)


def required_fields(rule: Rule) -> list[dict[str, Any]]:
    """The fields that the rule asks for, with the types that they have in an index."""
    known = {field.name: field.type for field in fields()}
    names = {*rule.fields, *rule.triage.quiet_by}
    return [{"name": name, "type": known[name], "ecs": not name.startswith("azure_mfa.")} for name in sorted(names)]


def ndjson(rules: list[Rule]) -> str:
    """The file to import."""
    return "".join(json.dumps(kibana_rule(rule), ensure_ascii=False) + "\n" for rule in rules)


@cache
def attack() -> dict[str, dict[str, Any]]:
    """The ATT&CK objects by the name in a Sigma tag: a tactic's short name, a technique's number in lower case."""
    objects = json.loads(ATTACK.read_text(encoding="utf-8"))["objects"]
    named = [item for item in objects if "external_references" in item]
    return {item.get("x_mitre_shortname") or item["external_references"][0]["external_id"].lower(): item for item in named}


def threat(tags: list[str]) -> list[dict[str, Any]]:
    """Each tactic among the tags, with the techniques among them that serve it."""
    names = [tag.removeprefix("attack.") for tag in tags]
    techniques = [attack()[name] for name in names if "kill_chain_phases" in attack()[name]]
    found = []
    for name in names:
        tactic = attack()[name]
        if "kill_chain_phases" not in tactic:
            serving = [item for item in techniques if name in [phase["phase_name"] for phase in item["kill_chain_phases"]]]
            entry = {"framework": "MITRE ATT&CK", "tactic": _named(tactic, "tactics")}
            found.append(entry | {"technique": [_technique(item) for item in serving]})
    return found


def _technique(item: dict[str, Any]) -> dict[str, Any]:
    number = item["external_references"][0]["external_id"]
    if "." not in number:
        return _named(item, "techniques")
    return _named(attack()[number.split(".")[0].lower()], "techniques") | {"subtechnique": [_named(item, "techniques")]}


def _named(item: dict[str, Any], folder: str) -> dict[str, Any]:
    number = item["external_references"][0]["external_id"]
    return {"id": number, "name": item["name"], "reference": f"{SITE}/{folder}/{number.replace('.', '/')}/"}
