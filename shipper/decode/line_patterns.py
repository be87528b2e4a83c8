"""The head of a line: where a LINE_ pattern captures it, and what it says. Pure."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from shipper.decode.ecs import LEVELS, dataset, is_known
from shipper.decode.facts import Facts, whole_number
from shipper.decode.grok import Convert, Pattern
from shipper.decode.windows_event import WindowsEvent, read_event
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
    """A LINE_ pattern: what it captures, in the order of `STANDARD`, and the fields that not every line has."""

    def __init__(self, pattern: Pattern) -> None:
        names = [field for _, field, _ in pattern.fields]
        self._pattern = pattern
        self.has_extra = not set(names) <= set(STANDARD)
        # Where another standard writes the time, it is turned into ours.
        self.stamp = next((convert for _, field, convert in pattern.fields if field == "@timestamp"), None)
        self.find = pattern.regex.fullmatch
        self.standard = _pick(pattern, names)

    def others(self, found: "re.Match[str]") -> tuple[tuple[str, Any], ...]:
        """The fields that not every line has."""
        fields = self._pattern.captured(found)
        return tuple((name, value) for name, value in fields.items() if name not in STANDARD)


def _pick(pattern: Pattern, names: list[str]) -> Callable[["re.Match[str]"], tuple[str | None, ...]]:
    """What a match of a pattern captured, in the order of `STANDARD`, None for what it does not capture."""
    if tuple(names) == STANDARD and isinstance(pattern.regex, re.Pattern) and pattern.regex.groups == len(STANDARD):
        return re.Match.groups  # the commonest pattern captures just these
    groups = [pattern.regex.groupindex[pattern.fields[names.index(name)][0]] if name in names else None for name in STANDARD]

    def pick(found: "re.Match[str]") -> tuple[str | None, ...]:
        texts = found.groups()
        return tuple(None if group is None else texts[group - 1] for group in groups)

    return pick


class WindowsLine:
    """Lines that are Windows events in JSON or XML; to the parser it looks like a `LinePattern`."""

    has_extra = True
    stamp: Convert | None = None

    def find(self, line: str) -> WindowsEvent | None:
        """The event of a line, None for any other line."""
        return read_event(line) if line[:1] in ("{", "<") else None

    def standard(self, event: WindowsEvent) -> tuple[str | None, ...]:
        """The texts in the order of `STANDARD`."""
        stamp, level, pid, tid, provider, message, _ = event
        return stamp, level, pid, tid, provider, None, message

    def others(self, event: WindowsEvent) -> tuple[tuple[str, Any], ...]:
        """The computer's name."""
        return (("host.name", event.host),) if event.host else ()


class LineForm(Protocol):
    """A form that lines have. `find` gives what the other methods are asked about, None for a line of another form."""

    has_extra: bool
    stamp: Convert | None

    @property
    def find(self) -> Callable[[str], Any]: ...

    @property
    def standard(self) -> Callable[[Any], tuple[str | None, ...]]: ...

    @property
    def others(self) -> Callable[[Any], tuple[tuple[str, Any], ...]]: ...


def line_patterns_of(patterns: Iterable[Pattern]) -> list[LineForm]:
    """All patterns of a line, in the order in which they are tried."""
    return [*map(LinePattern, patterns), WindowsLine()]


def stamp_reader(patterns: Iterable[Pattern]) -> Callable[[str], str | None]:
    """Reads the time stamp of a line in any form; None for a line without one."""
    line_patterns = line_patterns_of(patterns)

    def read(line: str) -> str | None:
        for pattern in line_patterns:
            found = pattern.find(line)
            if found is not None:
                stamp = pattern.standard(found)[0]
                return pattern.stamp(stamp) if pattern.stamp is not None and stamp is not None else stamp
        return None

    return read


class Context:
    """What lines of one level, process, thread and component share."""

    __slots__ = ("component", "dataset", "known", "level", "process", "thread")

    def __init__(self, level: str | None, pid: str | None, tid: str | None, component: str | None) -> None:
        self.level = None if level is None else LEVELS.get(level, level)
        self.component = component
        self.dataset = dataset(component or "log")
        self.known = is_known(component)
        process, thread = whole_number(pid or ""), whole_number(tid or "")
        whole = component is not None and process is not None and thread is not None
        self.thread = f"{component}|{process}|{thread}" if whole else None
        self.process: Document | None = None if process is None else {"pid": process}
        if thread is not None:
            self.process = {**(self.process or {}), "thread": {"id": thread}}


# A well-formed line on its way to its event: text, offset, id, time stamp, the same in nanoseconds, context, facts, tags.
# A plain tuple, which is unpacked where it is needed: reading five fields by name would cost more than making it.
Line = tuple[str, int, str, str, int, Context, Facts, list[str]]
