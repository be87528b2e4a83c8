"""`--events exchange`: the three events of an exchange become one, its status. Pure.

The status takes over what only the request and the verdict knew, and `event.original` becomes the
list of their lines. Requests and verdicts are held back until their status comes. Those that can no
longer get one (event time has passed the timeout, or the log ends) go out as they are, so no line is lost.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from shipper.model import Document, Label, Origin


class Event:
    """An event as a document or as its JSON text, whichever was there first."""

    __slots__ = ("_document", "_text", "label")

    def __init__(self, document: Document | None, text: str, label: Label) -> None:
        """`document` None: it is read from `text` when it is needed; else `text` is made of it."""
        self._document = document
        self._text = text
        self.label = label

    @property
    def document(self) -> Document:
        """The event as a document, not to be changed."""
        if self._document is None:
            self._document = orjson.loads(self._text.encode("latin-1"))
        return self._document

    @property
    def text(self) -> str:
        """The event as JSON with its line end, characters for bytes."""
        return self._text or orjson.dumps(self._document, option=orjson.OPT_APPEND_NEWLINE).decode("latin-1")


class Held:
    """The events of an exchange that wait for its status.

    Attributes:
        start: nanoseconds since 1970 of the request.
        events: the request, then verdicts.
        tail, original: where the request was plain and nothing followed it, what the fast path merges it by:
            the text behind its user, and its line as JSON has it.
    """

    __slots__ = ("events", "original", "start", "tail")

    def __init__(self, start: int, request: Event, tail: str | None = None, original: str = "") -> None:
        self.start = start
        self.events = [request]
        self.tail = tail
        self.original = original


class Merger:
    """The exchanges of a log that wait for their status, by id."""

    def __init__(self, timeout: int) -> None:
        """`timeout` in nanoseconds."""
        self._timeout = timeout
        self.held: dict[str, Held] = {}
        self.merged = 0

    def overdue(self, now: int) -> Iterator[Event]:
        """Events whose status can no longer come, at the event time `now`: they go out before anything else."""
        while self.held:
            oldest = next(iter(self.held))
            if now - self.held[oldest].start <= self._timeout:
                return
            yield from self.held.pop(oldest).events

    def take(self, event: Event, time: int) -> Event | None:
        """An event of the log: given back if it goes out now, merged if it is a status whose request is held."""
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
        if action == "mfa-verdict":
            held.events.append(event)
            held.tail = None
            return None
        del self.held[exchange]
        return self._merge(held, event)

    def _merge(self, held: Held, status: Event) -> Event:
        self.merged += len(held.events)
        document = status.document
        originals = []
        for event in held.events:
            document["azure_mfa"] = together(event.document["azure_mfa"], document["azure_mfa"])
            originals.append(event.document["event"].get("original"))
        if "original" in document["event"]:
            document["event"]["original"] = [*originals, document["event"]["original"]]
        return Event(document, "", status.label)

    def close(self) -> list[Event]:
        """The end of the log: what is still held goes out."""
        events = [event for held in self.held.values() for event in held.events]
        self.held.clear()
        return events

    def snapshot(self) -> list[Any]:
        """What is held as a JSON value."""
        return [[held_id, held.start, [_as_json(event) for event in held.events]] for held_id, held in self.held.items()]

    def restore(self, snapshot: Iterable[Any]) -> None:
        """Go on from a snapshot."""
        self.held.clear()
        for held_id, start, events in snapshot:
            request, *verdicts = [_from_json(*event) for event in events]
            held = self.held[held_id] = Held(start, request)
            held.events += verdicts


def _as_json(event: Event) -> list[Any]:
    time, event_id, origin, key = event.label
    return [event.text, time, event_id, origin.path, origin.dataset, origin.kind, key]


def _from_json(text: str, time: str, event_id: str, path: str | None, dataset: str, kind: str, key: str | None) -> Event:
    return Event(None, text, (time, event_id, Origin(path, dataset, kind), key))


def together(earlier: Document, later: Document) -> Document:
    """What two events of an exchange say below azure_mfa; where both speak, the later one is right."""
    both = {**earlier, **later}
    for key, value in earlier.items():
        if isinstance(value, dict) and isinstance(later.get(key), dict):
            both[key] = {**value, **later[key]}
    return both
