"""The rules as Kibana's detection engine imports them: one JSON object a line."""

import json
from functools import cache
from typing import Any

from tests.deploy import sigma_convert
from tests.deploy.sigma_offline import ATTACK
from tests.deploy.sigma_rules import Rule

LEVELS = {
    "informational": ("low", 21),
    "low": ("low", 21),
    "medium": ("medium", 47),
    "high": ("high", 73),
    "critical": ("critical", 99),
}
SITE = "https://attack.mitre.org"
LATE = 300  # seconds that an event may come late


def kibana_rule(rule: Rule) -> dict[str, Any]:
    """One rule: EQL where it has words for it, else ES|QL; a rule about single events is a Lucene query."""
    main, query = rule.main, sigma_convert.eql(rule)
    kind, language, interval = "eql", "eql", 300
    if rule.kind == "single":
        kind, language, query = "query", "lucene", sigma_convert.lucene(rule)
    elif query is None:
        # its window is the time range of the run: short steps, so that no burst lies over the edge of two
        kind, language, query, interval = "esql", "esql", sigma_convert.esql(rule), 60
    severity, score = LEVELS[main["level"]]
    seconds = 86400 if rule.stem == "mfa_log_silent" else rule.seconds
    if kind == "eql":
        seconds += interval + LATE  # a sequence knows its own span; events that come late are in it still
    elif kind == "query":
        seconds = interval + LATE  # Kibana itself drops an event that it has alerted on before
    document = {
        "rule_id": main["id"],
        "name": main["title"],
        "description": main["description"].strip(),
        "author": [main["author"]],
        "license": "Apache-2.0",
        "version": 1,
        "enabled": False,
        "type": kind,
        "language": language,
        "query": query.strip(),
        "interval": f"{interval // 60}m",
        "from": f"now-{seconds // 60}m",
        "to": "now",
        "severity": severity,
        "risk_score": score,
        "max_signals": 100,
        "false_positives": list(main.get("falsepositives", [])),
        "references": list(main.get("references", [])),
        "tags": ["Azure MFA Server", "mfa-shipper", *(["Operations"] if not main.get("tags") else [])],
        "threat": threat(main.get("tags", [])),
    }
    if kind != "esql":
        document["index"] = [sigma_convert.INDEX]
    if kind == "esql":  # runs every minute, and would say the same again each time
        period = {"value": max(rule.seconds // 60, 60), "unit": "m"}
        document["alert_suppression"] = {"group_by": rule.group, "duration": period, "missing_fields_strategy": "suppress"}
    return document


def ndjson(rules: list[Rule]) -> str:
    """The file to import."""
    return "".join(json.dumps(kibana_rule(rule), ensure_ascii=False) + "\n" for rule in rules)


@cache
def attack() -> dict[str, dict[str, Any]]:
    """The ATT&CK objects by what a Sigma tag says: a tactic's short name, a technique's number in lower case."""
    objects = json.loads(ATTACK.read_text(encoding="utf-8"))["objects"]
    named = [one for one in objects if "external_references" in one]
    return {one.get("x_mitre_shortname") or one["external_references"][0]["external_id"].lower(): one for one in named}


def threat(tags: list[str]) -> list[dict[str, Any]]:
    """Tactics with those of the named techniques that serve them."""
    names = [tag.removeprefix("attack.") for tag in tags]
    techniques = [attack()[name] for name in names if "kill_chain_phases" in attack()[name]]
    found = []
    for name in names:
        tactic = attack()[name]
        if "kill_chain_phases" not in tactic:
            serving = [one for one in techniques if name in [phase["phase_name"] for phase in one["kill_chain_phases"]]]
            entry = {"framework": "MITRE ATT&CK", "tactic": _named(tactic, "tactics")}
            found.append(entry | {"technique": [_technique(one) for one in serving]})
    return found


def _technique(one: dict[str, Any]) -> dict[str, Any]:
    number = one["external_references"][0]["external_id"]
    if "." not in number:
        return _named(one, "techniques")
    return _named(attack()[number.split(".")[0].lower()], "techniques") | {"subtechnique": [_named(one, "techniques")]}


def _named(one: dict[str, Any], folder: str) -> dict[str, Any]:
    number = one["external_references"][0]["external_id"]
    return {"id": number, "name": one["name"], "reference": f"{SITE}/{folder}/{number.replace('.', '/')}/"}
