"""Which fields a file names, and which there are: a field that is renamed in the schema is found here."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from tests.deploy.tools import ROOT

DOTTED = re.compile(r"(?<![\w.\])])@?[a-z_]+(?:\.[a-z_]+)+")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
OWN = re.compile(r"^params\.|\._(bucket_)?count$")  # of a search body, no fields of ours


@cache
def known() -> frozenset[str]:
    """Every field that an event may have, by its full name."""
    schema = json.loads((ROOT / "schemas" / "event.schema.json").read_text(encoding="utf-8"))
    return frozenset(_leaves(schema["properties"], ""))


def _leaves(properties: dict[str, Any], before: str) -> Iterator[str]:
    for name, what in properties.items():
        if "properties" in what:
            yield from _leaves(what["properties"], f"{before}{name}.")
        else:
            yield before + name


def in_query(text: str) -> set[str]:
    """The fields of a query in EQL, ES|QL, SPL or Lucene: dotted names outside of double quotes and comments."""
    code = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    code = re.sub(r"logs-azure_mfa\.\S+", "", QUOTED.sub('""', code))
    return {name for name in DOTTED.findall(code) if not OWN.search(name)}


def in_search(text: str) -> set[str]:
    """The fields of a search body: in its `field`, its queries and its scripts."""
    found = set()
    for key, value in _texts(json.loads(text)):
        found |= {value} if key == "field" else in_query(value) if key in ("query", "source", "script") else set()
        found |= {key} if key in known() or DOTTED.fullmatch(key) else set()
    return found


def in_sigma(text: str) -> set[str]:
    """The fields of a Sigma file: what detections match, what correlations group by and count."""
    found: set[str] = set()
    for document in yaml.safe_load_all(text):
        for name, part in document.get("detection", {}).items():
            if name != "condition":
                found |= {field.split("|")[0] for one in (part if isinstance(part, list) else [part]) for field in one}
        correlation = document.get("correlation", {})
        aliases = correlation.get("aliases", {})
        found |= set(correlation.get("group-by", ())) - set(aliases)
        found |= {field for fields in aliases.values() for field in fields.values()}
        found |= {correlation["condition"]["field"]} if "field" in correlation.get("condition", {}) else set()
    return found


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _texts(one, name)
            if not isinstance(one, str):
                yield name, ""
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one, key)
    elif isinstance(value, str):
        yield key, value
