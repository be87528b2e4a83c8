"""The queries of the Sigma rules in four languages.

Conditions come from pySigma's backends. Correlations do not: the backends cut time into fixed buckets (which misses a burst
over the edge of two), lose users without a domain, write a sequence that is not EQL, or drop the timespan, all without a word.
Correlations that fit none of the forms below are written by hand in `deploy/sigma/by_hand`, where `{name}` stands for the
condition of that part.

Events come late: what counts is counted by event time, in a range that reaches `LATE` further back than the rule needs.
"""

import json
from typing import Any

from deploy.generate.sigma.rules import SIGMA, Rule

INDEX = "logs-azure_mfa.*-*"
EVENTS = '`mfa_index` sourcetype="azure:mfa:ecs"'
LATE = 1800  # seconds: an outage of the shipper, of Kafka or of the network that no rule may miss
PARTS = 10  # of a timespan, from one window to the next
EXTENSIONS = {"eql": "eql", "esql": "esql", "splunk": "spl", "lucene": "json"}
WHO = {  # in lower case, as the shipper compares users; `stats by` would drop a user without a domain
    "user.name": ("who", "lower('user.name')"),
    "user.domain": ("who_domain", "lower(coalesce('user.domain', \"-\"))"),
    "host.name": ("server", "coalesce('host.name', host)"),
}
SHOWN = "_time, user.name, user.domain, event.action, event.code, event.reason, event.outcome, source.ip, host.name, event.id"
MORE = {  # further columns, by rule
    "mfa_fatigue_found": "azure_mfa.mfa_fatigue.count, azure_mfa.mfa_fatigue.denied, azure_mfa.mfa_fatigue.no_response",
    "mfa_fatigue_gave_in": "azure_mfa.mfa_fatigue.count, azure_mfa.mfa_fatigue.denied, azure_mfa.mfa_fatigue.no_response",
    "mfa_user_deleted": "user.target.name, user.target.domain",
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
    text = text.replace("{windows}", windows(rule)).replace("{index}", INDEX).replace("{events}", EVENTS)
    return text.strip() + "\n"


def windows(rule: Rule) -> str:
    """The ES|QL that puts each event into every window that it belongs to; a window begins each tenth of the timespan.

    A window is a tenth longer than the timespan: no burst is cut in two, whatever time range the query runs over.
    """
    step = rule.seconds * 1000 // PARTS
    numbers = ", ".join(map(str, range(PARTS + 1)))
    return (
        f"| eval part = to_long(@timestamp) / {step}, back = [{numbers}], newest = coalesce(event.ingested, @timestamp)\n"
        "| mv_expand back\n| eval window = part - back"
    )


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
    """An ES|QL query. A count is that of a window, see `windows`."""
    if rule.kind == "single":
        return f"from {INDEX} metadata _id, _index, _version\n| where {rule.condition('esql', '')}\n"
    written = by_hand(rule, "esql")
    if written is not None:
        return written
    if rule.kind == "temporal_ordered":
        first, then = (rule.condition("esql", part) for part in rule.events)
        return (
            f"// time range: the last {rule.timespan}\nfrom {INDEX}\n| where ({first}) or ({then})\n"
            f"| eval first_at = case({first}, @timestamp, null), then_at = case({then}, @timestamp, null)\n"
            f"| stats first_seen = min(first_at), last_seen = max(then_at) by {', '.join(rule.group)}\n"
            "| where last_seen > first_seen\n"
        )
    field, keys = rule.correlation["condition"].get("field"), ", ".join(rule.group)
    counted = f"count_distinct({field})" if field else "count(*)"
    seen = "first_seen = min(@timestamp), last_seen = max(@timestamp), newest = max(newest)"
    widest = "counted = max(counted), first_seen = min(first_seen), last_seen = max(last_seen), newest = max(newest)"
    return (
        f"// in windows of {rule.timespan} and a tenth\nfrom {INDEX}\n| where {rule.condition('esql', rule.events[0])}\n"
        f"{windows(rule)}\n| stats counted = {counted}, {seen} by {keys}, window\n"
        f"| where counted >= {rule.at_least}\n| stats {widest} by {keys}\n"
    )


def splunk(rule: Rule) -> str:
    """A Splunk search. A count's window slides with the events."""
    if rule.kind == "single":
        who = [WHO[field] for field in rule.triage.quiet_by if field in WHO]
        evals = ", ".join(f"{name}={expression}" for name, expression in who)
        table = ", ".join(filter(None, (*(name for name, _ in who), SHOWN, MORE.get(rule.stem))))
        return f"{EVENTS} {rule.condition('splunk', '')}\n" + (f"| eval {evals}\n" if who else "") + f"| table {table}\n"
    written = by_hand(rule, "splunk")
    if written is not None:
        return written
    keys = ", ".join(WHO[name][0] for name in rule.group)
    field = rule.correlation["condition"].get("field")
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


def search(rule: Rule) -> str:
    """The body of a search, for OpenSearch's monitors: of single events its hits, of a correlation its buckets.

    Single events are those that came in since the last run. A correlation looks at windows that end now, five minutes ago and
    so on back to `LATE`: run every minute, it counts what came late as well.
    """
    if rule.kind == "single":
        body: dict[str, Any] = {"size": 100, "query": _filtered(rule, {"event.ingested": {"gt": "now-5m", "lte": "now"}})}
        return json.dumps(body, indent=2) + "\n"
    written = by_hand(rule, "lucene")
    if written is not None:
        body = json.loads(written)
    else:
        body = _following(rule) if rule.kind == "temporal_ordered" else _counting(rule)
    if rule.triage.back is None:
        _look_back(body, rule)
    return json.dumps(body, indent=2) + "\n"


def _filtered(rule: Rule, span: dict[str, Any]) -> dict[str, Any]:
    return {"bool": {"filter": [{"query_string": {"query": lucene(rule).strip()}}, {"range": span}]}}


def _following(rule: Rule) -> dict[str, Any]:
    parts = dict(zip(("first", "then"), (rule.condition("lucene", part) for part in rule.events), strict=True))
    ends = {"first": "min", "then": "max"}
    inner: dict[str, Any] = {
        name: {"filter": {"query_string": {"query": query}}, "aggs": {"at": {ends[name]: {"field": "@timestamp"}}}}
        for name, query in parts.items()
    }
    paths = {"firsts": "first._count", "thens": "then._count", "first": "first>at", "then": "then>at"}
    script = "params.firsts > 0 && params.thens > 0 && params.then > params.first"
    inner["enough"] = {"bucket_selector": {"buckets_path": paths, "script": script}}
    span = {"@timestamp": {"gt": f"now-{rule.timespan}", "lte": "now"}}
    return {"size": 0, "query": _filtered(rule, span), "aggs": {"hits": _buckets(rule.group) | {"aggs": inner}}}


def _counting(rule: Rule) -> dict[str, Any]:
    field = rule.correlation["condition"].get("field")
    select = {"buckets_path": {"n": "counted" if field else "_count"}, "script": f"params.n >= {rule.at_least}"}
    inner: dict[str, Any] = {"counted": {"cardinality": {"field": field}}} if field else {}
    inner["enough"] = {"bucket_selector": select}
    span = {"@timestamp": {"gt": f"now-{rule.timespan}", "lte": "now"}}
    return {"size": 0, "query": _filtered(rule, span), "aggs": {"hits": _buckets(rule.group) | {"aggs": inner}}}


def _look_back(body: dict[str, Any], rule: Rule) -> None:
    """Make the one window of a search several, the last of which ended `LATE` seconds ago."""
    minutes = rule.seconds // 60
    filters = {
        f"{late}m": {"range": {"@timestamp": {"gt": f"now-{minutes + late}m", "lte": f"now-{late}m"}}}
        for late in range(0, LATE // 60 + 1, 5)
    }
    body["query"]["bool"]["filter"][1]["range"]["@timestamp"] = {"gt": f"now-{minutes + LATE // 60}m", "lte": "now"}
    hits = body["aggs"]["hits"]
    some = {"bucket_selector": {"buckets_path": {"windows": "windows._bucket_count"}, "script": "params.windows > 0"}}
    hits["aggs"] = {"windows": {"filters": {"filters": filters}, "aggs": hits["aggs"]}, "some": some}


def _buckets(fields: list[str]) -> dict[str, Any]:
    if len(fields) == 1:
        return {"terms": {"field": fields[0], "size": 1000}}
    terms = [{"field": name} | ({"missing": "-"} if name.endswith(".domain") else {}) for name in fields]
    return {"multi_terms": {"terms": terms, "size": 1000}}
