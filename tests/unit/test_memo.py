"""The bounded memo."""

import pytest

from shipper.memo import Memo


def test_a_value_is_made_once() -> None:
    made: list[str] = []

    def length(key: str) -> int:
        made.append(key)
        return len(key)

    memo = Memo(length, 10)
    assert [memo[key] for key in ("a", "bb", "a", "bb")] == [1, 2, 1, 2]
    assert made == ["a", "bb"]


def test_it_never_holds_more_than_its_limit() -> None:
    memo = Memo(str, 3)
    for number in range(10):
        assert memo[number] == str(number)
        assert len(memo) <= 3
    assert dict(memo) == {9: "9"}  # full at 0 to 2, 3 to 5 and 6 to 8, each time emptied by the next key


def test_none_is_a_value() -> None:
    made: list[int] = []
    memo = Memo(made.append, 10)
    assert memo[1] is None
    assert memo[1] is None
    assert made == [1]


def test_what_cannot_be_made_is_not_stored_and_empties_nothing() -> None:
    memo = Memo(int, 1)
    assert memo["1"] == 1
    with pytest.raises(ValueError, match="invalid literal"):
        memo["x"]
    assert dict(memo) == {"1": 1}


def test_asking_without_making() -> None:
    memo = Memo(int, 1)
    assert memo.get("1") is None
    assert "1" not in memo
