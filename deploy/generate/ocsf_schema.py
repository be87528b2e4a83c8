"""Makes `schemas/ocsf.schema.json` anew: `python -m deploy.generate.ocsf_schema`, after `pip install ocsf-json-schema`.

That package holds the schema of github.com/ocsf/ocsf-schema, compiled, for each version of it. Of the three classes that
`--format ocsf` writes, this keeps required attributes, types, enumerations and constraints; objects that our events
do not hold are left out, so an event that held one would be refused.
"""

import json
from typing import Any

from deploy.generate.places import ROOT
from shipper.emit.ocsf import VERSION

CLASSES = {"authentication": 3002, "detection_finding": 2004, "base_event": 0}
OBJECTS = [
    "actor",
    "analytic",
    "attack",
    "auth_factor",
    "device",
    "evidences",
    "finding_info",
    "logger",
    "metadata",
    "network_endpoint",
    "object",
    "observable",
    "product",
    "related_event",
    "service",
    "technique",
    "user",
]
TARGET = ROOT / "schemas" / "ocsf.schema.json"
WORDS = ("title", "description", "deprecated", "$id", "$schema", "$defs")  # of no use for a check


def schema() -> dict[str, Any]:
    """The schema of a line of `--format ocsf`."""
    from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

    published = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION))
    classes = {name: published.get_class_schema(name, profiles=["host"]) for name in CLASSES}
    objects = {name: of["$defs"][name] for of in classes.values() for name in OBJECTS if name in of["$defs"]}
    chosen = [
        {"if": {"properties": {"class_uid": {"const": uid}}}, "then": {"$ref": f"#/$defs/{name}"}}
        for name, uid in CLASSES.items()
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:mfa-shipper:ocsf:1",
        "title": "An event of mfa-shipper in the format ocsf",
        "$comment": f"From github.com/ocsf/ocsf-schema, tag {VERSION} (Apache-2.0): what deploy/generate/ocsf_schema.py keeps of it.",
        "type": "object",
        "required": ["class_uid"],
        "properties": {"class_uid": {"enum": sorted(CLASSES.values())}},
        "allOf": chosen,
        "$defs": {name: lean(part) for name, part in sorted((classes | objects).items())},
    }


def lean(part: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object without words, and without attributes of objects that our events do not hold."""
    attributes = part.get("properties", {})
    kept = {name: _without_words(of) for name, of in sorted(attributes.items()) if _is_ours(of) and not of.get("deprecated")}
    out = _without_words(part) | ({"properties": kept} if attributes else {})
    if "required" in out:
        out["required"] = sorted(out["required"])
    if "anyOf" in out:  # at least one of these attributes
        out["anyOf"] = [choice for choice in out["anyOf"] if kept.keys() >= set(choice["required"])]
    return out


def _without_words(part: dict[str, Any]) -> dict[str, Any]:
    out = {name: value for name, value in part.items() if name not in WORDS}
    return out | ({"enum": sorted(out["enum"])} if "enum" in out else {})


def _is_ours(attribute: dict[str, Any]) -> bool:
    target = attribute.get("items", attribute).get("$ref", "")
    return not target or target.removeprefix("#/$defs/") in OBJECTS


def main() -> None:
    """Write the file."""
    TARGET.write_text(json.dumps(schema(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
