"""Positions as JSON, and the check of the bytes before an offset."""

import json
from typing import Any

import pytest

from shipper.read.position import CHECK, MOST_GONE, Position, check_of, position_from, position_from_json, prune

POSITION = Position("0" * 16, "/log/a", "/log/a.log", 1, 2, 3, check_of(b"abc"), "utf-8", "t", "u", 4)


@pytest.mark.parametrize(
    "position",
    [
        POSITION,
        POSITION._replace(path="/log/\udcff.log", source="/log/\udcff"),
        POSITION._replace(path="/ä\u2028"),
        POSITION._replace(inode=2**63),
    ],
)
def test_to_json_and_back(position: Position) -> None:
    assert position_from_json(position.to_json()) == position


def test_fields_may_come_later_and_go() -> None:
    value = json.loads(POSITION.to_json())
    del value["last_time"], value["size"]
    assert position_from({**value, "invented_later": 1}) == POSITION._replace(last_time="", size=0)


@pytest.mark.parametrize(
    "change", [{"offset": -1}, {"offset": True}, {"offset": "3"}, {"offset": 1.5}, {"path": 1}, {"path": None}, {"check": []}]
)
def test_other_values_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        position_from({**json.loads(POSITION.to_json()), **change})


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"offset":1}', b"\0"])
def test_what_is_no_position_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        position_from_json(text)


def test_only_the_last_bytes_count() -> None:
    assert check_of(b"a" + b"b" * CHECK) == check_of(b"b" * CHECK) != check_of(b"b" * (CHECK - 1))
    assert len(check_of(b"")) == 16


def test_only_old_positions_of_files_that_are_gone_are_pruned() -> None:
    def position(number: int) -> Position:
        return Position("0" * 16, "Mfa", f"Mfa.log.{number}", 1, number, 7, "0" * 16, "utf-8", f"2017-02-14T02:{number:06}")

    positions = {str(number): position(number) for number in range(MOST_GONE + 50)}

    kept = prune(positions, {(1, 3), (1, 9), (1, 900)})

    assert positions.keys() - kept.keys() == {str(number) for number in range(49) if number not in (3, 9)}
    assert prune(kept, {(1, 3), (1, 9), (1, 900)}) == kept


def test_a_file_that_is_gone_is_not_taken_for_the_one_that_has_its_inode_now() -> None:
    positions = {
        str(number): Position("0" * 16, "Mfa", "Mfa.log", 1, 7, 7, "0" * 16, "utf-8", f"2017-02-14T02:{number:06}")
        for number in range(MOST_GONE + 50)
    }

    assert positions.keys() - prune(positions, {(1, 7)}).keys() == {str(number) for number in range(49)}
