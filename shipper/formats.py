"""Output formats: what a line of output looks like around an ECS document. Pure.

A format works on the JSON text of an event. The general path begins every document with
`{"@timestamp":"TIME","event":{"id":"ID","dataset":"DATASET"`, none of which holds a quote, so
cutting at quotes finds them: TIME is part 3, ID part 9, DATASET part 13.

Sources: Splunk, "Format events for HTTP Event Collector"; Elastic, "Bulk API" and "Data streams".
"""

from collections.abc import Callable

import orjson

from shipper.times import SECOND, Clock

Format = Callable[[str], str]

SOURCETYPE = "azure:mfa:ecs"


def ecs(*, host: str | None, namespace: str) -> Format:
    """One ECS document a line."""
    return lambda text: text


def splunk_hec(*, host: str | None, namespace: str) -> Format:
    """The event envelope of Splunk's HTTP Event Collector; `time` keeps the microseconds."""
    clock = Clock()
    host_text = f'"host":{_json(host)},' if host else ""

    def wrap(text: str) -> str:
        stamp = text.split('"', 4)[3]
        # As text: a float of this size keeps no more than microseconds, and rounds the last one.
        micros = (clock.read(stamp) or 0) // (SECOND // 1_000_000)
        sign, micros = ("-", -micros) if micros < 0 else ("", micros)
        time = f"{sign}{micros // 1_000_000}.{micros % 1_000_000:06d}"
        at = text.find('"file":{"path":')
        source = f'"source":{_string_at(text, at + 15)},' if at >= 0 else ""
        return f'{{"time":{time},{host_text}{source}"sourcetype":"{SOURCETYPE}","event":{text}}}'

    return wrap


def elastic_bulk(*, host: str | None, namespace: str) -> Format:
    """Two lines a document, a body for `_bulk`. `create` with the event's id makes a repeat harmless:
    it answers 409 and changes nothing."""

    def wrap(text: str) -> str:
        parts = text.split('"', 14)
        return f'{{"create":{{"_index":"logs-{parts[13]}-{namespace}","_id":"{parts[9]}"}}}}\n{text}'

    return wrap


FORMATS: dict[str, Callable[..., Format]] = {"ecs": ecs, "splunk-hec": splunk_hec, "elastic-bulk": elastic_bulk}


def _json(text: str) -> str:
    return orjson.dumps(text).decode("latin-1")


def _string_at(text: str, start: int) -> str:
    """The JSON string that begins at `start`, with its quotes."""
    end = start + 1
    while text[end] != '"':
        end += 2 if text[end] == "\\" else 1
    return text[start : end + 1]
