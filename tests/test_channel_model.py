"""A seeded model of a channel: whoever is killed and whatever becomes of the log, what is delivered is what an undisturbed run
delivers."""

import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shipper.decode.library import load
from shipper.decode.line_patterns import Stamps
from shipper.deliver.batch import Limits
from shipper.deliver.delivery import Delivery
from shipper.pipeline import Settings
from shipper.read.channel import ChannelInput
from shipper.read.channels import Channels, FilesAndChannels
from shipper.read.inputs import TailOptions
from shipper.read.tail import Tail
from shipper.sidecar.checkpoint import Checkpoint
from shipper.sidecar.loop import Sidecar
from shipper.sidecar.vitals import Vitals, conservation
from shipper.testing import FakeClock, FlakySink, MemorySink
from shipper.times import SECOND
from tests.support.exports import EVENTS, PROVIDER, xml
from tests.support.loop import Deaf
from tests.support.windows_events import CHANNEL, WindowsChannel, logs_in

LIBRARY = load()
OPTIONS = TailOptions(stamp_of=Stamps(LIBRARY))


class NpsServer:
    """Writes sign-ins of a few users, several of them under way, at times that only go forward; of two components, one of them
    often quiet."""

    def __init__(self, channel: WindowsChannel, chance: random.Random) -> None:
        self.channel, self._chance = channel, chance
        self._time, self._number = EVENTS[0].time, 0
        self._open: list[tuple[int, int]] = []  # sign-ins, and their users

    def write(self) -> None:
        """A challenge, or the result of one; now and then hours later."""
        chance = self._chance
        self._time += timedelta(seconds=chance.choice([1, 3, 20, 20, 40, 4000]))
        if self._open and chance.random() < 0.6:
            sign_in, user = self._open.pop(chance.randrange(len(self._open)))
            said = f"Access Accepted for user u{user}@example.com with Azure MFA response: Success and message: session {sign_in}"
        else:
            self._number += 1
            sign_in, user = self._number, chance.randrange(4)
            self._open.append((sign_in, user))
            said = f"Challenge requested in Authentication Ext for User u{user}@example.com with state {sign_in}"
        message = f"NPS Extension for Azure MFA:  CID: 0c7a1c52-0d0b-4b53-9a3e-{sign_in:012} : {said}"
        event = EVENTS[0]._replace(time=self._time, thread=40 + sign_in % 3, message=message)
        text = xml(event, rendered=False)
        self.channel.write_text(text.replace(f"'{PROVIDER}'", "'Microsoft-AzureMfa-AuthN'") if user == 3 else text)


class Run:
    """A sidecar from its start to its end."""

    def __init__(self, folder: Path, sink: MemorySink, state: str, **choices: Any) -> None:
        """`choices` are fields of `Settings`."""
        self._clock = FakeClock()
        checkpoint = Checkpoint(str(folder / state))
        stored = checkpoint.load()
        delivery = Delivery(sink, Deaf(), Deaf(), run="r", now=self._clock, random=random.Random(1).random)
        now = lambda: self._clock() / SECOND  # noqa: E731
        channels = Channels([ChannelInput(CHANNEL)], logs_in(folder), stored.places, OPTIONS, now=now)
        self.follows = FilesAndChannels(Tail([], {}, OPTIONS, now=now), channels)
        self.sidecar = Sidecar(
            self.follows, delivery, checkpoint, Settings(LIBRARY, **choices), stored,
            limits=Limits(4, 1 << 20, SECOND), vitals=Vitals(), now=self._clock, wait=self._clock.wait,
        )  # fmt: skip

    def turn(self, number: int) -> None:
        for _ in range(number):
            self.sidecar.turn()
            assert conservation(self.sidecar.vitals) is None
            self._clock.wait(0.3)

    def finish(self) -> None:
        """Deliver all that is there, and stop."""
        for _ in range(1000):
            self.turn(3)
            if self.sidecar.at_rest:
                break
        assert self.sidecar.at_rest
        assert self.sidecar.stop(SECOND)


def by_id(sink: MemorySink) -> dict[str, dict[str, Any]]:
    events = [json.loads(line) for line in sink.lines]
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        assert found.setdefault(event["event"]["id"], event) == event  # what comes again is the same
    return found


def events_in(sink: MemorySink) -> list[dict[str, Any]]:
    """Those of records, each once."""
    return [event for event in by_id(sink).values() if event["event"]["kind"] == "event"]


def until_delivered(run: Run, sink: MemorySink, number: int) -> None:
    for _ in range(1000):
        run.turn(3)
        if run.sidecar.at_rest and len(events_in(sink)) == number:
            return
    raise AssertionError(f"{len(events_in(sink))} of {number} records are delivered")


@pytest.mark.parametrize("seed", range(1, 13))
def test_kills_and_a_sink_that_fails_change_nothing(seed: int, tmp_path: Path) -> None:
    chance, per_exchange = random.Random(seed), seed % 2 == 0
    channel = WindowsChannel(tmp_path).create()
    server, sink = NpsServer(channel, chance), FlakySink(seed)
    run = Run(tmp_path, sink, "state", per_exchange=per_exchange)
    for _ in range(60):
        for _ in range(chance.randrange(6)):
            server.write()
        run.turn(chance.randrange(8))
        if chance.random() < 0.3:
            sink.abandon()
            run = Run(tmp_path, sink, "state", per_exchange=per_exchange)  # the one before was killed
    sink.calm()
    run.finish()
    assert not run.follows.past_lost
    whole = MemorySink()
    Run(tmp_path, whole, "elsewhere", per_exchange=per_exchange).finish()
    expected = by_id(whole)
    assert by_id(sink) == expected
    assert sum(event["event"]["kind"] == "alert" for event in expected.values()) > 3


@pytest.mark.parametrize("seed", range(1, 13))
def test_whatever_becomes_of_the_log_a_record_that_was_there_is_delivered(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    channel = WindowsChannel(tmp_path).create()
    server, sink = NpsServer(channel, chance), FlakySink(seed)
    run, written = Run(tmp_path, sink, "state"), 0
    for _ in range(60):
        for _ in range(chance.randrange(1, 6)):
            server.write()
            written += 1
        run.turn(chance.randrange(8))
        if chance.random() < 0.3:
            sink.abandon()
            run = Run(tmp_path, sink, "state")
        if chance.random() < 0.2:
            channel.fail(chance.choice([5, 1722, 15007]))
            run.turn(3)
            channel.fail(0)
        if chance.random() < 0.3:
            until_delivered(run, sink, written)  # what is removed then was read
            if chance.random() < 0.3:
                channel.overwrite(2)
            else:
                channel.clear(anew=chance.random() < 0.5)
    sink.calm()
    until_delivered(run, sink, written)
    run.finish()
    assert len({event["message"] for event in events_in(sink)}) == len(events_in(sink)) == written
    assert run.follows.losses.told == []
