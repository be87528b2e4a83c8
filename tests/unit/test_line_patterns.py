"""What an event says about a line that no pattern matches."""

import pytest

from shipper.decode.line_patterns import why_unparsed
from shipper.times import StampReader


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "the line is empty"),
        ("2017-02-14T02:57:19.234778Z|0|1412", "after the time stamp, LEVEL|PID|TID|COMPONENT|MESSAGE was expected"),
        ("2017-02-30T02:57:19Z|0|1412|6452|pfrad|x", "the time stamp 2017-02-30T02:57:19Z names no real instant"),
        (
            "<134>Feb 30 19:22:14 mfa01 pfsvc: x",
            "a syslog time stamp names no year, or this is no day of that year: see --syslog-year (pipeline.syslog)",
        ),
        (
            "2017-02-14 02:57:19|0|1412|6452|pfrad|x",
            "the line does not begin with a time stamp such as 2017-02-14T02:57:19.234778Z and a |",
        ),
    ],
)
def test_reason_names_the_first_thing_that_is_wrong(line: str, reason: str) -> None:
    stamp = line.partition("|")[0]
    assert why_unparsed(line, stamp, StampReader().read(stamp)) == reason
