"""The host lets most authentications wait; what it finds is what a host finds that takes every step at once."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shipper.detect import DETECTORS
from shipper.detect.detector import Detectors
from shipper.detect.double_prompt import Rule
from shipper.detect.protocol import Rule as AnyRule
from shipper.model import Code, CompletionFields, Counts, User
from tests.support import burst
from tests.support.completions import CODES, FATIGUE_RULES, REFUSALS, RULES, USERS, T, W, alike, chunks


@st.composite
def drawn(draw: st.DrawFn, codes: Sequence[Code] = CODES) -> list[list[CompletionFields]]:
    return chunks(lambda some: draw(st.sampled_from(some)), codes)


def never(_: int) -> bool:
    return False


def of_bob(*authentications: tuple[int, int, Code]) -> list[list[CompletionFields]]:
    """Successful authentications (start, end, code) of one user, in a chunk."""
    return [
        [
            (n, USERS[0], f"id-{n:02}", "pfrad", start, f"at {start}", end, f"at {end}", code, True, end)
            for n, (start, end, code) in enumerate(authentications)
        ]
    ]


many = settings(max_examples=300, deadline=None)  # tests/unit/test_lean_host.py has logs that are the same each time
APP, ANSWER, CODE_SENT, BUSY, CACHED = CODES[0], CODES[1], CODES[2], CODES[6], CODES[8]
ENDS_LATE = of_bob((0, 1, CODE_SENT), (3, 3, APP), (5, 6, ANSWER))  # by its answer, when another has begun
ENDS_LATE_IN_A_STATE = of_bob((0, 1, CODE_SENT), (1, 1, APP), (4, 4, APP), (6, 7, ANSWER))
LATEST_WAITS = of_bob((0, 0, CODE_SENT), (9, 9, CODE_SENT), (10, 10, ANSWER))
AS_OLD_AS_CAN_BE = of_bob((0, 0, APP), (1, 1, APP), (1, 1, APP), (1, 33, APP))
BUSY_BEFORE = of_bob((0, 0, CACHED), (5, 30, BUSY), (29, 30, BUSY), (28, 40, APP), (41, 41, APP))


@many
@given(rule=st.sampled_from(RULES), made=drawn())
@example(RULES[0], of_bob((0, 1, APP), (1 + W, 8, APP)))
@example(RULES[0], of_bob((0, 1, APP), (2 + W, 8, APP)))
@example(RULES[0], of_bob((0, 1, CODE_SENT), (1 + T, 10, ANSWER)))
@example(RULES[0], of_bob((0, 1, CODE_SENT), (2 + T, 11, ANSWER)))
@example(Rule(1, 8), ENDS_LATE)
@example(Rule(1, 8), ENDS_LATE_IN_A_STATE)
@example(Rule(1, 8), LATEST_WAITS)
@example(Rule(0, 8), AS_OLD_AS_CAN_BE)
@example(Rule(1, 8), BUSY_BEFORE)
def test_waiting_changes_nothing(rule: AnyRule, made: list[list[CompletionFields]]) -> None:
    alike("double_prompt", rule, made, never)


@many
@given(rule=st.sampled_from(RULES), made=drawn(), numbers=st.sets(st.integers(0, 8)))
def test_a_snapshot_on_the_way_changes_nothing(rule: AnyRule, made: list[list[CompletionFields]], numbers: set[int]) -> None:
    alike("double_prompt", rule, made, numbers.__contains__)


@many
@given(rule=st.sampled_from(FATIGUE_RULES), made=drawn(REFUSALS), numbers=st.sets(st.integers(0, 8)))
def test_leaving_out_what_begins_nothing_changes_nothing(
    rule: AnyRule, made: list[list[CompletionFields]], numbers: set[int]
) -> None:
    alike("mfa_fatigue", rule, made, never)
    alike("mfa_fatigue", rule, made, numbers.__contains__)


@settings(max_examples=200, deadline=None)
@given(rule=st.sampled_from((burst.Rule(W, 2), burst.Rule(T, 3), burst.Rule(0, 1))), made=drawn())
def test_a_detector_that_lets_none_wait(rule: AnyRule, made: list[list[CompletionFields]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DETECTORS, "burst", burst.BURST)
        alike("burst", rule, made, never)


def test_most_wait() -> None:
    """What has nothing to do with any other never reaches `step`, and is gone after two horizons."""
    counts, rule = Counts(), Rule(W, T)
    host = Detectors({"double_prompt": rule}, counts)
    for number in range(1000):
        user = User(f"user{number}", None, None, f"user{number}")
        host([(0, user, f"id-{number}", "pfrad", number, "", number, "", APP, True, number)])
    assert host.size <= 2 * rule.horizon + 1
    assert counts.findings == 0
