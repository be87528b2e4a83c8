"""Octet counts that are wrong: a message ends where it does, or it cannot be told; no digit goes to a neighbour."""

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.model import Chunk, Counts, Export, LogFile
from shipper.pipeline import Pipeline, Settings
from shipper.read.records import RecordBuffer, first_taken
from shipper.times import EPOCH
from tests.support.logs import library
from tests.support.wrapping import rfc_5424

FRAMES = Export("frames")
HEAD = "2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|"
MESSAGES = [
    f"{HEAD}Calling pfAuthUser('DOM\\jürgen', '', 1)",
    f"{HEAD}authResult = 1",
    f"{HEAD}rawCallStatus = 21",
    f"{HEAD}rawCallStatus = -104",
    f"{HEAD}rawCallStatus = 2",
    "2017-02-14T02:57:19.234778Z|i|1412|6452|pfsvc|0a0a0a0a-0000-4000-8000-000000000003|Pfauth failed for user 'DOM\\山田'."
    ' Call status: NO_PHONE_INPUT - "Call Timeout".',
]
SYSLOG = [rfc_5424(text, number) for number, text in enumerate(MESSAGES)]
LOGS = st.lists(st.sampled_from(SYSLOG), min_size=2, max_size=12)


def octets(text: str) -> int:
    return len(text.encode())


def framed(messages: list[str], counts: list[int]) -> bytes:
    return "".join(f"{count} {text}" for text, count in zip(messages, counts, strict=True)).encode()


def chunks_of(data: bytes) -> list[Chunk]:
    buffer = RecordBuffer(FRAMES, "utf-8", 1 << 20, 0)
    return [*buffer.add(data), *buffer.finish()]


def bodies(data: bytes) -> list[str]:
    """The records, without the count before them."""
    return [chunk.data[begin:end].decode().partition(" ")[2] for chunk in chunks_of(data) for begin, end in chunk.records or ()]


def events(data: bytes) -> list[dict[str, Any]]:
    pipeline = Pipeline(Settings(library(), detectors={}), Counts())
    pipeline.open(LogFile(None, "0" * 16, EPOCH, export=FRAMES))
    return [orjson.loads(line) for chunk in chunks_of(data) for line in pipeline(chunk).data.splitlines()]


@settings(deadline=None)
@given(LOGS, st.data())
def test_counts_that_are_wrong_by_a_few_bytes_cost_nothing(messages: list[str], data: st.DataObject) -> None:
    wrong = data.draw(st.lists(st.integers(-4, 4), min_size=len(messages), max_size=len(messages)))
    counts = [octets(text) + by for text, by in zip(messages, wrong, strict=True)]

    assert bodies(framed(messages, counts)) == messages


@settings(deadline=None)
@given(LOGS)
def test_counts_of_characters_are_understood(messages: list[str]) -> None:
    assert bodies(framed(messages, [len(text) for text in messages])) == messages


def test_a_count_of_characters_whose_last_is_of_several_bytes() -> None:
    messages = [f"{SYSLOG[1]} ü", f"{SYSLOG[0]} 山", SYSLOG[1]]

    assert bodies(framed(messages, [len(text) for text in messages])) == messages


@given(LOGS, st.data())
@settings(max_examples=200, deadline=None)
def test_whatever_the_counts_are_no_message_loses_or_gets_a_digit(messages: list[str], data: st.DataObject) -> None:
    # None of these makes a count that is the right one behind another digit, which nothing tells from a digit of the message.
    wild = st.integers(-60, 60) | st.sampled_from([7_777, 77_777, 777_777])
    wrong = [data.draw(wild) for _ in messages]
    written = framed(messages, [max(1, octets(text) + by) for text, by in zip(messages, wrong, strict=True)])

    whole = set(MESSAGES)
    for event in events(written):
        about = event["event"]
        assert about["kind"] == "pipeline_error" or about["original"].partition(" - - ")[2] in whole


@pytest.mark.parametrize(
    ("last", "by", "understood"),
    [
        (2, 0, True),
        (2, -1, False),  # `= 2`, then the beginning of a count
        (2, 1, False),  # a digit that is not there
        (0, -1, True),  # what ends with a bracket ends there
        (5, 40, True),
    ],
)
def test_the_last_message_of_a_file_whose_count_is_wrong(last: int, by: int, understood: bool) -> None:
    messages = [SYSLOG[0], SYSLOG[last]]
    _, event = events(framed(messages, [octets(messages[0]), octets(messages[1]) + by]))

    assert ("error" not in event) is understood
    if not understood:
        count = octets(messages[1]) + by
        assert event["error"] == {"message": f"the octet count {count} of syslog does not tell where its message ends"}


