"""Reads and writes time stamps; times are nanoseconds since 1970. Pure.

MFA Server writes UTC in ISO 8601 with `Z` and six digits of a second's fraction; 0 to 9 digits are accepted.
"""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial

from shipper.memo import Memo

_STAMP = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?Z")
_SCALE: list[int] = [10 ** (9 - digits) for digits in range(10)]  # nanoseconds of a unit of the last digit, by number of digits
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_0 = _BEGIN.toordinal()

EPOCH = "1970-01-01T00:00:00.000000Z"
SECOND = 1_000_000_000
BEFORE_ALL = -(1 << 70)  # nanoseconds; earlier than any time stamp. Four-digit years may need more than 64 bits
AFTER_ALL = 1 << 70  # later than any time stamp


def minute_of(text: str) -> int | None:
    """Nanoseconds since 1970 of a text such as `2017-02-14T02:57`; None if it names no real instant."""
    try:
        minute = datetime(int(text[:4]), int(text[5:7]), int(text[8:10]), int(text[11:13]), int(text[14:16]), tzinfo=UTC)
    except ValueError:
        return None
    return ((minute.toordinal() - _DAY_0) * 1440 + minute.hour * 60 + minute.minute) * 60 * SECOND


class StampReader:
    """Reads time stamps; remembers recent seconds, because neighbouring lines share them.

    `seconds` maps a text of the form `2017-02-14T02:57:19` to nanoseconds since 1970, or to None if it names
    no real instant. It is public for the fast path, and bounded. A leap second (`:60`) counts as no real
    instant, because neither Python nor Elasticsearch can represent one.
    """

    LIMIT = 4096

    def __init__(self) -> None:
        minutes = Memo(minute_of, self.LIMIT)

        def second_of(text: str) -> int | None:
            if not text:
                return None
            start, seconds = minutes[text[:16]], int(text[17:])
            return None if start is None or seconds > 59 else start + seconds * SECOND

        self.seconds = Memo(second_of, self.LIMIT)
        self._text = ""  # the last time stamp that was read, and its time
        self._time: int | None = None

    def read(self, text: str) -> int | None:
        """A whole time stamp in nanoseconds since 1970; None if the text is not one or names no real instant."""
        if text != self._text:  # a status often has the time of its verdict
            second, digits = self.seconds.get(text[:19]), text[20:-1]
            plain = text.isascii() and digits.isdigit() and text[19] == "." and text[-1] == "Z" and len(digits) < 10
            if second is not None and plain:  # a known second has the right form
                self._time = second + int(digits) * _SCALE[len(digits)]
            else:
                self._time = self._read(text)
            self._text = text
        return self._time

    def _read(self, text: str) -> int | None:
        match = _STAMP.fullmatch(text)
        if match is None:
            return None
        whole, fraction = match.groups()
        second = self.seconds[whole]
        if second is None or fraction is None:
            return second
        return second + int(fraction) * _SCALE[len(fraction)]


_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?(?:[Zz]|([+-][0-9]{2}:[0-9]{2}))"
)
_RFC_3164 = re.compile(r"([A-Z][a-z]{2}) {1,2}([0-9]{1,2}) ([0-9]{2}:[0-9]{2}:[0-9]{2})")
_LOCAL = re.compile(
    r"(?:[A-Z][a-z]{2} )?(?P<month>[A-Z][a-z]{2}) {1,2}(?P<day>[0-9]{1,2}) (?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})(?: (?P<year>[0-9]{4}))?"
    r"|(?P<iso>[0-9]{4}-[0-9]{2}-[0-9]{2}) (?P<iso_time>[0-9]{2}:[0-9]{2}:[0-9]{2})"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def to_utc(text: str) -> str | None:
    """An RFC 3339 time stamp (`2018-03-07T19:20:20.5+01:00`) in the form of the log; None if it is none, or no instant."""
    match = _RFC_3339.fullmatch(text)
    if match is None:
        return None
    day, time, fraction, offset = match.groups()
    second = _UTC_SECONDS[f"{day}T{time}{offset or ''}"]
    return None if second is None else f"{second}{fraction or ''}Z"


def _utc_second(text: str) -> str | None:
    """A second such as `2018-03-07T19:20:20+01:00` in UTC, without its zone; None if it is no real instant."""
    second, offset = text[:19], text[19:]
    if not offset:
        return second if minute_of(second) is not None and second[17:] < "60" else None
    try:
        instant = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return f"{instant:%Y-%m-%dT%H:%M:%S}".rjust(19, "0")


_UTC_SECONDS = Memo(_utc_second, 4096)  # neighbouring lines share them


class SyslogTime:
    """Reads the local times of syslog programs, in `zone`.

    RFC 3164 writes `Apr 23 19:22:14`, without a year: the month is taken as one of the twelve that begin with the month of
    `first`; if `first` is None, such a text is no time. Snare writes `Tue Apr 23 19:22:14 2019`, Kiwi `2019-04-23 19:22:14`.
    """

    def __init__(self, first: date | None = None, zone: tzinfo = UTC) -> None:
        self._known = Memo(partial(_local_time, first, zone), 4096)  # neighbouring lines share them

    def __call__(self, text: str) -> str | None:
        """The time in UTC, in the form of the log; None if the text is no such time, or no real instant of these months."""
        return self._known[text]


def _local_time(first: date | None, zone: tzinfo, text: str) -> str | None:
    match = _LOCAL.fullmatch(text)
    if match is None:
        return None
    day, time = match["iso"], match["time"] or match["iso_time"]
    try:
        if not day:
            month = _MONTHS.index(match["month"]) + 1
            guessed = 0 if first is None else first.year + (month < first.month)  # there is no year 0
            day = f"{int(match['year'] or guessed):04}-{month:02}-{int(match['day']):02}"
        local = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=zone)
        return f"{local.astimezone(UTC):%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + "Z"
    except (ValueError, OverflowError):
        return None


def looks_like_syslog(text: str) -> bool:
    """True for a line that begins like RFC 3164 syslog, with an optional `<PRI>` and a time stamp."""
    return _RFC_3164.match(re.sub(r"^<[0-9]{1,3}>", "", text[:40])) is not None


def looks_like_time(text: str) -> bool:
    """True for a text in the form of a time stamp, even if it names no real instant."""
    return _STAMP.fullmatch(text) is not None


def from_seconds(seconds: float) -> str:
    """Seconds since 1970 as a time stamp with microseconds; `EPOCH` for a time outside of the years 1 to 9999."""
    try:
        instant = _BEGIN + timedelta(seconds=seconds)  # `fromtimestamp` of Windows knows no time before 1970
    except (ValueError, OverflowError):
        return EPOCH
    return instant.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
