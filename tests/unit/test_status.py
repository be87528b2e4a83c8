"""The code table: that it is consistent, what a user's own rows do, and how a code is found."""

import os
from pathlib import Path

import pytest

from shipper.decode.library import data_dir, load_codes
from shipper.decode.status_codes import CLASSES, COLUMNS, OUTCOMES, SEVERITIES, UNKNOWN, StatusCodes, read_table
from shipper.errors import TableError, UsageError
from shipper.model import Code

HEADER = ",".join(COLUMNS)
CODES = load_codes()
ROWS = list(CODES.codes.values())


def amend(tmp_path: Path, *rows: str, header: str = HEADER) -> StatusCodes:
    file = tmp_path / "own.csv"
    file.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return load_codes(file)


def fault(tmp_path: Path, *rows: str, header: str = HEADER) -> str:
    """The error for a user's table, without the path in front."""
    with pytest.raises(TableError) as caught:
        amend(tmp_path, *rows, header=header)
    assert caught.value.exit_status == 2
    path, what = str(caught.value).split("own.csv:")
    assert path == f"{tmp_path}{os.sep}"
    return what


# The built-in table


def test_table_has_72_rows_and_every_code_once() -> None:
    lines = (data_dir("schemas") / "status_codes.csv").read_text(encoding="utf-8").splitlines()

    assert lines[0] == HEADER
    assert len(lines) == 73
    assert len(CODES.codes) == 72
    assert [code.number for code in ROWS] == [int(line.split(",")[0]) for line in lines[1:]]


def test_constants_are_unique() -> None:
    constants = [code.constant for code in ROWS if code.constant]

    assert len(constants) == len(set(constants))


def test_every_value_is_a_known_one() -> None:
    assert {code.status_class for code in ROWS} <= set(CLASSES)
    assert {code.severity for code in ROWS} <= set(SEVERITIES)
    assert {code.outcome for code in ROWS} <= set(OUTCOMES)
    assert {code.prompted for code in ROWS} <= {True, False}
    assert all(code.description and code.method for code in ROWS)
    assert all(code.known for code in ROWS)


def test_every_class_is_used_and_unknown_is_none_of_them() -> None:
    assert {code.status_class for code in ROWS} == set(CLASSES)
    assert UNKNOWN not in CLASSES


@pytest.mark.parametrize(
    ("status_class", "outcome", "prompted"),
    [
        ("authenticated", "success", True),
        ("cached", "success", False),
        ("bypassed", "success", False),
        ("trusted", "success", False),
        ("denied", "failure", True),
        ("no_response", "failure", True),
        ("wrong_input", "failure", True),
        ("credential", "failure", True),
        ("fraud", "failure", True),
        ("blocked", "failure", False),
        ("duplicate", "failure", False),
        ("delivery", "failure", False),
        ("configuration", "failure", False),
        ("account", "failure", False),
    ],
)
def test_class_decides_outcome_and_whether_the_phone_rang(status_class: str, outcome: str, prompted: bool) -> None:
    rows = [code for code in ROWS if code.status_class == status_class]

    assert {(code.outcome, code.prompted) for code in rows} == {(outcome, prompted)}


def test_pending_and_skipped_have_no_outcome() -> None:
    assert {code.number for code in ROWS if code.outcome == "unknown"} == {15, 20, 22, -100}
    assert {code.status_class for code in ROWS if code.outcome == "unknown"} == {"pending", "skipped"}


@pytest.mark.parametrize("number", [6, 7, 8, 9, -104])
def test_nobody_was_asked_where_an_earlier_answer_or_a_rule_sufficed(number: int) -> None:
    assert CODES.codes[number].prompted is False
    assert CODES.codes[number].outcome == "success"


def test_success_in_a_constant_is_no_outcome() -> None:
    assert {c.outcome for c in ROWS if (c.constant or "").startswith("SUCCESS_")} == {"success", "failure", "unknown"}


def test_fraud_is_critical_and_nothing_else_is() -> None:
    assert {c.number for c in ROWS if c.severity == "critical"} == {112, 132}


# Finding a row


