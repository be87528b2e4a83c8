"""Reads the configuration of `run`; each mistake becomes one sentence with its file, line and key path.

`sections.py` defines the keys and their types. msgspec checks them; its messages are taken apart here,
so its version is pinned in pyproject.toml.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, get_args, get_origin

import msgspec

from shipper.config.rules import Fault, contradictions
from shipper.config.sections import (
    Address,
    Config,
    Duration,
    ExistingFile,
    ExistingFolder,
    FilePath,
    Glob,
    ListenAddress,
    Namespace,
    Secret,
    Size,
    Topic,
    Zone,
    config_type,
)
from shipper.config.units import (
    ADDRESS,
    DURATION,
    NAMESPACE,
    SIZE,
    TOPIC,
    address,
    duration,
    existing_file,
    existing_folder,
    file_path,
    glob_path,
    namespace,
    size,
    topic,
    zone,
)
from shipper.config.yaml_file import Path, SettingsFile, read_settings, scalar
from shipper.errors import UsageError

TEXTS: dict[type[str], tuple[Callable[[str], str], str]] = {
    Namespace: (namespace, NAMESPACE),
    Address: (address, ADDRESS),
    ListenAddress: (partial(address, any_port=True), ADDRESS),
    Topic: (topic, TOPIC),
    FilePath: (file_path, "."),
    ExistingFile: (existing_file, "."),
    ExistingFolder: (existing_folder, "."),
    Glob: (glob_path, "."),
    Zone: (zone, "."),
}
"""By type of a text, what checks it (a ValueError says what was expected), and a regular expression for the schema."""


def load_config(path: str, environ: Mapping[str, str]) -> tuple[Config, set[str]]:
    """The configuration in a file, and the secrets that must not be printed.

    Raises:
        UsageError: the configuration is wrong; one line for each mistake.
    """
    settings = read_settings(path, environ)
    config = None
    try:
        config = msgspec.convert(_typed(settings.values, (), settings), config_type(), dec_hook=_decode)
    except msgspec.ValidationError as error:
        for key, fault in _all_faults(settings, error):
            settings.add(key, fault)
    if config is not None:
        for key, fault in contradictions(config):
            settings.add(key, fault)
    if settings.faults or config is None:
        raise UsageError("\n".join(settings.at(*fault) for fault in settings.faults.items()))
    security = config.output.kafka and config.output.kafka.security
    written = [
        security and security.password,
        config.metrics.password,
        config.pipeline.pseudonyms and config.pipeline.pseudonyms.key,
    ]
    return config, settings.secrets | {secret.value for secret in written if secret}  # also if the file itself holds them


def _typed(value: Any, path: Path, settings: SettingsFile) -> Any:
    """The values with those from outside, which are all texts, as the types of their keys: `500` a number, `a, b` a list."""
    if isinstance(value, dict):
        return {key: _typed(item, (*path, key), settings) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item, (*path, number), settings) for number, item in enumerate(value)]
    if path not in settings.outside:
        return value
    kind = _type_at(path)
    if any(get_origin(member) is list for member in (kind, *get_args(kind))):
        parts = [part.strip() for part in value.split(",") if part.strip()]
        settings.secrets.update(parts)
        return parts
    if kind is None or _is(kind, value):
        return value
    plain = scalar(value)
    if not _is(kind, plain):
        return value  # which is told as if it stood in the file
    settings.secrets.discard(value)  # `no` and 500 are no secrets, and to hide them would spoil every message
    return plain


def _is(kind: Any, value: Any) -> bool:
    try:
        msgspec.convert(value, kind, dec_hook=_decode)
    except msgspec.ValidationError:
        return False
    return True


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the file."""
    described = msgspec.json.schema(config_type(), schema_hook=_describe)
    for section in described["$defs"].values():
        if "description" in section:  # a docstring, whose indentation Python 3.13 takes away
            section["description"] = " ".join(section["description"].split())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mfa-shipper configuration",
        "description": "Generated from shipper/config/sections.py by `make deploy-files`.",
        **described,
    }


def _describe(kind: type) -> dict[str, Any]:
    """The schema of a type that msgspec does not know."""
    if kind is Duration:
        return {
            "anyOf": [{"type": "string", "pattern": DURATION}, {"type": "number", "minimum": 0}],
            "description": Duration.__doc__,
        }
    if kind is Size:
        return {"anyOf": [{"type": "string", "pattern": SIZE}, {"type": "integer", "minimum": 1}], "description": Size.__doc__}
    if kind in TEXTS:
        return {"type": "string", "pattern": TEXTS[kind][1], "description": kind.__doc__}
    return {"type": "string", "description": "A secret; better as ${NAME} or ${file:PATH} than in the file."}


def _decode(kind: type[Any], value: Any) -> Any:
    """A value of a type that msgspec does not know; a ValueError becomes the message of the key."""
    if kind is Secret or kind in TEXTS:
        if not isinstance(value, str):
            raise ValueError("expected a text; put it in quotes")
        return Secret(value) if kind is Secret else kind(TEXTS[kind][0](value))
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected {'60s or 500ms' if kind is Duration else '1MiB or 65536'}")
    return Duration(duration(str(value))) if kind is Duration else Size(size(str(value)))


def _all_faults(settings: SettingsFile, first: msgspec.ValidationError) -> list[Fault]:
    """The first fault of each section: msgspec stops at the first one, so each section is converted by itself."""
    faults: list[Fault] = []
    sections = msgspec.structs.fields(config_type())
    for section in sections:
        path = (section.name,)
        if section.name in settings.values:
            try:
                msgspec.convert(_typed(settings.values[section.name], path, settings), section.type, dec_hook=_decode)
            except msgspec.ValidationError as error:
                faults.append(_explain(str(error), path))
        elif section.required:
            faults.append((path, "this key is missing"))
    known = [section.name for section in sections]
    faults += [((key,), _unknown(key, known)) for key in settings.values if key not in known]
    return faults or [_explain(str(first), ())]


def _explain(text: str, base: Path) -> Fault:
    """msgspec's message as ours: the key path in front, and the nearest key in place of an unknown one."""
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
        return path, "e" + re.sub(r"`(\w+(?: \| \w+)*)`", lambda kinds: _in_words(kinds[1]), message[1:])
    return path, message[:1].lower() + message[1:]


WORDS = {
    "str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false", "null": "null",
    "array": "a list", "object": "keys with values",
}  # fmt: skip


def _in_words(kinds: str) -> str:
    """msgspec's `int | null` as `a whole number or null`."""
    return " or ".join(WORDS.get(kind, kind) for kind in kinds.split(" | "))


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
    """The fields of a section, also of one that may be null; none for any other type."""
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
