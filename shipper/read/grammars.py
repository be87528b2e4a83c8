"""Where the records of an export begin and end: JSON, XML, CSV, text. Pure.

A grammar is a state machine over the bytes of a file. `step` advances from a position and returns what it finds: a record
`BEGIN`s, a record `END`s, what began is not a record (`DROP`: a comment), or `MORE` bytes are needed to go on from the
returned position. The result never depends on how the bytes arrive, and each byte is examined a fixed number of times.

Between two records a grammar keeps no state, so that reading can resume there after a restart. Anything between records
that is not a separator is a record as well, up to the end of its line, so that nothing disappears.
A broken record ends where the next one visibly begins.
"""

import re
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

LOOK_BACK = 256  # bytes before its position that a grammar may look at
DEEPEST = 512  # nested brackets; no exporter writes records with more
_BOM = b"\xef\xbb\xbf"
# The beginning of an Event Viewer block in English, German, French, Spanish, Italian. French has a blank before the colon.
LOG_NAME = r"(?:Log Name:|Protokollname:|Nom du journal[^\n:]{0,2}:|Nombre de registro:|Nome registro:)"


class Edge(Enum):
    """What a grammar finds at a position."""

    BEGIN = 1
    END = 2
    DROP = 3
    MORE = 4


Step = tuple[Edge, int]


class Grammar(Protocol):
    """Finds the records of one form in the bytes of a file; UTF-16 is reduced to one byte per character first.

    Attributes:
        resting: no byte follows for now, so a record that states its length may end there.
    """

    resting: bool

    def step(self, data: bytearray, at: int, *, final: bool) -> Step:
        """Find what comes next in `data`, at `at` or behind it. `final`: no byte follows `data`."""
        ...


class Between:
    """The base of all grammars: the state between records, and records that are only the rest of a line."""

    _separators = re.compile(rb"(?:[\s\0]|\xef\xbb\xbf)*+")
    resting = False

    def __init__(self) -> None:
        # A function, not a method of this object: that would be a reference cycle.
        self._state: Callable[[Any, bytearray, int, bool], Step] = Between.between

    def step(self, data: bytearray, at: int, *, final: bool) -> Step:
        """See `Grammar`."""
        return self._state(self, data, at, final)

    def between(self, data: bytearray, at: int, final: bool) -> Step:
        """The state between two records."""
        found = self._separators.match(data, at)
        assert found is not None
        at = found.end()
        if at == len(data) or (not final and len(data) - at < len(_BOM) and _BOM.startswith(data[at:])):
            return Edge.MORE, at
        return self._first(data, at, final)

    def _first(self, data: bytearray, at: int, final: bool) -> Step:
        """Classify what begins at `at`, which is not a separator."""
        raise NotImplementedError

    def rest_of_line(self, data: bytearray, at: int, final: bool) -> Step:
        """The state inside a record that ends with its line."""
        end = data.find(b"\n", at)
        if end < 0:
            return Edge.MORE, len(data)
        self._state = Between.between
        return Edge.END, end


