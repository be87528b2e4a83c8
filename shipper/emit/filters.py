"""`--where FIELD=VALUE`: selects the events that the user wants. Pure."""

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from shipper.errors import UsageError
from shipper.model import VARIES, Label, Origin

Keep = Callable[[str, Label], bool]
Condition = tuple[list[str], str]
_REMEMBERED = 8192


def where(conditions: Sequence[str]) -> Keep:
    """A function that takes the text and label of an event and returns True if every `FIELD=VALUE` holds.

    FIELD is a dotted name such as `user.name`. VALUE is compared with the field as text (`true`, `21` and
    so on, as in JSON), or with each member of a list. An event is only parsed if the sample of its origin
    does not decide.

    Raises:
        UsageError: a condition is not of that form.
    """
    wanted: list[Condition] = []
    for condition in conditions:
        field, equals, value = condition.partition("=")
        if not equals or not field:
            raise UsageError(f"--where {condition}: expected FIELD=VALUE, for example event.code=21")
        wanted.append((field.split("."), value))
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
    answers = [_holds(document, path, value) for path, value in wanted]
    return False if False in answers else None if None in answers else True


def _holds(document: Any, path: list[str], value: str) -> bool | None:
    for name in path:
        if document is VARIES:
            return None
        if not isinstance(document, dict) or name not in document:
            return False
        document = document[name]
    if _varies(document):
        return None
    return any(_text(member) == value for member in (document if isinstance(document, list) else [document]))


def _varies(value: Any) -> bool:
    return value is VARIES or (isinstance(value, dict) and any(map(_varies, value.values())))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
