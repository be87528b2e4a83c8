"""The code table as it is shown, and one row in words."""

import re
from pathlib import Path

import orjson
import pytest

from shipper.cli import command
from shipper.commands.codes import CAVEAT, METHODS, describe, render
from shipper.commands.explain import explain
from shipper.commands.screen import Screen
from shipper.decode.library import data_dir, load_advice, load_codes
from shipper.decode.status_codes import CLASSES, UNKNOWN, StatusCodes, read_table
from shipper.model import Code
from tests.support.logs import library

ADVICE = load_advice()
AMENDED = (
    "code,description,class,outcome,prompted,method,severity,constant\n"
    '26,"Badge, ""tapped""",authenticated,success,true,badge_reader,low,\n'
    "0,Zero,skipped,unknown,false,,low,SUCCESS_ZERO\n"
    "-99,Late,system,failure,false,none,medium,\n"
)


@pytest.fixture(scope="module")
def codes() -> StatusCodes:
    return load_codes()


@pytest.fixture
def amended(tmp_path: Path) -> StatusCodes:
    (tmp_path / "own.csv").write_text(AMENDED, encoding="utf-8")
    return load_codes(tmp_path / "own.csv")


def test_csv_is_the_file_of_the_table_itself(codes: StatusCodes) -> None:
    assert render(codes, "csv") == (data_dir("schemas") / "status_codes.csv").read_text(encoding="utf-8")


def test_csv_is_read_again_as_the_same_table(amended: StatusCodes) -> None:
    assert read_table(render(amended, "csv"), "again.csv") == amended.codes


def test_json_has_the_names_of_an_event_and_leaves_out_what_is_not_known(amended: StatusCodes) -> None:
    by_code = {row["code"]: row for row in orjson.loads(render(amended, "json"))}

    assert len(by_code) == len(amended.codes)
    assert by_code[133] == {
        "code": 133,
        "description": "Mobile App No Response",
        "class": "no_response",
        "outcome": "failure",
        "prompted": True,
        "method": "mobile_app",
        "severity": "low",
        "constant": "FAILED_PHONE_APP_NO_RESPONSE",
    }
    assert by_code[0]["prompted"] is False
    assert "method" not in by_code[0]
    assert "constant" not in by_code[26]


def test_table_is_aligned_under_its_headings(codes: StatusCodes) -> None:
    heading, *rows = render(codes, "table").splitlines()

    assert heading.split() == ["code", "description", "class", "severity", "outcome", "prompted", "method", "constant"]
    assert len(rows) == len(codes.codes)
    for row, code in zip(rows, codes.codes.values(), strict=True):
        assert row == row.rstrip()
        assert int(row[: len("code")]) == code.number
        assert row[heading.index("class") :].startswith(f"{code.status_class} ")
        assert row[heading.index("prompted") :].startswith("yes " if code.prompted else "no ")
        assert row[heading.index("constant") :] == (code.constant or "")


def test_table_is_as_wide_as_the_screen(amended: StatusCodes) -> None:
    heading, *rows, empty, rest = render(amended, "table", Screen(80)).splitlines()

    assert heading.split() == ["code", "description", "class", "severity"]
    assert len(rows) == len(amended.codes)
    assert max(map(len, rows)) <= 80
    assert (empty, rest) == ("", "(no room for: outcome, prompted, method, constant)")
    assert max(map(len, render(amended, "table", Screen(30)).splitlines())) <= 30
    assert "\x1b[" in render(amended, "table", Screen(80, color=True))


def test_a_few_codes_are_a_table_for_the_screen_too() -> None:
    [title, *lines] = explain("phone", library(), Screen(60)).splitlines()

    assert title == "32 codes for phone:"
    assert lines[1].split() == ["code", "description", "class"]
    assert max(map(len, lines[:-1])) <= 60


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_rows_of_a_user_stand_in_their_places(amended: StatusCodes, form: str) -> None:
    text = render(amended, form)
    shown = (
        [row["code"] for row in orjson.loads(text)]
        if form == "json"
        else [int(n) for n in re.findall(r"(?m)^ *(-?\d+)[ ,]", text)]
    )

    assert shown[:3] == [0, 1, 2]
    assert shown[shown.index(25) + 1] == 26
    assert shown[-6:] == [-99, -100, -101, -102, -103, -104]


def test_every_class_and_method_has_its_words(codes: StatusCodes) -> None:
    assert {name for name, code in ADVICE if code is None} == {*CLASSES, UNKNOWN}
    assert {code.method for code in codes.codes.values()} == {*METHODS, "none"}


def test_advice_for_single_codes_is_about_rows_of_the_table(codes: StatusCodes) -> None:
    rows = [(name, code) for name, code in ADVICE if code is not None]
    assert rows
    assert [(codes.number(code).status_class, code) for _, code in rows] == rows


def test_a_code_in_words(codes: StatusCodes) -> None:
    text = describe(codes.number(133))

    assert text.startswith("133: Mobile App No Response (FAILED_PHONE_APP_NO_RESPONSE)\n")
    assert "  class     no_response: the user was asked and did not answer\n" in text
    assert "  outcome   failure\n  severity  low\n" in text
    assert "  prompted  yes: the mobile app asked on the phone\n" in text
    assert "RADIUS client waits 30 to 60 seconds" in " ".join(text.split())
    assert " ".join(text.split()).endswith(CAVEAT)


def test_each_class_is_described_without_gaps(codes: StatusCodes) -> None:
    for code in codes.codes.values():
        text = describe(code)
        advice = ADVICE.get((code.status_class, code.number)) or ADVICE[code.status_class, None]
        assert f"{code.status_class}: {CLASSES[code.status_class]}" in text
        assert advice in " ".join(text.split())
        assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (4, "prompted  yes: the phone rang\n"),
        (20, "prompted  yes: a text message went to the phone\n"),
        (23, "prompted  yes: an OATH code was asked for; no phone rings for that\n"),
        (6, "prompted  no: nothing reached the user\n"),
        (136, "prompted  no: nothing reached the user, though a notification of the mobile app was the method\n"),
    ],
)
def test_whether_the_phone_rang(codes: StatusCodes, number: int, expected: str) -> None:
    assert expected in describe(codes.number(number))


def test_success_in_a_constant_is_explained_away_only_where_it_misleads(codes: StatusCodes) -> None:
    misleading = "the SUCCESS_ of the constant is no outcome"

    assert misleading in describe(codes.number(14))
    assert misleading not in describe(codes.number(21))
    assert misleading not in describe(codes.number(129))


def test_a_row_with_another_meaning_loses_the_advice_of_the_built_in_one() -> None:
    own = Code(21, "Refused by pager", "denied", "failure", True, "pager", "high", None)
    text = describe(own)

    assert "yes: the user was asked by pager" in text
    assert ADVICE["denied", None] in " ".join(text.split())
    assert ADVICE["authenticated", 21] not in " ".join(text.split())


def test_a_code_that_the_table_lacks(codes: StatusCodes) -> None:
    text = describe(codes.number(999))

    assert text.startswith("Unknown status 999\n")
    assert "prompted  not known\n" in text
    assert "outcome   unknown from the code alone\n" in text


def test_advice_names_only_commands_that_exist() -> None:
    named = {word for text in ADVICE.values() for word in re.findall(r"`mfa-shipper (\w+)", text)}
    assert named == {"codes", "parse"}
    assert named <= set(command.commands)
