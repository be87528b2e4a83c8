"""Open exchanges: which line belongs to which, and how many may wait."""

import pytest

from shipper.decode.exchanges import Exchanges
from shipper.model import Exchange
from shipper.times import SECOND

TIMEOUT = 600 * SECOND


def exchange(start: int, name: str = "id") -> Exchange:
    return Exchange(start, "", name, None, "")


@pytest.mark.parametrize(
    ("time", "belongs"),
    [
        (100 * SECOND - 1, False),
        (100 * SECOND, True),
        (100 * SECOND + TIMEOUT, True),
        (100 * SECOND + TIMEOUT + 1, False),
    ],
)
def test_a_line_belongs_to_the_exchange_of_its_thread_until_the_timeout(time: int, belongs: bool) -> None:
    exchanges = Exchanges(TIMEOUT)
    assert exchanges.request("pfrad|1|2", exchange(100 * SECOND)) == 0
    assert (exchanges.belonging("pfrad|1|2", time, time) is not None) == belongs
    assert exchanges.belonging("pfrad|1|3", time, time) is None
    assert exchanges.belonging(None, time, time) is None


def test_a_request_gives_the_older_one_of_its_thread_up() -> None:
    exchanges = Exchanges(TIMEOUT)
    assert exchanges.request("thread", exchange(0, "first")) == 0
    assert exchanges.request("thread", exchange(1, "second")) == 1
    found = exchanges.belonging("thread", 1, 1)
    assert found is not None
    assert found[2] == "second"


def test_of_too_many_the_one_that_waited_longest_is_given_up() -> None:
    exchanges = Exchanges(TIMEOUT, limit=2)
    given_up = [exchanges.request(thread, exchange(0)) for thread in ("a", "b", "b", "c", "d")]
    assert given_up == [0, 0, 1, 1, 1]
    assert list(exchanges.open) == ["c", "d"]
    assert exchanges.crowded_out == 2


@pytest.mark.parametrize(("newest", "alive"), [(100 * SECOND + 2 * TIMEOUT, True), (100 * SECOND + 2 * TIMEOUT + 1, False)])
def test_an_exchange_is_given_up_when_event_time_is_twice_the_timeout_past_its_request(newest: int, alive: bool) -> None:
    exchanges = Exchanges(TIMEOUT)
    exchanges.request("old", exchange(100 * SECOND))
    exchanges.request("young", exchange(newest))

    assert (exchanges.belonging("old", 100 * SECOND, newest) is not None) == alive
    assert exchanges.expire(newest) == (0 if alive else 1)
    assert list(exchanges.open) == (["old", "young"] if alive else ["young"])


def test_only_those_that_stand_first_are_dropped_with_every_chunk() -> None:
    exchanges = Exchanges(TIMEOUT)
    for thread, start in (("a", 0), ("b", 1), ("c", 3 * TIMEOUT), ("d", 2)):
        exchanges.request(thread, exchange(start))

    assert exchanges.expire_first(3 * TIMEOUT) == 2
    assert list(exchanges.open) == ["c", "d"]
    assert exchanges.belonging("d", 2, 3 * TIMEOUT) is None
    assert exchanges.expire(3 * TIMEOUT) == 1
