"""Reads the configuration of `run` and `detect`; each mistake becomes one sentence with its file, line and key path.

`sections.py` and `outputs.py` define the keys and their types. msgspec checks them; this module parses msgspec's messages,
so pyproject.toml pins its version.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from shipper.config.rules import Fault, absent, contradictions
from shipper.config.sections import Config, config_type
from shipper.config.values import Secret, Written
from shipper.config.yaml_file import Path, SettingsFile, read_settings, scalar
from shipper.errors import UsageError


def load_config(path: str, environ: Mapping[str, str], needed: str = "") -> tuple[Config, set[str]]:
    """Read a file; return the configuration, and the secrets that must not be printed.

    Args:
        path: the file.
        environ: the environment, for references in the file.
        needed: the section that the file must have, `inputs` or `detect`; empty: either.

    Raises:
        UsageError: the configuration is wrong; one line for each mistake.
    """
    settings = read_settings(path, environ)
    values = _typed(settings.values, (), settings)
    config = None
    try:
        config = msgspec.convert(values, config_type())
    except msgspec.ValidationError as error:
        for key, fault in _all_faults(values, error):
            settings.add(key, fault)
    if config is not None and not settings.faults:
        for key, fault in [*absent(config, needed), *contradictions(config, needed)]:
            settings.add(key, fault)
    if settings.faults or config is None:
        raise UsageError("\n".join(settings.told()))
    return config, settings.secrets | set(_secrets(config))  # also those in the file itself


def _secrets(value: object) -> Iterator[str]:
    """The secrets in a section, at any depth."""
    if isinstance(value, Secret):
        yield value.value
    elif isinstance(value, msgspec.Struct):
        for item in msgspec.structs.astuple(value):
            yield from _secrets(item)
    elif isinstance(value, list):
        for item in value:
            yield from _secrets(item)


def _typed(value: Any, path: Path, settings: SettingsFile) -> Any:
    """Convert values to the types of their keys; note each value that does not fit."""
    if isinstance(value, dict):
        return {key: _typed(item, (*path, key), settings) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item, (*path, number), settings) for number, item in enumerate(value)]
    kind = _type_at(path)
    if path in settings.outside:
        value = _from_outside(value, kind, settings)
        if isinstance(value, list):
            return _typed(value, path, settings)
    try:
        return _read(value, kind)
    except ValueError as error:
        settings.add(path, str(error))
        return value


def _from_outside(text: str, kind: Any, settings: SettingsFile) -> Any:
    """Convert a text from outside to what it would be in the file: `500` to a number, `a, b` to a list, if the key takes one."""
    if any(get_origin(member) is list for member in (kind, *get_args(kind))):
        parts = [part.strip() for part in text.split(",") if part.strip()]
        settings.secrets.update(parts)
        return parts
    if kind is None or _is(kind, text):
        return text
    plain = scalar(text)
    if not _is(kind, plain):
        return text  # reported as if it stood in the file
    settings.secrets.discard(text)  # `no` and 500 are no secrets, and hiding them would garble every message
    return plain


def _is(kind: Any, value: Any) -> bool:
    try:
        msgspec.convert(_read(value, kind), kind)
    except ValueError:  # also the base of msgspec's errors
        return False
    return True


def _read(value: Any, kind: Any) -> Any:
    """Convert a value of the file to its type.

    Raises:
        ValueError: the value does not fit; says what was expected.
    """
    written = _written(kind)
    if written is None or value is None:
        return value
    if isinstance(value, str):
        return written.read(value)
    if written.example is None:
        raise ValueError("expected a text; put it in quotes")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected {written.example}")
    return written.read(str(value))


def _written(kind: Any) -> Written | None:
    """How values of a type are written, if the type says so."""
    members = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    return next((note for member in members for note in get_args(member) if isinstance(note, Written)), None)


def _all_faults(values: Mapping[str, Any], first: msgspec.ValidationError) -> list[Fault]:
    """The first fault of each section: msgspec stops at the first one, so each section is converted separately."""
    faults: list[Fault] = []
    sections = msgspec.structs.fields(config_type())
    for section in sections:
        path = (section.name,)
        if section.name in values:
            try:
                msgspec.convert(values[section.name], section.type)
            except msgspec.ValidationError as error:
                faults.append(_explain(str(error), path))
        elif section.required or (section.name == "inputs" and "detect" not in values):
            faults.append((path, "this key is missing"))
    known = [section.name for section in sections]
    faults += [((key,), _unknown(key, known)) for key in values if key not in known]
    return faults or [_explain(str(first), ())]


def _explain(text: str, base: Path) -> Fault:
    """Turn msgspec's message into a fault: a key path, and a sentence that suggests the nearest key for an unknown one."""
    message, _, location = text.partition(" - at `$")
    parts = re.findall(r"\[(\d+)\]|\.?([^.\[\]`]+)", location.rstrip("`"))
    path = (*base, *(int(number) if number else name for number, name in parts))
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL)
    if unknown:
        return (*path, unknown[1]), _unknown(unknown[1], _keys(path))
    missing = re.fullmatch(r"Object missing required field `(.*)`", message)
    if missing:
        return path, f"the key {missing[1]} is missing"
    choices = re.fullmatch(r"Invalid enum value (.*)", message, re.DOTALL)
    if choices:
        return path, f"{choices[1]} is none of {', '.join(_choices(path))}"
    if message.startswith("Expected "):
        written = _written(_type_at(path))
        number = (written and written.example) or "a whole number"
        return path, "e" + re.sub(r"`(\w+(?: \| \w+)*)`", lambda kinds: _in_words(kinds[1], number), message[1:])
    return path, message[:1].lower() + message[1:]


WORDS = {
    "str": "a text", "float": "a number", "bool": "true or false", "null": "null",
    "array": "a list", "object": "keys with values",
}  # fmt: skip


def _in_words(kinds: str, number: str) -> str:
    """msgspec's `int | null` as `a whole number or null`; `number`: what an `int` is here, such as a duration."""
    return " or ".join((WORDS | {"int": number}).get(kind, kind) for kind in kinds.split(" | "))


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, 1)
    return f"there is no such key; did you mean {near[0]}?" if near else f"there is no such key; there are {', '.join(known)}"


def _type_at(path: Path) -> Any:
    """The type that the configuration has at a key path; None if there is no such path."""
    kind: Any = config_type()
    for part in path:
        if isinstance(part, int):
            kind = next((get_args(inner)[0] for inner in (kind, *get_args(kind)) if get_origin(inner) is list), None)
        else:
            kind = next((field.type for field in _fields(kind) if field.name == part), None)
    return kind


def _fields(kind: Any) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields of the type of a section, or of a section that may be null; none for any other type."""
    for inner in (kind, *get_args(kind)):
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            return msgspec.structs.fields(inner)
    return ()


def _keys(path: Path) -> list[str]:
    return [field.name for field in _fields(_type_at(path))]


def _choices(path: Path) -> list[str]:
    kind = _type_at(path)
    inner = [str(value) for member in get_args(kind) for value in get_args(member) if isinstance(value, str)]
    return inner or [str(value) for value in get_args(kind)]
