"""The head of a line: where a LINE_ pattern captures it, and what it says. Pure."""

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, NamedTuple

from shipper.decode.ecs import LEVELS, dataset
from shipper.decode.facts import Facts, whole_number
from shipper.decode.grok import Pattern
from shipper.decode.windows_event import read_event
from shipper.model import Document

STANDARD = (
    "@timestamp",
    "log.level",
    "process.pid",
    "process.thread.id",
    "event.provider",
    "azure_mfa.request.id",
    "message",
)


class LinePattern:
    """A LINE_ pattern: where its captures stand, and which of them are not part of every line."""

    def __init__(self, pattern: Pattern) -> None:
        names = [field for _, field, _ in pattern.fields]
        self.pattern = pattern
        # An index of -1 is the None that the caller puts behind the texts.
        self.pick = itemgetter(*(names.index(name) if name in names else -1 for name in STANDARD))
        self.has_extra = not set(names) <= set(STANDARD)
        # Where another standard writes the time, it is turned into ours.
        self.stamp = next((convert for _, field, convert in pattern.fields if field == "@timestamp"), None)

    def others(self, texts: tuple[str | None, ...]) -> tuple[tuple[str, Any], ...]:
        """The fields that not every line has."""
        fields = self.pattern.convert(texts)
        return tuple((name, value) for name, value in fields.items() if name not in STANDARD)


class WindowsLine:
    """Lines that are Windows events in JSON or XML; to the parser it looks like a `LinePattern`."""

    has_extra = True
    stamp = None

    @property
    def pattern(self) -> "WindowsLine":
        """Itself: what `texts` is asked of."""
        return self

    def texts(self, line: str) -> tuple[str | None, ...] | None:
        """What `read_event` finds."""
        return read_event(line) if line[:1] in ("{", "<") else None

    def pick(self, event: tuple[str | None, ...]) -> tuple[str | None, ...]:
        """The texts in the order of `STANDARD`."""
        stamp, level, pid, tid, provider, message, _, _ = event
        return stamp, level, pid, tid, provider, None, message

    def others(self, event: tuple[str | None, ...]) -> tuple[tuple[str, Any], ...]:
        """The computer's name."""
        return (("host.name", event[6]),) if event[6] else ()


def line_patterns_of(patterns: Iterable[Pattern]) -> list[LinePattern | WindowsLine]:
    """All forms of a line, in the order in which they are tried."""
    return [*map(LinePattern, patterns), WindowsLine()]


def stamp_reader(patterns: Iterable[Pattern]) -> Callable[[str], str | None]:
    """Reads the time stamp of a line in any form; None for a line without one."""
    forms = line_patterns_of(patterns)

    def read(line: str) -> str | None:
        for form in forms:
            texts = form.pattern.texts(line)
            if texts is not None:
                stamp = form.pick((*texts, None))[0]
                return form.stamp(stamp) if form.stamp is not None and stamp is not None else stamp
        return None

    return read


class Context:
    """What lines of one level, process, thread and component share."""

    __slots__ = ("component", "dataset", "level", "process", "thread")

    def __init__(self, level: str | None, pid: str | None, tid: str | None, component: str | None) -> None:
        self.level = None if level is None else LEVELS.get(level, level)
        self.component = component
        self.dataset = dataset(component or "log")
        process, thread = whole_number(pid or ""), whole_number(tid or "")
        known = component is not None and process is not None and thread is not None
        self.thread = f"{component}|{process}|{thread}" if known else None
        self.process: Document | None = None if process is None else {"pid": process}
        if thread is not None:
            self.process = {**(self.process or {}), "thread": {"id": thread}}


class Line(NamedTuple):
    """A well-formed line on its way to its event; times in nanoseconds."""

    text: str
    offset: int
    id: str
    stamp: str
    time: int
    head: Context
    facts: Facts
    tags: list[str]
