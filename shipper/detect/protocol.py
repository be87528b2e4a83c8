"""What a detector is: completed authentications in, findings out. Pure.

A detector folds the authentications of one user, in the order of the log:

    state = detector.empty()
    findings, counted = detector.step(state, completion, rule)    # changes the state in place

The state is a JSON value and event time the only clock, so the fold runs wherever a user's
authentications come together: in this process (`detector.py`), or keyed by user on a stream.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, NamedTuple, Protocol, TypeVar

from shipper.model import Code, CompletionFields, Document

Nanoseconds = Annotated[int, "nanoseconds"]
"""A parameter of this type is a duration such as `60s` in the configuration."""


class Rule(Protocol):
    """The parameters of a detector: a frozen dataclass, with a default for each.

    A field `exchange_timeout` is the log's: how long a request waits for its status at most.
    """

    @property
    def horizon(self) -> int:
        """Nanoseconds. What ended longer ago than this, by the newest event time, changes no result."""

    @property
    def warm_up(self) -> int:
        """Nanoseconds. Reading a log from a line on, all lines before which are older than this by the newest event
        time, leads to the state that reading all of it leads to."""


class Total(NamedTuple):
    """A number that a detector counts up.

    Attributes:
        name: its metric is `mfa_shipper_NAME_total`.
        help: the sentence that documents the metric.
        phrase: how the summary of `parse` says it; `{}` stands for the number.
    """

    name: str
    help: str
    phrase: str


class Alert(NamedTuple):
    """What the event of a finding says beyond what all findings share (`finding.event`).

    Attributes:
        id: `event.id`.
        start, end: of what was found, as the log writes the times; `end` is the time of the event.
        duration: nanoseconds between them.
        severity: `event.severity`.
        message: the finding as a sentence for a person.
        fields: what stands below `azure_mfa.NAME`, NAME being the detector's.
        more: further fields of the event, such as `threat`.
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
    """What one authentication led to: findings, and the names of the totals that it counts towards, the findings' own left out."""

    findings: Sequence[F] = ()
    counted: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Lull(Generic[R, S]):
    """What a detector promises so that its host can put steps off.

    Most authentications have nothing to do with any other. One that starts later than all before it
    of its user can matter to has no findings and counts towards nothing. So it may wait, and `step`
    need not see it before one comes that starts in time.

    Attributes:
        of_code: nanoseconds from the end of an authentication with this code, after which one that starts matters
            nothing to it. None: where it starts so late itself, `step` does nothing.
        after: the time after which an authentication that starts matters nothing to what is in the state.
    """

    of_code: Callable[[Code, R], int | None]
    after: Callable[[S, R], int]


@dataclass(frozen=True, slots=True)
class Detector(Generic[R, S, F]):
    """A detector. The state is that of one user.

    Attributes:
        name: `event.action`, `rule.name`, the name of its options and fields.
        version: `rule.version`: counts up when findings change.
        rule: the class of its parameters.
        found: counts its findings.
        totals: what else `step` counts.
        empty: the state of a user who was not seen yet.
        step: takes the next authentication into the state.
        forget: drops from a state what ended before a time; False if nothing is left.
        alert: what the event of a finding says; the text is the user as people write it.
        lull: lets most steps wait. None: `step` is called for every authentication at once.
    """

    name: str
    version: str
    rule: type[R]
    found: Total
    empty: Callable[[], S]
    step: Callable[[S, CompletionFields, R], Step[F]]
    forget: Callable[[S, int], bool]
    alert: Callable[[F, str, R], Alert]
    totals: tuple[Total, ...] = ()
    lull: Lull[R, S] | None = field(default=None)


AnyDetector = Detector[Any, Any, Any]