def test_number_finds_its_row() -> None:
    assert CODES.number(21) == Code(
        number=21,
        description="Mobile App Authenticated",
        status_class="authenticated",
        outcome="success",
        prompted=True,
        method="mobile_app",
        severity="informational",
        constant="SUCCESS_PHONE_APP_AUTHENTICATED",
    )
    assert CODES.number(-104).description == "Trusted IP"


@pytest.mark.parametrize("number", [0, 26, 999, -1, -(10**17)])
def test_number_that_the_table_lacks_is_data(number: int) -> None:
    code = CODES.number(number)

    assert code == Code(number, f"Unknown status {number}", "unknown", "unknown", None, None, "medium", None)
    assert not code.known


def test_constant_finds_its_row_whatever_the_description_says() -> None:
    assert CODES.result("FAILED_PHONE_APP_DENIED", "Mobile App Authenticated") is CODES.codes[129]
    assert CODES.result("FAILED_PHONE_APP_DENIED", None) is CODES.codes[129]


def test_three_kinds_of_cache_are_told_apart_by_constant() -> None:
    constants = ["SUCCESS_USED_CACHE", "SUCCESS_USED_IP_BASED_CACHE", "SUCCESS_USED_APP_BASED_CACHE"]

    assert [CODES.result(constant, "Used Cache").number for constant in constants] == [6, 8, 9]


def test_description_finds_the_row_where_the_table_has_no_constant() -> None:
    """The constant that the line gives is kept: the table had none."""
    code = CODES.result("FAILED_GOT_VOICEMAIL", "got voicemail")

    assert code.number == 13
    assert code.constant == "FAILED_GOT_VOICEMAIL"
    assert CODES.codes[13].constant is None


def test_description_alone_finds_its_row() -> None:
    assert CODES.result(None, "OATH CODE VERIFIED") is CODES.codes[23]


def test_constant_and_description_that_the_table_lacks_are_data() -> None:
    code = CODES.result("FAILED_NEW_2030", "Something New")

    assert code == Code(None, "Something New", "unknown", "unknown", None, None, "medium", "FAILED_NEW_2030")
    assert not code.known
    assert CODES.result("FAILED_NEW_2030", "").description == "Unknown status FAILED_NEW_2030"


# A user's own rows


def test_own_row_is_added(tmp_path: Path) -> None:
    codes = amend(tmp_path, "142,Passkey Verified,authenticated,success,true,passkey,low,SUCCESS_PASSKEY")

    assert len(codes.codes) == 73
    assert codes.number(142) == Code(
        142, "Passkey Verified", "authenticated", "success", True, "passkey", "low", "SUCCESS_PASSKEY"
    )
    assert codes.result("SUCCESS_PASSKEY", None).number == 142
    assert codes.number(21) == CODES.number(21)


def test_own_row_replaces_the_builtin_one_as_a_whole(tmp_path: Path) -> None:
    codes = amend(tmp_path, "7,One-time Bypass,bypassed,success,false,,high,")

    assert len(codes.codes) == 72
    assert codes.number(7) == Code(7, "One-time Bypass", "bypassed", "success", False, None, "high", None)
    assert codes.result("SUCCESS_BYPASSED_AUTH", None).number is None


def test_constant_may_move_to_another_code(tmp_path: Path) -> None:
    codes = amend(
        tmp_path,
        "900,New,authenticated,success,true,mobile_app,low,SUCCESS_PHONE_APP_AUTHENTICATED",
        "21,Old,authenticated,success,true,mobile_app,low,",
    )

    assert codes.result("SUCCESS_PHONE_APP_AUTHENTICATED", None).number == 900


