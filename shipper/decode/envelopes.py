"""Finds the parts of a Windows event in a record, by a table of the keys that exporters use. Pure.

The table is `schemas/envelopes.toml`, which documents its entries.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, tzinfo
from functools import cached_property
from typing import Any, NamedTuple

from shipper.decode.exported_times import is_local, stamp_of
from shipper.decode.wrappers import Shipper, Wrappers
from shipper.memo import Memo

Path = tuple[str, ...]
PARTS = ("time", "computer", "provider", "process", "thread", "level", "message")
HEADER_PARTS = 2  # that a CSV's header must name: the time and at least one more
_LEVELS = {
    "1": "critical", "2": "error", "3": "warning", "0": "info", "4": "info", "5": "debug", "information": "info",
    # German, French, Spanish and Italian Windows
    "kritisch": "critical", "fehler": "error", "warnung": "warning", "informationen": "info",
    "critique": "critical", "erreur": "error", "avertissement": "warning",
    "crítico": "critical", "advertencia": "warning", "información": "info",
    "critico": "critical", "errore": "error", "avviso": "warning", "informazioni": "info",
}  # fmt: skip
_FEW_KEYS = 64  # records with more keys are not cached
_KEY, _KEYS = 40, 8  # characters of a key, and keys, that a sentence quotes
_SHOWN = 40  # characters of a time that a sentence quotes


class WindowsEvent(NamedTuple):
    """The texts of an exported event: the head of a line, its message and the name of the computer."""

    stamp: str
    level: str | None
    pid: str | None
    tid: str | None
    provider: str | None
    message: str
    host: str | None


class Inside(NamedTuple):
    """A text in a record, the key that holds it, and the time and the computer beside it; None where there are none."""

    text: str
    key: str
    stamp: str | None
    host: str | None


class Exporter(NamedTuple):
    """One exporter: for each of `PARTS` the keys that hold it, and its other entries in the table."""

    name: str
    form: str
    parts: Mapping[str, tuple[Path, ...]]
    inside: tuple[Path, ...]
    needs: tuple[Path, ...]
    zone: tzinfo | None
    header: bool
    day_first: bool


class _Candidate(NamedTuple):
    """An exporter that may have written records with certain keys, reduced to the paths that they can have.

    `parts`: name, key and paths of each part. The key holds the part wherever its value is a text; None if several keys may.
    """

    exporter: Exporter
    needs: tuple[Path, ...]
    parts: tuple[tuple[str, str | None, tuple[Path, ...]], ...]


class _Shape(NamedTuple):
    """Which exporters may have written records with certain keys, and which may have put an event or a line there as text."""

    candidates: tuple[_Candidate, ...]
    inside: tuple[tuple[Exporter, tuple[Path, ...]], ...]


class Envelopes:
    """The table of exporters.

    Attributes:
        zone: of times that name none; None: such times are not read.
        wrappers: removes what other shippers put around a line.
    """

    def __init__(
        self,
        read: Callable[[], Sequence[Exporter]],
        zone: tzinfo | None = None,
        shippers: Callable[[], Sequence[Shipper]] = tuple,
    ) -> None:
        """`read` returns the exporters, `shippers` the other shippers; both are called on first use, which a plain log
        never reaches."""
        self.wrappers = Wrappers(shippers)
        self._read, self._shippers = read, shippers
        self.zone = zone
        # By the keys of a record: it is looked up for each record, and keys repeat.
        self._shapes: Memo[tuple[str, ...], _Shape] = Memo(lambda keys: _shape(self.exporters, keys), 256)

    def __reduce__(self) -> tuple[Any, ...]:  # for another process, which reads the tables on first use
        return Envelopes, (self._read, self.zone, self._shippers)

    @cached_property
    def exporters(self) -> tuple[Exporter, ...]:
        """All exporters of the table."""
        return tuple(self._read())

    def event(self, document: Mapping[str, Any]) -> WindowsEvent | None:
        """The event in a record; None if no known exporter wrote it, or its time is not understood."""
        best = self._best(document)
        if best is None:
            return None
        exporter, found = best
        stamp = stamp_of(found["time"], exporter.zone or self.zone, day_first=exporter.day_first)
        if stamp is None:
            return None
        value = found.get
        name = text_of(value("level"))
        level = None if name is None else _LEVELS.get(name.lower(), name.lower())
        pid, tid = text_of(value("process")), text_of(value("thread"))
        return WindowsEvent(stamp, level, pid, tid, text_of(value("provider")), value("message", ""), text_of(value("computer")))

    def exporter(self, document: Mapping[str, Any]) -> Exporter | None:
        """The exporter that wrote a record with these keys; None if it is unknown."""
        best = self._best(document)
        return None if best is None else best[0]

    def _best(self, document: Mapping[str, Any]) -> tuple[Exporter, dict[str, Any]] | None:
        """The exporter that wrote a record, and the parts of the event in it."""
        best: tuple[Exporter, dict[str, Any]] | None = None
        for exporter, needs, parts in self._shape_of(document).candidates:
            if best is not None and len(parts) <= len(best[1]):
                continue
            if needs and any(_at(path, document) is None for path in needs):
                continue
            found = _found(parts, document)
            if "time" in found and ("message" in found or "provider" in found) and (best is None or len(found) > len(best[1])):
                best = exporter, found
        return best

    def _shape_of(self, document: Mapping[str, Any]) -> _Shape:
        keys = tuple(document)
        return self._shapes[keys] if len(keys) <= _FEW_KEYS else _shape(self.exporters, keys)

    def message(self, document: Mapping[str, Any]) -> tuple[str, str | None]:
        """The message in a record of any exporter, or ""; and the computer's name, or None."""
        for exporter in self.exporters:
            text = _message(exporter.parts["message"], document)
            if text:
                return text, text_of(_first(exporter.parts["computer"], document))
        return "", None

    def is_header(self, columns: Sequence[str]) -> bool:
        """True if these are the column names in a CSV of one of the exporters."""
        there = dict.fromkeys(columns, "x")
        for exporter in self.exporters:
            found = _found([(part, None, paths) for part, paths in exporter.parts.items()], there)
            whole = any(path[-1] in there for path in exporter.inside)
            if exporter.header and (whole or ("time" in found and len(found) >= HEADER_PARTS)):
                return True
        return False

    def inside(self, document: Mapping[str, Any]) -> Inside | None:
        """A text in a record that is an event or a line in another form; None if there is none."""
        for exporter, paths in self._shape_of(document).inside:
            for path in paths:
                value = _at(path, document)
                if isinstance(value, str) and value:
                    stamp = stamp_of(_first(exporter.parts["time"], document), exporter.zone or self.zone)
                    return Inside(value, ".".join(path), stamp, text_of(_first(exporter.parts["computer"], document)))
        return None

    def why_not(self, document: Mapping[str, Any], kind: str) -> tuple[str, str]:
        """Why a record is no event: a sentence, and what is missing: `zone`, `time` or `text`.

        `kind` says what the record is, such as `JSON object`; it begins with the form that the table names.
        """
        best = self._best(document)
        if best is not None:
            time = text_of(best[1]["time"]) or ""
            shown = time if len(time) <= _SHOWN else time[:_SHOWN] + "…"
            if is_local(time, day_first=best[0].day_first):
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


