"""The status code table for a person: all of it (`mfa-shipper codes`), or one row with advice. Pure."""

import csv
import io
from textwrap import fill
from typing import Any

import orjson

from shipper.decode.status_codes import CLASSES, COLUMNS, UNKNOWN, StatusCodes
from shipper.model import Code

FORMS = ("table", "json", "csv")
HEADINGS = ("code", "description", "class", "severity", "outcome", "prompted", "method", "constant")

METHODS = {
    "phone_call": ("a phone call", "the phone rang"),
    "voiceprint": ("a phone call for the voiceprint", "the phone rang and asked for the voice"),
    "text_message": ("a text message", "a text message went to the phone"),
    "mobile_app": ("a notification of the mobile app", "the mobile app asked on the phone"),
    "oath_token": ("a question for an OATH code", "an OATH code was asked for; no phone rings for that"),
    "security_questions": ("the security questions", "the security questions were asked; no phone rings for that"),
}

# What to do about it, for each class and for codes that deserve a word of their own. The second are
# keyed with their class, so that a row which a user's table gives another meaning loses them.
ADVICE = {
    "authenticated": "Nothing, if the user was signing in. If the user knows of no sign-in, the request was approved unawares: treat the password as known to somebody else.",
    "cached": "The cache rule works as meant. Nobody was asked, so look whether the rule's seconds are few and the sign-in came from where the user is.",
    "bypassed": "Find out who granted the bypass and why.",
    "trusted": "Look whether the list of trusted addresses is narrow and up to date: a password is enough from there.",
    "pending": "This is a first step. The answer is the same user's next result by that method; if none follows, the code did not arrive or the user gave up.",
    "denied": "Ask whether the user had started the sign-in. If not, somebody knows the password: change it. Several refusals and then a success are what wearing a user down with prompts looks like (MITRE ATT&CK T1621).",
    "no_response": "Once, the phone was out of reach. Often: look whether the right phone is registered, and whether the client waits long enough. Many in a row at odd hours point to somebody who has the password (MITRE ATT&CK T1621).",
    "wrong_input": "A slip, when once. Repeated: help the user with the PIN or token, or suspect somebody guessing.",
    "credential": "The user must renew the PIN or the voiceprint before the next sign-in can succeed.",
    "fraud": "Act at once: the user says that the sign-in was not theirs, so whoever asked knows the password. Change it, look where the request came from, and expect the user to be blocked.",
    "blocked": "Find out why the user or the device is blocked before unblocking: a fraud report does it, and too many wrong PINs do.",
    "duplicate": "A second request came while the first was still waiting, usually since a client lost patience and sent it again. Compare the client's timeout with the time that users take to answer.",
    "delivery": "The user saw nothing. Check the number or device that is registered, and whether many users have it at the same time: then it is the carrier or the service.",
    "configuration": "No user can mend this: check the user's method and number, what the server allows, and the licences.",
    "system": "The service or the connection to it failed. Look whether other users have it at the same time, and at the server's own log around that time.",
    "account": "Compare the account in the directory with the user in MFA Server.",
    "skipped": "Nobody was asked. Look why this user, or this application, needs no second factor.",
    UNKNOWN: "If you know what it means, give it a row of its own: a CSV with the columns of `mfa-shipper codes --format csv`, by --status-codes.",
}
CODE_ADVICE = {
    (6, "cached"): "This cache rule goes by the user alone, whatever the application and address: the widest there is. See that its seconds are few. It is meant for clients that send a second request while the first is in progress.",
    (8, "cached"): "This cache rule goes by user, authentication type, application and address: the narrowest. It spares a user the second prompt of a client that sends its request twice.",
    (9, "cached"): "This cache rule goes by user, authentication type and application, but not by address: a hit can come from elsewhere than the sign-in that was answered.",
    (7, "bypassed"): "An administrator granted a one-time bypass. The server's bypass records say who did, why and for how many seconds: compare them with a request of the user.",
    (14, "blocked"): "The user is blocked, often by a fraud report, which can block for 90 days. Look for 112 or 132 before it and settle that first, then unblock the user.",
    (20, "pending"): "A text message with a code is on its way. The next result of the user by text message is the answer; it belongs to this prompt and is not a second one.",
    (21, "authenticated"): "Nothing, if the user was signing in. Twice within a minute for one sign-in is the double prompt: run `mfa-shipper report` on the log, look at the client's timeout and at a cache rule.",
    (22, "pending"): "The user is asked for the code of the app or token. The next result of the user by OATH is the answer; it belongs to this prompt and is not a second one.",
    (24, "authenticated"): "The user fell back to an OATH code after another method. Look what went wrong with that one just before.",
    (25, "authenticated"): "The user fell back to security questions, which others may know the answers to. Look what went wrong with the method before.",
    (101, "duplicate"): "While the phone was ringing, the same user was asked for again. Mostly a RADIUS client (a VPN) whose timeout is shorter than a person takes to answer, and which then repeats its request: give it 60 seconds, and add a cache rule so that the repeated request succeeds by itself. Harmless, but the usual sign of double prompts.",
    (105, "blocked"): "The account is locked by wrong PINs (the lockout counts only where a PIN is entered). Ask whether the user typed them; if not, somebody answers the calls or guesses.",
    (109, "configuration"): "The account that pays for calls is empty: no call succeeds for any user until it is filled.",
    (112, "fraud"): "Act at once: during the call the user pressed the fraud code (0# unless you changed it). Make sure that it was no mistake, change the password, look where the sign-in came from. With automatic blocking on, the next codes are 14.",
    (126, "configuration"): "More users than licences: further users cannot sign in until some are removed or more are bought.",
    (129, "denied"): "The user pressed Deny in the app. Ask whether the user had started the sign-in; if not, somebody knows the password: change it. Denials in a row, then a 21, are what wearing a user down looks like (MITRE ATT&CK T1621).",
    (132, "fraud"): "Act at once: the user reported fraud in the app. Make sure that it was no mistake, change the password, look where the sign-in came from. With automatic blocking on, the next codes are 14.",
    (133, "no_response"): "Nobody touched the notification. Once: the phone was away, silent or offline. Often: see that the app is registered on the phone in use, and that the RADIUS client waits 30 to 60 seconds; one that gives up sooner asks again, and the phone with it. Many in a row at odd hours point to somebody who has the password (MITRE ATT&CK T1621).",
    (136, "delivery"): "The notification could not be delivered. See that the app is still installed and registered on that phone; let the user register it anew.",
    (139, "wrong_input"): "A code is good once, and this one was used before. When the user typed it once, the client sent its request twice: the same cause as a double prompt.",
    (140, "wrong_input"): "The code is too old. See whether the clock of the token or phone is right.",
    (-101, "account"): "The name is not among the users of MFA Server: import the user, or see whether the client sends the name in another form. Mind the RADIUS option that requires a user match: without it, unknown users get in with the password alone.",
    (-102, "account"): "The user is disabled in MFA Server. An attempt on a disabled account may be a forgotten device, or somebody trying a leaver's password.",
    (-103, "account"): "The user lacks something, such as a phone number or a registered app: let the user complete the enrolment.",
    (-104, "trusted"): "The request came from an address on the trusted list, so nobody was asked. See that the list is narrow and up to date, and that the address is the user's own and not that of a gateway that everybody comes through.",
}  # fmt: skip
CAVEAT = "A code describes the call, not whether the sign-in succeeded: that is what authResult says, or `Pfauth succeeded` and `failed`."