class JsonRecords(Between):
    """Objects: in an array, one after the other, or one per line.

    A string ends with its line at the latest, and an opening bracket where JSON allows no value begins the next record, so
    a record that was not written to its end damages no other.
    """

    _separators = re.compile(rb"(?:[\s\0,\[\]\x1e]|\xef\xbb\xbf)*+")
    _token = re.compile(rb'"(?:[^"\\\n]++|\\[^\n])*+(["\n])?|[{}\[\]]')
    _string_rest = re.compile(rb'(?:[^"\\\n]++|\\[^\n])*+(["\n])?')
    _null = b"null"

    def __init__(self) -> None:
        super().__init__()
        self._open = bytearray()  # the brackets around the position

    def _first(self, data: bytearray, at: int, final: bool) -> Step:
        if data[at] == ord("{"):
            self._open.clear()
            self._state = JsonRecords._inside
        elif data.startswith(self._null, at) and data[at + 4 : at + 5].strip(b",]") != data[at + 4 : at + 5]:
            self._state = JsonRecords._behind_null
        elif not final and len(data) - at <= len(self._null) and self._null.startswith(data[at:]):
            return Edge.MORE, at
        else:
            self._state = Between.rest_of_line
        return Edge.BEGIN, at

    def _behind_null(self, data: bytearray, at: int, final: bool) -> Step:
        self._state = Between.between
        return Edge.END, at + len(self._null)

    def _inside(self, data: bytearray, at: int, final: bool) -> Step:
        while (found := self._token.search(data, at)) is not None:
            kind = data[found.start()]
            if kind == ord('"'):
                if found[1] is None and self._is_open(data, found.end()):
                    self._state = JsonRecords._string
                    return Edge.MORE, found.end()
                at = found.end()
            elif kind in b"{[":
                if self._open and not self._allows_value(data, found.start()):
                    self._state = Between.between
                    return Edge.END, found.start()
                if len(self._open) == DEEPEST:
                    return self._give_up(data, found.start(), final)
                self._open.append(kind)
                at = found.end()
            else:
                if self._open.pop() != kind - 2:  # in ASCII, the opening bracket stands two before the closing one
                    return self._give_up(data, found.start(), final)
                at = found.end()
                if not self._open:
                    self._state = Between.between
                    return Edge.END, at
        return Edge.MORE, len(data)

    def _string(self, data: bytearray, at: int, final: bool) -> Step:
        found = self._string_rest.match(data, at)
        assert found is not None
        if found[1] is None and self._is_open(data, found.end()):
            return Edge.MORE, found.end()
        self._state = JsonRecords._inside
        return self._inside(data, found.end(), final)

    @staticmethod
    def _is_open(data: bytearray, end: int) -> bool:
        """True if a string read up to `end` may go on; False if a backslash ends the line there."""
        return end >= len(data) - 1

    def _allows_value(self, data: bytearray, at: int) -> bool:
        """False if the bytes before `at` show that no value can begin there."""
        first = max(0, at - LOOK_BACK)
        while at > first and data[at - 1] in b" \t\r\n":
            at -= 1
        if at == first:
            return True
        return data[at - 1] in (b":" if self._open[-1] == ord("{") else b"[,")

    def _give_up(self, data: bytearray, at: int, final: bool) -> Step:
        self._state = Between.rest_of_line
        return self.rest_of_line(data, at, final)


class XmlRecords(Between):
    """`<Event>` elements, in `<Events>` or not, with a prefix or not. Declarations and comments between them are dropped.

    An element that was not closed ends at the next element, or at the end of `<Events>`.
    """

    _NAME = rb"(?:[\w.-]{1,64}:)?"
    _LONGEST = 128  # bytes of a token; an incomplete token at the end of the data is examined again
    _opening = re.compile(rb"<(?:(?P<event>" + _NAME + rb"Event(?=[\s/>]))|(?P<quiet>\?|!--|/?" + _NAME + rb"Events(?=[\s/>])))")
    _closing = rb"</" + _NAME + rb"Event(?:(?P<end>\s{0,32}>)|(?P<open>\s{1,32}\Z))"
    _token = re.compile(_closing + rb"|<!(?P<opaque>\[CDATA\[|--)|</?" + _NAME + rb"Events?(?=[\s/>])")

    def __init__(self) -> None:
        super().__init__()
        self._until = b""

    def _first(self, data: bytearray, at: int, final: bool) -> Step:
        found = self._opening.match(data, at)
        if found is None:
            if data[at] == ord("<") and not final and len(data) - at < self._LONGEST and b">" not in data[at:]:
                return Edge.MORE, at
            self._state = Between.rest_of_line
        elif found["event"]:
            self._state = XmlRecords._behind_opening
        else:
            self._until = {b"?": b"?>", b"!--": b"-->"}.get(found["quiet"], b">")
            self._state = XmlRecords._quiet
        return Edge.BEGIN, at

    def _behind_opening(self, data: bytearray, at: int, final: bool) -> Step:
        self._state = XmlRecords._inside
        return self._inside(data, at + 1, final)

    def _inside(self, data: bytearray, at: int, final: bool) -> Step:
        while (found := self._token.search(data, at)) is not None:
            if found["open"] and not final:  # its closing bracket may come next
                return Edge.MORE, found.start()
            if found["opaque"] is None:
                self._state = Between.between
                return Edge.END, found.end() if found["end"] else found.start()
            self._until = b"]]>" if found["opaque"][:1] == b"[" else b"-->"
            at = self._behind(data, found.end())
            if at < 0:
                self._state = XmlRecords._opaque
                return Edge.MORE, max(found.end(), len(data) - 2)
        return Edge.MORE, max(at, len(data) - self._LONGEST)

    def _behind(self, data: bytearray, at: int) -> int:
        """The offset behind the next `_until`; -1 if it has not come yet."""
        end = data.find(self._until, at)
        return end if end < 0 else end + len(self._until)

    def _opaque(self, data: bytearray, at: int, final: bool) -> Step:
        behind = self._behind(data, at)
        if behind < 0:
            return Edge.MORE, max(at, len(data) - 2)
        self._state = XmlRecords._inside
        return self._inside(data, behind, final)

    def _quiet(self, data: bytearray, at: int, final: bool) -> Step:
        behind = self._behind(data, at)
        if behind < 0:
            return Edge.MORE, max(at, len(data) - 2)
        self._state = Between.between
        return Edge.DROP, behind


