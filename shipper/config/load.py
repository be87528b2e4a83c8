"""The configuration of `run`, read from its file: every mistake in one sentence, with its place.

What may stand in the file is in `sections.py`.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from shipper.config.sections import Config, Duration, Secret, Size
from shipper.config.units import DURATION, SIZE, duration, size
from shipper.config.yaml_file import Path, SettingsFile, read_settings
from shipper.errors import UsageError


def load_config(path: str, environ: Mapping[str, str]) -> tuple[Config, set[str]]:
    """The configuration in a file, and the secrets in it that must not be printed.

    Raises:
        UsageError: it cannot be used; a line for each thing that is wrong.
    """
    settings = read_settings(path, environ)
    errors = list(settings.errors)
    config = None
    try:
        config = msgspec.convert(settings.values, Config, dec_hook=_decode)
    except msgspec.ValidationError as error:
        errors += _all_errors(settings, error)
    if config is not None:
        errors += [settings.at(where, what) for where, what in contradictions(config)]
    if errors or config is None:
        raise UsageError("\n".join(dict.fromkeys(errors)))
    security = config.output.kafka and config.output.kafka.security
    typed = {security.password.value} if security and security.password else set()  # in the file itself
    return config, settings.secrets | typed


def contradictions(config: Config) -> list[tuple[Path, str]]:
    """Key paths whose values do not go together, and why."""
    out, kafka = config.output, config.output.kafka
    found: list[tuple[Path, str]] = []
    if out.type == "kafka" and kafka is None:
        found.append((("output", "kafka"), "output.type is kafka, so this section is needed, with bootstrap_servers and topic"))
    if out.type == "file" and out.file is None:
        found.append((("output", "file"), "output.type is file, so this section is needed, with a path"))
    if out.type == "kafka" and out.format == "elastic-bulk":
        found.append((("output", "format"), "elastic-bulk has two lines an event and cannot go to Kafka; use ecs"))
    if kafka is not None:
        security = kafka.security
        where: Path = ("output", "kafka", "security")
        sasl = security.protocol.startswith("SASL")
        if sasl and not (security.sasl_mechanism and security.username and security.password):
            found.append((where, f"{security.protocol} needs sasl_mechanism, username and password"))
        if not sasl and (security.sasl_mechanism or security.username or security.password):
            found.append(
                ((*where, "protocol"), f"{security.protocol} has no users; use SASL_SSL, or leave user and password out")
            )
        if not security.protocol.endswith("SSL") and (security.ca_file or security.cert_file):
            found.append(((*where, "protocol"), f"{security.protocol} has no certificates; use SSL or SASL_SSL"))
        if (security.cert_file is None) != (security.key_file is None):
            found.append((where, "cert_file and key_file go together"))
        if kafka.exactly_once and kafka.state_topic in (kafka.topic, kafka.alert_topic):
            found.append(
                (("output", "kafka", "state_topic"), "the positions need a topic of their own, with cleanup.policy=compact")
            )
    if config.tail.read_size > config.tail.max_line:
        found.append((("tail", "read_size"), "it may not be larger than max_line"))
    return found


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the file."""
    described = msgspec.json.schema(Config, schema_hook=_describe)
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
    if kind is Duration:
        return {
            "anyOf": [{"type": "string", "pattern": DURATION}, {"type": "number", "minimum": 0}],
            "description": Duration.__doc__,
        }
    if kind is Size:
        return {"anyOf": [{"type": "string", "pattern": SIZE}, {"type": "integer", "minimum": 1}], "description": Size.__doc__}
    return {"type": "string", "description": "A secret; better as ${NAME} or ${file:PATH} than in the file."}


def _decode(kind: type, value: Any) -> Any:
    if kind is Secret:
        if isinstance(value, str):
            return Secret(value)
        raise ValueError("expected a text; put it in quotes")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected {'60s or 500ms' if kind is Duration else '1MiB or 65536'}")
    return Duration(duration(str(value))) if kind is Duration else Size(size(str(value)))


def _all_errors(settings: SettingsFile, first: msgspec.ValidationError) -> list[str]:
    """The error of each section, as far as they can be told apart; msgspec stops at the first."""
    errors = []
    for one in msgspec.structs.fields(Config):
        if one.name in settings.values:
            try:
                msgspec.convert(settings.values[one.name], one.type, dec_hook=_decode)
            except msgspec.ValidationError as error:
                errors.append(_explain(settings, str(error), (one.name,)))
        elif one.required:
            errors.append(settings.at((one.name,), "this key is missing"))
    known = [one.name for one in msgspec.structs.fields(Config)]
    errors += [settings.at((key,), _unknown(key, known)) for key in settings.values if key not in known]
    return errors or [_explain(settings, str(first), ())]


def _explain(settings: SettingsFile, text: str, base: Path) -> str:
    """msgspec's sentence in ours: the key path in front, and the nearest key for an unknown one."""
    what, _, where = text.partition(" - at `$")
    path = (*base, *(int(n) if n else name for n, name in re.findall(r"\[(\d+)\]|\.?([^.\[\]`]+)", where.rstrip("`"))))
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", what)
    if unknown:
        return settings.at((*path, unknown[1]), _unknown(unknown[1], _keys(path)))
    missing = re.fullmatch(r"Object missing required field `(.*)`", what)
    if missing:
        return settings.at(path, f"the key {missing[1]} is missing")
    choices = re.fullmatch(r"Invalid enum value (.*)", what)
    if choices:
        return settings.at(path, f"{choices[1]} is none of {', '.join(_choices(path))}")
    return settings.at(path, what[:1].lower() + what[1:].replace("`", ""))


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, 1)
    return f"there is no such key; did you mean {near[0]}?" if near else f"there is no such key; there are {', '.join(known)}"


def _type_at(path: Path) -> Any:
    kind: Any = Config
    for part in path:
        if isinstance(part, int):
            kind = next((one for one in (kind, *get_args(kind)) if getattr(one, "__origin__", None) is list), kind)
            kind = get_args(kind)[0]
            continue
        struct = next((one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, msgspec.Struct)), None)
        if struct is None:
            return None
        kind = next((one.type for one in msgspec.structs.fields(struct) if one.name == part), None)
    return kind


def _keys(path: Path) -> list[str]:
    kind = _type_at(path)
    struct = next((one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, msgspec.Struct)), None)
    return [one.name for one in msgspec.structs.fields(struct)] if struct else []


def _choices(path: Path) -> list[str]:
    kind = _type_at(path)
    return [str(value) for one in (kind, *get_args(kind)) for value in get_args(one) if isinstance(value, str)] or [
        str(value) for value in get_args(kind)
    ]


if __name__ == "__main__":
    print(msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode())
