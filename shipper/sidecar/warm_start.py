"""The pipelines of a running shipper, one a source: warm start, and how far back the next one must read. Edge.

State needs no store of its own: it is a function of the log's recent past. Beside the place up to
which everything is delivered stands `warm`, an earlier place of the same source from which reading
again, with the output thrown away, leads to the same state.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from shipper.model import Counts
from shipper.pipeline import Pipeline, Settings
from shipper.read.position import Position, Reading, position_from_json
from shipper.times import BEFORE_ALL

MARKS = 256  # places remembered for a warm start, spread over the horizon


class WarmStart(NamedTuple):
    """Where a warm start of a source begins: a file's key, and an offset at the start of a line."""

    key: str
    offset: int


class Advance(NamedTuple):
    """What can be said when the events of one read are delivered."""

    key: str
    place: Position
    warm: WarmStart


class _Live:
    """One source: its pipeline, and marks (newest event time before it, where) on the way here."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.key = ""
        self.last_times: dict[str, str] = {}
        self.marks: deque[tuple[int, WarmStart]] = deque()


Replay = Callable[[str, str, int], Iterable[Reading]]


class LivePipelines:
    """Turns readings into output, source by source."""

    def __init__(
        self, settings: Settings, counts: Counts, places: Mapping[str, Position], warm: Mapping[str, WarmStart], replay: Replay
    ) -> None:
        """
        Args:
            settings: of every pipeline.
            counts: kept up to date with what is read, without what a warm start reads again.
            places: what is delivered, by key, from the last run.
            warm: by source.
            replay: the chunks of a source from a place on, up to where reading goes on (`Tail.replay`).
        """
        self._settings = settings
        self._counts = counts
        self._places = places
        self._warm = warm
        self._replay = replay
        self._live: dict[str, _Live] = {}
        # A parallel worker needs no more to stand where one worker does (`workers`), for the same reasons.
        self._horizon = settings.rule.window + 7 * settings.rule.exchange_timeout

    def process(self, reading: Reading) -> tuple[bytes, int, Advance]:
        """The output of a reading, how many events that is, and what to say when they are delivered."""
        live = self._live.get(reading.source) or self._start(reading.source)
        self._turn_to(live, reading)
        self._mark(live, WarmStart(reading.key, reading.chunk.offset))
        c = self._counts
        before = c.events + c.findings - c.findings_filtered
        output = live.pipeline(reading.chunk)
        events = c.events + c.findings - c.findings_filtered - before
        place = reading.position._replace(last_time=live.pipeline.last_time)
        return output, events, Advance(reading.key, place, self._warm_from(live))

    def _start(self, source: str) -> _Live:
        live = self._live[source] = _Live(Pipeline(self._settings, self._counts))
        live.last_times = {key: place.last_time for key, place in self._places.items() if place.source == source}
        begin = self._warm.get(source)
        if begin is not None:
            # On counts of its own: these lines were counted when they were shipped.
            muted = _Live(Pipeline(self._settings, Counts()))
            for reading in self._replay(source, *begin):
                self._turn_to(muted, reading)
                self._mark(muted, WarmStart(reading.key, reading.chunk.offset))
                muted.pipeline(reading.chunk)
            live.marks = muted.marks
            live.pipeline.restore(muted.pipeline.snapshot())
        return live

    def _turn_to(self, live: _Live, reading: Reading) -> None:
        """Have the pipeline read the file of this reading."""
        if live.key != reading.key:
            if live.key:
                live.last_times[live.key] = live.pipeline.last_time
            live.key = reading.key
            live.pipeline.open(reading.file, live.last_times.get(reading.key))

    def _mark(self, live: _Live, here: WarmStart) -> None:
        newest = live.pipeline.state.newest
        if newest == BEFORE_ALL:
            live.marks.clear()  # lines without a time stamp leave no state
        if not live.marks or newest - live.marks[-1][0] >= self._horizon // MARKS:
            live.marks.append((newest, here))

    def _warm_from(self, live: _Live) -> WarmStart:
        """The latest mark before everything that can still change a result."""
        oldest = live.pipeline.state.newest - self._horizon
        while len(live.marks) > 1 and live.marks[1][0] <= oldest:
            live.marks.popleft()
        return live.marks[0][1]

    @property
    def newest(self) -> int | None:
        """The newest event time of all sources, in nanoseconds; None before the first."""
        times = [live.pipeline.state.newest for live in self._live.values()]
        newest = max(times, default=BEFORE_ALL)
        return None if newest == BEFORE_ALL else newest

    @property
    def sizes(self) -> tuple[int, int]:
        """Messages in memos, and users in detectors."""
        sizes = [live.pipeline.sizes for live in self._live.values()]
        return sum(memo for memo, _ in sizes), sum(users for _, users in sizes)


def records(moves: Iterable[Advance]) -> dict[bytes, bytes | None]:
    """Moves as keys and values, for a sink that stores places."""
    out: dict[bytes, bytes | None] = {}
    for move in moves:
        source = move.place.source.encode("utf-8", "surrogateescape")
        out[b"place:" + move.key.encode()] = move.place.to_json()
        out[b"warm:" + source] = f"{move.warm.key} {move.warm.offset}".encode()
    return out


def read_records(stored: Mapping[bytes, bytes]) -> tuple[dict[str, Position], dict[str, WarmStart]]:
    """Places and warm starts from such keys and values.

    Raises:
        ValueError: they are not ours.
    """
    places: dict[str, Position] = {}
    warm: dict[str, WarmStart] = {}
    for key, value in stored.items():
        kind, _, name = key.partition(b":")
        if kind == b"place":
            places[name.decode()] = position_from_json(value)
        elif kind == b"warm":
            file_key, _, offset = value.decode().rpartition(" ")
            warm[name.decode("utf-8", "surrogateescape")] = WarmStart(file_key, int(offset))
    return places, warm
