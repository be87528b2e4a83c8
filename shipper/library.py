"""The files that say what lines mean: patterns and status codes, built in or a user's own.

`patterns/` and `schemas/` lie beside the package in a wheel and one folder above it in a checkout
or an editable install; `data_dir` is the one place that knows.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from shipper.errors import TableError, UsageError
from shipper.facts import TYPES
from shipper.grok import Compiler, Definition, Pattern, read_definitions
from shipper.status import StatusCodes, read_table

LINE, MESSAGE = "LINE_", "MESSAGE_"  # names that are tried on a line, on its message
OPEN_ENDED = ("azure_mfa.", "labels.")


@dataclass(frozen=True, slots=True)
class Library:
    """What lines mean: patterns in the order in which they are tried, and the code table.

    `builtin` is False when a user's pattern takes part: then only the general path knows the answer.
    """

    lines: tuple[Pattern, ...]
    messages: tuple[Pattern, ...]
    codes: StatusCodes
    builtin: bool


class KnownFields:
    """The fields that `schemas/event.schema.json` gives an event, and any below azure_mfa. or labels."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.names = sorted(_leaves(schema["properties"], ""))

    def __contains__(self, field: object) -> bool:
        return field in self.names or (isinstance(field, str) and field.startswith(OPEN_ENDED)) or field == "user"


def _leaves(properties: dict[str, Any], path: str) -> list[str]:
    found: list[str] = []
    for name, schema in properties.items():
        inner = schema.get("properties")
        found += _leaves(inner, f"{path}{name}.") if inner else [path + name]
    return found


def data_dir(name: str) -> Path:
    """Where `patterns` or `schemas` lie."""
    package = Path(__file__).parent
    beside = package / name
    return beside if beside.is_dir() else package.parent / name


def read_schema(name: str) -> dict[str, Any]:
    """A JSON Schema of this project, such as `event.schema.json`."""
    schema: dict[str, Any] = orjson.loads((data_dir("schemas") / name).read_bytes())
    return schema


def _read_text(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: {what} must be UTF-8; byte {error.start} is not") from None
    except OSError as error:
        raise UsageError(f"cannot read {what} {path}: {error.strerror}") from None


def load_codes(path: Path | None = None) -> StatusCodes:
    """The built-in code table, amended by the rows of `path`.

    Raises:
        TableError: a row is bad; names FILE:LINE.
        UsageError: the file cannot be read.
    """
    builtin = data_dir("schemas") / "status_codes.csv"
    codes = read_table(_read_text(builtin, "the code table"), str(builtin))
    if path is not None:
        codes = read_table(_read_text(path, "the code table"), str(path), base=codes)
    constants: dict[str, int] = {}
    for number, code in codes.items():
        if code.constant and constants.setdefault(code.constant, number) != number:
            file, other = str(path or builtin), constants[code.constant]
            raise TableError(file, 0, f"constant {code.constant} belongs to both {other} and {number}")
    return StatusCodes(codes)


def load_definitions(directory: Path) -> list[Definition]:
    """All definitions of the `*.grok` files of a directory, by file name, then by line.

    Raises:
        UsageError: there is no such directory, or no grok file in it.
    """
    if not directory.is_dir():
        raise UsageError(f"pattern directory {directory} does not exist")
    files = sorted(directory.glob("*.grok"))
    if not files:
        raise UsageError(f"pattern directory {directory} holds no *.grok file")
    found: list[Definition] = []
    for file in files:
        found += read_definitions(_read_text(file, "the pattern file"), str(file))
    return found


def load(pattern_dirs: tuple[Path, ...] = (), status_codes: Path | None = None) -> Library:
    """Patterns and codes; those of `pattern_dirs` come first and win over built-in ones of the same name.

    Raises:
        PatternError, TableError: names FILE:LINE.
        UsageError: a directory or a file cannot be read.
    """
    known = KnownFields(read_schema("event.schema.json"))
    by_name: dict[str, Definition] = {}
    for directory in (*pattern_dirs, data_dir("patterns")):
        for definition in load_definitions(directory):
            by_name.setdefault(definition.name, definition)
    entries = [d for d in by_name.values() if d.name.startswith((LINE, MESSAGE))]
    patterns = Compiler(by_name, known, known.names, TYPES)(entries)
    lines = tuple(p for p in patterns if p.name.startswith(LINE))
    messages = tuple(p for p in patterns if p.name.startswith(MESSAGE))
    return Library(lines, messages, load_codes(status_codes), builtin=not pattern_dirs)
