"""Recognize files that hold records instead of lines, by their first bytes. Pure.

JSON lines stay lines, because a damaged line damages no other. So a file that begins with `{` holds records only if
its first object goes on in the next line, or another object follows in the same line.
"""

import csv
import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final

from shipper.model import Export
from shipper.read.frames import FrameRecords, begins_frame
from shipper.read.grammars import LOG_NAME, Edge, JsonRecords

IsHeader = Callable[[Sequence[str]], bool]
"""True if these are column names of a CSV of Windows events."""


class Undecided(Enum):
    """More bytes are needed."""

    YET = 0


UNDECIDED: Final = Undecided.YET
_Answer = Export | Undecided | None

_BLANKS = " \t\r\n\0"
_XML = re.compile(r"<(?:\?xml[\s?]|(?:[\w.-]{1,64}:)?Events?[\s/>])")
_XML_BEGINS = re.compile(r"<(?:\?(?:x(?:m(?:l)?)?)?|[\w.-]{0,64}:?(?:E(?:v(?:e(?:n(?:ts?)?)?)?)?)?)?")
_BLOCK = re.compile(LOG_NAME + r"[ \t]|Event\[[0-9]{1,9}\]:?\r?\n|[0-9][0-9/.: -]{9,30}(?: [AP]M)?\r?\nLogName=")
_TYPE = re.compile(r"#TYPE [^\n]*\n")
_DAY_FIRST = re.compile(r"[0-9]{1,4}[/.-][0-9]{1,2}[/.-][0-9]{1,4} ")  # no line of MFA Server begins like this
_FRAME = re.compile(r"[1-9][0-9]{0,6} <[0-9]{1,3}>")
_LONGEST_DAY = 13  # characters of `_DAY_FIRST`, or of `_FRAME`
_SEPARATORS = ",;\t"
csv.field_size_limit(1 << 20)  # characters, the most a row has; with the library's default a long field would be an error


def export_of(text: str, is_header: IsHeader | None, *, final: bool) -> Export | Undecided | None:
    """The export that a file beginning with `text` is; None if it holds lines.

    Args:
        text: begins behind the byte order mark, and may hold surrogates for bytes that do not decode. `Export.start` of
            the result counts its characters.
        is_header: without it, no CSV is recognized.
        final: nothing follows, or enough was seen: the result is not `UNDECIDED`.
    """
    begin = len(text) - len(text.lstrip(_BLANKS))
    first = text[begin : begin + 1]
    if not first:
        answer: _Answer = UNDECIDED
    elif first in "{[":
        answer = _json(text, begin, final=final)
    elif first == "<":
        answer = _xml(text, begin)
    elif _FRAME.match(text, begin):
        answer = _frames(text, begin, final=final)
    elif first.isdigit() and not _DAY_FIRST.match(text, begin):  # a line of MFA Server begins like this
        answer = UNDECIDED if len(text) - begin < _LONGEST_DAY and "\n" not in text[begin:] else None
    else:
        answer = _table_or_blocks(text, begin, is_header, final=final)
    return None if final and answer is UNDECIDED else answer


def _json(text: str, begin: int, *, final: bool) -> _Answer:
    if text[begin] == "[":
        value = text[begin + 1 :].lstrip(_BLANKS)[:1]
        return Export("json") if value and value in "{]" else UNDECIDED if not value else None
    data = bytearray(text.encode("utf-8", "surrogateescape"))
    grammar = JsonRecords()
    _, start = grammar.step(data, 0, final=final)
    edge, end = grammar.step(data, start, final=final)
    if edge is Edge.MORE:
        return Export("json") if b"\n" in data[start:].rstrip() else UNDECIDED
    written = data[start:end].rstrip()
    if b"\n" in written:
        return Export("json")
    behind = data[start + len(written) :].lstrip(b" \t\r")
    return UNDECIDED if not behind else None if behind[:1] == b"\n" else Export("json")


def _frames(text: str, begin: int, *, final: bool) -> _Answer:
    """Frames with a line end behind each are read as lines."""
    data = bytearray(text[begin:].encode("utf-8", "surrogateescape"))
    grammar = FrameRecords()
    _, start = grammar.step(data, 0, final=final)
    edge, end = grammar.step(data, start, final=final)
    if edge is Edge.MORE:
        return UNDECIDED
    return Export("frames") if begins_frame(data, end) else None


def _xml(text: str, begin: int) -> _Answer:
    if _XML.match(text, begin):
        return Export("xml")
    return UNDECIDED if _XML_BEGINS.fullmatch(text, begin) else None


def _table_or_blocks(text: str, begin: int, is_header: IsHeader | None, *, final: bool) -> _Answer:
    if _BLOCK.match(text, begin):
        return Export("text")
    typed = _TYPE.match(text, begin)
    start = typed.end() if typed else begin
    end = text.find("\n", start)
    if end < 0 and not final:
        return UNDECIDED
    header = text[start : end + 1] if end >= 0 else text[start:]
    for delimiter in _SEPARATORS:
        columns = fields_of(header.rstrip("\r\n"), delimiter)
        if is_header is not None and columns is not None and is_header(columns):
            return Export("csv", start + len(header), tuple(columns), delimiter)
    undated = text[begin:end] if end >= 0 else ""
    return UNDECIDED if _DAY_FIRST.match(undated) and text.find("\n", end + 1) < 0 else None


def fields_of(row: str, delimiter: str) -> list[str] | None:
    """The fields of one row of a CSV; None if `row` is not CSV, or holds more than one row."""
    try:
        rows = list(csv.reader([row], delimiter=delimiter))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None