@pytest.mark.parametrize(("first", "told"), [(0, True), (2, False), (5, True)])
def test_a_message_before_one_that_the_file_cuts(first: int, told: bool) -> None:
    messages = [SYSLOG[first], SYSLOG[1]]
    data = framed(messages, list(map(octets, messages)))[:-20]

    assert bodies(data) == ([SYSLOG[first], SYSLOG[1][:-20]] if told else [data.decode().partition(" ")[2]])


def test_a_message_that_quotes_another() -> None:
    """Its own count leads over what stands in it; the count of the message before is not among digits."""
    quoting = f"<134>1 - mfa01 mfa - - - {HEAD}seen: {framed([SYSLOG[1]], [octets(SYSLOG[1])]).decode()} twice, 3"
    messages = [SYSLOG[0], quoting, SYSLOG[2], SYSLOG[1]]

    assert bodies(framed(messages, list(map(octets, messages)))) == messages


def test_a_message_of_several_lines() -> None:
    messages = [SYSLOG[1], f"{SYSLOG[1]}\n{HEAD}\nat 3", SYSLOG[2], SYSLOG[1]]

    assert bodies(framed(messages, list(map(octets, messages)))) == messages


def test_what_no_count_tells_goes_on_to_what_one_does() -> None:
    messages = [SYSLOG[2], SYSLOG[2], SYSLOG[1], SYSLOG[0]]
    found = bodies(framed(messages, [octets(SYSLOG[2]), 700, octets(SYSLOG[1]), octets(SYSLOG[0])]))

    assert found == [f"{SYSLOG[2]}700 {SYSLOG[2]}", *messages[2:]]


@pytest.mark.parametrize("last", range(len(SYSLOG)))
def test_in_a_file_that_grows_a_message_is_whole_once_its_count_is_satisfied(last: int) -> None:
    messages = [SYSLOG[1], SYSLOG[last]]
    data = framed(messages, list(map(octets, messages)))

    def taken(size: int) -> list[tuple[int, ...]]:
        found = first_taken(RecordBuffer(FRAMES, "utf-8", 1 << 20, 0), data[:size], lambda read: b"", final=False)
        return list(found.chunk.records or ()) if found else []

    first = len(data) - octets(SYSLOG[last]) - len(str(octets(SYSLOG[last]))) - 1
    assert taken(first) == [(0, first)]
    assert taken(first - 1) == []
    assert taken(len(data)) == [(0, first), (first, len(data))]
    assert taken(len(data) - 1)[1:] == []


@settings(deadline=None)
@given(LOGS, st.lists(st.integers(0, 3000), max_size=8))
def test_wrong_counts_do_not_depend_on_how_the_bytes_arrive(messages: list[str], cuts: list[int]) -> None:
    data = framed(messages, [octets(text) - number % 3 for number, text in enumerate(messages)])
    buffer = RecordBuffer(FRAMES, "utf-8", 1 << 20, 0)
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    pieces = [chunk for begin, end in pairwise(edges) for chunk in buffer.add(data[begin:end])]
    pieces += buffer.finish()

    def spans(chunks: list[Chunk]) -> list[tuple[int, bytes]]:
        return [(chunk.offset + a, chunk.data[a:b]) for chunk in chunks for a, b in chunk.records or ()]

    assert spans(pieces) == spans(chunks_of(data))


@pytest.mark.parametrize("before", ["", f"{octets(SYSLOG[0])} {SYSLOG[0]}\n"])
@pytest.mark.parametrize(("cut", "understood"), [(0, True), (1, False)])
def test_a_last_line_without_an_end_that_ends_where_its_count_says(before: str, cut: int, understood: bool) -> None:
    line = f"{octets(SYSLOG[2])} {SYSLOG[2]}"[: -cut or None]
    pipeline = Pipeline(Settings(library()), Counts())
    pipeline.open(LogFile(None, "0" * 16, EPOCH))
    output = pipeline(Chunk(f"{before}{line}".encode(), 0)).data.splitlines()

    assert ("error" not in orjson.loads(output[-1])) is understood
