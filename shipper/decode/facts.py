"""What a message means: its captured fields turned into `Facts`. Pure.

The captured fields decide what kind of line this is, not the name of the pattern: `azure_mfa.auth_result`
makes a verdict, `azure_mfa.status.code` a status, `azure_mfa.status.constant` a one-line result, and
`azure_mfa.request.arguments` a request; for the NPS extension `azure_mfa.nps.result` makes a status and
`azure_mfa.nps.state` a request. So a user's own pattern gets the full treatment if it captures the same
fields.
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
from shipper.decode.status_codes import StatusCodes
from shipper.model import Code, Document, User
from shipper.times import to_utc

Kind = Literal["request", "verdict", "status", "result", "log"]

_QUOTES = "'\"‘’‚‛“”„‟"  # noqa: RUF001  quotes found in copies of a log
_MOST_ARGUMENTS = 32  # the service writes two; the limit keeps the time linear on a hostile line
_ARGUMENT = re.compile(
    rf",[ ]*(?:(?:''|[{_QUOTES}])(?=[,)]|$)|(?:''|[{_QUOTES}])(.*?)(?:''|[{_QUOTES}])(?=[,)]|$)|([^,]*))", re.S
)


@dataclass(slots=True, eq=False)
class Facts:
    """A decoded message.

    Attributes:
        kind: which of the five kinds of line this is.
        message: the text.
        user: the user that the message names.
        arguments: of a request, the arguments after the user; nobody has documented their meaning.
        auth_result: the number of a verdict.
        verdict: `success`, `failure` or `unknown`, from a verdict or from the word of a result.
        code: of a status or result, the row of the code table.
        extra: other captured fields by dotted ECS name.
        action: `event.action` of a line that is no MFA authentication.
        target: the user whose record was changed.
        correlation: the id that ties a status to its request where no thread does (NPS extension).
        decided: the fields that `code` sets below `event`; unset without a code.
        status: the fields that `code` sets below `azure_mfa.status`; unset without a code. Events share
            this object: copy it before you change it.
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
    decided: Document = field(init=False)
    status: Document = field(init=False)

    def __post_init__(self) -> None:
        if self.code is not None:
            self.decided, self.status = decided_fields(self.code), status_fields(self.code)


@dataclass(frozen=True, slots=True)
class Library:
    """All that is needed to decode lines: the patterns, in the order in which they are tried, and the code table.

    `builtin` is False if a user added patterns: the fast path knows only the built-in ones.
    """

    lines: tuple[Pattern, ...]
    messages: tuple[Pattern, ...]
    codes: StatusCodes
    builtin: bool


def split_arguments(text: str) -> tuple[str, ...]:
    """The arguments that follow the user, without quotes, 32 at most: `, '', 1` gives `("", "1")`."""
    matches = islice(_ARGUMENT.finditer(text), _MOST_ARGUMENTS)
    return tuple(match[1] or (match[2] or "").strip() for match in matches)


def whole_number(text: str) -> int | None:
    """The integer in `text`; None if it is none, or needs more than 64 bits, which JSON readers cannot hold."""
    try:
        number = int(text) if len(text) <= 40 else None  # int() takes quadratic time
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
    return f"::ffff:{mapped}" if mapped else str(address)  # str() of a mapped address depends on Python's version


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


def interpret(message: str, pattern: Pattern | None, captured: Document, codes: StatusCodes) -> Facts:
    """The facts of a message. `pattern` is the pattern that matched, None if none did; `captured` are its fields."""
    if pattern is None:
        return Facts("log", message)
    rest = dict(captured)
    user = rest.pop("user", None)
    arguments = rest.pop("azure_mfa.request.arguments", None)
    if arguments is not None and not rest:  # by far the commonest case: other messages repeat, and are remembered
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
    if nps is not None or "azure_mfa.nps.state" in rest:
        correlation = str(rest.get("azure_mfa.request.id", "")).lower() or None
        if nps is None:
            return Facts("request", message, user=user, extra=extra, correlation=correlation)
        return Facts("status", message, user=user, verdict=verdict, code=codes.nps(nps), extra=extra, correlation=correlation)
    if action is not None:
        return Facts("log", message, user=user, verdict=verdict, extra=extra, action=action, target=target)
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
    return Facts("log", message, user=user, extra=extra)


def _named_user(fields: Document) -> User | None:
    """The user of a pattern that captures name, domain and e-mail address as separate fields."""
    name, domain, email = (fields.pop(f"user.{part}", None) for part in ("name", "domain", "email"))
    return User(name, domain or None, email or None, user_key(name, domain)) if name else None
