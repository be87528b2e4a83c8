"""A YAML file as plain values: where each key stands, and what comes from outside it. I/O.

`${NAME}` takes a value from the environment, `${file:/run/secrets/x}` the first line of a file, and
`$${X}` stands for `${X}`. What came from outside is a secret: it is known here so that it is printed nowhere.
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

_OUTSIDE = re.compile(r"\$\$(\{[^}]*\})|\$\{(?:file:([^}]+)|([A-Za-z_][A-Za-z0-9_]*))\}")

_TOKEN = re.compile("\ue000([0-9]+)\ue001")


@dataclass(slots=True)
class SettingsFile:
    """What a file says.

    Attributes:
        name: the path, for messages.
        values: its content, with `${...}` replaced.
        lines: the 1-based line of each key path.
        secrets: the values that came from outside.
        errors: what is wrong so far, a sentence each.
    """

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    def at(self, path: Path, what: str) -> str:
        """A sentence about a key path, with file and line as far as they are known, and no secret in it."""
        what = hide(what, self.secrets)
        line = next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), 0)
        where = f"{self.name}:{line}" if line else self.name
        return f"{where}: {dotted(path)}: {what}" if path else f"{where}: {what}"


def dotted(path: Path) -> str:
    """`inputs[0].path`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_settings(name: str, environ: Mapping[str, str]) -> SettingsFile:
    """Read a YAML file.

    Raises:
        UsageError: it cannot be read, or is no YAML mapping.
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
    outside: list[re.Match[str]] = []

    def take(match: re.Match[str]) -> str:
        outside.append(match)
        return f"\ue000{len(outside) - 1}\ue001"

    text = _OUTSIDE.sub(take, text)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _lines(node, (), settings)
        value = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise UsageError(f"{where}: this is not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{name}: this is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(value, dict):
        raise UsageError(f"{name}: a mapping was expected, such as 'state_dir: /var/lib/mfa-shipper'")
    settings.values = _fill(value, (), settings, _Outside(outside, environ))
    return settings


@dataclass(frozen=True, slots=True)
class _Outside:
    """What was written as `${...}`, by number, and the environment."""

    matches: list[re.Match[str]]
    environ: Mapping[str, str]


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


def _fill(value: Any, path: Path, settings: SettingsFile, outside: _Outside) -> Any:
    if isinstance(value, dict):
        return {str(key): _fill(one, (*path, str(key)), settings, outside) for key, one in value.items()}
    if isinstance(value, list):
        return [_fill(one, (*path, number), settings, outside) for number, one in enumerate(value)]
    if not isinstance(value, str):
        return value

    def fetch(token: re.Match[str]) -> str:
        literal, file, variable = outside.matches[int(token[1])].groups()
        if literal is not None:
            return f"${literal}"
        try:
            found = _first_line(file) if file else outside.environ[variable]
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
