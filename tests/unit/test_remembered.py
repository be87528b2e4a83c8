"""Which memories are small, for how much a large one counts, and what stands for a long key."""

from typing import Any

import pytest

from shipper.detect.remembered import LONGEST_KEY, Known, alone, is_small, remembered, short, size_of, waits
from shipper.model import Code, CompletionFields

APP = Code(21, "Mobile App Authenticated", "authenticated", "success", True, "mobile_app", "low", None)
SIGN_IN: CompletionFields = (0, ("anna", None, None, "anna"), "id", "pfrad", 0, "start", 0, "end", APP, True, 0)


def chain(number: int, state: Any = None) -> Any:
    """So many that wait, on a state if there is one."""
    memory: Any = None if state is None else Known(0, state)
    for _ in range(number):
        memory = alone(SIGN_IN, memory)
    return memory


@pytest.mark.parametrize(
    ("memory", "small"),
    [
        (chain(8), True),
        (chain(9), False),
        (chain(0, [0] * 128), True),
        (chain(0, {"a": [0] * 64, "b": [[0], [0] * 63]}), True),
        (chain(0, [0] * 129), False),
        (chain(8, [0] * 128), True),
        (chain(9, [0]), False),
    ],
)
def test_few_that_wait_on_a_small_state_are_small(memory: Any, *, small: bool) -> None:
    assert is_small(memory) == small


@pytest.mark.parametrize(("values", "size"), [(1, 0), (256, 0), (257, 25), (379, 37)])
def test_a_state_counts_from_twice_what_is_small(values: int, size: int) -> None:
    counted = size_of({"prompts": [0] * (values - 1), "told": True})
    assert (counted, type(counted)) == (size, int)


def test_only_a_key_that_is_longer_is_shortened() -> None:
    longest = "x" * LONGEST_KEY
    assert short(longest) == longest
    assert short(longest + "a") != short(longest + "b")
    assert short(longest + "a").startswith(longest)


def test_a_long_key_may_hold_what_is_no_text() -> None:
    """Half of a pair, as JSON may spell it."""
    assert short("\ud800" * 200) != short("\ud801" * 200)


@pytest.mark.parametrize("older", [None, Known(0, {})])
def test_what_ended_before_is_not_remembered(older: Any) -> None:
    memory = alone(SIGN_IN, older)  # it ended at 0
    assert remembered(memory, 0) is not None
    assert remembered(memory, 1) is None
    assert len(waits(remembered(alone((*SIGN_IN[:4], 5, "start", 6, *SIGN_IN[7:]), memory), 1))) == 1
