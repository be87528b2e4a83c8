"""Converts the times of exporters of Windows events to the form of the log. Pure."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from shipper.times import to_utc

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"/Date\((-?[0-9]{1,15})(?:[+-][0-9]{4})?\)/")  # Windows PowerShell 5: milliseconds of UTC
_ZONED = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9:]{8}(?:\.[0-9]{1,9})?) ?([+-][0-9]{2}):?([0-9]{2})")
_LOCAL = (
    re.compile(r"(?P<y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})[T ](?P<H>[0-9]{2}):(?P<M>[0-9]{2}):(?P<S>[0-9]{2})(?P<f>\.[0-9]{1,9})?"),
    re.compile(r"(?P<d>[0-9]{1,2})\.(?P<m>[0-9]{1,2})\.(?P<y>[0-9]{4}) (?P<H>[0-9]{1,2}):(?P<M>[0-9]{2}):(?P<S>[0-9]{2})(?P<f>\.[0-9]{1,9})?"),
    re.compile(
        r"(?P<m>[0-9]{1,2})/(?P<d>[0-9]{1,2})/(?P<y>[0-9]{4}),? (?P<H>[0-9]{1,2}):(?P<M>[0-9]{2}):(?P<S>[0-9]{2})(?P<f>\.[0-9]{1,9})?[ \u202f](?P<p>[AP])M"
    ),
)  # fmt: skip
_DAY_FIRST = (
    re.compile(r"(?P<d>[0-9]{1,2})/(?P<m>[0-9]{1,2})/(?P<y>[0-9]{4}),? (?P<H>[0-9]{1,2}):(?P<M>[0-9]{2}):(?P<S>[0-9]{2})(?P<f>\.[0-9]{1,9})?"),
    *_LOCAL[:2],
)  # fmt: skip


def stamp_of(time: Any, zone: tzinfo | None = None, *, day_first: bool = False) -> str | None:
    """Convert an exporter's time to the form of the log; None if it is no time, or names no zone and `zone` is None.

    `day_first`: 17/10/2019 has the day first, not the month.
    """
    if not isinstance(time, str):
        return None
    stamp = to_utc(time)
    if stamp is not None:
        return stamp
    milliseconds_date = _DATE.fullmatch(time)
    if milliseconds_date is not None:
        return _of_milliseconds(int(milliseconds_date[1]))
    zoned = _ZONED.fullmatch(time)
    if zoned is not None:
        return to_utc(f"{zoned[1]}T{zoned[2]}{zoned[3]}:{zoned[4]}")
    local = _local(time, day_first=day_first)
    if local is None or zone is None:
        return None
    instant, fraction = local
    try:
        return f"{instant.replace(tzinfo=zone).astimezone(UTC):%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f"{fraction}Z"
    except (ValueError, OverflowError):
        return None


def is_local(time: str, *, day_first: bool = False) -> bool:
    """True for a time that names no zone."""
    return _local(time, day_first=day_first) is not None


def _local(time: str, *, day_first: bool) -> tuple[datetime, str] | None:
    """A time without a zone, and the fraction of its second as written; None if it is no such time, or its day is ambiguous."""
    found = next((match for form in (_DAY_FIRST if day_first else _LOCAL) if (match := form.fullmatch(time))), None)
    if found is None:
        return None
    parts = found.groupdict()
    hour = int(parts["H"])
    if parts.get("p"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if parts["p"] == "P" else 0)
    try:
        instant = datetime(int(parts["y"]), int(parts["m"]), int(parts["d"]), hour, int(parts["M"]), int(parts["S"]))
    except ValueError:
        return None
    return instant, parts["f"] or ""


def _of_milliseconds(time: int) -> str | None:
    seconds, milliseconds = divmod(time, 1000)
    try:
        return (_BEGIN + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S") + f".{milliseconds:03}Z"
    except OverflowError:
        return None
