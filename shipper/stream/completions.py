"""Reads the records of the events topic: completed authentications, and event times. Pure.

A record is an event in the format `ecs`, as the sidecars ship it; with one event per exchange it looks the same here.
"""

from typing import Annotated, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from shipper.decode.ecs import MODULE
from shipper.decode.principal import user_key
from shipper.decode.status_codes import UNKNOWN
from shipper.model import Code, CompletionFields, User
from shipper.times import StampReader

MOST = 1 << 62  # nanoseconds on either side of 1970, about 146 years: fits a 64-bit JSON number


class Completed(NamedTuple):
    """A completed authentication; in JSON, an array of these fields.

    Attributes:
        end, end_text: time of completion, in nanoseconds and as the log writes it.
        event_id, host: `event.id` and `host.name` of the event that completed it.
        name, domain, email, key: the user, see `model.User`.
        id: see `model.Completion`.
        component: the component that wrote its lines.
        start, start_text: time of its request; for a one-line result, its end.
        success: True if `event.outcome` is `success`.
        code: the fields of a `model.Code`.
    """

    end: int
    event_id: str
    host: str | None
    name: str
    domain: str | None
    email: str | None
    key: str
    id: str
    component: str
    start: int
    start_text: str
    end_text: str
    success: bool
    code: tuple[int | None, str, str, str, bool | None, str | None, str, str | None]

    @property
    def user(self) -> User:
        """The user."""
        return User(self.name, self.domain, self.email, self.key)

    @property
    def fields(self) -> CompletionFields:
        """The fields that detectors take. The newest event time is the end of the authentication."""
        user = self.name, self.domain, self.email, self.key
        return (
            0, user, self.id, self.component, self.start, self.start_text, self.end, self.end_text, Code(*self.code), self.success,
            self.end,
        )  # fmt: skip


class NotOurs(Exception):
    """A record is not an mfa-shipper event; the text says why."""


class Event(NamedTuple):
    """The content of a record.

    Attributes:
        time: time of the event, in nanoseconds since 1970; None if it must not move the clock.
        completed: the authentication that the event completes, if its user is known.
        nobody: True if the event completes an authentication without a user.
    """

    time: int | None = None
    completed: Completed | None = None
    nobody: bool = False


LONGEST = 4096  # characters of a text: keeps the records made of it far below the largest Kafka message
Short = Annotated[str, Meta(max_length=LONGEST)]
Text = Annotated[str, Meta(min_length=1, max_length=LONGEST)]


class _Kind(msgspec.Struct):
    module: str
    kind: str
    action: str = ""


class _Any(msgspec.Struct):
    """The fields of an event that show whether the rest must be decoded."""

    event: _Kind
    time: str = msgspec.field(name="@timestamp")


class _Status(msgspec.Struct):
    description: Short
    status_class: Short = msgspec.field(name="class")
    severity: Short = ""
    code: int | None = None
    method: Short | None = None
    prompted: bool | None = None
    constant: Short | None = None


class _Id(msgspec.Struct):
    id: Text


class _Azure(msgspec.Struct):
    status: _Status
    exchange: _Id | None = None


class _Ended(msgspec.Struct):
    id: Text
    action: str
    outcome: str
    provider: Short = ""
    start: str | None = None


class _User(msgspec.Struct):
    name: Text
    domain: Text | None = None
    email: Text | None = None


class _Host(msgspec.Struct):
    name: Short | None = None


class _Ending(msgspec.Struct):
    """A status or a one-line result."""

    event: _Ended
    azure_mfa: _Azure
    time: str = msgspec.field(name="@timestamp")
    user: _User | None = None
    host: _Host | None = None


_ANY, _ENDING = msgspec.json.Decoder(_Any), msgspec.json.Decoder(_Ending)
_T = TypeVar("_T")


class EventReader:
    """Decodes records of the events topic."""

    def __init__(self) -> None:
        self._stamps = StampReader()

    def __call__(self, value: bytes | None) -> Event:
        """Decode a record.

        Raises:
            NotOurs: the record is not an mfa-shipper event.
        """
        if not value:
            raise NotOurs("the record is empty")
        document = _decode(_ANY, value)
        if document.event.module != MODULE:
            raise NotOurs(f"event.module is not {MODULE}")
        if document.event.kind != "event":
            return Event()  # a finding, or an unparsed line, whose time may be anything
        time = self._time(document.time)
        if document.event.action not in ("mfa-status", "mfa-result"):
            return Event(time)
        return self._ended(_decode(_ENDING, value), time)

    def _ended(self, document: _Ending, time: int | None) -> Event:
        event, azure, user = document.event, document.azure_mfa, document.user
        if event.action == "mfa-status" and (event.start is None or azure.exchange is None):
            return Event(time)  # its request was not seen
        start_text = event.start or document.time
        start = self._time(start_text)
        if time is None or start is None:
            return Event()
        if user is None:
            return Event(time, nobody=True)
        status, host = azure.status, document.host
        completed = Completed(
            time,
            event.id,
            None if host is None else host.name,
            user.name,
            user.domain,
            user.email,
            user_key(user.name, user.domain),
            event.id if event.start is None or azure.exchange is None else azure.exchange.id,
            event.provider,
            start,
            start_text,
            document.time,
            event.outcome == "success",
            (
                status.code,
                status.description,
                status.status_class,
                UNKNOWN,
                status.prompted,
                status.method,
                status.severity,
                status.constant,
            ),
        )
        return Event(time, completed)

    def _time(self, text: str) -> int | None:
        """Return a time stamp in nanoseconds; None if it is more than `MOST` away from 1970."""
        time = self._stamps.read(text)
        if time is None:
            raise NotOurs(f"{text[:40]!r} is no time")
        return time if -MOST < time < MOST else None


def _decode(decoder: "msgspec.json.Decoder[_T]", value: bytes) -> _T:
    try:
        return decoder.decode(value)
    except (msgspec.ValidationError, RecursionError) as error:
        raise NotOurs(f"no event in the format ecs: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotOurs("no JSON") from None
