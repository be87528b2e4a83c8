"""What the fast path leaves to the general path, line by line: the same bytes, the same counts."""

# ruff: noqa: RUF001  typographic quotes are what some cases are about

from itertools import product
from typing import Any

import pytest

from shipper.decode import templates, threads
from shipper.decode.parser import Options, Parser
from shipper.decode.plain import PASS_OVER, FastParser
from shipper.model import Chunk, Counts
from shipper.pipeline import Pipeline, Settings
from tests.support.logs import library, log_file

HEAD = "|0|1412|4|pfrad|"
GUID = "82a3db8d-3317-43f7-b203-6ba81cba93c9"
CALL = "Calling pfAuthUser('CONTOSO\\bob', '', 1)"
SENT = 'SUCCESS_SMS_SENT - "Text Message Sent".'


def at(second: int, message: str, head: str = HEAD) -> str:
    return f"2017-02-14T02:{second // 60:02}:{second % 60:02}.000000Z{head}{message}"


def exchange(second: int, *, call: str = CALL, verdict: str = "1", status: str = "21", head: str = HEAD) -> list[str]:
    return [
        at(second, call, head),
        at(second + 1, f"authResult = {verdict}", head),
        at(second + 1, f"rawCallStatus = {status}", head),
    ]


def result(second: int, user: str = "CONTOSO\\bob", word: str = "succeeded", status: str = SENT, head: str = HEAD) -> str:
    return at(second, f"{GUID}|Pfauth {word} for user '{user}'. Call status: {status}", head)


USERS = ["A\\B\\C", "\\A\\B", "\\bob", "A\\", "bob", "bob@x.example", "b\\ob@x.example", "@", "", "a 'quoted' name", "zoë"]
LOGS = {
    "users": [line for n, user in enumerate(USERS) for line in exchange(2 * n, call=f"Calling pfAuthUser('{user}', '', 1)")],
    "users of results": [result(n, user) for n, user in enumerate(USERS)],
    "heads": [
        line
        for n, head in enumerate(["|0|01|4|pfrad|", "|0|1|04|pfrad|", "|ii|1|4|pfrad|", "|0|x|4|pfrad|", "|0|1|4|p-frad|", "|0|1|4||"])
        for line in [*exchange(3 * n, head=head), result(3 * n + 2, head=head)]
    ],
    "tails": [
        line
        for n, tail in enumerate(["", ", '', 1, 2", ", 'a b', 1", ", '\"', 1", ", '', 1) or so", ", mark-7-user-7-mark"])
        for line in exchange(2 * n, call=f"Calling pfAuthUser('CONTOSO\\bob'{tail})")
    ],
    "quotes": [
        line
        for n, (before, user, behind) in enumerate(product(["'", "‘", "„", "''", "\"", "‖"], ["DOM\\bob", "a@b.c", "bob", "Zoë", "O'Brien"], ["', '', 1)", "’, ”, 1)", "”, '', ‘1’)", "\", 1)", "’‘)"]))
        for line in exchange(2 * n, call=f"Calling pfAuthUser({before}{user}{behind}")
    ],
    "numbers": [
        line
        for n, (verdict, status) in enumerate([("01", "21"), ("1", "021"), ("-1", "-104"), ("7", "999"), ("1234567890", "21"), ("1", "1234567890")])
        for line in exchange(2 * n, verdict=verdict, status=status)
    ],
    "numbers of halves": [
        line
        for n, number in enumerate(["1", "0", "2", "01", "1234567890", "-0"])
        for line in [
            at(4 * n, CALL), at(4 * n + 1, f"authResult = {number}"), at(4 * n + 2, f"rawCallStatus = {number}"),
            at(4 * n + 2, CALL), at(4 * n + 3, f"rawCallStatus = {number}"), at(4 * n + 3, f"authResult = {number}"),
        ]
    ],
    "results": [
        result(0), result(1, word="failed"), result(2, word="went"), result(3, status="X - \"\\u0041\"."), result(4, status="NO_CODE"),
        result(5, status='ANOTHER - "Nobody knows".'), result(6, status='SUCCESS_NO_PIN - "No PIN Entered". And more'),
    ],
    "no real instant": [*exchange(0), result(2).replace("02:00:02", "02:00:60"), *exchange(61), result(63).replace("-14T", "-30T")],
    "many components": [line for n in range(40) for line in [*exchange(n, head=f"|0|1|{n}|part{n}|"), result(n + 1, head=f"|0|1|{n}|part{n}|")]],
    "many threads": [line for n in range(9) for line in exchange(n, head=f"|0|1|{n}|pfrad|")],
    "two verdicts": [at(0, CALL), at(1, "authResult = 0"), at(2, "authResult = 1"), at(2, "rawCallStatus = 21")],
    "past the timeout": [at(0, CALL), at(1, CALL, "|0|1412|8|pfrad|"), at(601, "authResult = 1"), at(601, "rawCallStatus = 21")],
    "out of order": [at(0, CALL), at(700, "later", "|0|1|9|pfrad|"), at(5, "authResult = 1"), at(5, "rawCallStatus = 21")],
    "text of the marks": [*exchange(0, call="Calling pfAuthUser('mark-7-user-7-mark', '', 770000000000000001)"), *exchange(9)],
}  # fmt: skip


