"""The add-on as it is written: its .conf files, its searches with their macros filled in, and the fields that exist."""

import csv
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import regex

from deploy.generate import splunk
from deploy.generate.places import DEPLOY, ROOT
from deploy.generate.schema import event_schema, leaves

ADD_ON, APP = DEPLOY / splunk.ADD_ON, DEPLOY / splunk.APP
ECS, RAW = "azure:mfa:ecs", "azure:mfa:radius"
VIEWS = APP / "default" / "data" / "ui" / "views"
GOLDEN = ROOT / "tests" / "golden"
DASHBOARD = VIEWS / "mfa_authentications.xml"
CIM_ACTIONS = {"success", "failure", "pending", "error", "created", "deleted", "modified"}
DEFAULT_FIELDS = frozenset(
    ("_time", "_raw", "_indextime", "index", "host", "source", "sourcetype", "eventtype", "tag", "linecount", "splunk_server")
)
MACRO = re.compile(r"`(?:comment\()?([^`(]+)(?:\(([^`]*)\))?`")
ALIAS = re.compile(r'("[^"]+"|\S+)\s+(?:AS|ASNEW)\s+("[^"]+"|\S+)', re.IGNORECASE)
TOKEN = re.compile(r"\$([\w.]+)(?:\|(\w))?\$")
TOKENS = {"dataset": "*", "seconds": "30", "who_domain": "dom", "who_name": "anna"}  # what the inputs of the dashboard may hold

Stanzas = dict[str, dict[str, str]]


class SplError(Exception):
    """What Splunk would refuse, or what a check does not know."""


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
    """The stanzas of default/NAME.conf, of the add-on or the app."""
    (path,) = (place / "default" / f"{name}.conf" for place in (ADD_ON, APP) if (place / "default" / f"{name}.conf").exists())
    return conf(path)


def expand(search: str, macros: Stanzas | None = None, depth: int = 0) -> str:
    """A search with its macros replaced by their definitions, by default those of the add-on."""
    known = default("macros") if macros is None else macros
    if depth > 9:
        raise SplError(f"macros without end: {search}")

    def definition(match: re.Match[str]) -> str:
        given = [argument.strip() for argument in match[2].split(",")] if match[2] else []
        name = f"{match[1]}({len(given)})" if given else match[1]
        stanza = known.get(name)
        if stanza is None:
            raise SplError(f"no such macro: {name}")
        arguments = [argument.strip() for argument in stanza.get("args", "").split(",") if argument.strip()]
        if len(arguments) != len(given):
            raise SplError(f"the macro {name} has {len(arguments)} arguments")
        text = stanza["definition"]
        for argument, value in zip(arguments, given, strict=True):
            text = text.replace(f"${argument}$", value)
        if left := TOKEN.search(text):
            raise SplError(f"the macro {name} has no argument {left[1]}")
        return expand(text, known, depth + 1)

    return MACRO.sub(definition, search)


def panels(view: Path = DASHBOARD) -> dict[str, str]:
    """The query of each panel of a dashboard with the base search that it goes on from, by the panel's id."""
    found = {}
    root = ET.parse(view).getroot()
    bases = {search.get("id"): search.findtext("query") for search in root.iter("search") if search.get("id")}
    for panel in root.iter("panel"):
        (search,) = panel.iter("search")
        assert panel.get("id") not in found, panel.get("id")
        query = search.findtext("query") or ""
        found[panel.get("id") or ""] = f"{bases[search.get('base')]} | {query}" if search.get("base") else query
    return found


def filled(query: str) -> str:
    """The query of a panel with values for its tokens and macros, as Splunk would run it."""

    def value(match: re.Match[str]) -> str:
        text = TOKENS[match[1]]
        return f'"{text}"' if match[2] == "s" else text

    return expand(TOKEN.sub(value, query))


def saved() -> dict[str, str]:
    """The search of each saved search by its name."""
    return {name: stanza["search"] for name, stanza in default("savedsearches").items() if name != "default"}


@cache
def schema_fields() -> frozenset[str]:
    """The fields of an event by Splunk's names for JSON: a.b below an object, a{} for an array."""
    return frozenset(_leaves(event_schema(), ""))


def _leaves(schema: Mapping[str, Any], name: str) -> Iterator[str]:
    if "properties" in schema:
        for key, below in schema["properties"].items():
            yield from _leaves(below, f"{name}.{key}" if name else key)
    elif schema.get("type") == "array":
        yield from _leaves(schema["items"], f"{name}{{}}")
    elif schema.get("type") != "object":
        yield name


