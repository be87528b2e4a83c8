"""The table of exporters: which one wrote a record, and what its times mean."""

import tomllib
from datetime import timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shipper.decode.envelopes import Envelopes, WindowsEvent, read_envelopes
from shipper.decode.exported_times import stamp_of
from shipper.decode.library import load_envelopes
from shipper.decode.windows_event import CAUSES, EventReader
from shipper.model import Export

TABLE = load_envelopes()
LOCAL = Envelopes(lambda: TABLE.exporters, timezone(timedelta(hours=2)))
CSV = Export("csv", 0, ("Level", "Date and Time", "Source"), ",")
TEXT = Export("text")
INVENTED = """
[acme]
name = "Acme"
form = "JSON"
time = ["when"]
computer = ["where.name"]
provider = ["who"]
process = ["p"]
thread = ["t"]
level = ["how"]
message = ["said", "parts"]
"""


def test_an_exporter_is_a_table_more() -> None:
    envelopes = Envelopes(lambda: [*TABLE.exporters, *read_envelopes(tomllib.loads(INVENTED))])
    record = '{"when":"2024-03-05T10:11:12Z","where":{"name":"nps01"},"who":"AuthZ","p":1,"t":2,"how":"Warning","parts":["a",{"b":"c"}]}'
    assert EventReader(TABLE).read(record) is None
    assert EventReader(envelopes).read(record) == WindowsEvent(
        "2024-03-05T10:11:12Z", "warning", "1", "2", "AuthZ", "a c", "nps01"
    )


def test_the_exporter_counts_of_whose_parts_the_most_are_there() -> None:
    written = {"TimeCreated": "2019-10-17 22:48:29 +0200", "Message": "x"}
    first, other = TABLE.exporter(written), TABLE.exporter({**written, "Computer": "nps01", "ProcessID": 1})
    assert first is not None
    assert other is not None
    assert (first.name, other.name) == ("Get-WinEvent of PowerShell 5 and 7", "Fluent Bit")


def test_a_key_that_holds_nothing_is_not_there() -> None:
    beat = {"@timestamp": "2024-03-05T10:11:12Z", "winlog": {"provider_name": "AuthZ"}, "message": "x"}
    export = {"_time": "2024-03-05T10:11:12Z", "_raw": "a line"}
    assert TABLE.exporter(beat) is not None
    assert TABLE.exporter({**beat, "winlog": None}) is None
    assert TABLE.inside(export) == ("a line", "_raw", "2024-03-05T10:11:12Z", None)
    assert TABLE.inside({"result": {"_raw": "a line", "host": "mfa01"}}) == ("a line", "result._raw", None, "mfa01")
    assert TABLE.inside({**export, "_raw": None}) is None


@pytest.mark.parametrize(
    ("written", "stamp"),
    [
        ("2019-10-17T22:48:35.1234567+02:00", "2019-10-17T20:48:35.1234567Z"),
        ("2019-10-17 22:48:35 +0200", "2019-10-17T20:48:35Z"),
        ("2019-10-17 22:48:35.5 +02:00", "2019-10-17T20:48:35.5Z"),
        ("/Date(1571345315123)/", "2019-10-17T20:48:35.123Z"),
        ("/Date(1571345315123+0200)/", "2019-10-17T20:48:35.123Z"),
        ("/Date(-1)/", "1969-12-31T23:59:59.999Z"),
        # of the zone given
        ("2019-10-17T22:48:35.123", "2019-10-17T20:48:35.123Z"),
        ("2019-10-17 22:48:35", "2019-10-17T20:48:35Z"),
        ("17.10.2019 22:48:35", "2019-10-17T20:48:35Z"),
        ("10/17/2019 10:48:35 PM", "2019-10-17T20:48:35Z"),
        ("10/17/2019, 12:48:35.250 AM", "2019-10-16T22:48:35.250Z"),
        ("1/2/2019 12:00:00\u202fPM", "2019-01-02T10:00:00Z"),
        # none
        ("17/10/2019 22:48:35", None),
        ("10/17/2019 22:48:35 PM", None),
        ("30.02.2019 22:48:35", None),
        ("0001-01-01 00:00:00", None),
        ("2019-10-17 25:48:35 +0200", None),
        ("yesterday", None),
        (1571345315, None),
    ],
)
def test_times(written: object, stamp: str | None) -> None:
    assert stamp_of(written, LOCAL.zone) == stamp


