"""Expressions of Splunk's `eval` and `where`: parsed, so that their fields are known, and evaluated.

Written from the documented grammar, because no parser of SPL can be had outside Splunk. What it does not
know it refuses. A dot joins texts here, as in Splunk: `event.action` without single quotes is the field
`event` joined with the field `action`, and the check of fields finds it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import regex

Row = Mapping[str, Any]


class SplError(Exception):
    """What Splunk would refuse, or what this checker does not know."""


TOKEN = re.compile(
    r"""\s*(?: "(?P<text>(?:[^"\\]|\\.)*)" | '(?P<field>[^']+)' | (?P<number>\d+(?:\.\d+)?)
        | (?P<name>[A-Za-z_]\w*) | (?P<sign>==|!=|<=|>=|[-+*/%.=<>(),]) )""",
    re.VERBOSE,
)
COMPARISONS = {"=", "==", "!=", "<", ">", "<=", ">=", "IN", "LIKE"}


@dataclass(frozen=True, slots=True)
class Node:
    """`kind` is value, field, call, or an operator; `parts` are nodes, or the value or name itself."""

    kind: str
    name: Any = None
    parts: tuple["Node", ...] = ()

    def fields(self) -> Iterator[str]:
        """The event fields that the expression reads."""
        if self.kind == "field":
            yield self.name
        for part in self.parts:
            yield from part.fields()


def parse(text: str) -> Node:
    """The tree of an expression."""
    reader = _Reader(text)
    node = reader.expression()
    if reader.kind is not None:
        raise SplError(f"{reader.value!r} is left over in: {text}")
    return node


class _Reader:
    """Tokens one after the other; each level of precedence is a method."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.kind: str | None = None
        self.value = ""
        self.next()

    def next(self) -> None:
        if not self.text[self.at :].strip():
            self.kind, self.value = None, "the end"
            return
        match = TOKEN.match(self.text, self.at)
        if match is None:
            raise SplError(f"not an expression at {self.text[self.at :]!r}")
        assert match.lastgroup is not None
        self.kind, self.value, self.at = match.lastgroup, match[match.lastgroup], match.end()

    def word(self) -> str:
        """An operator or keyword in upper case; of texts and fields nothing."""
        return self.value.upper() if self.kind in ("name", "sign") else ""

    def expect(self, sign: str) -> None:
        if self.kind != "sign" or self.value != sign:
            raise SplError(f"{sign} expected before {self.value!r} in: {self.text}")
        self.next()

    def expression(self) -> Node:
        return self.chain({"OR", "XOR"}, lambda: self.chain({"AND"}, self.negation))

    def negation(self) -> Node:
        if self.word() == "NOT":
            self.next()
            return Node("NOT", parts=(self.negation(),))
        return self.comparison()

    def comparison(self) -> Node:
        left = self.sum()
        sign = self.word()
        if sign not in COMPARISONS:
            return left
        self.next()
        if sign == "IN":
            self.expect("(")
            return Node("call", "in", (left, *self.arguments()))
        return Node(sign, parts=(left, self.sum()))

    def sum(self) -> Node:
        return self.chain({"+", "-", "."}, lambda: self.chain({"*", "/", "%"}, self.unary))

    def chain(self, signs: set[str], lower: Callable[[], Node]) -> Node:
        node = lower()
        while (sign := self.word()) in signs:
            self.next()
            node = Node(sign, parts=(node, lower()))
        return node

    def unary(self) -> Node:
        if self.word() == "-":
            self.next()
            return Node("negative", parts=(self.unary(),))
        return self.atom()

    def atom(self) -> Node:
        kind, value = self.kind, self.value
        if self.word() == "(":
            self.next()
            node = self.expression()
            self.expect(")")
            return node
        if kind not in ("text", "number", "field", "name"):
            raise SplError(f"a value expected before {value!r} in: {self.text}")
        self.next()
        if kind == "text":
            return Node("value", re.sub(r'\\(["\\])', r"\1", value))
        if kind == "number":
            return Node("value", float(value) if "." in value else int(value))
        if kind == "name" and self.word() == "(":
            self.next()
            arguments = self.arguments()
            if value not in FUNCTIONS and value not in LAZY and value not in UNTRIED:
                raise SplError(f"no such function: {value}, in: {self.text}")
            return Node("call", value, arguments)
        return Node("field", value)

    def arguments(self) -> tuple[Node, ...]:
        """What stands in brackets, behind the opening one."""
        found: list[Node] = []
        while self.word() != ")":
            if found:
                self.expect(",")
            found.append(self.expression())
        self.next()
        return tuple(found)


