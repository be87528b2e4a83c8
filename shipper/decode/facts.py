"""What one message says: grok fields turned into Facts, by table and by type. Pure.

A line is what it captured, not what its pattern is called: `azure_mfa.auth_result` makes a verdict,
`azure_mfa.status.code` a status, `azure_mfa.status.constant` a one-line result, and
`azure_mfa.request.arguments` a request; for the NPS extension `azure_mfa.nps.result` a status and
`azure_mfa.nps.state`, or the action `mfa-request`, a request. So a pattern of your own gets the full treatment when it captures the
same fields.
"""

import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from shipper.decode.ecs import ACTION_WORDS, decided_fields, status_fields
from shipper.decode.grok import Pattern
from shipper.decode.principal import split_principal, user_key
from shipper.decode.status_codes import SEVERITIES, StatusCodes
from shipper.model import Code, Document, User
from shipper.times import to_utc

Kind = Literal["request", "verdict", "status", "result", "log"]

_QUOTES = "'\"‘’‚‛“”„‟"  # noqa: RUF001  the quotes that copies of a log hold
_VARYING = re.compile(r"'[^']*(?:'|$)|\"[^\"]*(?:\"|$)|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9]+")
_SHAPED = 160  # characters of a message that its shape is made of
_MOST_ARGUMENTS = 32  # the service writes two; a bound keeps the time linear on a hostile line
_ARGUMENT = re.compile(
    rf",[ ]*(?:(?:''|[{_QUOTES}])(?=[,)]|$)|(?:''|[{_QUOTES}])(.*?)(?:''|[{_QUOTES}])(?=[,)]|$)|([^,]*))", re.S
)


@dataclass(slots=True, eq=False)
class Facts:
    """A message, decoded.

    Attributes:
        kind: which of the five lines it is.
        message: the text.
        user: who, on a request or a result.
        arguments: of a request, after the user; opaque.
        auth_result: of a verdict.
        verdict: `success`, `failure` or `unknown`; of a verdict, and of the word of a result.
        code: the row of the table, of a status or a result.
        extra: other captured fields by dotted ECS name.
        action: `event.action` of a line that is no authentication by MFA.
        target: whose record was changed.
        correlation: what ties a request to its status where no thread does (NPS extension); empty where nothing does.
        shape: of a message that no pattern matches, what it has in common with others like it.
        severity, level: `event.severity` and `log.level` of an error of the NPS extension.
        decided: with a code, what it says below `event`.
        status: with a code, what it says below `azure_mfa.status`; shared by all events of the code, so not to be changed.
    """

    kind: Kind
    message: str
    user: User | None = None
    arguments: tuple[str, ...] = ()
    auth_result: int | None = None
    verdict: str | None = None
    code: Code | None = None
    extra: tuple[tuple[str, Any], ...] = ()
    action: str | None = None
    target: User | None = None
    correlation: str | None = None
    shape: str | None = None
    severity: int | None = None
    level: str | None = None
    decided: Document = field(init=False)
    status: Document = field(init=False)

    def __post_init__(self) -> None:
        if self.code is not None:
            self.decided, self.status = decided_fields(self.code), status_fields(self.code)


@dataclass(frozen=True, slots=True)
class Library:
    """What lines mean: patterns in the order in which they are tried, and the code table.

    `builtin` is False when a user's pattern takes part: then only the general path knows the answer.
    """

    lines: tuple[Pattern, ...]
    messages: tuple[Pattern, ...]
    codes: StatusCodes
    builtin: bool


def split_arguments(text: str) -> tuple[str, ...]:
    """`, '', 1` as `("", "1")`: the texts after the user, without their quotes; 32 at most."""
    found = islice(_ARGUMENT.finditer(text), _MOST_ARGUMENTS)
    return tuple(match[1] or (match[2] or "").strip() for match in found)


def whole_number(text: str) -> int | None:
    """A number that JSON readers can hold (64 bits); the length is checked first, because Python refuses long ones."""
    try:
        number = int(text) if len(text) <= 40 else None
    except ValueError:
        return None
    return number if number is not None and -(1 << 63) <= number < 1 << 63 else None


