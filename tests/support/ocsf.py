"""What an OCSF event must be, and the ECS event that it was made of."""

from functools import cache
from typing import Any

import orjson
from jsonschema import Draft202012Validator

from shipper.decode.library import read_schema

Event = dict[str, Any]
SEVERITIES = {1: 10, 2: 21, 3: 47, 4: 73, 5: 99}
OUTCOMES = {0: "unknown", 1: "success", 2: "failure", 99: "unknown"}
DERIVED = {"event": ("category", "type", "module"), "": ("ecs", "related")}


@cache
def _validator() -> Draft202012Validator:
    schema = read_schema("ocsf.schema.json")
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def faults(event: Event) -> list[str]:
    """What the published schema has against the event: empty if it is valid."""
    found = [f"{error.json_path}: {error.message[:200]}" for error in _validator().iter_errors(event)]
    if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
        found.append("type_uid does not follow from class and activity")
    return found


def essentials(ecs: Event) -> Event:
    """An ECS event without what repeats, or follows from, the rest of it."""
    kept = {name: value for name, value in ecs.items() if name not in DERIVED[""]}
    return kept | {"event": {name: value for name, value in ecs["event"].items() if name not in DERIVED["event"]}}


def ecs_of(ocsf: Event) -> Event:
    """The essentials of the ECS event that an OCSF event was made of."""
    metadata, info = ocsf["metadata"], ocsf.get("finding_info", {})
    user = ocsf.get("user") or ocsf.get("actor", {}).get("user") or ocsf.get("evidences", [{}])[0].get("user") or {}
    source, (shipper, *_) = ocsf.get("src_endpoint", {}), metadata.get("loggers", [{}])
    techniques = [attack["technique"] for attack in info.get("attacks", ())]
    fields = {
        "@timestamp": metadata["original_time"],
        "message": ocsf.get("message"),
        "tags": metadata.get("labels"),
        "event.id": metadata["uid"],
        "event.action": metadata.get("event_code"),
        "event.provider": metadata.get("log_provider"),
        "event.severity": SEVERITIES.get(ocsf["severity_id"]),
        "event.outcome": OUTCOMES[ocsf["status_id"]] if "status_id" in ocsf and not info else None,
        "event.code": ocsf.get("status_code"),
        "event.reason": ocsf.get("status_detail"),
        "event.original": ocsf.get("raw_data"),
        "user.name": user.get("name"),
        "user.domain": user.get("domain"),
        "user.email": user.get("email_addr"),
        "source.ip": source.get("ip"),
        "source.port": source.get("port"),
        "log.file.path": metadata.get("log_name"),
        "log.level": metadata.get("log_level"),
        "host.name": ocsf.get("device", {}).get("hostname"),
        "azure_mfa.exchange.id": metadata.get("correlation_uid"),
        "agent.type": shipper.get("name"),
        "agent.version": shipper.get("version"),
        "rule.name": info.get("title"),
        "rule.version": info.get("analytic", {}).get("version"),
        "rule.ruleset": metadata["product"]["name"] if info else None,
        "threat.technique.id": [technique["uid"] for technique in techniques] or None,
        "threat.technique.name": [technique["name"] for technique in techniques] or None,
    }
    ecs: Event = orjson.loads(orjson.dumps(ocsf.get("unmapped", {})))
    for name, value in fields.items():
        if value is not None:
            *parents, last = name.split(".")
            at = ecs
            for parent in parents:
                at = at.setdefault(parent, {})
            assert last not in at, f"{name} stands twice"
            at[last] = value
    return ecs
