"""Acknowledgements: batches may end in any order, positions are released in the order of the log. Pure."""

from collections import OrderedDict
from typing import Generic, TypeVar

Advance = TypeVar("Advance")


class Acks(Generic[Advance]):
    """Batches that were sent and are not yet released, by number."""

    def __init__(self) -> None:
        self._open: OrderedDict[int, tuple[list[Advance], bool]] = OrderedDict()

    def sent(self, number: int, advances: list[Advance]) -> None:
        """Record a batch as sent. `advances` are released once it and all earlier ones are done."""
        self._open[number] = (advances, False)

    def done(self, number: int) -> list[Advance]:
        """Record a batch as delivered; returns the advances that nothing undelivered precedes any more."""
        advances, _ = self._open[number]
        self._open[number] = (advances, True)
        released: list[Advance] = []
        while self._open:
            first, (advances, is_done) = next(iter(self._open.items()))
            if not is_done:
                break
            del self._open[first]
            released += advances
        return released

    def __len__(self) -> int:
        return len(self._open)
