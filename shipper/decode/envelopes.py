"""What exporters call the parts of a Windows event, as a table: from the keys of a record to the event. Pure.

The table is `schemas/envelopes.toml`, which says what its entries mean.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from shipper.times import to_utc

Path = tuple[str, ...]
PARTS = ("time", "computer", "provider", "process", "thread", "level", "message")
HEADER_PARTS = 2  # the time and another part at least: what makes the first line of a CSV a header
_LEVELS = {"1": "critical", "2": "error", "3": "warning", "0": "info", "4": "info", "5": "debug", "information": "info"}
_KEY, _KEYS = 40, 8  # characters of a key, and keys, that a sentence quotes
_SHOWN = 40  # characters of a time that a sentence quotes

_DATE = re.compile(r"/Date\((-?[0-9]{1,15})(?:[+-][0-9]{4})?\)/")  # Windows PowerShell 5: milliseconds of UTC
_ZONED = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9:]{8}(?:\.[0-9]{1,9})?) ?([+-][0-9]{2}):?([0-9]{2})")
_LOCAL = (
    re.compile(r"(?P<y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})[T ](?P<H>[0-9]{2}):(?P<M>[0-9]{2}):(?P<S>[0-9]{2})(?P<f>\.[0-9]{1,9})?"),
    re.compile(r"(?P<d>[0-9]{1,2})\.(?P<m>[0-9]{1,2})\.(?P<y>[0-9]{4}) (?P<H>[0-9]{1,2}):(?P<M>[0-9]{2}):(?P<S>[0-9]{2})(?P<f>\.[0-9]{1,9})?"),
    re.compile(
        r"(?P<m>[0-9]{1,2})/(?P<d>[0-9]{1,2})/(?P<y>[0-9]{4}),? (?P<H>[0-9]{1,2}):(?P<M>[0-9]{2}):(?P<S>[0-9]{2})(?P<f>\.[0-9]{1,9})?[ \u202f](?P<p>[AP])M"
    ),
)  # fmt: skip


class WindowsEvent(NamedTuple):
    """The texts of an exported event: the head of a line, its message and the name of the computer."""

    stamp: str
    level: str | None
    pid: str | None
    tid: str | None
    provider: str | None
    message: str
    host: str | None


class Exporter(NamedTuple):
    """One exporter: for each of `PARTS` the keys that hold it, and what else the table says of it."""

    name: str
    form: str
    parts: Mapping[str, tuple[Path, ...]]
    inside: tuple[Path, ...]
    needs: tuple[Path, ...]
    zone: tzinfo | None
    header: bool


class Envelopes:
    """The table of exporters.

    Attributes:
        zone: of times that name none; None: they are no times.
    """

    def __init__(self, exporters: Sequence[Exporter], zone: tzinfo | None = None) -> None:
        self.exporters = tuple(exporters)
        self.zone = zone

    def event(self, document: Mapping[str, Any], zone: tzinfo | None = None) -> WindowsEvent | None:
        """The event in the keys of a record; None if it is one of no exporter, or its time is none."""
        exporter = self.exporter(document)
        if exporter is None:
            return None
        found = _found(exporter, document)
        stamp = stamp_of(found["time"], exporter.zone or zone or self.zone)
        if stamp is None:
            return None
        name = text_of(found.get("level"))
        level = None if name is None else _LEVELS.get(name.lower(), name.lower())
        pid, tid, provider, host = (text_of(found.get(part)) for part in ("process", "thread", "provider", "computer"))
        return WindowsEvent(stamp, level, pid, tid, provider, found.get("message", ""), host)

    def exporter(self, document: Mapping[str, Any]) -> Exporter | None:
        """The exporter that wrote a record with these keys; None if no one did."""
        best: Exporter | None = None
        most = 0
        for exporter in self.exporters:
            if any(_at(path, document) is None for path in exporter.needs):
                continue
            found = _found(exporter, document)
            if "time" in found and ("message" in found or "provider" in found) and len(found) > most:
                best, most = exporter, len(found)
        return best

    def message(self, document: Mapping[str, Any]) -> tuple[str, str | None]:
        """The message in a record of any exporter, and the computer's name; empty where there is none."""
        for exporter in self.exporters:
            text = _message(exporter.parts["message"], document)
            if text:
                return text, text_of(_first(exporter.parts["computer"], document))
        return "", None

    def is_header(self, columns: Sequence[str]) -> bool:
        """True if these are the names of columns in a CSV of one of the exporters."""
        there = dict.fromkeys(columns, "x")
        for exporter in self.exporters:
            found = _found(exporter, there)
            if exporter.header and "time" in found and len(found) >= HEADER_PARTS:
                return True
        return False

    def inside(self, document: Mapping[str, Any]) -> tuple[str, str | None] | None:
        """A text in a record that is an event or a line in another form, and the time beside it; None if there is none."""
        for exporter in self.exporters:
            value = _first(exporter.inside, document)
            if isinstance(value, str):
                return value, stamp_of(_first(exporter.parts["time"], document), exporter.zone or self.zone)
        return None

    def why_not(self, document: Mapping[str, Any], kind: str) -> tuple[str, str]:
        """Why a record is no event: a sentence, and the part that is missing, `time` or `text`.

        `kind` says what the record is, such as `JSON object`; it begins with the form that the table names.
        """
        exporter = self.exporter(document)
        if exporter is not None:
            time = text_of(_found(exporter, document)["time"]) or ""
            shown = time if len(time) <= _SHOWN else time[:_SHOWN] + "…"
            if _local(time) is not None:
                return f"the time {shown} of this {kind} names no zone: see --local-zone (pipeline.local_zone)", "zone"
            return f"this {kind} is no Windows event: its time {shown} is none that is understood", "time"
        keys = ", ".join(name[:_KEY] for name in list(document)[:_KEYS]) or "none"
        candidates = [exporter for exporter in self.exporters if kind.split()[0] in exporter.form] or self.exporters
        dated = [exporter for exporter in candidates if _first(exporter.parts["time"], document) is not None]
        if dated:
            wanted = _names(dated[0].parts["provider"] + dated[0].parts["message"])
            return f"this {kind} is no Windows event: {wanted} missing or empty; its keys: {keys}", "text"
        wanted = _names([exporter.parts["time"][-1] for exporter in candidates])
        return f"this {kind} is no Windows event of a known exporter: no time ({wanted}); its keys: {keys}", "time"


