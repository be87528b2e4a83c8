"""Output formats: what stands around an event. Pure.

A format is given the JSON text of an event, line end included, and its label, and returns three parts: what stands before
the event, the event, and what stands behind it, the line end included. Parts, because an event is
long and copying it costs more than anything else here.

Sources: Splunk, "Format events for HTTP Event Collector"; Elastic, "Bulk API" and "Data streams".
"""

from collections.abc import Callable
from functools import partial

import orjson

from shipper.memo import Memo
from shipper.model import Label
from shipper.times import SECOND, StampReader

Parts = tuple[str, str, str]
Format = Callable[[str, Label], Parts]

SOURCETYPE = "azure:mfa:ecs"


def ecs(*, host: str | None, namespace: str) -> Format:
    """One ECS document a line."""
    return lambda text, label: ("", text, "")


def splunk_hec(*, host: str | None, namespace: str) -> Format:
    """The event envelope of Splunk's HTTP Event Collector; `time` keeps the microseconds."""
    seconds = StampReader().seconds
    host_text = f'"host":{json_text(host)},' if host else ""
    sources: Memo[str | None, str] = Memo(lambda path: f'"source":{json_text(path)},' if path is not None else "", 1024)
    last: tuple[str, str | None] = "", None
    before = ""

    def wrap(text: str, label: Label) -> Parts:
        nonlocal last, before
        here = label[0], label[2].path
        if here != last:  # neighbours have both in common
            stamp, path = last = here
            before = f'{{"time":{epoch(stamp)},{host_text}{sources[path]}"sourcetype":"{SOURCETYPE}","event":'
        return before, text[:-1], "}\n"

    def epoch(stamp: str) -> str:
        # As text: a float of this size keeps no more than microseconds, and rounds the last one.
        whole = (seconds[stamp[:19]] or 0) // SECOND
        micros = stamp[20:26].rstrip("Z").ljust(6, "0") if stamp[19:20] == "." else "000000"
        if whole < 0 and micros != "000000":
            total = -(whole * 1_000_000 + int(micros))
            return f"-{total // 1_000_000}.{total % 1_000_000:06d}"
        return f"{whole}.{micros}"

    return wrap


def elastic_bulk(*, host: str | None, namespace: str) -> Format:
    """Two lines a document, a body for `_bulk`. `create` with the event's id makes a repeat harmless:
    it answers 409 and changes nothing."""
    actions: Memo[str, str] = Memo(partial(_action, namespace), 1024)

    def wrap(text: str, label: Label) -> Parts:
        return f'{actions[label[2].dataset]}{label[1]}"}}}}\n', text, ""

    return wrap


def _action(namespace: str, dataset: str) -> str:
    """The action line of a data set, up to the id."""
    return f'{{"create":{{"_index":{json_text(f"logs-{dataset}-{namespace}")},"_id":"'


FORMATS: dict[str, Callable[..., Format]] = {"ecs": ecs, "splunk-hec": splunk_hec, "elastic-bulk": elastic_bulk}


def pretty(wrap: Format) -> Format:
    """A format whose lines are indented for reading."""

    def indented(text: str, label: Label) -> Parts:
        lines = "".join(wrap(text, label)).encode("latin-1").splitlines()
        shown = b"\n".join(orjson.dumps(orjson.loads(line), option=orjson.OPT_INDENT_2) for line in lines)
        return "", shown.decode("latin-1"), "\n"

    return indented


def json_text(text: str) -> str:
    """A string as it stands in the text of an event."""
    return orjson.dumps(text).decode("latin-1")
