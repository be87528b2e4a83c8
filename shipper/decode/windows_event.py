"""Windows events, one a line, as JSON or XML: how the log of the NPS extension is exported. Pure.

Read are the JSON of `Get-WinEvent | ConvertTo-Json -Compress` and of Winlogbeat, and the XML of
`wevtutil qe /f:xml`. The field names are those of the Windows event schema and of Winlogbeat's reference.
The text of an event that was not rendered is what its data say. An event without any text is one
all the same, as long as its provider shows that it is a Windows event.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from xml.etree import ElementTree

import orjson

from shipper.times import to_utc

LONGEST = 256 * 1024  # characters; a longer line is no event
_DATE = re.compile(r"/Date\((-?[0-9]{1,15})\)/")
_LEVELS = {"1": "critical", "2": "error", "3": "warning", "0": "info", "4": "info", "5": "debug", "information": "info"}
_SPACE = "{http://schemas.microsoft.com/win/2004/08/events/event}"


class WindowsEvent(NamedTuple):
    """What a line of an export says: the texts of a line's head, its message and the computer's name."""

    stamp: str
    level: str | None
    pid: str | None
    tid: str | None
    provider: str | None
    message: str
    host: str | None


def read_event(line: str) -> WindowsEvent | None:
    """The event of a line, or None if it is none, has no time, or has neither a message nor a provider."""
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
    log = _mapping(document.get("winlog"))
    if log:
        process = _mapping(log.get("process"))
        level = _text(_mapping(document.get("log")).get("level"))
        return _event(
            document.get("@timestamp"), level, process.get("pid"), _mapping(process.get("thread")).get("id"),
            log.get("provider_name"), document.get("message") or _data(log.get("event_data") or log.get("user_data")),
            log.get("computer_name"),
        )  # fmt: skip
    time = document.get("TimeCreated")
    if isinstance(time, Mapping):  # with a calculated property, as some scripts write it
        time = time.get("value") or time.get("DateTime")
    return _event(
        time, document.get("LevelDisplayName") or document.get("Level"), document.get("ProcessId"), document.get("ThreadId"),
        document.get("ProviderName"), document.get("Message") or _data(document.get("Properties")), document.get("MachineName"),
    )  # fmt: skip


def _from_xml(line: str) -> WindowsEvent | None:
    try:
        root = ElementTree.fromstring(line)  # noqa: S314  no document type: nothing is expanded
    except ElementTree.ParseError:
        return None
    system = root.find(f"{_SPACE}System")
    if system is None:
        return None

    def attribute(element: str, name: str) -> str | None:
        found = system.find(f"{_SPACE}{element}")
        return None if found is None else found.get(name)

    message = root.findtext(f"{_SPACE}RenderingInfo/{_SPACE}Message")
    if message is None:
        message = " ".join(
            "".join(data.itertext()) for part in ("EventData", "UserData") for data in root.findall(f"{_SPACE}{part}/*")
        )
    return _event(
        attribute("TimeCreated", "SystemTime"), system.findtext(f"{_SPACE}Level"), attribute("Execution", "ProcessID"),
        attribute("Execution", "ThreadID"), attribute("Provider", "Name"), message, system.findtext(f"{_SPACE}Computer"),
    )  # fmt: skip


def _event(time: Any, level: Any, pid: Any, tid: Any, provider: Any, message: Any, host: Any) -> WindowsEvent | None:
    stamp = _stamp(time)
    message = message if isinstance(message, str) else ""
    if stamp is None or not (message or _text(provider)):
        return None
    name = _text(level)
    level = None if name is None else _LEVELS.get(name.lower(), name.lower())
    return WindowsEvent(stamp, level, _text(pid), _text(tid), _text(provider), message, _text(host))


def _data(data: Any) -> str:
    """The texts of an event's data in JSON: of `{"param1": "…"}`, of `[{"Value": "…"}]`, as one text."""
    values = data.values() if isinstance(data, Mapping) else data if isinstance(data, list) else ()
    found = [_mapping(value).get("Value") if isinstance(value, Mapping) else value for value in values]
    return " ".join(text for text in found if isinstance(text, str) and text)


def _stamp(time: Any) -> str | None:
    if not isinstance(time, str):
        return None
    old = _DATE.fullmatch(time)  # Windows PowerShell 5
    if old is None:
        return to_utc(time)
    try:
        seconds, milliseconds = divmod(int(old[1]), 1000)
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{milliseconds:03}Z"
    except (ValueError, OverflowError, OSError):
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return None if value is None or value == "" or isinstance(value, (Mapping, list)) else str(value)
