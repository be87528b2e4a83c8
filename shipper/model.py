"""The few shapes that travel between the stages. No behaviour beyond small properties. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Chunk(NamedTuple):
    """The bytes of whole lines from one read.

    `data` ends with a line end, except at the end of a file whose last line lacks it. `offset` is
    where it stands in the decompressed file, in bytes. `cut`: this is one line, cut for its length.
    """

    data: bytes
    offset: int
    cut: bool = False


@dataclass(frozen=True, slots=True)
class LogFile:
    """What the events of one file share.

    Attributes:
        path: as the events name it; None for standard input.
        fingerprint: 16 hex digits, the first part of every `event.id` (see `identity`).
        time: the time stamp that lines before the first valid one take.
        encoding: `utf-8`, `utf-16-le` or `utf-16-be`.
    """

    path: str | None
    fingerprint: str
    time: str
    encoding: str = "utf-8"


class User(NamedTuple):
    """Who signs in. `key` identifies the person: casefolded `domain\\name`, or the bare name."""

    name: str
    domain: str | None
    email: str | None
    key: str


class Code(NamedTuple):
    """One row of the status code table; `number` is None for a constant without a code."""

    number: int | None
    description: str
    status_class: str
    outcome: str
    prompted: bool | None
    method: str | None
    severity: str
    constant: str | None

    @property
    def known(self) -> bool:
        """False for a code that the table lacks."""
        return self.status_class != "unknown"


class Exchange(NamedTuple):
    """The request of an authentication whose status has not come yet.

    Times are nanoseconds since 1970 and, beside them, as the log writes them. `shared_json` is the
    ready JSON text of the fields that its lines share, user and process, with a comma behind.
    """

    start: int
    start_text: str
    id: str
    user: User | None
    shared_json: str
    verdict: str | None = None


class Completion(NamedTuple):
    """An authentication that has its status: an exchange, or a one-line result (start equals end).

    Times are nanoseconds since 1970 and, beside them, as the log writes them.

    Attributes:
        position: index of the event that completed it, among the events of its chunk.
        user: who signs in, None where the log does not say.
        id: `event.id` of the request, or of the result.
        newest: the newest event time of the log by then.
    """

    position: int
    user: "UserFields | None"
    id: str
    component: str
    start: int
    start_text: str
    end: int
    end_text: str
    code: Code
    success: bool
    newest: int


class Origin:
    """What all events of one shape in one log share; compared by identity.

    Attributes:
        path: of the log, as its events name it; None for standard input.
        dataset: `event.dataset`.
        kind: `event.kind`: `event`, `pipeline_error`, or `alert` for a finding.
        sample: an event of this shape, with `VARIES` for what is not the same in all of them; None if none is known.
    """

    __slots__ = ("dataset", "kind", "path", "sample")

    def __init__(self, path: str | None, dataset: str, kind: str, sample: dict[str, Any] | None = None) -> None:
        self.path = path
        self.dataset = dataset
        self.kind = kind
        self.sample = sample


VARIES: Any = object()


# What later stages need to know of an event, so that none of them reads its text again: `@timestamp`, `event.id`,
# what it shares with others, and the casefolded `domain\user` of its user (the bare name; None where it names none).
# A plain tuple, because one is made for each event: unpack it as `time, event_id, origin, key`.
Label = tuple[str, str, Origin, str | None]


class Block(NamedTuple):
    """Events on their way out: one entry of `ends` and `labels` an event.

    Attributes:
        data: what is written, event by event, each with its line end (`elastic-bulk`: two lines an event).
        ends: where each event ends in `data`.
        labels: what is known of each.
    """

    data: bytes
    ends: Sequence[int]
    labels: Sequence[Label]


MOST_SHAPES = 512


@dataclass(slots=True)
class Counts:
    """What was seen, counted a chunk at a time; the summary and the metrics read it.

    Attributes:
        unknown_messages: well-formed lines of a known component whose message no pattern matches; they are among `logs`.
        shapes: of their messages, numbers and quoted texts replaced; the common ones, `MOST_SHAPES` at most.
    """

    lines: int = 0
    events: int = 0
    filtered: int = 0
    merged: int = 0
    findings_filtered: int = 0
    findings: int = 0
    unparsed: int = 0
    logs: int = 0
    requests: int = 0
    verdicts: int = 0
    statuses: int = 0
    results: int = 0
    orphans: int = 0
    given_up: int = 0
    open_at_end: int = 0
    unknown_codes: int = 0
    conflicts: int = 0
    decode_errors: int = 0
    too_long: int = 0
    cache_hits: int = 0
    late: int = 0
    unknown_messages: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        """Back to nothing, in place."""
        for name in self.__slots__:
            setattr(self, name, Counter() if name in ("classes", "shapes") else 0)

    def unknown(self, shape: str) -> None:
        """Count a message of a known component that no pattern matches."""
        self.unknown_messages += 1
        self._add_shape(shape, 1)

    def _add_shape(self, shape: str, number: int) -> None:
        """Where there are too many shapes, the rarer half of them is forgotten: a common one is back at once."""
        if len(self.shapes) >= MOST_SHAPES and shape not in self.shapes:
            for rare, _ in self.shapes.most_common()[MOST_SHAPES // 2 :]:
                del self.shapes[rare]
        self.shapes[shape] += number

    def add(self, other: "Counts") -> None:
        """Add another worker's or source's counts to these."""
        for name in self.__slots__:
            value = getattr(other, name)
            if name == "classes":
                self.classes.update(value)
            elif name == "shapes":
                for shape, number in value.items():
                    self._add_shape(shape, number)
            elif value:
                setattr(self, name, getattr(self, name) + value)


Document = dict[str, Any]

# The same as plain tuples, field by field: the fast path makes these, because a plain tuple is built in a
# quarter of the time. Where a field is wanted by its name, `named` gives the shape with names.
UserFields = tuple[str, str | None, str | None, str]
ExchangeFields = tuple[int, str, str, UserFields | None, str, str | None]
CompletionFields = tuple[int, UserFields | None, str, str, int, str, int, str, Code, bool, int]


def named(exchange: ExchangeFields) -> Exchange:
    """An exchange with the names of its fields."""
    if isinstance(exchange, Exchange):
        return exchange
    start, start_text, event_id, user, shared_json, verdict = exchange
    return Exchange(start, start_text, event_id, User(*user) if user else None, shared_json, verdict)
