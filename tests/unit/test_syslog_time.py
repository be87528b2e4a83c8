"""The local times of syslog programs; those of RFC 3164 name neither a year nor a zone."""

from datetime import UTC, date
from zoneinfo import ZoneInfo

import pytest

from shipper.decode.library import syslog_time, zone_of
from shipper.errors import UsageError
from shipper.times import SyslogTime


@pytest.mark.parametrize(
    ("year", "zone", "text", "time"),
    [
        ("2018", "UTC", "Apr 23 19:22:14", "2018-04-23T19:22:14Z"),
        ("2018", "UTC", "Apr  3 19:22:14", "2018-04-03T19:22:14Z"),
        ("2018", "UTC", "Jan  1 00:00:00", "2018-01-01T00:00:00Z"),
        ("2018", "UTC", "Dec 31 23:59:59", "2018-12-31T23:59:59Z"),
        ("2018-07", "UTC", "Jul  1 00:00:00", "2018-07-01T00:00:00Z"),
        ("2018-07", "UTC", "Jun 30 23:59:59", "2019-06-30T23:59:59Z"),
        ("2020", "UTC", "Feb 29 12:00:00", "2020-02-29T12:00:00Z"),
        ("2018", "+01:00", "Jan  1 00:30:00", "2017-12-31T23:30:00Z"),
        ("2018", "-0530", "Jan  1 00:30:00", "2018-01-01T06:00:00Z"),
        ("2018", "Europe/Berlin", "Jan 15 12:00:00", "2018-01-15T11:00:00Z"),
        ("2018", "Europe/Berlin", "Jul 15 12:00:00", "2018-07-15T10:00:00Z"),
        ("0001", "UTC", "Jan  1 00:00:00", "0001-01-01T00:00:00Z"),
    ],
)
def test_time_within_the_twelve_months(year: str, zone: str, text: str, time: str) -> None:
    assert syslog_time(year, zone_of(zone, "--syslog-zone"), "--syslog-year")(text) == time


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Apr 23",
        "Apr 23 19:22:14.5",
        "Apr 31 19:22:14",
        "Apr 0 19:22:14",
        "Apr 23 24:22:14",
        "Feb 29 12:00:00",
        "Foo 23 19:22:14",
        "apr 23 19:22:14",
    ],
)
def test_text_that_is_no_time_of_them(text: str) -> None:
    assert SyslogTime(date(2018, 1, 1), UTC)(text) is None


@pytest.mark.parametrize("year", [None, "2018"])
@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("Tue Apr 23 19:22:14 2019", "2019-04-23T17:22:14Z"),
        ("Mon Jan  1 00:30:00 2018", "2017-12-31T23:30:00Z"),
        ("2019-04-23 19:22:14", "2019-04-23T17:22:14Z"),
        ("2019-04-31 19:22:14", None),
        ("2019-04-23 24:22:14", None),
        ("Tue Apr 31 19:22:14 2019", None),
        ("Apr 23 2019", None),
    ],
)
def test_time_with_a_year_of_its_own(year: str | None, text: str, time: str | None) -> None:
    assert syslog_time(year, ZoneInfo("Europe/Berlin"), "--syslog-year")(text) == time


def test_without_a_year_none_is_guessed() -> None:
    assert SyslogTime()("Apr 23 19:22:14") is None


def test_time_before_the_first_year_is_none() -> None:
    assert syslog_time("0001", zone_of("+01:00", "--syslog-zone"), "--syslog-year")("Jan  1 00:30:00") is None


@pytest.mark.parametrize("year", ["", "18", "2018-13", "2018-1", "next", "2018-07-01"])
def test_year_of_another_form(year: str) -> None:
    with pytest.raises(UsageError, match=r"--syslog-year: the year .* must be YYYY, or YYYY-MM"):
        syslog_time(year, UTC, "--syslog-year")


@pytest.mark.parametrize("zone", ["+", "-1", "+25:00", "+1:0"])
def test_offset_of_another_form(zone: str) -> None:
    with pytest.raises(UsageError, match=r"--syslog-zone: the zone .* must be a name such as Europe/Berlin"):
        zone_of(zone, "--syslog-zone")


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "", "../../etc/passwd", "Europe"])
def test_zone_that_is_not_known(zone: str) -> None:
    with pytest.raises(UsageError, match=r"--syslog-zone: the zone .* is not known"):
        zone_of(zone, "--syslog-zone")
