"""The add-on as Splunk reads it: its .conf files, macros, and what its props make of an event.

Search time in Splunk's documented order: EXTRACT, REPORT, KV_MODE=json, FIELDALIAS, EVAL (side by side),
LOOKUP. This is a model of Splunk, made to find our mistakes; it is not Splunk.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import regex

from tests.deploy import spl_eval
from tests.deploy.spl_eval import SplError
from tests.deploy.splunk_generate import ADD_ON as ADD_ON
from tests.deploy.tools import ROOT

ECS, RAW = "azure:mfa:ecs", "azure:mfa:radius"
DEFAULT_FIELDS = frozenset(
    ("_time", "_raw", "_indextime", "index", "host", "source", "sourcetype", "eventtype", "tag", "linecount", "splunk_server")
)
MACRO = re.compile(r"`(?:comment\()?([^`(]+)(?:\(([^`]*)\))?`")
ALIAS = re.compile(r'("[^"]+"|\S+)\s+(?:AS|ASNEW)\s+("[^"]+"|\S+)', re.IGNORECASE)

Stanzas = dict[str, dict[str, str]]
Event = dict[str, Any]


def conf(path: Path) -> Stanzas:
    """The stanzas of a .conf file. What is written twice is a mistake here, though Splunk takes the last."""
    stanzas: Stanzas = {}
    current: dict[str, str] | None = None
    for number, line in _logical_lines(path):
        if line.startswith("["):
            if not line.endswith("]") or line[1:-1] in stanzas:
                raise SplError(f"{path.name}:{number}: not a header, or there twice: {line}")
            current = stanzas.setdefault(line[1:-1], {})
            continue
        key, equals, value = line.partition("=")
        key = key.strip()
        if not equals or current is None or not key or key in current:
            raise SplError(f"{path.name}:{number}: not a setting of a stanza, or there twice: {line}")
        current[key] = value.strip()
    return stanzas


def _logical_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines without comments; a backslash at the end goes on in the next line."""
    waiting = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not waiting and (not line.strip() or line.lstrip().startswith("#")):
            continue
        if line.endswith("\\"):
            waiting += line[:-1] + "\n"
            continue
        yield number, (waiting + line).strip()
        waiting = ""
    if waiting:
        raise SplError(f"{path.name} ends in the middle of a setting")


@cache
def default(name: str) -> Stanzas:
    """The stanzas of default/NAME.conf."""
    return conf(ADD_ON / "default" / f"{name}.conf")


def expand(search: str, depth: int = 0) -> str:
    """A search with its macros replaced by their definitions."""
    if depth > 9:
        raise SplError(f"macros without end: {search}")

    def definition(match: re.Match[str]) -> str:
        given = [one.strip() for one in match[2].split(",")] if match[2] else []
        name = f"{match[1]}({len(given)})" if given else match[1]
        stanza = default("macros").get(name)
        if stanza is None:
            raise SplError(f"no such macro: {name}")
        text = stanza["definition"]
        for argument, value in zip(filter(None, stanza.get("args", "").split(",")), given, strict=True):
            text = text.replace(f"${argument.strip()}$", value)
        return expand(text, depth + 1)

    return MACRO.sub(definition, search)


@cache
def schema_fields() -> frozenset[str]:
    """The fields of an event by Splunk's names for JSON: a.b below an object, a{} for an array."""
    schema = json.loads((ROOT / "schemas" / "event.schema.json").read_text(encoding="utf-8"))
    return frozenset(_leaves(schema, ""))


def _leaves(schema: Mapping[str, Any], name: str) -> Iterator[str]:
    if "properties" in schema:
        for key, below in schema["properties"].items():
            yield from _leaves(below, f"{name}.{key}" if name else key)
    elif schema.get("type") == "array":
        yield from _leaves(schema["items"], f"{name}{{}}")
    elif schema.get("type") != "object":
        yield name


def settings(sourcetype: str, kind: str) -> dict[str, str]:
    """The settings KIND-name of a source type, in the order of their names, which is Splunk's order."""
    stanza = default("props")[sourcetype]
    return {key: stanza[key] for key in sorted(stanza) if key.startswith(kind + "-")}


@cache
def aliases(sourcetype: str) -> dict[str, str]:
    """New name by old name and the other way round would not do: one old name may have several new ones."""
    found: dict[str, str] = {}
    for text in settings(sourcetype, "FIELDALIAS").values():
        pairs = ALIAS.findall(text)
        if ALIAS.sub("", text).strip():
            raise SplError(f"not an alias: {text}")
        found |= {new.strip('"'): old.strip('"') for old, new in pairs}
    return found


