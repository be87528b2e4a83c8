"""Exports that grow: arrays without their end, objects on end, single `<Event>`s; half records wait."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.decode.line_patterns import Stamps
from shipper.read.files import open_bytes, read_chunks, read_fully
from shipper.read.identity import describe
from tests.support.exports import content
from tests.support.logs import library
from tests.support.tail_rig import Rig, records_of

FIRST, SECOND, THIRD = (f'{{\n  "TimeCreated": "2019-10-17T20:48:3{n}Z",\n  "Message": "x"\n}}'.encode() for n in range(3))


STAMPS = Stamps(library())


@pytest.fixture
def growing(rig: Rig) -> Rig:
    rig.options["stamp_of"] = STAMPS
    rig.restart()
    return rig


def of_parse(path: str) -> list[tuple[int, bytes]]:
    """The records of a whole file."""
    with open_bytes(path) as read:
        about = describe(read, stamp_of=STAMPS)
    assert about.export is not None
    with open_bytes(path) as read:
        read_fully(read, about.start)
        chunks = read_chunks(read, about.start, about.encoding, export=about.export)
        return [record for chunk in chunks for record in records_of(chunk)]


@pytest.mark.parametrize("name", ["powershell-array", "powershell-5-pretty", "powershell-on-end", "wevtutil", "event-viewer-xml"])
def test_records_come_once_however_the_file_grows(growing: Rig, name: str) -> None:
    data = content(name)
    for at in range(0, len(data), 400):
        growing.append("a.log", data[at : at + 400])
        growing.step()
        if at % 1200 == 0:
            growing.restart()
    assert growing.records == of_parse(str(growing.path("a.log")))
    assert len(growing.records) == 7


@given(st.lists(st.integers(100, 3000), min_size=1, max_size=30), st.lists(st.booleans(), min_size=5, max_size=5))
@settings(max_examples=15, deadline=None)
def test_any_growth_and_any_restart_give_the_records_once(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], restarts: list[bool]
) -> None:
    rig = Rig(tmp_path_factory.mktemp("logs"), {"stamp_of": STAMPS})
    data, at = content("powershell-pretty"), 0
    for number in range(1000):
        size = sizes[number % len(sizes)]
        rig.append("a.log", data[at : at + size])
        rig.step()
        if restarts[number % len(restarts)]:
            rig.restart()
        at += size
        if at >= len(data):
            break
    rig.append("a.log", data[at:])
    rig.step()
    assert rig.records == of_parse(str(rig.path("a.log")))
    rig.tail.close()


def test_half_a_record_waits_and_is_shipped_when_rotated_away(growing: Rig) -> None:
    growing.append("a.log", b"[\n" + FIRST + b",\n" + SECOND[:-3])
    growing.step()
    growing.settle()
    assert growing.records == [(2, FIRST)]
    growing.path("a.log").rename(growing.path("a.log.1"))
    growing.append("a.log", b"[\n" + THIRD + b"\n]")
    growing.settle()
    assert [record for _, record in growing.records] == [FIRST, SECOND[:-3], THIRD]


def test_the_end_of_an_array_may_give_way_to_the_next_record(growing: Rig) -> None:
    growing.append("a.log", b"[\n" + FIRST + b"\n]\n")
    growing.step()
    with open(growing.path("a.log"), "r+b") as file:
        file.seek(-3, os.SEEK_END)
        file.write(b",\n" + SECOND + b"\n]\n")
    growing.step()
    assert growing.records == [(2, FIRST), (4 + len(FIRST), SECOND)]


def test_the_end_of_an_array_is_no_rest_that_the_next_file_waits_for(growing: Rig) -> None:
    growing.append("a.log", b"[\n" + FIRST + b"\n]\n")
    growing.step()
    assert growing.tail.levels == (1, 0)  # nothing is behind
    growing.path("a.log").rename(growing.path("a.log.1"))
    growing.append("a.log", b"[\n" + SECOND + b"\n]\n")
    growing.step()
    assert [record for _, record in growing.records] == [FIRST, SECOND]


def test_nothing_is_shipped_before_the_first_record_with_a_time_is_known_to_have_ended(growing: Rig) -> None:
    growing.append("a.log", b"\n" + FIRST)
    growing.settle()
    assert growing.records == []  # the identity of the file depends on whether a line end follows
    growing.append("a.log", b"\r")
    growing.settle()
    assert growing.records == []
    growing.append("a.log", b"\n")
    growing.step()
    assert growing.records == [(1, FIRST)]
    growing.append("b.log", b"[" + FIRST)
    growing.step()
    assert growing.records[1:] == [(1, FIRST)]  # but in an array, whose end may be written over


def test_the_records_of_before_can_be_read_again(growing: Rig) -> None:
    growing.append("a.log", b"[\n" + FIRST + b",\n" + SECOND + b",\n")
    growing.step()
    growing.append("a.log", THIRD + b"\n]\n")
    [key] = growing.positions
    source = growing.positions[key].source
    growing.restart()
    growing.tail.look()
    again = [record for reading in growing.tail.replay(source, key, 2) for record in records_of(reading.chunk)]
    assert again == growing.records == [(2, FIRST), (4 + len(FIRST), SECOND)]
    growing.step()
    assert [record for _, record in growing.records] == [FIRST, SECOND, THIRD]


def test_start_at_the_end_is_behind_the_last_whole_record(growing: Rig) -> None:
    growing.start = "end"
    growing.append("a.log", b"[\n" + FIRST + b",\n" + SECOND[:-1])
    growing.restart()
    growing.step()
    assert growing.records == []
    growing.append("a.log", SECOND[-1:] + b"\n")
    growing.step()
    assert growing.records == [(4 + len(FIRST), SECOND)]


def test_a_record_that_is_too_long_is_cut_when_its_end_is_there(growing: Rig) -> None:
    growing.options["line_limit"] = 100
    growing.restart()
    long = json.dumps({"TimeCreated": "2019-10-17T20:48:30Z", "Message": "y" * 1000}, indent=1).encode()
    growing.append("a.log", b"[\n" + FIRST + b",\n" + long[:-1])
    growing.step()
    assert growing.records == [(2, FIRST)]
    growing.append("a.log", long[-1:] + b",\n" + THIRD)
    growing.step()
    assert growing.records[1:] == [(4 + len(FIRST), long[:100]), (6 + len(FIRST) + len(long), THIRD)]


def test_a_table_that_grows(growing: Rig) -> None:
    growing.append("a.log", b"TimeCreated,Message\r\n2019-10-17T20:48:30Z,x\r\n")
    growing.step()
    growing.append("a.log", b'2019-10-17T20:48:31Z,"y\r\nz"\r\n')
    growing.restart()
    growing.step()
    assert growing.records == [(21, b"2019-10-17T20:48:30Z,x"), (45, b'2019-10-17T20:48:31Z,"y\r\nz"')]


def test_frames_come_once_however_the_file_grows(growing: Rig) -> None:
    data = Path("tests/golden/syslog-frames/input.log").read_bytes()
    for at in range(0, len(data), 90):
        growing.append("a.log", data[at : at + 90])
        growing.step()
        if at % 270 == 0:
            growing.restart()
    assert len(growing.records) == 9  # the tenth has too large a count, and as many bytes have not come
    growing.path("a.log").rename(growing.path("a.log.1"))
    growing.append("a.log", data.replace(b"2017", b"2018"))
    growing.settle()
    assert growing.records[:12] == of_parse(str(growing.path("a.log.1")))
