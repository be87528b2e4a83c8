"""Loads patterns and status codes, the built-in ones and the user's. I/O.

In a wheel, `patterns/` and `schemas/` are folders of the package; in a checkout or an editable install
they are beside it. Only `data_dir` knows this.
"""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from shipper.decode.envelopes import Envelopes, Exporter, read_envelopes, read_shippers
from shipper.decode.facts import TYPES, Library
from shipper.decode.grok import Compiler, Definition, Pattern, read_definitions
from shipper.decode.nps import read_nps_tables
from shipper.decode.status_codes import StatusCodes, read_table
from shipper.decode.wrappers import Shipper
from shipper.errors import UsageError
from shipper.times import SyslogTime

LINE, MESSAGE = "LINE_", "MESSAGE_"  # name prefixes of the patterns for a line and for its message
OPEN_ENDED = ("azure_mfa.", "labels.")  # a pattern may capture any field below these
DECODED = ("user", "azure_mfa.request.arguments", "azure_mfa.auth_result", "azure_mfa.status.", "event.outcome")  # MESSAGE_ only
RESERVED = (  # set by the shipper itself
    "ecs.version", "event.dataset", "event.id", "event.kind", "event.module", "event.original", "log.file.path", "log.offset",
)  # fmt: skip
REQUIRED_TYPES = {
    "user": "principal",
    "user.target": "principal",
    "azure_mfa.request.arguments": "arguments",
    "event.action": "action",
}


class KnownFields:
    """The fields that a pattern may capture: those of `schemas/event.schema.json`, and any below azure_mfa. or labels."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._types = {name: str(leaf.get("type", "")) for name, leaf in _leaves(schema["properties"], "").items()}
        self.names = sorted(self._types)

    def __contains__(self, field: object) -> bool:
        return (
            field in self.names or (isinstance(field, str) and field.startswith(OPEN_ENDED)) or field in ("user", "user.target")
        )

    def check_type(self, field: str, kind: str | None) -> str | None:
        """Why a pattern cannot capture `field` with the type `kind`, or None if it can."""
        needed = REQUIRED_TYPES.get(field) or {"integer": "int"}.get(self._types.get(field, ""))
        if field in RESERVED:
            return f"{field} is set by the shipper; capture another field"
        if needed:
            return None if kind == needed else f"{field} needs the type {needed}"
        if kind in REQUIRED_TYPES.values():
            return f"the type {kind} is for {next(name for name, type_ in REQUIRED_TYPES.items() if type_ == kind)}"
        if self._types.get(field) == "array":
            return f"{field} is a list, which a pattern cannot capture"
        if self._types.get(field) == "object" or any(name.startswith(f"{field}.") for name in self.names):
            return f"{field} is an object; capture a field below it"
        if self._types.get(field) == "string" and kind in ("int", "float"):
            return f"{field} is a string; leave out :{kind}"
        return None


def _leaves(properties: dict[str, Any], path: str) -> dict[str, dict[str, Any]]:
    """The schema of each field that holds a value, by its dotted name."""
    leaves: dict[str, dict[str, Any]] = {}
    for name, schema in properties.items():
        inner = schema.get("properties")
        leaves |= _leaves(inner, f"{path}{name}.") if inner else {path + name: schema}
    return leaves


def event_fields(library: Library) -> dict[str, dict[str, Any]]:
    """The JSON Schema of every field that an event can have, by dotted name; empty for a field that only a pattern
    names."""
    captured = {field for pattern in (*library.lines, *library.messages) for _, field, _ in pattern.fields}
    leaves = _leaves(read_schema("event.schema.json")["properties"], "")
    return {
        **{field: {} for field in captured - {"user", "user.target"}},
        **{field: schema for field, schema in leaves.items() if schema.get("type") != "object"},
    }


def data_dir(name: str) -> Path:
    """The folder `patterns` or `schemas` of this installation."""
    package = Path(__file__).parents[1]
    beside = package / name
    return beside if beside.is_dir() else package.parent / name


def read_schema(name: str) -> dict[str, Any]:
    """A JSON Schema of this project, such as `event.schema.json`."""
    schema: dict[str, Any] = orjson.loads((data_dir("schemas") / name).read_bytes())
    return schema


def _read_text(path: Path, role: str) -> str:
    """The text of a UTF-8 file; errors call it `role`, such as `the code table`."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: {role} must be UTF-8; byte {error.start} is not") from None
    except OSError as error:
        raise UsageError(f"cannot read {role} {path}: {error.strerror}") from None


def load_codes(path: Path | None = None) -> StatusCodes:
    """The built-in code table; rows of `path` are added to it or replace its rows.

    Raises:
        TableError: a row is bad; names FILE:LINE.
        UsageError: the file cannot be read.
    """
    builtin = data_dir("schemas") / "status_codes.csv"
    codes = read_table(_read_text(builtin, "the code table"), str(builtin))
    if path is not None:
        codes = read_table(_read_text(path, "the code table"), str(path), base=codes)
    results, errors = (
        _read_text(data_dir("schemas") / f"nps_{name}.csv", f"the table of NPS {name}") for name in ("results", "errors")
    )
    return StatusCodes(codes, read_nps_tables(results, errors, codes))


def load_advice() -> dict[tuple[str, int | None], str]:
    """What an administrator should check, by class and code; the code is None for advice about a whole class."""
    text = _read_text(data_dir("schemas") / "advice.csv", "the table of advice")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return {(row["class"], int(row["code"]) if row["code"] else None): row["advice"] for row in rows}


