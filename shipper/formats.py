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

Format = Callable[[str], str]

SOURCETYPE = "azure:mfa:ecs"

_BEGINNING = re.compile(r'\{"@timestamp":"([^"]*)","event":\{"id":"([^"]*)","dataset":"([^"]*)"')
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')  # of JSON, with its quotes
_PATH = '"file":{"path":'


def ecs(*, host: str | None, namespace: str) -> Format:
    """One ECS document a line."""
    return lambda text: text


def splunk_hec(*, host: str | None, namespace: str) -> Format:
    """The event envelope of Splunk's HTTP Event Collector; `time` keeps the microseconds."""
    clock = Clock()
    host_text = f'"host":{_json(host)},' if host else ""

    last = time = path = ""

    def wrap(text: str) -> str:
        nonlocal last, time, path
        stamp, _, _ = _beginning(text)
        if stamp != last:  # a verdict and its status have the same
            last, time = stamp, seconds(stamp)
        at = text.find(_PATH)
        if at >= 0 and not (path and text.startswith(path, at + len(_PATH))):  # another file than before
            found = _STRING.match(text, at + len(_PATH))
            path = found[0] if found else ""
        source = f'"source":{path},' if at >= 0 else ""
        return f'{{"time":{time},{host_text}{source}"sourcetype":"{SOURCETYPE}","event":{text}}}'

    def seconds(stamp: str) -> str:
        # As text: a float of this size keeps no more than microseconds, and rounds the last one.
        micros = (clock.read(stamp) or 0) // (SECOND // 1_000_000)
        sign, micros = ("-", -micros) if micros < 0 else ("", micros)
        return f"{sign}{micros // 1_000_000}.{micros % 1_000_000:06d}"

    return wrap


def elastic_bulk(*, host: str | None, namespace: str) -> Format:
    """Two lines a document, a body for `_bulk`. `create` with the event's id makes a repeat harmless:
    it answers 409 and changes nothing."""

    def wrap(text: str) -> str:
        _, event_id, data_set = _beginning(text)
        return f'{{"create":{{"_index":"logs-{data_set}-{namespace}","_id":"{event_id}"}}}}\n{text}'

    return wrap


FORMATS: dict[str, Callable[..., Format]] = {"ecs": ecs, "splunk-hec": splunk_hec, "elastic-bulk": elastic_bulk}


def _json(text: str) -> str:
    return orjson.dumps(text).decode("latin-1")


def _beginning(text: str) -> tuple[str, str, str]:
    """Time stamp, id and data set of an event."""
    match = _BEGINNING.match(text)
    assert match is not None, "every document begins with them"
    stamp, event_id, data_set = match.groups()
    return stamp, event_id, data_set
