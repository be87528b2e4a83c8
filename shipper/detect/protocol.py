"""What a detector is: completed authentications in, findings out. Pure.

A detector folds the authentications of one user on one component, in the order of the log. Its state is a JSON value, and
event time is its only clock. So it can run wherever the authentications of a user come together. For each
authentication, the host of a detector

- ignores it if it ended more than `rule.horizon` before the newest event time of its component;
- calls `forget` with the newest event time minus `rule.horizon`;
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
        """Nanoseconds. An authentication that ended longer ago, by the newest event time, changes no result."""

    @property
    def warm_up(self) -> int:
        """Nanoseconds. If all lines of a component before some line are older than this, by its newest event time, the
        state follows from the lines after that line and from what `Detector.lasting` keeps."""


class Total(NamedTuple):
    """A counter of a detector.

    Attributes:
        name: its metric is `mfa_shipper_NAME_total`.
        help: the sentence that documents the metric.
        phrase: its wording in the summary of `parse`; `{}` stands for the number.
    """

    name: str
    help: str
    phrase: str


class Alert(NamedTuple):
    """The contents of a finding's event, beyond what all such events share.

    Attributes:
        id: `event.id`: the id of the authentication that the event is about, `-`, and letters of the detector's own.
        start, end: start and end of what was found, as the log writes times; `end` is also `@timestamp`.
        duration: nanoseconds between them.
        severity: `event.severity`.
        message: a sentence for a person.
        fields: the fields below `azure_mfa.NAME`, where NAME is the name of the detector. The host may add to them.
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
    """The result of taking an authentication: findings, and the names of the `Detector.totals` to increment."""

    findings: Sequence[F] = ()
    counted: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Lull(Generic[R, S]):
    """A promise of a detector that lets its host put steps off.

    An authentication that starts when no earlier one of its user matters any more leads to nothing: no finding,
    no total. So `step` need not see it until another one starts in time.

    Attributes:
        of_code: how many nanoseconds after its end an authentication with this code matters to those that start then.
            None: `step` ignores the authentication if no earlier one matters when it starts.
        after: returns the latest start of an authentication that a state may matter to.
        holds: returns True if the promise holds with a rule.
    """

    of_code: Callable[[Code, R], int | None]
    after: Callable[[S, R], int]
    holds: Callable[[R], bool] = lambda rule: True


@dataclass(frozen=True, slots=True)
class Begins(Generic[S]):
    """A promise of a detector that lets its host pass over most authentications.

    An authentication whose status has none of these classes leads to nothing, and changes only states under way.

    Attributes:
        classes: the status classes that may matter to any state.
        under_way: returns True if any authentication may matter to a state.
    """

    classes: frozenset[str]
    under_way: Callable[[S], bool]


@dataclass(frozen=True, slots=True)
class Lasting(Generic[S]):
    """The part of a state that does not follow from the recent past, however far back; a warm start restores it.

    It is a JSON value, and should be small: the host asks for it often.

    Attributes:
        of: returns this part of a state; empty if the whole state follows from the recent past.
        give: sets this part of a state that was made from the recent past.
    """

    of: Callable[[S], dict[str, Any]]
    give: Callable[[S, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Detector(Generic[R, S, F]):
    """A detector; it has a state for each user.

    Attributes:
        name: `event.action` and `rule.name` of its events, and the name of its section and fields.
        version: `rule.version`; it changes when findings change.
        rule: the class of its parameters.
        found: the counter of its findings.
        totals: its other counters.
        empty: returns the state of a user who has not been seen.
        step: takes the next authentication into a state. It uses the fields from `id` to `success`; the others belong
            to the host and are not set if the step was put off. No later step changes its findings.
        forget: drops from a state what ended before a time; returns False if nothing is left.
        sides: the fields of an alert that describe an authentication, with its `id`, in the order of their starts.
        alert: describes a finding. The string is the user, as people write one.
        begins: None if authentications of any class matter.
        lull: None if every step must be taken at once.
        lasting: None if the whole state follows from the recent past.
        repeats: returns True if two authentications of a finding have the same times, like one delivered twice.
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
