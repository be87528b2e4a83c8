"""Authentications that wait side by side come out as they went in."""

from copy import deepcopy

import pytest

from shipper.detect.waiting import Arrived, Waiting
from shipper.model import CompletionFields
from shipper.times import SECOND
from tests.support.completions import CODES

YEAR_2400 = 13_569_465_600 * SECOND  # needs more than 64 bits


def completion(number: int, end: int) -> CompletionFields:
    code, start = CODES[number], end - number * SECOND
    user = ("ann", None, None, "ann")
    return number, user, f"00-{number * 99}", "pfrad", start, f"start {number}", end, f"end {number}", code, number % 2 > 0, end


@pytest.mark.parametrize("begin", [0, -SECOND, YEAR_2400])
def test_each_comes_out_as_it_went_in(begin: int) -> None:
    completions = [completion(n, begin + n * SECOND) for n in range(5)]
    waiting = Waiting(completions)
    for at, (_, _, *fields, _) in enumerate(completions):
        position, user, *kept, newest = waiting.completion(at)
        assert kept == fields
        assert (position, user, newest) == (0, None, fields[4])


def test_a_copy_of_what_a_user_has_in_memory_shares_those_that_wait() -> None:
    waiting = Waiting([completion(1, SECOND)])
    assert deepcopy((waiting, 0, None))[0] is waiting


def test_only_the_newest_with_users_are_tidy() -> None:
    first, second = completion(1, SECOND), completion(2, 2 * SECOND)
    late: CompletionFields = (*first[:10], 3 * SECOND)
    nameless: CompletionFields = (first[0], None, *first[2:])
    assert Arrived([first, second]).tidy
    assert not Arrived([first, late]).tidy
    assert not Arrived([nameless, second]).tidy
