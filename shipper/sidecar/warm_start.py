"""The pipelines of a running shipper, one a log: warm start, and how far back the next one must read. Edge.

State needs hardly a store of its own: it follows from the log's recent past. Beside the position up to
which everything is delivered, the checkpoint keeps `warm`: an earlier position of the same log, such that
reading from there, with the output thrown away, leads to the same state; and the little that does not
follow from that (`Pipeline.lasting`).
"""

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from shipper.model import Block, Counts
from shipper.pipeline import Pipeline, Settings
from shipper.read.position import Position, Reading, position_from_json
from shipper.read.rotation import belongs_to, source_name
from shipper.times import BEFORE_ALL

MARKS = 256  # positions remembered for a warm start, spread over the warm-up


class WarmStart(NamedTuple):
    """Where the warm start of a log begins: the key of a file, and the offset of the beginning of a line.

    `lasting` is what does not follow from reading there (`Pipeline.lasting`).
    `newest` is the newest event time before it, in nanoseconds since 1970; None if that is not known.
    """

    key: str
    offset: int
    lasting: Mapping[str, Any] = {}
    newest: int | None = None


class Advance(NamedTuple):
    """What the checkpoint learns when the events of a read are delivered: the position behind them, by file key."""

    key: str
    place: Position
    warm: WarmStart


class _Mark(NamedTuple):
    """Where a read began: the newest event time before it, and the time of the first line of its file."""

    newest: int
    first_time: str
    here: WarmStart