def _fraction(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _address(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return f"::ffff:{mapped}" if mapped else str(address)  # the same on every version of Python


TYPES: dict[str, Callable[[str], Any] | None] = {
    "int": whole_number,
    "float": _fraction,
    "string": None,
    "ip": _address,
    "principal": split_principal,
    "arguments": split_arguments,
    "outcome": {
        "succeeded": "success",
        "Accepted": "success",
        "failed": "failure",
        "Failed": "failure",
        "Rejected": "failure",
    }.get,
    "action": ACTION_WORDS.get,
    "utc": to_utc,
}


def shape_of(message: str) -> str:
    """What a message has in common with others like it: quoted texts and numbers are replaced, a long one is cut."""
    cut = message[:_SHAPED]
    return _VARYING.sub(_blank, cut) + ("…" if len(message) > _SHAPED else "")


def _blank(match: re.Match[str]) -> str:
    quote = match[0][0]
    return f"{quote}…{quote}" if quote in "'\"" else "#"


def interpret(message: str, pattern: Pattern | None, captured: Document, codes: StatusCodes) -> Facts:
    """The facts of a message that `pattern` matched (or none did) with the fields `captured`."""
    if pattern is None:
        return Facts("log", message, shape=shape_of(message) if message else None)
    rest = dict(captured)
    user = rest.pop("user", None)
    arguments = rest.pop("azure_mfa.request.arguments", None)
    if arguments is not None and not rest:  # by far the most messages that were not seen before
        return Facts("request", message, user, arguments)
    user = user or _named_user(rest)
    result = rest.pop("azure_mfa.auth_result", None)
    number = rest.pop("azure_mfa.status.code", None)
    constant = rest.pop("azure_mfa.status.constant", None)
    description = rest.pop("azure_mfa.status.description", None)
    verdict = rest.pop("event.outcome", None)
    action, target = rest.pop("event.action", None), rest.pop("user.target", None)
    nps = rest.get("azure_mfa.nps.result")
    extra = tuple(rest.items())
    if nps is not None or "azure_mfa.nps.state" in rest or action == "mfa-request":
        correlation = str(rest.get("azure_mfa.request.id", "")).lower()
        if nps is None:
            return Facts("request", message, user=user, extra=extra, correlation=correlation)
        return Facts("status", message, user=user, verdict=verdict, code=codes.nps(nps), extra=extra, correlation=correlation)
    if action is not None:
        severity, level = _grade(rest, action, codes)
        return Facts(
            "log", message, user, verdict=verdict, extra=extra, action=action, target=target, severity=severity, level=level
        )
    if number is not None:
        return Facts("status", message, code=codes.number(number), extra=extra)
    if result is not None:
        verdict = {1: "success", 0: "failure"}.get(result, "unknown")
        return Facts("verdict", message, auth_result=result, verdict=verdict, extra=extra)
    if constant is not None or description is not None:
        code = codes.result(constant, description)
        return Facts("result", message, user=user, verdict=verdict, code=code, extra=extra)
    if arguments is not None:
        return Facts("request", message, user=user, arguments=arguments, extra=extra)
    severity, level = _grade(rest, None, codes)
    return Facts("log", message, user, extra=extra, severity=severity, level=level)


def _grade(fields: Document, action: str | None, codes: StatusCodes) -> tuple[int | None, str | None]:
    """`event.severity` and `log.level` by the error code of the NPS extension, if the message has one."""
    code = fields.get("error.code")
    if code is None:
        return None, None
    row = codes.nps_tables.error(code, str(fields.get("error.message", "")))
    if row is not None:
        return SEVERITIES[row.severity] if row.severity else None, row.level
    return (SEVERITIES["medium"], "error") if action == "mfa-error" else (None, None)


def _named_user(fields: Document) -> User | None:
    """The user where a pattern captured name, domain and e-mail address one by one."""
    name, domain, email = (fields.pop(f"user.{part}", None) for part in ("name", "domain", "email"))
    return User(name, domain or None, email or None, user_key(name, domain)) if name else None
