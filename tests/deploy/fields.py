"""The field reference deploy/FIELDS.md, generated from the event schema: `python -m tests.deploy.fields`."""

import json
from collections.abc import Iterator
from typing import Any

from tests.deploy.tools import DEPLOY, ROOT

TARGET = DEPLOY / "FIELDS.md"
HEAD = """# Fields of an event

Generated from `schemas/event.schema.json` (`python -m tests.deploy.fields`); a test compares. Names are those of
ECS 8.17; what stands below `azure_mfa` is this project's own. A field that is not known is left out, never null.

| field | type | values or meaning |
|---|---|---|
"""


def leaves(properties: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field that holds a value, by its dotted name."""
    for name, schema in properties.items():
        inner = schema.get("properties")
        if inner:
            yield from leaves(inner, f"{path}{name}.")
        else:
            yield path + name, schema


def kind(schema: dict[str, Any]) -> str:
    """The type in a word."""
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return "integer" if isinstance(values[0], int) else "string"
    found = schema.get("type", "string")
    return " or ".join(found) if isinstance(found, list) else str(found)


def meaning(schema: dict[str, Any]) -> str:
    """Values and description."""
    of = schema.get("items", schema)
    values = of.get("enum", [of["const"]] if "const" in of else [])
    words = ", ".join(f"`{value}`" for value in values)
    return " — ".join(part for part in (words, schema.get("description", "")) if part).replace("|", "\\|")


def reference() -> str:
    """The page."""
    schema = json.loads((ROOT / "schemas" / "event.schema.json").read_text(encoding="utf-8"))
    rows = (f"| `{name}` | {kind(field)} | {meaning(field)} |" for name, field in leaves(schema["properties"]))
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
