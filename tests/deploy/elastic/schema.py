"""The event schema as a flat table: which fields there are, what type each has in an index."""

import csv
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.deploy.tools import ROOT

TIME = "^[0-9]{4}-"  # how the pattern of a time stamp begins
OWN = ("azure_mfa.", "log.offset")  # the second is Filebeat's name, ECS has none


@dataclass(frozen=True)
class Field:
    """A leaf of the schema."""

    name: str
    type: str  # of Elasticsearch
    description: str


@cache
def event_schema() -> dict[str, Any]:
    """`schemas/event.schema.json`."""
    found: dict[str, Any] = json.loads((ROOT / "schemas" / "event.schema.json").read_text(encoding="utf-8"))
    return found


@cache
def ecs_types() -> dict[str, str]:
    """The types that ECS gives its fields."""
    with open(ROOT / "tests" / "ecs_fields.csv", encoding="utf-8", newline="") as file:
        return {row["field"]: row["type"] for row in csv.DictReader(file)}


def type_of(path: str, schema: dict[str, Any]) -> str:
    """The index type of a leaf: by ECS, or for our own fields by the schema."""
    known = ecs_types().get(path)
    if known:
        return known
    if not path.startswith(OWN):
        raise ValueError(f"{path} is neither in tests/ecs_fields.csv nor our own")
    inner = schema.get("items", schema)
    kind = inner.get("type", "string")
    if kind == "string":
        return "date" if inner.get("pattern", "").startswith(TIME) else "keyword"
    return {"integer": "long", "number": "double", "boolean": "boolean"}[kind]


def is_object(schema: dict[str, Any]) -> bool:
    """Whether fields are below it."""
    return schema.get("type") == "object"


def fields() -> list[Field]:
    """All leaves, by name."""
    found: list[Field] = []

    def walk(properties: dict[str, Any], path: str) -> None:
        for name, schema in properties.items():
            if is_object(schema):
                walk(schema.get("properties", {}), f"{path}{name}.")
            else:
                found.append(Field(path + name, type_of(path + name, schema), schema.get("description", "")))

    walk(event_schema()["properties"], "")
    return sorted(found, key=lambda field: field.name)
