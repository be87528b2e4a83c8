"""What a message means: its captured fields turned into `Facts`. Pure.

The captured fields decide what kind of line this is, not the name of the pattern: `azure_mfa.auth_result`
makes a verdict, `azure_mfa.status.code` a status, `azure_mfa.status.constant` a one-line result, and
`azure_mfa.request.arguments` a request; for the NPS extension `azure_mfa.nps.result` makes a status and
`azure_mfa.nps.state`, or the action `mfa-request`, a request. So a user's own pattern gets the full
treatment if it captures the same fields.
"""

import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from shipper.decode.ecs import ACTION_WORDS, decided_fields, shared_json, status_fields, text_json
from shipper.decode.envelopes import Envelopes
from shipper.decode.grok import Pattern
from shipper.decode.principal import split_principal, user_key
from shipper.decode.status_codes import SEVERITIES, StatusCodes
from shipper.memo import Memo
from shipper.model import Code, Document, User
from shipper.times import to_utc

Kind = Literal["request", "verdict", "status", "result", "log"]

_QUOTES = "'\"‘’‚‛“”„‟"  # noqa: RUF001  quotes found in copies of a log
_VARYING = re.compile(r"'[^']*(?:'|$)|\"[^\"]*(?:\"|$)|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9]+")
_SHAPED = 160  # characters of a message that make its shape
_MOST_ARGUMENTS = 32  # the service writes two; the limit keeps the time linear on a hostile line
_ARGUMENT = re.compile(
    rf",[ ]*(?:(?:''|[{_QUOTES}])(?=[,)]|$)|(?:''|[{_QUOTES}])(.*?)(?:''|[{_QUOTES}])(?=[,)]|$)|([^,]*))", re.S
)


_DECIDED, _STATUSES = Memo(decided_fields, 1024), Memo(status_fields, 1024)
_FORMS: Memo[tuple[Any, ...], object] = Memo(lambda _: object(), 1024)


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
        correlation: for the NPS extension, the id that ties a status to its request; empty if the message has none.
        shape: of a message that no pattern matches, the text that similar messages share.
        severity, level: `event.severity` and `log.level` for an error code of the NPS extension.
        decided: the fields that `code` sets below `event`.
        status: the fields that `code` sets below `azure_mfa.status`; unset without a code. Events share
            this object: copy it before you change it.
        form: an object shared by messages whose events can differ only in the message, the user, the target and `extra`.
        message_json: the text as JSON.
        user_json: the fields that `user` sets, as JSON members with a trailing comma.
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
    decided: Document | None = None
    status: Document | None = None
    form: object = None
    message_json: str = ""
    user_json: str = ""


@dataclass(frozen=True, slots=True)
class Library:
    """Everything needed to decode lines: the patterns, in the order in which they are tried, and the tables.

    `builtin` is False if a user added patterns: the fast path knows only the built-in ones.
    """

    lines: tuple[Pattern, ...]
    messages: tuple[Pattern, ...]
    codes: StatusCodes
    envelopes: Envelopes
    builtin: bool


def split_arguments(text: str) -> tuple[str, ...]:
    """`, '', 1` as `("", "1")`: the texts after the user, without their quotes; 32 at most."""
    return _SHORT_ARGUMENTS[text] if len(text) <= 64 else _split_arguments(text)


def _split_arguments(text: str) -> tuple[str, ...]:
    found = islice(_ARGUMENT.finditer(text), _MOST_ARGUMENTS)
    return tuple(match[1] or (match[2] or "").strip() for match in found)


_SHORT_ARGUMENTS = Memo(_split_arguments, 1024)  # a log has few different ones


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


def shape_of(message: str) -> str:
    """The text that similar messages share: quoted texts and numbers are replaced, a long message is cut."""
    cut = message[:_SHAPED]
    return _VARYING.sub(_blank, cut) + ("…" if len(message) > _SHAPED else "")


def _blank(match: re.Match[str]) -> str:
    quote = match[0][0]
    return f"{quote}…{quote}" if quote in "'\"" else "#"


