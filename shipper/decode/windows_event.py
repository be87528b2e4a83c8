"""Windows events as JSON or XML, one per line: the exported log of the NPS extension. Pure.

Supported are the JSON of `Get-WinEvent | ConvertTo-Json -Compress` and of Winlogbeat, and the XML of
`wevtutil qe /f:xml`. Field names are from the Windows event schema and from Winlogbeat's reference.
If the exporter did not render the message, the event's data are its text. An event without any text
is still an event if it names its provider.
"""

import re
from datetime import UTC, datetime
from typing import Any, NamedTuple
from xml.etree import ElementTree

import orjson

from shipper.times import to_utc

LONGEST = 256 * 1024  # characters; a longer line is not read as an event
# Why a line that looks like an exported event is none: the keys of a summary's hints.
CAUSES = {
    "json": "look like JSON, and are not one whole object a line",
    "json_time": "are JSON of an unknown exporter: no TimeCreated, nor @timestamp beside winlog, that is a time with a zone",
    "json_text": "are JSON of an unknown exporter: neither ProviderName nor Message, nor these below winlog",
    "xml": "look like XML, and are not one whole Windows event a line",
}
_KEY, _KEYS = 40, 8  # characters of a key, and keys, that a sentence quotes
_DATE = re.compile(r"/Date\((-?[0-9]{1,15})\)/")
_LEVELS = {"1": "critical", "2": "error", "3": "warning", "0": "info", "4": "info", "5": "debug", "information": "info"}
_NAMESPACE = "{http://schemas.microsoft.com/win/2004/08/events/event}"


class WindowsEvent(NamedTuple):
    """The texts of an exported event: the head of a line, its message and the name of the computer."""

    stamp: str
    level: str | None
    pid: str | None
    tid: str | None
    provider: str | None
    message: str
    host: str | None


def read_event(line: str) -> WindowsEvent | None:
    """The event in a line; None if the line is no event, or the event has no time, or neither a message nor a provider."""
    if len(line) > LONGEST:
        return None
    if line.startswith("{"):
        return _from_json(line)
    if line.startswith("<Event") and "<!" not in line:
        return _from_xml(line)
    return None


def _from_json(line: str) -> WindowsEvent | None:
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    log, (_, time) = _mapping(document.get("winlog")), _time_in(document)
    if log:
        process = _mapping(log.get("process"))
        level = _text(_mapping(document.get("log")).get("level"))
        return _event(
            time, level, process.get("pid"), _mapping(process.get("thread")).get("id"),
            log.get("provider_name"), document.get("message") or _data(log.get("event_data") or log.get("user_data")),
            log.get("computer_name"),
        )  # fmt: skip
    return _event(
        time, document.get("LevelDisplayName") or document.get("Level"), document.get("ProcessId"), document.get("ThreadId"),
        document.get("ProviderName"), document.get("Message") or _data(document.get("Properties")), document.get("MachineName"),
    )  # fmt: skip


def _time_in(document: dict[str, Any]) -> tuple[str, Any]:
    """The key of an event's time, and its value, None if there is none."""
    if _mapping(document.get("winlog")):
        return "@timestamp", document.get("@timestamp")
    time = document.get("TimeCreated")
    if isinstance(time, dict):  # with a calculated property, as some scripts write it
        time = time.get("value") or time.get("DateTime")
    return "TimeCreated", time


def _from_xml(line: str) -> WindowsEvent | None:
    try:
        root = ElementTree.fromstring(line)  # noqa: S314  `<!` was refused: no entity can expand
    except ElementTree.ParseError:
        return None
    system = root.find(f"{_NAMESPACE}System")
    if system is None:
        return None

    def attribute(element: str, name: str) -> str | None:
        found = system.find(f"{_NAMESPACE}{element}")
        return None if found is None else found.get(name)

    message = root.findtext(f"{_NAMESPACE}RenderingInfo/{_NAMESPACE}Message")
    if message is None:
        message = " ".join(
            "".join(data.itertext()) for part in ("EventData", "UserData") for data in root.findall(f"{_NAMESPACE}{part}/*")
        )
    return _event(
        attribute("TimeCreated", "SystemTime"), system.findtext(f"{_NAMESPACE}Level"), attribute("Execution", "ProcessID"),
        attribute("Execution", "ThreadID"), attribute("Provider", "Name"), message, system.findtext(f"{_NAMESPACE}Computer"),
    )  # fmt: skip


def _event(time: Any, level: Any, pid: Any, tid: Any, provider: Any, message: Any, host: Any) -> WindowsEvent | None:
    stamp = _stamp(time)
    message = message if isinstance(message, str) else ""
    if stamp is None or not (message or _text(provider)):
        return None
    name = _text(level)
    level = None if name is None else _LEVELS.get(name.lower(), name.lower())
    return WindowsEvent(stamp, level, _text(pid), _text(tid), _text(provider), message, _text(host))


def why_no_event(line: str) -> tuple[str, str]:
    """Why `read_event` finds no event in a line that looks like JSON or XML: a sentence for `error.message`, and
    which of `CAUSES` it is."""
    if len(line) > LONGEST:
        return f"the line is longer than the {LONGEST} characters that a Windows event may have", "json" if line[
            0
        ] == "{" else "xml"
    if not line.startswith("{"):
        xml = line.startswith("<")
        return (_why_not_xml(line), "xml") if xml else ("this JSON is no object; one Windows event per line is read", "json")
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return "the line begins like a JSON object but is not a whole one; one Windows event per line is read", "json"
    key, time = _time_in(document)
    if time is not None and _stamp(time) is None:
        return f"this JSON object is no Windows event: its {key} is no time with a zone", "json_time"
    missing = key if time is None else "winlog.provider_name and message" if "winlog" in document else "ProviderName and Message"
    found = ", ".join(name[:_KEY] for name in list(document)[:_KEYS]) or "none"
    cause = "json_time" if time is None else "json_text"
    return f"this JSON object is no Windows event: {missing} missing or empty; its keys: {found}", cause


def _why_not_xml(line: str) -> str:
    if "<!" in line:
        return "this XML has a document type, a comment or CDATA, which is not read"
    try:
        root = ElementTree.fromstring(line)  # noqa: S314  no document type: nothing is expanded
    except ElementTree.ParseError:
        return "the line begins like XML but is not a whole element; one Windows event per line is read"
    system = root.find(f"{_NAMESPACE}System")
    if system is None:
        return "this XML is no Windows event: System is missing"
    created = system.find(f"{_NAMESPACE}TimeCreated")
    if created is None or _stamp(created.get("SystemTime")) is None:
        return "this XML is no Windows event: TimeCreated has no SystemTime that is a time with a zone"
    return "this XML is no Windows event: Provider and a text are missing"


def _data(data: Any) -> str:
    """The texts of an event's data in JSON: of `{"param1": "…"}`, of `[{"Value": "…"}]`, as one text."""
    values = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    found = [_mapping(value).get("Value") if isinstance(value, dict) else value for value in values]
    return " ".join(text for text in found if isinstance(text, str) and text)


def _stamp(time: Any) -> str | None:
    if not isinstance(time, str):
        return None
    milliseconds_date = _DATE.fullmatch(time)  # Windows PowerShell 5
    if milliseconds_date is None:
        return to_utc(time)
    try:
        seconds, milliseconds = divmod(int(milliseconds_date[1]), 1000)
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{milliseconds:03}Z"
    except (ValueError, OverflowError, OSError):
        return None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value or None
    return None if value is None or isinstance(value, dict | list) else str(value)