@cache
def possible_values() -> dict[str, set[str]]:
    """The values of each field that has only certain ones, in the words of Splunk."""
    found: dict[str, set[str]] = {"action": CIM_ACTIONS, "sourcetype": {ECS, RAW}}
    for name, schema in leaves(event_schema()["properties"]):
        item = schema.get("items", schema)
        values = item.get(
            "enum", [item["const"]] if "const" in item else ["true", "false"] if item.get("type") == "boolean" else []
        )
        if values:
            found[f"{name}{{}}" if "items" in schema else name] = set(map(str, values))
    with open(ROOT / "schemas" / "status_codes.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return found | {f"azure_mfa.status.{name}": {row[name] for row in rows} for name in ("class", "method", "constant")}


@cache
def golden_documents() -> tuple[dict[str, Any], ...]:
    """The events of the golden cases in the format ecs."""
    cases = (path.read_text(encoding="utf-8").split("\n") for path in sorted(GOLDEN.glob("*/expected.ndjson")))
    return tuple(json.loads(line) for lines in cases for line in lines if line.startswith('{"@timestamp"'))


def settings(sourcetype: str, kind: str) -> dict[str, str]:
    """The settings KIND-name of a source type, in the order of their names, which is Splunk's order."""
    stanza = default("props")[sourcetype]
    return {key.removeprefix(f"{kind}-"): stanza[key] for key in sorted(stanza) if key.startswith(kind + "-")}


@cache
def aliases(sourcetype: str) -> dict[str, str]:
    """The old name of each alias; an old name may have several new ones."""
    found: dict[str, str] = {}
    for text in settings(sourcetype, "FIELDALIAS").values():
        pairs = ALIAS.findall(text)
        if ALIAS.sub("", text).strip():
            raise SplError(f"not an alias: {text}")
        found |= {new.strip('"'): old.strip('"') for old, new in pairs}
    return found


@cache
def extractions(sourcetype: str) -> list[tuple["regex.Pattern[str]", str]]:
    """The regular expressions, and the field that each reads."""
    found = []
    for text in settings(sourcetype, "EXTRACT").values():
        pattern, _, field = text.rpartition(" in ") if re.search(r" in \w+$", text) else (text, "", "_raw")
        found.append((regex.compile(pattern), field))
    for text in settings(sourcetype, "REPORT").values():
        for name in text.split(","):
            stanza = default("transforms")[name.strip()]
            found.append((regex.compile(stanza["REGEX"]), stanza.get("SOURCE_KEY", "_raw")))
    return found


def extracted(line: str) -> dict[str, str]:
    """What the regular expressions take out of a raw line, one after the other; the first to make a field wins."""
    event = {"_raw": line}
    for pattern, source in extractions(RAW):
        if match := pattern.search(event.get(source, "")):
            event = {name: value for name, value in match.groupdict().items() if value is not None} | event
    return event


@cache
def lookups(sourcetype: str) -> list[tuple[str, dict[str, str], dict[str, str]]]:
    """Definition, {column: field} to match, {column: field} to add."""
    found = []
    for text in settings(sourcetype, "LOOKUP").values():
        name, rest = text.split(None, 1)
        match = re.fullmatch(r"(.*?)\s+(?:OUTPUT|OUTPUTNEW)\s+(.*)", rest)
        if match is None:
            raise SplError(f"a lookup without OUTPUT: {text}")
        found.append((name, _columns(match[1]), _columns(match[2])))
    return found


def _columns(text: str) -> dict[str, str]:
    names = re.sub(r"(\S+)\s+AS\s+(\S+)", r"\1=\2", text, flags=re.IGNORECASE).replace(",", " ").split()
    return {name.partition("=")[0]: name.partition("=")[2] or name for name in names}


@cache
def table(definition: str) -> list[dict[str, str]]:
    """The rows of a lookup."""
    with open(ADD_ON / "lookups" / default("transforms")[definition]["filename"], encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def made_fields(sourcetype: str) -> frozenset[str]:
    """What the props make: extracted, aliased, calculated, looked up."""
    made = set(aliases(sourcetype)) | set(settings(sourcetype, "EVAL"))
    for pattern, _ in extractions(sourcetype):
        made |= set(pattern.groupindex)
    for _, _, added in lookups(sourcetype):
        made |= set(added.values())
    return frozenset(made)


def fields(sourcetype: str) -> frozenset[str]:
    """Every field that a search on the source type may name."""
    own = schema_fields() if default("props")[sourcetype].get("KV_MODE") == "json" else frozenset()
    return DEFAULT_FIELDS | own | made_fields(sourcetype)


def existing(search: str) -> frozenset[str]:
    """The fields of the events that a search is about."""
    return fields(RAW if RAW in search else ECS)
