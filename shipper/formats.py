"""Output formats: what a line of output looks like around an ECS document. Pure.

A format works on the JSON text of an event. The general path begins every document with
`{"@timestamp":"TIME","event":{"id":"ID","dataset":"DATASET"`, none of which holds a quote, so
one expression finds them without a look at, or a copy of, the rest.

Sources: Splunk, "Format events for HTTP Event Collector"; Elastic, "Bulk API" and "Data streams".
"""

import re
from collections.abc import Callable

import orjson

from shipper.times import SECOND, Clock

# The text of an event, and the JSON text of the path of its log: None where it is to be looked for in the
# event, nothing where there is none. A verdict and its status may come as one text of two lines.
Format = Callable[[str, str | None], str]

SOURCETYPE = "azure:mfa:ecs"

_BEGINNING = re.compile(r'\{"@timestamp":"([^"]*)","event":\{"id":"([^"]*)","dataset":"([^"]*)"')
_STAMP = slice(15, 42)  # where a time stamp with six digits stands
_ID = '","event":{"id":"'  # behind it
_ID_START = _STAMP.stop + len(_ID)
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')  # of JSON, with its quotes
_PATH = '"file":{"path":'


def ecs(*, host: str | None, namespace: str) -> Format:
    """One ECS document a line."""
    return lambda text, source: text


def splunk_hec(*, host: str | None, namespace: str) -> Format:
    """The event envelope of Splunk's HTTP Event Collector; `time` keeps the microseconds."""
    clock = Clock()
    host_text = f'"host":{json_text(host)},' if host else ""
    last = path = before = between = ""

    def wrap(text: str, source: str | None) -> str:
        nonlocal last, path, before, between
        if source is None:
            source = _path_of(text)
        # Neighbours have much in common. Time stamps with more digits differ in what `time` does not keep.
        if text[_STAMP] != last or source != path:
            last, path = text[_STAMP], source
            of_path = f'"source":{path},' if path else ""
            before = f'{{"time":{seconds(_beginning(text)[0])},{host_text}{of_path}"sourcetype":"{SOURCETYPE}","event":'
            between = f"}}\n{before}"
        text = text.replace("\n", between)
        return f"{before}{text}}}"

    def seconds(stamp: str) -> str:
        # As text: a float of this size keeps no more than microseconds, and rounds the last one.
        micros = (clock.read(stamp) or 0) // (SECOND // 1_000_000)
        sign, micros = ("-", -micros) if micros < 0 else ("", micros)
        return f"{sign}{micros // 1_000_000}.{micros % 1_000_000:06d}"

    return wrap


def elastic_bulk(*, host: str | None, namespace: str) -> Format:
    """Two lines a document, a body for `_bulk`. `create` with the event's id makes a repeat harmless:
    it answers 409 and changes nothing."""
    behind_id = index = ""  # of the event before

    def action(text: str) -> str:
        nonlocal behind_id, index
        if text.startswith(_ID, _STAMP.stop):
            end = text.find('"', _ID_START)
            if behind_id and text.startswith(behind_id, end):
                return f'{index}{text[_ID_START:end]}"}}}}\n{text}'
        _, event_id, data_set = _beginning(text)
        behind_id = f'","dataset":"{data_set}"'
        index = f'{{"create":{{"_index":"logs-{data_set}-{namespace}","_id":"'
        return f'{index}{event_id}"}}}}\n{text}'

    def wrap(text: str, source: str | None) -> str:
        return "\n".join(map(action, text.split("\n"))) if "\n" in text else action(text)

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


def _beginning(text: str) -> tuple[str, str, str]:
    """Time stamp, id and data set of an event."""
    match = _BEGINNING.match(text)
    assert match is not None, "every document begins with them"
    stamp, event_id, data_set = match.groups()
    return stamp, event_id, data_set
