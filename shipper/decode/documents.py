"""Makes the event of a well-formed line, as a document or directly as text. Pure.

The document defines what is in an event. But the events of a log differ in little: the times, the ids, the user, the texts.
Events that differ in nothing else share a *shape*: the text of a document, cut where these values stand. The second line of
a shape cuts it; further lines only fill its gaps, in half the time. A shape cannot deviate from the document: it is cut from
a document of made-up values, and used only if, filled with other made-up values, it equals the text of their document.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from operator import itemgetter
from typing import Any, NamedTuple

from orjson import OPT_APPEND_NEWLINE, dumps

from shipper.decode.ecs import Envelope, shared_json, text_json, user_parts
from shipper.decode.kinds import Part
from shipper.decode.line_patterns import Line
from shipper.memo import LONGEST, length
from shipper.model import Document, LogFile, UserFields

# The gaps of a shape: time stamp, event id, exchange id, start and duration of the exchange, offset, line, message, request id,
# user and process. The first six are filled with plain texts, the others with JSON.
Gaps = tuple[str, str, str, str, str, str, str, str, str, str]
# The texts around the gaps, with an empty text for each gap; and a function that picks the values of these gaps from `Gaps`.
Shape = tuple[list[str], Callable[[Gaps], tuple[str, ...]]]


class _Sample(NamedTuple):
    """Made-up values for the gaps of a shape."""

    stamp: str
    event_id: str
    exchange_id: str
    start: str
    duration: int
    offset: int
    line: str
    message: str
    request_id: str
    user: UserFields

    def gaps(self, process_json: str) -> Gaps:
        """The values as they stand in the text of an event."""
        numbers = str(self.duration), str(self.offset)
        texts = text_json(self.line), text_json(self.message), text_json(self.request_id)
        return (*self[:4], *numbers, *texts, shared_json(self.user, None) + process_json)


_MARKS = _Sample(
    "1987-06-05T04:03:02.1Z", "mark-event", "mark-exchange", "1987-06-05T04:03:01.2Z",
    770000000000000001, 770000000000000002, "mark-line", "mark-message", "mark-request", ("mark-user", None, None, ""),
)  # fmt: skip
_OTHERS = _Sample(
    "1999-12-31T23:59:58Z", "other-event", "other-exchange", "1999-12-31T23:59:57Z",
    1, 2, 'other "line"', "other \\ message", "öther-request", ("other", "user", "e@mail", ""),
)  # fmt: skip


class Documents:
    """Makes the events of the well-formed lines of one file."""

    LIMIT = 1024  # shapes; then all are dropped, and cut again

    def __init__(self, file: LogFile, constants: Mapping[str, Any], *, keep_original: bool) -> None:
        """`constants` are fields of every event; `keep_original`: so is its line."""
        given = {} if file.host is None else {"host": {"name": file.host}}
        self._envelope = Envelope({**constants, **given})
        self.close = self._envelope.close
        self._keep_original = keep_original
        self._file = None if file.path is None else {"path": file.path}
        # By everything that determines a shape; None: it cannot be cut. `_once` has the keys that have come at all.
        self._shapes: dict[tuple[object, ...], Shape | None] = {}
        self._once: set[tuple[object, ...]] = set()

    def log(self, level: str | None, offset: int) -> Document:
        """The object `log` of an event."""
        log: Document = {} if level is None else {"level": level}
        if self._file is not None:
            log["file"] = self._file
        log["offset"] = offset
        return log

    def document(self, line: Line, part: Part, request_id: str | None) -> Document:
        """The event of a line as a document, without the fields that only its own pattern captures, and those of `close`."""
        text, offset, _, stamp, _, context, facts, _ = line
        fields, outcome, exchange, user, _ = part
        event, azure = fields(line, outcome, exchange)
        if context.component:
            event["provider"] = context.component
        if self._keep_original:
            event["original"] = text
        document: Document = {"@timestamp": stamp, "event": event, "message": facts.message}
        if user is not None:
            document["user"], document["related"] = user_parts(user)
        if facts.target is not None:
            target, related = user_parts(facts.target)
            document.setdefault("user", {})["target"] = target
            document["related"] = {"user": list(dict.fromkeys([*document.get("related", {}).get("user", ()), *related["user"]]))}
        if context.process is not None:
            document["process"] = context.process
        document["log"] = self.log(context.level or facts.level, offset)
        if request_id is not None:
            azure.setdefault("request", {})["id"] = request_id
        if azure:
            document["azure_mfa"] = azure
        return document

    def text(self, line: Line, part: Part, request_id: str | None) -> str:
        """The event of a line as JSON with its line end, one character for each byte (UTF-8 read as latin-1). The line must
        have no fields but those of `document` and `close`, and its facts no target.
        """
        text, offset, event_id, stamp, time, context, facts, tags = line
        fields, outcome, exchange, user, _ = part
        key = fields, facts.form, outcome, exchange is None, request_id is None, context.level, context.component, tuple(tags)
        shape = self._shapes.get(key) or self._shape(key, line, part, request_id)
        if shape is None:
            return self._whole(line, part, request_id)
        if exchange is None:
            exchange_id = start = duration = shared = ""
        else:
            began, start, exchange_id, _, shared, _ = exchange
            duration = str(time - began)
        if exchange is None or facts.correlation is not None:  # else all lines of the exchange are of one process
            shared = facts.user_json + context.process_json if user is facts.user else shared_json(user, context.process)
        original = text_json(text) if self._keep_original else ""
        requested = "" if request_id is None else text_json(request_id)
        parts, pick = shape
        filled = parts.copy()
        filled[1::2] = pick(
            (stamp, event_id, exchange_id, start, duration, str(offset), original, facts.message_json, requested, shared),
        )
        return "".join(filled)

    def _whole(self, line: Line, part: Part, request_id: str | None) -> str:
        document = self.close(self.document(line, part, request_id), line[7])
        return dumps(document, option=OPT_APPEND_NEWLINE).decode("latin-1")

    def _shape(self, key: tuple[object, ...], line: Line, part: Part, request_id: str | None) -> Shape | None:
        """The shape of a line that is not in `_shapes`."""
        if key in self._once:
            if key not in self._shapes:
                self._shapes[key] = self._cut(line, part, request_id)
            return self._shapes[key]
        if length(key) > LONGEST:
            return None
        if len(self._once) >= self.LIMIT:
            self._once.clear()
            self._shapes.clear()
        self._once.add(key)
        return None

    def _cut(self, line: Line, part: Part, request_id: str | None) -> Shape | None:
        """Cut the shape of a line; None if a made-up value also occurs in the fields that all lines share."""
        process_json = line[5].process_json
        gaps = _MARKS.gaps(process_json)
        parts = re.split("(" + "|".join(map(re.escape, gaps)) + ")", self._sample(_MARKS, line, part, request_id))
        pick = itemgetter(*map(gaps.index, parts[1::2]))
        parts[1::2] = [""] * (len(parts) // 2)
        checked = _fill(parts, pick(_OTHERS.gaps(process_json))) == self._sample(_OTHERS, line, part, request_id)
        return (parts, pick) if checked else None

    def _sample(self, values: _Sample, line: Line, part: Part, request_id: str | None) -> str:
        """The event of a line as it would be with these values."""
        _, _, _, _, _, context, facts, tags = line
        fields, outcome, exchange, _, _ = part
        stamp, event_id, exchange_id, start, duration, offset, text, message, requested, user = values
        tied = None if exchange is None else (0, start, exchange_id, user, "", None)
        made_up = text, offset, event_id, stamp, duration, context, replace(facts, message=message), tags
        return self._whole(made_up, (fields, outcome, tied, user, None), None if request_id is None else requested)


def _fill(parts: list[str], values: tuple[str, ...]) -> str:
    filled = parts.copy()
    filled[1::2] = values
    return "".join(filled)
