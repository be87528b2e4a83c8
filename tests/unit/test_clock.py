"""The clock of a log: one line cannot move it for good."""

import pytest

from shipper.decode.clock import DAY, LogState
from shipper.decode.exchanges import Exchanges
from shipper.model import Exchange
from shipper.times import BEFORE_ALL, SECOND

TIMEOUT = 600 * SECOND
NOON = 12 * 3600 * SECOND


def clock(*times: int, timeout: int = TIMEOUT) -> tuple[LogState, list[int]]:
    """A clock that has taken these times, and those that were misdated."""
    state, misdated = LogState(Exchanges(timeout)), []
    for time in times:
        if time > state.limit:
            late = state.turn(time)
            misdated += [] if late is None else [late.time]
        else:
            state.newest = max(state.newest, time)
    return state, misdated


@pytest.mark.parametrize(
    ("times", "newest", "misdated", "waits"),
    [
        ((NOON,), BEFORE_ALL, [], True),
        ((NOON, NOON), NOON, [], False),
        ((NOON, NOON - DAY), NOON, [], False),
        ((NOON, NOON - DAY - 1), BEFORE_ALL, [NOON], True),
        ((NOON, NOON - DAY - 1, NOON - DAY), NOON - DAY, [NOON], False),
        ((NOON, NOON + DAY), NOON + DAY, [], False),
        ((NOON, NOON + DAY + 1), NOON, [], True),
        ((NOON, NOON, NOON + DAY), NOON + DAY, [], False),
        ((NOON, NOON, NOON + DAY + 1), NOON, [], True),
        ((NOON, NOON, NOON + DAY + 1, NOON + 1), NOON + DAY + 1, [], False),
        ((NOON, NOON, NOON + DAY + 1, NOON), NOON, [NOON + DAY + 1], False),
        ((NOON, NOON, NOON + 2 * DAY, NOON + 9 * DAY), NOON + 2 * DAY, [], True),
        ((NOON, NOON, NOON + 9 * DAY, NOON + 2 * DAY), NOON, [NOON + 9 * DAY], True),
        ((NOON, NOON, NOON + 9 * DAY, NOON + 2 * DAY, NOON), NOON, [NOON + 9 * DAY, NOON + 2 * DAY], False),
    ],
)
def test_a_time_far_ahead_waits_for_the_next_one(times: tuple[int, ...], newest: int, misdated: list[int], waits: bool) -> None:
    state, found = clock(*times)
    assert (state.newest, found, state.waiting is not None) == (newest, misdated, waits)


def test_what_takes_longer_than_a_day_is_not_far_ahead() -> None:
    """Or a status that waits could belong to an exchange."""
    state, _ = clock(NOON, NOON, NOON + 6 * DAY, timeout=3 * DAY)
    assert (state.newest, state.waiting) == (NOON + 6 * DAY, None)
    state, _ = clock(NOON, NOON, NOON + 6 * DAY + 1, timeout=3 * DAY)
    assert state.waiting is not None


def test_the_exchange_of_a_misdated_request_is_closed() -> None:
    state, _ = clock(NOON, NOON, NOON + 2 * DAY)
    waiting = state.waiting
    assert waiting is not None
    assert not state.withdraw(waiting)
    state.exchanges.request("pfrad|1|2", Exchange(NOON + 2 * DAY, "", "id", None, ""))
    waiting.thread, waiting.exchange = "pfrad|1|2", "another"
    assert not state.withdraw(waiting)
    waiting.exchange = "id"
    assert state.withdraw(waiting)
    assert not state.withdraw(waiting)
    assert state.exchanges.open == {}


@pytest.mark.parametrize("times", [(), (NOON,), (NOON, NOON), (NOON, NOON, NOON + 2 * DAY)])
@pytest.mark.parametrize("then", [NOON, NOON + DAY + 1, NOON + 2 * DAY])
def test_a_snapshot_goes_on(times: tuple[int, ...], then: int) -> None:
    state, _ = clock(*times)
    other = LogState(Exchanges(TIMEOUT))
    other.restore(**state.snapshot())
    assert other.snapshot() == state.snapshot()
    for one in (state, other):
        if then > one.limit:
            one.turn(then)
        else:
            one.newest = max(one.newest, then)
    assert other.snapshot() == state.snapshot()
