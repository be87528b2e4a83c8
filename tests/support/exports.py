"""One sequence of events of the NPS extension, as each exporter writes it. Reconstructed from the exporters' documentation."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

PROVIDER, CHANNEL, COMPUTER, PROCESS = (
    "Microsoft-AzureMfa-AuthZ",
    "Microsoft-AzureMfa-AuthZ/AuthZOptCh",
    "nps01.example.com",
    3120,
)
ZONE = timezone(timedelta(hours=2))
NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event"


class Event(NamedTuple):
    """What Windows keeps of an event."""

    time: datetime
    thread: int
    level: int
    message: str


def _nps(correlation: int, text: str) -> str:
    return f"NPS Extension for Azure MFA:  CID: 0c7a1c52-0d0b-4b53-9a3e-6f0b7a3f1d{correlation:02} : {text}"


def _challenge(correlation: int, user: str) -> str:
    state = "5d2e0001-3317-43f7-b203-6ba81cba93c9"
    return _nps(correlation, f"Challenge requested in Authentication Ext for User {user} with state {state}")


def _result(correlation: int, user: str, word: str, result: str) -> str:
    return _nps(
        correlation, f"Access {word} for user {user} with Azure MFA response: {result} and message: session {correlation}"
    )


_ANNA, _BOB = "anna@example.com", r"EXAMPLE\bob"
_ERROR = (
    'ESTS_TOKEN_ERROR Msg:: Verify the client certificate "NPS" <is> properly enrolled, ok.\n'
    "Trace ID: 1\nCorrelation ID: 2\nTimestamp: 2019-10-17 20:49:30Z"
)
_SECONDS = (
    (0, 40, 4, _challenge(1, _ANNA)),
    (4, 41, 4, _challenge(2, _BOB)),
    (7, 42, 4, _result(1, _ANNA, "Accepted", "Success")),
    (12, 43, 4, _result(2, _BOB, "Rejected", "PhoneAppDenied")),
    (20, 44, 4, _challenge(3, _ANNA)),
    (31, 45, 4, _result(3, _ANNA, "Accepted", "Success")),
    (55, 46, 2, _nps(4, f"Exception in Authentication Ext for User {_BOB} :: ErrorCode:: CID :0c7a1c52-0d0b-4b53-9a3e-6f0b7a3f1d04 {_ERROR}")),
)  # fmt: skip
_BEGIN = datetime(2019, 10, 17, 22, 48, 35, tzinfo=ZONE)
EVENTS = [Event(_BEGIN + timedelta(seconds=second), *rest) for second, *rest in _SECONDS]  # type: ignore[arg-type]
_LEVELS = {2: "Error", 4: "Information"}


def _utc(event: Event) -> str:
    return event.time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000")  # noqa: UP017


def _epoch(event: Event) -> int:
    return int(event.time.timestamp() * 1000)


def _american(event: Event) -> str:
    time = event.time
    return f"{time.month}/{time.day}/{time.year} {time.hour % 12 or 12}:{time:%M:%S} {'AM' if time.hour < 12 else 'PM'}"


def _powershell(event: Event, time: Any) -> dict[str, Any]:
    return {
        "Message": event.message, "Id": 1, "Version": 0, "Qualifiers": None, "Level": event.level, "Task": 0,
        "Keywords": -9223372036854775808, "RecordId": 7, "ProviderName": PROVIDER, "LogName": CHANNEL, "ProcessId": PROCESS,
        "ThreadId": event.thread, "MachineName": COMPUTER, "UserId": {"BinaryLength": 12, "Value": "S-1-5-20"},
        "TimeCreated": time, "ContainerLog": CHANNEL, "MatchedQueryIds": [], "Bookmark": {}, "LevelDisplayName": _LEVELS[event.level],
        "KeywordsDisplayNames": [], "Properties": [{"Value": event.message}],
    }  # fmt: skip


def powershell_5(event: Event) -> dict[str, Any]:
    return _powershell(event, f"/Date({_epoch(event)})/")


def powershell_7(event: Event) -> dict[str, Any]:
    return _powershell(event, event.time.strftime("%Y-%m-%dT%H:%M:%S.0000000+02:00"))


def winlogbeat(event: Event) -> dict[str, Any]:
    return {
        "@timestamp": _utc(event) + "Z", "message": event.message, "log": {"level": _LEVELS[event.level].lower()},
        "event": {"kind": "event", "provider": PROVIDER, "code": "1"}, "host": {"name": "nps01"},
        "winlog": {
            "provider_name": PROVIDER, "channel": CHANNEL, "computer_name": COMPUTER, "event_id": "1",
            "process": {"pid": PROCESS, "thread": {"id": event.thread}}, "event_data": {"param1": event.message},
        },
    }  # fmt: skip


def nxlog(event: Event) -> dict[str, Any]:
    return {
        "EventTime": event.time.strftime("%Y-%m-%dT%H:%M:%S.000000+02:00"), "Hostname": COMPUTER, "Keywords": "0",
        "EventType": _LEVELS[event.level].upper().replace("INFORMATION", "INFO"), "SeverityValue": 2,
        "Severity": _LEVELS[event.level].upper().replace("INFORMATION", "INFO"), "EventID": 1, "SourceName": PROVIDER,
        "ExecutionProcessID": PROCESS, "ExecutionThreadID": event.thread, "Channel": CHANNEL, "Message": event.message,
        "EventReceivedTime": "2019-10-17T22:48:36.000000+02:00", "SourceModuleName": "in", "SourceModuleType": "im_msvistalog",
    }  # fmt: skip


def winevtlog(event: Event) -> dict[str, Any]:
    return {
        "ProviderName": PROVIDER, "ProviderGuid": "", "Qualifiers": "", "EventID": 1, "Version": 0, "Level": event.level, "Task": 0,
        "Opcode": 0, "Keywords": "0x8000000000000000", "TimeCreated": event.time.strftime("%Y-%m-%d %H:%M:%S +0200"), "EventRecordID": 7,
        "ActivityID": "", "RelatedActivityID": "", "ProcessID": PROCESS, "ThreadID": event.thread, "Channel": CHANNEL,
        "Computer": COMPUTER, "UserID": "NT AUTHORITY\\NETWORK SERVICE", "Message": event.message, "StringInserts": [event.message],
    }  # fmt: skip


def opentelemetry(event: Event) -> dict[str, Any]:
    return {
        "body": {
            "channel": CHANNEL, "computer": COMPUTER, "event_id": {"id": 1, "qualifiers": 0}, "level": _LEVELS[event.level],
            "message": event.message, "provider": {"name": PROVIDER, "guid": "", "event_source": ""}, "system_time": _utc(event) + "0000Z",
            "execution": {"process_id": PROCESS, "thread_id": event.thread}, "event_data": {"data": [{"": event.message}]},
        }
    }  # fmt: skip


def azure_monitor(event: Event) -> dict[str, Any]:
    return {
        "TenantId": "x", "SourceSystem": "OpsManager", "TimeGenerated": _utc(event) + "Z", "Source": PROVIDER, "EventLog": CHANNEL,
        "Computer": COMPUTER, "EventLevel": event.level, "EventLevelName": _LEVELS[event.level], "EventID": 1,
        "RenderedDescription": event.message, "Type": "Event",
    }  # fmt: skip


def splunk_text(event: Event) -> str:
    return (
        f"{event.time:%m/%d/%Y %I:%M:%S %p}\nLogName={CHANNEL}\nEventCode=1\nEventType={event.level}\nComputerName={COMPUTER}\n"
        f"SourceName={PROVIDER}\nType={_LEVELS[event.level]}\nRecordNumber=7\nKeywords=None\nTaskCategory=None\nOpCode=Info\n"
        f"Message={event.message}"
    )


def splunk_json(event: Event) -> dict[str, Any]:
    return {
        "preview": False, "offset": 0,
        "result": {"_raw": splunk_text(event), "_time": event.time.strftime("%Y-%m-%dT%H:%M:%S.000+02:00"), "host": COMPUTER},
    }  # fmt: skip


def xml(event: Event, *, rendered: bool = True, quote: str = "'") -> str:
    text = escape(event.message)
    rendering = (
        f"<RenderingInfo Culture={quote}en-US{quote}><Message>{text}</Message><Level>{_LEVELS[event.level]}</Level></RenderingInfo>"
        if rendered else ""
    )  # fmt: skip
    return (
        f"<Event xmlns={quote}{NAMESPACE}{quote}><System><Provider Name={quote}{PROVIDER}{quote}/><EventID>1</EventID>"
        f"<Level>{event.level}</Level><TimeCreated SystemTime={quote}{_utc(event)}000000Z{quote}/><EventRecordID>7</EventRecordID>"
        f"<Execution ProcessID={quote}{PROCESS}{quote} ThreadID={quote}{event.thread}{quote}/><Channel>{CHANNEL}</Channel>"
        f"<Computer>{COMPUTER}</Computer><Security UserID={quoteattr('S-1-5-20')}/></System>"
        f"<EventData><Data>{text}</Data></EventData>{rendering}</Event>"
    )


def viewer_text(event: Event) -> str:
    return (
        f"Log Name:      {CHANNEL}\nSource:        {PROVIDER}\nDate:          {_american(event)}\nEvent ID:      1\nTask Category: None\n"
        f"Level:         {_LEVELS[event.level]}\nKeywords:      \nUser:          NETWORK SERVICE\nComputer:      {COMPUTER}\nDescription:\n"
        f"{event.message}\nEvent Xml:\n{xml(event, rendered=False)}\n"
    )


# The words of a block: log, source, date, id, category, level, keywords, user, computer, description, XML.
_GERMAN = ("Protokollname:", "Quelle:", "Datum:", "Ereignis-ID:", "Aufgabenkategorie:", "Ebene:", "Schlüsselwörter:", "Benutzer:", "Computer:", "Beschreibung:", "Ereignis-XML:")  # fmt: skip
_FRENCH = ("Nom du journal :", "Source :", "Date :", "ID de l\u2019événement :", "Catégorie de la tâche :", "Niveau :", "Mots clés :", "Utilisateur :", "Ordinateur :", "Description :", "XML de l\u2019événement :")  # fmt: skip
_SPANISH = ("Nombre de registro:", "Origen:", "Fecha:", "Id. del evento:", "Categoría de la tarea:", "Nivel:", "Palabras clave:", "Usuario:", "Equipo:", "Descripción:", "XML de evento:")  # fmt: skip
_ITALIAN = ("Nome registro:", "Origine:", "Data:", "ID evento:", "Categoria attività:", "Livello:", "Parole chiave:", "Utente:", "Computer:", "Descrizione:", "XML evento:")  # fmt: skip


def _local_text(words: tuple[str, ...], levels: dict[str, str], form: str, *, with_xml: bool = False) -> str:
    blocks = []
    for event in EVENTS:
        level = levels[_LEVELS[event.level]]
        values = (CHANNEL, PROVIDER, event.time.strftime(form), "1", "-", level, "", "NETZWERKDIENST", COMPUTER)
        head = "".join(f"{word:<23}{value}\n" for word, value in zip(words[:9], values, strict=True))
        behind = f"{words[10]}\n{xml(event, rendered=False)}\n" if with_xml else ""
        blocks.append(f"{head}{words[9]}\n{event.message}\n{behind}")
    return "\n".join(blocks)


def wevtutil_text(number: int, event: Event) -> str:
    return (
        f"Event[{number}]:\n  Log Name: {CHANNEL}\n  Source: {PROVIDER}\n  Date: {_utc(event)}0000Z\n  Event ID: 1\n  Task: N/A\n"
        f"  Level: {_LEVELS[event.level]}\n  Opcode: N/A\n  Keyword: N/A\n  User: S-1-5-20\n  User Name: NT AUTHORITY\\NETWORK SERVICE\n"
        f"  Computer: {COMPUTER}\n  Description: \n{event.message}\n\n"
    )


def _rows(header: Sequence[str], rows: Sequence[Sequence[Any]], *, delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator="\r\n")  # type: ignore[arg-type]
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _viewer_rows(delimiter: str) -> str:
    header = ("Level", "Date and Time", "Source", "Event ID", "Task Category")
    rows = [(_LEVELS[event.level], _american(event), PROVIDER, 1, "None", event.message) for event in EVENTS]
    return _rows(header, rows, delimiter=delimiter)


_IN_GERMAN = ("Ebene", "Datum und Uhrzeit", "Quelle", "Ereignis-ID", "Aufgabenkategorie")
_IN_FRENCH = ("Niveau", "Date et heure", "Source", "ID de l\u2019événement", "Catégorie de la tâche")
_IN_SPANISH = ("Nivel", "Fecha y hora", "Origen", "Id. del evento", "Categoría de la tarea")
_LOCAL_LEVELS: dict[tuple[str, ...], dict[str, str]] = {
    _IN_GERMAN: {"Information": "Informationen", "Warning": "Warnung", "Error": "Fehler"},
    _IN_FRENCH: {"Information": "Information", "Warning": "Avertissement", "Error": "Erreur"},
    _IN_SPANISH: {"Information": "Información", "Warning": "Advertencia", "Error": "Error"},
}
_ITALIAN_LEVELS = {"Information": "Informazioni", "Warning": "Avviso", "Error": "Errore"}


def _local_rows(header: tuple[str, ...], form: str) -> str:
    levels = _LOCAL_LEVELS[header]
    rows = [(levels[_LEVELS[event.level]], event.time.strftime(form), PROVIDER, 1, "-", event.message) for event in EVENTS]
    return _rows(header, rows)


def _export_csv() -> str:
    names = [name for name, value in powershell_7(EVENTS[0]).items() if not isinstance(value, dict | list)]
    rows = [[{**powershell_7(event), "TimeCreated": _american(event)}[name] for name in names] for event in EVENTS]
    return "#TYPE System.Diagnostics.Eventing.Reader.EventLogRecord\r\n" + _rows(names, rows, quoting=csv.QUOTE_ALL)


def _azure_csv() -> str:
    names = list(azure_monitor(EVENTS[0]))
    header = ["TimeGenerated [UTC]" if name == "TimeGenerated" else name for name in names]
    rows = [[{**azure_monitor(e), "TimeGenerated": _azure_time(e)}[name] for name in names] for e in EVENTS]
    return _rows(header, rows, quoting=csv.QUOTE_ALL)


def _azure_time(event: Event) -> str:
    time = event.time.astimezone(timezone.utc)  # noqa: UP017
    return f"{time.month}/{time.day}/{time.year}, {time.hour % 12 or 12}:{time:%M:%S}.000 {'AM' if time.hour < 12 else 'PM'}"


def _lines(record: Callable[[Event], dict[str, Any]]) -> str:
    return "".join(json.dumps(record(event), separators=(",", ":")) + "\n" for event in EVENTS)


def pretty_5(value: Any) -> str:
    """JSON as Windows PowerShell 5 indents it: two blanks behind a colon, what is inside below what it belongs to."""
    return json.dumps(value, indent=4, separators=(",", ":  ")).replace("\n", "\r\n") + "\r\n"


_LOCAL = ("--local-zone", "+02:00")

# By name: the options that `parse` needs, the text, and its encoding.
EXPORTS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "powershell-lines": ((), _lines(powershell_7), "utf-8"),
    "powershell-5-lines": ((), _lines(powershell_5), "utf-8"),
    "powershell-array": ((), json.dumps([powershell_7(e) for e in EVENTS], separators=(",", ":")) + "\r\n", "utf-8"),
    "powershell-pretty": ((), json.dumps([powershell_7(e) for e in EVENTS], indent=2) + "\r\n", "utf-8-sig"),
    "powershell-5-pretty": ((), pretty_5([powershell_5(e) for e in EVENTS]), "utf-16"),
    "powershell-on-end": ((), "".join(pretty_5(powershell_5(e)) for e in EVENTS), "utf-8-sig"),
    "export-csv": (_LOCAL, _export_csv(), "utf-8"),
    "wevtutil": ((), "\r\n".join(xml(e) for e in EVENTS) + "\r\n", "utf-8"),
    "wevtutil-not-rendered": ((), "".join(xml(e, rendered=False) for e in EVENTS), "utf-8"),
    "wevtutil-text": ((), "".join(wevtutil_text(n, e) for n, e in enumerate(EVENTS)), "utf-8"),
    "event-viewer-xml": (
        (),
        '<?xml version="1.0" encoding="utf-8" standalone="yes"?>\r\n<Events>' + "".join(xml(e) for e in EVENTS) + "</Events>",
        "utf-8",
    ),
    "event-viewer-csv": (_LOCAL, _viewer_rows(","), "utf-8-sig"),
    "event-viewer-csv-german": (_LOCAL, _local_rows(_IN_GERMAN, "%d.%m.%Y %H:%M:%S"), "utf-8-sig"),
    "event-viewer-csv-french": (_LOCAL, _local_rows(_IN_FRENCH, "%d/%m/%Y %H:%M:%S"), "utf-8-sig"),
    "event-viewer-csv-spanish": (_LOCAL, _local_rows(_IN_SPANISH, "%d/%m/%Y %H:%M:%S"), "utf-8-sig"),
    "event-viewer-tabs": (_LOCAL, _viewer_rows("\t"), "utf-16"),
    "event-viewer-text": ((), "\r\n".join(viewer_text(e) for e in EVENTS), "utf-8"),
    "event-viewer-text-german": (_LOCAL, _local_text(_GERMAN, _LOCAL_LEVELS[_IN_GERMAN], "%d.%m.%Y %H:%M:%S"), "utf-8"),
    "event-viewer-text-german-xml": (
        (),
        _local_text(_GERMAN, _LOCAL_LEVELS[_IN_GERMAN], "%d.%m.%Y %H:%M:%S", with_xml=True),
        "utf-16",
    ),
    "event-viewer-text-french": (_LOCAL, _local_text(_FRENCH, _LOCAL_LEVELS[_IN_FRENCH], "%d/%m/%Y %H:%M:%S"), "utf-8"),
    "event-viewer-text-french-xml": (
        (),
        _local_text(_FRENCH, _LOCAL_LEVELS[_IN_FRENCH], "%d/%m/%Y %H:%M:%S", with_xml=True),
        "utf-8-sig",
    ),
    "event-viewer-text-spanish": (_LOCAL, _local_text(_SPANISH, _LOCAL_LEVELS[_IN_SPANISH], "%d/%m/%Y %H:%M:%S"), "utf-16"),
    "event-viewer-text-italian": (_LOCAL, _local_text(_ITALIAN, _ITALIAN_LEVELS, "%d/%m/%Y %H:%M:%S"), "utf-8"),
    "winlogbeat": ((), _lines(winlogbeat), "utf-8"),
    "nxlog": ((), _lines(nxlog), "utf-8"),
    "winevtlog": ((), _lines(winevtlog), "utf-8"),
    "opentelemetry": ((), _lines(opentelemetry), "utf-8"),
    "azure-monitor": ((), json.dumps([azure_monitor(e) for e in EVENTS], indent=2), "utf-8"),
    "azure-monitor-csv": ((), _azure_csv(), "utf-8-sig"),
    "splunk-text": (_LOCAL, "\n".join(splunk_text(e) for e in EVENTS) + "\n", "utf-8"),
    "splunk-xml": ((), "\n".join(xml(e) for e in EVENTS) + "\n", "utf-8"),
    "splunk-json": ((), _lines(splunk_json), "utf-8"),
}
LESS = {  # what an exporter does not write of an event
    "event-viewer-csv": ("host", "process"),
    "event-viewer-csv-german": ("host", "process"),
    "event-viewer-csv-french": ("host", "process"),
    "event-viewer-csv-spanish": ("host", "process"),
    "event-viewer-tabs": ("host", "process"),
    "event-viewer-text-german": ("process",),
    "event-viewer-text-french": ("process",),
    "event-viewer-text-spanish": ("process",),
    "event-viewer-text-italian": ("process",),
    "wevtutil-text": ("process",),
    "azure-monitor": ("process",),
    "azure-monitor-csv": ("process",),
    "splunk-text": ("process",),
    "splunk-json": ("process",),
}


def content(name: str) -> bytes:
    """The file that an exporter writes."""
    _, text, encoding = EXPORTS[name]
    return text.encode(encoding)
