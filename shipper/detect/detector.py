"""The host of the detectors in this process: one component of a log, its users in memory. Pure.

Results are those of calling `step` for every authentication when it comes. But most have nothing to do
with any other. Those wait, and `step` gets them, in their order, when one comes that may pair with them
(see `Lull`). Most are forgotten before.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from shipper.detect import DETECTORS
from shipper.detect.finding import Found
from shipper.detect.local import LocalDetector
from shipper.detect.protocol import Rule
from shipper.detect.waiting import arrived
from shipper.model import MEMORY, CompletionFields, Counts

MEMORY_OF_ONE = 3072  # bytes of `pipeline.memory` for each authentication that a generation of a detector may remember


class Detectors:
    """The detectors of one component of a log."""

    def __init__(self, rules: Mapping[str, Rule], counts: Counts, memory: int = MEMORY, *, kernel: bool = False) -> None:
        """
        Args:
            rules: the parameters of the detectors that run, by name.
            counts: kept up to date.
            memory: `pipeline.memory`, in bytes.
            kernel: completions come from it.
        """
        self._counts = counts
        most = memory // MEMORY_OF_ONE
        new = partial(LocalDetector, counts=counts, most=most, kernel=kernel)
        self._hosts = {name: new(DETECTORS[name], rule) for name, rule in rules.items()}

    def __call__(self, completions: Sequence[CompletionFields]) -> list[Found]:
        """The findings of a chunk, in the order of the events that they stand behind."""
        if not completions:
            return []
        hosts, chunk = self._hosts.values(), arrived(completions)
        findings = [finding for host in hosts for finding in host(chunk)]
        if len(hosts) > 1:
            findings.sort(key=itemgetter(0))
        self._counts.findings += len(findings)
        self._counts.late += min((host.late for host in hosts), default=0)
        self._counts.behind += max((host.behind for host in hosts), default=0)
        for host in hosts:
            host.late = host.behind = 0
        return findings

    def snapshot(self, newest: int) -> dict[str, Any]:
        """What can still change a result, by detector and user, as JSON values.

        It depends on what the log says, not on how it was read. `newest` is the newest event time.
        """
        return {name: host.snapshot(newest) for name, host in self._hosts.items()}

    def undo(self) -> dict[str, Any]:
        """After a snapshot: what a `withdrawal` would go back to, as JSON values."""
        return {name: host.undo() for name, host in self._hosts.items()}

    def generations(self) -> dict[str, Any]:
        """After a snapshot: what decides when memory is full, and what is given up then, as JSON values."""
        return {name: generations for name, host in self._hosts.items() if (generations := host.generations())}

    def restore(
        self,
        snapshot: Mapping[str, Any],
        newest: int,
        lasting: Mapping[str, Any] | None = None,
        undo: Mapping[str, Any] = MappingProxyType({}),
        generations: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Go on from a snapshot, and from `undo` and `generations` if they were taken with it. A snapshot that a warm start led to
        also takes what `lasting` said when that was the state."""
        for name, host in self._hosts.items():
            given = None if lasting is None else lasting.get(name, {})
            host.restore(snapshot.get(name, {}), newest, given, undo.get(name), generations.get(name))

    def lasting(self) -> dict[str, Any]:
        """What does not follow from the recent past, by detector and user, as JSON values (see `protocol.Lasting`). It is
        kept on disk, so it names no user but by a digest."""
        return {name: lasting for name, host in self._hosts.items() if (lasting := host.lasting())}

    @property
    def entries(self) -> int:
        """How many entries of users are in memory; one who is in both generations has two."""
        return sum(host.entries for host in self._hosts.values())

    @property
    def capacity(self) -> int:
        """How many there may be."""
        return sum(2 * host.most for host in self._hosts.values())

    def shrink(self) -> None:
        """Give up the older generation; the younger one is the older one then."""
        for host in self._hosts.values():
            host.shrink()

    @property
    def size(self) -> int:
        """How many users are in memory, summed over the detectors."""
        return sum(host.size for host in self._hosts.values())
