"""What an event says about a line that was not understood."""

import json

import pytest

from shipper.decode.library import load_envelopes
from shipper.decode.unparsed import HINTS, why_unknown, why_unparsed
from shipper.decode.windows_event import LONGEST, EventReader
from shipper.times import StampReader

EVENTS = EventReader(load_envelopes())
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
        ("\u00a0" + LINE, "a no-break space (U+00A0) stands where a blank or nothing was expected", "no_break_space"),
        ("2020-06-17T19:39:15Z\u00a0NPS Extension", "a no-break space (U+00A0) stands", "no_break_space"),
        # several lines in one
        (f"2017-02-14T02:57:1{LINE}", "another line begins before this one has ended", "glued"),
        (f"2017-02-14T02:57:19.2Z|0|1{LINE}", "another line begins before this one has ended", "glued"),
        (f"x\r{LINE}\r{LINE}", "several lines stand here with CR between them, and the first is none", "carriage_returns"),
        (
            "イベント: NPS Extension for Azure MFA: x",
            "a message of the NPS extension stands here, in a form that is not known",
            "another_form",
        ),
        ("Message      : NPS Extension for Azure MFA: x", "as PowerShell's Format-List writes it", "format_list"),
        ("TimeCreated  : 10/17/2019 10:48:35 PM", "as PowerShell's Format-List writes it", "format_list"),
        ('{"resourceLogs":[{"scopeLogs":[]}]}', "this is a batch of OTLP, which holds many records", "otlp"),
        # a part of one
        ("Trace ID: 1", "this goes on with the text of the event before it, in which line ends stand", "continued"),
        # JSON
        (
            '{"Zeit":"2019-10-17T22:48:35Z","Hostname":"a"}',
            "no time (TimeCreated, @timestamp, EventTime, _time, system_time, TimeGenerated [UTC]); its keys: Zeit, Hostname",
            "json_time",
        ),
        (
            '{"EventTime":"2019-10-17T22:48:35Z","Hostname":"a"}',
            "SourceName, Message missing or empty; its keys: EventTime, Hostname",
            "json_text",
        ),
        ("{}", "no Windows event of a known exporter: no time (TimeCreated, ", "json_time"),
        ('{"TimeCreated":"yesterday","Message":"x"}', "its time yesterday is none that is understood", "json_time"),
        (f'{{"TimeCreated":"{"x" * 50}","Message":"x"}}', f"its time {'x' * 40}… is none", "json_time"),
        (
            '{"TimeCreated":"10/17/2019 10:48:35 PM","Message":"x"}',
            "the time 10/17/2019 10:48:35 PM of this JSON object names no zone: see --local-zone (pipeline.local_zone)",
            "zone",
        ),
        (
            '{"TimeCreated":"2019-10-17T22:48:35Z"}',
            "ProviderName, Message, Properties missing or empty; its keys: TimeCreated",
            "json_text",
        ),
        ('{"winlog":{"a":1},"message":"x"}', "no time (TimeCreated, @timestamp", "json_time"),
        (
            '{"winlog":{"a":1},"@timestamp":"2019-10-17T22:48:35Z"}',
            "winlog.provider_name, message, winlog.event_data, winlog.user_data missing or empty",
            "json_text",
        ),
        (json.dumps({"k" * 50 + str(n): 1 for n in range(20)}), f"its keys: {', '.join(['k' * 40] * 8)}", "json_time"),
        ('{"broken', "begins like a JSON object and is not a whole one", "json"),
        ('{"a":NaN}', "this JSON holds NaN, at character 6, which JSON does not allow", "json"),
        ('{"ü":-Infinity}', "this JSON holds Infinity, at character 7, which JSON does not allow", "json"),
        ('{"a":"\\ud800"}', "this JSON holds half of a surrogate pair, at character 7, which is no character", "json"),
        ('{"a":"\\udc00"}', "this JSON holds half of a surrogate pair, at character 7, which is no character", "json"),
        ('{"a":1}}', "this JSON is wrong at character 8: ", "json"),
        ('{"a":"x\ty"}', "this JSON is wrong at character 8: ", "json"),
        ('{"a":1e999}', "this JSON is wrong at character 6: ", "json"),
        ('  {"a":1}', "blanks stand before the JSON object", "json"),
        ("[", "this is JSON and no object", "json"),
        ("[12:30] hello", NO_STAMP, None),
        ('[{"a":1}]', "this is JSON and no object; a Windows event is one object", "json"),
        ("{" + " " * LONGEST, f"longer than the {LONGEST} characters", "long"),
        # XML
        ("<Event><broken>", "begins like XML and is not a whole element", "xml"),
        (
            '<Event xmlns="x"><System/></Event>',
            "no Windows event of a known exporter: no time (System.TimeCreated.@SystemTime); its keys: System",
            "xml",
        ),
        (EVENT.format("<System/>"), "no time (System.TimeCreated.@SystemTime)", "xml"),
        (
            EVENT.format('<System><TimeCreated SystemTime="2019-10-17T22:48:35Z"/></System>'),
            "System.Provider.@Name, RenderingInfo.Message, EventData, UserData missing or empty",
            "xml",
        ),
        ("<Event><!DOCTYPE x></Event>", "a document type, which is not read", "xml"),
        ("<Event><!-- x --></Event>", "no time (System.TimeCreated.@SystemTime); its keys: none", "xml"),
        ("<Events><Event/></Events>", "not a whole element; a Windows event is one element, Event", "xml"),
        ("<html>", NO_STAMP, None),
    ],
)
def test_reason_is_true_for_its_line(line: str, reason: str, cause: str | None) -> None:
    why = why_unparsed(line, StampReader().read(line.partition("|")[0]), EVENTS)

    assert reason in why.text
    assert why.cause == cause
    assert cause is None or cause in HINTS
    assert len(why.text) < 500


def test_a_time_stamp_that_a_pattern_takes_and_no_clock_shows() -> None:
    syslog = why_unparsed("<134>Feb 30 19:22:14 mfa01 pfsvc: x", None, EVENTS, matched=True)
    assert syslog.text == "a syslog time stamp names no year, or this is no day of that year: see --syslog-year (pipeline.syslog)"

    nps = why_unparsed("2017-02-30T02:57:19Z NPS Extension for Azure MFA: x", None, EVENTS, matched=True)
    assert nps.text == "the time stamp names no real instant"


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("authResult = x", None),
        ("authResult\u00a0= 1", "no_break_space"),
        (f"authRes{LINE}", "glued"),
        (f"authResult = 1\r{LINE}", "carriage_returns"),
        ("it happened at 2017-02-14T02:57:19Z", None),
    ],
)
def test_why_a_message_is_unknown(message: str, cause: str | None) -> None:
    assert why_unknown(message) == cause
    assert cause is None or cause in HINTS