def load_definitions(directory: Path) -> list[Definition]:
    """All definitions of the `*.grok` files of a directory, by file name, then by line.

    Raises:
        UsageError: there is no such directory, or no grok file in it.
    """
    if not directory.is_dir():
        raise UsageError(f"pattern directory {directory} {'is no directory' if directory.exists() else 'does not exist'}")
    files = sorted(directory.glob("*.grok"))
    if not files:
        raise UsageError(f"pattern directory {directory} contains no *.grok file")
    definitions: list[Definition] = []
    for file in files:
        definitions += read_definitions(_read_text(file, "the pattern file"), str(file))
    return definitions


def _check_captures(lines: tuple[Pattern, ...], messages: tuple[Pattern, ...]) -> None:
    """Check that LINE_ patterns, and no others, capture the time stamp, and that they capture no field of `DECODED`."""
    for pattern in lines:
        names = [field for _, field, _ in pattern.fields]
        if "@timestamp" not in names:
            raise pattern.definition.error(f"{pattern.name} does not capture @timestamp; a {LINE} pattern must")
        for name in names:
            if name.startswith(DECODED):
                fault = f"{pattern.name} captures {name}; capture the message here, and {name} in a {MESSAGE} pattern"
                raise pattern.definition.error(fault)
    for pattern in messages:
        if "@timestamp" in [field for _, field, _ in pattern.fields]:
            raise pattern.definition.error(f"{pattern.name} captures @timestamp; only a {LINE} pattern can")


def load_envelopes(zone: tzinfo | None = None) -> Envelopes:
    """The table of exporters; `zone` applies to times that name none."""
    return Envelopes(_exporters, zone, _shippers)


def _exporters() -> Sequence[Exporter]:
    return read_envelopes(_envelopes())


def _shippers() -> Sequence[Shipper]:
    return read_shippers(_envelopes())


def _envelopes() -> dict[str, Any]:
    import tomllib  # imported late: its patterns take longer to compile than all else here

    text = _read_text(data_dir("schemas") / "envelopes.toml", "the table of exporters")
    return tomllib.loads(text)


def syslog_time(year: str | None, zone: tzinfo, option: str) -> SyslogTime:
    """A reader of the local times that syslog programs write.

    Args:
        year: `YYYY`, or `YYYY-MM` for the twelve months from there; None: times without a year are not read.
        zone: the zone of the times.
        option: the name of the year's option, for errors.

    Raises:
        UsageError: the year is malformed.
    """
    try:
        first = None if year is None else date.fromisoformat(f"{year}-01-01" if len(year) == 4 else f"{year}-01")
    except ValueError:
        raise UsageError(f"{option}: the year {year!r} must be YYYY, or YYYY-MM for the twelve months from there") from None
    return SyslogTime(first, zone)


def zone_of(zone: str, option: str) -> tzinfo:
    """The zone of a name such as `Europe/Berlin`, or of an offset such as `+01:00`; `option` is the option's name, for errors.

    Raises:
        UsageError: it is malformed, or unknown on this machine.
    """
    if zone[:1] in ("+", "-"):
        try:
            offset = datetime.strptime(zone, "%z").utcoffset()
        except ValueError:
            offset = None
        if offset is None:
            raise UsageError(f"{option}: the zone {zone!r} must be a name such as Europe/Berlin, or +HH:MM")
        return timezone(offset)
    try:
        return UTC if zone == "UTC" else ZoneInfo(zone)  # Windows has no zones of its own
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"{option}: the zone {zone!r} is not known; give a name such as Europe/Berlin, or +HH:MM") from None


def load(
    pattern_dirs: tuple[Path, ...] = (),
    status_codes: Path | None = None,
    *,
    syslog: SyslogTime | None = None,
    local_zone: tzinfo | None = None,
    every_block: bool = False,
) -> Library:
    """Load the patterns and the code table.

    Args:
        pattern_dirs: directories of further *.grok files. Their patterns are tried first, and replace built-in
            patterns of the same name.
        status_codes: a CSV file with rows that are added to the code table or replace rows of it.
        syslog: reads the local times of syslog programs; by default these are UTC, and not read without a year.
        local_zone: the zone of times in exports that name none; without it, such times are not read.
        every_block: also compile building blocks that no pattern uses, to find their errors.

    Raises:
        PatternError, TableError: names FILE:LINE.
        UsageError: a directory or a file cannot be read.
    """
    known = KnownFields(read_schema("event.schema.json"))
    types = TYPES | {"syslog": syslog or SyslogTime()}
    by_name: dict[str, Definition] = {}
    for directory in (*pattern_dirs, data_dir("patterns")):
        for definition in load_definitions(directory):
            by_name.setdefault(definition.name, definition)
    entries = [d for d in by_name.values() if d.name.startswith((LINE, MESSAGE))]
    if every_block:
        for definition in by_name.values():
            Compiler(by_name, known, known.names, types, known.check_type)([definition])
    patterns = Compiler(by_name, known, known.names, types, known.check_type)(
        entries, trusted=not pattern_dirs and not every_block
    )
    lines = tuple(p for p in patterns if p.name.startswith(LINE))
    messages = tuple(p for p in patterns if p.name.startswith(MESSAGE))
    _check_captures(lines, messages)
    return Library(lines, messages, load_codes(status_codes), load_envelopes(local_zone), builtin=not pattern_dirs)
