"""`--events exchange`: merges the three events of an exchange into its status. Pure.

The status gains the fields that only the request and the verdict have, and `event.original` becomes
the list of all the lines. Requests and verdicts are held back until their status comes. If it can
no longer come (event time has passed the timeout, or the log ends), they are emitted unchanged, so
that no line is lost.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from shipper.decode import compiled
from shipper.model import Document, Label, Origin


class Event:
    """An event, as a document or as its JSON text; the other form is made on demand."""

    __slots__ = ("_document", "_text", "label")

    def __init__(self, document: Document | None, text: str, label: Label) -> None:
        """Pass one of them: a `document` and an empty `text`, or None and the whole JSON text with its line end."""
        self._document = document
        self._text = text
        self.label = label

    @property
    def document(self) -> Document:
        """The event as a document; do not change it."""
        if self._document is None:
            self._document = orjson.loads(self._text.encode("latin-1"))
        return self._document

    @property
    def text(self) -> str:
        """The event as JSON with its line end, one character for each byte (UTF-8 read as latin-1)."""
        return self._text or orjson.dumps(self._document, option=orjson.OPT_APPEND_NEWLINE).decode("latin-1")


MOST_VERDICTS = 16  # held back per exchange; any further one is emitted unmerged


class Held:
    """The held events of an exchange, which wait for its status. Assign it to `Merger.held` again after a change.

    Attributes:
        start: time of the request, in nanoseconds since 1970.
        events: the request, then verdicts.
        tail: the text that follows the user in a plain request. None if the fast path cannot merge this
            exchange: the request is not plain, or a verdict has been held since.
        original: with a `tail`, the line of the request, escaped as in a JSON string.
        weight: bytes of the events of long lines (see `heavy.py`).
    """

    __slots__ = ("events", "original", "start", "tail", "weight")

    def __init__(self, start: int, request: Event, tail: str | None = None, original: str = "", weight: int = 0) -> None:
        self.start = start
        self.events = [request]
        self.tail = tail
        self.original = original
        self.weight = weight

    @classmethod
    def of(cls, start: int, events: Sequence[tuple[str, Label]]) -> "Held":
        """A `Held` from the kernel's texts and labels: of a request, and of a verdict if there was one."""
        request, *verdicts = [Event(None, text, label) for text, label in events]
        held = cls(start, request)
        held.events += verdicts
        return held


class HeldEvents(dict[str, Held]):
    """Held events by exchange id, in the order in which they were held back."""

    def oldest(self) -> int | None:
        """The start time of the first exchange; None if there is none."""
        return next(iter(self.values())).start if self else None


class Merger:
    """Holds the events of exchanges that wait for their status, by exchange id.

    `held` is public for the fast path. `merged` counts the events that became part of a status.
    """

    def __init__(self, timeout: int) -> None:
        """`timeout` in nanoseconds."""
        self._timeout = timeout
        self.held: HeldEvents | compiled.HeldEvents = HeldEvents()
        self.merged = 0

    def for_kernel(self) -> "compiled.HeldEvents":
        """Move the held events to a container that the kernel shares; Python's access to it is slower."""
        kept = self.held
        if not compiled.are_held_events(kept):
            kept = compiled.HeldEvents(Held.of)
            for exchange in [*self.held]:  # one by one, or all would be in memory twice
                kept[exchange] = self.held.pop(exchange)
            self.held = kept
        return kept

    def overdue(self, now: int) -> Iterator[Event]:
        """The held events whose status can no longer come at the event time `now`. Emit them before any other event."""
        while (start := self.held.oldest()) is not None and now - start > self._timeout:
            yield from self.release(next(iter(self.held)))

    def release(self, exchange: str) -> Sequence[Event]:
        """The held events of an exchange that is given up. Emit them before any other event."""
        held = self.held.pop(exchange, None)
        return () if held is None else held.events

    def take(self, event: Event, time: int) -> Event | None:
        """Take the next event, at `time` in nanoseconds; return the event to emit, merged or unchanged, or None if it is held."""
        document = event.document
        exchange = document.get("azure_mfa", {}).get("exchange", {}).get("id")
        action = document["event"].get("action")
        if exchange is None:
            return event
        if action == "mfa-request":
            self.held[exchange] = Held(time, event)
            return None
        held = self.held.get(exchange)
        if held is None:
            return event
        if action == "mfa-verdict" and len(held.events) > MOST_VERDICTS:
            return event
        if action == "mfa-verdict":
            held.events.append(event)
            held.tail = None
            self.held[exchange] = held
            return None
        del self.held[exchange]
        return self._merge(held, event)

    def _merge(self, held: Held, status: Event) -> Event:
        self.merged += len(held.events)
        document = status.document
        originals = []
        for event in held.events:
            document["azure_mfa"] = merge_azure(event.document["azure_mfa"], document["azure_mfa"])
            originals.append(event.document["event"].get("original"))
        if "original" in document["event"]:
            document["event"]["original"] = [*originals, document["event"]["original"]]
        return Event(document, "", status.label)

    def close(self) -> list[Event]:
        """Return all held events, to be emitted at the end of the log."""
        events = [event for held in self.held.values() for event in held.events]
        self.held.clear()
        return events

    def snapshot(self) -> list[Any]:
        """The held events as a JSON value."""
        return [
            [held_id, held.start, held.weight, [_as_json(event) for event in held.events]] for held_id, held in self.held.items()
        ]

    def restore(self, snapshot: Iterable[Any]) -> None:
        """Replace the held events with those of a snapshot."""
        self.held.clear()
        for held_id, start, weight, events in snapshot:
            request, *verdicts = [_from_json(*event) for event in events]
            held = Held(start, request, weight=weight)
            held.events += verdicts
            self.held[held_id] = held


def _as_json(event: Event) -> list[Any]:
    time, event_id, origin, key = event.label
    return [event.text, time, event_id, origin.path, origin.dataset, origin.kind, origin.host, key]


def _from_json(
    text: str, time: str, event_id: str, path: str | None, dataset: str, kind: str, host: str | None, key: str | None
) -> Event:
    return Event(None, text, (time, event_id, Origin(path, dataset, kind, host=host), key))


def merge_azure(earlier: Document, later: Document) -> Document:
    """Merge the `azure_mfa` objects of two events, two levels deep; where both have a value, the later one wins."""
    merged = {**earlier, **later}
    for key, value in earlier.items():
        if isinstance(value, dict) and isinstance(later.get(key), dict):
            merged[key] = {**value, **later[key]}
    return merged