def test_table_may_come_from_a_spreadsheet(tmp_path: Path) -> None:
    """Byte order mark, CRLF, quotes, spaces, blank lines, columns in another order and some more of them."""
    (tmp_path / "own.csv").write_bytes(
        "\ufeffnote,constant,severity,method,prompted,outcome,class,description,code\r\n"
        '"a, b", ,low,badge, true ,success,authenticated,"Badge, ""tapped""", 26 \r\n\r\n'.encode()
    )

    assert load_codes(tmp_path / "own.csv").number(26) == Code(
        26, 'Badge, "tapped"', "authenticated", "success", True, "badge", "low", None
    )


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("26,x,authenticated,success,true,none,low", f"expected 8 columns: {HEADER}"),
        ("26,x,authenticated,success,true,none,low,,", f"expected 8 columns: {HEADER}"),
        ("x,x,authenticated,success,true,none,low,", "code 'x' is not a whole number"),
        (",x,authenticated,success,true,none,low,", "code '' is not a whole number"),
        ("1.5,x,authenticated,success,true,none,low,", "code '1.5' is not a whole number"),
        ("1_0,x,authenticated,success,true,none,low,", "code '1_0' is not a whole number"),
        ("٢١,x,authenticated,success,true,none,low,", "code '٢١' is not a whole number"),
        ("9999999999999999999,x,authenticated,success,true,none,low,", "code '9999999999999999999' is not a whole number"),
        ("26, ,authenticated,success,true,none,low,", "code 26 has no description"),
        ("26,x,nice,success,true,none,low,", f"class 'nice' is not one of {', '.join(CLASSES)}"),
        ("26,x,unknown,success,true,none,low,", f"class 'unknown' is not one of {', '.join(CLASSES)}"),
        ("26,x,authenticated,maybe,true,none,low,", "outcome 'maybe' is not one of success, failure, unknown"),
        ("26,x,authenticated,success,yes,none,low,", "prompted 'yes' is not one of true, false"),
        ("26,x,authenticated,success,,none,low,", "prompted '' is not one of true, false"),
        ("26,x,authenticated,success,true,none,LOW,", f"severity 'LOW' is not one of {', '.join(SEVERITIES)}"),
        ("26,x,authenticated,success,true,none,low,SUCCESS_NO_PIN", "constant SUCCESS_NO_PIN already belongs to code 2"),
        ("25,x,authenticated,success,true,none,low,", "code 25 appears twice; first in line 2"),
    ],
)
def test_bad_row_is_named_with_its_line(tmp_path: Path, row: str, what: str) -> None:
    assert fault(tmp_path, "25,fine,authenticated,success,true,none,low,", row) == f"3: {what}"


def test_constant_that_two_own_rows_have_is_named_at_the_second(tmp_path: Path) -> None:
    rows = ["26,x,authenticated,success,true,none,low,SUCCESS_X", "27,y,authenticated,success,true,none,low,SUCCESS_X"]

    assert fault(tmp_path, *rows) == "3: constant SUCCESS_X already belongs to code 26"


@pytest.mark.parametrize("column", COLUMNS)
def test_missing_column_is_named(tmp_path: Path, column: str) -> None:
    header = ",".join(name for name in COLUMNS if name != column)

    assert fault(tmp_path, header=header) == f"1: column {column} is missing; the header must be {HEADER}"


def test_empty_file_has_no_header(tmp_path: Path) -> None:
    assert fault(tmp_path, header="") == f"1: column code is missing; the header must be {HEADER}"


def test_open_quote_is_named_with_its_line(tmp_path: Path) -> None:
    assert fault(tmp_path, '26,"x,authenticated,success,true,none,low,').startswith("2: not a CSV row: ")


def test_table_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_bytes(HEADER.encode() + b"\n\xff")

    with pytest.raises(UsageError) as caught:
        load_codes(tmp_path / "own.csv")
    assert str(caught.value) == f"{tmp_path / 'own.csv'}: the code table must be UTF-8; byte {len(HEADER) + 1} is not"


def test_table_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_codes(tmp_path / "no.csv")
    assert str(caught.value) == f"cannot read the code table {tmp_path / 'no.csv'}: No such file or directory"


def test_base_is_left_as_it_was() -> None:
    base = dict(CODES.codes)
    read_table(f"{HEADER}\n1,x,skipped,unknown,false,,low,\n", "own.csv", base=base)

    assert base == CODES.codes


# Searching


def test_search_finds_rows_that_hold_every_word() -> None:
    assert [code.number for code in CODES.search("mobile denied")] == [129]
    assert [code.number for code in CODES.search("used_cache")] == [6, 8, 9]
    assert {code.status_class for code in CODES.search("NO_RESPONSE")} == {"no_response"}
    assert CODES.search("") == []
    assert CODES.search("   ") == []
    assert CODES.search("no such thing") == []
