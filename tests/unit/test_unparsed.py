"""What an event says about a line that was not understood."""

import json

import pytest

from shipper.decode.unparsed import HINTS, why_unparsed
from shipper.decode.windows_event import LONGEST
from shipper.times import StampReader

LINE = "2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|x"
NO_STAMP = "the line does not begin with a time stamp such as 2017-02-14T02:57:19.234778Z and a |"
EVENT = '<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event">{}</Event>'


@pytest.mark.parametrize(
    ("line", "reason", "cause"),
    [
        ("", "the line is empty", None),
        ("hello", NO_STAMP, None),
        ("2017-02-14T02:57:19Z hello", "behind the time stamp 2017-02-14T02:57:19Z, a | or HOST TAG: MESSAGE was expected", None),
        ("2017-02-14T02:57:19.5+01:00 mfa01 x", "behind the time stamp 2017-02-14T02:57:19.5+01:00, a | or HOST", None),
        ("2017-02-14T02:57:19.234778Z|0|1412", "after the time stamp, LEVEL|PID|TID|COMPONENT|MESSAGE was expected", None),
        ("2017-02-30T02:57:19Z|0|1412|6452|pfrad|x", "the time stamp 2017-02-30T02:57:19Z names no real instant", None),
        ("<134>Feb 28 19:22:14 mfa01", "after the syslog time stamp, HOST TAG: MESSAGE was expected", None),
        # local time
        (
            "2017-02-14T02:57:19.234778|0|1|2|pfrad|x",
            "2017-02-14T02:57:19.234778 names no zone; MFA Server writes UTC",
            "local_time",
        ),
        ("2017-02-14 02:57:19|0|1412|6452|pfrad|x", "2017-02-14 02:57:19 names no zone", "local_time"),
        ("2017-02-14T02:57:19,234+01:00|0|1|2|pfrad|x", "02:57:19,234+01:00 was expected in the form 2017-02", "local_time"),
        ("2017-02-14T02:57:19+00:00|0|1|2|pfrad|x", "02:57:19+00:00 was expected in the form", None),
        ("2017-02-14 02:57:19.2Z|0|1|2|pfrad|x", "2017-02-14 02:57:19.2Z was expected in the form", None),
        # something before the time stamp
        (f"> {LINE}", "begins with >, as text copied from a mail does", "mail"),
        (f" >> > {LINE}", "begins with >, as text copied from a mail does", "mail"),
        (f"MultiFactorAuthSvc.log:12:{LINE}", "'MultiFactorAuthSvc.log:12:' stands before it", "prefix"),
        (f'"{LINE}"', "'\"' stands before it", "prefix"),
        (f"{'x' * 99}{LINE}", f"'{'x' * 40}…' stands before it", "prefix"),
        (f"{'x' * 600}{LINE}", NO_STAMP, None),
        # JSON
        (
            '{"EventTime":"2019-10-17T22:48:35Z","Hostname":"a"}',
            "TimeCreated missing or empty; its keys: EventTime, Hostname",
            "json_time",
        ),
        ("{}", "TimeCreated missing or empty; its keys: none", "json_time"),
        ('{"TimeCreated":"yesterday","Message":"x"}', "its TimeCreated is no time with a zone", "json_time"),
        (
            '{"TimeCreated":"2019-10-17T22:48:35Z"}',
            "ProviderName and Message missing or empty; its keys: TimeCreated",
            "json_text",
        ),
        ('{"winlog":{"a":1},"message":"x"}', "@timestamp missing or empty; its keys: winlog, message", "json_time"),
        (
            '{"winlog":{"a":1},"@timestamp":"2019-10-17T22:48:35Z"}',
            "winlog.provider_name and message missing or empty",
            "json_text",
        ),
        (json.dumps({"k" * 50 + str(n): 1 for n in range(20)}), f"its keys: {', '.join(['k' * 40] * 8)}", "json_time"),
        ('{"broken', "begins like a JSON object but is not a whole one", "json"),
        ('  {"a":1}', "blanks stand before the JSON object", "json"),
        ("[", "this JSON is no object", "json"),
        ("[12:30] hello", NO_STAMP, None),
        ('[{"a":1}]', "this JSON is no object; one Windows event per line is read", "json"),
        ("{" + " " * LONGEST, f"longer than the {LONGEST} characters", "json"),
        # XML
        ("<Event><broken>", "begins like XML but is not a whole element", "xml"),
        ('<Event xmlns="x"><System/></Event>', "this XML is no Windows event: System is missing", "xml"),
        (EVENT.format("<System/>"), "TimeCreated has no SystemTime", "xml"),
        (
            EVENT.format('<System><TimeCreated SystemTime="2019-10-17T22:48:35Z"/></System>'),
            "Provider and a text are missing",
            "xml",
        ),
        ("<Event><!-- x --></Event>", "a document type, a comment or CDATA", "xml"),
        ("<Events><Event/></Events>", "System is missing", "xml"),
        ("<html>", NO_STAMP, None),
    ],
)
def test_reason_is_true_for_its_line(line: str, reason: str, cause: str | None) -> None:
    why = why_unparsed(line, StampReader().read(line.partition("|")[0]))

    assert reason in why.text
    assert why.cause == cause
    assert cause is None or cause in HINTS
    assert len(why.text) < 500


def test_a_time_stamp_that_a_pattern_takes_and_no_clock_shows() -> None:
    syslog = why_unparsed("<134>Feb 30 19:22:14 mfa01 pfsvc: x", None, matched=True)
    assert syslog.text == "a syslog time stamp names no year, or this is no day of that year: see --syslog-year (pipeline.syslog)"

    nps = why_unparsed("2017-02-30T02:57:19Z NPS Extension for Azure MFA: x", None, matched=True)
    assert nps.text == "the time stamp names no real instant"
