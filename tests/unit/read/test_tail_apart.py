"""Files of one name that are several logs: their times tell, at once or when one goes on growing."""

import gzip
import os
from collections.abc import Callable

import pytest

from shipper.times import SECOND
from tests.support.tail_rig import Rig, line

TIMEOUT = {"exchange_timeout": 10 * SECOND}


@pytest.fixture
def apart(make: Callable[..., Rig]) -> Rig:
    """A rig for which ten seconds are the longest sign-in."""
    return make(options=TIMEOUT)


def sources(rig: Rig) -> dict[str, str]:
    """By the name of a file, `own` if it is a log of its own; else what the name of its log is."""
    return {
        os.path.basename(place.path): "own"
        if " " in os.path.basename(place.source).replace(" (1)", "")
        else os.path.basename(place.source)
        for place in rig.positions.values()
    }


@pytest.mark.parametrize("old", ["a.log.1", "a.log.1.gz"])
def test_a_file_whose_times_contradict_its_name_is_a_log_of_its_own(apart: Rig, old: str) -> None:
    data = line(0) + line(30)
    apart.path(old).write_bytes(gzip.compress(data) if old.endswith(".gz") else data)
    apart.append("a (1).log", line(19) + line(40))
    apart.append("a.log", line(31))
    assert sorted(apart.step().splitlines()) == sorted((data + line(19) + line(40) + line(31)).splitlines())
    assert sources(apart) == {old: "a.log", "a (1).log": "own", "a.log": "a.log"}
    assert apart.tail.sources.apart == {
        str(
            apart.path("a (1).log")
        ): f"{apart.path('a (1).log')} is read as a log of its own, whatever its name says: it begins at "
        f"2017-02-14T02:57:19.000000Z, and {apart.path(old)} goes on until 2017-02-14T02:57:30.000000Z"
    }


def test_up_to_the_timeout_the_name_counts(apart: Rig) -> None:
    apart.append("a.log.1", line(0) + line(30))
    apart.append("a.log", line(20) + line(40))
    apart.step()
    assert sources(apart) == {"a.log.1": "a.log", "a.log": "a.log"}
    assert not apart.tail.sources.apart


def test_what_was_read_before_the_file_came_counts(apart: Rig) -> None:
    """It begins before all other files of its name, but these were read already, in this run or an earlier one."""
    apart.append("a.log.1", line(20))
    apart.append("a.log", line(30))
    apart.settle()  # the older one is closed
    apart.append("a.log.2", line(1))
    apart.step()
    assert sources(apart)["a.log.2"] == "own"
    apart.positions = {key: place._replace(last_time="2017-02-14T02:57:30Z") for key, place in apart.positions.items()}
    apart.remove("a.log")
    apart.remove("a.log.1")
    apart.restart()
    apart.append("a.log.3", line(2))
    apart.step()
    assert sources(apart)["a.log.3"] == "own"
    assert apart.tail.sources.apart[str(apart.path("a.log.3"))].endswith(
        "the log of that name goes on until 2017-02-14T02:57:30Z"
    )


@pytest.mark.parametrize("restart", [False, True])
def test_a_file_before_it_that_goes_on_growing_tells_as_well(apart: Rig, restart: bool) -> None:
    """Two logs that were begun at the same time: nothing is lost, nothing comes twice."""
    apart.append("a_1.log", line(0) + line(2))
    apart.append("a_2.log", line(1) + line(3))
    assert apart.step() == line(0) + line(2) + line(1) + line(3)
    assert sources(apart) == {"a_1.log": "a.log", "a_2.log": "a.log"}
    apart.append("a_1.log", line(11))
    apart.append("a_2.log", line(11, "2"))
    assert apart.step() == line(11) + line(11, "2")
    assert sources(apart) == {"a_1.log": "a.log", "a_2.log": "a.log"}
    apart.append("a_1.log", line(12))
    apart.append("a_2.log", line(12, "2"))
    if restart:
        apart.restart()
    assert apart.step() == line(12) + line(12, "2")
    assert sources(apart) == {"a_1.log": "a.log", "a_2.log": "own"}
    for _ in range(2):
        apart.restart()
        apart.append("a_2.log", line(13, "2"))
        assert apart.step() == line(13, "2")
        assert sources(apart) == {"a_1.log": "a.log", "a_2.log": "own"}


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("copy", [False, True])
def test_what_was_set_apart_stays_so_through_rotation(apart: Rig, copy: bool, restart: bool) -> None:
    apart.append("a_1.log", line(0) + line(20))
    apart.append("a_2.log", line(1) + line(21))
    apart.step()
    [own] = {place.source for place in apart.positions.values() if place.path.endswith("a_2.log")}
    assert own != str(apart.path("a.log"))
    apart.append("a_2.log", line(22))
    if copy:
        apart.copytruncate("a_2.log", "a_2.log.1")
    else:
        apart.path("a_2.log").rename(apart.path("a_2.log.1"))
    apart.append("a_2.log", line(23))
    if restart:
        apart.restart()
    assert apart.settle() == line(22) + line(23)
    assert [place.source for _, place in sorted(apart.positions.items()) if "a_2" in place.path] == [own, own]


def test_a_file_without_a_time_stamp_is_never_set_apart(apart: Rig) -> None:
    apart.append("a.log.1", line(0) + line(50))
    apart.append("a.log.2", b"no date\n" * 10_000)
    apart.settle()
    assert sources(apart) == {"a.log.1": "a.log", "a.log.2": "a.log"}


def test_when_a_file_without_a_time_stamp_was_written_is_no_time_of_its_log(apart: Rig) -> None:
    apart.append("a.log", b"no date\n")
    apart.step()
    apart.path("a.log").rename(apart.path("a.log.1"))
    apart.append("a.log", line(0))
    apart.settle()
    assert len(apart.positions) == 2
    apart.positions = {key: place._replace(last_time=place.time) for key, place in apart.positions.items()}
    apart.restart()
    apart.append("a.log.2", line(1))
    apart.step()
    assert sources(apart) == {"a.log.1": "a.log", "a.log": "a.log", "a.log.2": "a.log"}


def test_files_that_are_read_from_their_end_are_compared_as_well(make: Callable[..., Rig]) -> None:
    apart = make(options=TIMEOUT, start="end")
    apart.append("a_1.log", line(0) + line(30))
    apart.append("a_2.log", line(1) + line(31))
    assert apart.step() == b""
    apart.append("a_1.log", line(32))
    apart.append("a_2.log", line(33))
    assert apart.step() == line(32) + line(33)
    assert sources(apart) == {"a_1.log": "a.log", "a_2.log": "own"}
