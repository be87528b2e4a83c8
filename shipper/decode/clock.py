"""The state of a log: for each component, the newest event time and everything else that its lines share. Pure.

Each component of a log has its own clock: two services whose files were joined into one wrote at different times, and
neither moves the other's clock.

A single line cannot move a clock for good. The first time of a component, and any time more than a day (or twice the exchange
timeout, if longer) ahead of its newest one, waits for the component's next time. If that is at most a day earlier, the
waiting time becomes the newest; otherwise its line was misdated and has no effect but its event.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shipper.decode import compiled
from shipper.decode.ecs import dataset
from shipper.decode.exchanges import MEMORY_OF_ONE, Exchanges, Open
from shipper.decode.heavy import LONGEST_NAME, Heavy
from shipper.decode.merging import Event, Merger
from shipper.model import MEMORY
from shipper.times import BEFORE_ALL, SECOND

DAY = 24 * 3600 * SECOND
MOST_COMPONENTS = 64  # of a log, with a clock each; all others share one, and so do those with long names
OTHERS = "|"  # the name of the shared state; no component has this name
KNOWN = 1024  # component names whose state is cached
NPS = dataset("NPS Extension")

Clock = tuple[int, Sequence[Any] | None]
Clocks = Mapping[str, Clock]


@dataclass(slots=True)
class Waiting:
    """A time that waits for the next time of its component.

    Attributes:
        time: in nanoseconds since 1970.
        thread, exchange: thread and id of the exchange that its line opened, if it is a request.
        completed: the component of its line, if the line completed a user's authentication.
    """

    time: int
    thread: str | None = None
    exchange: str | None = None
    completed: str | None = None


class ComponentState:
    """The state that the lines of a component share: open exchanges, the clock, and events held back for merging.

    Attributes:
        name: of the component, as `slot` returns it.
        newest: the newest event time, in nanoseconds since 1970.
        limit: a line with a later time must call `turn`; any other may set `newest`. May be lower than necessary.
        waiting: the time that waits for the next one, if any.
        spoke: True if a line was read since this was set to False.
    """

    __slots__ = ("_ahead", "exchanges", "limit", "merger", "name", "newest", "spoke", "waiting")

    def __init__(self, name: str, exchanges: Exchanges, merger: Merger | None = None) -> None:
        self.name = name
        self.exchanges = exchanges
        self.merger = merger
        self.newest = BEFORE_ALL
        self.limit = BEFORE_ALL
        self.waiting: Waiting | None = None
        self.spoke = False
        # At least `patience`, so that no verdict or status whose time waits can belong to an exchange.
        self._ahead = max(DAY, exchanges.patience)

    def turn(self, time: int) -> Waiting | None:
        """Take the time of the next line; return the time that waited, if its line turns out to be misdated.

        Afterwards `waiting` holds the time of this line if it waits.
        """
        before, self.waiting = self.waiting, None
        if before is not None and time >= before.time - DAY:
            self.newest, before = before.time, None
        if self.newest == BEFORE_ALL or time > self.newest + self._ahead:
            self.waiting, self.limit = Waiting(time), BEFORE_ALL
        else:
            self.newest = max(self.newest, time)
            self.limit = self.newest + self._ahead
        return before

    def withdraw(self, misdated: Waiting) -> bool:
        """Close the exchange that a misdated line opened; True if it was still open."""
        if misdated.thread is None:
            return False
        exchange = self.exchanges.open.get(misdated.thread)
        if exchange is None or exchange[2] != misdated.exchange:
            return False
        self.exchanges.close(misdated.thread)
        return True

    @property
    def is_new(self) -> bool:
        """True before its first line."""
        return self.newest == BEFORE_ALL and self.waiting is None

    @property
    def clock(self) -> Clock:
        """The clock as a JSON value: the newest event time, and the time that waits; `restore` sets it."""
        waiting = self.waiting
        waits = None if waiting is None else [waiting.time, waiting.thread, waiting.exchange, waiting.completed]
        return self.newest, waits

    def misdated(self, newest: int) -> bool:
        """True if, at the end of the log, the waiting time is far ahead of its component and of `newest`, the newest time
        of the whole log."""
        return self.waiting is not None and self.newest != BEFORE_ALL and self.waiting.time > newest + self._ahead

    def snapshot(self) -> dict[str, Any]:
        """The state as a JSON value, with the open exchanges as an iterator."""
        held = self.merger.snapshot() if self.merger else []
        return {"clock": self.clock, "open": self.exchanges.snapshot(), "held": held}

    def for_kernel(self) -> "tuple[compiled.OpenExchanges, compiled.HeldEvents | None]":
        """The open exchanges and the held events, in containers that the kernel shares."""
        return self.exchanges.for_kernel(), None if self.merger is None else self.merger.for_kernel()

    def restore(self, newest: int, waiting: Sequence[Any] | None = None) -> None:
        """Set the clock."""
        self.newest = newest
        self.waiting = None if waiting is None else Waiting(*waiting)
        self.limit = BEFORE_ALL if waiting is not None or newest == BEFORE_ALL else newest + self._ahead


class LogState:
    """The state of a log, by component.

    Attributes:
        components: by the name that `slot` returns. A state is never replaced, so that other objects may keep it.
        merges: True if events are held back to be merged (see `merging.py`).
        heavy: exchanges with long texts.
    """

    def __init__(self, exchange_timeout: int, *, merges: bool = False, memory: int = MEMORY) -> None:
        """
        Args:
            exchange_timeout: nanoseconds from a request to its status.
            merges: see above.
            memory: `pipeline.memory`, in bytes. A quarter of it is for light exchanges, a quarter for heavy ones.
        """
        self.components: dict[str, ComponentState] = {}
        # Half as many with merging: each exchange may have held events as well.
        self._limit = memory // MEMORY_OF_ONE // (2 if merges else 1)
        self._released = 0
        self.heavy = Heavy(self.components, memory // 4)
        self._timeout = exchange_timeout
        self.merges = merges
        self._opens: list[Open] = []  # of all components: together they have a limit
        self._known: dict[str | None, ComponentState] = {}

    def of(self, component: str | None) -> ComponentState:
        """The state of the component that the current line names; None for a line that names none."""
        state = self._known.get(component)
        if state is None and component is not None and len(component) > LONGEST_NAME:
            state = self._get(OTHERS)
        elif state is None:
            if len(self._known) >= KNOWN:
                self._known.clear()
            state = self._known[component] = self._get(self._slot(component))
        state.spoke = True
        return state

    def slot(self, component: str | None) -> str:
        """The name of a component's state. The NPS extension is one component, whichever provider it writes as."""
        return self.of(component).name

    def _slot(self, component: str | None) -> str:
        name = component or ""
        if dataset(name) == NPS:
            name = NPS
        return name if name in self.components or len(self.components) < MOST_COMPONENTS else OTHERS

    def _get(self, name: str) -> ComponentState:
        state = self.components.get(name)
        if state is None:
            merger = Merger(self._timeout) if self.merges else None
            exchanges = Exchanges(self._timeout, self._opens, self._limit)
            state = self.components[name] = ComponentState(name, exchanges, merger)
        return state

    @property
    def newest(self) -> int:
        """The newest event time of all components, in nanoseconds since 1970."""
        return max((state.newest for state in self.components.values()), default=BEFORE_ALL)

    @property
    def open(self) -> int:
        """How many exchanges are open."""
        return sum(map(len, self._opens))

    def crowded_by(self, lines: int) -> bool:
        """True if that many more lines may exceed the limit of open exchanges or of held events."""
        held = sum(len(merger.held) for merger in self._mergers) if self.merges else 0
        return max(self.open, held) + lines >= self._limit

    def surplus(self) -> list[Event]:
        """Release held events past the limit: those that waited longest in the component that holds most. Emit them before any
        other event."""
        mergers, events = self._mergers, list[Event]()
        while sum(len(merger.held) for merger in mergers) > self._limit:
            fullest = max(mergers, key=lambda merger: len(merger.held))
            events += fullest.release(next(iter(fullest.held)))
        self._released += len(events)
        return events

    @property
    def clocks(self) -> Clocks:
        """The clock of each component that has one."""
        return {name: state.clock for name, state in self.components.items() if not state.is_new}

    def set(self, clocks: Clocks) -> None:
        """Set the clocks of these components."""
        for name, clock in clocks.items():
            self._get(name).restore(*clock)

    def expire(self) -> int:
        """Give up exchanges that no line can close any more; return how many."""
        return sum(state.exchanges.expire(state.newest) for state in self.components.values())

    def expire_first(self) -> int:
        """Like `expire`, but see `Exchanges.expire_first`."""
        return sum(state.exchanges.expire_first(state.newest) for state in self.components.values())

    def take_crowded_out(self) -> int:
        """How many exchanges were given up, and held events released, because of the limit since the last call."""
        crowded_out, self._released = self._released, 0
        for state in self.components.values():
            crowded_out, state.exchanges.crowded_out = crowded_out + state.exchanges.crowded_out, 0
        return crowded_out

    def take_merged(self) -> int:
        """How many events were merged into another since the last call."""
        merged = 0
        for merger in self._mergers:
            merged, merger.merged = merged + merger.merged, 0
        return merged

    def close(self) -> list[Event]:
        """Return all held events, to be emitted at the end of the log."""
        return [event for merger in self._mergers for event in merger.close()]

    @property
    def _mergers(self) -> list[Merger]:
        return [state.merger for _, state in sorted(self.components.items()) if state.merger is not None]

    def snapshot(self) -> dict[str, Any]:
        """The state as a JSON value, with the open exchanges as iterators."""
        return {name: state.snapshot() for name, state in self.components.items() if not state.is_new}

    def restore(self, snapshot: Mapping[str, Any], *, held: bool = True, for_kernel: bool = False) -> None:
        """Restore the state from a snapshot, without held events if not `held`. `for_kernel`: into containers that the kernel
        shares, which take half the memory."""
        for name in [*snapshot, *(self.components.keys() - snapshot.keys())]:
            state, saved = self._get(name), snapshot.get(name, _NOTHING)
            if for_kernel:
                state.for_kernel()
            state.restore(*saved["clock"])
            state.exchanges.restore(saved["open"])
            if state.merger is not None:
                state.merger.restore(saved["held"] if held else ())
        self.heavy.restore()


_NOTHING: Mapping[str, Any] = {"clock": (BEFORE_ALL, None), "open": (), "held": ()}
