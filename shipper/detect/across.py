"""Runs the detectors over the authentications of several logs, as if one server had written them. Pure.

The logs are merged by time; of each log, only the authentications of one instant are in memory. Prompts on two servers
meet in the state of their user like prompts on one server.
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
        event_id: id of the event that completed it.
        host: `host.name` of that event, if its file or line names a host.
        fields: the authentication; its `position` means nothing here.
    """

    event_id: str
    host: str | None
    fields: CompletionFields


Timed = tuple[int, str, Completed]
"""The time of the log at the completion of an authentication, in nanoseconds, its `event_id`, and the authentication."""


def merged(logs: Sequence[Iterable[Completed]]) -> Iterator[Timed]:
    """Yield the authentications of all logs, by the time of the line that completed them and then by its `event.id`.
    `logs` has a stream for each component of each log.

    A log that is out of order keeps its own order: a late authentication comes in its turn, with the time of the log.
    An authentication that is in two logs, one a copy of the other, comes once.
    """
    for _, copies in groupby(merge(*(_in_order(log) for log in logs), key=itemgetter(0, 1)), key=itemgetter(1)):
        yield next(copies)


def _in_order(log: Iterable[Completed]) -> Iterator[Timed]:
    """Yield a component's authentications with the time of the log, which never goes back; those of one instant by `event.id`."""
    newest = BEFORE_ALL
    ties: list[Timed] = []
    for completed in log:
        # A time far ahead moves the time no further than the log's clock allows.
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
            detectors: new detectors, with nothing in memory.
            rules: the rules of these detectors.
            host: `host.name` of events that name no host.
        """
        self._detectors = detectors
        self._host = host
        # An authentication in a finding ended at most a horizon ago; or its answer did, which takes less than another horizon.
        self._span = sum(2 * rule.horizon for rule in rules)
        self._turn = BEFORE_ALL
        self._young: dict[str, str] = {}  # by exchange id, the host that wrote it
        self._old: dict[str, str] = {}

    def __call__(self, completed: Sequence[Timed]) -> list[Found]:
        """The findings of the next authentications. The `position` of a finding is an index into `completed`."""
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