class CsvRecords(Between):
    """Rows. A line end inside quotes belongs to its row; an opening quote counts only at the beginning of a field."""

    _separators = re.compile(rb"(?:[\r\n\0]|\xef\xbb\xbf)*+")

    def __init__(self, delimiter: str) -> None:
        super().__init__()
        self._field_end = re.compile(b"[" + re.escape(delimiter.encode()) + b"\n]")

    def _first(self, data: bytearray, at: int, final: bool) -> Step:
        self._state = CsvRecords._field
        return Edge.BEGIN, at

    def _field(self, data: bytearray, at: int, final: bool) -> Step:
        while at < len(data):
            if data[at] == ord('"'):
                closed, at = self._behind_quote(data, at + 1, final)
                if not closed:
                    self._state = CsvRecords._quoted
                    return Edge.MORE, at
            found = self._field_end.search(data, at)
            if found is None:
                self._state = CsvRecords._unquoted
                return Edge.MORE, len(data)
            if data[found.start()] == ord("\n"):
                self._state = Between.between
                return Edge.END, found.start()
            at = found.end()
        self._state = CsvRecords._field
        return Edge.MORE, at

    def _unquoted(self, data: bytearray, at: int, final: bool) -> Step:
        found = self._field_end.search(data, at)
        if found is None:
            return Edge.MORE, len(data)
        if data[found.start()] == ord("\n"):
            self._state = Between.between
            return Edge.END, found.start()
        return self._field(data, found.end(), final)

    def _quoted(self, data: bytearray, at: int, final: bool) -> Step:
        closed, at = self._behind_quote(data, at, final)
        if not closed:
            return Edge.MORE, at
        self._state = CsvRecords._unquoted
        return self._unquoted(data, at, final)

    def _behind_quote(self, data: bytearray, at: int, final: bool) -> tuple[bool, int]:
        """True and the offset behind the closing quote of a field; False and the offset from which to search on for it."""
        while (quote := data.find(b'"', at)) >= 0:
            if quote + 1 == len(data) and not final:
                return False, quote
            if data[quote + 1 : quote + 2] != b'"':
                return True, quote + 1
            at = quote + 2
        return False, len(data)


class TextRecords(Between):
    """Blocks of lines by Event Viewer (`Log Name:`, in its language), wevtutil (`Event[0]:`), Splunk (a time, `LogName=`)."""

    _LONGEST = 96
    _next = re.compile(rb"\n(?=" + LOG_NAME.encode() + rb"|Event\[[0-9]{1,9}\]|[0-9][0-9/.: -]{9,30}(?: [AP]M)?\r?\nLogName=)")

    def _first(self, data: bytearray, at: int, final: bool) -> Step:
        self._state = TextRecords._inside
        return Edge.BEGIN, at

    def _inside(self, data: bytearray, at: int, final: bool) -> Step:
        found = self._next.search(data, at)
        if found is None:
            return Edge.MORE, max(at, len(data) - self._LONGEST)
        self._state = Between.between
        return Edge.END, found.start()
