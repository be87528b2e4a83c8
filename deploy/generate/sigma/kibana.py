"""The Sigma rules as Kibana's detection engine imports them: one JSON object a line."""

import json
from functools import cache
from typing import Any

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
LATE = 300  # seconds that an event may come late


def kibana_rule(rule: Rule) -> dict[str, Any]:
    """A rule: in EQL where EQL can say it, else in ES|QL. A rule about single events is a Lucene query."""
    main, query = rule.main, queries.eql(rule)
    kind, language, interval = "eql", "eql", 300
    if rule.kind == "single":
        kind, language, query = "query", "lucene", queries.lucene(rule)
    elif query is None:
        # its window is the time range of a run: the steps are short so that no burst is cut in two
        kind, language, query, interval = "esql", "esql", queries.esql(rule), 60
    severity, score = LEVELS[main["level"]]
    seconds = 86400 if rule.stem == "mfa_log_silent" else rule.seconds
    if kind == "eql":
        seconds += interval + LATE  # the query has its own span; late events are still in range
    elif kind == "query":
        seconds = interval + LATE  # Kibana does not alert twice on one event
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
        document["index"] = [queries.INDEX]
    if kind == "esql":  # runs every minute, and would alert again each time
        period = {"value": max(rule.seconds // 60, 60), "unit": "m"}
        document["alert_suppression"] = {"group_by": rule.group, "duration": period, "missing_fields_strategy": "suppress"}
    return document


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
