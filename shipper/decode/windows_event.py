"""Reads Windows events, such as those of the NPS extension, from a line or a record as exporters write them. Pure.

JSON, XML, CSV rows and blocks of text become keys and values; the table of exporters (see `envelopes`) gives the keys
their meaning. If the exporter did not render the message, the event's data are its text. An event without any text is
still an event if it names its provider.
"""

import re
from typing import Any
from xml.etree import ElementTree

import orjson

from shipper.decode.envelopes import Envelopes, WindowsEvent
from shipper.decode.wrappers import Inner
from shipper.model import Export
from shipper.read.exports import fields_of
from shipper.read.grammars import LOG_NAME

LONGEST = 256 * 1024  # characters; a longer line is not read as an event
# Why a line or record that looks like an exported event is not one: a summary's hint for each cause.
CAUSES = {
    "json": "look like JSON without an object that can be read",
    "json_time": "come as JSON of an unknown exporter, whose time is missing or is none (schemas/envelopes.toml says which keys are known)",
    "json_text": "come as JSON of an unknown exporter, whose provider and text are not found (schemas/envelopes.toml says which keys are known)",
    "xml": "look like XML without a whole Windows event",
    "long": f"have more than the {LONGEST:,} characters that a Windows event may have",
    "table": "belong to a table or a text of an unknown exporter (schemas/envelopes.toml says which keys are known)",
    "otlp": "hold batches of OTLP, which have many records each: take the lines out of them, jq -r "
    "'.resourceLogs[].scopeLogs[].logRecords[].body.stringValue' (of Windows events with raw: true of the receiver)",
    "zone": "have a time that names no zone: give that of the machine that made the export, --local-zone Europe/Berlin",
}
_EVENT = re.compile(r"<(?:[\w.-]{1,64}:)?Event[\s>]")
_BLOCK = re.compile(LOG_NAME + r"[ \t]|Event\[[0-9]{1,9}\]|[^\n]{1,64}\nLogName=")
_SPLUNK_KEY = re.compile(r"([A-Za-z]{1,64})=(.*)", re.DOTALL)
_VIEWER_KEY = re.compile(r"[ \t]{0,8}([^\W\d_][^\n:\t]{0,39}?)[ \u00a0]?:[ \t]*(.*)", re.DOTALL)
_LAST_KEYS = ("Description", "Message", "Beschreibung", "Descripción", "Descrizione")  # everything after such a key is its text
_XML_KEY = "Event Xml"
_OTLP = re.compile(r'\{\s{0,16}"resourceLogs"')
_XML = re.compile(r"\n(?:Event Xml|Ereignis-XML|XML de l.événement|XML de evento|XML evento)[ \u00a0]?:")
_WANTED = "a Windows event is one object"
_NO_NUMBER = re.compile(r"NaN|Infinity")
_NPS, _PROVIDER, _MESSAGE = "NPS Extension", "SourceName", "Message"  # a provider, and Splunk's keys for provider and message


class EventReader:
    """Reads the events of one file."""

    def __init__(self, envelopes: Envelopes, export: Export | None = None) -> None:
        """`export` says how the records of the file are written; None for lines."""
        self.envelopes = envelopes
        self._export = export

    def read(self, text: str) -> WindowsEvent | None:
        """The event in a line or record; None if there is none, or it lacks a time, or both message and provider."""
        if len(text) > LONGEST:
            return None
        document = self._document(text)
        return None if document is None else self._event(document)

    def message(self, text: str) -> tuple[str, str | None]:
        """The message of a record, even of one without a valid time, or ""; and the computer's name, or None."""
        document = self._document(text) if len(text) <= LONGEST else None
        return ("", None) if document is None else self.envelopes.message(document)

    def inside(self, text: str) -> Inner | None:
        """The log line that a record holds as another program read it (Splunk's `_raw`), and its computer; None without one."""
        document = self._document(text) if len(text) <= LONGEST else None
        found = None if document is None else self.envelopes.inside(document)
        if found is None or _is_event(found.text):
            return None
        return Inner(found.text.rstrip(" \t\r\n"), None, found.host, f"in {found.key} of the {_kind(text, self._export)}")

    def _document(self, text: str) -> dict[str, Any] | None:
        if text[:1] == "{":
            return _of_json(text)
        if text[:1] == "<":
            return _of_xml(text)
        if self._export is not None and self._export.form == "csv":
            return _of_row(text, self._export)
        return _of_block(text) if self._export is not None and self._export.form == "text" else None

    def _event(self, document: dict[str, Any]) -> WindowsEvent | None:
        inside = self.envelopes.inside(document)
        if inside is not None:
            text, _, stamp, _ = inside
            inner = (_of_xml if text[:1] == "<" else _of_block)(text) if _is_event(text) else None
            if inner is not None:
                if stamp is not None and "" in inner:
                    inner[""] = stamp  # Splunk knows the zone of its text
                return self.envelopes.event(inner)
            if text.startswith(_NPS):
                document = {_PROVIDER: _NPS, **document, _MESSAGE: text}
        return self.envelopes.event(document)

    def looks_like_one(self, text: str) -> bool:
        """True for a text that is probably an event, whole or not."""
        return (self._export is not None and self._export.form in ("csv", "text")) or text.startswith(
            ("{", "[{", "<Event", "<?xml")
        )

    def stray(self, text: str) -> str | None:
        """A sentence about text between the records of a JSON or XML export; None for any other file."""
        if self._export is None or self._export.form not in ("json", "xml"):
            return None
        if text.startswith("<!DOCTYPE"):
            return "a document type, which is not read, nor are the entities that it names"
        return f"this is no record; it stands between those of the {self._export.form.upper()}"

    def why_not(self, text: str) -> tuple[str, str]:
        """Why `read` finds no event in a text that looks like one: a sentence for `error.message`, and the key of `CAUSES`."""
        kind = _kind(text, self._export).removesuffix(" object")
        cause = kind.lower() if kind in ("JSON", "XML") else "table"
        if _OTLP.match(text):
            return "this is a batch of OTLP, which holds many records: their bodies are the lines", "otlp"
        if len(text) > LONGEST:
            return f"this {kind} is longer than the {LONGEST} characters that a Windows event may have", "long"
        document = self._document(text)
        if document is None:
            return _why_broken(text, kind), cause
        sentence, missing = self.envelopes.why_not(document, f"{kind} object" if kind == "JSON" else kind)
        return sentence, "zone" if missing == "zone" else f"json_{missing}" if kind == "JSON" else cause