def _shape(exporters: Sequence[Exporter], keys: Sequence[str]) -> _Shape:
    def there(paths: Sequence[Path]) -> tuple[Path, ...]:
        return tuple(path for path in paths if path[0] in keys)

    likely = [exporter for exporter in exporters if there(exporter.parts["time"]) and there(exporter.needs) == exporter.needs]
    return _Shape(
        tuple(
            _Candidate(
                exporter,
                exporter.needs,
                tuple((part, _only_key(paths), paths) for part in PARTS if (paths := there(exporter.parts[part]))),
            )
            for exporter in likely
        ),
        tuple((exporter, paths) for exporter in exporters if (paths := there(exporter.inside))),
    )


def _only_key(paths: Sequence[Path]) -> str | None:
    """The key that holds a part if its value is a text, so that no path goes on below it; None if there is no such key."""
    key = paths[0][0]
    return key if (key,) in paths and all(path[0] == key for path in paths) else None


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
            entry.get("day_first", False),
        )
        for name, entry in table.items()
        if name != "shippers"
    ]


def read_shippers(table: Mapping[str, Any]) -> list[Shipper]:
    """The other shippers of the same table."""
    return [Shipper(tuple(entry["line"]), tuple(entry.get("host", ()))) for entry in table["shippers"].values()]


def _path(key: str) -> Path:
    return tuple(key.split("."))


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(dict.fromkeys(".".join(path) for path in paths if path != ("",)))


def _found(parts: Iterable[tuple[str, str | None, tuple[Path, ...]]], document: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an event that a record has, by their names in the table."""
    found: dict[str, Any] = {}
    for part, key, paths in parts:
        if key is not None and (text := document[key]).__class__ is str and text and not text.isspace():
            found[part] = text
            continue
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
        value = _at(path, document)
        text = value if isinstance(value, str) else " ".join(_texts(value))
        if text.strip():
            return text
    return ""


def _at(path: Path, document: Mapping[str, Any]) -> Any:
    value = document.get(path[0])
    if len(path) == 1:
        return value
    for key in path[1:]:
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


def text_of(value: Any) -> str | None:
    """A text or number of a record as text; None if it is neither, or empty."""
    if isinstance(value, str):
        return value or None
    return None if value is None or isinstance(value, dict | list) else str(value)
