"""Acknowledgements: batches may complete in any order; positions are released in log order. Pure."""

from collections import OrderedDict
from typing import Generic, TypeVar

Advance = TypeVar("Advance")


class Acks(Generic[Advance]):
    """The batches that are sent and not yet released, by number."""

    def __init__(self) -> None:
        self._open: OrderedDict[int, tuple[list[Advance], bool]] = OrderedDict()

    def sent(self, number: int, advances: list[Advance]) -> None:
        """Record a batch as sent. Its `advances` are released once it and all earlier batches are done."""
        self._open[number] = (advances, False)

    def done(self, number: int) -> list[Advance]:
        """Record a batch as delivered; return the advances that no undelivered batch precedes any more."""
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
