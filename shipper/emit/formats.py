"""Output formats: the text that each puts around an event. Pure.

A format takes the JSON text of an event, with its line end, and its label. It returns three parts to be
written one after the other: the text before the event, the event, and the text after it; the last
non-empty part ends with a line end. It returns parts because events are long and copying them would cost
more than anything else here.

The three parts have one character for each byte: UTF-8, read as latin-1, as the text of an event comes in. Time stamp, id
and data set of a label are ASCII and can be used as they are. Path, host and user (`label[2].path`, `label[2].host`,
`label[3]`) are ordinary strings: pass them through `json_text`, or `.encode().decode("latin-1")`, or they come out damaged.

The kernel itself writes a format that only places the values of an event unchanged, and times as text, seconds or milliseconds
(`decode/formatted.py`). A format that transforms other values, or uses the user of the label, works too, but more slowly.

Sources: Splunk, "Format events for HTTP Event Collector"; Elastic, "Bulk API" and "Data streams".
"""

from collections.abc import Callable
from functools import partial

import orjson

from shipper.emit.ocsf import ocsf_text
from shipper.errors import UsageError
from shipper.memo import Memo
from shipper.model import Label
from shipper.times import SECOND, StampReader

Parts = tuple[str, str, str]
Format = Callable[[str, Label], Parts]
"""All texts have one character for each UTF-8 byte, but for path, host and user in the label (see above)."""

SOURCETYPE = "azure:mfa:ecs"


def ecs(*, host: str | None, namespace: str, index: str | None) -> Format:
    """One ECS document per line."""
    return lambda text, label: ("", text, "")


def splunk_hec(*, host: str | None, namespace: str, index: str | None) -> Format:
    """The event envelope of Splunk's HTTP Event Collector; `time` keeps the microseconds. Without `index`, the default index of
    the token receives the event."""
    seconds = StampReader().seconds
    into = "" if index is None else f'"index":{json_text(index)},'
    hosts: Memo[str | None, str] = Memo(lambda name: f'"host":{json_text(name)},' if name else "", 1024)
    sources: Memo[str | None, str] = Memo(lambda path: f'"source":{json_text(path)},' if path is not None else "", 1024)
    last: tuple[str, str | None, str | None] = "", None, None
    before = ""

    def wrap(text: str, label: Label) -> Parts:
        nonlocal last, before
        current = label[0], label[2].path, label[2].host
        if current != last:  # neighbouring events often share all three
            stamp, path, own_host = last = current
            before = f'{{"time":{epoch(stamp)},{hosts[own_host or host]}{sources[path]}{into}"sourcetype":"{SOURCETYPE}","event":'
        return before, text[:-1], "}\n"

    def epoch(stamp: str) -> str:
        # As text, because a float of this size has just enough digits for microseconds and may round the last.
        whole = (seconds[stamp[:19]] or 0) // SECOND
        micros = stamp[20:26].rstrip("Z").ljust(6, "0") if stamp[19:20] == "." else "000000"
        if whole < 0 and micros != "000000":
            total = -(whole * 1_000_000 + int(micros))
            return f"-{total // 1_000_000}.{total % 1_000_000:06d}"
        return f"{whole}.{micros}"

    return wrap


def elastic_bulk(*, host: str | None, namespace: str, index: str | None) -> Format:
    """The body of a `_bulk` request: two lines per document.

    `create` with the event's id makes a repeat harmless: Elasticsearch answers 409 and changes nothing.
    """
    actions: Memo[str, str] = Memo(partial(_action, namespace), 1024)

    def wrap(text: str, label: Label) -> Parts:
        return f'{actions[label[2].dataset]}{label[1]}"}}}}\n', text, ""

    return wrap


def _action(namespace: str, dataset: str) -> str:
    """The action line for an event of a data set, up to the event's id."""
    return f'{{"create":{{"_index":{json_text(data_stream(dataset, namespace))},"_id":"'


def data_stream(dataset: str, namespace: str) -> str:
    """The data stream of a data set, by Elastic's naming scheme."""
    return f"logs-{dataset}-{namespace}"


def ocsf(*, host: str | None, namespace: str, index: str | None) -> Format:
    """One OCSF event per line (`ocsf.py`)."""
    return lambda text, label: ("", ocsf_text(text), "")


FORMATS: dict[str, Callable[..., Format]] = {"ecs": ecs, "ocsf": ocsf, "splunk-hec": splunk_hec, "elastic-bulk": elastic_bulk}
ONE_LINE = frozenset({"elastic-bulk"})
"""Formats whose reader takes a document only on one line, so that `--pretty` would spoil them."""


def wrapping(name: str, host: str | None, namespace: str, index: str | None, *, indent: bool) -> Format | None:
    """The format of this name; None if the text of each event is written as it is."""
    wrap = FORMATS[name](host=host, namespace=namespace, index=index)
    plain = None if name == "ecs" else wrap
    return pretty(wrap) if indent else plain


def refuse_pretty(name: str) -> None:
    """Refuse to indent a format that takes a document only on one line.

    Raises:
        UsageError: it is such a format.
    """
    if name in ONE_LINE:
        raise UsageError(
            f"--pretty does not go with --format {name}, whose reader takes a document only on one line; leave it out"
        )


def pretty(wrap: Format) -> Format:
    """The format `wrap`, indented for reading; a line that is not JSON stays as it is."""

    def indented(text: str, label: Label) -> Parts:
        lines = "".join(wrap(text, label)).encode("latin-1").split(b"\n")[:-1]
        return "", b"\n".join(map(_indented, lines)).decode("latin-1"), "\n"

    return indented


def _indented(line: bytes) -> bytes:
    try:
        return orjson.dumps(orjson.loads(line), option=orjson.OPT_INDENT_2)
    except orjson.JSONDecodeError:
        return line


def json_text(text: str) -> str:
    """A string as JSON, with one character for each UTF-8 byte, like the text of an event."""
    return orjson.dumps(text).decode("latin-1")
