"""What a detector is: completed authentications in, findings out. Pure.

A detector folds the authentications of one user on one component, in the order of the log. Its state is a JSON value, and
event time is its only clock. So it runs wherever the authentications of a user come together. For each
one, its host

- leaves it out if it ended more than `rule.horizon` before the newest event time of its component;
- calls `forget` with the newest event time less `rule.horizon`;
- calls `step`, and makes the event of each finding from `alert` (`finding.py`).

`detector.py` is the host in this process.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, NamedTuple, Protocol, TypeVar

from shipper.model import Code, CompletionFields, Document

Nanoseconds = Annotated[int, "nanoseconds"]
"""The type of a parameter that is a duration: `60s` in the configuration."""
AtLeastOne = Annotated[int, "1 or more"]
"""The type of a parameter that is a number of things; the configuration accepts no other."""


class Rule(Protocol):
    """The parameters of a detector: a frozen dataclass that has a default for each.

    Its fields are the keys of the detector's section in the configuration, its docstring the description there;
    `str` of it is how `check` tells it. A field `exchange_timeout` gets the timeout of the log's exchanges.
    """

    @property
    def horizon(self) -> int:
        """Nanoseconds. What ended longer ago, by the newest event time, changes no result."""

    @property
    def warm_up(self) -> int:
        """Nanoseconds. The state follows from the lines behind any line before which all times are older than this, by
        the newest event time of the component, and from what `Detector.lasting` keeps."""


class Total(NamedTuple):
    """A number that a detector counts up.

    Attributes:
        name: its metric is `mfa_shipper_NAME_total`.
        help: the sentence that documents the metric.
        phrase: how the summary of `parse` tells it; `{}` stands for the number.
    """

    name: str
    help: str
    phrase: str


class Alert(NamedTuple):
    """What the event of a finding says beyond what all such events share.

    Attributes:
        id: `event.id`: the id of the authentication that the event is about, `-`, and letters of the detector's own.
        start, end: when what was found began and ended, as the log writes it; `end` is `@timestamp` too.
        duration: nanoseconds between them.
        severity: `event.severity`.
        message: a sentence for a person.
        fields: the fields below `azure_mfa.NAME`, where NAME is the detector's. The host may add to them.
        more: other fields, such as `threat`.
    """

    id: str
    start: str
    end: str
    duration: int
    severity: int
    message: str
    fields: Document
    more: Document = {}  # noqa: RUF012  never changed


R = TypeVar("R", bound=Rule)
S = TypeVar("S")
F = TypeVar("F")


class Step(NamedTuple, Generic[F]):
    """What an authentication led to: findings, and the names of `Detector.totals` that go up by one."""

    findings: Sequence[F] = ()
    counted: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Lull(Generic[R, S]):
    """What a detector promises, so that its host can put steps off.

    An authentication that starts after the time that matters to everything before it of its user leads to
    nothing: no finding, no total. So `step` need not see it before another one starts in time.

    Attributes:
        of_code: for how many nanoseconds after its end an authentication with this code matters to those that start.
            None: `step` ignores it if it starts so late.
        after: the time after which an authentication that starts matters to nothing in a state.
        holds: True if a rule keeps the promise.
    """

    of_code: Callable[[Code, R], int | None]
    after: Callable[[S, R], int]
    holds: Callable[[R], bool] = lambda rule: True


@dataclass(frozen=True, slots=True)
class Begins(Generic[S]):
    """What a detector promises, so that its host can pass over most authentications.

    One whose status is of another class leads to nothing, and changes no state but one that is under way.

    Attributes:
        classes: of status.
        under_way: True if any authentication may matter to a state.
    """

    classes: frozenset[str]
    under_way: Callable[[S], bool]


@dataclass(frozen=True, slots=True)
class Lasting(Generic[S]):
    """What of a state does not follow from the recent past, however far back that goes: a warm start is given it.

    It is a JSON value, and should be small: the host asks for it often.

    Attributes:
        of: returns it; empty if all of the state follows from the recent past.
        give: puts it into a state that was made from the recent past, in place of what that came to by itself.
    """

    of: Callable[[S], dict[str, Any]]
    give: Callable[[S, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Detector(Generic[R, S, F]):
    """A detector; a state is that of one user.

    Attributes:
        name: `event.action` and `rule.name` of its events, and the name of its section and fields.
        version: `rule.version`; another one when findings change.
        rule: the class of its parameters.
        found: counts its findings.
        totals: what else it counts.
        empty: returns the state of a user who has not been seen.
        step: takes the next authentication into a state. It uses the fields from `id` to `success`; the others are
            the host's, and are not set where a step was put off. No later step changes what it found.
        forget: drops from a state what ended before a time; returns False if nothing is left.
        sides: the fields of a finding that tell an authentication, by its `id`, in the order of their starts.
        alert: tells a finding. The string is the user, as people write one.
        begins: None if authentications of any class matter.
        lull: None if every step must be taken at once.
        lasting: None if the whole state follows from the recent past.
        repeats: True if two of the authentications of a finding have the same times, as one that was delivered twice.
    """

    name: str
    version: str
    rule: type[R]
    found: Total
    empty: Callable[[], S]
    step: Callable[[S, CompletionFields, R], Step[F]]
    forget: Callable[[S, int], bool]
    alert: Callable[[F, str, R], Alert]
    sides: tuple[str, ...] = ()
    totals: tuple[Total, ...] = ()
    begins: Begins[S] | None = None
    lull: Lull[R, S] | None = None
    lasting: Lasting[S] | None = None
    repeats: Callable[[F], bool] | None = None


AnyDetector = Detector[Any, Any, Any]
