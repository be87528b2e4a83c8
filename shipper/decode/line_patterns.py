"""The forms of a line: how each is split into its head and its message. Pure."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from shipper.decode.ecs import LEVELS, dataset, is_known, shared_json
from shipper.decode.envelopes import WindowsEvent
from shipper.decode.facts import Facts, Library, whole_number
from shipper.decode.grok import Convert, Pattern
from shipper.decode.windows_event import EventReader
from shipper.decode.wrappers import Inner
from shipper.memo import Memo
from shipper.model import Document, Export, Origin

STANDARD = (
    "@timestamp",
    "log.level",
    "process.pid",
    "process.thread.id",
    "event.provider",
    "azure_mfa.request.id",
    "message",
)
HOST, SYSLOG_HOST = HOSTS = "host.name", "log.syslog.hostname"


class LinePattern:
    """A LINE_ pattern as a `LineForm`."""

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        self._names = [field for _, field, _ in pattern.fields]
        self.has_extra = any(name not in STANDARD for name in self._names)
        self.is_syslog = SYSLOG_HOST in self._names
        self.stamp = next((convert for _, field, convert in pattern.fields if field == "@timestamp"), None)

    # Cached properties, so that a pattern that is never tried is never compiled.
    @cached_property
    def find(self) -> Callable[[str], "re.Match[str] | None"]:
        """Takes a line; returns its match."""
        return self._pattern.regex.fullmatch

    @cached_property
    def standard(self) -> Callable[["re.Match[str]"], tuple[str | None, ...]]:
        """Takes a match; returns the texts of the fields of `STANDARD`."""
        return _pick(self._pattern, self._names)

    @cached_property
    def _others(self) -> list[tuple[int, str, Convert | None]]:
        groups = self._pattern.regex.groupindex
        return [(groups[group], field, convert) for group, field, convert in self._pattern.fields if field not in STANDARD]

    def others(self, found: "re.Match[str]") -> tuple[tuple[str, Any], ...]:
        """The captured fields that are not in `STANDARD`."""
        texts = ((field, found[group], convert) for group, field, convert in self._others)
        values = [(field, text if convert is None or text is None else convert(text)) for field, text, convert in texts]
        return tuple({field: value for field, value in values if value is not None}.items())


def _pick(pattern: Pattern, names: list[str]) -> Callable[["re.Match[str]"], tuple[str | None, ...]]:
    """The function `LineForm.standard` for a pattern that captures the fields `names`."""
    if tuple(names) == STANDARD and isinstance(pattern.regex, re.Pattern) and pattern.regex.groups == len(STANDARD):
        return re.Match.groups  # LINE_MFA, by far the commonest, captures exactly these
    groups = [pattern.regex.groupindex[pattern.fields[names.index(name)][0]] if name in names else 0 for name in STANDARD]
    pick = itemgetter(*groups)
    return lambda found: pick((None, *found.groups()))


class WindowsLine:
    """Windows events as exporters write them, in a line or a record. An event whose message is a log line counts as that line."""

    has_extra = True
    stamp: Convert | None = None

    def __init__(self, events: EventReader, lines: Sequence[LinePattern] = ()) -> None:
        """`lines`: the forms of log lines that a message may hold."""
        self._events = events
        self._lines = lines

    def find(self, text: str) -> "WindowsEvent | _Message | None":
        """The event in a line or record, or the log line in its message; None for any other text."""
        event = self._events.read(text)
        message, host = self._events.message(text) if event is None else (event.message, event.host)
        if not _DATED.match(message):
            return event
        found = ((form, form.find(message)) for form in self._lines)
        return next((_Message(form, match, host) for form, match in found if match is not None), event)

    def standard(self, found: "WindowsEvent | _Message") -> tuple[str | None, ...]:
        """The texts of the event in the order of `STANDARD`."""
        if isinstance(found, _Message):
            stamp, *others = found.form.standard(found.match)
            return (stamp if stamp is None or found.form.stamp is None else found.form.stamp(stamp), *others)
        stamp, level, pid, tid, provider, message, _ = found
        return stamp, level, pid, tid, provider, None, message

    def others(self, found: "WindowsEvent | _Message") -> tuple[tuple[str, Any], ...]:
        """The computer's name, and the fields that the form of a log line in the message captured."""
        captured = found.form.others(found.match) if isinstance(found, _Message) else ()
        return (((HOST, found.host),) if found.host else ()) + captured


class _Message(NamedTuple):
    """A log line that is the message of an event."""

    form: LinePattern
    match: "re.Match[str]"
    host: str | None


_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}[^|\s]{0,16}[|]")


class Wrapped(NamedTuple):
    """A line of the form `form` inside another: the match of that form, and the wrapper."""

    form: "LineForm"
    found: Any
    inner: Inner


