"""Templates, for the kernel, of lines that repeat except for time and thread: log messages, verdicts and statuses without a
request, and lines that are not understood. See `kernel_parser.py`. Pure.

A template is an event that the general path made from a marked line, cut at the marks. The rest of the event may contain text
that looks like a mark, so a template is used only if, filled with other values, it equals the general path's event for them.
"""

from collections.abc import Callable
from typing import NamedTuple

from shipper.decode.parser import Parser
from shipper.decode.pieces import process_json, weave
from shipper.decode.templates import END, OFFSETS, START, Template, cut_event
from shipper.model import Counts, LogFile

LIMIT = 512  # templates of a file; making one costs as much as a few lines on the general path
_THREADS = (("880000000000000001", "880000000000000002"), ("880000000000000003", "880000000000000004"))


class Repeated(NamedTuple):
    """The effect of a line that repeats.

    Attributes:
        event: the template of its event.
        counts: what one such line adds to the counts.
        key: of the user that it names; empty if it names none.
    """

    event: Template
    counts: Counts
    key: str


class RepeatedLines:
    """The templates of one file."""

    def __init__(self, scratch: Callable[[LogFile], Parser], file: LogFile) -> None:
        """`scratch` makes a parser with a new state."""
        self._scratch = scratch
        self._file = file
        self._left = 2 * LIMIT  # parsers: two for each template

    def message(self, level: str, component: str, message: bytes, *, orphan: bool) -> Repeated | None:
        """The template of the lines of a level and component with this message; None if there is none.

        Its gaps are time stamp, id, the original line up to the message, process, and offset. `orphan`: the message is a verdict
        or status of a thread without a request; any other message must have no effect but its event.
        """
        made = []
        for stamp, offset, (pid, tid) in zip((START, END), OFFSETS, _THREADS, strict=False):
            parser = self._parser()
            if parser is None:
                return None
            head = f"{stamp}|{level}|{pid}|{tid}|{component}"
            parser.raw(b"%s|%s\r" % (head.encode(), message), offset, ended=True)
            counts = parser.counts
            if (counts.orphans if orphan else counts.logs) != 1 or parser.completions or parser.state.open:
                return None
            made.append((parser, [stamp, self._id(offset), head, process_json(pid, tid), str(offset)]))
        (parser, (stamp, event_id, head, *behind)), other = made
        return self._checked(parser, cut_event(parser, 0, [stamp, event_id], [head], [], behind), *other)

    def line(self, line: bytes) -> Repeated | None:
        """The template of a line that is not understood; None if there is none. Its gaps are time stamp, id and offset."""
        made = []
        for stamp, offset in zip((START, END), OFFSETS, strict=False):
            parser = self._parser()
            if parser is None:
                return None
            parser.last_time = stamp
            parser.raw(b"%s\r" % line, offset, ended=True)
            if parser.counts.unparsed != 1 or parser.last_time != stamp:
                return None
            made.append((parser, [stamp, self._id(offset), str(offset)]))
        (parser, (stamp, event_id, offset_text)), other = made
        return self._checked(parser, cut_event(parser, 0, [stamp, event_id], [], [], [offset_text]), *other)

    def _checked(self, parser: Parser, event: Template | None, other: Parser, values: list[str]) -> Repeated | None:
        """The template, if with `values` it equals the event of `other`."""
        if event is None:
            return None
        if not parser.options.keep_original and len(values) > len(OFFSETS):
            values = [*values[:2], "", *values[3:]]
        if weave(event[0], values) != other.texts[0]:
            return None
        return Repeated(event, parser.counts, parser.labels[0][3] or "")

    def _parser(self) -> Parser | None:
        self._left -= 1
        return self._scratch(self._file) if self._left >= 0 else None

    def _id(self, offset: int) -> str:
        return f"{self._file.fingerprint}-{offset}"
