"""One register of detectors over the authentications of several logs, as if one server had written them. Pure.

The logs are merged by time: of each of them no more is in memory than its authentications of one instant. Prompts
of two servers meet in the state of their user like those of one.
"""

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from shipper.detect.components import ComponentDetectors
from shipper.detect.finding import Found, on_hosts
from shipper.detect.protocol import Rule
from shipper.model import CompletionFields
from shipper.times import BEFORE_ALL

MOST_TIES = 10_000  # authentications of one log and instant that are put in the order of their ids


class Completed(NamedTuple):
    """A completed authentication on its way to the detectors.

    Attributes:
        event_id: of the event that completed it.
        host: `host.name` of that event, if its file or its line names it.
        fields: the authentication; its `position` means nothing here.
    """

    event_id: str
    host: str | None
    fields: CompletionFields


Timed = tuple[int, str, Completed]
"""An authentication with the time of its log when it was completed, in nanoseconds, and the `event.id` behind it."""


def merged(logs: Sequence[Iterable[Completed]]) -> Iterator[Timed]:
    """The authentications of all logs, by the time of the line that completed them and then by its `event.id`. `logs` gives those
    of each log, and of each component in it, by themselves.

    A log that is not in the order of time keeps its own order: what comes late in it comes when it is its turn.
    An authentication that stands in two logs, one of which is a copy, comes once.
    """
    for _, copies in groupby(merge(*(_in_order(log) for log in logs), key=itemgetter(0, 1)), key=itemgetter(1)):
        yield next(copies)


def _in_order(log: Iterable[Completed]) -> Iterator[Timed]:
    """The authentications of a component of a log with its time, which never goes back; those of one instant by `event.id`."""
    newest = BEFORE_ALL
    ties: list[Timed] = []
    for completed in log:
        # A time far ahead moves the log no further than the log itself lets it.
        time = min(completed.fields[6], completed.fields[10])
        if time != newest or len(ties) >= MOST_TIES:
            yield from sorted(ties, key=itemgetter(1))
            ties.clear()
        if time >= newest:
            newest = time
            ties.append((newest, completed.event_id, completed))
        else:
            yield newest, completed.event_id, completed
    yield from sorted(ties, key=itemgetter(1))


class AcrossLogs:
    """The detectors over merged logs."""

    def __init__(self, detectors: ComponentDetectors, rules: Iterable[Rule], host: str | None) -> None:
        """
        Args:
            detectors: new ones.
            rules: theirs.
            host: `host.name` of events that name none.
        """
        self._detectors = detectors
        self._host = host
        # What a finding names ended a horizon ago at most; or its answer did, and that takes less than another horizon.
        self._span = sum(2 * rule.horizon for rule in rules)
        self._turn = BEFORE_ALL
        self._young: dict[str, str] = {}  # by exchange id, the host that wrote it
        self._old: dict[str, str] = {}

    def __call__(self, completed: Sequence[Timed]) -> list[Found]:
        """The findings of the next authentications. `position` in them counts these."""
        batch: list[CompletionFields] = []
        for position, (time, _, (_, host, fields)) in enumerate(completed):
            if host is not None and fields[6] >= time - self._span:
                self._remember(time, fields[2], host)
            batch.append((position, *fields[1:10], time))
        return [on_hosts(finding, self._host_of, self._host) for finding in self._detectors(batch)]

    def _remember(self, time: int, exchange_id: str, host: str) -> None:
        if time > self._turn:
            self._old = self._young if time <= self._turn + self._span else {}
            self._young, self._turn = {}, time + self._span
        self._young[exchange_id] = host

    def _host_of(self, exchange_id: str) -> str | None:
        return self._young.get(exchange_id) or self._old.get(exchange_id) or self._host