def render(codes: StatusCodes, form: str) -> str:
    """The whole table in one of `FORMS`, with its line end.

    - `table`: aligned columns.
    - `json`: an array of objects with the names that an event has below `azure_mfa.status`, and the outcome;
      what a row does not know is left out, as in an event.
    - `csv`: the form of `schemas/status_codes.csv`; `--status-codes` reads it again.
    """
    rows = sorted(codes.codes.values(), key=_position)
    if form == "json":
        return orjson.dumps([_object(code) for code in rows], option=orjson.OPT_INDENT_2).decode() + "\n"
    return _csv(rows) if form == "csv" else table(rows)


def _position(code: Code) -> tuple[bool, int]:
    """As in the file of the table: up from 1, then down from -100."""
    number = code.number or 0
    return number < 0, abs(number)


def table(rows: list[Code], headings: tuple[str, ...] = HEADINGS) -> str:
    """Some columns of some rows, aligned under their headings; numbers to the right."""
    texts = [headings, *(tuple(_cell(_object(code).get(name)) for name in headings) for code in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = []
    for first, *others in texts:
        padded = [f"{cell:<{width}}" for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([f"{first:>{widths[0]}}", *padded]).rstrip() + "\n")
    return "".join(lines)


def _object(code: Code) -> dict[str, Any]:
    values = {
        "code": code.number,
        "description": code.description,
        "class": code.status_class,
        "outcome": code.outcome,
        "prompted": code.prompted,
        "method": code.method,
        "severity": code.severity,
        "constant": code.constant,
    }
    return {name: value for name, value in values.items() if value is not None}


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _csv(rows: list[Code]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for code in rows:
        values = _object(code) | {"prompted": "true" if code.prompted else "false"}
        writer.writerow([values.get(name, "") for name in COLUMNS])
    return text.getvalue()


def describe(code: Code) -> str:
    """One row in words: meaning, outcome, severity, whether the phone rang, what to check."""
    title = code.description if code.number is None or not code.known else f"{code.number}: {code.description}"
    meaning = CLASSES.get(code.status_class, "the code table has no such row")
    outcome = code.outcome if code.outcome != UNKNOWN else "unknown from the code alone"
    if code.outcome != "success" and (code.constant or "").startswith("SUCCESS_"):
        outcome += "; the SUCCESS_ of the constant is no outcome"
    facts = {
        "class": f"{code.status_class}: {meaning}",
        "outcome": outcome,
        "severity": code.severity,
        "prompted": _prompted(code),
        "to check": CODE_ADVICE.get((code.number or 0, code.status_class)) or ADVICE[code.status_class],
    }
    lines = [title + (f" ({code.constant})" if code.constant else "")]
    lines += [wrap(f"  {name:<10}{text}", 12) for name, text in facts.items()]
    return "\n".join([*lines, "", wrap(CAVEAT), ""])


def wrap(text: str, indent: int = 0) -> str:
    """A sentence as lines of 100 characters at most, the second and later ones indented."""
    return fill(text, 100, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False)


def _prompted(code: Code) -> str:
    if code.prompted is None:
        return "not known"
    name, reached = METHODS.get(code.method or "none", (f"a prompt by {code.method}", f"the user was asked by {code.method}"))
    if code.prompted:
        return f"yes: {reached if code.method else 'the user was asked'}"
    return "no: nothing reached the user" + (f", though {name} was the method" if code.method not in (None, "none") else "")
