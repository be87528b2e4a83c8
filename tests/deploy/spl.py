"""Which fields a Splunk search reads, followed from command to command.

Written from Splunk's documentation: no parser of SPL can be had outside of Splunk. What the check does not know it
refuses (a command, a function, a bracket too many), so that no search passes because it was not understood.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase

from tests.deploy.spl_text import SplError, expression_fields, options, pieces, search_fields, subsearches, words

Fields = frozenset[str]

TRANSFORMING = {"stats", "eventstats", "streamstats", "chart", "timechart"}
JOINING = {"append", "appendcols", "join", "multisearch", "union"}  # add what their subsearches leave
INDEXED = frozenset(("_time", "index", "host", "source", "sourcetype"))  # all that tstats sees of our events
SPLIT = re.compile(r"\s+(BY|OVER)\s+", re.IGNORECASE)
# function, function(field), function(eval(expression)); AS name. Brackets in brackets, three deep.
COUNT = re.compile(
    r"""[\s,]*(\w+)(?:\(((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*)\))?(?:\s+AS\s+("[^"]+"|[^\s,]+))?""", re.IGNORECASE
)
OPTION = re.compile(
    r'(?:^|\s)(?:span|limit|useother|usenull|cont|bins|aligntime|time_window|window|current|global|showperc|showcount)="?[^\s"]+"?'
)
_COUNTING = (
    "c count dc distinct_count estdc sum avg mean median mode stdev range min max first last earliest latest earliest_time "
    "latest_time list values rate sparkline p50 p95 p99 perc50 perc95"
)
COUNTING = set(_COUNTING.split())


def commands(search: str) -> list[tuple[str, str]]:
    """The commands of a search, each with the text behind it; the first may leave out `search`."""
    text = search.strip()
    found = []
    for number, piece in enumerate(pieces(text.removeprefix("|"), "|")):
        name, rest = (*piece.split(None, 1), "", "")[:2]
        if number == 0 and not text.startswith("|") and name != "search":
            name, rest = "search", piece
        if not name:
            raise SplError(f"an empty command in: {search}")
        found.append((name, rest.strip()))
    return found


def check(search: str, there: Iterable[str]) -> Fields:
    """The fields after the last command.

    Raises:
        SplError: A command reads a field that does not exist there, or is not understood.
    """
    fields = frozenset(there)
    for name, rest in commands(search):
        inner, rest = subsearches(rest)
        added = frozenset[str]().union(*(check(subsearch, there) for subsearch in inner))  # a subsearch begins anew
        try:
            fields = _step(name, rest, fields)
        except SplError as error:
            raise SplError(f"{error}, in: {name} {rest}") from None
        if name in JOINING:
            fields |= added
    return fields


def _step(name: str, rest: str, fields: Fields) -> Fields:
    if name in TRANSFORMING:
        read, made = _counted(name, rest)
        _need(read, fields)
        return frozenset(made) | (fields if name in ("eventstats", "streamstats") else frozenset())
    if name in COMMANDS:
        return COMMANDS[name](rest, fields)
    raise SplError(f"the check does not know the command {name}: add it to COMMANDS in tests/deploy/spl.py")


def _need(read: Iterable[str], fields: Fields) -> None:
    if "*" in fields:  # after a chart, whose columns are values
        return
    missing = sorted(name for name in read if not any(fnmatchcase(field, name.replace("{}", "[{]}")) for field in fields))
    if missing:
        raise SplError(f"no such field here: {', '.join(missing)}")


def _counted(name: str, rest: str) -> tuple[set[str], set[str]]:
    """The fields that a counting command reads, and those that it leaves."""
    head, *split = SPLIT.split(" " + OPTION.sub(" ", " " + rest))
    groups: dict[str, list[str]] = {"OVER": [], "BY": []}
    for keyword, text in zip(split[::2], split[1::2], strict=True):
        groups[keyword.upper()] = words(OPTION.sub(" ", " " + text))
    over, by = groups["OVER"], groups["BY"]
    columns = dict(_columns(head))
    read = {*over, *by}.union(*columns.values())
    if name == "timechart":
        return read | {"_time"}, {"_time", "*"} if by else {"_time", *columns}
    if name == "chart":
        first = over or by[:1]
        return read, {*first, "*"} if (over and by) or len(by) > 1 else {*first, *columns}
    return read, {*by, *columns}


def _columns(text: str) -> Iterator[tuple[str, set[str]]]:
    """Each column of a counting command by its name, with the fields that it is counted from."""
    at, found = 0, 0
    while text[at:].strip(" ,\n\t"):
        match = COUNT.match(text, at)
        if match is None or match[1] not in COUNTING:
            raise SplError(f"no such function of stats: {match[1] if match else text[at:]}")
        at, found = match.end(), found + 1
        inside, name = (match[2] or "").strip(), (match[3] or "").strip('"')
        expression = re.fullmatch(r"eval\((.*)\)", inside, re.DOTALL)
        read = expression_fields(expression[1]) if expression else set(filter(None, [inside.strip("'\"")]))
        yield name or (f"{match[1]}({inside})" if inside else match[1]), read
    if not found:
        raise SplError("nothing to count")


def _reads(names: Callable[[str], Iterable[str]]) -> Callable[[str, Fields], Fields]:
    """A command that reads fields and changes none."""

    def step(rest: str, fields: Fields) -> Fields:
        _need(names(rest), fields)
        return fields

    return step


def _eval(rest: str, fields: Fields) -> Fields:
    """A later assignment may read what an earlier one made."""
    for piece in pieces(rest, ","):
        name, equals, expression = piece.partition("=")
        if not equals or not re.fullmatch(r'[\w.{}@]+|"[^"]+"', name.strip()):
            raise SplError(f"not an assignment: {piece}")
        _need(expression_fields(expression), fields)
        fields |= {name.strip().strip('"')}
    return fields


def _rename(rest: str, fields: Fields) -> Fields:
    names = words(rest)
    if len(names) % 3 or any(word.upper() != "AS" for word in names[1::3]):
        raise SplError("rename needs OLD AS NEW")
    _need(names[::3], fields)
    return frozenset(_renamed(field, names[::3], names[2::3]) for field in fields)


def _renamed(field: str, old_names: list[str], new_names: list[str]) -> str:
    """What a field is called after `rename`; either name may have a star."""
    for old, new in zip(old_names, new_names, strict=True):
        if match := re.fullmatch(re.escape(old).replace(r"\*", "(.*)"), field):
            return new.replace("*", match[1]) if "*" in old else new
    return field


def _table(rest: str, fields: Fields) -> Fields:
    wanted = words(rest)
    _need(wanted, fields)
    return frozenset(field for field in fields if any(fnmatchcase(field, name) for name in wanted)) | frozenset(wanted)


def _fields(rest: str, fields: Fields) -> Fields:
    wanted = [word for word in words(rest) if word not in "+-"]
    kept = _table(" ".join(wanted), fields)
    return fields - kept if "-" in words(rest) else kept | (fields & {"_time", "_raw"})


def _sort_keys(rest: str) -> list[str]:
    keys = re.sub(r"(^|[\s,])[+-]\s*(?=[\w(])", r"\1", rest).replace(",", " ").split()
    if keys and keys[0].isdigit():  # how many rows
        del keys[0]
    return [re.sub(r"^(?:num|str|auto|ip)\((.*)\)$", r"\1", key).strip('"') for key in keys if key not in ("d", "desc")]


def _accum(rest: str, fields: Fields) -> Fields:
    name, *new = words(rest)
    _need([name], fields)
    return fields | {new[-1] if new else name}


def _rex(rest: str, fields: Fields) -> Fields:
    _need([options(rest).get("field", "_raw")], fields)
    return fields | frozenset(re.findall(r"\(\?P?<([A-Za-z_]\w*)>", rest))


def _plain(rest: str) -> list[str]:
    """Names behind the options and a count."""
    return [word for word in words(re.sub(r'\w+=("[^"]*"|\S+)', "", rest)) if not word.isdigit()]


def _bin(rest: str, fields: Fields) -> Fields:
    names = [word for word in _plain(rest) if word.upper() != "AS"]
    _need(names[:1], fields)
    return fields | frozenset(names[1:])


def _transaction(rest: str, fields: Fields) -> Fields:
    _need(_plain(rest), fields)
    return fields | {"duration", "eventcount", "closed_txn"}


def _tstats(rest: str, fields: Fields) -> Fields:
    counted, where, by = re.fullmatch(r"(.*?)(?:\s+WHERE\s+(.*?))?(\s+BY\s+.*)?", rest, re.DOTALL | re.IGNORECASE).groups()  # type: ignore[union-attr]
    read, made = _counted("stats", counted + (by or ""))
    _need(read | search_fields(where or ""), INDEXED)
    return frozenset(made)


def _same(rest: str, fields: Fields) -> Fields:
    return fields


COMMANDS: dict[str, Callable[[str, Fields], Fields]] = {
    **dict.fromkeys(["head", "append", "appendcols", "multisearch", "union"], _same),
    "search": _reads(search_fields),
    "where": _reads(expression_fields),
    "eval": _eval,
    "rename": _rename,
    "table": _table,
    "fields": _fields,
    "sort": _reads(_sort_keys),
    "accum": _accum,
    "bin": _bin,
    "fillnull": _reads(_plain),
    "dedup": _reads(lambda rest: _plain(rest.split("sortby")[0])),
    "convert": _reads(lambda rest: re.findall(r"\w+\(([^)]*)\)", rest)),
    "rex": _rex,
    "transaction": _transaction,
    "join": _reads(_plain),
    "tstats": _tstats,
}
