"""The values that the stages hand to each other; no behaviour beyond small properties. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple


class Chunk(NamedTuple):
    """The bytes of whole lines, or of whole records of an export, from one read.

    Attributes:
        data: the bytes; they end with a line end, except at the end of a record, or of a file whose last line has none.
        offset: position of `data` in the decompressed file, in bytes.
        cut: True if `data` is the beginning of a single line or record that is too long.
        records: where in `data` each record begins and ends, then each further piece of it; None for lines.
        half: the end of the file cut the last record off.
        numbered: `data` is one record of an event log channel, and `offset` is the number of the record.
    """

    data: bytes
    offset: int
    cut: bool = False
    records: tuple[tuple[int, ...], ...] | None = None
    half: bool = False
    numbered: bool = False

    @property
    def span(self) -> int:
        """How far the chunk advances the offset."""
        return 1 if self.numbered else len(self.data)

    def pieces(self) -> Iterator[tuple[bytes, int, int]]:
        """Yield the bytes of each record, with a line end between its pieces, and where in `data` it begins and ends."""
        for begin, end, *more in self.records or ():
            rest = [self.data[more[n] : more[n + 1]] for n in range(0, len(more), 2)]
            record = b"\n".join([self.data[begin:end], *rest]) if rest else self.data[begin:end]
            yield record, begin, (more or (end,))[-1]

    def up_to(self, size: int) -> "Chunk":
        """The part of the chunk before its offset plus `size`, where a line or a record must end."""
        if size >= self.span:
            return self
        records = None if self.records is None else tuple(span for span in self.records if span[-1] <= size)
        return self._replace(data=self.data[:size], records=records)


class Export(NamedTuple):
    """A file that holds records instead of lines.

    Attributes:
        form: how the records are written.
        start: offset of the first record, after a byte order mark and the header of a CSV.
        columns: the names in the header of a CSV.
        delimiter: the field separator of a CSV.
    """

    form: Literal["json", "xml", "csv", "text", "frames"]
    start: int = 0
    columns: tuple[str, ...] = ()
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class LogFile:
    """What the events of one file share.

    Attributes:
        path: `log.file.path` of its events; None for standard input.
        fingerprint: 16 hex digits, the first part of every `event.id` (see `read/identity.py`).
        time: the time stamp of events before the first line that has one.
        encoding: `utf-8`, `utf-16-le` or `utf-16-be`.
        host: the name of the server that writes the file, if the configuration gives one.
        export: how its records are written; None if it holds lines.
        parts: a container runtime writes its lines, long ones in parts.
    """

    path: str | None
    fingerprint: str
    time: str
    encoding: str = "utf-8"
    host: str | None = None
    export: Export | None = None
    parts: bool = False


class User(NamedTuple):
    """The user of an event. `key` is the same for all spellings: casefolded `domain\\name`, or the bare name."""

    name: str
    domain: str | None
    email: str | None
    key: str


class Code(NamedTuple):
    """A row of the status code table; `number` is None for a result that has no number."""

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
        """False for a code that is not in the table."""
        return self.status_class != "unknown"


class Exchange(NamedTuple):
    """An authentication whose request has been read and whose status has not.

    Attributes:
        start, start_text: time of the request, in nanoseconds since 1970 and as the log writes it.
        id: `event.id` of the request.
        user: None if the request names none.
        shared_json: the fields that all its lines share, user and process, as JSON members with a trailing comma.
        verdict: outcome of its verdict; None until the verdict has been read.
    """

    start: int
    start_text: str
    id: str
    user: User | None
    shared_json: str
    verdict: str | None = None


class Completion(NamedTuple):
    """A completed authentication: an exchange with its status, or a one-line result.

    Attributes:
        position: index of the event that completed it among the events of its chunk.
        user: None if the log does not name the user.
        id: `event.id` of the request, or of the result.
        component: the component that wrote its lines; empty if unknown.
        start, start_text: time of the request, in nanoseconds since 1970 and as the log writes it.
        end, end_text: the same for the status; a result ends when it starts.
        code: the row of its status in the code table.
        success: True if `event.outcome` is `success`.
        newest: the newest event time of the component at that point, in nanoseconds since 1970.
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
        path: `log.file.path` of the events; None for standard input.
        dataset: `event.dataset`.
        kind: `event.kind`: `event`, `pipeline_error`, or `alert` for a finding.
        host: `host.name` of the events, if their file or their lines name it; None if it is that of the run.
        sample: an event of this shape with `VARIES` for values that differ between events; None if there is no sample.
    """

    __slots__ = ("dataset", "host", "kind", "path", "sample")

    def __init__(
        self, path: str | None, dataset: str, kind: str, sample: dict[str, Any] | None = None, host: str | None = None
    ) -> None:
        self.path = path
        self.dataset = dataset
        self.kind = kind
        self.sample = sample
        self.host = host


VARIES: Any = object()  # stands in a sample for a value that differs between events

# What later stages need to know about an event, so that none of them parses its text: `@timestamp`, `event.id`, its origin,
# and `User.key` of its user (None: it has no user). A plain tuple, because every event gets one; unpack it as
# `time, event_id, origin, key`.
Label = tuple[str, str, Origin, str | None]


class Block(NamedTuple):
    """Formatted events. `ends` and `labels` have an entry for each event.

    Attributes:
        data: the bytes to write: the events one after the other, each with its line end (`elastic-bulk`: two lines per event).
        ends: the offset in `data` at which each event ends.
        labels: the label of each event.
    """

    data: bytes
    ends: Sequence[int]
    labels: Sequence[Label]


MEMORY = 64 << 20  # default of `pipeline.memory`: bytes for the open exchanges and recent prompts of a log
MOST_SHAPES = 512
TALLIES = ("classes", "detected", "causes", "shapes")  # the counters that count by name


@dataclass(slots=True)
class Counts:
    """The counters behind the summary and the metrics; updated once per chunk.

    Attributes:
        findings: findings of all detectors.
        out_of_order: orphans so much older than the newest line that their requests are no longer kept.
        behind: sign-ins that ended more than a minute before the newest line of their component, without late ones.
        repeated: repeated requests of an open exchange, and findings whose prompts are repeats.
        misdated: lines with a time so far ahead of the others that it moved no clock (see `decode/clock.py`).
        crowded_out: exchanges (`given_up` includes them) and users of a detector that were dropped because memory was full.
        masked: events without a user whose texts were masked, with pseudonyms in use.
        backwards: records of exports that are older than the record before them.
        unknown_messages: well-formed lines of a known component whose message no pattern matches; `logs` includes them.
        classes: status codes by class.
        detected: totals of the detectors, by name (`detect/protocol.py`).
        causes: lines that were not understood, by known cause (see `decode.unparsed`).
        shapes: unknown messages with numbers and quoted texts replaced; only common ones, `MOST_SHAPES` at most.
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
    late: int = 0
    out_of_order: int = 0
    behind: int = 0
    repeated: int = 0
    backwards: int = 0
    unknown_messages: int = 0
    masked: int = 0
    misdated: int = 0
    crowded_out: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    detected: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        """Set all counters to zero."""
        for name in self.__slots__:
            setattr(self, name, type(getattr(self, name))())

    def unknown(self, shape: str) -> None:
        """Count a message of a known component that no pattern matches."""
        self.unknown_messages += 1
        self._add_shape(shape, 1)

    def _add_shape(self, shape: str, number: int) -> None:
        """Count a shape. When there are too many, drop the rarer half: a common one is back at once."""
        if len(self.shapes) >= MOST_SHAPES and shape not in self.shapes:
            for rare, _ in self.shapes.most_common()[MOST_SHAPES // 2 :]:
                del self.shapes[rare]
        self.shapes[shape] += number

    def add(self, other: "Counts", times: int = 1) -> None:
        """Add the counters of another worker or log, `times` times."""
        for name in self.__slots__:
            more = getattr(other, name)
            if not more:
                continue
            if name == "shapes":
                for shape, number in more.items():
                    self._add_shape(shape, number * times)
            elif name in TALLIES:
                tally = getattr(self, name)
                for key, number in more.items():
                    tally[key] += number * times
            else:
                setattr(self, name, getattr(self, name) + more * times)


Document = dict[str, Any]

# `User`, `Exchange` and `Completion` as plain tuples of the same fields, for code where speed counts: building a plain tuple
# takes a quarter of the time.
UserFields = tuple[str, str | None, str | None, str]
ExchangeFields = tuple[int, str, str, UserFields | None, str, str | None]
CompletionFields = tuple[int, UserFields | None, str, str, int, str, int, str, Code, bool, int]

_WITHDRAWN = Code(None, "", "unknown", "unknown", None, None, "", None)


def withdrawal(component: str) -> CompletionFields:
    """A marker among completions: ignore the component's last completion that was ahead of the clock, for its line was
    misdated."""
    return 0, None, "", component, 0, "", 0, "", _WITHDRAWN, False, 0


def is_withdrawal(completion: CompletionFields) -> bool:
    """True for a `withdrawal`."""
    return completion[8] is _WITHDRAWN
