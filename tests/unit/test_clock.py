"""The clock of a log: one line cannot move it for good."""

import json
from typing import Any

import pytest

from shipper.decode import clock as clock_module
from shipper.decode.clock import DAY, OTHERS, ComponentState, LogState
from shipper.decode.exchanges import MEMORY_OF_ONE, Exchanges
from shipper.model import Exchange
from shipper.times import BEFORE_ALL, SECOND

TIMEOUT = 600 * SECOND
NOON = 12 * 3600 * SECOND


def clock(*times: int, timeout: int = TIMEOUT) -> tuple[ComponentState, list[int]]:
    """A clock that has taken these times, and those that were misdated."""
    state, misdated = ComponentState("pfrad", Exchanges(timeout)), []
    for time in times:
        if time > state.limit:
            late = state.turn(time)
            misdated += [] if late is None else [late.time]
        else:
            state.newest = max(state.newest, time)
    return state, misdated


def saved(state: ComponentState | LogState) -> Any:
    """Its snapshot, as it is read again."""
    return json.loads(json.dumps(state.snapshot(), default=list))


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
    other = ComponentState("pfrad", Exchanges(TIMEOUT))
    other.restore(*state.clock)
    assert saved(other) == saved(state)
    for one in (state, other):
        if then > one.limit:
            one.turn(then)
        else:
            one.newest = max(one.newest, then)
    assert saved(other) == saved(state)


def test_components_have_clocks_of_their_own() -> None:
    log = LogState(TIMEOUT)
    for component, time in (("pfrad", NOON), ("pfrad", NOON), ("pfsvc", 0), ("pfsvc", 1), (None, 5), (None, 5)):
        log.of(component).turn(time)
    assert log.clocks == {"pfrad": (NOON, None), "pfsvc": (1, None), "": (5, None)}
    assert log.newest == NOON
    assert LogState(TIMEOUT).newest == BEFORE_ALL


def test_the_nps_extension_is_one_component_whatever_its_provider() -> None:
    log = LogState(TIMEOUT)
    assert log.of("Microsoft-AzureMfa-AuthZ") is log.of("NPS Extension")
    assert log.of("Microsoft-AzureMfa-AuthZ") is not log.of("pfrad")


def test_too_many_components_share_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "MOST_COMPONENTS", 2)
    monkeypatch.setattr(clock_module, "KNOWN", 3)
    log = LogState(TIMEOUT)
    for _ in range(3):
        assert [log.slot(name) for name in ("a", "b", "c", "d", "a")] == ["a", "b", OTHERS, OTHERS, "a"]


def test_of_all_components_together_the_one_with_most_gives_up_an_exchange() -> None:
    log = LogState(TIMEOUT, memory=3 * MEMORY_OF_ONE)
    given_up = [
        log.of(name).exchanges.request(f"{name}|{number}", Exchange(NOON, "", "id", None, ""))
        for number, name in enumerate(("a", "b", "b", "a", "a"))
    ]
    assert given_up == [0, 0, 0, 1, 1]
    assert [list(log.of(name).exchanges.open) for name in "ab"] == [["a|3", "a|4"], ["b|2"]]
    assert log.open == 3


@pytest.mark.parametrize(("other", "misdated"), [(NOON + 2 * DAY, False), (NOON + DAY, False), (NOON + DAY - 1, True)])
def test_a_time_is_far_ahead_at_the_end_if_it_is_so_of_all_components(other: int, misdated: bool) -> None:
    log = LogState(TIMEOUT)
    for time in (NOON, NOON, NOON + 2 * DAY):
        log.of("a").turn(time)
    for _ in range(2):
        log.of("b").turn(other)
    assert log.of("a").misdated(log.newest) == misdated
    assert not log.of("b").misdated(log.newest)


def test_what_a_snapshot_does_not_know_is_gone() -> None:
    log = LogState(TIMEOUT, merges=True)
    log.of("a").turn(NOON)
    snapshot = saved(log)
    log.of("b").turn(NOON)
    log.of("b").exchanges.request("b|1", Exchange(NOON, "", "id", None, ""))
    log.restore(snapshot)
    assert saved(log) == snapshot
    assert log.open == 0
