"""Output formats: what a line of output looks like around an ECS document. Pure.

A format works on the JSON text of an event. The general path begins every document with
`{"@timestamp":"TIME","event":{"id":"ID","dataset":"DATASET"`, none of which holds a quote, so
one expression finds them without a look at, or a copy of, the rest.

LivePipelines: Splunk, "Format events for HTTP Event Collector"; Elastic, "Bulk API" and "Data streams".
"""

import re
from collections.abc import Callable

import orjson

from shipper.times import SECOND, StampReader

# The text of an event; the JSON text of the path of its log, None where it is to be looked for in the event, nothing
# where there is none; and what takes the parts of the output, the last of which ends its line. Parts, because an
# event is long: to copy it costs more than all else. A verdict and its status may come as one text of two lines.
Add = Callable[[str], object]
Format = Callable[[str, str | None, Add], None]

SOURCETYPE = "azure:mfa:ecs"

_BEGINNING = re.compile(r'\{"@timestamp":"([^"]*)","event":\{"id":"([^"]*)","dataset":"([^"]*)"')
_STAMP, _SECOND, _FRACTION = slice(15, 42), slice(15, 34), slice(35, 41)  # where a time stamp of six digits stands
_ID = '","event":{"id":"'  # behind it
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')  # of JSON, with its quotes
_PATH = '"file":{"path":'


def ecs(*, host: str | None, namespace: str) -> Format:
    """One ECS document a line."""

    def wrap(text: str, source: str | None, add: Add) -> None:
        add(text)
        add("\n")

    return wrap


def splunk_hec(*, host: str | None, namespace: str) -> Format:
    """The event envelope of Splunk's HTTP Event Collector; `time` keeps the microseconds."""
    clock = StampReader()
    host_text = f'"host":{json_text(host)},' if host else ""
    last = path = before = between = ""
    wholes: dict[str, str] = {}  # seconds since 1970 of the seconds seen last

    def wrap(text: str, source: str | None, add: Add) -> None:
        nonlocal last, path, before, between
        if source is None:
            source = _path_of(text)
        # Neighbours have much in common. Time stamps with more digits differ in what `time` does not keep.
        if text[_STAMP] != last or source != path:
            last, path = text[_STAMP], source
            of_path = f'"source":{path},' if path else ""
            before = f'{{"time":{seconds(text)},{host_text}{of_path}"sourcetype":"{SOURCETYPE}","event":'
            between = f"}}\n{before}"
        add(before)
        second = text.find("\n") + 1
        if second:
            add(text[: second - 1])
            add(between)
            text = text[second:]
        add(text)
        add("}\n")

    def seconds(text: str) -> str:
        # As text: a float of this size keeps no more than microseconds, and rounds the last one.
        whole = wholes.get(text[_SECOND])
        if whole is not None and text.startswith('Z"', _STAMP.stop - 1):
            return f"{whole}.{text[_FRACTION]}"
        micros = (clock.read(_beginning(text, 0)[0]) or 0) // (SECOND // 1_000_000)
        sign, micros = ("-", -micros) if micros < 0 else ("", micros)
        if not sign:
            if len(wholes) >= StampReader.LIMIT:
                wholes.clear()
            wholes[text[_SECOND]] = str(micros // 1_000_000)
        return f"{sign}{micros // 1_000_000}.{micros % 1_000_000:06d}"

    return wrap


def elastic_bulk(*, host: str | None, namespace: str) -> Format:
    """Two lines a document, a body for `_bulk`. `create` with the event's id makes a repeat harmless:
    it answers 409 and changes nothing."""
    behind_id = index = ""  # of the event before

    def action(text: str, at: int) -> str:
        nonlocal behind_id, index
        if text.startswith(_ID, at + _STAMP.stop):
            start = at + _STAMP.stop + len(_ID)
            end = text.find('"', start)
            if behind_id and text.startswith(behind_id, end):
                return f'{index}{text[start:end]}"}}}}\n'
        _, event_id, data_set = _beginning(text, at)
        behind_id = f'","dataset":"{data_set}"'
        index = f'{{"create":{{"_index":"logs-{data_set}-{namespace}","_id":"'
        return f'{index}{event_id}"}}}}\n'

    def wrap(text: str, source: str | None, add: Add) -> None:
        add(action(text, 0))
        second = text.find("\n") + 1
        if second:
            add(text[:second])
            add(action(text, second))
            text = text[second:]
        add(text)
        add("\n")

    return wrap


FORMATS: dict[str, Callable[..., Format]] = {"ecs": ecs, "splunk-hec": splunk_hec, "elastic-bulk": elastic_bulk}


def json_text(text: str) -> str:
    """A string as it stands in the text of an event."""
    return orjson.dumps(text).decode("latin-1")


def _path_of(text: str) -> str:
    """The JSON text of the path of the log that an event names; nothing if it names none."""
    at = text.find(_PATH)
    found = _STRING.match(text, at + len(_PATH)) if at >= 0 else None
    return found[0] if found else ""


def _beginning(text: str, at: int) -> tuple[str, str, str]:
    """Time stamp, id and data set of an event that begins at `at`."""
    match = _BEGINNING.match(text, at)
    assert match is not None, "every document begins with them"
    stamp, event_id, data_set = match.groups()
    return stamp, event_id, data_set
