"""ECS fields that the events of all kinds of line have in common: version, data set names, constants, users. Pure."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from shipper.decode.status_codes import SEVERITIES
from shipper.memo import Memo
from shipper.model import Code, Document, UserFields

ECS_VERSION = "8.17.0"
MODULE = "azure_mfa"
LEVELS = {"0": "info", "i": "info", "e": "error", "Information": "info", "Warning": "warning", "Error": "error"}
AUTHENTICATION = ["authentication"]  # `event.category`
START, INFO, END = ["start"], ["info"], ["end"]  # `event.type` of a request, of a verdict or result, of a status

_DATASETS = {
    "pfrad": "radius",
    "pfsvc": "server",
    "pfadssvc": "adsync",
    "nps extension": "nps",
    "microsoft-azuremfa-authz": "nps",
    "microsoft-azuremfa-authn": "nps",
}

# `event.action` of lines that are no MFA authentication: category, types, and the outcome if the line gives none.
ACTIONS: dict[str, tuple[list[str], list[str], str]] = {
    "primary-auth-request": (["authentication"], ["start"], "unknown"),
    "primary-auth-result": (["authentication"], ["info"], "unknown"),
    "mfa-not-performed": (["authentication"], ["info"], "unknown"),
    "mfa-error": (["authentication"], ["info"], "failure"),
    "user-change": (["iam"], ["user", "change"], "success"),
    "user-add": (["iam"], ["user", "creation"], "success"),
    "user-delete": (["iam"], ["user", "deletion"], "success"),
    "device-add": (["iam"], ["user", "change"], "success"),
    "device-delete": (["iam"], ["user", "change"], "success"),
    "token-change": (["iam"], ["user", "change"], "success"),
}

# The words in a line that name each of these actions.
ACTION_WORDS = {
    "Primary auth type": "primary-auth-request",
    "Primary auth": "primary-auth-result",
    "auth": "primary-auth-result",
    "Pfauth not performed": "mfa-not-performed",
    "Exception in Authentication Ext": "mfa-error",
    "Challenge requested": "mfa-request",
    "changed user": "user-change",
    "added new user": "user-add",
    "deleted user record": "user-delete",
    "added new User Mobile App Device": "device-add",
    "deleted User Mobile App Device record": "device-delete",
    "changed OATH Token": "token-change",
}


@lru_cache(256)
def dataset(component: str) -> str:
    """`event.dataset` of a component: `azure_mfa.radius` for pfrad, and so on."""
    lower = component.lower()
    return f"{MODULE}.{_DATASETS.get(lower, lower.replace('-', '_').replace(' ', '_'))}"


DATASETS = tuple(dict.fromkeys(map(dataset, [*_DATASETS, "unparsed"])))
"""Every `event.dataset` that the built-in patterns know, and that of lines that no pattern matches."""


def is_known(component: str | None) -> bool:
    """True for a component whose messages the built-in patterns know."""
    return component is not None and component.lower() in _DATASETS


class Envelope:
    """Adds the fields that all events of a run carry."""

    def __init__(self, constants: Mapping[str, Any]) -> None:
        """`constants`: fields from the configuration and the run; `tags` come before an event's own."""
        self._tags = list(constants.get("tags", ()))
        self._constants = {"ecs": {"version": ECS_VERSION}} | {k: v for k, v in constants.items() if k != "tags"}

    def close(self, document: Document, tags: list[str] | None = None) -> Document:
        """Add tags and constant fields to `document`; returns it."""
        if tags or self._tags:
            document["tags"] = self._tags + (tags or [])
        document.update(self._constants)
        return document


def user_parts(user: UserFields) -> tuple[Document, Document]:
    """The `user` and `related` objects for a user."""
    name, domain, email, _ = user
    fields = {"name": name}
    if domain is not None:
        fields["domain"] = domain
    if email is None:
        return fields, {"user": [name]}
    fields["email"] = email
    return fields, {"user": [name, email]}


def status_fields(code: Code) -> Document:
    """The `azure_mfa.status` object for a row of the code table; unknown values are left out."""
    fields = {
        "code": code.number,
        "description": code.description,
        "class": code.status_class,
        "method": code.method,
        "severity": code.severity,
        "prompted": code.prompted,
        "constant": code.constant,
    }
    return {name: value for name, value in fields.items() if value is not None}


def decided_fields(code: Code) -> Document:
    """`event.code`, `event.reason` and `event.severity` for a row of the code table."""
    number: Document = {} if code.number is None else {"code": str(code.number)}
    return {**number, "reason": code.description, "severity": SEVERITIES[code.severity]}


def text_json(text: str) -> str:
    """A text as JSON. One character for each byte (UTF-8 read as latin-1)."""
    return orjson.dumps(text).decode("latin-1")


def shared_json(user: UserFields | None, process: Document | None) -> str:
    """The user and process fields of an event as JSON members with a trailing comma; empty if there are neither."""
    shared: Document = {}
    if user is not None:
        shared["user"], shared["related"] = user_parts(user)
    if process is not None:
        shared["process"] = process
    return orjson.dumps(shared)[1:-1].decode("latin-1") + "," if shared else ""


def _path_of(name: str) -> tuple[list[str], str]:
    *parents, last = name.split(".")
    return parents, last


_PATHS = Memo(_path_of, 1024)


def put(document: Document, name: str, value: Any) -> None:
    """Set a field by its dotted name, creating the objects above it; a value that is in the way is replaced."""
    parents, last = _PATHS[name]
    target = document
    for parent in parents:
        inner = target.setdefault(parent, {})
        if not isinstance(inner, dict):
            inner = target[parent] = {}
        target = inner
    target[last] = value
