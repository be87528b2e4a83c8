"""Completed authentications alone, from logs on which the path for plain exchanges has to choose."""

import pytest

from tests.property.test_completions import folded
from tests.support.reports import log_of, sign_in

REQUEST = "|0|1412|{}|pfrad|Calling pfAuthUser('{}', '', 1)"
BARE = sign_in(0, 5, user="ann")
MAIL = sign_in(10, 5, user="ann@contoso.example")
ODD = [(20.0, REQUEST.format(1, "O'Brien")), *sign_in(20, 5)[1:]]
HALF = [(30.0, REQUEST.format(2, "bob")), (31.0, "|0|1412|2|pfrad|authResult = 1"), (32.0, "|0|1412|2|pfrad|rawCallStatus = 21")]
LATE = [
    (40.0, REQUEST.format(3, "bob")),
    (2000.0, "|0|1412|3|pfrad|authResult = 1"),
    (2000.0, "|0|1412|3|pfrad|rawCallStatus = 21"),
]
TWICE = [(50.0, REQUEST.format(4, "bob")), (51.0, REQUEST.format(4, "ann")), *sign_in(50, 5, thread=4)[1:]]
NUMBER = [
    (60.0, REQUEST.format(5, "ann")),
    (61.0, "|0|1412|5|pfrad|authResult = 1"),
    (61.0, "|0|1412|5|pfrad|rawCallStatus = 021"),
]
HEADS = [(70.0, "|0|1412|x|pfrad|Calling pfAuthUser('ann', '', 1)"), (71.0, "|0|1412|6|pfrad|authResult = 1")]


@pytest.mark.parametrize("part", [BARE, MAIL, ODD, HALF, LATE, TWICE, NUMBER, HEADS, []])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_they_are_those_of_all_events(part: list[tuple[float, str]], end: bytes) -> None:
    data = log_of(sign_in(0, 8, user="bob"), part, sign_in(3000, 5)).replace(b"\n", end)

    told = folded(data, 1 << 18, completions_only=False)
    assert folded(data, 1 << 18, completions_only=True) == told
    assert folded(data, 1 << 18, completions_only=True, kernel=False) == told
