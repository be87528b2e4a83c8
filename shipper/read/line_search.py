"""The search for the end of a line that is longer than a read. I/O through the content.

A file may be a hole of hundreds of gigabytes, or a line without end, and other files must be read as well. So a
call examines at most `A_CALL` bytes, and the next call continues there.
"""

from typing import NamedTuple

from shipper.read.content import Content
from shipper.read.lines import LineRules, behind_lead, lead, next_newline

SCAN = 256 * 1024  # bytes per read
LONGEST_MARK = 4  # bytes at the end of a read that may be an incomplete byte order mark
A_CALL = 64 * 1024 * 1024  # bytes per call, which take some hundredths of a second


class Span(NamedTuple):
    """A line: where it begins, behind NULs and byte order marks, and where the next line begins."""

    begin: int
    behind: int


class LineSearch:
    """The progress of the search for the end of one line.

    Attributes:
        scanned: no line end stands between the beginning of the line and this offset.
        unfinished: the last call stopped at its limit, not at the end of the data.
    """

    def __init__(self, offset: int) -> None:
        """The line begins at `offset`."""
        self.scanned = offset
        self.unfinished = False
        self._begin = offset  # up to here there are only NULs and byte order marks, which are not part of the line
        self._begun = False

    def end(self, content: Content, rules: LineRules, seen: int, *, final: bool) -> Span | None:
        """Continue the search; return the line, None while its end is not found.

        Args:
            content: of the file.
            rules: how its lines end.
            seen: up to this offset there is no line end.
            final: the last line of the file needs no line end.

        Raises:
            OSError: the file cannot be read.
        """
        at = max(self.scanned, seen)
        for _ in range(A_CALL // SCAN):
            self._pass_lead(content, rules, at + SCAN)
            data = content.at(at, SCAN)
            end = next_newline(data, rules.newline)
            if end >= 0:
                return self._span(content, rules, at + end + rules.unit)
            if len(data) < SCAN:
                self.unfinished = False
                self.scanned = at + rules.whole_characters(len(data))
                return self._span(content, rules, at + len(data)) if final else None
            at += SCAN
        self.scanned = at
        self.unfinished = True
        return None

    def _span(self, content: Content, rules: LineRules, behind: int) -> Span:
        self.unfinished = False
        return Span(behind_lead(content.at, self._begin, behind, rules.encoding), behind)

    def _pass_lead(self, content: Content, rules: LineRules, until: int) -> None:
        """Find the first byte of the line, if it is before `until`. From then on the beginning of the line is held, because
        going back to it would mean unpacking a compressed file again."""
        while not self._begun and self._begin + LONGEST_MARK < until:
            data = content.at(self._begin, min(SCAN, until - self._begin))
            size = lead(data[:-LONGEST_MARK], rules.encoding)
            if not size:
                self._begun = len(data) > LONGEST_MARK and not lead(data, rules.encoding)
                break
            self._begin += size
        if self._begun:
            content.hold(self._begin, rules.longest)