def interpret(message: str, pattern: Pattern | None, captured: Document, codes: StatusCodes) -> Facts:
    """The facts of a message. `pattern` is the pattern that matched, None if none did; `captured` are its fields."""
    facts = f = _interpret(message, pattern, captured, codes)
    f.form = _FORMS[f.kind, f.arguments, f.auth_result, f.verdict, f.code, f.action, f.severity, f.level]
    f.message_json = text_json(message)
    if f.user is not None:
        f.user_json = shared_json(f.user, None)
    return facts


def _interpret(message: str, pattern: Pattern | None, captured: Document, codes: StatusCodes) -> Facts:
    if pattern is None:
        return Facts("log", message, shape=shape_of(message) if message else None)
    get = captured.get
    user, arguments = get("user"), get("azure_mfa.request.arguments")
    if arguments is not None and len(captured) == 1 + (user is not None):  # by far the most messages not yet cached
        return Facts("request", message, user, arguments)
    decoded = _DECODED if user else _DECODED_BY_PART
    user = user or _named_user(captured)
    extra = tuple([field for field in captured.items() if field[0] not in decoded])
    verdict, nps, action = get("event.outcome"), get("azure_mfa.nps.result"), get("event.action")
    if nps is not None or "azure_mfa.nps.state" in captured or action == "mfa-request":
        correlation = str(get("azure_mfa.request.id", "")).lower()
        if nps is None:
            return Facts("request", message, user=user, extra=extra, correlation=correlation)
        return _coded(Facts("status", message, user, verdict=verdict, extra=extra, correlation=correlation), codes.nps(nps))
    target = get("user.target")
    result, number = get("azure_mfa.auth_result"), get("azure_mfa.status.code")
    constant, description = get("azure_mfa.status.constant"), get("azure_mfa.status.description")
    if action is not None:
        severity, level = _grade(captured, action, codes)
        return Facts(
            "log", message, user, verdict=verdict, extra=extra, action=action, target=target, severity=severity, level=level
        )
    if number is not None:
        return _coded(Facts("status", message, extra=extra), codes.number(number))
    if result is not None:
        verdict = {1: "success", 0: "failure"}.get(result, "unknown")
        return Facts("verdict", message, auth_result=result, verdict=verdict, extra=extra)
    if constant is not None or description is not None:
        return _coded(Facts("result", message, user, verdict=verdict, extra=extra), codes.result(constant, description))
    if arguments is not None:
        return Facts("request", message, user=user, arguments=arguments, extra=extra)
    severity, level = _grade(captured, None, codes)
    return Facts("log", message, user, extra=extra, severity=severity, level=level)


def _grade(fields: Document, action: str | None, codes: StatusCodes) -> tuple[int | None, str | None]:
    """`event.severity` and `log.level` from the error code of the NPS extension, if the message has one."""
    code = fields.get("error.code")
    if code is None:
        return None, None
    row = codes.nps_tables.error(code, str(fields.get("error.message", "")))
    if row is not None:
        return SEVERITIES[row.severity] if row.severity else None, row.level
    return (SEVERITIES["medium"], "error") if action == "mfa-error" else (None, None)


def _coded(facts: Facts, code: Code) -> Facts:
    facts.code, facts.decided, facts.status = code, _DECIDED[code], _STATUSES[code]
    return facts


def _named_user(fields: Document) -> User | None:
    """The user whose name, domain and e-mail address a pattern captured separately."""
    name, domain, email = (fields.get(f"user.{part}") for part in ("name", "domain", "email"))
    return User(name, domain or None, email or None, user_key(name, domain)) if name else None


# Fields that are not shipped as they were captured.
_DECODED = frozenset(
    {
        "user",
        "user.target",
        "event.action",
        "event.outcome",
        "azure_mfa.request.arguments",
        "azure_mfa.auth_result",
        "azure_mfa.status.code",
        "azure_mfa.status.constant",
        "azure_mfa.status.description",
    }
)
_DECODED_BY_PART = _DECODED | {"user.name", "user.domain", "user.email"}