def number(value: Any) -> float | int | None:
    """A number, or a text that Splunk would take for one."""
    if isinstance(value, bool) or value is None or isinstance(value, list):
        return None
    try:
        return value if isinstance(value, int | float) else float(value)
    except ValueError:
        return None


def text_of(value: Any) -> str:
    """As Splunk writes a value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def evaluate(node: Node, row: Row) -> Any:
    """The value of an expression for an event; None is Splunk's NULL."""
    if node.kind == "value":
        return node.name
    if node.kind == "field":
        return row.get(node.name)
    if node.kind == "call":
        if node.name in LAZY:
            return LAZY[node.name](node.parts, row)
        if node.name not in FUNCTIONS:
            raise SplError(f"{node.name} is not evaluated here")
        return FUNCTIONS[node.name](*(evaluate(part, row) for part in node.parts))
    if node.kind == "AND":
        return all(evaluate(part, row) is True for part in node.parts)
    if node.kind == "OR":
        return any(evaluate(part, row) is True for part in node.parts)
    values = [evaluate(part, row) for part in node.parts]
    if any(value is None for value in values):
        return None  # whatever NULL is compared or joined with
    if node.kind == "NOT":
        return values[0] is not True
    return _operate(node.kind, values)


def _operate(sign: str, values: Sequence[Any]) -> Any:
    numbers = [number(value) for value in values]
    numeric = all(one is not None for one in numbers)
    if sign == ".":
        return "".join(map(text_of, values))
    if sign in ("=", "==", "!="):
        same = numbers[0] == numbers[1] if numeric else text_of(values[0]) == text_of(values[1])
        return same is (sign != "!=")
    if sign in ("<", ">", "<=", ">="):
        left, right = (numbers[0], numbers[1]) if numeric else (text_of(values[0]), text_of(values[1]))
        return {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[sign]  # type: ignore[operator]
    if sign == "+" and not numeric:
        return "".join(map(text_of, values))
    if not numeric:
        return None
    first, second = numbers[0], numbers[-1]
    assert first is not None
    assert second is not None
    if sign == "negative":
        return -first
    if sign in ("/", "%"):
        return None if second == 0 else first / second if sign == "/" else first % second
    return {"+": first + second, "-": first - second, "*": first * second}[sign]


def _case(parts: tuple[Node, ...], row: Row) -> Any:
    if len(parts) % 2:
        raise SplError("case() needs pairs of a condition and a value")
    for condition, value in zip(parts[::2], parts[1::2], strict=True):
        if evaluate(condition, row) is True:
            return evaluate(value, row)
    return None


def _if(parts: tuple[Node, ...], row: Row) -> Any:
    condition, yes, no = parts
    return evaluate(yes if evaluate(condition, row) is True else no, row)


def _round(value: Any, digits: Any = 0) -> Any:
    given = number(value)
    return None if given is None else round(given, int(digits)) if digits else floor(given + 0.5)


def _whole(function: Callable[[float], int]) -> Callable[[Any], Any]:
    return lambda value: None if number(value) is None else function(number(value) or 0)


def _match(value: Any, pattern: str) -> Any:
    return None if value is None else regex.search(pattern, text_of(value)) is not None


def _in(value: Any, *others: Any) -> Any:
    return None if value is None else any(_operate("==", [value, other]) for other in others)


LAZY: dict[str, Callable[[tuple[Node, ...], Row], Any]] = {"case": _case, "if": _if}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "isnull": lambda value: value is None,
    "isnotnull": lambda value: value is not None,
    "null": lambda: None,
    "true": lambda: True,
    "false": lambda: False,
    "in": _in,
    "match": _match,
    "lower": lambda value: None if value is None else text_of(value).lower(),
    "upper": lambda value: None if value is None else text_of(value).upper(),
    "len": lambda value: None if value is None else len(text_of(value)),
    "tonumber": number,
    "tostring": lambda value: None if value is None else text_of(value),
    "floor": _whole(floor),
    "ceiling": _whole(ceil),
    "round": _round,
    "abs": lambda value: None if number(value) is None else abs(number(value) or 0),
    "mvcount": lambda value: None if value is None else len(value) if isinstance(value, list) else 1,
}
# Known to Splunk and to the check of fields, but evaluated nowhere here.
_UNTRIED = (
    "cidrmatch exact like max min mvappend mvdedup mvfilter mvfind mvindex mvjoin mvmap mvrange mvsort mvzip now printf random "
    "relative_time replace searchmatch split spath strftime strptime substr time trim ltrim rtrim typeof urldecode "
    "validate nullif isnum isstr isint md5 sha1 sha256 pow sqrt log ln json_extract json_object json_array"
)
UNTRIED = set(_UNTRIED.split())
