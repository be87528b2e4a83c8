"""Secrets in texts: replaced by `***` in each form in which a text may hold them. Pure."""

import json
from collections.abc import Collection
from typing import Any

HIDDEN = "***"


def hide(text: str, secrets: Collection[str]) -> str:
    """The text without the secrets."""
    forms = {form for secret in secrets for form in _forms(secret) if form}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text


def hide_in(value: Any, secrets: Collection[str]) -> Any:
    """A value for JSON without the secrets in its texts; numbers stay, so that it stays JSON."""
    if isinstance(value, dict):
        return {key: hide_in(one, secrets) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [hide_in(one, secrets) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return hide(str(value), secrets)


def _forms(secret: str) -> tuple[str, ...]:
    """As it is, as Python shows a text or bytes, as JSON writes it."""
    shown = repr(secret.encode("utf-8", "surrogateescape"))[2:-1]
    return secret, repr(secret)[1:-1], shown, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
