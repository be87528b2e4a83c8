"""Reads a YAML file into values that JSON can hold, and remembers the line of each key. I/O.

References such as `${NAME}` are resolved (see `references`). Their values are secrets and never printed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from shipper.config.references import References
from shipper.errors import UsageError
from shipper.secrets import hide

Path = tuple[str | int, ...]

LARGEST_FILE = 128 << 10
"""Bytes."""

MOST_VALUES = 10_000
"""Each use of an alias (`*name`) counts all values of its anchor."""

DEEPEST = 16
"""Levels of nesting."""


@dataclass(slots=True)
class SettingsFile:
    """The content of a file.

    Attributes:
        name: its path, for messages.
        values: its values, with each `${...}` replaced.
        lines: the line of each key path, counted from 1.
        outside: the key paths whose text had a `${...}`.
        secrets: the values from the environment and from other files.
        faults: the first mistake at each key path, as a sentence.
    """

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    outside: set[Path] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    faults: dict[Path, str] = field(default_factory=dict)

    def add(self, path: Path, fault: str) -> None:
        """Note a mistake, unless the key path has one already."""
        self.faults.setdefault(path, fault)

    def told(self) -> list[str]:
        """Each mistake as `FILE:LINE: KEY.PATH: message` with the secrets hidden, in the order of the lines."""
        told = []
        for path, message in sorted(self.faults.items(), key=lambda fault: self._line(fault[0])):
            line = self._line(path)
            place = [f"{self.name}:{line}" if line else self.name, dotted(path), hide(message, self.secrets)]
            told.append(": ".join(part for part in place if part))
        return told

    def _line(self, path: Path) -> int:
        """The line of a key path, or of the nearest key above that has one; 0 if none has."""
        return next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), 0)


def dotted(path: Path) -> str:
    """A key path as text, such as `inputs[0].path`; a key that could not be seen in it, or would break the line, stands in quotes."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        name = part if part.strip() and part.isprintable() else repr(part)
        text += f".{name}" if text else name
    return text


def read_settings(name: str, environ: Mapping[str, str]) -> SettingsFile:
    """Read a YAML file.

    Raises:
        UsageError: the file cannot be read, or holds no YAML mapping.
    """
    settings = SettingsFile(name)
    references = References(_text(name), environ)
    try:
        value = _load(references, settings)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}" if mark else name
        raise UsageError(f"{place}: this is not YAML: {references.written(error.problem or error.context or '')}") from None
    except RecursionError:
        raise UsageError(f"{name}: it is nested deeper than a configuration can be") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{name}: this is not YAML: {references.written(str(error).splitlines()[0])}") from None
    if not isinstance(value, dict):
        raise UsageError(f"{name}: a mapping was expected, such as 'state_dir: /var/lib/mfa-shipper'")
    settings.values = _Filler(settings, references).fill(value, ())
    return settings


def scalar(text: str) -> Any:
    """The number, boolean or null that a text would be in a YAML file; any other text unchanged."""
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    return value if value is None or isinstance(value, bool | int | float) else text


def _text(name: str) -> str:
    try:
        with open(name, "rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}; give the configuration with --config FILE") from None
    if len(content) > LARGEST_FILE:
        raise UsageError(f"{name}: it is larger than {LARGEST_FILE >> 10} KiB, so it is no configuration")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: byte {error.start} is not UTF-8; save the file as UTF-8") from None


def _load(references: References, settings: SettingsFile) -> Any:
    """Parse a YAML text; note the line of each key, and keys that appear twice."""
    loader = yaml.SafeLoader(references.text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _Lines(settings, references).note(node, ())
        return loader.construct_document(node)
    finally:
        loader.dispose()


class _Lines:
    """Walks the nodes of a YAML text before its values are constructed: a few aliases can expand to billions of values."""

    def __init__(self, settings: SettingsFile, references: References) -> None:
        self._settings = settings
        self._references = references
        self._left = MOST_VALUES

    def note(self, node: yaml.Node, path: Path) -> None:
        """Note the lines of all keys below a node.

        Raises:
            UsageError: there are too many values, they are nested too deep, or a key is not a text.
        """
        line = node.start_mark.line + 1
        self._settings.lines.setdefault(path, line)
        self._left -= 1
        if self._left < 0:
            raise UsageError(f"{self._settings.name}: with its aliases (*) it has more than {MOST_VALUES} values")
        if len(path) > DEEPEST:
            raise UsageError(f"{self._settings.name}:{line}: it is nested more than {DEEPEST} deep")
        if isinstance(node, yaml.MappingNode):
            self._note_keys(node, path)
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                self.note(value, (*path, number))

    def _note_keys(self, node: yaml.MappingNode, path: Path) -> None:
        settings = self._settings
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise UsageError(f"{settings.name}:{line}: a key must be a text")
            name = self._references.written(key.value)
            own = (*path, name)
            settings.lines[own] = line
            if name in seen:
                settings.add(own, "this key stands twice; the last one would win")
            seen.add(name)
            self.note(value, own)


class _Filler:
    """Resolves the references in parsed values, and refuses values that JSON cannot hold."""

    def __init__(self, settings: SettingsFile, references: References) -> None:
        self._settings = settings
        self._references = references

    def fill(self, value: Any, path: Path) -> Any:
        """The value at a key path; faults are noted in the settings."""
        if isinstance(value, dict):
            named = ((self._references.written(str(key)), item) for key, item in value.items())
            return {key: self.fill(item, (*path, key)) for key, item in named}
        if isinstance(value, list):
            return [self.fill(item, (*path, number)) for number, item in enumerate(value)]
        if isinstance(value, str):
            value = self._resolved(value, path)
        fault = _fault(value)
        if fault:
            self._settings.add(path, fault)
            return ""
        return value

    def _resolved(self, text: str, path: Path) -> str:
        try:
            value, outside = self._references.resolve(text, self._settings.secrets)
        except ValueError as error:
            self._settings.add(path, str(error))
            return ""
        if outside:
            self._settings.outside.add(path)
        return value


def _fault(value: Any) -> str | None:
    """Why JSON cannot hold a value, None if it can."""
    if isinstance(value, str):
        return "it holds half of a surrogate pair" if any("\ud800" <= sign <= "\udfff" for sign in value) else None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is no number in JSON"
    if isinstance(value, int):
        return None if -(1 << 63) <= value < 1 << 64 else f"{value} has more than 64 bits; put it in quotes"
    return None if value is None else f"YAML reads this as a {type(value).__name__}; put it in quotes"