def test_whether_the_day_or_the_month_stands_first_is_known_from_the_language() -> None:
    assert stamp_of("7/10/2019 22:48:35", LOCAL.zone, day_first=True) == "2019-10-07T20:48:35Z"
    assert stamp_of("17.10.2019 22:48:35", LOCAL.zone, day_first=True) == "2019-10-17T20:48:35Z"
    assert stamp_of("10/17/2019 10:48:35 PM", LOCAL.zone, day_first=True) is None
    french = Export("csv", 0, ("Niveau", "Date et heure", "Source"), ",")
    event = WindowsEvent("2019-10-07T20:48:35Z", "warning", None, None, "AuthZ", "x", None)
    assert read("Avertissement,07/10/2019 22:48:35,AuthZ,x", french) == event
    assert "names no zone" in EventReader(TABLE, french).why_not("Avertissement,17/10/2019 22:48:35,AuthZ,x")[0]


def test_a_time_without_a_zone_is_none_unless_the_zone_is_given() -> None:
    assert stamp_of("2019-10-17 22:48:35") is None
    assert stamp_of("2019-01-17 22:48:35", ZoneInfo("Europe/Berlin")) == "2019-01-17T21:48:35Z"


def read(text: str, export: Export | None = None, table: Envelopes = LOCAL) -> WindowsEvent | None:
    return EventReader(table, export).read(text)


def test_rows() -> None:
    event = WindowsEvent("2019-10-17T20:48:35Z", "info", None, None, "AuthZ", 'say "x", y', None)
    assert read('Information,17.10.2019 22:48:35,AuthZ,"say ""x"", y"', CSV) == event
    assert read("Information,17.10.2019 22:48:35,AuthZ", CSV) == event._replace(message="")
    assert read('a,b\n"c', CSV) is None
    assert read("", CSV) is None


def test_blocks() -> None:
    event = WindowsEvent("2019-10-17T20:48:35Z", "info", None, None, "AuthZ", "one\ntwo: three", "nps01")
    block = "Log Name:  x\r\nSource:  AuthZ\r\nDate:  17.10.2019 22:48:35\r\nLevel:  Information\r\nComputer: nps01\r\nDescription:\r\none\r\ntwo: three\r\n"
    assert read(block, TEXT) == event
    xml = (
        '<Event><System><TimeCreated SystemTime="2019-10-17T20:48:36Z"/><Execution ProcessID="1" ThreadID="2"/></System></Event>'
    )
    assert read(f"{block}Event Xml:\r\n{xml}", TEXT) == event._replace(stamp="2019-10-17T20:48:36Z", pid="1", tid="2")
    assert read(f"{block}Event Xml:\r\n<cut", TEXT) == event
    splunk = "10/17/2019 10:48:35 PM\nLogName=x\nComputerName=nps01\nSourceName=AuthZ\nType=Information\nMessage=one\ntwo: three"
    assert read(splunk, TEXT) == event
    assert read(splunk) is None


def splunk(raw: str, **result: Any) -> str:
    import json

    return json.dumps({"preview": False, "result": {"_raw": raw, "_time": "2019-10-17T22:48:36.000+02:00", **result}})


def test_the_raw_text_of_splunk_is_an_event_of_its_own() -> None:
    event = WindowsEvent("2019-10-17T20:48:36.000Z", None, None, None, "AuthZ", "one", None)
    text = "10/17/2019 10:48:35 PM\nLogName=x\nSourceName=AuthZ\nMessage=one"
    assert read(splunk(text), table=TABLE) == event
    assert read(splunk(text, _time="soon"), table=LOCAL) == event._replace(stamp="2019-10-17T20:48:35Z")
    xml = "<Event><System><Provider Name='AuthZ'/><TimeCreated SystemTime='2019-10-17T20:48:37Z'/></System><EventData><Data>one</Data></EventData></Event>"
    assert read(splunk(xml), table=TABLE) == event._replace(stamp="2019-10-17T20:48:37Z")
    assert read(splunk("<cut", Message="one", SourceName="AuthZ"), table=TABLE) == event


