"""The fast path for sign-ins through the NPS extension: Windows events as JSON, one object a line. Pure.

Like `wrapped.py` it optimises `parser.py` and changes no byte. It takes challenges and results whose objects hold the
time first, then the thread, then the message:

    {…"TIME"…"ThreadId":N…"NPS Extension for Azure MFA:  CID: GUID : Challenge requested … for User USER with state GUID"…}
    {…"TIME"…"ThreadId":N…"NPS Extension for Azure MFA:  CID: GUID : Access WORD for user USER with … response: RESULT…"…}

The rest of the object belongs to the template, so any exporter's keys will do. An exporter that numbers its records
writes another rest in each line: it uses up the templates, and its lines take the general path.
"""

import re
from collections.abc import Callable
from typing import Any

import orjson

from shipper.decode.clock import ComponentState
from shipper.decode.halves import NO_EXCHANGE, add_all
from shipper.decode.parser import Events, Parser
from shipper.decode.pieces import Pieces, cut
from shipper.decode.templates import DURATION, END, GUID, MARKS, NAME, OFFSETS, START, STATE, TID, USER, cut_event
from shipper.decode.threads import LONGEST_USER, Threads
from shipper.decode.windows_event import LONGEST
from shipper.decode.wrapped import lines_of
from shipper.model import Chunk, Code, Counts, LogFile, Origin
from shipper.times import to_utc

LIMIT = 256  # templates a file; a line that needs one more takes the general path
FRAME = 4096  # characters around time, thread and message; a line with more of them takes the general path

_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
_GUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_CHARACTER = r"[!#-\[\]-~]"  # printable ASCII that JSON does not escape, without the blank
_TEXT = rf"(?:(?: |{_CHARACTER})++|\\\\)*+"
_HEAD = (
    r"NPS Extension for (?:Azure MFA|Azure AD MFA|Microsoft Entra multifactor authentication): {0,4}"
    rf"CID ?: {{0,4}}({_GUID}) {{0,4}}: {{0,4}}"
)


def _user_before(then: str) -> str:
    """A regular expression: a user, up to the first `then`, and `then` itself."""
    return rf"((?:{_CHARACTER}++|\\\\| (?!{then}))*+) {then}"


def _up_to(inside: str) -> str:
    """A regular expression: everything up to the first quote that `inside` follows."""
    return rf'(?:[^"\n]*+"(?!{inside}))*+[^"\n]*+"'


_THREAD = r'(?:Execution)?ThreadI[Dd]": ?"?'
# Groups: before the time, time, between time and thread, thread, between thread and message, message, its CID, user and
# state of a challenge, word, user and name of a result, rest. Any other line leaves all groups empty.
# No part backtracks, so a hostile line takes linear time.
_EVENTS = re.compile(
    rf'(\{{{_up_to(_TIME)})({_TIME})(?=")({_up_to(_THREAD)}{_THREAD})(0|[1-9][0-9]{{0,17}})(?=[",}}])'
    rf"({_up_to('NPS Extension for ')})({_HEAD}(?:"
    rf"Challenge requested in Authentication Ext for User {_user_before('with state ')}({_GUID})"
    rf"|Access (Accepted|Rejected) for user {_user_before('with Azure MFA response: ')}(\w{{1,64}})(?: and message: {_TEXT})?))"
    r'("[^\n]*)\n|[^\n]*\n',
    re.ASCII,
)
_FIRST = 4  # lines at the start of a chunk; one of them must match, or the chunk takes another path

# What a template depends on: the text around time, thread and message; word and name of a result; whether its challenge is open.
_Key = tuple[str, str, str, str, str, str, bool]
# The event, with `%s` in each gap; its origin; the JSON of its process, cut at the thread; what a line adds to the counts;
# component, code and success of the authentication that a result completes. A plain tuple, because each line unpacks it.
_Template = tuple[str, Origin, Pieces, Counts, str, Code | None, bool]


