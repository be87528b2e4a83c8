"""One document with a value in every field of the event schema."""

from typing import Any

from deploy.generate.schema import event_schema, is_object

DAY = "2017-02-15T"


def everything() -> dict[str, Any]:
    """One document with a value in every field of the schema: valid for the index, though no event has them all."""

    def value(path: str, schema: dict[str, Any]) -> Any:
        if is_object(schema):
            return {name: value(f"{path}{name}.", below) for name, below in schema.get("properties", {}).items()}
        if "items" in schema:
            return [value(path, schema["items"])]
        if path.rstrip(".").rpartition(".")[2] == "ip":
            return "2001:db8::7"
        if "const" in schema or "enum" in schema:
            return schema.get("const", schema.get("enum", [None])[-1])
        if schema.get("pattern", "").startswith("^[0-9]{4}-"):
            return f"{DAY}07:00:00.123456789Z"
        if "pattern" in schema:
            return "00000000000000ab-1"
        return {"string": "x", "integer": 7, "boolean": True}[schema["type"]]

    found: dict[str, Any] = value("", event_schema())
    return found | {"labels": {"site": "north", "rack": 4, "lab": False}}
