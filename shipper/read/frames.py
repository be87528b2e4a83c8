"""Syslog frames: each message behind its byte count, with or without line ends between them (RFC 6587). Pure.

    83 <134>1 2017-02-14T02:57:19Z mfa01 pfsvc - - - …83 <134>1 …

A collector that writes frames as received leaves only the count to tell where a message ends. Counts can be wrong, and
digits at the end of a message run into the next count: `authResult = 1` and `83 <134>1` make `183 <134>1`.
A count that is wrong by one would then turn the code 21 into 2. So a boundary among digits is trusted only if the
count behind it leads to a boundary too. A count that is wrong by a few bytes still settles that, because one digit more
or less would change it by far more. Counts of characters instead of bytes are understood.

A record whose end cannot be determined goes on to the next certain one: a line end, or digits that must be a count.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from shipper.read.grammars import Between, Edge, Step

LONGEST_FRAME = 64 * 1024  # bytes; no syslog sender writes more, so a larger number is not a count
NEAR = 4  # bytes by which a count may be wrong and still show which digits belong to it
SHORTEST = 10  # bytes of a message; among digits, a smaller number is not taken for its count

_COUNT = re.compile(rb"([1-9][0-9]{0,6}) (?=<[0-9]{1,3}>)")
_MOST_DIGITS = 7
_LONGEST_COUNT = 13  # bytes of a count and a priority
_EDGE = re.compile(rb"\r?\n|[0-9] <[0-9]{1,3}>")
_NEXT_COUNT = re.compile(rb"[0-9] <[0-9]{1,3}>")
_LONGEST_EDGE = 7
_DIGITS_PERHAPS = re.compile(rb"[0-9]{1,32}(?: (?:<[0-9]{0,3})?)?\Z")  # may become a count if more bytes come
_CUT_COUNT = re.compile(rb"[1-9][0-9]{0,6} (?:<[0-9]{0,3})?")  # cut off by the end of a file
_MARK = b"\xef\xbb\xbf"
_LONGEST_RUN = 32  # digits in a row that are examined
_DIGITS = b"0123456789"
_CONTINUATION = bytes(range(0x80, 0xC0))  # bytes of UTF-8 that begin no character
_ENDS_A_MESSAGE = re.compile(rb"[)\]}\"'*]|[A-Za-z)\"']\.")  # digits right behind this are not part of the message
_BEFORE_DIGITS = b" =-"  # a message does not end with these: the digits that follow are its own


def begins_frame(data: bytes | bytearray, at: int = 0) -> bool:
    """True if a count and a syslog message begin at `at`."""
    return _COUNT.match(data, at) is not None


class _Undecided(Exception):
    """More bytes are needed."""


class _Place(NamedTuple):
    """A place at which a message may end: a line end, the end of the file, or a run of digits from `first` to `last`."""

    first: int
    last: int
    digits: bool = False

    def distance(self, at: int) -> int:
        """Bytes from `at` to the nearest place."""
        return max(self.first - at, at - self.last, 0)


class FrameRecords(Between):
    """Frames, and lines between them that are not frames."""

    def _first(self, data: bytearray, at: int, final: bool) -> Step:
        self._state = FrameRecords._counted
        return Edge.BEGIN, at

    def _counted(self, data: bytearray, at: int, final: bool) -> Step:
        """The state at the beginning of a record, kept until the end of the frame is known."""
        count = _COUNT.match(data, at)
        if count is None and not final and len(data) - at < _LONGEST_COUNT and b"\n" not in data[at:]:
            return Edge.MORE, at
        try:
            end = None if count is None else self._end(data, count, final)
        except _Undecided:
            return Edge.MORE, at
        if end is None:
            self._state = FrameRecords._uncounted
            return self._uncounted(data, at + 1 if count is None else count.end(), final)
        self._state = Between.between
        return Edge.END, end

    def _uncounted(self, data: bytearray, at: int, final: bool) -> Step:
        """The state inside a record without a count, or whose count does not tell where it ends."""
        for place in _places(data, at, len(data)):
            try:
                end = self._boundary(data, place, None, final) if place.digits else place.last - 1
            except _Undecided:
                return Edge.MORE, place.first
            if end is not None:
                self._state = Between.between
                return Edge.END, end
        begun = _DIGITS_PERHAPS.search(data, max(at, len(data) - _LONGEST_RUN - _LONGEST_EDGE))
        return Edge.MORE, begun.start() if begun else len(data)

    def _end(self, data: bytearray, count: "re.Match[bytes]", final: bool) -> int | None:
        """Where a message ends by its count; None if the count does not tell."""
        for end in _ends(data, count):
            place = self._place(data, count.end(), end, final)
            if place is None or place.distance(end):
                continue
            if not place.digits:
                return end
            boundary = self._boundary(data, place, end, final)
            if boundary is not None:
                return boundary
        return None

    def _boundary(self, data: bytearray, place: _Place, counted: int | None, final: bool) -> int | None:
        """Where among digits the next count begins; None if unknown. `counted` is where the previous count says it begins."""
        if any(_ENDS_A_MESSAGE.fullmatch(data, max(0, place.first - length), place.first) for length in (1, 2)):
            return place.first
        for begin in range(place.last, max(place.first, place.last - _MOST_DIGITS + 1) - 1, -1):
            count = _COUNT.match(data, begin)
            if count is not None and int(count[1]) >= SHORTEST and self._leads(data, count, final):
                return begin
        return counted if place.first == counted and data[counted - 1] not in _BEFORE_DIGITS else None

    def _leads(self, data: bytearray, count: "re.Match[bytes]", final: bool) -> bool:
        """True if a count leads to, or near, the next place where a message can end."""
        for end in _ends(data, count):
            place = self._place(data, count.end(), end, final)
            if place is not None and _NEXT_COUNT.search(data, count.end(), place.first) is None:
                return True
        return False

    def _place(self, data: bytearray, begin: int, end: int, final: bool) -> _Place | None:
        """The place nearest to `end`, None if none is within `NEAR` bytes; the message begins at `begin`.

        Raises:
            _Undecided: more bytes are needed.
        """
        size, behind = len(data), end + NEAR + _LONGEST_COUNT
        near = min(_places(data, max(begin, end - NEAR), behind), key=lambda place: place.distance(end), default=None)
        if near is not None and not near.distance(end):
            return near
        at_end = (final or self.resting) and end == size
        begun = final and _CUT_COUNT.fullmatch(data, end) and data[end - 1] not in _BEFORE_DIGITS + _DIGITS
        if at_end or begun or data.startswith((b"\0", _MARK), end):
            return _Place(end, end)
        if not final and size < behind:
            raise _Undecided
        if final and abs(size - end) <= NEAR and (near is None or near.distance(end) > abs(size - end)):
            near = _Place(size, size)
        return near if near is not None and near.distance(end) <= NEAR else None


def _places(data: bytearray, begin: int, end: int) -> Iterator[_Place]:
    """The places between two offsets at which a message may end."""
    for found in _EDGE.finditer(data, begin, end):
        first = last = found.start()
        if data[last] not in _DIGITS:
            yield _Place(first, found.end())
            continue
        while first > max(0, last - _LONGEST_RUN) and data[first - 1] in _DIGITS:
            first -= 1
        yield _Place(first, last, digits=True)


def _ends(data: bytearray, count: "re.Match[bytes]") -> Iterator[int]:
    """Where a message ends if its count is in bytes, and if it is in characters."""
    begin, number = count.end(), int(count[1])
    if number > LONGEST_FRAME:
        return
    end = begin + number
    yield end
    if data[begin:end].isascii():
        return
    while end < len(data) and (missing := number - len(data[begin:end].translate(None, _CONTINUATION))):
        end += missing
    while data[end : end + 1] and data[end] in _CONTINUATION:
        end += 1
    yield end