def _kind(text: str, export: Export | None) -> str:
    if text[:1] in "{[":
        return "JSON object"
    return "XML" if text[:1] == "<" else "CSV row" if export is not None and export.form == "csv" else "text"


def _is_event(text: str) -> bool:
    return (_EVENT.match(text) or _BLOCK.match(text)) is not None


def _why_broken(text: str, kind: str) -> str:
    if kind == "JSON":
        return _why_no_json(text) if text[0] == "{" else f"this is JSON and no object; {_WANTED}"
    if kind == "XML":
        if "<!DOCTYPE" in text:
            return "this XML has a document type, which is not read"
        return "this begins like XML and is not a whole element; a Windows event is one element, Event"
    return f"this {kind} is not one of a Windows event"


def _why_no_json(text: str) -> str:
    """Why a text that begins like a JSON object cannot be read as one."""
    at, broken = len(text), ""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        at, broken = error.pos, error.msg
    if at >= len(text.rstrip()):
        return f"this begins like a JSON object and is not a whole one; {_WANTED}"
    number = _NO_NUMBER.match(text, at)
    if number is not None:
        return f"this JSON holds {number[0]}, at character {at + 1}, which JSON does not allow"
    if "surrogate" in broken:
        return f"this JSON holds half of a surrogate pair, at character {at + 1}, which is no character"
    return f"this JSON is wrong at character {at + 1}: {broken}"


def _of_json(text: str) -> dict[str, Any] | None:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _of_xml(text: str) -> dict[str, Any] | None:
    """The keys of an `<Event>`; None for all other XML, and for XML with a document type, whose entities might expand."""
    if not _EVENT.match(text) or "<!DOCTYPE" in text:
        return None
    try:
        root = ElementTree.fromstring(text)  # noqa: S314  without a document type there is no entity to expand
    except ElementTree.ParseError:
        return None
    value = _of_element(root, 0)
    return value if isinstance(value, dict) else {}


_DEEPEST = 64  # levels of nested elements; deeper ones are taken as text


def _of_element(element: ElementTree.Element, depth: int) -> Any:
    """The text of an element, or a dictionary: attributes (keys with an @), children, and text beside them (key "")."""
    if depth == _DEEPEST:
        return "".join(element.itertext())
    value: dict[str, Any] = {f"@{name.rpartition('}')[2]}": text for name, text in element.attrib.items()}
    for child in element:
        name, inner = child.tag.rpartition("}")[2], _of_element(child, depth + 1)
        if name in value:
            if not isinstance(value[name], list):
                value[name] = [value[name]]
            value[name].append(inner)
        else:
            value[name] = inner
    text = element.text or ""
    if not value:
        return text
    if text.strip():
        value[""] = text
    return value


def _of_row(text: str, export: Export) -> dict[str, Any] | None:
    """The fields of a row by column name; fields past the last column are under the empty name."""
    row = fields_of(text, export.delimiter)
    if row is None:
        return None
    document: dict[str, Any] = dict(zip(export.columns, row, strict=False))
    rest = " ".join(field for field in row[len(export.columns) :] if field)
    return {**document, "": rest} if rest else document


def _of_block(text: str) -> dict[str, Any]:
    """The keys of a block of text: `Key: value` as Event Viewer and wevtutil write it, or Splunk's `Key=value`."""
    text, *rest = _XML.split(text, maxsplit=1)
    xml = rest[0] if rest else ""
    lines = text.replace("\r\n", "\n").split("\n")
    document: dict[str, Any] = {}
    form = _SPLUNK_KEY if any(line.startswith("LogName=") for line in lines[:3]) else _VIEWER_KEY
    if lines[0] and not form.fullmatch(lines[0]):
        document[""] = lines[0].strip()
    for number, line in enumerate(lines):
        found = form.fullmatch(line)
        if found is None:
            continue
        key, value = found.groups()
        if key in _LAST_KEYS:
            document[key] = "\n".join([value, *lines[number + 1 :]]).strip()
            break
        document[key] = value.strip()
    event = _of_xml(xml.strip()) if xml else None
    return document if event is None else {**document, _XML_KEY: event}
