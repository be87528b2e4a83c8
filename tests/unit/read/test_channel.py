"""Channels of Windows' event log: which records come, and from where it goes on."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from shipper.decode.library import load
from shipper.decode.line_patterns import Stamps
from shipper.errors import UsageError
from shipper.read.channel import LIMIT, ChannelInput, ChannelTrouble
from shipper.read.channels import RETRY, Channels, FilesAndChannels
from shipper.read.inputs import TailInput, TailOptions
from shipper.read.position import Position, Reading, position_from_json
from shipper.read.tail import Tail
from shipper.read.windows_event_logs import WindowsEventLogs, bookmark_of, number_in, trouble_of, windows_event_logs
from shipper.testing import FakeClock
from shipper.times import SECOND
from tests.support.windows_events import CHANNEL, EventLogApi, WindowsChannel, WindowsError_

OPTIONS = TailOptions(stamp_of=Stamps(load()))


class Rig:
    """Channels of a machine, and where they are read from."""

    def __init__(self, folder: Path) -> None:
        self.api = EventLogApi(folder)
        self.logs = WindowsEventLogs(self.api, WindowsError_)
        self.channel = WindowsChannel(folder).create()
        self.clock = FakeClock()
        self.channels = self.following()

    def following(self, positions: Mapping[str, Position] | None = None, *given: ChannelInput) -> Channels:
        inputs = given or (ChannelInput(CHANNEL),)
        self.channels = Channels(inputs, self.logs, positions or {}, OPTIONS, now=lambda: self.clock() / SECOND)
        return self.channels

    def read(self) -> list[Reading]:
        """All that there is now."""
        self.clock.wait(RETRY)
        self.channels.look()
        return [*iter(self.channels.read, None)]

    def numbers(self) -> list[int]:
        return [reading.chunk.offset for reading in self.read()]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_more_records_than_one_fetch_gives(rig: Rig) -> None:
    rig.channel.write(*[0] * (2 * LIMIT + 5))
    rig.api.queries = 0
    assert rig.numbers() == list(range(1, 2 * LIMIT + 6))
    assert rig.api.queries == 3
    assert rig.numbers() == []
    rig.channel.write(1)
    assert rig.numbers() == [2 * LIMIT + 6]


def test_a_record_is_a_chunk_of_its_own_with_its_number_and_identity(rig: Rig) -> None:
    rig.channel.write(0, 0)
    first, second = rig.read()
    assert first.key == second.key == first.position.fingerprint
    assert first.file.fingerprint != second.file.fingerprint
    assert (first.position.offset, second.position.offset) == (2, 3)
    assert first.position.time == second.position.time == "2019-10-17T20:48:35.000000000Z"
    assert position_from_json(second.position.to_json()) == second.position
    assert first.source == f"eventlog:{CHANNEL}".casefold()
    assert [*first.chunk.pieces()] == [(first.chunk.data, 0, len(first.chunk.data))]
    assert first.chunk.span == 1
    assert first.chunk.up_to(1) == first.chunk


def test_long_records(rig: Rig) -> None:
    long = "<Event>" + "ä" * OPTIONS.line_limit + "</Event>"
    for text in (long, "<Event/>", long):
        rig.channel.write_text(text)
    first, short, _ = rig.read()  # all three are more than one call of Windows may return
    assert (first.chunk.cut, short.chunk.cut) == (True, False)
    assert len(first.chunk.data) == OPTIONS.line_limit
    assert first.chunk.records == ((0, OPTIONS.line_limit),)


def test_it_goes_on_from_a_position_whatever_the_case_of_the_name(rig: Rig) -> None:
    rig.channel.write(0, 1, 2)
    position = rig.read()[1].position
    rig.following({position.fingerprint: position}, ChannelInput(CHANNEL.upper(), start="end"))
    assert rig.numbers() == [3]
    assert rig.channels.begun == {}


def test_a_query_that_finds_only_older_records_shows_no_cleared_channel(rig: Rig) -> None:
    rig.channel.write(6, 0, 1)
    position = rig.read()[-1].position
    rig.following({position.fingerprint: position}, ChannelInput(CHANNEL, query="*[System[Level=2]]"))
    assert rig.numbers() == []
    rig.channel.write(0, 6)
    assert rig.numbers() == [5]
    assert rig.channels.problems == {}
    assert rig.channels.cleared == 0


def test_a_channel_that_was_cleared(rig: Rig) -> None:
    rig.channel.write(0, 1, 2)
    before = rig.read()
    rig.channel.clear(anew=True)
    assert rig.numbers() == []
    assert rig.channels.cleared == 0  # it may go on with the next number
    rig.channel.write(3)
    after = rig.read()
    assert [reading.chunk.offset for reading in after] == [1]
    assert after[0].key != before[0].key
    assert after[0].file.fingerprint != before[0].file.fingerprint
    assert rig.channels.cleared == 1
    assert [*rig.channels.problems] == [
        f"eventlog:{CHANNEL} was cleared: its records are counted anew and are read from the first of them"
    ]
    assert rig.numbers() == []
    assert rig.channels.problems == {}


def test_a_channel_that_was_cleared_and_goes_on_with_its_numbers(rig: Rig) -> None:
    rig.channel.write(0, 1)
    key = rig.read()[0].key
    rig.channel.write(2, 3)
    rig.channel.clear(anew=False)
    rig.channel.write(4)
    (reading,) = rig.read()
    assert (reading.key, reading.chunk.offset) == (key, 5)
    assert rig.channels.losses.told == [
        f"eventlog:{CHANNEL}: 2 records were overwritten or cleared before they could be read; make the log larger"
    ]
    assert rig.channels.losses.possible == 1


def test_records_that_are_gone_beside_a_query(rig: Rig) -> None:
    errors = ChannelInput(CHANNEL, query="*[System[Level=2]]")
    rig.following(None, errors)
    rig.channel.write(6, 0, 0, 6, 0)
    position = rig.read()[-1].position
    rig.channel.write(0, 6, 6)
    rig.channel.overwrite(4)  # up to the last one that was read
    rig.following({position.fingerprint: position}, errors)
    assert rig.numbers() == [7, 8]
    assert rig.channels.losses.told == []
    rig.channel.write(6, 0, 6)
    rig.channel.overwrite(6)
    assert rig.numbers() == [11]
    assert rig.channels.losses.told == [
        f"eventlog:{CHANNEL}: 2 records were overwritten or cleared before they could be read, of which the query may have found "
        "some; make the log larger"
    ]


def test_the_end_of_a_channel_is_remembered_also_of_an_empty_one(rig: Rig) -> None:
    rig.following(None, ChannelInput(CHANNEL, start="end"))
    assert rig.numbers() == []
    begun = dict(rig.channels.begun)
    assert [position.offset for position in begun.values()] == [0]
    rig.channel.write(0, 1)
    rig.following(begun, ChannelInput(CHANNEL, start="end"))
    assert rig.numbers() == [1, 2]
    rig.following(None, ChannelInput(CHANNEL, query="*[System[Level=2]]", start="end"))
    assert rig.numbers() == []
    rig.channel.write(6)
    assert rig.numbers() == [3]


def test_trouble_with_a_channel_is_told_and_the_others_go_on(rig: Rig, tmp_path: Path) -> None:
    other = WindowsChannel(tmp_path, "Other").create()
    rig.channel.write(*[0] * (LIMIT + 1))
    rig.following(None, ChannelInput(CHANNEL), ChannelInput("Other"), ChannelInput("None", start="end"))
    rig.channels.look()
    rig.channel.fail(5)
    other.write(0)
    assert len([*iter(rig.channels.read, None)]) == LIMIT  # what was fetched; another fetch is refused
    assert set(rig.channels.problems) == {f"eventlog:{CHANNEL}", "eventlog:None"}
    rig.channels.look()
    assert [reading.source for reading in iter(rig.channels.read, None)] == ["eventlog:other"]
    rig.channel.fail(0)
    rig.channels.look()  # too early for another attempt
    assert rig.channels.read() is None
    WindowsChannel(tmp_path, "None").create().write(1)
    assert sorted(rig.numbers()) == [1, LIMIT + 1]
    assert rig.channels.problems == {}


def test_channels_take_turns(rig: Rig, tmp_path: Path) -> None:
    WindowsChannel(tmp_path, "Other").create().write(0, 0)
    rig.channel.write(0, 0)
    rig.following(None, ChannelInput(CHANNEL), ChannelInput("Other"))
    assert [reading.source[-5:] for reading in rig.read()] == ["optch", "other", "optch", "other"]


def test_records_that_cannot_be_rendered_are_told_together(rig: Rig) -> None:
    for text in (None, "<Event/>", None, None):
        rig.channel.write_text(text)
    readings = rig.read()
    assert [reading.chunk.data[:15] for reading in readings] == [b"<Event><System>", b"<Event/>", *[b"<Event><System>"] * 2]
    assert len({reading.file.fingerprint for reading in readings}) == 4
    assert [*rig.channels.problems] == [
        f"eventlog:{CHANNEL}: record 1 cannot be read (The event data raised by the publisher is not compatible), nor can 2 behind "
        "it; an event in its place says so"
    ]
    position = readings[-1].position
    assert position.check == ""  # it may be rendered the next time
    rig.following({position.fingerprint: position})
    assert rig.numbers() == []
    assert rig.channels.cleared == 0


# The recent past once more.


def test_a_replay_reads_up_to_the_position_of_the_start(rig: Rig) -> None:
    rig.channel.write(*[0] * (LIMIT + 10))
    position = rig.read()[-1].position
    rig.channel.write(0)
    rig.following({position.fingerprint: position})
    assert rig.numbers() == [LIMIT + 11]
    replay = rig.channels.replay
    assert [reading.chunk.offset for reading in replay(position.source, position.fingerprint, 5)] == list(range(5, LIMIT + 11))
    assert [reading.chunk.offset for reading in replay(position.source, position.fingerprint, LIMIT + 11)] == []
    assert not rig.channels.past_lost


Lose = Callable[[Rig], object]


@pytest.mark.parametrize(
    "lose",
    [
        lambda rig: (rig.channel.clear(anew=True), rig.channel.write(3), rig.read()),
        lambda rig: (rig.read(), rig.channel.fail(5)),
    ],
    ids=["cleared", "away"],
)
def test_a_past_that_is_lost_is_told(rig: Rig, lose: Lose) -> None:
    rig.channel.write(0, 1)
    position = rig.read()[-1].position
    rig.channel.write(2)
    rig.following({position.fingerprint: position})
    lose(rig)
    assert [*rig.channels.replay(position.source, position.fingerprint, 1)] == []
    assert rig.channels.past_lost == {position.source}


def test_a_past_of_an_earlier_life_is_told_and_the_present_one_is_read(rig: Rig) -> None:
    rig.channel.write(0, 1)
    old = rig.read()[-1].position
    rig.channel.clear(anew=True)
    rig.channel.write(2)
    new = rig.read()[-1].position
    rig.following({old.fingerprint: old, new.fingerprint: new})
    rig.channel.write(3)
    assert rig.numbers() == [2]
    assert [reading.chunk.offset for reading in rig.channels.replay(old.source, old.fingerprint, 2)] == [1]
    assert rig.channels.past_lost == {old.source}
    assert [*rig.channels.replay(old.source, "another", 2)] == []


# Files beside channels, and what Windows says.


def test_files_and_channels_as_one(rig: Rig, tmp_path: Path) -> None:
    log = tmp_path / "Mfa.log"
    log.write_text("2017-02-14T02:57:19Z|0|1|2|pfrad|a\n" * 1000, encoding="utf-8")
    rig.channel.write(0, 1)
    rig.following(None, ChannelInput(CHANNEL, start="end"))
    tail = Tail([TailInput(str(log), start="end")], {}, TailOptions(read_size=1024), now=lambda: rig.clock() / SECOND)
    both = FilesAndChannels(tail, rig.channels)
    both.look()
    assert sorted(position.path for position in both.begun.values()) == sorted([str(log), f"eventlog:{CHANNEL}"])
    both.begun.clear()
    assert rig.channels.begun == {}
    rig.channel.write(0, 1)
    with open(log, "a", encoding="utf-8") as file:
        file.write("2017-02-14T02:57:20Z|0|1|2|pfrad|b\n" * 100)
    rig.clock.wait(1)
    both.look()
    kinds = [reading.chunk.numbered for reading in iter(both.read, None)]
    assert kinds[:4] in ([True, False, True, False], [False, True, False, True])
    assert both.there == tail.there | rig.channels.there
    assert both.levels[0] == 1
    assert (both.rotations, both.truncations, both.losses.possible, both.past_lost, both.problems) == (0, 0, 0, set(), {})
    assert both.losses is tail.losses is rig.channels.losses
    assert both.sources is tail.sources
    rig.channel.clear(anew=True)
    rig.channel.write(0)
    both.look()
    assert both.truncations == 1
    both.close()


def test_bookmarks() -> None:
    assert number_in(bookmark_of('A "B" <C>', 4711)) == 4711
    assert number_in("<BookmarkList>\r\n</BookmarkList>") == 0


@pytest.mark.parametrize(
    ("error", "absent", "lasting", "words"),
    [
        (2, True, False, "there is no event log channel C"),
        (15007, True, False, "there is no event log channel C"),
        (15000, False, True, "C is no name of an event log channel"),
        (15001, False, True, "does not understand the query '*[' of C: why"),
        (15019, False, True, "does not understand the query '*[' of C: why"),
        (5, False, False, "Event Log Readers"),
        (1722, False, False, "the event log service does not answer for C (why); will retry"),
        (0, False, False, "the event log channel C cannot be read: why (error 0); will retry"),
    ],
)
def test_what_windows_says(error: int, absent: bool, lasting: bool, words: str) -> None:
    trouble = trouble_of("C", "*[", error, "why")
    assert isinstance(trouble, ChannelTrouble)
    assert (trouble.absent, trouble.lasting) == (absent, lasting)
    assert words in str(trouble)


@pytest.mark.skipif(os.name != "nt", reason="this is what pywin32 does on Windows")
def test_the_real_event_log_answers_with_a_sentence() -> None:
    with pytest.raises(ChannelTrouble, match=r"event log channel No-Such/Channel "):
        windows_event_logs().newest("No-Such/Channel", "*")


@pytest.mark.skipif(os.name == "nt", reason="there is an event log")
def test_elsewhere_there_is_no_event_log() -> None:
    with pytest.raises(UsageError, match="windows_event_log needs Windows"):
        windows_event_logs()
