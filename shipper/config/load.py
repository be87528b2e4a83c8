"""Reads the configuration of `run`; each mistake becomes one sentence with its file, line and key path.

`sections.py` defines the keys and their types. msgspec checks them; its messages are taken apart here,
so its version is pinned in pyproject.toml.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from shipper.config.sections import (
    Config,
    Duration,
    KafkaSection,
    Namespace,
    OutputSection,
    Secret,
    Security,
    Size,
    config_type,
)
from shipper.config.units import DURATION, NAMESPACE, SIZE, duration, namespace, size
from shipper.config.yaml_file import Path, SettingsFile, read_settings
from shipper.emit.pseudonyms import SHORTEST_KEY
from shipper.errors import UsageError

Fault = tuple[Path, str]  # a key path, and what is wrong there


def load_config(path: str, environ: Mapping[str, str]) -> tuple[Config, set[str]]:
    """The configuration in a file, and the secrets that must not be printed.

    Raises:
        UsageError: the configuration is wrong; one line for each mistake.
    """
    settings = read_settings(path, environ)
    errors = list(settings.errors)
    config = None
    try:
        config = msgspec.convert(settings.values, config_type(), dec_hook=_decode)
    except msgspec.ValidationError as error:
        errors += _all_errors(settings, error)
    if config is not None:
        errors += [settings.at(path, message) for path, message in contradictions(config)]
    if errors or config is None:
        raise UsageError("\n".join(dict.fromkeys(errors)))
    security = config.output.kafka and config.output.kafka.security
    written = [security and security.password, config.pipeline.pseudonyms and config.pipeline.pseudonyms.key]
    return config, settings.secrets | {secret.value for secret in written if secret}  # also if the file itself holds them


def contradictions(config: Config) -> list[Fault]:
    """Key paths whose values do not go together, and why."""
    faults = _output_faults(config.output)
    if config.output.kafka is not None:
        faults += _kafka_faults(config.output.kafka)
    pseudonyms = config.pipeline.pseudonyms
    if pseudonyms is not None and pseudonyms.key is not None and len(pseudonyms.key.value.encode()) < SHORTEST_KEY:
        faults.append((("pipeline", "pseudonyms", "key"), f"it must have {SHORTEST_KEY} bytes or more, such as 64 hex digits"))
    if config.tail.read_size > config.tail.max_line:
        faults.append((("tail", "read_size"), "it may not be larger than max_line"))
    return faults


def _output_faults(output: OutputSection) -> list[Fault]:
    faults: list[Fault] = []
    if output.type == "kafka" and output.kafka is None:
        faults.append((("output", "kafka"), "output.type is kafka, so this section is needed, with bootstrap_servers and topic"))
    if output.type == "file" and output.file is None:
        faults.append((("output", "file"), "output.type is file, so this section is needed, with a path"))
    if output.type == "kafka" and output.format == "elastic-bulk":
        faults.append((("output", "format"), "elastic-bulk has two lines an event and cannot go to Kafka; use ecs"))
    return faults


def _kafka_faults(kafka: KafkaSection) -> list[Fault]:
    path: Path = ("output", "kafka")
    faults = [((*path, "security", *key), message) for key, message in _security_faults(kafka.security)]
    if kafka.exactly_once and kafka.state_topic in (kafka.topic, kafka.alert_topic):
        faults.append(((*path, "state_topic"), "the positions need a topic of their own, with cleanup.policy=compact"))
    return faults


def _security_faults(security: Security) -> list[Fault]:
    """Faults with key paths below `security`."""
    faults: list[Fault] = []
    login = (security.sasl_mechanism, security.username, security.password)
    sasl = security.protocol.startswith("SASL")
    if sasl and not all(login):
        faults.append(((), f"{security.protocol} needs sasl_mechanism, username and password"))
    if not sasl and any(login):
        faults.append((("protocol",), f"{security.protocol} has no users; use SASL_SSL, or leave user and password out"))
    if not security.protocol.endswith("SSL") and (security.ca_file or security.cert_file):
        faults.append((("protocol",), f"{security.protocol} has no certificates; use SSL or SASL_SSL"))
    if (security.cert_file is None) != (security.key_file is None):
        faults.append(((), "cert_file and key_file go together"))
    return faults


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the file."""
    described = msgspec.json.schema(config_type(), schema_hook=_describe)
    for section in described["$defs"].values():
        if "description" in section:  # a docstring, whose indentation Python 3.13 takes away
            section["description"] = " ".join(section["description"].split())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mfa-shipper configuration",
        "description": "Generated from shipper/config/sections.py by `python -m shipper.config.load`.",
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
    if kind is Namespace:
        return {"type": "string", "pattern": NAMESPACE, "description": Namespace.__doc__}
    return {"type": "string", "description": "A secret; better as ${NAME} or ${file:PATH} than in the file."}


def _decode(kind: type, value: Any) -> Any:
    """A value of a type that msgspec does not know; a ValueError becomes the message of the key."""
    if kind in (Secret, Namespace):
        if not isinstance(value, str):
            raise ValueError("expected a text; put it in quotes")
        return Secret(value) if kind is Secret else Namespace(namespace(value))
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected {'60s or 500ms' if kind is Duration else '1MiB or 65536'}")
    return Duration(duration(str(value))) if kind is Duration else Size(size(str(value)))


def _all_errors(settings: SettingsFile, first: msgspec.ValidationError) -> list[str]:
    """The first error of each section: msgspec stops at the first one, so each section is converted by itself."""
    errors = []
    sections = msgspec.structs.fields(config_type())
    for section in sections:
        if section.name in settings.values:
            try:
                msgspec.convert(settings.values[section.name], section.type, dec_hook=_decode)
            except msgspec.ValidationError as error:
                errors.append(_explain(settings, str(error), (section.name,)))
        elif section.required:
            errors.append(settings.at((section.name,), "this key is missing"))
    known = [section.name for section in sections]
    errors += [settings.at((key,), _unknown(key, known)) for key in settings.values if key not in known]
    return errors or [_explain(settings, str(first), ())]


def _explain(settings: SettingsFile, text: str, base: Path) -> str:
    """msgspec's message as ours: the key path in front, and the nearest key in place of an unknown one."""
    message, _, location = text.partition(" - at `$")
    parts = re.findall(r"\[(\d+)\]|\.?([^.\[\]`]+)", location.rstrip("`"))
    path = (*base, *(int(number) if number else name for number, name in parts))
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message)
    if unknown:
        return settings.at((*path, unknown[1]), _unknown(unknown[1], _keys(path)))
    missing = re.fullmatch(r"Object missing required field `(.*)`", message)
    if missing:
        return settings.at(path, f"the key {missing[1]} is missing")
    choices = re.fullmatch(r"Invalid enum value (.*)", message)
    if choices:
        return settings.at(path, f"{choices[1]} is none of {', '.join(_choices(path))}")
    return settings.at(path, message[:1].lower() + message[1:].replace("`", ""))


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, 1)
    return f"there is no such key; did you mean {near[0]}?" if near else f"there is no such key; there are {', '.join(known)}"


def _type_at(path: Path) -> Any:
    """The type that the configuration has at a key path; None if there is no such path."""
    kind: Any = config_type()
    for part in path:
        if isinstance(part, int):
            kind = next((inner for inner in (kind, *get_args(kind)) if getattr(inner, "__origin__", None) is list), kind)
            kind = get_args(kind)[0]
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
