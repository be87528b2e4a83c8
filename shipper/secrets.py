"""Replaces secrets in texts by `***`, also in escaped form. Pure."""

import json
import re
from collections.abc import Collection
from typing import Any

HIDDEN = "***"
WHOLE = 4


def hide(text: str, secrets: Collection[str]) -> str:
    """The text with every secret replaced by `***`; a secret of less than `WHOLE` characters only where it is a whole word."""
    forms = {form for secret in secrets for form in _forms(secret) if form}
    for form in sorted(forms, key=len, reverse=True):
        word = rf"(?<!\w){re.escape(form)}(?!\w)"  # holes in our own words would reveal a short secret
        text = re.sub(word, HIDDEN, text) if len(form) < WHOLE else text.replace(form, HIDDEN)
    return text


def hide_in(value: Any, secrets: Collection[str]) -> Any:
    """A JSON value with the secrets in its strings replaced; numbers stay, so that the result is valid JSON."""
    if isinstance(value, dict):
        return {key: hide_in(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [hide_in(item, secrets) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return hide(str(value), secrets)


def _forms(secret: str) -> tuple[str, ...]:
    """A secret as it is, as Python escapes it in a string or in bytes, and as JSON escapes it."""
    in_bytes = repr(secret.encode("utf-8", "surrogateescape"))[2:-1]
    return secret, repr(secret)[1:-1], in_bytes, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
