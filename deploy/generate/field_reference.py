"""The field reference `deploy/FIELDS.md`, from the event schema."""

from typing import Any

from deploy.generate.schema import event_schema, leaves

HEAD = """# Fields of an event

Generated from `schemas/event.schema.json` by `make deploy-files`. Names are those of ECS 8.17; what stands below
`azure_mfa` is this project's own. A field that is not known is left out, never null. What `--format ocsf` makes of them:
[formats](docs/formats.md#ocsf).

| field | type | values or meaning |
|---|---|---|
"""


def kind(schema: dict[str, Any]) -> str:
    """The type in a word or two."""
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return "integer" if isinstance(values[0], int) else "string"
    named = schema.get("type", "string")
    return " or ".join(named) if isinstance(named, list) else str(named)


def meaning(schema: dict[str, Any]) -> str:
    """The values that the field may have, and its description."""
    item = schema.get("items", schema)
    values = item.get("enum", [item["const"]] if "const" in item else [])
    listed = ", ".join(f"`{value}`" for value in values)
    return " — ".join(part for part in (listed, schema.get("description", "")) if part).replace("|", "\\|")


def files() -> dict[str, bytes]:
    """The page."""
    rows = (f"| `{name}` | {kind(schema)} | {meaning(schema)} |" for name, schema in leaves(event_schema()["properties"]))
    return {"FIELDS.md": (HEAD + "\n".join(rows) + "\n").encode()}
