"""Index templates, component templates and lifecycle policies, for both products."""

from typing import Any, Literal

from deploy.generate.elastic.ingest import final_pipeline, pipeline
from deploy.generate.schema import event_schema, is_object, type_of

Product = Literal["elastic", "opensearch"]
NAME = "azure_mfa"
PIPELINE = f"{NAME}-raw"
FINAL = f"{NAME}-final"
STREAMS = f"logs-{NAME}.*-*"
RAW_STREAMS = f"logs-{NAME}.raw-*"
META = {"managed_by": "mfa-shipper", "description": "generated from schemas/event.schema.json"}
LONGEST_TERM = 1024  # a longer value stays in _source only: a term above 32,766 bytes would make the index refuse the event
ADDED = {  # which ECS lacks, or an event of ours has not: Filebeat 8.10 and later say which file it was, numbers or not
    "event.created": "date",
    **{f"log.file.{name}": "keyword" for name in ("device_id", "fingerprint", "idxhi", "idxlo", "inode", "vol")},
}  # fmt: skip
OTHERS = [  # types of all other fields, as ECS has them; an address that is none must not cost the event
    {"addresses": {"match": "ip", "match_mapping_type": "string", "mapping": {"type": "ip", "ignore_malformed": True}}},
    {"places": {"path_match": "*.geo.location", "mapping": {"type": "geo_point", "ignore_malformed": True}}},
    {"texts": {"match_mapping_type": "string", "mapping": {"type": "keyword", "ignore_above": LONGEST_TERM}}},
]
SEARCHED = ["message", "error.message", "event.reason", "user.name", "user.domain", "user.email", "source.ip"]


def leaf(path: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The mapping of one field."""
    kind = type_of(path, schema)
    if path == "event.original":  # ECS: for reading, not for searching
        return {"type": "keyword", "index": False, "doc_values": False}
    return {"type": kind, "ignore_above": LONGEST_TERM} if kind == "keyword" else {"type": kind}


def tree(schema: dict[str, Any], path: str = "") -> dict[str, Any]:
    """The mapping of an object. What is closed below our own name is strict: nobody else writes there."""
    inner = {
        name: tree(below, f"{path}{name}.") if is_object(below) else leaf(path + name, below)
        for name, below in schema.get("properties", {}).items()
    }
    strict = path.startswith(f"{NAME}.") and schema.get("additionalProperties") is False
    found: dict[str, Any] = {"type": "object"} | ({"dynamic": "strict"} if strict else {})
    return found | {"properties": inner} if inner else found


def added(properties: dict[str, Any], path: str, kind: str) -> None:
    """Map a field that shippers and the store add to the events."""
    *parents, last = path.split(".")
    for name in parents:
        properties = properties[name]["properties"]
    properties[last] = {"type": kind} | ({"ignore_above": LONGEST_TERM} if kind == "keyword" else {})


def mappings(product: Product) -> dict[str, Any]:
    """The whole mapping."""
    properties = tree(event_schema())["properties"]
    for path, kind in ADDED.items():
        added(properties, path, kind)
    # Agents and Fleet add these three. OpenSearch wants to know a constant beforehand, so there they are plain keywords.
    kind = "constant_keyword" if product == "elastic" else "keyword"
    properties["data_stream"] = {
        "type": "object",
        "properties": {name: {"type": kind} for name in ("type", "dataset", "namespace")},
    }
    return {"dynamic": "true", "date_detection": False, "dynamic_templates": OTHERS, "properties": properties}


def settings(product: Product) -> dict[str, Any]:
    """Index settings. One shard for each dataset is enough: MFA logs are small."""
    found: dict[str, Any] = {
        "number_of_shards": 1,
        "final_pipeline": FINAL,
        "codec": "best_compression",
        "mapping": {"total_fields": {"limit": 1000}},
        "query": {"default_field": SEARCHED},
    }
    if product == "elastic":
        found["lifecycle"] = {"name": NAME}
    return {"index": found}


def index_template(product: Product, patterns: list[str], priority: int, **more: object) -> dict[str, Any]:
    """A template for data streams. `priority` is above that of the built-in `logs` (100), below that of Fleet's packages (200)."""
    composed = [f"{NAME}@mappings", f"{NAME}@settings"]
    found: dict[str, Any] = {
        "index_patterns": patterns, "data_stream": {}, "priority": priority, "composed_of": composed, "_meta": META,
    }  # fmt: skip
    if product == "elastic":  # users keep their own settings there; an update leaves them alone
        found["composed_of"] = [*composed, f"logs-{NAME}@custom"]
        found["ignore_missing_component_templates"] = [f"logs-{NAME}@custom"]
    return found | more


def ilm_policy() -> dict[str, Any]:
    """Thirty days or 30 GB an index, then one segment, gone after 400 days: thirteen months for an audit."""
    return {
        "policy": {
            "_meta": META,
            "phases": {
                "hot": {
                    "min_age": "0ms",
                    "actions": {
                        "rollover": {"max_age": "30d", "max_primary_shard_size": "30gb"},
                        "set_priority": {"priority": 100},
                    },
                },
                "warm": {
                    "min_age": "2d",
                    "actions": {"forcemerge": {"max_num_segments": 1}, "set_priority": {"priority": 50}},
                },
                "delete": {"min_age": "400d", "actions": {"delete": {}}},
            },
        }
    }


def ism_policy() -> dict[str, Any]:
    """The same for OpenSearch's Index State Management."""
    return {
        "policy": {
            "description": "mfa-shipper: a new index every 30 days or 30 GB, one segment, gone after 400 days",
            "default_state": "hot",
            "states": [
                {
                    "name": "hot",
                    "actions": [{"rollover": {"min_index_age": "30d", "min_primary_shard_size": "30gb"}}],
                    "transitions": [{"state_name": "warm", "conditions": {"min_rollover_age": "2d"}}],
                },
                {
                    "name": "warm",
                    "actions": [{"force_merge": {"max_num_segments": 1}}],
                    "transitions": [{"state_name": "delete", "conditions": {"min_rollover_age": "400d"}}],
                },
                {"name": "delete", "actions": [{"delete": {}}], "transitions": []},
            ],
            "ism_template": [{"index_patterns": [f".ds-logs-{NAME}.*", f"logs-{NAME}.*"], "priority": 100}],
        }
    }


def requests(product: Product) -> dict[str, Any]:
    """The path of each PUT request, and its body. The folder `api/` is laid out like this."""
    policy = {f"_ilm/policy/{NAME}": ilm_policy()} if product == "elastic" else {f"_plugins/_ism/policies/{NAME}": ism_policy()}
    return policy | {
        f"_component_template/{NAME}@mappings": {"template": {"mappings": mappings(product)}, "_meta": META},
        f"_component_template/{NAME}@settings": {"template": {"settings": settings(product)}, "_meta": META},
        f"_index_template/logs-{NAME}": index_template(product, [STREAMS], 150),
        f"_index_template/logs-{NAME}.raw": index_template(
            product, [RAW_STREAMS], 160, template={"settings": {"index": {"default_pipeline": PIPELINE}}}
        ),
        f"_ingest/pipeline/{PIPELINE}": pipeline(),
        f"_ingest/pipeline/{FINAL}": final_pipeline(),
    }
