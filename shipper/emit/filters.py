"""Selects the events that the user wants: `--where FIELD=VALUE`, `--since`, `--until`. Pure."""

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from shipper.errors import UsageError
from shipper.model import VARIES, Label, Origin

Keep = Callable[[str, Label], bool]

OPEN_ENDED = "labels."  # the configuration may set any field below it
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)|(?=.*[*?])[-0-9*?]+", re.ASCII)  # as JSON writes one, or a glob of it
_REMEMBERED = 8192
_AFTER_ALL = ":"  # the character after 9: sorts after every time stamp


class Condition(NamedTuple):
    """One `FIELD=VALUE`.

    Attributes:
        field: its dotted name, such as `user.name`.
        path: the parts of the name.
        fits: returns True if VALUE allows a text of the field.
    """

    field: str
    path: tuple[str, ...]
    fits: Callable[[str], bool]


def condition(text: str) -> Condition:
    """Parse the condition of a `--where`.

    Raises:
        UsageError: the text is not of the form FIELD=VALUE.
    """
    field, equals, value = text.partition("=")
    if not equals or not field:
        raise UsageError(f"--where {text}: expected FIELD=VALUE, for example event.code=21")
    return Condition(field, tuple(field.split(".")), _fits(value, fold=field.startswith("user.") or field == "related.user"))


def checked(text: str, fields: Mapping[str, Mapping[str, Any]]) -> str:
    """Check that the field of a `--where` exists and can have the value; return it with the field's spelling (`True`: `true`).

    Args:
        text: as the user wrote it.
        fields: all fields that an event can have, each with its JSON Schema.

    Raises:
        UsageError: no event can meet the condition; the message says why.
    """
    field, _, _ = condition(text)
    value = text.partition("=")[2]
    if field not in fields:
        if field.startswith(OPEN_ENDED) and not field.endswith("."):
            return text
        raise UsageError(f"--where {text}: there is no field {field}; {_near(field.casefold(), fields)}")
    schema = fields[field]
    if schema.get("type") == "integer":
        if not _INTEGER.fullmatch(value):
            raise UsageError(f"--where {text}: {field} is a whole number, such as 21")
        return text
    possible = _possible(schema)
    if not possible:
        _check_form(text, field, value, schema.get("pattern"))
        return text
    if "*" in value or "?" in value:
        if any(map(_fits(value, fold=False), possible)):
            return text
    elif (spelled := {name.casefold(): name for name in possible}.get(value.casefold())) is not None:
        return f"{field}={spelled}"
    raise UsageError(f"--where {text}: {field} is one of {', '.join(possible)}")


def _check_form(text: str, field: str, value: str, pattern: str | None) -> None:
    """Refuse a whole value, not a glob, in which a time or an id is not written."""
    if pattern is None or "*" in value or "?" in value or re.fullmatch(pattern, value):
        return
    if "T" in pattern:
        form = f"a time, such as 2017-02-14T02:57:19Z; for a day write {field}=2017-02-14*, or --since and --until"
    else:
        form = "an id, such as 46d6be51c79ccc24-151"
    raise UsageError(f"--where {text}: {field} is {form}")


def _near(written: str, fields: Collection[str]) -> str:
    inside = [name for name in fields if name.startswith(f"{written}.")]
    ends = [name for name in fields if name.endswith(f".{written}")]
    names, least = (inside or ends, 0.0) if inside or ends else (fields, 0.6)
    nearest = difflib.get_close_matches(written, sorted(names), 1, least)
    return f"did you mean {nearest[0]}?" if nearest else "parse --pretty shows the fields of an event"


def _possible(schema: Mapping[str, Any]) -> list[str]:
    """The values that a field can have, as texts; empty if it can have any value."""
    if schema.get("type") == "boolean":
        return ["true", "false"]
    items: Mapping[str, Any] = schema.get("items", schema)
    return [_text(value) for value in items.get("enum", [items["const"]] if "const" in items else [])]


def selection(conditions: Sequence[str], since: str | None = None, until: str | None = None) -> Keep | None:
    """A function that returns True for the text and label of an event that the user wants; None if the user wants all.

    Args:
        conditions: `FIELD=VALUE`, all of which must hold. VALUE is compared with the field as text (`true`, `21`
            and so on, as in JSON), or with each member of a list; see `_fits`.
        since, until: start (inclusive) and end (exclusive) of the time span, as `config.units.moment` writes them.

    Raises:
        UsageError: a condition is not of the form FIELD=VALUE.
    """
    tests: list[Keep] = []
    if since is not None or until is not None:
        tests.append(_between(since or "", until or _AFTER_ALL))
    if conditions:
        tests.append(_where(list(map(condition, conditions))))
    if len(tests) < 2:
        return tests[0] if tests else None
    between, where = tests
    return lambda text, label: between(text, label) and where(text, label)


def _between(since: str, until: str) -> Keep:
    """A test whether `@timestamp` is in a span. It compares texts: time stamps without their Z sort by time."""
    return lambda text, label: since <= label[0][:-1] < until


def _where(wanted: Sequence[Condition]) -> Keep:
    """A test whether all conditions hold. It parses an event only if the sample of its origin does not decide."""
    decided: dict[Origin, bool | None] = {}

    def keep(text: str, label: Label) -> bool:
        origin = label[2]
        if origin.sample is not None:
            if origin not in decided:
                if len(decided) >= _REMEMBERED:
                    decided.clear()
                decided[origin] = _all_hold(origin.sample, wanted)
            decision = decided[origin]
            if decision is not None:
                return decision
        return _all_hold(orjson.loads(text.encode("latin-1")), wanted) is True

    return keep


def _all_hold(document: Any, wanted: Sequence[Condition]) -> bool | None:
    """True if all conditions hold; None if that differs between the events that share a sample."""
    answers = [_holds(document, path, fits) for _, path, fits in wanted]
    return False if False in answers else None if None in answers else True


def _holds(document: Any, path: Sequence[str], fits: Callable[[str], bool]) -> bool | None:
    for name in path:
        if document is VARIES:
            return None
        if not isinstance(document, dict) or name not in document:
            return False
        document = document[name]
    if _varies(document):
        return None
    return any(fits(_text(member)) for member in (document if isinstance(document, list) else [document]))


def _varies(value: Any) -> bool:
    return value is VARIES or (isinstance(value, dict) and any(map(_varies, value.values())))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _fits(value: str, *, fold: bool) -> Callable[[str], bool]:
    """A function that compares texts with `value`, in which `*` stands for any characters and `?` for one.

    With `fold` it ignores case, exactly as the detectors do, so that one person to them is one person here.
    """
    value = value.casefold() if fold else value
    if "*" in value or "?" in value:
        matches = re.compile(_expression(value), re.DOTALL).fullmatch
        return (lambda text: matches(text.casefold()) is not None) if fold else (lambda text: matches(text) is not None)
    return (lambda text: text.casefold() == value) if fold else (lambda text: text == value)


def _expression(glob: str) -> str:
    """The regular expression of a glob. Each part between two `*` matches at its first occurrence, without backtracking,
    so that the time stays linear in the length of the text.
    """
    first, *rest = ("".join("." if sign == "?" else re.escape(sign) for sign in part) for part in glob.split("*"))
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>.*?{part})" for part in middle if part) + f".*{last}"