def parsed(lines: list[str], options: Options, *, fast: bool, per_exchange: bool, kernel: bool = False) -> tuple[bytes, Counts]:
    data = "".join(f"{line}\n" for line in lines).encode()
    pipeline = Pipeline(Settings(library(), options, per_exchange=per_exchange, fast=fast, kernel=kernel), Counts())
    pipeline.open(log_file(data))
    return pipeline(Chunk(data, 0)).data + pipeline.close().data, pipeline.counts


@pytest.mark.parametrize("per_exchange", [False, True])
@pytest.mark.parametrize("keep_original", [False, True])
@pytest.mark.parametrize("limit", [0, 1, 2, 3, 5, templates.LIMIT])
@pytest.mark.parametrize("name", LOGS)
def test_both_paths_agree(
    name: str, limit: int, keep_original: bool, per_exchange: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no more templates are made, and where threads are forgotten."""
    monkeypatch.setattr(templates, "LIMIT", limit)
    monkeypatch.setattr(threads, "LIMIT", 4)
    fast, general = (parsed(LOGS[name], Options(keep_original), fast=fast, per_exchange=per_exchange) for fast in (True, False))
    assert fast == general


@pytest.mark.parametrize("name", LOGS)
def test_a_small_memory_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = parsed(LOGS[name], Options(), fast=False, per_exchange=False)
    monkeypatch.setattr(Parser, "MEMO", 2)
    assert parsed(LOGS[name], Options(), fast=False, per_exchange=False) == whole


@pytest.mark.parametrize("per_exchange", [False, True])
@pytest.mark.parametrize(
    "constants",
    [
        {"labels": {"site": "north"}},
        {"labels": {"site": "770000000000000001"}},
        {"labels": {"site": "mark-7-user-7-mark"}},
        {"user": {"id": "S-1-5-21"}},
        {"process": {"name": "pfrad"}},
    ],
)
def test_both_paths_agree_whatever_is_in_every_event(constants: dict[str, Any], per_exchange: bool) -> None:
    """A constant that looks like a mark of the templates leaves all lines to the general path."""
    options = Options(constants=constants)
    for lines in ([*LOGS["numbers of halves"], *exchange(30)], LOGS["results"]):
        fast, general = (parsed(lines, options, fast=fast, per_exchange=per_exchange) for fast in (True, False))
        assert fast == general


def test_chunks_behind_one_without_a_plain_line_go_to_the_general_path() -> None:
    """As many as `PASS_OVER`; with the events and counts that all of it has."""
    odd = "".join(f"{line.replace('000000Z', '0000000Z')}\n" for second in range(20) for line in exchange(second)).encode()
    plain = "".join(f"{line}\n" for line in exchange(30)).encode()
    results = []
    for fast in (True, False):
        pipeline = Pipeline(Settings(library(), fast=fast, kernel=False), Counts())
        pipeline.open(log_file(odd))
        chunks = [Chunk(odd, 0), *(Chunk(plain, len(odd) + number * len(plain)) for number in range(PASS_OVER + 2))]
        left = [pipeline.parser.pass_over for chunk in chunks if pipeline(chunk) and isinstance(pipeline.parser, FastParser)]
        assert left == ([*range(PASS_OVER, -1, -1), 0, 0] if fast else [])
        results.append((pipeline.counts, pipeline.snapshot()))
    assert results[0] == results[1]
