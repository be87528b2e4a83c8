"""Replaces secrets in texts by `***`, in whatever notation they appear there. Pure."""

import json
from collections.abc import Collection
from typing import Any

HIDDEN = "***"


def hide(text: str, secrets: Collection[str]) -> str:
    """The text with the secrets replaced."""
    forms = {form for secret in secrets for form in _forms(secret) if form}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text


def hide_in(value: Any, secrets: Collection[str]) -> Any:
    """A JSON value with the secrets in its texts replaced; numbers stay, so that it remains JSON."""
    if isinstance(value, dict):
        return {key: hide_in(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [hide_in(item, secrets) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return hide(str(value), secrets)


def _forms(secret: str) -> tuple[str, ...]:
    """A secret as it is, as Python shows it in a text or in bytes, and as JSON writes it."""
    shown = repr(secret.encode("utf-8", "surrogateescape"))[2:-1]
    return secret, repr(secret)[1:-1], shown, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
