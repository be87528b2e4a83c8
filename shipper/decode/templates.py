"""Templates of the fast path: events that the general path made from marked lines, cut at the marks. Pure.

So a field that is added to the general path is in the templates too.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from shipper.decode.ecs import shared_json
from shipper.decode.parser import Parser
from shipper.decode.pieces import Pieces, cut, json_inside, process_json, text_of
from shipper.decode.principal import user_key
from shipper.model import VARIES, Code, Counts, LogFile, Origin, User

CALL = "|Calling pfAuthUser('"
VERDICT = "|authResult = "
STATUS = "|rawCallStatus = "

LIMIT = 512  # templates for one level and component; making one costs as much as a few lines on the general path

# Marks: valid values that appear nowhere else in an event.
START, END, DURATION = "1987-06-05T04:03:02.100000Z", "1987-06-05T04:03:03.223344Z", "1123344000"
OFFSETS = (770000000000000001, 770000000000000002, 770000000000000003)
_PID, TID = "880000000000000001", "880000000000000002"
NAME, GUID = "mark-7-user-7-mark", "7a7a7a7a-7b7b-7c7c-7d7d-7e7e7e7e7e7e"
STATE = "8a8a8a8a-8b8b-8c8c-8d8d-8e8e8e8e8e8e"  # the id of a challenge
USER = shared_json(User(NAME, None, None, user_key(NAME, None)), None)
MARKS = (START, END, DURATION, *map(str, OFFSETS), _PID, TID, NAME, GUID, STATE)

_REQUEST = f"{CALL}{NAME}', '', 1)"
_QUOTE = "['\u2018-\u201f]"  # as the service writes it, or as word processors change it
_TAIL = re.compile(rf"{_QUOTE}(?:, (?:{_QUOTE}?[A-Za-z0-9._:-]{{0,64}}{_QUOTE}|[A-Za-z0-9._:-]{{1,64}})){{0,8}}\)")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,8}")
_RESULT_TAIL = re.compile(r'[A-Z][A-Z0-9_]{0,127} - "[A-Za-z0-9 #+.-]{1,99}"\.')

_VERDICTS = {"success": 1, "failure": 0, "unknown": 2}  # an authResult for each outcome


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """What each use of a template adds to the counts; compared by identity, which is cheap to count.

    `lines` is 2 for a verdict with its status, 1 for a result.
    """

    lines: int
    status_class: str
    unknown: bool
    conflict: bool


def count(counts: Counts, tallies: list[Tally]) -> None:
    """Add the tallies of all uses of templates to the counts."""
    for tally, number in Counter(tallies).items():
        counts.lines += number * tally.lines
        counts.verdicts += number * (tally.lines - 1)
        counts.statuses += number * (tally.lines - 1)
        counts.results += number * (2 - tally.lines)
        counts.unknown_codes += number * tally.unknown
        counts.conflicts += number * tally.conflict
        counts.classes[tally.status_class] += number


# Plain tuples, because they are unpacked for every event, which takes twice as long with named tuples.
# An event with gaps: the text between the gaps, and what all events made from it share.
Template = tuple[Pieces, Origin]
# A verdict and its status: pieces and origin of each; then code, success and tally of the completed authentication.
Pair = tuple[Pieces, Origin, Pieces, Origin, Code, bool, Tally]
# A one-line result: pieces, origin, code, success, tally, and the text after `Call status: `, escaped for JSON.
Result = tuple[Pieces, Origin, Code, bool, Tally, str]


class Half(NamedTuple):
    """A verdict without its status, or a status without its verdict, of an open exchange.

    Attributes:
        event: the template of the line's event.
        counts: what one such line adds to the counts.
        outcome: of a verdict: the outcome that the exchange has from now on.
        code, success: of a status: how the authentication ended.
    """

    event: Template
    counts: Counts
    outcome: str | None
    code: Code | None
    success: bool


def _sample(value: Any) -> Any:
    """A marked event with `VARIES` for every value that differs between the events of its template."""
    if isinstance(value, dict):
        return {name: VARIES if name in ("user", "related") else _sample(inner) for name, inner in value.items()}
    text = str(value)
    return VARIES if any(mark in text for mark in MARKS) else value


def cut_event(
    parser: Parser, index: int, before: list[str], lines: list[str], messages: list[str], behind: list[str]
) -> Template | None:
    """Cut event number `index` of a parser at its marks; None if that fails.

    Args:
        parser: has parsed the marked lines.
        index: of the event in `parser.texts`.
        before: the marks before the original lines.
        lines: the original lines; without `keep_original`, the template gets an empty piece for each.
        messages: the text of `message`, if it varies.
        behind: the JSON of user and process, and the marks after it.
    """
    keeps = parser.options.keep_original
    texts = [json_inside(line) for line in (*(lines if keeps else ()), *messages)]
    event, label = parser.texts[index], parser.labels[index]
    pieces = cut(event, [*before, *texts, *behind])
    if pieces is None or any(str(offset) in piece for offset in OFFSETS for piece in pieces):
        return None
    at = len(before) + 1
    gaps = () if keeps else ("",) * len(lines)
    sample = _sample(orjson.loads(event.encode("latin-1")))
    origin = Origin(label[2].path, label[2].dataset, label[2].kind, sample, label[2].host)
    return (*pieces[:at], *gaps, *pieces[at:]), origin


class Templates:
    """The templates of one file, level and component.

    A template is made when a line first needs it, by a new parser (`scratch`), so that the state of the
    log does not change. There is none for a text that is not plain, nor for any further text once `LIMIT`
    are made: a log with new text in every line must not cost memory and time for templates used once.
    """

    def __init__(
        self,
        scratch: Callable[[LogFile], Parser],
        file: LogFile,
        level: str,
        component: str,
        around: Callable[[str], str] = str,
        ids: str = "process thread request",
    ) -> None:
        """
        Args:
            scratch: makes a parser with a new state.
            file: whose lines the templates are for.
            level: of the lines.
            component: of the lines.
            around: turns a line as MFA Server writes it into a line of the file.
            ids: the ids that `around` keeps.
        """
        self._scratch = scratch
        self._around = around
        process = process_json(_PID, TID if "thread" in ids else None) if "process" in ids else ""
        self._shared = USER + process
        self._request_ids = [GUID] if "request" in ids else []
        self._file = file
        self.level = level
        self.component = component
        self._head = f"|{level}|{_PID}|{TID}|{component}"
        self._ids = [f"{file.fingerprint}-{offset}" for offset in OFFSETS]
        self.requests: dict[str, Template] = {}
        self.pairs: dict[tuple[str, str], Pair] = {}
        self.merged: dict[tuple[str, str, str], Pair] = {}
        self.results: dict[tuple[str, str], Result] = {}
        self._verdicts: dict[str, Half] = {}
        self._statuses: dict[tuple[str | None, str], Half] = {}
        self._left = LIMIT

    def request(self, tail: str, opening: str = "'") -> Template | None:
        """The template of requests with the quote `opening` before the user and `tail`, from the closing quote on, behind; None
        if there is none. Both texts are UTF-8 read as latin-1."""
        behind = text_of(tail)
        parser = self._parser() if _TAIL.fullmatch(behind) else None
        if parser is None:
            return None
        message = f"{CALL[1:-1]}{text_of(opening)}{NAME}{behind}"
        line = self._around(f"{START}{self._head}|{message}")
        parser.line(line, OFFSETS[0], [])
        offset, event_id = str(OFFSETS[0]), self._ids[0]
        template = self._cut(parser, 0, [START, event_id], [line], [message], [offset, event_id])
        if template and opening == "'":
            self.requests[tail] = template
        return template

    def pair(self, verdict: str, status: str) -> Pair | None:
        """The templates of a verdict and the status right after it, by their numbers; None if there are none."""
        parser, lines = self._exchange(verdict, status)
        if parser is None:
            return None
        _, id_2, id_3 = self._ids
        _, offset_2, offset_3 = map(str, OFFSETS)
        request_id = self._ids[0]
        v = self._cut(parser, 1, [END, id_2], [lines[1]], [], [offset_2, request_id])
        s = self._cut(parser, 2, [END, id_3, START, END, DURATION], [lines[2]], [], [offset_3, request_id])
        if not v or not s:
            return None
        pair = (*v, *s, *self._decided(parser, 2))
        self.pairs[verdict, status] = pair
        return pair

    def merge(self, tail: str, verdict: str, status: str) -> Pair | None:
        """The template of the event that a request, a verdict and a status are merged into; None if there is none.

        A `Pair` like those of `pair`, with the merged event as both halves.
        """
        half = self.merged_status(tail, verdict, status)
        if half is None or half.code is None:
            return None
        tally = Tally(2, half.code.status_class, not half.code.known, half.counts.conflicts > 0)
        pair = (*half.event, *half.event, half.code, half.success, tally)
        self.merged[tail, verdict, status] = pair
        return pair

    def merged_status(self, tail: str, verdict: str | None, status: str, opening: str = "'") -> Half | None:
        """The template of the event that a request, a verdict unless None, and a status are merged into; None if there is none.
        For `tail` and `opening` see `request`; the event has a gap for each original line."""
        behind, numbers = text_of(tail), [status] if verdict is None else [verdict, status]
        parser = self._parser() if _TAIL.fullmatch(behind) and all(map(_INTEGER.fullmatch, numbers)) else None
        if parser is None:
            return None
        parser.state.merges = True
        verdicts = [] if verdict is None else [f"{VERDICT}{verdict}"]
        before = [END, self._ids[1 + len(verdicts)], START, END, DURATION]
        return self._half(parser, [*verdicts, f"{STATUS}{status}"], before, f"{CALL[:-1]}{text_of(opening)}{NAME}{behind}")

    def verdict(self, verdict: str) -> Half | None:
        """The template of a verdict with this number whose status does not follow at once; None if there is none."""
        if verdict in self._verdicts:
            return self._verdicts[verdict]
        parser = self._parser() if _INTEGER.fullmatch(verdict) else None
        if parser is None:
            return None
        half = self._half(parser, [f"{VERDICT}{verdict}"], [END, self._ids[1]])
        if half:
            self._verdicts[verdict] = half
        return half

    def status(self, outcome: str | None, status: str) -> Half | None:
        """The template of a status with this number in an exchange whose verdict was `outcome` (None: no verdict yet)."""
        if (outcome, status) in self._statuses:
            return self._statuses[outcome, status]
        parser = self._parser() if _INTEGER.fullmatch(status) else None
        if parser is None:
            return None
        verdicts = [f"{VERDICT}{_VERDICTS[outcome]}"] if outcome else []
        half = self._half(parser, [*verdicts, f"{STATUS}{status}"], [END, self._ids[1 + len(verdicts)], START, END, DURATION])
        if half:
            self._statuses[outcome, status] = half
        return half

    def _half(self, parser: Parser, messages: list[str], before: list[str], request: str = _REQUEST) -> Half | None:
        """The template of the last of these messages, which follow a request, or of all the lines if they are merged."""
        lines = [f"{START}{self._head}{request}", *(f"{END}{self._head}{message}" for message in messages)]
        lines = [self._around(line) for line in lines]
        for line, offset in zip(lines, OFFSETS, strict=False):
            parser.counts.clear()
            parser.line(line, offset, [])
        parser.counts.merged = parser.state.take_merged()
        at, shown = (0, lines) if parser.state.merges else (len(messages), lines[-1:])
        template = self._cut(parser, at, before, shown, [], [str(OFFSETS[len(messages)]), self._ids[0]])
        if not template:
            return None
        if not parser.completions:
            [exchange] = parser.state.of(self.component).exchanges.open.values()
            return Half(template, parser.counts, exchange[5], None, False)
        code, success = parser.completions[0][8:10]
        return Half(template, parser.counts, None, code, success)

    def result(self, word: str, tail: str) -> Result | None:
        """The template of a one-line result with this word and the text after `Call status: `; None if there is none."""
        parser = self._parser() if word in ("succeeded", "failed") and _RESULT_TAIL.fullmatch(tail) else None
        if parser is None:
            return None
        message = f"Pfauth {word} for user '{NAME}'. Call status: {tail}"
        line = self._around(f"{START}{self._head}|{GUID}|{message}")
        parser.line(line, OFFSETS[0], [])
        template = self._cut(parser, 0, [START, self._ids[0]], [line], [message], [str(OFFSETS[0]), *self._request_ids])
        if not template or not parser.completions:
            return None
        result = (*template, *self._decided(parser, 1), json_inside(tail))
        self.results[word, tail] = result
        return result

    def _exchange(self, verdict: str, status: str) -> tuple[Parser | None, list[str]]:
        """A parser that has parsed a marked exchange, and its three lines; no parser if the numbers are not plain."""
        parser = self._parser() if _INTEGER.fullmatch(verdict) and _INTEGER.fullmatch(status) else None
        if parser is None:
            return None, []
        lines = [f"{START}{self._head}{_REQUEST}"]
        lines += [f"{END}{self._head}{VERDICT}{verdict}", f"{END}{self._head}{STATUS}{status}"]
        lines = [self._around(line) for line in lines]
        for line, offset in zip(lines, OFFSETS, strict=True):
            parser.line(line, offset, [])
        return parser, lines

    def _parser(self) -> Parser | None:
        """A parser for another template; None once `LIMIT` are made."""
        self._left -= 1
        return self._scratch(self._file) if self._left >= 0 else None

    def _decided(self, parser: Parser, lines: int) -> tuple[Code, bool, Tally]:
        """Code, success and tally of the authentication that a parser completed, with the `lines` of the tally."""
        code, success = parser.completions[0][8:10]
        return code, success, Tally(lines, code.status_class, not code.known, parser.counts.conflicts > 0)

    def _cut(
        self, parser: Parser, index: int, before: list[str], lines: list[str], messages: list[str], behind: list[str]
    ) -> Template | None:
        return cut_event(parser, index, before, lines, messages, [self._shared, *behind])
