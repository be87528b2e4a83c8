"""The text of an event that was cut from others of its shape is that of its document."""

from typing import Any

import pytest
from orjson import OPT_APPEND_NEWLINE, dumps

from shipper.decode.documents import Documents
from shipper.decode.parser import Options
from shipper.model import Chunk, Counts
from shipper.pipeline import Pipeline, Settings
from tests.support.logs import library, log_file
from tests.unit.test_plain import GUID, at, exchange, result

USERS = ["bob", "A\\bob", "bob@x.example", "A\\b'ob", 'A\\"bob"', "zoë\\山", "\x01\\\x7f", "mark-user", ""]
ODD = [
    *exchange(9),
    *(at(9, message) for message in ["", 'a "quoted" text', "a\ttext", "mark-message", f"{GUID}|text", "***** ERROR ***** no"]),
]
THREADS = ["|0|1412|4|pfrad|", "|i|1412|5|pfrad|", "|e|7|8|pfsvc|", "|x|7|8|zoë|", "|0|0007|8|pfsvc|"]
LINES = [
    line
    for n in range(3)
    for head in THREADS
    for user in USERS
    for line in [
        *exchange(2 * n, call=f"Calling pfAuthUser('{user}', '', 1)", status=("21", "20", "77777")[n], head=head),
        at(2 * n + 1, "rawCallStatus = 1", head),
        *exchange(2 * n, call=f"{GUID}|Calling pfAuthUser('{user}')", verdict="0", status=f"21{' ' * n}", head=head),
        result(2 * n + 1, user, head=head),
        at(2 * n + 1, f'{GUID}|Pfauth failed for user \'{user}\' from 10.0.0.1. Call status: SUCCESS_NO_PIN - "No PIN Entered".', head),
        at(2 * n + 1, f"Pfauth not performed for user '{user}'", head),
        at(2 * n + 1, f'User "{user}" added new user "another"', head),
    ]
    for line in (line, *(ODD if user == "bob" else ()))
]  # fmt: skip
CONSTANTS: list[dict[str, Any]] = [
    {},
    {"tags": ["prod"], "labels": {"site": 'Zürich "山"'}, "host": {"name": "mfa01"}},
    {"labels": {"site": "mark-line"}},
    {"labels": {"site": "1987-06-05T04:03:02.1Z", "other": "mark-exchange"}},
    {"labels": {"number": 770000000000000002}},
]


def texts(lines: list[str], constants: dict[str, Any], path: str = "input.log", *, keep_original: bool = True) -> list[str]:
    data = "".join(f"{line}\n" for line in lines).encode()
    pipeline = Pipeline(Settings(library(), Options(keep_original, constants), fast=False), Counts())
    pipeline.open(log_file(data, path))
    return [*pipeline.decode(Chunk(data, 0))[0].texts]


def whole(self: Documents, line: Any, part: Any, request_id: str | None) -> str:
    document = self.close(self.document(line, part, request_id), line[7])
    return dumps(document, option=OPT_APPEND_NEWLINE).decode("latin-1")


@pytest.mark.parametrize("keep_original", [True, False])
@pytest.mark.parametrize("constants", CONSTANTS, ids=str)
@pytest.mark.parametrize("path", ["input.log", "mark-event.log"])
def test_a_text_is_that_of_its_document(
    constants: dict[str, Any], path: str, keep_original: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = texts(LINES, constants, path, keep_original=keep_original)
    monkeypatch.setattr(Documents, "text", whole)
    assert cut == texts(LINES, constants, path, keep_original=keep_original)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The documents that are made, made-up ones included."""
    documents: list[Any] = []
    document = Documents.document

    def counted(self: Documents, *of: Any) -> Any:
        documents.append(document(self, *of))
        return documents[-1]

    monkeypatch.setattr(Documents, "document", counted)
    return documents


def test_events_of_one_shape_take_three_documents(made: list[Any]) -> None:
    texts([at(n, f"authResult = {n % 2}", f"|0|{n}|4|pfrad|") for n in range(60)], {})
    assert len(made) == 2 * 3


def test_where_a_constant_is_a_made_up_value_all_events_are_documents(made: list[Any]) -> None:
    texts([at(n, "authResult = 1") for n in range(30)], {"labels": {"site": "mark-event"}})
    assert len(made) == 30 + 2  # and it is tried once


def test_shapes_that_do_not_come_again_are_forgotten(made: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Documents, "LIMIT", 4)
    once = [at(n, f"authResult = {n}") for n in range(20)]
    assert len(set(texts(once, {}))) == len(made) == 20
    made.clear()
    twice = [line for n in range(20) for line in [at(n, f"authResult = {n}")] * 2]
    assert len(texts(twice, {})) == 40
    assert len(made) == 20 * 3


def test_no_shape_with_a_long_text_is_kept(monkeypatch: pytest.MonkeyPatch, made: list[Any]) -> None:
    monkeypatch.setattr("shipper.decode.documents.LONGEST", 4)
    assert len(texts([at(n, "authResult = 1") for n in range(20)], {})) == len(made) == 20
