"""The fields that a Splunk search names, command by command: each is of the event, or was made by a command before.

Written from Splunk's documentation: no parser of SPL can be had outside of Splunk. It knows the commands and functions that
our searches have and refuses the others, so that no search passes because it was not understood.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from tests.support.deploy.splunk_app import SplError

Fields = frozenset[str]

COUNTING = {"stats", "streamstats", "chart", "timechart"}
FILTERING = {"search", "where", "sort", "bin", "fillnull", "convert"}  # these make no field that a search reads
FUNCTIONS = {
    "case", "coalesce", "floor", "if", "in", "isnotnull", "isnull", "lower", "match", "now", "null", "relative_time", "replace",
    "round", "strptime", "substr", "upper",
}  # fmt: skip
AGGREGATES = {"avg", "count", "dc", "last", "latest", "max", "min", "perc50", "perc95", "sum", "values"}
TIMES = {"earliest", "latest"}  # say when, and are no fields
TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
OPTION = re.compile(r"(?<![\w.])(?:current|endswith|global|maxspan|span|startswith|time_window|value|window)=\S+")
WORD = re.compile(r"[\w.{}*]+")
VALUE = re.compile(r"'[^']+'|\"\"|\b[A-Za-z_]\w*|\b\d+(?:\.\d+)?")
CALL = re.compile(r"\b([A-Za-z_]\w*)\s*\(")
AND_OR_NOT = re.compile(r"\b(?:AND|OR|NOT)\b")
COLUMN = re.compile(r'(\w+)(?:\(([^()]*)\))?(?:\s+AS\s+([\w.]+|""))?[\s,]*', re.IGNORECASE)
ASSIGNMENT = re.compile(r",\s*(?=\w+\s*=(?!=))")
_NAME = r"(?:'([^']+)'|(?<![\w.{}'])([\w.{}]+))"
COMPARED = re.compile(rf'{_NAME}\s*(?:==?|!=)\s*"([^"]*)"')
LISTED = re.compile(rf'(?:in\(\s*{_NAME}\s*,|{_NAME}\s+IN\s*\()((?:\s*"[^"]*"\s*,?)+)\)')


def commands(search: str) -> list[tuple[str, str]]:
    """The commands of a search, its texts left empty; an `eval` for each field that one makes."""
    found = []
    for number, piece in enumerate(without_texts(search).split("|")):
        name, rest = (*piece.split(None, 1), "", "")[:2]
        if number == 0 and name != "search":
            name, rest = "search", piece
        if rest.count("(") != rest.count(")"):
            raise SplError(f"a bracket too many: {piece}")
        found += [(name, part.strip()) for part in (ASSIGNMENT.split(rest) if name == "eval" else [rest])]
    return found


def without_texts(search: str) -> str:
    """The search with "" for each text in quotes."""
    bare = TEXT.sub('""', search)
    if bare.count('"') % 2 or "[" in bare:
        raise SplError(f"a quote without end, or a subsearch: {search}")
    return bare


def check(search: str, there: Iterable[str]) -> Fields:
    """The fields after the last command.

    Raises:
        SplError: A command names a field that does not exist there, or is not understood.
    """
    fields = frozenset(there)
    for name, rest in commands(search):
        try:
            named, left = _step(name, rest, fields)
        except SplError as error:
            raise SplError(f"{error}, in: {name} {rest}") from None
        missing = sorted(field for field in named if not any(fnmatchcase(known, field) for known in fields))
        if missing:
            raise SplError(f"no such field here: {', '.join(missing)}, in: {name} {rest}")
        fields = left
    return fields


def _step(name: str, rest: str, fields: Fields) -> tuple[set[str], Fields]:
    """The fields that a command names, and those that it leaves."""
    words = WORD.findall(OPTION.sub("", rest))
    if name in COUNTING:
        named, made = _counted(OPTION.sub("", rest))
        return named, made | (fields if name == "streamstats" else frozenset(["_time"] if name == "timechart" else []))
    if name in FILTERING:
        return _filtered(name, rest, words), fields
    match name:
        case "eval":
            new, equals, expression = rest.partition("=")
            if not equals:
                raise SplError("not an assignment")
            return expression_fields(expression), fields | {new.strip()}
        case "rename":
            pairs = re.findall(r'([\w.{}]+) AS ([\w.]+|"")', rest)
            if len(pairs) != len(rest.split(",")):
                raise SplError("rename needs OLD AS NEW")
            return {old for old, _ in pairs}, fields - {old for old, _ in pairs} | {new for _, new in pairs}
        case "table" | "fields":
            return set(words), frozenset(known for known in fields if any(fnmatchcase(known, word) for word in words))
        case "transaction":
            return set(words), fields | {"duration"}
        case "accum":
            return {words[0]}, fields | {words[-1]}
    raise SplError(f"the check does not know the command {name}: add it to tests/deploy/spl.py")


def _filtered(name: str, rest: str, words: list[str]) -> set[str]:
    """The fields of a command that only leaves rows out, orders them, or changes values."""
    if name in ("search", "where"):
        return search_fields(rest) if name == "search" else expression_fields(rest)
    if name == "convert":
        return set(re.findall(r"\((\w+)\)", rest))
    return {word for word in words if not word.isdigit()}


def _counted(rest: str) -> tuple[set[str], Fields]:
    """What a counting command reads, and the columns that it leaves; those of a chart's values have no name."""
    head, *groups = re.split(r"\s+(?:BY|OVER)\s+", f" {rest.strip()}", flags=re.IGNORECASE)
    by = {word for group in groups for word in WORD.findall(group)}
    if not head.strip() or COLUMN.sub("", head.strip()) or (groups and not by):
        raise SplError("not understood")
    columns = COLUMN.findall(head.strip())
    if wrong := {function for function, _, _ in columns} - AGGREGATES:
        raise SplError(f"no such function: {', '.join(wrong)}")
    return by | {field for _, field, _ in columns if field}, frozenset(by | {new or function for function, _, new in columns})


def expression_fields(text: str) -> set[str]:
    """The fields of an expression of `eval` or `where`.

    A dot joins texts here: `event.action` without single quotes is the field `event` joined with the field `action`.

    Raises:
        SplError: A function is unknown, or operators and values do not take turns.
    """
    bare = without_texts(text)
    if wrong := set(CALL.findall(AND_OR_NOT.sub("", bare))) - FUNCTIONS:
        raise SplError(f"no such function: {', '.join(wrong)}")
    called = CALL.sub("(", AND_OR_NOT.sub("+", bare))
    if re.search(r"v\s+[v(]|\)\s*[v(]|[-+*/=<>,.]\s*\)|[-+*/=<>,.]\s*$|^\s*$", VALUE.sub("v", called)):
        raise SplError(f"an operator or a value is missing: {text}")
    return {value.strip("'") for value in VALUE.findall(called) if re.match(r"'|[A-Za-z_]", value)}


def search_fields(text: str) -> set[str]:
    """The fields that an expression of the command `search` compares. Dots belong to names here."""
    return set(re.findall(r"([\w.{}]+)\s*(?:[!<>]?=|[<>]|\bIN\b)", without_texts(text))) - TIMES


def comparisons(text: str) -> set[tuple[str, str]]:
    """Each field with each quoted value that a search or an expression compares it with."""
    pairs = {(quoted or plain, value) for quoted, plain, value in COMPARED.findall(text)}
    for *names, values in LISTED.findall(text):
        pairs |= {(next(filter(None, names)), value) for value in re.findall(r'"([^"]*)"', values)}
    return pairs
