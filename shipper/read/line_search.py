"""The search for the end of a line that is longer than a read. I/O through the content.

A file may be a hole of hundreds of gigabytes, or a line without end, and others want to be read as well. So a
call looks at `A_CALL` bytes at most, and the next one goes on there.
"""

from typing import NamedTuple

from shipper.read.content import Content
from shipper.read.lines import LineRules, behind_lead, lead, next_newline

SCAN = 256 * 1024  # bytes a read
LONGEST_MARK = 4  # bytes: one that is not there as a whole may still be a byte order mark
A_CALL = 64 * 1024 * 1024  # bytes, which take some hundredths of a second


class Span(NamedTuple):
    """A line: its first byte that is part of it, and where the next one begins."""

    begin: int
    behind: int


class LineSearch:
    """Where the search for the end of one line has come to.

    Attributes:
        scanned: there is no line end between the beginning of the line and here.
        unfinished: the last call ended because it had looked at enough, not because nothing more is there.
    """

    def __init__(self, offset: int) -> None:
        """The line begins at `offset`."""
        self.scanned = offset
        self.unfinished = False
        self._begin = offset  # up to here there is only what is no part of the line: NULs, byte order marks
        self._begun = False

    def end(self, content: Content, rules: LineRules, seen: int, *, final: bool) -> Span | None:
        """The line, None while its end is not found.

        Args:
            content: of the file.
            rules: how its lines end.
            seen: up to this offset there is no line end.
            final: the last line of the file needs none.

        Raises:
            OSError: it cannot be read.
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
        """Find the first byte of the line, if it is before `until`. Of a compressed file its beginning is kept from then
        on, because going back to it would mean to unpack the file once more."""
        while not self._begun and self._begin + LONGEST_MARK < until:
            data = content.at(self._begin, min(SCAN, until - self._begin))
            size = lead(data[:-LONGEST_MARK], rules.encoding)
            if not size:
                self._begun = len(data) > LONGEST_MARK and not lead(data, rules.encoding)
                break
            self._begin += size
        if self._begun:
            content.hold(self._begin, rules.longest)
