"""Time stamps: which are real instants, and that remembered seconds change no answer."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.times import EPOCH, SECOND, StampReader, from_seconds, looks_like_time, to_utc

EDGES = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59))
ALMOST = st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{0,10})?[Zz]?\Z")


def nanoseconds(text: str) -> int | None:
    return StampReader().read(text)


@pytest.mark.parametrize(
    ("fraction", "value"),
    [
        ("", 0),
        (".2", 200_000_000),
        (".23", 230_000_000),
        (".234", 234_000_000),
        (".2347", 234_700_000),
        (".23477", 234_770_000),
        (".234778", 234_778_000),
        (".2347789", 234_778_900),
        (".23477890", 234_778_900),
        (".234778901", 234_778_901),
        (".0", 0),
        (".000000001", 1),
        (".999999999", 999_999_999),
    ],
)
def test_none_to_nine_fraction_digits(fraction: str, value: int) -> None:
    assert nanoseconds(f"2017-02-14T02:57:19{fraction}Z") == 1_487_041_039 * SECOND + value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59Z", -1),
        ("2000-02-29T00:00:00Z", 951_782_400),
        ("0001-01-01T00:00:00Z", -62_135_596_800),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
        ("2038-01-19T03:14:08Z", 2**31),
    ],
)
def test_whole_seconds(text: str, seconds: int) -> None:
    assert nanoseconds(text) == seconds * SECOND


def test_fraction_before_1970_counts_forward() -> None:
    assert nanoseconds("1969-12-31T23:59:59.999999Z") == -1000


@pytest.mark.parametrize(
    "text",
    [
        "0000-01-01T00:00:00.000000Z",
        "2017-02-29T00:00:00.000000Z",
        "1900-02-29T00:00:00.000000Z",
        "2017-00-01T00:00:00.000000Z",
        "2017-13-01T00:00:00.000000Z",
        "2017-01-00T00:00:00.000000Z",
        "2017-04-31T00:00:00.000000Z",
        "2017-01-01T24:00:00.000000Z",
        "2017-01-01T00:60:00.000000Z",
        "2016-12-31T23:59:60.000000Z",
        "2017-01-01T00:00:61.000000Z",
    ],
)
def test_form_of_a_time_stamp_that_names_no_real_instant(text: str) -> None:
    """Among them the year 0000 and the leap second, which no reader of the events could hold."""
    assert looks_like_time(text)
    assert nanoseconds(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Z",
        "2017-02-14T02:57:19",
        "2017-02-14T02:57:19.Z",
        "2017-02-14T02:57:19.2347789012Z",
        "2017-02-14T02:57:19.234778z",
        "2017-02-14t02:57:19.234778Z",
        "2017-02-14 02:57:19.234778Z",
        "2017-02-14T02:57:19,234778Z",
        "2017-02-14T02:57:19.234778+00:00",
        "2017-02-14T02:57Z",
        "2017-2-14T02:57:19Z",
        "17-02-14T02:57:19Z",
        "+2017-02-14T02:57:19Z",
        "-017-02-14T02:57:19Z",
        " 2017-02-14T02:57:19Z",
        "2017-02-14T02:57:19Z ",
        "2017-02-14T02:57:19Z\n",
        "2017-02-14T02:57:19.234778Z|",
        "\uff12\uff10\uff11\uff17-02-14T02:57:19.234778Z",
        "2017-02-14T02:57:19.\u0662\u0663\u0664\u0667\u0667\u0668Z",
        "2017-02-14T02:57:19.23477²Z",
        "2017-02-14T02:57:19.1_0_0_Z",
        "2017-02-14T02:57:19.+12345Z",
        "2017-02-14T02:57:19. 12345Z",
    ],
)
def test_no_form_of_a_time_stamp(text: str) -> None:
    clock = StampReader()
    clock.read("2017-02-14T02:57:19.000000Z")  # the second is remembered now, and must not help

    assert not looks_like_time(text)
    assert clock.read(text) is None


@given(EDGES, st.integers(0, 999_999_999), st.integers(0, 9))
def test_real_instant_is_read_as_what_it_is(when: datetime, fraction: int, digits: int) -> None:
    shown = f".{fraction:09d}"[: digits + 1] if digits else ""
    clock = StampReader()
    text = f"{when:%H:%M:%S}"
    text = f"{when.year:04d}-{when.month:02d}-{when.day:02d}T{text}{shown}Z"
    whole = (when.replace(microsecond=0, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    expected = whole * SECOND + int(shown[1:].ljust(9, "0") or 0)

    assert clock.read(text) == expected
    assert clock.read(text) == expected


@given(st.lists(ALMOST | st.text(max_size=30), max_size=20))
def test_remembered_seconds_change_no_answer(texts: list[str]) -> None:
    """A clock that has read much says the same as a new one, for neighbours of what it has read too."""
    clock = StampReader()
    for text in texts:
        for neighbour in (text, text[:19] + ".000000Z", text[:19] + "Z", text[:20] + "00000٣Z", text[:26] + "Z"):
            assert clock.read(neighbour) == nanoseconds(neighbour)
            assert (clock.read(neighbour) is not None) <= looks_like_time(neighbour)


def test_memory_of_seconds_is_bounded() -> None:
    clock = StampReader()
    for number in range(3 * StampReader.LIMIT):
        assert (
            clock.read(f"2017-02-{1 + number // 86400:02d}T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z")
            is not None
        )
        assert len(clock.seconds) <= StampReader.LIMIT


def test_what_is_remembered_is_bounded() -> None:
    reader = StampReader()
    for minute in range(2 * StampReader.LIMIT):
        reader.read(f"2017-02-{minute // 1440 + 1:02}T{minute // 60 % 24:02}:{minute % 60:02}:00.000000Z")

    assert 0 < len(reader.seconds) <= StampReader.LIMIT


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, EPOCH),
        (1_487_041_039.234778, "2017-02-14T02:57:19.234778Z"),
        (-1e-6, "1969-12-31T23:59:59.999999Z"),
        (-62_135_596_800, "0001-01-01T00:00:00.000000Z"),
        (253_402_300_799, "9999-12-31T23:59:59.000000Z"),
        (253_402_300_800, EPOCH),
        (-62_135_596_801, EPOCH),
        (1e300, EPOCH),
    ],
)
def test_time_of_a_file_is_written_as_the_log_does(seconds: float, text: str) -> None:
    """One that no time stamp can hold is 1970."""
    assert from_seconds(seconds) == text


@given(st.integers(0, 2**33 * 1_000_000))
def test_time_of_a_file_keeps_its_microseconds(micros: int) -> None:
    assert nanoseconds(from_seconds(micros / 1e6)) == micros * 1000


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2018-03-07T19:20:20Z", "2018-03-07T19:20:20Z"),
        ("2018-03-07 19:20:20.5z", "2018-03-07T19:20:20.5Z"),
        ("2018-03-07T19:20:20.123456789+01:00", "2018-03-07T18:20:20.123456789Z"),
        ("2018-03-07T19:20:20-05:30", "2018-03-08T00:50:20Z"),
        ("0001-01-01T01:00:00+01:00", "0001-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:30:00-01:00", None),
        ("2018-02-30T19:20:20+01:00", None),
        ("2018-02-30T19:20:20Z", None),
        ("2018-03-07T19:20:60Z", None),
        ("2018-03-07T19:20:60+01:00", None),
        ("2018-03-07T19:20:20+25:00", None),
        ("2018-03-07T19:20:20", None),
        ("2018-03-07", None),
    ],
)
def test_time_of_rfc_3339_in_utc(text: str, utc: str | None) -> None:
    assert to_utc(text) == utc