class WrappedLine:
    """Lines of other forms inside a record of Docker or another shipper, or behind a foreign prefix or head."""

    has_extra = True
    stamp: Convert | None = None

    def __init__(self, forms: "Sequence[LineForm]", unwrap: Callable[[str], Inner | None]) -> None:
        """`forms`: the forms that may be inside; `unwrap`: removes the wrapper of a line, or returns None if it has none."""
        self._forms = forms
        self._unwrap = unwrap

    def find(self, line: str) -> Wrapped | None:
        """The wrapped line in a line; None if there is no wrapper, or no known form inside it."""
        inner = self._unwrap(line)
        if inner is None:
            return None
        found = ((form, form.find(inner.text)) for form in self._forms)
        return next((Wrapped(form, match, inner) for form, match in found if match is not None), None)

    def standard(self, wrapped: Wrapped) -> tuple[str | None, ...]:
        """The texts of the inner line in the order of `STANDARD`, its time stamp in the log's own form."""
        stamp, *others = wrapped.form.standard(wrapped.found)
        return (stamp if stamp is None or wrapped.form.stamp is None else wrapped.form.stamp(stamp), *others)

    def others(self, wrapped: Wrapped) -> tuple[tuple[str, Any], ...]:
        """The other fields of the inner line, and the host that the wrapper names unless the inner line names one."""
        inner = wrapped.inner
        fields = dict(wrapped.form.others(wrapped.found)) if wrapped.form.has_extra else {}
        around = {SYSLOG_HOST: inner.hostname, HOST: inner.host if fields.keys().isdisjoint(HOSTS) else None}
        return tuple(({name: value for name, value in around.items() if value is not None} | fields).items())


class LineForm(Protocol):
    """One form of line.

    Attributes:
        has_extra: True if `others` can return anything.
        stamp: turns the time stamp of another standard into the log's own; None if there is nothing to convert.
        find: takes a line; returns a match for the other two, or None for a line of another form.
        standard: takes a match; returns the texts of the fields of `STANDARD`, None for each that is missing.
        others: takes a match; returns the other fields that it captured.
    """

    has_extra: bool
    stamp: Convert | None

    @property
    def find(self) -> Callable[[str], Any]: ...

    @property
    def standard(self) -> Callable[[Any], tuple[str | None, ...]]: ...

    @property
    def others(self) -> Callable[[Any], tuple[tuple[str, Any], ...]]: ...


def line_patterns_of(patterns: Iterable[Pattern], events: EventReader) -> list[LineForm]:
    """All forms of a line in the order in which they are tried.

    LINE_ patterns come first, then Windows events. Wrapped lines are tried just before the syslog patterns, which would
    take a whole line behind a syslog head for a message. Last come records with a text that does not look like a log line,
    and records that hold a line as another program read it.
    """
    lines = [LinePattern(pattern) for pattern in patterns]
    plain: list[LineForm] = [*lines, WindowsLine(events, lines)]
    before = next(n for n, form in enumerate(plain) if not isinstance(form, LinePattern) or form.is_syslog)
    unwrap = events.envelopes.wrappers.unwrap
    inside, anywhere = WrappedLine(plain, unwrap), WrappedLine(plain, partial(unwrap, strictly=False))
    forms = [*plain[:before], inside, *plain[before:]]
    return [*forms, anywhere, WrappedLine(forms, events.inside)]


def inner_of(line: str, found: Any, events: EventReader) -> Inner | None:
    """The line inside a line that was not understood; None if nothing is wrapped around it.

    `found` is the match of a form whose time stamp names no real instant; None if no form matched.
    """
    if found is None:
        return events.envelopes.wrappers.unwrap(line, strictly=False) or events.inside(line)
    return found.inner if isinstance(found, Wrapped) else None


def inner_line(library: Library, line: str) -> Inner | None:
    """The line inside a line, if a parser would look inside; None if it would parse the line itself."""
    events = EventReader(library.envelopes)
    found = (form.find(line) for form in line_patterns_of(library.lines, events))
    return inner_of(line, next((match for match in found if match is not None), None), events)


class Stamps:
    """Reads the time stamps of lines of any form, and of records of any export."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._forms: Memo[Export | None, list[LineForm]] = Memo(
            lambda export: line_patterns_of(library.lines, EventReader(library.envelopes, export)), 64
        )

    def __call__(self, text: str, export: Export | None = None, /) -> str | None:
        """The time stamp of a line, or of a record of `export`; None if it has none."""
        for form in self._forms[export]:
            found = form.find(text)
            if found is not None:
                stamp = form.standard(found)[0]
                return form.stamp(stamp) if form.stamp is not None and stamp is not None else stamp
        return None

    def is_header(self, columns: Sequence[str], /) -> bool:
        """True if a CSV of Windows events has columns of these names."""
        return self._library.envelopes.is_header(columns)


class Context:
    """Values shared by all lines of the same level, process, thread and component."""

    __slots__ = ("component", "dataset", "known", "level", "origin", "process", "process_json", "thread")

    def __init__(
        self,
        level: str | None,
        pid: str | None,
        tid: str | None,
        component: str | None,
        origin_of: Callable[[str], Origin],
    ) -> None:
        """`origin_of` gives the origin of the events of a data set."""
        self.level = None if level is None else LEVELS.get(level, level)
        self.component = component
        self.dataset = dataset(component or "log")
        self.origin = origin_of(self.dataset)
        self.known = is_known(component)
        process, thread = whole_number(pid or ""), whole_number(tid or "")
        whole = component is not None and process is not None and thread is not None
        self.thread = f"{component}|{process}|{thread}" if whole else None
        self.process: Document | None = None if process is None else {"pid": process}
        if thread is not None:
            self.process = {**(self.process or {}), "thread": {"id": thread}}
        self.process_json = shared_json(None, self.process)


# A well-formed line: text, offset, event id, time stamp, the same in nanoseconds, context, facts, tags.
# A plain tuple that is unpacked where it is needed: reading five fields by name costs more than building it.
Line = tuple[str, int, str, str, int, Context, Facts, list[str]]
