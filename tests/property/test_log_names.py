"""A rotation mark never changes which log a file belongs to."""

import re

from hypothesis import assume, given
from hypothesis import strategies as st

from shipper.read.rotation import log_name

# Letters, digits and whatever separates them, more often in pieces that mean something.
PIECES = st.sampled_from(
    ["X", "mfa", "Svc", ".log", ".gz", " (1)", " (", ")", "-", "_", ".", "T", " ", "1", "01", "2017", "02", "14", "é"]
)
NAMES = st.lists(PIECES, max_size=8).map("".join)
NUMBERS = st.integers(0, 10**6).map(str)
DAYS = st.dates().filter(lambda day: 1900 <= day.year < 2100)
TIMES = st.datetimes().filter(lambda time: 1900 <= time.year < 2100)
MARKS = st.one_of(
    st.builds("{}{}".format, st.sampled_from(".-_"), NUMBERS),
    NUMBERS.map(" ({})".format),
    st.builds(
        lambda lead, day, form: lead + day.strftime(form),
        st.sampled_from(".-_"),
        DAYS,
        st.sampled_from(["%Y%m%d", "%Y-%m-%d", "%d.%m.%Y"]),
    ),
    st.builds(
        lambda lead, time, form: lead + time.strftime(form),
        st.sampled_from(".-_"),
        TIMES,
        st.sampled_from(["%Y%m%dT%H%M%S", "%Y-%m-%d_%H-%M-%S", "%Y-%m-%dT%H.%M", "%Y%m%d%H", "%Y%m%d-%s", "%Y_%m_%d.%H%M"]),
    ),
)
PACKED = st.sampled_from(["", ".gz", ".xz", ".bz2", ".zst"])


def ends_in_half_a_date(name: str) -> bool:
    """`X2017` may be the beginning of a date without a separator: with `-02-14` behind it nobody could tell."""
    return re.search(r"(?<!\d)(19|20)\d\d(\d\d)?$", name.removesuffix(".log"), re.ASCII) is not None


@given(NAMES, MARKS, PACKED)
def test_a_mark_at_the_end(name: str, mark: str, packed: str) -> None:
    log = log_name(name)
    assume(log.endswith(".log") or not ends_in_half_a_date(log))
    assert log_name(name + mark + packed) == log


@given(NAMES, MARKS, PACKED)
def test_a_mark_before_the_ending(name: str, mark: str, packed: str) -> None:
    log = log_name(f"{name}.log")
    assume(not ends_in_half_a_date(log))
    assert log_name(f"{name}{mark}.log{packed}") == log


@given(NAMES)
def test_the_name_of_a_log_is_its_own(name: str) -> None:
    assert log_name(log_name(name)) == log_name(name)
