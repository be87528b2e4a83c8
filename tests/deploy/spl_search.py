"""The expression of Splunk's `search` command: `event.action IN ("a", "b") NOT user=x*`.

Unlike in `eval`, OR binds closer than the AND that stands between terms unwritten, values are compared
without regard to case, `*` stands for any text, and dots belong to names.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tests.deploy.spl_eval import Row, SplError, number, text_of

TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|(!=|<=|>=|==|[=<>(),])|(\[)|([^\s"=<>!(),\[]+))')
TIMES = {"earliest", "latest", "_index_earliest", "_index_latest"}  # say when, and are no fields


@dataclass(frozen=True, slots=True)
class Term:
    """`kind` is AND, OR, NOT, compare (name, sign, values), or text (a word anywhere in the event)."""

    kind: str
    name: str = ""
    sign: str = ""
    values: tuple[str, ...] = ()
    parts: tuple["Term", ...] = ()

    def fields(self) -> Iterator[str]:
        """The fields that are compared."""
        if self.kind == "compare" and self.name not in TIMES:
            yield self.name
        for part in self.parts:
            yield from part.fields()

    def comparisons(self) -> Iterator[tuple[str, str]]:
        """Each field with each value that it is compared with."""
        yield from ((self.name, value) for value in self.values)
        for part in self.parts:
            yield from part.comparisons()


def parse(text: str) -> Term:
    """The tree of a search expression."""
    tokens, at = [], 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if match is None or match[3]:
            raise SplError(f"not understood, at {text[at:]!r}")
        at = match.end()
        tokens.append(("sign", match[2]) if match[2] else ("text", match[1]) if match[1] is not None else ("word", match[4]))
    reader = _Reader(tokens, text)
    term = reader.conjunction()
    if reader.tokens:
        raise SplError(f"{reader.tokens[-1][1]!r} is left over in: {text}")
    return term


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]], text: str) -> None:
        self.tokens, self.text = tokens[::-1], text

    def peek(self) -> tuple[str, str]:
        return self.tokens[-1] if self.tokens else ("end", "")

    def take(self, sign: str) -> bool:
        if self.tokens and self.tokens[-1] == ("sign", sign):
            self.tokens.pop()
            return True
        return False

    def keyword(self, word: str) -> bool:
        if self.peek() == ("word", word):  # keywords are in capitals
            self.tokens.pop()
            return True
        return False

    def conjunction(self) -> Term:
        parts = []
        while self.tokens and self.peek() != ("sign", ")"):
            self.keyword("AND")
            parts.append(self.disjunction())
        return parts[0] if len(parts) == 1 else Term("AND", parts=tuple(parts))

    def disjunction(self) -> Term:
        parts = [self.factor()]
        while self.keyword("OR"):
            parts.append(self.factor())
        return parts[0] if len(parts) == 1 else Term("OR", parts=tuple(parts))

    def factor(self) -> Term:
        if self.keyword("NOT"):
            return Term("NOT", parts=(self.factor(),))
        if self.take("("):
            inside = self.conjunction()
            self.close()
            return inside
        kind, name = self.value()
        if self.keyword("IN"):
            if not self.take("("):
                raise SplError(f"( expected behind IN in: {self.text}")
            values = [self.value()[1]]
            while not self.take(")"):
                self.take(",")
                values.append(self.value()[1])
            return Term("compare", name, "=", tuple(values))
        for sign in ("=", "==", "!=", "<=", ">=", "<", ">"):
            if self.take(sign):
                return Term("compare", name, sign, (self.value()[1],))
        if kind == "word" and name in ("TERM", "CASE") and self.take("("):
            name = self.value()[1]
            self.close()
        return Term("text", values=(), name=name)

    def close(self) -> None:
        if not self.take(")"):
            raise SplError(f") expected in: {self.text}")

    def value(self) -> tuple[str, str]:
        kind, value = self.peek()
        if kind not in ("word", "text"):
            raise SplError(f"a name or value expected before {value!r} in: {self.text}")
        self.tokens.pop()
        return kind, re.sub(r'\\(["\\])', r"\1", value) if kind == "text" else value


def holds(term: Term, row: Row) -> bool:
    """Whether an event is found."""
    if term.kind == "AND":
        return all(holds(part, row) for part in term.parts)
    if term.kind == "OR":
        return any(holds(part, row) for part in term.parts)
    if term.kind == "NOT":
        return not holds(term.parts[0], row)
    if term.kind == "text":
        return fnmatchcase(str(row.get("_raw", "")).lower(), f"*{term.name.strip('*').lower()}*")
    if term.name == "index" or term.name in TIMES:
        return True  # where events are kept is none of our business
    there = row.get(term.name)
    if there is None:
        return False
    several = there if isinstance(there, list) else [there]
    compare = SIGNS[term.sign]
    return any(compare(one, value) for one in several for value in term.values)


def _same(one: Any, value: str) -> bool:
    left, right = number(one), number(value)
    if left is not None and right is not None:
        return left == right
    return fnmatchcase(text_of(one).lower(), value.lower().replace("[", "[[]").replace("?", "[?]"))


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, str], bool]:
    def compare(one: Any, value: str) -> bool:
        left, right = number(one), number(value)
        return test(left, right) if left is not None and right is not None else test(text_of(one), value)

    return compare


SIGNS: dict[str, Callable[[Any, str], bool]] = {
    "=": _same,
    "==": _same,
    "!=": lambda one, value: not _same(one, value),
    "<": _ordered(lambda a, b: a < b),
    ">": _ordered(lambda a, b: a > b),
    "<=": _ordered(lambda a, b: a <= b),
    ">=": _ordered(lambda a, b: a >= b),
}
