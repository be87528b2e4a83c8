"""The hints that `parse` and `report` give."""

import pytest

from shipper.decode.unparsed import HINTS
from shipper.model import Counts
from shipper.report.hints import hints


def test_nothing_is_said_where_nothing_is_odd() -> None:
    assert hints(Counts(lines=5)) == []


def test_an_empty_file_was_not_understood() -> None:
    assert hints(Counts()) == ["there was nothing to read: no file holds a line"]


def test_less_than_half_understood_is_said_first() -> None:
    half = Counts(lines=4, unparsed=1)
    half.unknown("x")
    half.causes["mail"] = 1
    assert len(hints(half)) == 1

    half.lines += 1
    half.unparsed += 1
    assert hints(half)[0].startswith("less than half of the lines were understood: 2 of 5;")


def test_causes_the_commonest_first() -> None:
    counts = Counts(lines=5000)
    counts.causes.update({"mail": 3, "local_time": 1200})

    first, second = hints(counts)

    assert first.startswith("1,200 lines have a time that is not UTC")
    assert second.startswith("3 lines begin with >")


@pytest.mark.parametrize("cause", HINTS)
def test_a_line_by_itself_has_the_singular(cause: str) -> None:
    counts = Counts(lines=5)
    counts.causes[cause] = 1

    [hint] = hints(counts)

    assert hint.startswith("1 line ")
    assert hint.split()[2].endswith("s")


def test_a_log_out_of_order_is_told_from_prompts_and_orphans() -> None:
    [hint] = hints(Counts(lines=5, late=2, out_of_order=4))

    assert hint.startswith("6 lines are much older than lines before")
    assert "give the parts as files of their own" in hint


def test_an_export_that_is_newest_first_is_told() -> None:
    assert "newest first" in hints(Counts(lines=7, backwards=4))[0]
    assert hints(Counts(lines=8, backwards=4)) == []
