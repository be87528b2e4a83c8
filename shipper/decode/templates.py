"""Templates of the fast path: events that the general path made of marked lines, cut at the marks.

So a field that the general path gains, or a format that changes, is in the templates by itself. Pure.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import orjson

from shipper.decode.ecs import shared_json
from shipper.decode.parser import Parser
from shipper.decode.principal import user_key
from shipper.model import Code, LogFile, User

CALL = "|Calling pfAuthUser('"
VERDICT = "|authResult = "
STATUS = "|rawCallStatus = "
RESULT = "|Pfauth "

LIMIT = 512  # templates that a context makes; making one costs as much as some lines of the general path

# Marks: values that are valid where they stand, and stand nowhere else.
_START, _END, _DURATION = "1987-06-05T04:03:02.100000Z", "1987-06-05T04:03:03.223344Z", "1123344000"
_OFFSETS = (770000000000000001, 770000000000000002, 770000000000000003)
_PID, _TID = "880000000000000001", "880000000000000002"
_NAME, _GUID = "mark-7-user-7-mark", "7a7a7a7a-7b7b-7c7c-7d7d-7e7e7e7e7e7e"
_USER = shared_json(User(_NAME, None, None, user_key(_NAME, None)), None)

_TAIL = re.compile(r"'(?:, (?:'[A-Za-z0-9._:-]*'|[A-Za-z0-9._:-]+)){0,8}\)")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,8}")
_RESULT_TAIL = re.compile(r'[A-Z][A-Z0-9_]{0,127} - "[A-Za-z0-9 #+.-]{1,99}"\.')

Pieces = tuple[str, ...]


class Tally(NamedTuple):
    """What a template counts for each use: `lines` is 2 for a verdict with its status, 1 for a result."""

    lines: int
    status_class: str
    unknown: bool
    conflict: bool


class Pair(NamedTuple):
    """A verdict and its status."""

    verdict: Pieces
    status: Pieces
    code: Code
    success: bool
    tally: Tally


class Result(NamedTuple):
    """A one-line result; `tail` is the text behind `Call status: ` as JSON has it."""

    pieces: Pieces
    code: Code
    success: bool
    tally: Tally
    tail: str


def user_pieces(name: str, domain: str | None, email: str | None) -> Pieces:
    """The user fields of an event around name, domain and e-mail address, where there are any."""
    values = [value and f"mark-{value}" for value in (name, domain, email)]
    text = shared_json(User(values[0] or "", values[1], values[2], ""), None)
    marks = [value for value in values if value]
    pieces = cut(text, [*marks, marks[0], *marks[2:]])
    assert pieces is not None
    return pieces


def cut(text: str, marks: Sequence[str]) -> Pieces | None:
    """The text between the marks, which stand in this order; None if one is missing."""
    pieces = []
    for mark in marks:
        piece, found, text = text.partition(mark)
        if not found:
            return None
        pieces.append(piece)
    return (*pieces, text)


def process_json(pid: str, tid: str) -> str:
    """The process fields of an event with a comma behind."""
    return orjson.dumps({"process": {"pid": int(pid), "thread": {"id": int(tid)}}})[1:-1].decode() + ","


def _json_inside(text: str) -> str:
    return orjson.dumps(text).decode()[1:-1]


class Templates:
    """The templates of one file, level and component.

    Each is made when a line first asks for it, by a parser of its own (`scratch`), so that making one
    changes nothing in the log's state. A text that is not plain gets no template, and none gets one
    when there are `LIMIT`: a log that writes something new in every line takes neither memory nor time
    for templates that are used once.
    """

    def __init__(self, scratch: Callable[[LogFile], Parser], file: LogFile, level: str, component: str) -> None:
        self._scratch = scratch
        self._file = file
        self._head = f"|{level}|{_PID}|{_TID}|{component}"
        self._ids = [f"{file.fingerprint}-{offset}" for offset in _OFFSETS]
        self.requests: dict[str, Pieces] = {}
        self.pairs: dict[tuple[str, str], Pair] = {}
        self.results: dict[tuple[str, str], Result] = {}
        self._left = LIMIT

    def request(self, tail: str) -> Pieces | None:
        """The template of requests whose user is followed by `tail`, which begins with the quote."""
        parser = self._parser() if _TAIL.fullmatch(tail) else None
        if parser is None:
            return None
        line = f"{_START}{self._head}{CALL}{_NAME}{tail}"
        event = parser.line(line, _OFFSETS[0], [])
        offset, event_id = str(_OFFSETS[0]), self._ids[0]
        message = line[len(_START + self._head) + 1 :]
        pieces = self._cut(parser, event, [_START, event_id], line, message, [offset, event_id])
        if pieces:
            self.requests[tail] = pieces
        return pieces

    def pair(self, verdict: str, status: str) -> Pair | None:
        """The template of a verdict and the status behind it with these numbers."""
        parser = self._parser() if _INTEGER.fullmatch(verdict) and _INTEGER.fullmatch(status) else None
        if parser is None:
            return None
        first, second = f"{_END}{self._head}{VERDICT}{verdict}", f"{_END}{self._head}{STATUS}{status}"
        parser.line(f"{_START}{self._head}{CALL}{_NAME}', '', 1)", _OFFSETS[0], [])
        events = parser.line(first, _OFFSETS[1], []), parser.line(second, _OFFSETS[2], [])
        request_id, id_2, id_3 = self._ids
        offset_2, offset_3 = map(str, _OFFSETS[1:])
        v = self._cut(parser, events[0], [_END, id_2], first, None, [offset_2, request_id])
        s = self._cut(parser, events[1], [_END, id_3, _START, _END, _DURATION], second, None, [offset_3, request_id])
        if not v or not s:
            return None
        (code, success), counts = parser.completions[0][8:10], parser.counts
        tally = Tally(2, code.status_class, not code.known, counts.conflicts > 0)
        pair = Pair(v, s, code, success, tally)
        self.pairs[verdict, status] = pair
        return pair

    def result(self, word: str, tail: str) -> Result | None:
        """The template of a one-line result: its word, and what follows `Call status: `."""
        parser = self._parser() if word in ("succeeded", "failed") and _RESULT_TAIL.fullmatch(tail) else None
        if parser is None:
            return None
        message = f"Pfauth {word} for user '{_NAME}'. Call status: {tail}"
        line = f"{_START}{self._head}|{_GUID}|{message}"
        event = parser.line(line, _OFFSETS[0], [])
        pieces = self._cut(parser, event, [_START, self._ids[0]], line, message, [str(_OFFSETS[0]), _GUID])
        if not pieces or not parser.completions:
            return None
        (code, success), counts = parser.completions[0][8:10], parser.counts
        tally = Tally(1, code.status_class, not code.known, counts.conflicts > 0)
        result = Result(pieces, code, success, tally, _json_inside(tail))
        self.results[word, tail] = result
        return result

    def _parser(self) -> Parser | None:
        """A parser for one more template, or None when there are enough."""
        self._left -= 1
        return self._scratch(self._file) if self._left >= 0 else None

    def _cut(
        self, parser: Parser, event: str, before: list[str], line: str, message: str | None, behind: list[str]
    ) -> Pieces | None:
        """Cut at the marks in front of the original line, the line, its message, the user with the
        process, and the marks behind. Without the original line there is an empty piece for it."""
        keeps = parser.options.keep_original
        user = _USER + process_json(_PID, _TID)
        texts = [_json_inside(line)] * keeps + ([_json_inside(message)] if message is not None else [])
        pieces = cut(event, [*before, *texts, user, *behind])
        if pieces is None or any(str(offset) in piece for offset in _OFFSETS for piece in pieces):
            return None
        at = len(before) + 1
        return pieces if keeps else (*pieces[:at], "", *pieces[at:])
