"""The event schema as a flat table: which fields there are, and the type that each has in an index."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deploy.generate.places import ROOT

TIME = "^[0-9]{4}-"  # how the pattern of a time stamp begins
OWN = ("azure_mfa.", "log.offset")  # the second is Filebeat's name, ECS has none
ECS_FIELDS = Path(__file__).with_name("ecs_fields.csv")


@dataclass(frozen=True)
class Field:
    """A field that holds a value. `type` is Elasticsearch's."""

    name: str
    type: str
    description: str


@cache
def event_schema() -> dict[str, Any]:
    """`schemas/event.schema.json`."""
    schema: dict[str, Any] = json.loads((ROOT / "schemas" / "event.schema.json").read_text(encoding="utf-8"))
    return schema


@cache
def ecs_types() -> dict[str, str]:
    """The types that ECS gives its fields."""
    with open(ECS_FIELDS, encoding="utf-8", newline="") as file:
        return {row["field"]: row["type"] for row in csv.DictReader(file)}


def type_of(path: str, schema: dict[str, Any]) -> str:
    """The index type of a field: ECS's own, or for fields that ECS lacks what the schema says.

    Raises:
        ValueError: The field is neither in ECS nor ours.
    """
    known = ecs_types().get(path)
    if known:
        return known
    if not path.startswith(OWN):
        raise ValueError(f"{path} is neither in {ECS_FIELDS.name} nor our own")
    inner = schema.get("items", schema)
    kind = inner.get("type", "string")
    if kind == "string":
        return "date" if inner.get("pattern", "").startswith(TIME) else "keyword"
    return {"integer": "long", "number": "double", "boolean": "boolean"}[kind]


def is_object(schema: dict[str, Any]) -> bool:
    """Whether other fields lie below this one."""
    return schema.get("type") == "object"


def leaves(properties: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The dotted name and the schema of everything that has no properties: fields, and objects left open."""
    for name, schema in properties.items():
        if "properties" in schema:
            yield from leaves(schema["properties"], f"{path}{name}.")
        else:
            yield path + name, schema


def fields() -> list[Field]:
    """All fields that hold a value, by name."""
    return sorted(
        (
            Field(name, type_of(name, schema), schema.get("description", ""))
            for name, schema in leaves(event_schema()["properties"])
            if not is_object(schema)
        ),
        key=lambda field: field.name,
    )


def known_names() -> frozenset[str]:
    """The full name of every field, open objects such as `labels` included."""
    return frozenset(name for name, _ in leaves(event_schema()["properties"]))
