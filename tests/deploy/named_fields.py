"""Which event fields a file names: a field that is renamed in the schema is found wherever it is used."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from deploy.generate.schema import event_schema, known_names

DOTTED = re.compile(r"(?<![\w.\])])@?[a-z_]+(?:\.[a-z_]+)+")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
NOT_OURS = re.compile(r"^params\.|\._(bucket_)?count$")  # of a search body
FILES = (".yaml", ".yml", ".conf", ".ndjson", ".json", ".log")


@cache
def known() -> frozenset[str]:
    """Every field and every object that an event may have, by its full name."""
    names = known_names()
    return names | {".".join(parts[:length]) for parts in (name.split(".") for name in names) for length in range(1, len(parts))}


def unknown_in_text(text: str) -> set[str]:
    """The fields that a configuration or a README names and the schema lacks."""
    return in_text(text) - known()


def in_text(text: str) -> set[str]:
    """What looks like a field: a dotted path that begins with an object of the schema."""
    objects = {name for name, schema in event_schema()["properties"].items() if "properties" in schema}
    tops = "|".join(sorted(map(re.escape, objects), key=len, reverse=True))
    bracketed = re.findall(rf"\[({tops})\]((?:\[[a-z_]+\])+)", text)  # as Logstash writes them
    found = {top + rest.replace("[", ".").replace("]", "") for top, rest in bracketed}
    found |= set(map(".".join, re.findall(rf"\$({tops})\['([a-z_]+)'\]", text)))  # as Fluent Bit does
    # Not in a longer word, a path or a file name: /var/log.d, log.yaml.
    plain = re.findall(rf"(?<![\w/$-])(?<![\w]\.)(?:{tops})(?:\.[a-z_]+)+(?![\w/(-])", text)
    return found | {name for name in plain if not name.endswith(FILES)}


def in_query(text: str) -> set[str]:
    """The fields of a query in EQL, ES|QL, SPL or Lucene: dotted names outside of double quotes and comments."""
    code = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    code = re.sub(r"logs-azure_mfa\.\S+", "", QUOTED.sub('""', code))
    return {name for name in DOTTED.findall(code) if not NOT_OURS.search(name)}


def in_search(text: str) -> set[str]:
    """The fields of a search body: in its `field`, its queries and its scripts."""
    found = set()
    for key, value in _texts(json.loads(text)):
        found |= {value} if key == "field" else in_query(value) if key in ("query", "source", "script") else set()
        found |= {key} if key in known_names() or DOTTED.fullmatch(key) else set()
    return found


def in_sigma(text: str) -> set[str]:
    """The fields of a Sigma file: those that detections match, and that correlations group by and count."""
    found: set[str] = set()
    for document in yaml.safe_load_all(text):
        for name, part in document.get("detection", {}).items():
            if name != "condition":
                found |= {field.split("|")[0] for names in (part if isinstance(part, list) else [part]) for field in names}
        correlation = document.get("correlation", {})
        aliases = correlation.get("aliases", {})
        found |= set(correlation.get("group-by", ())) - set(aliases)
        found |= {field for fields in aliases.values() for field in fields.values()}
        found |= {correlation["condition"]["field"]} if "field" in correlation.get("condition", {}) else set()
    return found


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, name)
            if not isinstance(inner, str):
                yield name, ""
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, key)
    elif isinstance(value, str):
        yield key, value
