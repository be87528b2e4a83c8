"""The JSON Schema of the configuration file, for editors and for the Helm chart. Pure."""

from typing import Any

import msgspec

from shipper.config.sections import config_type

FROM_OUTSIDE: dict[str, Any] = {
    "description": "A value from the environment or from a file, of the type that the key takes; a list with commas between.",
    "type": "string",
    "pattern": "(^|[^$])\\$\\{[^}]+\\}",
}
_ANNOTATIONS = ("description", "default")


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the configuration file."""
    described = _as_written(msgspec.json.schema(config_type(), schema_hook=lambda kind: {"type": "string"}))
    for section in described["$defs"].values():
        if "description" in section:  # a docstring; only Python 3.13 strips its indentation
            section["description"] = " ".join(section["description"].split())
        for name, value in section["properties"].items():
            section["properties"][name] = _or_from_outside(value)
    described["$defs"]["FromOutside"] = FROM_OUTSIDE
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mfa-shipper configuration",
        "description": "Generated from shipper/config/sections.py and outputs.py by `make deploy-files`.",
        **described,
        "anyOf": [{"required": ["inputs"]}, {"required": ["detect"]}],
    }


def _as_written(part: Any) -> Any:
    """A part of msgspec's schema with the types that values have in the file, such as a string for a duration."""
    if isinstance(part, list):
        return [_as_written(item) for item in part]
    if not isinstance(part, dict):
        return part
    kinds = part.pop("written", None)
    return {key: _as_written(item) for key, item in part.items()} | ({"type": kinds} if kinds else {})


def _or_from_outside(part: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value that also allows `${...}`, unless any text is valid anyway; a section cannot come from outside."""
    if "items" in part:
        part = part | {"items": _or_from_outside(part["items"])}
    kinds = part.get("anyOf", [part])
    if not any(_is_narrow(kind) for kind in kinds):
        return part
    if "anyOf" in part:
        kinds = [_or_from_outside(kind) if "items" in kind else kind for kind in kinds]
        every = [inner for kind in kinds for inner in kind.get("anyOf", [kind])]
        return part | {"anyOf": [*(kind for kind in every if kind != _REFERENCE), _REFERENCE]}
    told = {name: part[name] for name in _ANNOTATIONS if name in part}
    rest = {name: value for name, value in part.items() if name not in told}
    return told | {"anyOf": [rest, _REFERENCE]}


_REFERENCE = {"$ref": "#/$defs/FromOutside"}


def _is_narrow(part: dict[str, Any]) -> bool:
    """True for a schema that refuses some texts: lists, numbers, switches, choices, patterns."""
    if "items" in part:
        return "$ref" not in part["items"]
    return "enum" in part or "pattern" in part or part.get("type") in ("boolean", "integer", "number")
