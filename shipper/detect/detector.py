"""The host of the detectors in this process, for one component of a log, with its users in memory. Pure.

The results are the same as if `step` were called for every authentication on arrival. But most authentications
have nothing to do with any other, so they wait: `step` gets them, in order, when an authentication arrives that
may pair with them (see `Lull`). Most are forgotten before that.
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
            rules: the parameters of the detectors to run, by name.
            counts: kept up to date.
            memory: `pipeline.memory`, in bytes.
            kernel: completions come from the kernel.
        """
        self._counts = counts
        most = memory // MEMORY_OF_ONE
        new = partial(LocalDetector, counts=counts, most=most, kernel=kernel)
        self._hosts = {name: new(DETECTORS[name], rule) for name, rule in rules.items()}

    def __call__(self, completions: Sequence[CompletionFields]) -> list[Found]:
        """The findings of a chunk, in the order of the events that they follow."""
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
        """The state that can still change a result, by detector and user, as JSON values.

        It depends on the content of the log, not on how the log was read. `newest` is the newest event time.
        """
        return {name: host.snapshot(newest) for name, host in self._hosts.items()}

    def undo(self) -> dict[str, Any]:
        """The state that a `withdrawal` would go back to, as JSON values; call it after `snapshot`."""
        return {name: host.undo() for name, host in self._hosts.items()}

    def generations(self) -> dict[str, Any]:
        """What decides when memory is full and what is dropped then, as JSON values; call it after `snapshot`."""
        return {name: generations for name, host in self._hosts.items() if (generations := host.generations())}

    def restore(
        self,
        snapshot: Mapping[str, Any],
        newest: int,
        lasting: Mapping[str, Any] | None = None,
        undo: Mapping[str, Any] = MappingProxyType({}),
        generations: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Continue from a snapshot, and from `undo` and `generations` if they were taken with it. After a warm start, also
        pass what `lasting` returned for that state."""
        for name, host in self._hosts.items():
            given = None if lasting is None else lasting.get(name, {})
            host.restore(snapshot.get(name, {}), newest, given, undo.get(name), generations.get(name))

    def lasting(self) -> dict[str, Any]:
        """The state that does not follow from the recent past, by detector and user, as JSON values (see `protocol.Lasting`).
        It is stored on disk, so it names users only by digest."""
        return {name: lasting for name, host in self._hosts.items() if (lasting := host.lasting())}

    @property
    def entries(self) -> int:
        """The number of entries in memory; a user in both generations has two."""
        return sum(host.entries for host in self._hosts.values())

    @property
    def capacity(self) -> int:
        """The greatest number of entries."""
        return sum(2 * host.most for host in self._hosts.values())

    def shrink(self) -> None:
        """Drop the older generation; the younger one becomes the older one."""
        for host in self._hosts.values():
            host.shrink()

    @property
    def size(self) -> int:
        """The number of users in memory, summed over the detectors."""
        return sum(host.size for host in self._hosts.values())