@cache
def evals(sourcetype: str) -> dict[str, spl_eval.Node]:
    """The tree of every EVAL-name."""
    return {key.removeprefix("EVAL-"): spl_eval.parse(text) for key, text in settings(sourcetype, "EVAL").items()}


@cache
def extractions(sourcetype: str) -> list[tuple["regex.Pattern[str]", str]]:
    """The regular expressions and the field that each reads."""
    found = []
    for text in settings(sourcetype, "EXTRACT").values():
        pattern, _, field = text.rpartition(" in ") if re.search(r" in \w+$", text) else (text, "", "_raw")
        found.append((regex.compile(pattern), field))
    for text in settings(sourcetype, "REPORT").values():
        for name in text.split(","):
            stanza = default("transforms")[name.strip()]
            found.append((regex.compile(stanza["REGEX"]), stanza.get("SOURCE_KEY", "_raw")))
    return found


@cache
def lookups(sourcetype: str) -> list[tuple[str, dict[str, str], dict[str, str], bool]]:
    """Definition, {column: field} to match, {column: field} to add, and whether to keep what is there."""
    found = []
    for text in settings(sourcetype, "LOOKUP").values():
        name, rest = text.split(None, 1)
        match = re.fullmatch(r"(.*?)\s+(OUTPUT|OUTPUTNEW)\s+(.*)", rest)
        if match is None:
            raise SplError(f"a lookup without OUTPUT: {text}")
        found.append((name, _columns(match[1]), _columns(match[3]), match[2] == "OUTPUTNEW"))
    return found


def _columns(text: str) -> dict[str, str]:
    words = re.sub(r"(\S+)\s+AS\s+(\S+)", r"\1=\2", text, flags=re.IGNORECASE).replace(",", " ").split()
    return {word.partition("=")[0]: word.partition("=")[2] or word for word in words}


@cache
def table(definition: str) -> list[dict[str, str]]:
    """The rows of a lookup."""
    with open(ADD_ON / "lookups" / default("transforms")[definition]["filename"], encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def made_fields(sourcetype: str) -> frozenset[str]:
    """What the props make: extracted, aliased, calculated, looked up."""
    made = set(aliases(sourcetype)) | set(evals(sourcetype))
    for pattern, _ in extractions(sourcetype):
        made |= set(pattern.groupindex)
    for _, _, added, _ in lookups(sourcetype):
        made |= set(added.values())
    return frozenset(made)


def fields(sourcetype: str) -> frozenset[str]:
    """Every field that a search on the source type may name."""
    own = schema_fields() if default("props")[sourcetype].get("KV_MODE") == "json" else frozenset()
    return DEFAULT_FIELDS | own | made_fields(sourcetype)


def search_time(sourcetype: str, raw: str, host: str = "mfa01") -> Event:
    """The fields of an event as a search sees them."""
    event: Event = {"_raw": raw, "host": host, "sourcetype": sourcetype}
    for pattern, source in extractions(sourcetype):
        if match := pattern.search(event.get(source) or ""):
            event |= {name: value for name, value in match.groupdict().items() if value is not None and name not in event}
    if default("props")[sourcetype].get("KV_MODE") == "json":
        event |= _flat(json.loads(raw), "")
    event |= {new: event[old] for new, old in aliases(sourcetype).items() if old in event}
    made = {name: spl_eval.evaluate(node, event) for name, node in evals(sourcetype).items()}
    event |= {name: value for name, value in made.items() if value is not None}
    for definition, wanted, added, keep in lookups(sourcetype):
        key = {column: event.get(field) for column, field in wanted.items()}
        row = None if None in key.values() else next((row for row in table(definition) if key.items() <= row.items()), {})
        for column, field in added.items() if row else ():
            if row and row[column] and not (keep and field in event):
                event[field] = row[column]
    return event


def _flat(value: Any, name: str) -> Event:
    """JSON as KV_MODE=json names it; booleans are texts in Splunk."""
    if isinstance(value, dict):
        return {key: one for below, inner in value.items() for key, one in _flat(inner, f"{name}.{below}".lstrip(".")).items()}
    if isinstance(value, list):
        return {f"{name}{{}}": value}
    return {name: spl_eval.text_of(value) if isinstance(value, bool) else value}
