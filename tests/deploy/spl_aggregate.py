"""The commands of SPL that count: stats, chart, timechart and their kin."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.deploy import spl_eval
from tests.deploy.spl_eval import Node, SplError, number, text_of
from tests.deploy.spl_text import words

TRANSFORMING = {"stats", "eventstats", "streamstats", "chart", "timechart", "top", "rare"}
SPLIT = re.compile(r"\s+(BY|OVER)\s+", re.IGNORECASE)
# function, function(field), function(eval(expression)); AS name. Brackets in brackets, three deep.
COUNT = re.compile(
    r"""[\s,]*(\w+)(?:\(((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*)\))?(?:\s+AS\s+("[^"]+"|[^\s,]+))?""", re.IGNORECASE
)
OPTION = re.compile(
    r'(?:^|\s)(?:span|limit|useother|usenull|cont|bins|aligntime|time_window|window|current|global|showperc|showcount)="?[^\s"]+"?'
)

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Count:
    """One column: a function, the field or expression that it counts, the name of the column."""

    function: str
    field: str
    node: Node | None
    name: str

    def reads(self) -> set[str]:
        """The fields that it needs."""
        return set(self.node.fields()) if self.node else {self.field} if self.field else set()

    def of(self, rows: Rows) -> Any:
        """Its value for the rows of a group; None where there is nothing to count."""
        if self.node is not None:
            return sum(spl_eval.evaluate(self.node, row) is True for row in rows)
        if self.function == "count" and not self.field:
            return len(rows)
        return FUNCTIONS[self.function]([row[self.field] for row in rows if row.get(self.field) is not None], rows, self.field)


def _latest(values: list[Any], rows: Rows, field: str) -> Any:
    timed = [row for row in rows if row.get(field) is not None]
    return max(timed, key=lambda row: row["_time"])[field] if timed else None


Values = Callable[[list[Any], Rows, str], Any]
FUNCTIONS: dict[str, Values] = {
    "count": lambda values, rows, field: len(values),
    "dc": lambda values, rows, field: len(set(map(text_of, values))),
    "sum": lambda values, rows, field: sum(number(value) or 0 for value in values) if values else None,
    "min": lambda values, rows, field: min((number(value) or 0 for value in values), default=None),
    "max": lambda values, rows, field: max((number(value) or 0 for value in values), default=None),
    "values": lambda values, rows, field: sorted(set(map(text_of, values))),
    "latest": _latest,
}
# Known to Splunk, computed nowhere here.
UNTRIED = {"avg", "mean", "median", "mode", "stdev", "range", "first", "last", "list", "earliest", "distinct_count", "c"} | {
    "earliest_time",
    "latest_time",
    "rate",
    "perc95",
    "p95",
    "p50",
    "perc50",
    "p99",
    "estdc",
    "sparkline",
}


@dataclass(frozen=True, slots=True)
class Counting:
    """What such a command was told."""

    counts: tuple[Count, ...]
    over: tuple[str, ...]
    by: tuple[str, ...]


def read(name: str, rest: str) -> Counting:
    """The columns and the groups."""
    if name in ("top", "rare"):
        head, *split = SPLIT.split(re.sub(r"^\s*\d+|\w+=\S+", "", rest))
        return Counting((Count("count", "", None, "count"),), tuple(words(head)), tuple(words(split[1])) if split else ())
    head, *rest_of_it = SPLIT.split(" " + OPTION.sub(" ", " " + rest))
    groups: dict[str, tuple[str, ...]] = {"OVER": (), "BY": ()}
    for keyword, text in zip(rest_of_it[::2], rest_of_it[1::2], strict=True):
        groups[keyword.upper()] = tuple(words(OPTION.sub(" ", " " + text)))
    return Counting(tuple(_counts(head)), groups["OVER"], groups["BY"])


def _counts(text: str) -> list[Count]:
    found: list[Count] = []
    at = 0
    while text[at:].strip(" ,\n\t"):
        match = COUNT.match(text, at)
        if match is None:
            raise SplError(f"not a function of stats: {text[at:]}")
        at = match.end()
        function, inside, name = match[1], (match[2] or "").strip(), (match[3] or "").strip('"')
        if function not in FUNCTIONS and function not in UNTRIED:
            raise SplError(f"no such function of stats: {function}")
        expression = re.fullmatch(r"eval\((.*)\)", inside, re.DOTALL)
        node = spl_eval.parse(expression[1]) if expression else None
        field = "" if expression else inside.strip("'\"")
        found.append(Count(function, field, node, name or (f"{function}({inside})" if inside else function)))
    if not found:
        raise SplError("nothing to count")
    return found


def outputs(name: str, rest: str) -> tuple[set[str], set[str]]:
    """The fields that the command reads, and those that it leaves."""
    told = read(name, rest)
    needed = set(told.over) | set(told.by)
    for one in told.counts:
        needed |= one.reads()
    names = {one.name for one in told.counts}
    if name == "timechart":
        return needed | {"_time"}, {"_time", "*"} if told.by else {"_time"} | names
    if name == "chart":
        first = told.over or told.by[:1]
        return needed, set(first) | ({"*"} if (told.over and told.by) or len(told.by) > 1 else names)
    if name in ("top", "rare"):
        return needed, needed | {"count", "percent"}
    return needed, set(told.by) | names


def aggregate(name: str, rest: str, rows: Rows, span: float) -> Rows:
    """The rows that come out; series of a chart are columns, a missing value is the series NULL."""
    told = read(name, rest)
    if name == "stats":
        groups = _groups(rows, told.by)
        if not told.by:
            groups = {(): rows}  # of nothing, stats still says 0
        return [dict(zip(told.by, key, strict=True)) | _row(told.counts, one) for key, one in groups.items()]
    if name == "timechart":
        rows, first, series = [row | {"_time": row["_time"] // span * span} for row in rows], "_time", told.by
    elif name == "chart":
        first, *others = (*told.over, *told.by)
        series = tuple(others)
    else:
        raise SplError(f"{name} is not run here")
    if len(told.counts) != 1 or len(series) > 1:
        raise SplError("a chart of one count by one field is what is run here")
    result = []
    for key, one in sorted(_groups(rows, (first,)).items(), key=lambda item: _key(item[0][0])):
        columns = _groups([{series[0]: "NULL"} | row for row in one], series) if series else {(told.counts[0].name,): one}
        result.append({first: key[0]} | {text_of(column): told.counts[0].of(part) for (column,), part in columns.items()})
    return result


def _key(value: Any) -> tuple[float, str]:
    return (number(value) or 0.0, text_of(value))


def _groups(rows: Rows, by: Sequence[str]) -> dict[tuple[Any, ...], Rows]:
    """Rows by their values; a row that lacks one of the fields is in no group."""
    found: dict[tuple[Any, ...], Rows] = {}
    for row in rows:
        key = tuple(row.get(name) for name in by)
        if None not in key:
            found.setdefault(key, []).append(row)
    return found


def _row(counts: Sequence[Count], rows: Rows) -> dict[str, Any]:
    values = {one.name: one.of(rows) for one in counts}
    return {name: value for name, value in values.items() if value is not None}
