"""Pipelines of SPL: which fields each command reads and leaves, and, for the commands our dashboard uses, rows.

`check` walks a whole search with the fields that exist and refuses one that does not. `run` computes the
result from rows. Both know the commands in COMMANDS and STATIC and refuse any other, so that a search is
never waved through. Written from the documented behaviour; no Splunk runs here.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from tests.deploy import spl_eval, spl_search
from tests.deploy.spl_aggregate import TRANSFORMING, aggregate, outputs
from tests.deploy.spl_eval import Node, SplError, number
from tests.deploy.spl_text import options, pieces, subsearches, words

Fields = frozenset[str]
Rows = list[dict[str, Any]]

JOINING = {"append", "appendcols", "join", "multisearch", "union"}  # add what their subsearches leave
INDEXED = frozenset(("_time", "index", "host", "source", "sourcetype"))  # all that tstats sees of our events


def commands(search: str) -> list[tuple[str, str]]:
    """The commands of a search and what stands behind each; the first may leave out `search`."""
    found = []
    for place, piece in enumerate(pieces(search.strip().removeprefix("|") if search.strip().startswith("|") else search, "|")):
        name, rest = (*piece.split(None, 1), "", "")[:2]
        if place == 0 and not search.strip().startswith("|") and name != "search":
            name, rest = "search", piece
        if not name:
            raise SplError(f"an empty command in: {search}")
        found.append((name, rest.strip()))
    return found


def check(search: str, there: Iterable[str]) -> Fields:
    """The fields after the last command; a field that does not exist where it is read is an error."""
    fields = frozenset(there)
    for name, rest in commands(search):
        inner, rest = subsearches(rest)
        added = frozenset[str]().union(*(check(one, there) for one in inner))  # a subsearch begins anew
        try:
            fields = _step(name, rest, fields)
        except SplError as error:
            raise SplError(f"{error}, in: {name} {rest}") from None
        if name in JOINING:
            fields |= added
    return fields


def _step(name: str, rest: str, fields: Fields) -> Fields:
    if name in TRANSFORMING:
        read, made = outputs(name, rest)
        _need(read, fields)
        return frozenset(made) | (fields if name in ("eventstats", "streamstats") else frozenset())
    if name in STATIC:
        return STATIC[name](rest, fields)
    raise SplError(f"{name} is no command that the check knows: add it to STATIC in tests/deploy/spl.py")


def _need(read: Iterable[str], fields: Fields) -> None:
    if "*" in fields:  # behind a chart, whose columns are values
        return
    missing = sorted(one for one in read if not any(fnmatchcase(field, one.replace("{}", "[{]}")) for field in fields))
    if missing:
        raise SplError(f"no such field here: {', '.join(missing)}")


def _reads(names: Callable[[str], Iterable[str]]) -> Callable[[str, Fields], Fields]:
    """A command that reads fields and changes none."""

    def step(rest: str, fields: Fields) -> Fields:
        _need(names(rest), fields)
        return fields

    return step


def assignments(rest: str) -> list[tuple[str, Node]]:
    """The fields that `eval` makes, in order: a later one may read an earlier one."""
    found = []
    for piece in pieces(rest, ","):
        name, equals, expression = piece.partition("=")
        if not equals or not re.fullmatch(r'[\w.{}@]+|"[^"]+"', name.strip()):
            raise SplError(f"not an assignment: {piece}")
        found.append((name.strip().strip('"'), spl_eval.parse(expression)))
    return found


def _eval(rest: str, fields: Fields) -> Fields:
    for name, node in assignments(rest):
        _need(node.fields(), fields)
        fields |= {name}
    return fields


def renamings(rest: str) -> list[tuple[str, str]]:
    """Pairs of old and new name, either with a star."""
    found = words(rest)
    if len(found) % 3 or any(word.upper() != "AS" for word in found[1::3]):
        raise SplError("rename needs OLD AS NEW")
    return list(zip(found[::3], found[2::3], strict=True))


def renamed(name: str, pairs: Iterable[tuple[str, str]]) -> str:
    """What a field is called after `rename`."""
    for old, new in pairs:
        if match := re.fullmatch(re.escape(old).replace(r"\*", "(.*)"), name):
            return new.replace("*", match[1]) if "*" in old else new
    return name


def _rename(rest: str, fields: Fields) -> Fields:
    pairs = renamings(rest)
    _need((old for old, _ in pairs), fields)
    return frozenset(renamed(field, pairs) for field in fields)


def _table(rest: str, fields: Fields) -> Fields:
    wanted = words(rest)
    _need(wanted, fields)
    return frozenset(one for one in fields if any(fnmatchcase(one, name) for name in wanted)) | frozenset(wanted)


def _fields(rest: str, fields: Fields) -> Fields:
    signs = [word for word in words(rest) if word in "+-"]
    wanted = [word for word in words(rest) if word not in "+-"]
    _need(wanted, fields)
    if "-" in signs:
        return frozenset(one for one in fields if not any(fnmatchcase(one, name) for name in wanted))
    return _table(" ".join(wanted), fields) | (fields & {"_time", "_raw"})


def sort_keys(rest: str) -> tuple[int, list[tuple[str, bool]]]:
    """How many rows (0 is all), and the fields with True for downwards."""
    found = re.sub(r"(^|[\s,])([+-])\s*(?=[\w(])", r"\1\2", rest).replace(",", " ").split()
    limit = int(found.pop(0)) if found and found[0].isdigit() else 10_000
    keys = [(re.sub(r"^(?:num|str|auto|ip)\((.*)\)$", r"\1", word.lstrip("+-")), word.startswith("-")) for word in found]
    return limit, [(name.strip('"'), down) for name, down in keys if name not in ("d", "desc")]


def _accum(rest: str, fields: Fields) -> Fields:
    name, *new = words(rest)
    _need([name], fields)
    return fields | {new[-1] if new else name}


def _made_by_rex(rest: str, fields: Fields) -> Fields:
    _need([options(rest).get("field", "_raw")], fields)
    return fields | frozenset(re.findall(r"\(\?P?<([A-Za-z_]\w*)>", rest))


def _lookup(rest: str, fields: Fields) -> Fields:
    given, output, added = re.fullmatch(r"\S+\s+(.*?)(?:\s+(OUTPUT|OUTPUTNEW)\s+(.*))?", rest).groups()  # type: ignore[union-attr]
    names = words(re.sub(r"\S+\s+AS\s+", "", given, flags=re.IGNORECASE))
    _need(names, fields)
    return fields | frozenset(words(re.sub(r"\S+\s+AS\s+", "", added, flags=re.IGNORECASE)) if output else ())


def _plain(rest: str) -> list[str]:
    """Names behind the options and a count."""
    return [word for word in words(re.sub(r'\w+=("[^"]*"|\S+)', "", rest)) if not word.isdigit()]


def _fillnull(rest: str) -> list[str]:
    return _plain(rest)


def _bin(rest: str, fields: Fields) -> Fields:
    names = [word for word in _plain(rest) if word.upper() != "AS"]
    _need(names[:1], fields)
    return fields | frozenset(names[1:])


def _transaction(rest: str, fields: Fields) -> Fields:
    _need(_plain(rest), fields)
    return fields | {"duration", "eventcount", "closed_txn"}


def _tstats(rest: str, fields: Fields) -> Fields:
    counted, where, by = re.fullmatch(r"(.*?)(?:\s+WHERE\s+(.*?))?(\s+BY\s+.*)?", rest, re.DOTALL | re.IGNORECASE).groups()  # type: ignore[union-attr]
    read, made = outputs("stats", counted + (by or ""))
    _need([*read, *spl_search.parse(where or "").fields()], INDEXED)
    return frozenset(made)


def _same(rest: str, fields: Fields) -> Fields:
    return fields


STATIC: dict[str, Callable[[str, Fields], Fields]] = {
    "search": _reads(lambda rest: spl_search.parse(rest).fields()),
    "where": _reads(lambda rest: spl_eval.parse(rest).fields()),
    "eval": _eval,
    "rename": _rename,
    "table": _table,
    "fields": _fields,
    "sort": _reads(lambda rest: [name for name, _ in sort_keys(rest)[1]]),
    "head": _same,
    "tail": _same,
    "reverse": _same,
    "accum": _accum,
    "bin": _bin,
    "bucket": _bin,
    "fillnull": _reads(_fillnull),
    "dedup": _reads(lambda rest: _plain(rest.split("sortby")[0])),
    "convert": _reads(lambda rest: re.findall(r"\w+\(([^)]*)\)", rest)),
    "rex": _made_by_rex,
    "regex": _reads(lambda rest: re.findall(r'^([\w.{}]+)\s*!?=\s*"', rest)),
    "lookup": _lookup,
    "transaction": _transaction,
    "mvexpand": _reads(lambda rest: _plain(rest)[:1]),
    "append": _same,
    "appendcols": _same,
    "multisearch": _same,
    "union": _same,
    "tstats": _tstats,
    "join": _reads(_plain),
    "makeresults": lambda rest, fields: fields | {"_time"},
    "collect": _same,
    "sendalert": _same,
}


def run(search: str, rows: Sequence[dict[str, Any]], span: float = 86_400) -> Rows:
    """The result of a search on events; `span` is the width of a column of timechart in seconds."""
    result = [dict(row) for row in rows]
    for name, rest in commands(search):
        result = aggregate(name, rest, result, span) if name in TRANSFORMING else _run(name, rest, result)
    return result


def _run(name: str, rest: str, rows: Rows) -> Rows:
    if name == "search":
        term = spl_search.parse(rest)
        return [row for row in rows if spl_search.holds(term, row)]
    if name == "where":
        node = spl_eval.parse(rest)
        return [row for row in rows if spl_eval.evaluate(node, row) is True]
    if name == "eval":
        for field, node in assignments(rest):
            rows = [row | {field: spl_eval.evaluate(node, row)} for row in rows]
        return [{key: value for key, value in row.items() if value is not None} for row in rows]
    if name == "rename":
        pairs = renamings(rest)
        return [{renamed(key, pairs): value for key, value in row.items()} for row in rows]
    if name == "table":
        return [{key: row[key] for key in words(rest) if key in row} for row in rows]
    if name == "sort":
        limit, keys = sort_keys(rest)
        for key, down in reversed(keys):
            rows = sorted(rows, key=lambda row: _order(row.get(key)), reverse=down)
        return rows[:limit] if limit else rows
    if name == "accum":
        return _running_sums(words(rest), rows)
    if name == "fillnull":
        value = options(rest).get("value", "0")
        return [dict.fromkeys(_fillnull(rest), value) | row for row in rows]
    if name == "convert":
        return rows  # how a time is written is not looked at
    raise SplError(f"{name} is not run here")


def _order(value: Any) -> tuple[int, float, str]:
    """Numbers before texts, what is missing first."""
    as_number = number(value)
    return (0, 0, "") if value is None else (1, as_number, "") if as_number is not None else (2, 0, str(value))


def _running_sums(names: list[str], rows: Rows) -> Rows:
    total, result = 0, []
    for row in rows:
        total += row[names[0]]
        result.append(row | {names[-1]: total})
    return result
