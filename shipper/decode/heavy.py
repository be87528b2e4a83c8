"""Bounds the memory of open exchanges with long texts. Pure.

Nearly all exchanges are light, and `Exchanges` bounds their number. But a log that anybody can write to may hold users of a
megabyte each. So the heavy exchanges of a log are weighed, and past the limit the oldest of them are given up, never a light
one. Which ones depends on the lines alone, not on how they were read.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple, Protocol

from shipper.decode.exchanges import Exchanges
from shipper.decode.merging import Event, Held, Merger
from shipper.model import Code, ExchangeFields

LONGEST_NAME = 128  # characters of a component's name, or of a description, that stay in memory
ORDINARY = 160  # characters; an ASCII line up to this length makes no exchange heavy
_SURELY_LIGHT = 600  # characters of an exchange's thread and shared JSON, which bound its other texts
_HEAVY = 1152  # bytes; the fast path makes no heavier exchange
_HEAVY_LINE = 2048  # characters; the event of a longer line is heavy while it is held back
_KEPT = 0.75  # share of the limit to shrink to once it is passed, because finding the oldest takes time
_COPIES = 3  # copies of a line in its event
_WIDEST = 5  # bytes counted per character of a non-ASCII text, with the UTF-8 that Python caches for it


class Holder(Protocol):
    """A component of a log (`clock.ComponentState`)."""

    exchanges: Exchanges
    merger: Merger | None
    newest: int


class _Entry(NamedTuple):
    start: int
    event_id: str
    component: str
    thread: str
    weight: int


class GivenUp(NamedTuple):
    """How many exchanges were given up, and the events that were held back for them."""

    exchanges: int
    events: list[Event]


NOTHING = GivenUp(0, [])


class Heavy:
    """The heavy exchanges of a log."""

    def __init__(self, components: Mapping[str, Holder], limit: int) -> None:
        """
        Args:
            components: of the log, by name.
            limit: bytes.
        """
        self._components = components
        self._limit = limit
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._weight = 0

    def weigh(self, component: str, thread: str | None, exchange: ExchangeFields, line: str) -> GivenUp:
        """Weigh an exchange after a line of it; return what is given up to stay within the limit.

        Args:
            component: name of its component.
            thread: of the exchange; None if its lines name none.
            exchange: its state after the line.
            line: the text of the line.
        """
        state, event_id = self._components[component], exchange[2]
        held = state.merger.held.get(event_id) if state.merger is not None else None
        if state.merger is not None and held is not None and len(line) > _HEAVY_LINE:
            held.weight += _COPIES * _bytes(line)
            state.merger.held[event_id] = held
        self._note(component, thread or "", exchange, 0 if held is None else held.weight)
        return NOTHING if self._weight <= self._limit else self._make_room()

    def _note(self, component: str, thread: str, exchange: ExchangeFields, held: int) -> None:
        weight = weight_of(thread, exchange) + held
        if weight:
            key = component, exchange[2]
            former = self._entries.get(key)
            self._weight += weight - (0 if former is None else former.weight)
            self._entries[key] = _Entry(exchange[0], exchange[2], component, thread, weight)

    def _make_room(self) -> GivenUp:
        self._entries = {key: entry for key, entry in self._entries.items() if self._is_open(entry) or self._is_held(entry)}
        self._weight = sum(entry.weight for entry in self._entries.values())
        if self._weight <= self._limit:
            return NOTHING
        given_up, events = 0, list[Event]()
        for entry in sorted(self._entries.values()):
            if self._weight <= self._limit * _KEPT:
                break
            del self._entries[entry.component, entry.event_id]
            self._weight -= entry.weight
            state = self._components[entry.component]
            if self._is_open(entry):
                state.exchanges.close(entry.thread)
                given_up += 1
            if state.merger is not None:
                events += state.merger.release(entry.event_id)
        return GivenUp(given_up, events)

    def _is_open(self, entry: _Entry) -> bool:
        state = self._components[entry.component]
        exchange = state.exchanges.open.get(entry.thread)
        return exchange is not None and exchange[2] == entry.event_id and state.newest - entry.start <= state.exchanges.patience

    def _is_held(self, entry: _Entry) -> bool:
        merger = self._components[entry.component].merger
        return merger is not None and entry.event_id in merger.held

    def restore(self) -> None:
        """Weigh all exchanges of the components anew."""
        self._entries, self._weight = {}, 0
        for name, state in self._components.items():
            held: Mapping[str, Held] = {} if state.merger is None else state.merger.held
            for event_id, waiting in held.items():
                if waiting.weight:
                    self._note(name, "", (waiting.start, "", event_id, None, "", None), waiting.weight)
            for thread, exchange in state.exchanges.open.items():
                waits = held.get(exchange[2])
                self._note(name, thread, exchange, 0 if waits is None else waits.weight)


def light(component: str, code: Code) -> tuple[str, Code]:
    """Shorten a long component name or description of an authentication: detectors keep them in memory."""
    if not code.known and len(code.description) > LONGEST_NAME:
        code = code._replace(description=_shortened(code.description), constant=None)
    return component if len(component) <= LONGEST_NAME else _shortened(component), code


def _shortened(text: str) -> str:
    """The beginning of a long text, with a digest that distinguishes it from any other."""
    return f"{text[:LONGEST_NAME]}…{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def weight_of(thread: str, exchange: ExchangeFields) -> int:
    """Bytes of an exchange's texts; 0 for a light one."""
    user, shared = exchange[3:5]
    if len(shared) + len(thread) <= _SURELY_LIGHT and shared.isascii():
        return 0
    weight = _bytes(thread) + len(shared) + sum(_bytes(text) for text in user or () if text)
    return weight if weight > _HEAVY else 0


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else _WIDEST * len(text)
