"""The reference page of all codes: it has every row of the tables in words, and nothing in a table becomes markup."""

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from shipper.commands.codes import advice_for, render
from shipper.decode.library import data_dir, load_codes
from shipper.decode.nps import FAULTS
from shipper.decode.status_codes import CLASSES
from tests.support.html import Parsed, assert_shut_off

HOSTILE = "<script>alert('&')</script>"


@cache
def made() -> Parsed:
    return Parsed(render(load_codes(), "html"))


def rows_of(parsed: Parsed) -> Iterator[list[str]]:
    """The rows without the heads of the tables, their white space folded."""
    for row in parsed.rows:
        if row[1] != "means":
            yield [" ".join(cell.split()) for cell in row]


def table(name: str) -> list[dict[str, str]]:
    with (data_dir("schemas") / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_status_code_says_what_it_means_and_what_to_check() -> None:
    codes = load_codes()
    expected = table("status_codes")
    found = list(rows_of(made()))[: len(expected)]
    assert [row[0] for row in found] == [row["code"] for row in expected]
    for (number, means, check, outcome, prompted, severity), row in zip(found, expected, strict=True):
        parts = (row["description"], row["constant"], f"{row['class']}: {CLASSES[row['class']]}")
        assert means == " ".join(part for part in parts if part)
        assert check == advice_for(codes.codes[int(number)])
        assert outcome == ("unknown from the code alone" if row["outcome"] == "unknown" else row["outcome"])
        assert prompted.startswith("yes: " if row["prompted"] == "true" else "no: ")
        assert severity == row["severity"]


def test_each_result_of_nps_says_whose_fault_it_is_and_what_mfa_server_calls_it() -> None:
    by_code = {row["code"]: row for row in table("status_codes")}
    found = {row[0]: row for row in rows_of(made())}
    results = table("nps_results")
    assert {row["code"] != "" for row in results} == {True, False}
    for row in results:
        same = by_code.get(row["code"], row)
        _, means, check, outcome, prompted, severity = found[row["result"]]
        assert means == f"{row['meaning']} The fault is {FAULTS[row['fault']]}." + (
            f" In MFA Server {row['code']}: {same['description']}." if row["code"] else ""
        )
        assert check == row["check"]
        assert outcome == ("unknown from the code alone" if same["outcome"] == "unknown" else same["outcome"])
        assert prompted.startswith("yes: " if same["prompted"] == "true" else "no: ")
        assert severity == same["severity"]


def test_each_error_code_of_nps_is_there_in_each_of_its_cases() -> None:
    errors = table("nps_errors")
    assert list(rows_of(made()))[-len(errors) :] == [
        [
            row["code"] + (f" with {row['message']} in its text" if row["message"] else ""),
            f"{row['meaning']} The fault is {FAULTS[row['fault']]}.",
            row["check"],
            row["severity"] or "none: a state",
        ]
        for row in errors
    ]


def test_nothing_else_is_on_the_page() -> None:
    assert len(list(rows_of(made()))) == sum(len(table(name)) for name in ("status_codes", "nps_results", "nps_errors"))


def test_it_runs_its_own_script_alone_and_leads_nowhere_else() -> None:
    assert_shut_off(made())


def test_the_same_tables_make_the_same_page() -> None:
    assert render(load_codes(), "html") == render(load_codes(), "html")


@pytest.mark.parametrize("method", ["badge_reader", HOSTILE])
def test_a_row_of_a_users_own_table_is_text(method: str, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text(
        "code,description,class,outcome,prompted,method,severity,constant\n"
        f"26,{HOSTILE} \u202egpj,authenticated,success,true,{method},low,A_{HOSTILE}\n",
        encoding="utf-8",
    )
    parsed = Parsed(render(load_codes(own), "html"))
    [row] = [row for row in rows_of(parsed) if row[0] == "26"]
    assert row[1] == f"{HOSTILE} \\u202egpj A_{HOSTILE} authenticated: {CLASSES['authenticated']}"
    assert row[4] == f"yes: the user was asked by {method}"
    assert [tag for tag, _ in parsed.elements].count("script") == 1
    numbers = [row[0] for row in rows_of(parsed)]
    assert numbers[numbers.index("25") + 1] == "26"
