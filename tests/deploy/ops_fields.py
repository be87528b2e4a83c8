"""Which event fields a text names, and whether the event schema has them: for configurations, rules and their READMEs."""

import json
import re
from typing import Any

from tests.deploy.tools import ROOT

SCHEMA: dict[str, Any] = json.loads((ROOT / "schemas" / "event.schema.json").read_text(encoding="utf-8"))


def known() -> set[str]:
    """Every field and object of the schema, by its dotted path."""
    found: set[str] = set()

    def walk(node: dict[str, Any], path: str) -> None:
        for name, child in node.get("properties", {}).items():
            whole = f"{path}.{name}" if path else name
            found.add(whole)
            walk(child, whole)

    walk(SCHEMA, "")
    return found


def named(text: str) -> set[str]:
    """What looks like a field: a dotted path that begins with an object of the schema."""
    objects = {name for name, child in SCHEMA["properties"].items() if "properties" in child}
    tops = "|".join(sorted(map(re.escape, objects), key=len, reverse=True))
    bracketed = re.findall(rf"\[({tops})\]((?:\[[a-z_]+\])+)", text)  # as Logstash writes them
    found = {top + rest.replace("[", ".").replace("]", "") for top, rest in bracketed}
    found |= set(map(".".join, re.findall(rf"\$({tops})\['([a-z_]+)'\]", text)))  # as Fluent Bit does
    # Not in a longer word, a path or a file name: /var/log.d, log.yaml.
    plain = re.findall(rf"(?<![\w/$-])(?<![\w]\.)(?:{tops})(?:\.[a-z_]+)+(?![\w/(-])", text)
    return found | {one for one in plain if not one.endswith((".yaml", ".yml", ".conf", ".ndjson", ".json", ".log"))}


def unknown(text: str) -> set[str]:
    """The fields that the text names and the schema lacks."""
    return named(text) - known()
