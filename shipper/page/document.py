"""Render a template as one HTML file with its style and script inside, and a Content-Security-Policy. Pure."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from shipper.page.words import shown


def document(template: str, filters: Mapping[str, Callable[..., str]], **values: Any) -> bytes:
    """An HTML document in UTF-8 from a template that extends `base.html`.

    Args:
        template: the file name of the template.
        filters: its filters by name, besides `shown`.
        values: the values for the template; all are escaped.
    """
    environment = Environment(
        loader=PackageLoader("shipper.page", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(filters, shown=shown)
    style, script = _file("page.css"), _file("page.js")
    text = environment.get_template(template).render(style=style, script=script, policy=_policy(style, script), **values)
    return text.encode("utf-8", "backslashreplace")


def _file(name: str) -> str:
    return resources.files("shipper.page").joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """The Content-Security-Policy: only the page's own style and script, known by their hashes, and images in `data:` URLs."""
    allowed = {"default-src": "'none'", "style-src": _hash(style), "script-src": _hash(script), "img-src": "data:"}
    return "; ".join(f"{name} {value}" for name, value in [*allowed.items(), ("base-uri", "'none'"), ("form-action", "'none'")])


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