def test_xml_of_any_shape() -> None:
    head = "<System><Provider Name='AuthZ'/><TimeCreated SystemTime='2019-10-17T20:48:37Z'/><Level>3</Level></System>"
    event = WindowsEvent("2019-10-17T20:48:37Z", "warning", None, None, "AuthZ", "a b c", None)
    for data in (
        "<EventData><Data>a</Data><Data Name='x'>b</Data><Data>c</Data></EventData>",
        "<UserData><x:Other xmlns:x='y'>a<b>b</b><c>c</c></x:Other></UserData>",
        "<RenderingInfo><Message><![CDATA[a b]]> c</Message></RenderingInfo><EventData><Data>d</Data></EventData>",
    ):
        found = read(f"<e:Event xmlns:e='z'>{head}{data}</e:Event>".replace("e:Event", "Event"))
        assert found is not None
        assert sorted(found.message.split()) == ["a", "b", "c"], data
        assert found._replace(message="a b c") == event
    assert read("<Event>text</Event>") is None
    deep = "<a>" * 500 + "deep" + "</a>" * 500
    found = read(f"<Event>{head}<UserData>{deep}</UserData></Event>")
    assert found is not None
    assert found.message == "deep"


def test_entities_are_not_expanded() -> None:
    bomb = '<!DOCTYPE Event [<!ENTITY a "' + "x" * 1000 + '">' + "".join(f'<!ENTITY b{n} "&a;&a;">' for n in range(99)) + "]>"
    assert read(f"<Event>{bomb}</Event>") is None
    assert read("<Event><System>&a;</System></Event>") is None


@pytest.mark.parametrize(
    ("text", "export", "reason", "cause"),
    [
        ("a,17/10/2019 22:48:35,AuthZ", CSV, "this CSV row is no Windows event: its time 17/10/2019 22:48:35 is none", "table"),
        (
            "a,17.10.2019 22:48:35,AuthZ",
            CSV,
            "the time 17.10.2019 22:48:35 of this CSV row names no zone: see --local-zone",
            "zone",
        ),
        (",,", CSV, "this CSV row is no Windows event of a known exporter: no time (TimeCreated, Date and Time, ", "table"),
        ('a,b\n"c', CSV, "this CSV row is not one of a Windows event", "table"),
        (
            "Log Name: x\nLevel: y",
            TEXT,
            "this text is no Windows event of a known exporter: no time (Date and Time, Datum und Uhrzeit, Data e ora, Date, Datum, Data); its keys: Log Name",
            "table",
        ),
        ("x" * 300_000, TEXT, "this text is longer than the 262144 characters", "long"),
    ],
)
def test_why_a_record_is_no_event(text: str, export: Export, reason: str, cause: str) -> None:
    sentence, why = EventReader(TABLE, export).why_not(text)
    assert reason in sentence
    assert why == cause
    assert why in CAUSES


def test_what_stands_between_records() -> None:
    assert EventReader(TABLE, Export("json")).stray("x") == "this is no record; it stands between those of the JSON"
    assert (
        EventReader(TABLE, Export("xml")).stray("<!DOCTYPE a>")
        == "a document type, which is not read, nor are the entities that it names"
    )
    assert EventReader(TABLE, CSV).stray("x") is None
    assert EventReader(TABLE).stray("x") is None


@pytest.mark.parametrize(
    ("columns", "known"),
    [
        (("Level", "Date and Time", "Source", "Event ID", "Task Category"), True),
        (("TenantId", "TimeGenerated [UTC]", "Computer", "RenderedDescription"), True),
        (("Message", "Id", "ProviderName", "TimeCreated"), True),
        (("Date and Time",), False),
        (("EventTime", "Message"), False),
        (("Ebene", "Datum und Uhrzeit", "Quelle"), True),
        (("Nivå", "Datum och tid", "Källa"), False),
    ],
)
def test_headers(columns: tuple[str, ...], known: bool) -> None:
    assert TABLE.is_header(columns) == known


def test_records_with_many_keys_are_read_and_not_remembered() -> None:
    many = ",".join(f'"k{n}":{n}' for n in range(100))
    event = read(f'{{"TimeCreated":"2019-10-17T20:48:37Z","Message":"x",{many}}}')
    assert event is not None
    assert event.message == "x"


def test_the_message_of_a_record_whose_time_is_none() -> None:
    reader = EventReader(TABLE, CSV)
    assert reader.message("x,soon,AuthZ,text") == ("text", None)
    assert EventReader(TABLE).message('{"MachineName":"nps01","Message":"text"}') == ("text", "nps01")
    assert EventReader(TABLE).message('{"a":1}') == ("", None)
    assert EventReader(TABLE).message("no record") == ("", None)
    assert EventReader(TABLE).message("{" + " " * 300_000) == ("", None)