def read_envelopes(table: Mapping[str, Any]) -> list[Exporter]:
    """The exporters of a table (`schemas/envelopes.toml`), already read as TOML."""
    return [
        Exporter(
            entry["name"],
            entry["form"],
            {part: tuple(_path(key) for key in entry.get(part, ())) for part in PARTS},
            tuple(_path(key) for key in entry.get("inside", ())),
            tuple(_path(key) for key in entry.get("needs", ())),
            UTC if entry.get("zone") == "UTC" else None,
            entry.get("header", False),
        )
        for entry in table.values()
    ]


def _path(key: str) -> Path:
    return tuple(key.split("."))


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(dict.fromkeys(".".join(path) for path in paths if path != ("",)))


def _found(exporter: Exporter, document: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an event that a record has, by the names of the table."""
    found: dict[str, Any] = {}
    for part, paths in exporter.parts.items():
        value = _first(paths, document) if part != "message" else _message(paths, document)
        if value is not None and value != "":
            found[part] = value
    return found


def _first(paths: Sequence[Path], document: Mapping[str, Any]) -> Any:
    """The first value that is a text or a number; None if there is none."""
    for path in paths:
        value = _at(path, document)
        if value is not None and value != "" and not isinstance(value, dict | list):
            return value
    return None


def _message(paths: Sequence[Path], document: Mapping[str, Any]) -> str:
    for path in paths:
        text = " ".join(_texts(_at(path, document)))
        if text.strip():
            return text
    return ""


def _at(path: Path, document: Mapping[str, Any]) -> Any:
    value: Any = document
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _texts(data: Any) -> Iterator[str]:
    """The texts of an event's data: of `{"param1": "…"}`, of `[{"Value": "…"}]`, of XML."""
    if isinstance(data, str):
        if data:
            yield data
    elif isinstance(data, list):
        for value in data:
            yield from _texts(value)
    elif isinstance(data, dict):
        for key, value in data.items():
            if not key.startswith("@"):
                yield from _texts(value)


def stamp_of(time: Any, zone: tzinfo | None = None) -> str | None:
    """A time as an exporter writes it, in the form of the log; None if it is none, or names no zone and `zone` is None."""
    if not isinstance(time, str):
        return None
    milliseconds_date = _DATE.fullmatch(time)
    if milliseconds_date is not None:
        return _of_milliseconds(int(milliseconds_date[1]))
    stamp = to_utc(time)
    if stamp is not None:
        return stamp
    zoned = _ZONED.fullmatch(time)
    if zoned is not None:
        return to_utc(f"{zoned[1]}T{zoned[2]}{zoned[3]}:{zoned[4]}")
    local = _local(time)
    if local is None or zone is None:
        return None
    instant, fraction = local
    try:
        return f"{instant.replace(tzinfo=zone).astimezone(UTC):%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f"{fraction}Z"
    except (ValueError, OverflowError):
        return None


def _local(time: str) -> tuple[datetime, str] | None:
    """A time without a zone, and the fraction of its second as written; None if it is none, or its day is not sure."""
    found = next((match for form in _LOCAL if (match := form.fullmatch(time))), None)
    if found is None:
        return None
    parts = found.groupdict()
    hour = int(parts["H"])
    if parts.get("p"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if parts["p"] == "P" else 0)
    try:
        instant = datetime(int(parts["y"]), int(parts["m"]), int(parts["d"]), hour, int(parts["M"]), int(parts["S"]))
    except ValueError:
        return None
    return instant, parts["f"] or ""


def _of_milliseconds(time: int) -> str | None:
    seconds, milliseconds = divmod(time, 1000)
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{milliseconds:03}Z"
    except (ValueError, OverflowError, OSError):
        return None


def text_of(value: Any) -> str | None:
    """A text or number of a record as text; None if it is neither, or empty."""
    if isinstance(value, str):
        return value or None
    return None if value is None or isinstance(value, dict | list) else str(value)
