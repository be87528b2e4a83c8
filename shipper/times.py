"""Time stamps of the log, read as nanoseconds since 1970 and back. Pure.

MFA Server writes UTC as ISO 8601 with `Z` and six fraction digits; 0 to 9 are accepted.
"""

import re
from datetime import UTC, date, datetime, tzinfo

_STAMP = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?Z")
_DAY_0 = datetime(1970, 1, 1, tzinfo=UTC).toordinal()

EPOCH = "1970-01-01T00:00:00.000000Z"
SECOND = 1_000_000_000
BEFORE_ALL = -(1 << 70)  # nanoseconds; earlier than any time stamp of a four-digit year, which need not fit 64 bits
AFTER_ALL = 1 << 70


def minute_of(text: str) -> int | None:
    """Nanoseconds since 1970 of `2017-02-14T02:57` (the form is checked already), or None if that is no real instant."""
    try:
        when = datetime(int(text[:4]), int(text[5:7]), int(text[8:10]), int(text[11:13]), int(text[14:16]), tzinfo=UTC)
    except ValueError:
        return None
    return ((when.toordinal() - _DAY_0) * 1440 + when.hour * 60 + when.minute) * 60 * SECOND


class StampReader:
    """Reads time stamps; remembers the last seconds, because neighbours in a log share them.

    `seconds` maps `2017-02-14T02:57:19` to nanoseconds since 1970 (valid ones only). It is public
    for the fast path, and bounded.
    """

    LIMIT = 4096

    def __init__(self) -> None:
        self.seconds: dict[str, int] = {}
        self._minutes: dict[str, int | None] = {}

    def second(self, text: str) -> int | None:
        """Nanoseconds since 1970 of `2017-02-14T02:57:19` (the form is checked already), or None if that is no real
        instant. A leap second (`:60`) is refused: neither Python nor Elasticsearch can hold one.
        """
        minute = text[:16]
        if minute not in self._minutes:
            if len(self._minutes) >= self.LIMIT:
                self._minutes.clear()
            self._minutes[minute] = minute_of(minute)
        start, seconds = self._minutes[minute], int(text[17:])
        if start is None or seconds > 59:
            return None
        if len(self.seconds) >= self.LIMIT:
            self.seconds.clear()
        self.seconds[text] = start + seconds * SECOND
        return start + seconds * SECOND

    def read(self, text: str) -> int | None:
        """Nanoseconds since 1970 of a whole time stamp, or None if it is not one."""
        second = self.seconds.get(text[:19])
        digits = text[20:26]
        if (
            second is not None
            and len(text) == 27
            and text[19] == "."
            and text[26] == "Z"
            and text.isascii()
            and digits.isdecimal()
        ):
            return second + int(digits) * 1000
        return self._read(text)

    def _read(self, text: str) -> int | None:
        match = _STAMP.fullmatch(text)
        if match is None:
            return None
        whole, fraction = match.groups()
        second = self.seconds.get(whole)
        if second is None:
            second = self.second(whole)
            if second is None:
                return None
        return second + (int(fraction.ljust(9, "0")) if fraction else 0)


_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?(?:[Zz]|([+-][0-9]{2}:[0-9]{2}))"
)
_RFC_3164 = re.compile(r"([A-Z][a-z]{2}) {1,2}([0-9]{1,2}) ([0-9]{2}:[0-9]{2}:[0-9]{2})")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def to_utc(text: str) -> str | None:
    """A time stamp of RFC 3339 (`2018-03-07T19:20:20.5+01:00`) as the log writes it, or None if it is no real instant."""
    match = _RFC_3339.fullmatch(text)
    if match is None:
        return None
    day, time, fraction, offset = match.groups()
    try:
        when = datetime.fromisoformat(f"{day}T{time}{offset or '+00:00'}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return f"{when:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + (fraction or "") + "Z"


class SyslogTime:
    """Reads the time stamps of RFC 3164, `Apr 23 19:22:14`, which name neither a year nor a zone.

    They are taken as times of `zone` in the twelve months that begin with the month of `first`.
    """

    def __init__(self, first: date, zone: tzinfo = UTC) -> None:
        self._first = first
        self._zone = zone

    def __call__(self, text: str) -> str | None:
        """The time in UTC as the log writes it, or None if the text is no time of these months."""
        match = _RFC_3164.fullmatch(text)
        if match is None or match[1] not in _MONTHS:
            return None
        month = _MONTHS.index(match[1]) + 1
        year = self._first.year + (month < self._first.month)
        try:
            when = datetime.fromisoformat(f"{year:04}-{month:02}-{int(match[2]):02}T{match[3]}").replace(tzinfo=self._zone)
            return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + "Z"
        except (ValueError, OverflowError):
            return None


def looks_like_syslog(text: str) -> bool:
    """True for a line that begins with a time stamp of RFC 3164."""
    return _RFC_3164.match(re.sub(r"^<[0-9]{1,3}>", "", text[:40])) is not None


def looks_like_time(text: str) -> bool:
    """True for the form of a time stamp, real instant or not."""
    return _STAMP.fullmatch(text) is not None


def from_seconds(seconds: float) -> str:
    """A time stamp with microseconds, as the log writes it, from seconds since 1970; 1970 for one beyond the years 1 to 9999."""
    try:
        when = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return EPOCH
    return when.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
