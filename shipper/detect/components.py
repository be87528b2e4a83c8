"""The detectors of a log: a separate set for each component, since prompts belong to a component. Pure."""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from shipper.decode import compiled
from shipper.decode.clock import LogState
from shipper.detect.detector import Detectors
from shipper.detect.finding import Found
from shipper.model import CompletionFields

_COMPONENT, _POSITION = itemgetter(3), itemgetter(0)


class ComponentDetectors:
    """Gives each authentication to the detectors of its component."""

    def __init__(self, new: Callable[[], Detectors], log: LogState) -> None:
        """
        Args:
            new: makes the detectors of a component.
            log: the state of the log, with its components.
        """
        self._new = new
        self._log = log
        self._of: dict[str, Detectors] = {}

    def __call__(self, completions: Sequence[CompletionFields]) -> list[Found]:
        """The findings of a chunk, in the order of the events that they follow."""
        findings = self._found(completions)
        if len(self._of) > 1:
            self._bound()
        return findings

    def _found(self, completions: Sequence[CompletionFields]) -> list[Found]:
        only = completions.component if compiled.are_completions(completions) else None
        names = {only} if only is not None else set(map(_COMPONENT, completions))
        if len(names) == 1:
            return self._detectors(self._log.slot(names.pop()))(completions)
        parts: dict[str, list[CompletionFields]] = {}
        slots = {name: self._log.slot(name) for name in names}
        for completion in completions:
            parts.setdefault(slots[completion[3]], []).append(completion)
        findings = [finding for name, part in parts.items() for finding in self._detectors(name)(part)]
        return sorted(findings, key=_POSITION)

    def _bound(self) -> None:
        """Keep all components together within the limit of one: drop the older generation of the largest until they fit."""
        parts = self._of.values()
        while sum(detectors.entries for detectors in parts) > max(detectors.capacity for detectors in parts):
            max(parts, key=lambda detectors: detectors.entries).shrink()

    def _detectors(self, name: str) -> Detectors:
        detectors = self._of.get(name)
        if detectors is None:
            detectors = self._of[name] = self._new()
        return detectors

    def snapshot(self, newest: Mapping[str, int]) -> dict[str, Any]:
        """See `Detectors.snapshot`; by component, without empty ones. `newest`: the newest event time of each component."""
        snapshots = {name: detectors.snapshot(newest[name]) for name, detectors in self._of.items()}
        return {name: snapshot for name, snapshot in snapshots.items() if any(snapshot.values())}

    def generations(self) -> dict[str, Any]:
        """See `Detectors.generations`; by component."""
        return {name: generations for name, detectors in self._of.items() if (generations := detectors.generations())}

    def undo(self, ahead: Sequence[str]) -> dict[str, Any]:
        """See `Detectors.undo`; by component, for those whose last completion is `ahead` of their clock."""
        return {name: self._of[name].undo() for name in ahead if name in self._of}

    def restore(
        self,
        snapshot: Mapping[str, Any],
        newest: Mapping[str, int],
        lasting: Mapping[str, Any] | None,
        undo: Mapping[str, Any],
        generations: Mapping[str, Any],
    ) -> None:
        """See `Detectors.restore`; all by component."""
        self._of.clear()
        for name in snapshot.keys() | undo.keys() | generations.keys():
            given = None if lasting is None else lasting.get(name, {})
            parts = undo.get(name, {}), generations.get(name, {})
            self._detectors(name).restore(snapshot.get(name, {}), newest[name], given, *parts)

    def lasting(self) -> dict[str, Any]:
        """See `Detectors.lasting`; by component."""
        return {name: lasting for name, detectors in self._of.items() if (lasting := detectors.lasting())}

    @property
    def size(self) -> int:
        """The number of users in memory, summed over components and detectors."""
        return sum(detectors.size for detectors in self._of.values())
