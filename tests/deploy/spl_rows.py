"""Counts events as the numbers of the Splunk dashboard do: the terms of a search, and `stats` behind them.

No interpreter of SPL: what the numbers do not need is refused. Splunk itself runs nowhere here.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any

from tests.deploy.spl import commands
from tests.deploy.spl_text import SplError
from tests.support.deploy.splunk_app import ECS, expand

Row = dict[str, Any]  # values by field; a list where an event has several
Test = Callable[[Row], bool]
TERM = re.compile(
    r'\s*(?:(?P<bracket>[()])|(?P<word>NOT|OR|AND)\b|(?P<field>[\w.{}]+)\s*(?:(?P<sign>=|!=|<=)\s*(?P<value>"[^"]*"|[^\s()]+)|IN\s*\((?P<list>[^)]*)\)))'
)
COUNTED = re.compile(r"(?:(count)|(sum|dc)\(([\w.]+)\)) AS (\w+)(?: BY (.+))?")


def row(event: Row, path: str = "") -> Row:
    """An event with Splunk's names: a.b for what is nested, a{} for what a list holds."""
    found: Row = {}
    for name, value in event.items():
        if isinstance(value, dict):
            found |= row(value, f"{path}{name}.")
        elif isinstance(value, list):
            found[f"{path}{name}{{}}"] = [text(item) for item in value]
        else:
            found[path + name] = text(value)
    return found


def text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def number(search: str, events: Iterable[Row]) -> float:
    """The one number that a search ends with. Its macros are filled in."""
    rows = [row(event) | {"sourcetype": ECS, "index": "mfa"} for event in events]
    who = expand("`mfa_who`")
    for name, rest in commands(search):
        if name == "search":
            test = terms(rest)
            rows = [found for found in rows if test(found)]
        elif f"{name} {rest}" == who:
            rows = [named(found) for found in rows]
        elif name == "fillnull":
            rows = filled(rows, rest)
        elif name == "stats":
            rows = counted(rows, rest)
        elif name not in ("bin", "fields"):  # which change no number
            raise SplError(f"no command of a number: {name} {rest}")
    ((value,),) = (found.values() for found in rows)
    return float(value)


def named(found: Row) -> Row:
    """What the macro mfa_who makes."""
    name = {"who_name": str(found["user.name"]).lower()} if "user.name" in found else {}
    return found | {"who_domain": str(found.get("user.domain", "-")).lower()} | name


def filled(rows: list[Row], rest: str) -> list[Row]:
    value, *names = re.sub(r"^value=", "", rest).replace('"', "").split()
    missing: Row = dict.fromkeys(names, float(value) if value.isdigit() else value)
    return [missing | {name: value for name, value in found.items() if value is not None} for found in rows]


def counted(rows: list[Row], rest: str) -> list[Row]:
    """`stats`: an event without a field that is grouped by counts nowhere, and a sum of nothing is none."""
    match = COUNTED.fullmatch(rest)
    if match is None:
        raise SplError(f"no stats of a number: {rest}")
    _, function, field, name, by = match.groups()
    if by:
        names = [group for group in by.split() if group != "_time"]
        groups = Counter(tuple(found[group] for group in names) for found in rows if all(group in found for group in names))
        return [dict(zip(names, key, strict=True)) | {name: count} for key, count in groups.items()]
    values = [found[field] for found in rows if field in found] if field else []
    results = {"count": len(rows), "sum": sum(values) if values and function == "sum" else None, "dc": len(set(values))}
    return [{name: results[function or "count"]}]


def terms(text: str) -> Test:
    """What the terms of a search match: words between which stands nothing are all wanted."""
    tokens, at = [], 0
    while text[at:].strip():
        match = TERM.match(text, at)
        if match is None:
            raise SplError(f"not a term: {text[at:]}")
        tokens.append(match)
        at = match.end()
    test = _any(tokens)
    if tokens:
        raise SplError(f"a bracket too many: {text}")
    return test


def _any(tokens: list[re.Match[str]]) -> Test:
    choices = [_all(tokens)]
    while tokens and tokens[0]["word"] == "OR":
        tokens.pop(0)
        choices.append(_all(tokens))
    return lambda found: any(choice(found) for choice in choices)


def _all(tokens: list[re.Match[str]]) -> Test:
    wanted = []
    while tokens and tokens[0]["word"] != "OR" and tokens[0]["bracket"] != ")":
        if tokens[0]["word"] == "AND":
            tokens.pop(0)
        wanted.append(_one_of(tokens))
    return lambda found: all(test(found) for test in wanted)


def _one_of(tokens: list[re.Match[str]]) -> Test:
    token = tokens.pop(0)
    if token["word"] == "NOT":
        inner = _one_of(tokens)
        return lambda found: not inner(found)
    if token["bracket"]:
        inner = _any(tokens)
        tokens.pop(0)
        return inner
    field, sign = token["field"], token["sign"]
    if sign == "<=":
        return lambda found: field in found and float(found[field]) <= float(token["value"])
    values = [value.strip().strip('"').lower() for value in (token["list"] or token["value"]).split(",")]

    def equal(found: Row) -> bool:
        there = found.get(field, [])
        texts = [str(item).lower() for item in (there if isinstance(there, list) else [there])]
        return any(fnmatchcase(item, value) for item in texts for value in values)

    return (lambda found: field in found and not equal(found)) if sign == "!=" else equal
