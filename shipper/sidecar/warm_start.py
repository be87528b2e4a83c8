"""The pipelines of a running shipper, one per log: their warm start, and how far back the next one must read. Edge.

Almost no state is stored: it follows from the log's recent past. Beside the position up to which
everything is delivered, the checkpoint keeps `warm`: an earlier position of the same log, from which
reading again, with the output discarded, leads to the same state; and the few values that do not
follow from that (`Pipeline.lasting`).

The recent past of a component that has gone quiet may be long ago. The warm start then begins at that past, but reads only
up to the component's last line (`Span`) and continues where the recent past of the other components begins. Lines of
other components within a span change nothing (`Settings.warm_up`).
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from shipper.decode.clock import Clocks
from shipper.model import Block, Counts, LogFile
from shipper.pipeline import Pipeline, Settings
from shipper.read.position import Position, Reading
from shipper.sidecar.places import Advance, Span, WarmStart
from shipper.times import BEFORE_ALL

MARKS = 256  # positions remembered per component for a warm start, spread over the warm-up
FIRST = -1  # the number of a mark that precedes all readings


class _Mark(NamedTuple):
    """The beginning of a read: its number, the time of the first line of its file, the key of the file, the offset, and the
    clocks of the components before it."""

    number: int
    first_time: str
    key: str
    offset: int
    clocks: Clocks

    def newest(self, component: str) -> int:
        """The newest event time of `component` before the mark."""
        clock = self.clocks.get(component)
        return BEFORE_ALL if clock is None else clock[0]


class _End(NamedTuple):
    """The end of a read: its number, the key of the file, the offset."""

    number: int
    key: str
    offset: int


class _Past:
    """The past of a component: marks, in the order in which `Replay` would pass them, and the end of the last read that had a
    line of the component."""

    def __init__(self, marks: deque[_Mark], end: _End) -> None:
        self.marks = marks
        self.end = end


class _Live:
    """One log: its pipeline, and the past of each of its components.

    Attributes:
        file: the log file of the present read.
        number: number of the present read.
        now: mark at the beginning of the present read.
        youngest: time of the first line of the youngest file read.
        unsettled: True if files were read in another order than the one in which `Replay` passes them, so that it is unknown
            where, in that order, the last line of a component is.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.key = ""
        self.file: LogFile | None = None
        self.last_times: dict[str, str] = {}
        self.pasts: dict[str, _Past] = {}
        self.number = 0
        self.now = _Mark(0, "", "", 0, {})
        self.youngest = ""
        self.unsettled = False


def _marks_in(marks: Sequence[_Mark], is_in: Callable[[str], bool]) -> deque[_Mark]:
    """The marks in files that `is_in` accepts, preceded by the beginning of the first such file if the first mark is dropped."""
    own = deque(mark for mark in marks if is_in(mark.key))
    if own and own[0] is not marks[0]:
        own.appendleft(own[0]._replace(number=FIRST, offset=0, clocks={}))
    return own


Replay = Callable[[str, str, int], Iterable[Reading]]


