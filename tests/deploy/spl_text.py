"""Texts of SPL: cut apart with regard to quotes and brackets, and the fields that they name."""

import re
from collections.abc import Iterator


class SplError(Exception):
    """What Splunk would refuse, or what the check does not know."""


WORD = re.compile(r'"([^"]*)"|([^\s,"]+)')
CLOSING = {"(": ")", "[": "]"}
EXPRESSION = re.compile(
    r"""\s*(?: (?P<text>"(?:[^"\\]|\\.)*") | '(?P<field>[^']+)' | (?P<number>\d+(?:\.\d+)?) | (?P<function>[A-Za-z_]\w*)\s*\(
        | (?P<name>[A-Za-z_]\w*) | (?P<sign>==|!=|<=|>=|[-+*/%.=<>(),]) )""",
    re.VERBOSE,
)
SEARCH = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|(!=|<=|>=|==|[=<>(),])|([^\s"=<>!(),\[]+))')
KEYWORDS = {"AND", "OR", "XOR", "NOT", "IN", "LIKE"}
SIGNS = {"=", "==", "!=", "<=", ">=", "<", ">"}
TIMES = {"earliest", "latest", "_index_earliest", "_index_latest"}  # say when, and are no fields
_FUNCTIONS = (
    "case if coalesce isnull isnotnull null true false in match like lower upper len tonumber tostring floor ceiling round "
    "abs mvcount cidrmatch exact max min mvappend mvdedup mvfilter mvfind mvindex mvjoin mvmap mvrange mvsort mvzip now "
    "printf random relative_time replace searchmatch split spath strftime strptime substr time trim ltrim rtrim typeof "
    "urldecode validate nullif isnum isstr isint md5 sha1 sha256 pow sqrt log ln json_extract json_object json_array"
)
FUNCTIONS = set(_FUNCTIONS.split())
_NAME = r"(?:'([^']+)'|(?<![\w.{}'])([\w.{}]+))"
COMPARED = re.compile(rf'{_NAME}\s*(?:==?|!=)\s*"([^"]*)"')
LISTED = re.compile(rf'(?:in\(\s*{_NAME}\s*,|{_NAME}\s+IN\s*\()((?:\s*"[^"]*"\s*,?)+)\)')


def pieces(text: str, separator: str) -> list[str]:
    """Split at a separator that stands in no quotes and no brackets.

    Raises:
        SplError: A quote or bracket has no partner.
    """
    found, waiting, start, at = [], [], 0, 0
    while at < len(text):
        letter = text[at]
        if letter == '"':
            at = _end_of_quote(text, at)
        elif letter in CLOSING:
            waiting.append(CLOSING[letter])
        elif letter in ")]":
            if not waiting or waiting.pop() != letter:
                raise SplError(f"a bracket too many: {text}")
        elif letter == separator and not waiting:
            found.append(text[start:at])
            start = at + 1
        at += 1
    if waiting:
        raise SplError(f"a bracket without end: {text}")
    return [*found, text[start:]]


def _end_of_quote(text: str, at: int) -> int:
    match = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL).match(text, at)
    if match is None:
        raise SplError(f"a quote without end: {text}")
    return match.end() - 1


def subsearches(text: str) -> tuple[list[str], str]:
    """The searches in square brackets, and the text without them. Brackets in quotes are text."""
    found, outside, depth, quoted, start = [], "", 0, False, 0
    for at, letter in enumerate(text):
        if letter == '"' and text[at - 1 : at] != "\\":
            quoted = not quoted
        if letter == "[" and not quoted:
            depth += 1
            start = at + 1 if depth == 1 else start
        elif letter == "]" and not quoted:
            depth -= 1
            if depth == 0:
                found.append(text[start:at])
        elif depth == 0:
            outside += letter
    return found, outside


def words(text: str) -> list[str]:
    """Names between spaces and commas, without their quotes."""
    return [quoted or plain for quoted, plain in WORD.findall(text)]


def options(text: str) -> dict[str, str]:
    """What is written as name=value."""
    return {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|(\S+))', text)}


def expression_fields(text: str) -> set[str]:
    """The fields of an expression of `eval` or `where`.

    A dot joins texts here: `event.action` without single quotes is the field `event` joined with the field `action`.

    Raises:
        SplError: A function is unknown, or operators and values do not take turns.
    """
    pieces(text, ",")
    fields, value_stands_before = set(), False
    for kind, token in _tokens(text):
        if kind == "sign" or (kind in ("name", "function") and token.upper() in KEYWORDS):
            value_stands_before = token == ")"
            continue
        if value_stands_before:
            raise SplError(f"an operator is missing before {token!r} in: {text}")
        value_stands_before = kind != "function"
        if kind == "function" and token not in FUNCTIONS:
            raise SplError(f"no such function: {token}, in: {text}")
        if kind in ("name", "field"):
            fields.add(token)
    if not value_stands_before:
        raise SplError(f"a value is missing at the end of: {text}")
    return fields


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while text[at:].strip():
        match = EXPRESSION.match(text, at)
        if match is None or match.lastgroup is None:
            raise SplError(f"not an expression at {text[at:]!r}")
        at = match.end()
        yield match.lastgroup, match[match.lastgroup]


def search_fields(text: str) -> set[str]:
    """The fields that an expression of the command `search` compares. Dots belong to names here."""
    pieces(text, ",")
    found, before, at = set(), "", 0
    while text[at:].strip():
        match = SEARCH.match(text, at)
        if match is None:
            raise SplError(f"not understood, at {text[at:]!r}")
        at = match.end()
        quoted, sign, word = match.groups()
        if sign in SIGNS or word == "IN":
            if not before:
                raise SplError(f"a field is missing before {sign or word}, in: {text}")
            found.add(before)
        before = "" if sign else quoted or word or ""
    return found - TIMES


def comparisons(text: str) -> set[tuple[str, str]]:
    """Each field with each quoted value that a search or an expression compares it with."""
    pairs = {(quoted or plain, value) for quoted, plain, value in COMPARED.findall(text)}
    for *names, values in LISTED.findall(text):
        pairs |= {(next(filter(None, names)), value) for value in re.findall(r'"([^"]*)"', values)}
    return pairs
