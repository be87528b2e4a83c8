"""The queries of the Sigma rules in four languages.

Conditions come from pySigma's backends. Correlations do not: the backends cut time into fixed buckets (which misses a burst
over the edge of two), lose users without a domain, write a sequence that is not EQL, or drop the timespan, all without a word.
Correlations that fit none of the forms below are written by hand in `deploy/sigma/by_hand`, where `{name}` stands for the
condition of that part.
"""

import json
from typing import Any

from deploy.generate.sigma.rules import SIGMA, Rule

INDEX = "logs-azure_mfa.*-*"
EVENTS = '`mfa_index` sourcetype="azure:mfa:ecs"'
EXTENSIONS = {"eql": "eql", "esql": "esql", "splunk": "spl", "lucene": "json"}
WHO = {  # in lower case, as the shipper compares users; `stats by` would drop a user without a domain
    "user.name": ("who", "lower('user.name')"),
    "user.domain": ("who_domain", "lower(coalesce('user.domain', \"-\"))"),
    "host.name": ("server", "coalesce('host.name', host)"),
}
SHOWN = "_time, user.name, user.domain, event.action, event.code, event.reason, event.outcome, source.ip, host.name, event.id"
MORE = {  # further columns, by rule
    "mfa_double_prompt": "azure_mfa.double_prompt.pattern, azure_mfa.double_prompt.gap_ms, azure_mfa.double_prompt.cache_seconds",
    "mfa_fatigue_found": "azure_mfa.mfa_fatigue.count, azure_mfa.mfa_fatigue.denied, azure_mfa.mfa_fatigue.no_response",
    "mfa_fatigue_gave_in": "azure_mfa.mfa_fatigue.count, azure_mfa.mfa_fatigue.denied, azure_mfa.mfa_fatigue.no_response",
    "mfa_nps_extension_error": "error.code, error.message",
}


def by_hand(rule: Rule, language: str) -> str | None:
    """The query written by hand, with the conditions filled in; None where there is none."""
    path = SIGMA / "by_hand" / f"{rule.stem}.{EXTENSIONS[language]}"
    if not path.exists():
        return None
    text = path.read_text(encoding="utf-8")
    for part in rule.events:
        condition = rule.condition(language, part)
        text = text.replace("{" + part + "}", json.dumps(condition)[1:-1] if language == "lucene" else condition)
    return text.replace("{index}", INDEX).replace("{events}", EVENTS).strip() + "\n"


def eql(rule: Rule) -> str | None:
    """An EQL query; None where EQL cannot say it: values that differ, events that do not come."""
    if rule.kind == "single":
        return f"any where {rule.condition('eql', '')}\n"
    if rule.kind == "temporal_ordered":
        keys = ", ".join(_key(field) for field in rule.group)
        steps = "\n".join(_step(rule, name) for name in rule.correlation["rules"])
        return f"sequence{f' by {keys}' if keys else ''} with maxspan={rule.timespan}\n{steps}\n"
    if rule.kind == "event_count" and rule.at_least:
        keys = ", ".join(_key(field) for field in rule.group)
        condition = rule.condition("eql", rule.events[0])
        return f"sequence by {keys} with maxspan={rule.timespan}\n  [any where {condition}] with runs={rule.at_least}\n"
    return None


def _key(field: str) -> str:
    return f"?{field}" if field.endswith(".domain") else field  # not every user has one


def _step(rule: Rule, name: str) -> str:
    """One step of a sequence; a step that is itself a count repeats that often."""
    part, runs = rule.parts[name], ""
    if "correlation" in part:
        runs = f" with runs={part['correlation']['condition']['gte']}"
        name = part["correlation"]["rules"][0]
    aliases = rule.correlation.get("aliases", {})
    keys = ", ".join(_key(fields[name]) for fields in aliases.values())
    return f"  [any where {rule.condition('eql', name)}]{f' by {keys}' if keys else ''}{runs}"


def esql(rule: Rule) -> str:
    """An ES|QL query. It counts in the whole time range that it runs over, so that no bucket cuts a burst in two."""
    if rule.kind == "single":
        return f"from {INDEX} metadata _id, _index, _version\n| where {rule.condition('esql', '')}\n"
    written = by_hand(rule, "esql")
    if written is not None:
        return written
    field = rule.correlation["condition"].get("field")
    counted = f"count_distinct({field})" if field else "count(*)"
    return (
        f"// time range: the last {rule.timespan}\nfrom {INDEX}\n| where {rule.condition('esql', rule.events[0])}\n"
        f"| stats counted = {counted}, first_seen = min(@timestamp), last_seen = max(@timestamp) by {', '.join(rule.group)}\n"
        f"| where counted >= {rule.at_least}\n"
    )


def splunk(rule: Rule) -> str:
    """A Splunk search. A count's window slides with the events."""
    if rule.kind == "single":
        table = ", ".join(filter(None, (SHOWN, MORE.get(rule.stem))))
        return f"{EVENTS} {rule.condition('splunk', '')}\n| table {table}\n"
    written = by_hand(rule, "splunk")
    if written is not None:
        return written
    field = rule.correlation["condition"].get("field")
    keys = ", ".join(WHO[name][0] for name in rule.group)
    counted = f"dc({field})" if field else "count"
    return (
        f"{EVENTS} {rule.condition('splunk', rule.events[0])}\n"
        f"| eval {', '.join(f'{WHO[name][0]}={WHO[name][1]}' for name in rule.group)}\n"
        f"| sort 0 _time\n"
        f"| streamstats time_window={rule.timespan} {counted} as counted by {keys}\n"
        f"| where counted >= {rule.at_least}\n"
        f"| stats max(counted) as counted, min(_time) as first_seen, max(_time) as last_seen by {keys}\n"
    )


def lucene(rule: Rule) -> str:
    """A query string that selects the events of the rule; `search` below counts them."""
    parts = [rule.condition("lucene", part) for part in rule.events]
    return (parts[0] if len(parts) == 1 else " OR ".join(f"({part})" for part in parts)) + "\n"


def search(rule: Rule) -> str | None:
    """The body of a search whose buckets are the hits of a correlation, for OpenSearch's bucket-level monitors."""
    if rule.kind == "single":
        return None
    written = by_hand(rule, "lucene")
    if written is not None:
        return json.dumps(json.loads(written), indent=2) + "\n"
    field = rule.correlation["condition"].get("field")
    select = {"buckets_path": {"n": "counted" if field else "_count"}, "script": f"params.n >= {rule.at_least}"}
    inner: dict[str, Any] = {"counted": {"cardinality": {"field": field}}} if field else {}
    inner["enough"] = {"bucket_selector": select}
    window = {"range": {"@timestamp": {"gt": f"now-{rule.timespan}", "lte": "now"}}}
    body = {
        "size": 0,
        "query": {"bool": {"filter": [{"query_string": {"query": lucene(rule).strip()}}, window]}},
        "aggs": {"hits": _buckets(rule.group) | {"aggs": inner}},
    }
    return json.dumps(body, indent=2) + "\n"


def _buckets(fields: list[str]) -> dict[str, Any]:
    if len(fields) == 1:
        return {"terms": {"field": fields[0], "size": 1000}}
    terms = [{"field": name} | ({"missing": "-"} if name.endswith(".domain") else {}) for name in fields]
    return {"multi_terms": {"terms": terms, "size": 1000}}
