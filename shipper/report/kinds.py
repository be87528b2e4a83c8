"""Counts completed authentications by shape, which is cheap, and adds the counts to the tables later. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, cast

from shipper.decode.ecs import dataset
from shipper.detect.prompts import NO_METHOD, code_text
from shipper.model import Code, CompletionFields, Label, Origin
from shipper.report.figures import LISTED, Figures
from shipper.report.people import REFUSALS
from shipper.report.tables import AUTHENTICATIONS, DOUBLE_PROMPTS, FIRST_STEPS, PROMPTS, UNKNOWN, Row
from shipper.times import SECOND

MOST_KINDS = 4096  # kept before their counts are spread over the rows
MOST_HOURS = 10_000
HOUR = 3600 * SECOND
NO_CACHE = dataset("nps extension")
_OUTCOMES = {"success": 1, "failure": 2}  # columns of a row, else `UNKNOWN`

_CLIENT = re.compile(r'"source":\{[^{}]*?"ip":"([^"]*)"')
_OUTCOME = re.compile(r'"outcome":"(\w+)"')


Shape = tuple[Code, str, str | None, str]
"""Code, component, host, outcome."""


class Kind:
    """The completions of one shape: of one origin, or of one code, component, host and outcome.

    Attributes:
        number: number of completions.
        hours: number of completions in each hour since 1970; shared by kinds with the same column and `prompted`.
        second_steps: number of completions that were the second step of a prompt.
        answers: times to answer in tenths of a second; shared by kinds of one method.
        answered: True if the user answered the prompt.
        prompted: True if a prompt reached the user.
        pending: True for a first step.
        listed: True if the report lists each completion.
        refusal: the status class of a refused prompt; else None.
        plain: True for a prompt that is no first step, no refusal, and not listed.
        silent: True without a prompt, if it is no first step and not listed.
    """

    __slots__ = (
        "answered",
        "answers",
        "code",
        "component",
        "host",
        "hours",
        "listed",
        "number",
        "outcome",
        "pending",
        "plain",
        "prompted",
        "refusal",
        "second_steps",
        "silent",
    )

    def __init__(
        self, code: Code, component: str, host: str | None, outcome: str, hours: Counter[int], answers: Counter[int]
    ) -> None:
        self.code, self.component, self.host, self.outcome = code, component, host, outcome
        self.hours, self.answers = hours, answers
        self.number = self.second_steps = 0
        self.answered = code.status_class not in ("no_response", "pending")
        self.prompted, self.pending = bool(code.prompted), code.status_class == "pending"
        self.listed = code.status_class in LISTED
        self.refusal = code.status_class if self.prompted and code.status_class in REFUSALS else None
        is_alone = not self.pending and not self.listed and self.refusal is None
        self.plain, self.silent = is_alone and self.prompted, is_alone and not self.prompted

    @property
    def key(self) -> Shape:
        """The shape, which identifies the kind in any process."""
        return self.code, self.component, self.host, self.outcome

    @property
    def column(self) -> int:
        """The column of a row that counts these completions."""
        return FIRST_STEPS if self.code.status_class == "pending" else _OUTCOMES.get(self.outcome, UNKNOWN)


class Kinds(dict[Any, Kind]):
    """The kinds by origin, or by shape."""

    def __init__(self, figures: Figures, host: str | None) -> None:
        """
        Args:
            figures: the tables that receive the counts.
            host: the server that wrote the log, for lines that do not name it.
        """
        super().__init__()
        self.second_steps: Counter[int] = Counter()  # by hour, second steps whose code means a prompt
        self.doubles: Counter[tuple[str, str, str | None, int]] = Counter()  # by method, component, host and hour
        self._figures, self._host = figures, host
        self._hours: dict[tuple[int, bool], Counter[int]] = {}  # by column of a row, and whether the code means a prompt

    def of(
        self, texts: Sequence[str], labels: Sequence[Label], completions: Sequence[CompletionFields]
    ) -> tuple[list[Kind], dict[int, str]]:
        """Return the kind of each completion, and the known client addresses by position of the completion."""
        known = [self.get(labels[completion[0]][2]) for completion in completions]
        kinds: list[Kind] = []
        addresses: dict[int, str] = {}
        for completion in completions if None in known else ():
            kind, address = self._find(texts[completion[0]], labels[completion[0]][2], completion)
            kinds.append(kind)
            if address is not None:
                addresses[completion[0]] = address
        return kinds or cast("list[Kind]", known), addresses

    def _find(self, text: str, origin: Origin, completion: CompletionFields) -> tuple[Kind, str | None]:
        """Return the kind of a completion, and the client address, None if unknown.

        The text of its event is only searched if the origin has no sample. An origin with one is of the fast path: its events
        name no client, and the sample has the outcome.
        """
        component, code = completion[3], completion[8]
        if origin.sample is not None:
            if origin not in self:
                self[origin] = self._new(code, component, origin.host, origin.sample["event"]["outcome"])
            return self[origin], None
        found, client = _OUTCOME.search(text), _CLIENT.search(text)
        outcome = found[1] if found else "unknown"
        key = code, component, origin.host, outcome
        if key not in self:
            self[key] = self._new(code, component, origin.host, outcome)
        return self[key], client[1] if client else None

    def _new(self, code: Code, component: str, host: str | None, outcome: str) -> Kind:
        answers = self._figures.answers.setdefault(code.method or NO_METHOD, Counter())
        kind = Kind(code, component, host or self._host, outcome, Counter(), answers)
        kind.hours = self._hours.setdefault((kind.column, bool(code.prompted)), Counter())
        return kind

    def of_shape(self, shape: Shape) -> Kind:
        """Return the kind of a shape that another process counted."""
        kind = self.get(shape)
        if kind is None:
            kind = self[shape] = self._new(*shape)
        return kind

    @property
    def are_many(self) -> bool:
        """True if the counts must be spread now."""
        return len(self) + len(self.doubles) > MOST_KINDS or any(len(hours) > MOST_HOURS for hours in self._hours.values())

    def spread(self) -> None:
        """Move the counts by kind and by hour to the tables."""
        figures = self._figures
        for kind in self.values():
            code, method = kind.code, kind.code.method or NO_METHOD
            prompts = kind.number - kind.second_steps if code.prompted else 0
            for row in figures.lasting_rows(method, kind.component, kind.host):
                _add(row, kind.column, kind.number, prompts)
            if dataset(kind.component) == NO_CACHE:
                figures.prompts_without_cache += prompts
            figures.add_codes({(code_text(code), code.description, code.status_class, method, kind.outcome): kind.number})
        for (column, prompted), hours in self._hours.items():
            for hour, number in hours.items():
                for row in figures.rows_of_hour(hour):
                    _add(row, column, number, number if prompted else 0)
        for hour, number in self.second_steps.items():
            for row in figures.rows_of_hour(hour):
                row[PROMPTS] -= number
        for (method, component, host, hour), number in self.doubles.items():
            for row in (*figures.lasting_rows(method, component, host), *figures.rows_of_hour(hour)):
                row[DOUBLE_PROMPTS] += number
        self.clear()
        self.doubles.clear()
        self._hours.clear()
        self.second_steps.clear()


def count_all(counted: Iterable[tuple[Kind, int, int]]) -> None:
    """Add counts, each of a kind, an hour since 1970 and a number of completions that ended in that hour."""
    for kind, hour, number in counted:
        kind.number += number
        kind.hours[hour] += number


def count_by_hour(kinds: Sequence[Kind], ends: Sequence[int]) -> None:
    """Count completions by their kinds and ends, in nanoseconds."""
    hour = min(ends) // HOUR
    if hour == max(ends) // HOUR:
        count_all((kind, hour, number) for kind, number in Counter(kinds).items())
        return
    for kind, end in zip(kinds, ends, strict=True):
        kind.number += 1
        kind.hours[end // HOUR] += 1


def _add(row: Row, column: int, number: int, prompts: int) -> None:
    row[column] += number
    row[AUTHENTICATIONS] += 0 if column == FIRST_STEPS else number
    row[PROMPTS] += prompts
