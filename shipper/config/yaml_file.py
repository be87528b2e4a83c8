"""Reads a YAML file into plain values, with the line of each key. I/O.

`${NAME}` takes a value from the environment, `${file:/run/secrets/x}` the first line of a file, and
`$${X}` stands for `${X}`. Every value taken from outside counts as a secret and is never printed.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from shipper.errors import UsageError
from shipper.secrets import hide

Path = tuple[str | int, ...]

_REFERENCE = re.compile(r"\$\$(\{[^}]*\})|\$\{(?:file:([^}]+)|([A-Za-z_][A-Za-z0-9_]*))\}")

_TOKEN = re.compile("\ue000([0-9]+)\ue001")


@dataclass(slots=True)
class SettingsFile:
    """The content of a file.

    Attributes:
        name: the path, for messages.
        values: the content, with `${...}` replaced.
        lines: the 1-based line of each key path.
        secrets: the values that came from the environment or from files.
        errors: the mistakes found so far, a sentence each.
    """

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    def at(self, path: Path, message: str) -> str:
        """`FILE:LINE: KEY.PATH: message`, with the line as far as it is known and the secrets hidden."""
        message = hide(message, self.secrets)
        line = next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), 0)
        place = f"{self.name}:{line}" if line else self.name
        return f"{place}: {dotted(path)}: {message}" if path else f"{place}: {message}"


def dotted(path: Path) -> str:
    """`inputs[0].path`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_settings(name: str, environ: Mapping[str, str]) -> SettingsFile:
    """Read a YAML file.

    Raises:
        UsageError: the file cannot be read, or holds no YAML mapping.
    """
    try:
        with open(name, encoding="utf-8-sig") as file:
            text = file.read()
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}; give the configuration with --config FILE") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    settings = SettingsFile(name)
    # Before YAML sees it: in {a: ${B}} the braces would be YAML's own.
    references: list[re.Match[str]] = []

    def take(match: re.Match[str]) -> str:
        references.append(match)
        return f"\ue000{len(references) - 1}\ue001"

    try:
        value = _load(_REFERENCE.sub(take, text), settings)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}" if mark else name
        raise UsageError(f"{place}: this is not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{name}: this is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(value, dict):
        raise UsageError(f"{name}: a mapping was expected, such as 'state_dir: /var/lib/mfa-shipper'")
    settings.values = _fill(value, (), settings, _References(references, environ))
    return settings


@dataclass(frozen=True, slots=True)
class _References:
    """The `${...}` of a file, by number, and the environment that they refer to."""

    matches: list[re.Match[str]]
    environ: Mapping[str, str]


def _load(text: str, settings: SettingsFile) -> Any:
    """The values of a YAML text; notes the line of each key and keys that stand twice."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _lines(node, (), settings)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _lines(node: yaml.Node, path: Path, settings: SettingsFile) -> None:
    settings.lines.setdefault(path, node.start_mark.line + 1)
    if len(path) > 16:
        return
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            own = (*path, str(key.value))
            if key.value in seen and isinstance(key.value, str):
                settings.lines[own] = key.start_mark.line + 1
                settings.errors.append(settings.at(own, "this key stands twice; the last one would win"))
            seen.add(str(key.value))
            settings.lines[own] = key.start_mark.line + 1
            _lines(value, own, settings)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            _lines(value, (*path, number), settings)


def _fill(value: Any, path: Path, settings: SettingsFile, references: _References) -> Any:
    if isinstance(value, dict):
        return {str(key): _fill(item, (*path, str(key)), settings, references) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, (*path, number), settings, references) for number, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def fetch(token: re.Match[str]) -> str:
        literal, file, variable = references.matches[int(token[1])].groups()
        if literal is not None:
            return f"${literal}"
        try:
            found = _first_line(file) if file else references.environ[variable]
        except KeyError:
            settings.errors.append(settings.at(path, f"the environment variable {variable} is not set"))
            return ""
        except (OSError, UnicodeDecodeError) as error:
            settings.errors.append(settings.at(path, f"cannot read {file}: {getattr(error, 'strerror', None) or 'not UTF-8'}"))
            return ""
        settings.secrets.add(found)
        return found

    return _TOKEN.sub(fetch, value)


def _first_line(path: str) -> str:
    with open(os.path.expanduser(path), encoding="utf-8") as file:
        return file.readline().rstrip("\r\n")