class NpsParser:
    """Takes the chunks of one file that begin with events of the NPS extension."""

    def __init__(self, general: Parser, scratch: Callable[[LogFile], Parser]) -> None:
        """
        Args:
            general: takes every other line, and holds the state.
            scratch: makes a parser like `general` with a state of its own, which makes the templates.
        """
        self._general = general
        self._scratch = scratch
        self._prefix = f"{general.file.fingerprint}-"
        self._user = Threads(scratch, general.file, general.state).user
        self._templates: dict[_Key, _Template] = {}
        self._states: dict[tuple[str, str, str, str], ComponentState] = {}
        self._left = LIMIT

    def __call__(self, chunk: Chunk, data: bytes) -> Events | None:
        """The events of a chunk; None if it begins with other lines.

        Args:
            chunk: as it was read.
            data: its bytes, with LF for each line end and no CR left.
        """
        general, counted = self._general, list[Counts]()
        if general.state.merges or not any(map(_is_event, data.split(b"\n", _FIRST)[:_FIRST])):
            return None
        general.begin()
        text = data.decode("latin-1")
        found = _EVENTS.findall(text if text.endswith("\n") else text + "\n")
        for groups, (raw, offset, original) in zip(found, lines_of(chunk, data), strict=True):
            if original is None or not groups[0] or len(raw) > LONGEST or not self._take(groups, offset, original, counted):
                general.raw(raw, offset, ended=offset + len(raw) < chunk.offset + len(chunk.data))
        add_all(general.counts, counted)
        return general.end()

    def _take(self, groups: tuple[str, ...], offset: int, original: str, counted: list[Counts]) -> bool:
        """Take a line; False leaves it to the general path. `original` is the line, escaped as in a JSON string."""
        before, stamp, between, thread, after, message, cid, asked, state_id, word, answered, name, rest = groups
        general = self._general
        if stamp[-1] != "Z" or stamp[10] != "T":
            stamp = to_utc(stamp) or ""
        whole = general.stamps.seconds[stamp[:19]]
        if whole is None:
            return False
        frame = before, between, after, rest
        state = self._states.get(frame) or self._state(*frame)
        if state is None:
            return False
        time = whole + int(stamp[20:-1].ljust(9, "0"))
        newest, correlation, opens = max(state.newest, time), cid.lower(), state.exchanges.open
        start, start_text, request_id, whose, _, _ = opens.get(correlation, NO_EXCHANGE)
        belongs = 0 <= time - start <= state.exchanges.timeout and newest - start <= state.exchanges.patience
        key = before, between, after, rest, word, name, bool(word) and belongs
        template = self._templates.get(key) or self._make(key)
        if template is None or time > state.limit:
            return False
        event, origin, (p0, p1), counts, component, code, success = template
        who, shared = self._user((asked or answered).replace("\\\\", "\\"), f"{p0}{thread}{p1}")
        event_id = f"{self._prefix}{offset}"
        values: tuple[Any, ...] = stamp, event_id
        if not shared or len(asked or answered) > LONGEST_USER:
            return False
        if not word:
            exchange = time, stamp, event_id, who, shared, None
            if opens.setdefault(correlation, exchange) is not exchange:
                return False
            tied: tuple[str, ...] = event_id, cid, state_id
        elif belongs:
            if whose != who:
                return False
            del opens[correlation]
            values, tied = (stamp, event_id, start_text, stamp, time - start), (request_id, cid)
        else:
            start, start_text, request_id, tied = time, stamp, event_id, (cid,)
        state.newest, state.spoke, general.last_time = newest, True, stamp
        if code is not None:
            at = len(general.texts)
            general.completions.append((at, who, request_id, component, start, start_text, time, stamp, code, success, newest))
        kept = original if general.options.keep_original else ""
        general.texts.append(event % (*values, kept, message, shared, offset, *tied))
        general.labels.append((stamp, event_id, origin, who and who[3]))
        counted.append(counts)
        return True

    def _state(self, before: str, between: str, after: str, rest: str) -> ComponentState | None:
        """The state of the component of events with these texts around time, thread and message; None if the texts are long, or
        after `LIMIT` states."""
        if len(self._states) >= LIMIT or len(before) + len(between) + len(after) + len(rest) > FRAME:
            return None
        parser = self._scratch(self._general.file)
        message = _message(f"Challenge requested in Authentication Ext for User {NAME} with state {STATE}")
        parser.line(f"{before}{START}{between}{TID}{after}{message}{rest}".encode("latin-1").decode(), OFFSETS[0], [])
        component = orjson.loads(parser.texts[0].encode("latin-1"))["event"].get("provider")
        state = self._states[before, between, after, rest] = self._general.state.of(component)
        return state

    def _make(self, key: _Key) -> _Template | None:
        """A new template; None if the lines are not plain, or after `LIMIT` attempts."""
        before, between, after, rest, word, name, belongs = key
        self._left -= 1
        if self._left < 0 or len(before) + len(between) + len(after) + len(rest) > FRAME:
            return None
        challenge, result = (
            _message(f"Challenge requested in Authentication Ext for User {NAME} with state {STATE}"),
            _message(f"Access {word} for user {NAME} with Azure MFA response: {name} and message: none"),
        )
        messages = [challenge] if not word else [challenge, result] if belongs else [result]
        parser = self._scratch(self._general.file)
        times = [START, END] if belongs else [START]
        lines = [
            f"{before}{time}{between}{TID}{after}{message}{rest}".encode("latin-1").decode()
            for time, message in zip(times, messages, strict=True)
        ]
        for line, offset in zip(lines, OFFSETS, strict=False):
            parser.counts.clear()
            parser.line(line, offset, [])
        offsets = list(map(str, OFFSETS[: len(lines)]))
        ids = [f"{self._prefix}{offset}" for offset in offsets]
        process = _process(parser.texts[-1])
        spans = [START, END, DURATION] if belongs else []
        tied = [GUID] if word and not belongs else [ids[0], GUID] if word else [ids[0], GUID, STATE]
        shared = f"{USER}{TID.join(process)}"
        made = cut_event(parser, -1, [times[-1], ids[-1], *spans], lines[-1:], messages[-1:], [shared, offsets[-1], *tied])
        if made is None or len(process) != 2 or any(mark in piece for piece in made[0] for mark in MARKS):
            return None
        component, code, success = "", None, False
        if parser.completions:
            component, code, success = parser.completions[-1][3], *parser.completions[-1][8:10]
        event = "%s".join(piece.replace("%", "%%") for piece in made[0])
        template = self._templates[key] = event, made[1], process, parser.counts, component, code, success
        return template


def _is_event(line: bytes) -> bool:
    found = _EVENTS.match(line.decode("latin-1") + "\n")
    return found is not None and found[1] is not None


def _message(text: str) -> str:
    return f"NPS Extension for Azure MFA:  CID: {GUID} : {text}"


def _process(event: str) -> Pieces:
    """The process of a marked event as JSON, cut at the thread; one piece if there is no thread."""
    process = orjson.loads(event.encode("latin-1")).get("process")
    text = "" if process is None else orjson.dumps({"process": process})[1:-1].decode() + ","
    return cut(text, [TID]) or (text,)