class _Live:
    """One log: its pipeline, and marks on the way, in the order in which `Replay` would pass them."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.key = ""
        self.last_times: dict[str, str] = {}
        self.marks: deque[_Mark] = deque()


def _marks_in(marks: Sequence[_Mark], is_in: Callable[[str], bool]) -> deque[_Mark]:
    """The marks that are in some of the files; where the first one is not, they begin with the first of these files."""
    own = deque(mark for mark in marks if is_in(mark.here.key))
    if own and own[0] is not marks[0]:
        own.appendleft(own[0]._replace(newest=BEFORE_ALL, here=WarmStart(own[0].here.key, 0)))
    return own


Replay = Callable[[str, str, int], Iterable[Reading]]


class LivePipelines:
    """Turns readings into events, log by log."""

    def __init__(
        self, settings: Settings, counts: Counts, places: Mapping[str, Position], warm: Mapping[str, WarmStart], replay: Replay
    ) -> None:
        """
        Args:
            settings: of every pipeline.
            counts: kept up to date with what is read; what a warm start reads again does not count.
            places: what the last run delivered, by file key.
            warm: by log.
            replay: reads a log again from a position to where reading goes on (`Tail.replay`).
        """
        self._settings = settings
        self._counts = counts
        self._places = places
        self._warm = warm
        self._replay = replay
        self._live: dict[str, _Live] = {}
        self._warm_up = settings.warm_up

    def process(self, reading: Reading) -> tuple[Block, Advance]:
        """The events of a reading, and the advance to release when they are delivered."""
        live = self._live.get(reading.source)
        if live is None:
            former = self._former(reading.source, reading.key)
            live = self._start(reading.source) if former is None else self._fork(former, reading)
        self._turn_to(live, reading)
        self._mark(live, reading)
        block = live.pipeline(reading.chunk)
        position = reading.position._replace(last_time=live.pipeline.last_time)
        return block, Advance(reading.key, position, self._warm_from(live))

    def _start(self, source: str) -> _Live:
        live = self._live[source] = _Live(Pipeline(self._settings, self._counts))
        live.last_times = {key: place.last_time for key, place in self._places.items() if place.source == source}
        begin = self._warm.get(source)
        if begin is not None:
            # With counts of its own: these lines were counted when they were shipped.
            muted = _Live(Pipeline(self._settings, Counts()))
            if begin.newest is not None:
                muted.pipeline.state.restore(begin.newest)
            for reading in self._replay(source, begin.key, begin.offset):
                self._turn_to(muted, reading)
                self._mark(muted, reading)
                muted.pipeline(reading.chunk)
            live.marks = muted.marks
            live.pipeline.restore(muted.pipeline.snapshot(), begin.lasting)
        return live

    def _former(self, source: str, key: str) -> _Live | None:
        """The log that a file was a part of before it turned out to be another one."""
        for live in self._live.values():
            if live.key == key or key in live.last_times:
                return live
        place = self._places.get(key)
        return None if place is None or place.source == source else self._start(place.source)

    def _fork(self, former: _Live, reading: Reading) -> _Live:
        """A log of its own for a file that was read as a part of another one.

        It begins with all that the other one knows: nobody can say which of that was the file's.
        """
        key = reading.key
        if former.key == key:
            former.last_times[key], former.key = former.pipeline.last_time, ""
        live = self._live[reading.source] = _Live(Pipeline(self._settings, self._counts))
        live.last_times[key] = former.last_times.pop(key, "")
        live.pipeline.restore(former.pipeline.snapshot(), held=False)
        marks = list(former.marks)
        former.marks = _marks_in(marks, lambda other: other != key)
        live.marks = _marks_in(marks, lambda other: other == key)
        if not live.marks:
            live.marks.append(_Mark(BEFORE_ALL, reading.position.time, WarmStart(key, 0)))
        return live

    def _turn_to(self, live: _Live, reading: Reading) -> None:
        """Tell the pipeline which file the reading is from."""
        if live.key != reading.key:
            if live.key:
                live.last_times[live.key] = live.pipeline.last_time
            live.key = reading.key
            live.pipeline.open(reading.file, live.last_times.get(reading.key))

    def _mark(self, live: _Live, reading: Reading) -> None:
        state, marks = live.pipeline.state, live.marks
        newest = state.newest
        if newest == BEFORE_ALL and state.waiting is None:
            marks.clear()  # lines without a time stamp leave no state
        # A file is read late if its only line lacked an end for a while. A replay goes by first lines, so a start in a
        # younger file would skip it.
        while marks and marks[-1].first_time > reading.position.time:
            marks.pop()
        # A time that waits for the next one is decided by lines on both sides of the mark.
        if not marks or (state.waiting is None and newest - marks[-1].newest >= self._warm_up // MARKS):
            here = WarmStart(reading.key, reading.chunk.offset, newest=None if newest == BEFORE_ALL else newest)
            marks.append(_Mark(newest, reading.position.time, here))

    def _warm_from(self, live: _Live) -> WarmStart:
        """The latest mark before everything that can still change a result, and what does not follow from there."""
        oldest = live.pipeline.state.newest - self._warm_up
        while len(live.marks) > 1 and live.marks[1].newest < oldest:
            live.marks.popleft()
        return live.marks[0].here._replace(lasting=live.pipeline.lasting())

    @property
    def newest(self) -> int | None:
        """The newest event time of all logs, in nanoseconds; None before the first."""
        times = [live.pipeline.state.newest for live in self._live.values()]
        newest = max(times, default=BEFORE_ALL)
        return None if newest == BEFORE_ALL else newest

    @property
    def sizes(self) -> tuple[int, int]:
        """Messages in memos, and users in detectors."""
        sizes = [live.pipeline.sizes for live in self._live.values()]
        return sum(memo for memo, _ in sizes), sum(users for _, users in sizes)


def records(advances: Iterable[Advance]) -> dict[bytes, bytes | None]:
    """Advances as keys and values, for a sink that stores positions."""
    stored: dict[bytes, bytes | None] = {}
    for key, place, warm in advances:
        stored[place_record(key)] = place.to_json()
        stored[warm_record(place.source)] = _text_of(warm).encode()
    return stored


def place_record(key: str) -> bytes:
    """The key under which a sink stores the position of a file."""
    return b"place:" + key.encode()


def warm_record(source: str) -> bytes:
    """The key under which a sink stores the warm start of a log."""
    return b"warm:" + source.encode("utf-8", "surrogateescape")


def _text_of(warm: WarmStart) -> str:
    newest = [] if warm.newest is None else [str(warm.newest)]
    lasting = [json.dumps(warm.lasting, sort_keys=True)] if warm.lasting else []
    return " ".join([warm.key, str(warm.offset), *newest, *lasting])


def _from_text(text: str) -> WarmStart:
    head, brace, lasting = text.partition("{")
    return warm_start(*head.split(), lasting=json.loads(brace + lasting) if brace else {})


def warm_start(key: str, offset: int | str, newest: str | None = None, *, lasting: Mapping[str, Any]) -> WarmStart:
    """A warm start from what is stored of it; earlier versions stored no `newest`.

    Raises:
        ValueError: it is none.
    """
    return WarmStart(key, int(offset), dict(lasting), None if newest is None else int(newest))


def read_records(stored: Mapping[bytes, bytes]) -> tuple[dict[str, Position], dict[str, WarmStart]]:
    """Positions and warm starts from such keys and values.

    Raises:
        ValueError: the values are not ours.
    """
    places: dict[str, Position] = {}
    warm: dict[str, WarmStart] = {}
    for key, value in stored.items():
        kind, _, name = key.partition(b":")
        if kind == b"place":
            places[name.decode()] = position_from_json(value)
        elif kind == b"warm":
            warm[name.decode("utf-8", "surrogateescape")] = _from_text(value.decode())
    return by_present_names(places, warm)


def by_present_names(
    places: Mapping[str, Position], warm: Mapping[str, WarmStart]
) -> tuple[dict[str, Position], dict[str, WarmStart]]:
    """Positions and warm starts under the names that logs have now.

    Earlier versions left all digits out of the name of a log and took it up to the first dot, so that files that
    are several logs now could be one. Each of these goes on from the same past.
    """
    present, starts = dict(places), dict(warm)
    split: dict[str, set[str]] = {}
    for key, place in places.items():
        name = source_name(place.path)
        if not belongs_to(place.source, name):
            present[key] = place._replace(source=name)
            split.setdefault(place.source, set()).add(name)
    for former, names in split.items():
        if former in warm:
            starts |= {name: _start_in(name, warm[former], present) for name in names - warm.keys()}
            if not any(place.source == former for place in present.values()):
                del starts[former]
    return present, starts


def _start_in(source: str, start: WarmStart, places: Mapping[str, Position]) -> WarmStart:
    """Where the warm start of a log begins that was a part of the one of `start`: in that file, or where what was written
    by then may still count: in the log's last file that is not younger."""
    if start.key not in places or places[start.key].source == source:
        return start
    own = sorted((place.time, place.path, key) for key, place in places.items() if place.source == source)
    older = [key for time, _, key in own if time <= places[start.key].time]
    return WarmStart(older[-1] if older else own[0][2], 0, start.lasting)
