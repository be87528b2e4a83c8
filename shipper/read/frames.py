"""Frames of syslog: each message behind the number of its bytes, with or without line ends between them (RFC 6587). Pure.

    83 <134>1 2017-02-14T02:57:19Z mfa01 pfsvc - - - …83 <134>1 …

A collector that writes down what it receives leaves them so, and the count alone tells where a message ends. It is
believed where it leads to the next frame, to a line end or to the end of the file. Where it does not, the record goes
on to the next line end or to the next frame whose own count is right, so that a wrong count costs one record.
"""

import re

from shipper.read.grammars import Between, Edge, Step

LONGEST_FRAME = 64 * 1024  # bytes; no sender of syslog writes more, so a larger count is none

_COUNT = re.compile(rb"([1-9][0-9]{0,6}) (?=<[0-9]{1,3}>)")
_LONGEST_COUNT = 13  # bytes of a count and a priority
_FOLLOWS = re.compile(rb"\r?\n|[\0\xef]|[1-9][0-9]{0,6} <[0-9]{1,3}>")
_FOLLOWS_PERHAPS = re.compile(rb"\r?|[1-9][0-9]{0,6}(?: (?:<[0-9]{0,3})?)?")  # if more bytes come
_EDGE = re.compile(rb"\n|[1-9][0-9]{0,6} <[0-9]{1,3}>")
_DIGITS_PERHAPS = re.compile(rb"[1-9][0-9]{0,6}(?: (?:<[0-9]{0,3})?)?$")


def begins_frame(data: bytes | bytearray, at: int = 0) -> bool:
    """True if a count and a message of syslog stand at `at`."""
    return _COUNT.match(data, at) is not None


class FrameRecords(Between):
    """Frames, and the lines between them that are none."""

    def _first(self, data: bytearray, at: int, final: bool) -> Step:
        self._state = FrameRecords._counted
        return Edge.BEGIN, at

    def _counted(self, data: bytearray, at: int, final: bool) -> Step:
        """The state at the beginning of a record, which stays there until the end of the frame is known."""
        if not final and len(data) - at < _LONGEST_COUNT and b"\n" not in data[at:]:
            return Edge.MORE, at
        found = _COUNT.match(data, at)
        fits = found is not None and _fits(data, _end(found), final)
        if fits is None:
            return Edge.MORE, at
        if found is None or not fits:
            self._state = FrameRecords._uncounted
            return self._uncounted(data, at + 1, final)
        self._state = Between.between
        return Edge.END, _end(found)

    def _uncounted(self, data: bytearray, at: int, final: bool) -> Step:
        """The state in a record whose count is wrong, or that has none."""
        while (found := _EDGE.search(data, at)) is not None:
            if data[found.start()] == ord("\n"):
                self._state = Between.between
                return Edge.END, found.start()
            # Digits before a count run into it: `authResult = 1` and `83 <134>1` make `183 <134>1`. The smallest count
            # that is right is taken, since it waits for the fewest bytes.
            for begin in range(data.index(b" ", found.start()) - 1, found.start() - 1, -1):
                count = _COUNT.match(data, begin)
                fits = count is not None and _fits(data, _end(count), final)
                if fits is None:
                    return Edge.MORE, found.start()
                if fits:
                    self._state = Between.between
                    return Edge.END, begin
            at = found.end()
        begun = _DIGITS_PERHAPS.search(data, max(at, len(data) - _LONGEST_COUNT))
        return Edge.MORE, begun.start() if begun else len(data)


def _end(count: "re.Match[bytes]") -> int:
    """Where a frame ends, by its count; far away if the count is none."""
    size = int(count[1])
    return count.end() + (size if size <= LONGEST_FRAME else 1 << 62)


def _fits(data: bytearray, end: int, final: bool) -> bool | None:
    """True if a frame can end at `end`; None if more bytes must tell."""
    if end >= 1 << 62:
        return False
    if end >= len(data):
        return end == len(data) if final else None
    if data[end - 1] == ord("\n") or _FOLLOWS.match(data, end):
        return True
    behind = data[end : end + _LONGEST_COUNT]
    if len(behind) == _LONGEST_COUNT or not _FOLLOWS_PERHAPS.fullmatch(behind):
        return False
    return True if final else None
