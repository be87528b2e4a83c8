"""The summary: the content of a report, as plain data. Pure.

These classes are the reference: `schemas/report.schema.json` is generated from them. An unknown number is null.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from shipper.report.sections import (
    AnswerTimes,
    Authentications,
    Cache,
    Data,
    DoublePrompts,
    NoCache,
    Number,
    Seconds,
    Stamp,
    Timeout,
)


class Settings(Data, frozen=True):
    """With what the logs were read."""

    window_seconds: Seconds
    exchange_timeout_seconds: Seconds
    include_retries: bool
    across: Annotated[bool, Meta(description="all logs were taken as those of one server")]
    pseudonyms: Annotated[bool, Meta(description="users and addresses are pseudonyms")]
    since: Annotated[str | None, Meta(description="only what completed at this time or later")]
    until: Annotated[str | None, Meta(description="only what completed before this time")]
    top: Annotated[int, Meta(ge=1, description="how many users and addresses are listed at most")]


class Log(Data, frozen=True):
    """One log with its rotated files."""

    name: str
    files: list[str]


class Event(Data, frozen=True):
    """A fraud report, a lockout or a bypass."""

    time: Stamp
    code: str
    description: str
    component: str
    user: str | None = None
    method: str | None = None
    host: str | None = None
    address: str | None = None


class Events(Data, frozen=True):
    """How many there were, and the latest 200."""

    total: Number
    latest: list[Event]


class Fatigue(Data, frozen=True):
    """A finding mfa_fatigue: prompts sent until the user gives in."""

    time: Stamp
    user: str
    start: Stamp
    end: Stamp
    component: str
    count: int = 0
    denied: int = 0
    no_response: int = 0
    fraud: int = 0
    window_ms: int = 0
    gave_in: bool = False
    host: str | None = None


class Fatigues(Data, frozen=True):
    """How many there were, and the latest 200."""

    total: Number
    latest: list[Fatigue]


class Refuser(Data, frozen=True):
    """A user who refused prompts."""

    user: str
    denied: Number
    no_response: Number
    fraud: Number
    prompts: Number


class Security(Data, frozen=True):
    """What looks like an attack, and what opens a door."""

    denied: Annotated[int, Meta(ge=0, description="prompts that the user denied or hung up on")]
    no_response: Annotated[int, Meta(ge=0, description="prompts that nobody answered")]
    fraud: Events
    lockouts: Annotated[Events, Meta(description="sign-ins of blocked or locked users")]
    bypasses: Events
    fatigue: Fatigues
    refusers: Annotated[list[Refuser], Meta(description="the user with the most refusals first")]
    users_refusing: Annotated[int, Meta(ge=0, description="users with at least one refusal")]


class Sum(Data, frozen=True):
    """Two numbers that must be equal: what went in, and what came of it."""

    says: str
    left: Number
    right: Number
    holds: bool


class Shape(Data, frozen=True):
    """Unknown messages, with numbers and quoted texts replaced."""

    shape: str
    count: Number


class Quality(Data, frozen=True):
    """How well the logs were understood. Of all lines that were read, whatever `since` and `until` are."""

    lines: Number
    requests: Number
    verdicts: Number
    statuses: Number
    results: Number
    other: Number
    unparsed: Number
    unknown_messages: Number
    shapes: Annotated[list[Shape], Meta(description="of unknown messages, the commonest")]
    orphans: Annotated[int, Meta(ge=0, description="verdicts and statuses whose request was not seen")]
    given_up: Annotated[int, Meta(ge=0, description="requests whose status did not come")]
    crowded_out: Annotated[
        int,
        Meta(
            ge=0, description="exchanges, and users of a detector, given up because memory was full; `given_up` has the exchanges"
        ),
    ]
    open_at_end: Number
    unknown_codes: Number
    conflicts: Annotated[int, Meta(ge=0, description="verdicts that disagree with the code")]
    decode_errors: Number
    too_long: Number
    late: Annotated[int, Meta(ge=0, description="prompts too old for the newest event time; no detector has seen them")]
    misdated: Annotated[int, Meta(ge=0, description="lines with a time far ahead that the next ones did not confirm")]
    causes: Annotated[dict[str, int], Meta(description="unparsed lines by a cause that could be seen")]
    hints: Annotated[list[str], Meta(description="what probably went wrong with the logs on their way, and what to do")]
    notes: Annotated[list[str], Meta(description="sentences on how the files were read")]
    sums: list[Sum]


class Summary(Data, frozen=True):
    """What `mfa-shipper report` knows of some logs."""

    version: Annotated[Literal[1], Meta(description="of this form")]
    first: Annotated[str | None, Meta(description="when the first of the authentications began, UTC")]
    last: Annotated[str | None, Meta(description="when the last one ended, UTC")]
    answer: Annotated[list[str], Meta(description="the report in a few sentences")]
    settings: Settings
    logs: list[Log]
    authentications: Authentications
    answer_times: Annotated[list[AnswerTimes], Meta(description="all methods together first (method null), then each")]
    double_prompts: DoublePrompts
    cache: Annotated[Cache | None, Meta(description="null: no prompt of MFA Server")]
    timeout: Annotated[Timeout | None, Meta(description="null: no double prompt is concurrent")]
    no_cache: Annotated[NoCache | None, Meta(description="null: no prompt of the NPS extension")]
    security: Security
    findings: Annotated[dict[str, int], Meta(description="of all detectors, by name")]
    quality: Quality


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a summary."""
    described = msgspec.json.schema(Summary)
    for part in described["$defs"].values():
        part["description"] = " ".join(part["description"].split())  # only Python 3.13 strips a docstring's indentation
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:mfa-shipper:report:1",
        "title": "The summary of mfa-shipper report",
        "description": "Generated from shipper/report/summary.py by `make deploy-files`.",
        **described,
    }
