"""The head of a line: where a LINE_ pattern captures it, and what it says. Pure."""

from operator import itemgetter
from typing import Any

from shipper.ecs import LEVELS, dataset
from shipper.facts import whole_number
from shipper.grok import Pattern
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


class Form:
    """A LINE_ pattern: where its captures stand, and which of them are not part of every line."""

    def __init__(self, pattern: Pattern) -> None:
        names = [field for _, field, _ in pattern.fields]
        self.pattern = pattern
        # An index of -1 is the None that the caller puts behind the texts.
        self.pick = itemgetter(*(names.index(name) if name in names else -1 for name in STANDARD))
        self.has_extra = not set(names) <= set(STANDARD)

    def others(self, texts: tuple[str | None, ...]) -> tuple[tuple[str, Any], ...]:
        """The fields that not every line has."""
        fields = self.pattern.convert(texts)
        return tuple((name, value) for name, value in fields.items() if name not in STANDARD)


class Head:
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
