"""The status code table: what a `rawCallStatus` number or a call status constant means.

Source: the table that came with Microsoft's MFA Server, as published at msexchangeguru.com
("Azure MFA: Twice MFA for MAC Users"); constants from public pfsvc lines. Class, severity,
outcome, prompted and method are this project's interpretation of the descriptions.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping

from shipper.decode.nps import NpsTables
from shipper.errors import TableError
from shipper.model import Code

COLUMNS = ("code", "description", "class", "outcome", "prompted", "method", "severity", "constant")

CLASSES = {
    "authenticated": "the user proved who they are",
    "cached": "an earlier success was used again; nobody was asked",
    "bypassed": "a one-time bypass was used; nobody was asked",
    "trusted": "the request came from a trusted address; nobody was asked",
    "pending": "the first of two steps: a code is on its way or awaited",
    "denied": "the user said no, or hung up",
    "no_response": "the user was asked and did not answer",
    "wrong_input": "the user answered with a wrong PIN, code or key",
    "credential": "the PIN or voiceprint has expired",
    "fraud": "the user reported that the request was not theirs",
    "blocked": "the user or the device is blocked or locked",
    "duplicate": "another request of the same user was still in progress",
    "delivery": "the call, text or notification did not reach the phone",
    "configuration": "the server or the licence does not allow this",
    "system": "the service failed",
    "account": "the user is unknown, disabled or incomplete",
    "skipped": "no authentication was made",
}

SEVERITIES = {"informational": 10, "low": 21, "medium": 47, "high": 73, "critical": 99}
OUTCOMES = ("success", "failure", "unknown")
UNKNOWN = "unknown"
PENDING = "pending"  # the class of a code that waits for a second step


class StatusCodes:
    """Finds codes by number, constant or description; a code that is not in the table gets a row of class `unknown`."""

    def __init__(self, codes: Mapping[int, Code], nps: NpsTables | None = None) -> None:
        """`codes` by number; `nps` are the names that the NPS extension uses."""
        self.codes = dict(codes)
        self.nps_tables = nps or NpsTables()
        self._by_constant: dict[str, Code] = {}
        self._by_description: dict[str, Code] = {}
        for code in self.codes.values():
            if code.constant:
                self._by_constant.setdefault(code.constant, code)
            self._by_description.setdefault(code.description.casefold(), code)

    def number(self, number: int) -> Code:
        """The row of a `rawCallStatus`."""
        return self.codes.get(number) or _unknown(number, f"Unknown status {number}", None)

    def result(self, constant: str | None, description: str | None) -> Code:
        """The row of a one-line result, found by its constant or else by its description."""
        found = self._by_constant.get(constant or "") or self._by_description.get((description or "").casefold())
        if found is None:
            return _unknown(None, description or f"Unknown status {constant}", constant)
        return found if found.constant else found._replace(constant=constant)

    def nps(self, name: str) -> Code:
        """The row of a result name of the NPS extension."""
        return self.nps_tables.results.get(name) or _unknown(None, name, None)

    def search(self, words: str) -> list[Code]:
        """The rows that contain each of the words, in description, constant, class or method."""
        wanted = words.casefold().replace("_", " ").split()
        rows = []
        for code in self.codes.values():
            text = f"{code.description} {code.constant or ''} {code.status_class} {code.method}"
            if wanted and all(word in text.casefold().replace("_", " ") for word in wanted):
                rows.append(code)
        return rows


def _unknown(number: int | None, description: str, constant: str | None) -> Code:
    return Code(number, description, UNKNOWN, UNKNOWN, None, None, "medium", constant)


def read_table(text: str, file: str, base: Mapping[int, Code] | None = None) -> dict[int, Code]:
    """Read a code table; returns its rows by number.

    Args:
        text: CSV with the header of `COLUMNS`; the columns method and constant may be empty.
        file: the name of the table, for errors.
        base: a table to which the rows are added; a row with a number of `base` replaces that row.

    Raises:
        TableError: names FILE:LINE of the bad row.
    """
    rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff"), newline=""), strict=True)
    codes = dict(base or {})
    seen: dict[int, int] = {}
    try:
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise TableError(file, 1, f"column {missing[0]} is missing; the header must be {','.join(COLUMNS)}")
        for row in rows:
            code = _code(row, file, rows.line_num)
            assert code.number is not None
            if code.number in seen:
                fault = f"code {code.number} appears twice; first in line {seen[code.number]}"
                raise TableError(file, rows.line_num, fault)
            seen[code.number] = rows.line_num
            codes[code.number] = code
        _check_constants(codes, seen, file)
    except csv.Error as error:
        raise TableError(file, rows.reader.line_num, f"not a CSV row: {error}") from None
    return codes


def _check_constants(codes: Mapping[int, Code], lines: Mapping[int, int], file: str) -> None:
    """Check that no row of a file repeats a constant, which must lead to one code. `lines`: line by code."""
    owners = {code.constant: number for number, code in codes.items() if code.constant and number not in lines}
    for number, line in lines.items():
        constant = codes[number].constant
        if constant and owners.setdefault(constant, number) != number:
            raise TableError(file, line, f"constant {constant} already belongs to code {owners[constant]}")


def _code(row: Mapping[str, str | None], file: str, line: int) -> Code:
    def value(column: str, allowed: Iterable[str] = ()) -> str:
        text = (row[column] or "").strip()
        choices = list(allowed)
        if choices and text not in choices:
            raise TableError(file, line, f"{column} {text!r} is not one of {', '.join(choices)}")
        return text

    if None in row or None in row.values():
        raise TableError(file, line, f"expected {len(COLUMNS)} columns: {','.join(COLUMNS)}")
    if not re.fullmatch(r"-?[0-9]{1,18}", value("code")):
        raise TableError(file, line, f"code {row['code']!r} is not a whole number")
    number = int(value("code"))
    if not value("description"):
        raise TableError(file, line, f"code {number} has no description")
    return Code(
        number=number,
        description=value("description"),
        status_class=value("class", CLASSES),
        outcome=value("outcome", OUTCOMES),
        prompted=value("prompted", ("true", "false")) == "true",
        method=value("method") or None,
        severity=value("severity", SEVERITIES),
        constant=value("constant") or None,
    )