class LivePipelines:
    """Turns readings into events, with one pipeline per log."""

    def __init__(
        self, settings: Settings, counts: Counts, places: Mapping[str, Position], warm: Mapping[str, WarmStart], replay: Replay
    ) -> None:
        """
        Args:
            settings: settings of every pipeline.
            counts: updated with each reading, except those of a warm start.
            places: positions delivered by the last run, by file key.
            warm: warm starts, by log.
            replay: reads a log again, from a position up to where reading continues (`Tail.replay`).
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
        block = self._read(live, reading)
        position = reading.position._replace(last_time=live.pipeline.last_time)
        return block, Advance(reading.key, position, self._warm_from(live))

    def _read(self, live: _Live, reading: Reading) -> Block:
        self._turn_to(live, reading)
        self._begin(live, reading)
        block = live.pipeline(reading.chunk)
        self._end(live, reading)
        return block

    def _start(self, source: str) -> _Live:
        live = self._live[source] = _Live(Pipeline(self._settings, self._counts))
        live.last_times = {key: place.last_time for key, place in self._places.items() if place.source == source}
        begin = self._warm.get(source)
        if begin is not None:
            # Separate counts: these lines were counted when they were shipped.
            muted = _Live(Pipeline(self._settings, Counts()))
            for key, offset, clocks, stops in _spans(begin):
                muted.number += 1  # a gap: the lines between two spans are not read
                muted.pipeline.state.set(clocks)
                for reading in _until(self._replay(source, key, offset), stops):
                    self._read(muted, reading)
            live.pasts, live.number = muted.pasts, muted.number
            live.youngest, live.unsettled = muted.youngest, muted.unsettled
            live.pipeline.restore(muted.pipeline.values(), begin.lasting)  # a copy would double the memory
        return live

    def _former(self, source: str, key: str) -> _Live | None:
        """The log that a file belonged to before the file turned out to be of another log."""
        for live in self._live.values():
            if live.key == key or key in live.last_times:
                return live
        place = self._places.get(key)
        return None if place is None or place.source == source else self._start(place.source)

    def _fork(self, former: _Live, reading: Reading) -> _Live:
        """Make a separate log for a file that was read as a part of another log.

        It starts with the whole state of the other log, since the file's share of that is unknown.
        """
        key = reading.key
        if former.key == key:
            former.last_times[key], former.key = former.pipeline.last_time, ""
        live = self._live[reading.source] = _Live(Pipeline(self._settings, self._counts))
        live.last_times[key] = former.last_times.pop(key, "")
        live.pipeline.restore(former.pipeline.snapshot(), held=False)
        live.number, live.unsettled, former.unsettled = former.number, True, True
        first = _Mark(FIRST, reading.position.time, key, 0, {})
        for component, past in list(former.pasts.items()):
            marks = list(past.marks)
            live.pasts[component] = _Past(_marks_in(marks, key.__eq__) or deque([first]), past.end)
            past.marks = _marks_in(marks, key.__ne__)
        return live

    def _turn_to(self, live: _Live, reading: Reading) -> None:
        """Open the reading's file in the pipeline if the file or its identity has changed."""
        if live.key != reading.key:
            if live.key:
                live.last_times[live.key] = live.pipeline.last_time
            live.key = reading.key
            live.pipeline.open(reading.file, live.last_times.get(reading.key))
        elif live.file is not reading.file:  # each record of an event log has an identity of its own
            live.pipeline.open(reading.file, live.pipeline.last_time)
        live.file = reading.file

    def _begin(self, live: _Live, reading: Reading) -> None:
        """Set marks before a reading."""
        state, time = live.pipeline.state, reading.position.time
        live.number += 1
        live.now = now = _Mark(live.number, time, reading.key, reading.chunk.offset, state.clocks)
        for name, past in live.pasts.items():
            component, marks = state.components[name], past.marks
            # A file is read late if its only line lacked a line end for a while. A replay orders files by their first lines, so
            # a start in a younger file would skip it.
            while marks and marks[-1].first_time > time:
                marks.pop()
            # Set no mark while a time waits for the next one: lines on both sides of the mark decide about it.
            is_apart = marks and component.newest - marks[-1].newest(name) >= self._warm_up // MARKS
            if not marks or (is_apart and component.waiting is None):
                marks.append(now)
        for component in state.components.values():
            component.spoke = False

    def _end(self, live: _Live, reading: Reading) -> None:
        """Record, after a reading, which components it has lines of."""
        time, chunk = reading.position.time, reading.chunk
        end = _End(live.number, reading.key, chunk.offset + chunk.span)
        is_late = time < live.youngest
        for name, component in live.pipeline.state.components.items():
            past = live.pasts.get(name)
            if past is None:
                if not component.is_new:
                    live.pasts[name] = _Past(deque([live.now]), end)
            elif component.spoke or is_late or live.unsettled:
                past.end = end
        live.youngest, live.unsettled = max(live.youngest, time), is_late

    def _warm_from(self, live: _Live) -> WarmStart:
        """The warm start from the latest marks that precede everything that can still change a result, with the lasting state."""
        spans: list[tuple[_Mark, _End]] = []
        for name, past in live.pasts.items():
            marks, oldest = past.marks, live.pipeline.state.components[name].newest - self._warm_up
            while len(marks) > 1 and marks[1].newest(name) < oldest:
                marks.popleft()
            spans.append((marks[0], past.end))
        spans.sort()
        joined: list[tuple[_Mark, _End]] = []
        for begin, end in spans:
            if joined and begin.number <= joined[-1][1].number + 1:
                joined[-1] = joined[-1][0], max(joined[-1][1], end)
            else:
                joined.append((begin, end))
        main = joined.pop()[0] if joined else live.now
        earlier = tuple(Span(mark.key, mark.offset, mark.clocks, end.key, end.offset) for mark, end in joined)
        return WarmStart(main.key, main.offset, live.pipeline.lasting(), main.clocks, earlier)

    @property
    def newest(self) -> int | None:
        """The newest event time of all logs, in nanoseconds; None before the first."""
        times = [live.pipeline.state.newest for live in self._live.values()]
        newest = max(times, default=BEFORE_ALL)
        return None if newest == BEFORE_ALL else newest

    @property
    def sizes(self) -> tuple[int, int]:
        """The number of messages in memos, and of users in detectors."""
        sizes = [live.pipeline.sizes for live in self._live.values()]
        return sum(memo for memo, _ in sizes), sum(users for _, users in sizes)


def _spans(start: WarmStart) -> Iterable[tuple[str, int, Clocks, Sequence[tuple[str, int]]]]:
    """The parts that a warm start reads: key and offset where each begins, the clocks there, and the positions where it ends:
    its own end or, if the file of that is gone, the beginning of a later part."""
    ends = [(span.until_key, span.until) for span in start.earlier]
    begins = [*((span.key, span.offset) for span in start.earlier), (start.key, start.offset)]
    for number, span in enumerate(start.earlier):
        yield span.key, span.offset, span.clocks, [ends[number], *begins[number + 1 :]]
    yield start.key, start.offset, start.clocks, ()


def _until(readings: Iterable[Reading], stops: Sequence[tuple[str, int]]) -> Iterable[Reading]:
    """Yield readings up to the first of the `stops`, each the key of a file and an offset in it."""
    for reading in readings:
        chunk = reading.chunk
        left = min((offset - chunk.offset for key, offset in stops if key == reading.key), default=chunk.span + 1)
        if left > 0:
            yield reading._replace(chunk=chunk.up_to(left))
        if left <= chunk.span:
            return
