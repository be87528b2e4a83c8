"""The status code table for a person: all of it (`codes`), or one row in words with advice (`explain`)."""

import csv
import io
from functools import cache
from textwrap import fill
from typing import Any

import orjson

from shipper.commands.forms import without_extra
from shipper.commands.screen import ENDLESS, Screen
from shipper.decode.library import load_advice
from shipper.decode.nps import FAULTS, Meaning, NpsError
from shipper.decode.status_codes import CLASSES, COLUMNS, UNKNOWN, StatusCodes
from shipper.model import Code

FORMS = ("table", "json", "csv", "html")
HEADINGS = ("code", "description", "class", "severity", "outcome", "prompted", "method", "constant")

METHODS = {
    "phone_call": ("a phone call", "the phone rang"),
    "voiceprint": ("a phone call for the voiceprint", "the phone rang and asked for the voice"),
    "text_message": ("a text message", "a text message went to the phone"),
    "mobile_app": ("a notification of the mobile app", "the mobile app asked on the phone"),
    "oath_token": ("a question for an OATH code", "an OATH code was asked for; no phone rings for that"),
    "security_questions": ("the security questions", "the security questions were asked; no phone rings for that"),
}

CAVEAT = "A code describes the call, not whether the sign-in succeeded: that is what authResult says, or `Pfauth succeeded` and `failed`."


def render(codes: StatusCodes, form: str, screen: Screen = ENDLESS) -> str:
    """The whole table in one of `FORMS`, with its line end.

    - `table`: aligned columns that fit the width of `screen`.
    - `json`: an array of objects with the keys of an event's `azure_mfa.status`, and the outcome; unknown values
      are left out, as in an event.
    - `csv`: the form of `schemas/status_codes.csv`, which `--status-codes` reads.
    - `html`: a page that also has the names of the NPS extension and what to check.

    Raises:
        UsageError: a page needs the extra `report`, which is not installed.
    """
    rows = sorted(codes.codes.values(), key=_position)
    if form == "html":
        return _page(rows, codes)
    if form == "json":
        return orjson.dumps([_object(code) for code in rows], option=orjson.OPT_INDENT_2).decode() + "\n"
    return _csv(rows) if form == "csv" else table(rows, screen)


def _page(rows: list[Code], codes: StatusCodes) -> str:
    try:
        from shipper.page.codes import codes_page
    except ModuleNotFoundError as error:
        raise without_extra(error, "table, json and csv") from None
    return codes_page(rows, codes.nps_tables, _facts, advice_for).decode()


def _position(code: Code) -> tuple[bool, int]:
    """The order of the built-in table: up from 1, then down from -100."""
    number = code.number or 0
    return number < 0, abs(number)


def table(rows: list[Code], screen: Screen, headings: tuple[str, ...] = HEADINGS) -> str:
    """Some columns of some rows, aligned under their headings, the first one to the right. If the screen is too narrow, the
    last columns are left out and named below."""
    from rich.text import Text

    from shipper.commands.tables import drawn, new_table, width_of

    for number in range(len(headings), 1, -1):
        aligned = new_table(*headings[:number], left=range(1, number))
        for code in rows:
            aligned.add_row(*(Text(_cell(_object(code).get(name))) for name in headings[:number]))
        if width_of(aligned) <= screen.width:
            break
    rest = ", ".join(headings[number:])
    return drawn([aligned, *([Text(f"\n(no room for: {rest})", style="dim")] if rest else [])], screen)


def _object(code: Code) -> dict[str, Any]:
    values = {
        "code": code.number,
        "description": code.description,
        "class": code.status_class,
        "outcome": code.outcome,
        "prompted": code.prompted,
        "method": code.method,
        "severity": code.severity,
        "constant": code.constant,
    }
    return {name: value for name, value in values.items() if value is not None}


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _csv(rows: list[Code]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for code in rows:
        values = _object(code) | {"prompted": "true" if code.prompted else "false"}
        writer.writerow([values.get(name, "") for name in COLUMNS])
    return text.getvalue()


def describe(code: Code) -> str:
    """One row in words: meaning, outcome, severity, whether the phone rang, and what to check."""
    facts = {**_facts(code), "to check": advice_for(code)}
    return "\n".join([_title(code) + (f" ({code.constant})" if code.constant else ""), *_listed(facts), "", wrap(CAVEAT), ""])


def describe_result(name: str, code: Code, meaning: Meaning) -> str:
    """A result name of the NPS extension in words: meaning, whose fault, the facts of its code, and what to check."""
    facts = {
        "means": meaning.text,
        "fault": FAULTS[meaning.fault],
        "code": _title(code) + ("" if code.number is None else ", in the words of MFA Server"),
        **_facts(code),
        "to check": meaning.check,
    }
    return "\n".join([f"{name}: a result of the NPS extension", *_listed(facts), ""])


def describe_error(name: str, rows: list[NpsError]) -> str:
    """An error code of the NPS extension in words, in each of its cases."""
    kind = "an error code" if rows[-1].severity else "a response state"
    lines = [f"{name}: {kind} of the NPS extension"]
    for row in rows:
        if row.about:
            lines += [f"  Where its text holds {row.about}:"]
        elif len(rows) > 1:
            lines += ["  Else:"]
        facts = {"means": row.meaning.text, "fault": FAULTS[row.meaning.fault]}
        lines += _listed({**facts, **({"severity": row.severity} if row.severity else {}), "to check": row.meaning.check})
    return "\n".join([*lines, ""])


def _title(code: Code) -> str:
    return code.description if code.number is None or not code.known else f"{code.number}: {code.description}"


def _facts(code: Code) -> dict[str, str]:
    meaning = CLASSES.get(code.status_class, "the code table has no such row")
    outcome = code.outcome if code.outcome != UNKNOWN else "unknown from the code alone"
    if code.outcome != "success" and (code.constant or "").startswith("SUCCESS_"):
        outcome += "; the SUCCESS_ of the constant is no outcome"
    return {
        "class": f"{code.status_class}: {meaning}",
        "outcome": outcome,
        "severity": code.severity,
        "prompted": _prompted(code),
    }


def _listed(facts: dict[str, str]) -> list[str]:
    return [wrap(f"  {name:<10}{text}", 12) for name, text in facts.items()]


@cache
def _advice() -> dict[tuple[str, int | None], str]:
    return load_advice()


def advice_for(code: Code) -> str:
    """What to check for a code: its own advice if its class is the built-in one, else the advice for its class."""
    return _advice().get((code.status_class, code.number)) or _advice()[code.status_class, None]


def wrap(text: str, indent: int = 0) -> str:
    """A sentence as lines of 100 characters at most, the second and later ones indented."""
    return fill(text, 100, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False)


def _prompted(code: Code) -> str:
    if code.prompted is None:
        return "not known"
    name, reached = METHODS.get(code.method or "none", (f"a prompt by {code.method}", f"the user was asked by {code.method}"))
    if code.prompted:
        return f"yes: {reached if code.method else 'the user was asked'}"
    return "no: nothing reached the user" + (f", though {name} was the method" if code.method not in (None, "none") else "")
