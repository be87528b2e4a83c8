"""Windows events on one line: the JSON and XML forms, and what is no event."""

import json
from typing import Any

import pytest

from shipper.decode.envelopes import WindowsEvent
from shipper.decode.library import load_envelopes
from shipper.decode.windows_event import LONGEST, EventReader

read_event = EventReader(load_envelopes()).read

XML = (
    '<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System><Provider Name="AuthZ"/>{system}'
    "</System>{rest}</Event>"
)
TIME = '<TimeCreated SystemTime="2024-03-05T10:11:12.5Z"/>'
MESSAGE = "<RenderingInfo><Message>hello</Message></RenderingInfo>"


def from_json(**fields: Any) -> WindowsEvent | None:
    return read_event(json.dumps({"TimeCreated": "2024-03-05T10:11:12Z", "Message": "hello", **fields}))


def from_xml(system: str, rest: str) -> WindowsEvent | None:
    return read_event(XML.format(system=system, rest=rest))


@pytest.mark.parametrize(
    ("time", "stamp"),
    [
        ("2024-03-05T10:11:12.5Z", "2024-03-05T10:11:12.5Z"),
        ("2024-03-05T10:11:12.123456789+01:00", "2024-03-05T09:11:12.123456789Z"),
        ("/Date(1709633472500)/", "2024-03-05T10:11:12.500Z"),
        ({"value": "/Date(1709633472007)/", "DateTime": "Tuesday"}, "2024-03-05T10:11:12.007Z"),
        ({"DateTime": "2024-03-05T10:11:12Z"}, "2024-03-05T10:11:12Z"),
    ],
)
def test_time_in_the_forms_of_both_shells(time: object, stamp: str) -> None:
    event = from_json(TimeCreated=time)
    assert event is not None
    assert event.stamp == stamp


@pytest.mark.parametrize(
    "time",
    [
        None,
        5,
        "yesterday",
        "2024-02-30T00:00:00Z",
        "/Date(999999999999999)/",
        "/Date(99999999999999999)/",
        {},
        ["2024-03-05T10:11:12Z"],
    ],
)
def test_event_without_a_real_time_is_none(time: object) -> None:
    assert from_json(TimeCreated=time) is None


@pytest.mark.parametrize("message", [None, "", 5, [5]])
def test_event_without_a_message_is_none(message: object) -> None:
    assert from_json(Message=message) is None


@pytest.mark.parametrize("message", [None, "", 5, [5]])
def test_event_without_a_message_is_one_by_its_provider(message: object) -> None:
    event = from_json(Message=message, ProviderName="AuthZ", MachineName="nps01", Properties=[{"Value": 5}, "x"][:1])
    assert event == WindowsEvent("2024-03-05T10:11:12Z", None, None, None, "AuthZ", "", "nps01")


def test_message_of_json_that_was_not_rendered_is_its_data() -> None:
    event = from_json(Message=None, Properties=[{"Value": "one"}, {"Value": 2}, "three"])
    assert event is not None
    assert event.message == "one three"


def test_fields_of_json() -> None:
    event = from_json(LevelDisplayName="Warning", ProcessId=12, ThreadId=0, ProviderName="AuthZ", MachineName="nps01")
    assert event == WindowsEvent("2024-03-05T10:11:12Z", "warning", "12", "0", "AuthZ", "hello", "nps01")


def test_fields_that_hold_no_text_are_left_out() -> None:
    event = from_json(LevelDisplayName=[], Level=None, ProcessId="", ThreadId={"id": 5}, ProviderName=None, MachineName=["nps01"])
    assert event == WindowsEvent("2024-03-05T10:11:12Z", None, None, None, None, "hello", None)


def test_fields_of_winlogbeat() -> None:
    log = {"provider_name": "AuthZ", "computer_name": "nps01", "process": {"pid": 12, "thread": {"id": 34}}}
    line = {"@timestamp": "2024-03-05T10:11:12.500Z", "log": {"level": "Error"}, "message": "hello", "winlog": log}
    assert read_event(json.dumps(line)) == WindowsEvent(
        "2024-03-05T10:11:12.500Z", "error", "12", "34", "AuthZ", "hello", "nps01"
    )


@pytest.mark.parametrize("data", ["event_data", "user_data"])
def test_message_of_winlogbeat_that_was_not_rendered_is_its_data(data: str) -> None:
    log = {"provider_name": "AuthZ", data: {"param1": "hello", "param2": "", "param3": "there"}}
    event = read_event(json.dumps({"@timestamp": "2024-03-05T10:11:12.500Z", "winlog": log}))
    assert event is not None
    assert event.message == "hello there"


def test_fields_of_xml() -> None:
    event = from_xml(f'{TIME}<Level>4</Level><Execution ProcessID="12" ThreadID="34"/><Computer>nps01</Computer>', MESSAGE)
    assert event is not None
    assert (event.stamp, event.pid, event.tid, event.provider, event.message, event.host) == (
        "2024-03-05T10:11:12.5Z", "12", "34", "AuthZ", "hello", "nps01",
    )  # fmt: skip


def test_message_of_xml_that_was_not_rendered_is_its_data() -> None:
    event = from_xml(TIME, "<EventData><Data>one</Data><Data>two</Data></EventData>")
    assert event is not None
    assert event.message == "one two"


@pytest.mark.parametrize(
    "rest", ["", "<EventData/>", "<EventData><Data/></EventData>", "<UserData><Other xmlns='o'><a/></Other></UserData>"]
)
def test_event_of_xml_without_a_text_keeps_its_head(rest: str) -> None:
    event = from_xml(TIME + "<Computer>nps01</Computer>", rest)
    assert event == WindowsEvent("2024-03-05T10:11:12.5Z", None, None, None, "AuthZ", "", "nps01")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "2024-03-05T10:11:12Z|0|1|2|pfrad|hello",
        "{",
        "{}",
        "<Event",
        "<Event><Nothing/></Event>",
        "<Event/>",
        XML.replace('<Provider Name="AuthZ"/>', "").format(system=TIME, rest=""),
        XML.format(system="", rest=MESSAGE),
        '<Event xmlns="x"><!DOCTYPE a></Event>',
    ],
)
def test_other_lines_are_none(line: str) -> None:
    assert read_event(line) is None


def test_line_that_is_too_long_is_not_looked_at() -> None:
    line = json.dumps({"TimeCreated": "2024-03-05T10:11:12Z", "Message": "hello"})
    assert read_event(line.ljust(LONGEST)) is not None
    assert read_event(line.ljust(LONGEST + 1)) is None
