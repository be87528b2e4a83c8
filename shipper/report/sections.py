"""The parts of a summary: authentications, answer times, double prompts, caches. Plain data. Pure."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Stamp = Annotated[str, Meta(description="UTC, as the log writes it")]
Seconds = Annotated[float, Meta(description="seconds")]
Number = Annotated[int, Meta(ge=0)]


class Data(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Plain data."""


class Row(Data, frozen=True):
    """The numbers of authentications that have something in common.

    `authentications` are success, failure and unknown; a first step that waits for a code (text message sent, OATH code
    pending) is none, and counts as `first_steps`. `prompts` reached the user; the code that answers a first step makes no
    prompt of its own. `double_prompts` are findings, counted where the second prompt is.
    """

    authentications: Number
    success: Number
    failure: Number
    unknown: Number
    first_steps: Number
    prompts: Number
    double_prompts: Number


class Named(Row, frozen=True):
    """A row of a method, component, host or day; null: not known. `(others)` is what was too much to be told apart."""

    name: str | None


class Hour(Row, frozen=True):
    """An hour of the week, UTC."""

    weekday: Annotated[int, Meta(ge=1, le=7, description="1 is Monday")]
    hour: Annotated[int, Meta(ge=0, le=23)]


class CodeRow(Data, frozen=True):
    """How often a status code came, on authentications and first steps."""

    code: Annotated[str, Meta(description="a number, or a result name of the NPS extension")]
    description: str
    status_class: Annotated[str, Meta(description="as azure_mfa.status.class")]
    method: str
    total: Number
    success: Number
    failure: Number
    unknown: Number
    advice: Annotated[str | None, Meta(description="what an administrator should check")]


class Authentications(Data, frozen=True):
    """Who signs in, how and when."""

    total: Row
    cache_hits: Annotated[
        int, Meta(ge=0, description="authentications that a cache rule let pass without a prompt (codes 6, 8, 9)")
    ]
    users: Annotated[int, Meta(ge=0, description="different users")]
    users_exact: Annotated[bool, Meta(description="false: more users than the table holds, so that some may count twice")]
    methods: list[Named]
    components: list[Named]
    hosts: list[Named]
    days: Annotated[list[Named], Meta(description="in order; the name is the date, UTC")]
    week: Annotated[list[Hour], Meta(description="168 rows, from Monday 0 o'clock", min_length=168, max_length=168)]
    codes: Annotated[list[CodeRow], Meta(description="the commonest first")]


class Bucket(Data, frozen=True):
    """How many durations are longer than `from_seconds` and at most `to_seconds` (null: no end)."""

    from_seconds: Seconds
    to_seconds: Seconds | None
    count: Number


class Durations(Data, frozen=True):
    """Some durations; a quantile is at most 0.1 s too long, and never too short."""

    count: Number
    median: Seconds | None
    p95: Seconds | None
    p99: Seconds | None


class AnswerTimes(Durations, frozen=True):
    """From a request to the user's answer: prompts with an answer of any kind; two-step methods up to the code.

    `without_time` had an answer and no time: a one-line result has one time stamp only.
    """

    method: str | None
    without_time: Number
    histogram: list[Bucket]


class Gap(Data, frozen=True):
    """Double prompts whose second prompt began more than `from_seconds` and at most `to_seconds` after the end of the first
    (negative: before it)."""

    from_seconds: Seconds
    to_seconds: Seconds | None
    sequential: Number
    concurrent: Number
    retry: Number


class Patterns(Data, frozen=True):
    """Double prompts by pattern."""

    total: Number
    sequential: Number
    concurrent: Number
    retry: Number


class ClientRow(Patterns, frozen=True):
    """Double prompts from one client address; null: all those whose lines name none.

    `repeats` says after how long the second request came while the first one was open: about the client's timeout.
    """

    address: str | None
    repeats: Durations


class Side(Data, frozen=True):
    """One of two prompts."""

    start: Stamp
    end: Stamp
    code: str
    method: str
    host: Annotated[str | None, Meta(description="the server that asked, where logs of several were taken together")] = None


class Pair(Data, frozen=True):
    """A double prompt. `gap_seconds` is negative when the second prompt began before the first one ended."""

    pattern: Literal["sequential", "concurrent", "retry"]
    gap_seconds: Seconds
    component: str
    first: Side
    second: Side
    host: str | None = None
    address: str | None = None


class UserRow(Patterns, frozen=True):
    """A user who was asked twice.

    `spared_from_seconds` is the shortest cache of the ladder, by user, not renewed, with which none of the double prompts
    would have been left; null: there is none, or the service has no cache. `pairs` are the latest few, if they were kept.
    """

    user: str
    authentications: Number
    prompts: Number
    spared_from_seconds: int | None
    pairs: list[Pair]


class DoublePrompts(Data, frozen=True):
    """Who is asked twice, when and from where."""

    total: Patterns
    users: Annotated[int, Meta(ge=0, description="users who were asked twice at least once")]
    gaps: list[Gap]
    clients: Annotated[list[ClientRow], Meta(description="the address with the most first")]
    repeats: Annotated[Durations, Meta(description="as that of an address, over all of them")]
    top: Annotated[list[UserRow], Meta(description="the user with the most first")]


class Step(Data, frozen=True):
    """What a cache of so many seconds would have done."""

    seconds: int
    spared_prompts: Annotated[int, Meta(ge=0, description="prompts that would not have reached the user")]
    spared_double_prompts: Annotated[int, Meta(ge=0, description="of these, second prompts of double prompts")]
    users_spared_all: Annotated[int, Meta(ge=0, description="users who would have been spared all of their double prompts")]
    without_prompt_a_day: Annotated[float, Meta(description="sign-ins a day that would have passed without a prompt: the price")]
    longest_without_prompt: Annotated[
        float, Meta(description="seconds from an answer to the latest sign-in that would have passed because of it")
    ]


class CacheType(Data, frozen=True):
    """A cache type that the log can tell apart, in both readings of what is not documented: whether a hit makes the
    entry last longer."""

    type: Literal["user", "user_and_address"]
    prompts: Annotated[int, Meta(ge=0, description="prompts that could be judged: by address only those whose line names one")]
    not_renewed: Annotated[list[Step], Meta(description="an entry lasts N seconds from the answer, whatever comes")]
    renewed: Annotated[list[Step], Meta(description="an entry lasts N seconds from the last sign-in that it let pass")]


class Recommendation(Data, frozen=True):
    """What to set, in words."""

    seconds: int | None
    type: Literal["user", "user_and_address"] | None
    sentence: str
    where: Annotated[list[str], Meta(description="the way to the setting")]


class Cache(Data, frozen=True):
    """What a cache rule of MFA Server would have spared, simulated over the prompts of each user."""

    prompts: Annotated[int, Meta(ge=0, description="prompts of MFA Server")]
    double_prompts: Annotated[int, Meta(ge=0, description="of these, second prompts of double prompts")]
    users: Annotated[int, Meta(ge=0, description="users with such a double prompt")]
    days: Annotated[int, Meta(ge=0, description="days with authentications, for the numbers a day")]
    types: list[CacheType]
    recommendation: Recommendation


class Timeout(Data, frozen=True):
    """What to set on the RADIUS clients, for double prompts whose second request came while the first was open."""

    concurrent: Number
    seconds: Annotated[int, Meta(description="the timeout to set")]
    addresses: Annotated[list[str], Meta(description="clients that asked again too early, as far as the log names them")]
    sentence: str


class NoCache(Data, frozen=True):
    """The NPS extension, which has no cache."""

    prompts: Number
    double_prompts: Number
    sentence: str
