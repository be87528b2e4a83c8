"""Acknowledgements: batches end in any order, the place in the log moves over the gap-free prefix only. Pure."""

from collections import OrderedDict
from typing import Generic, TypeVar

Advance = TypeVar("Advance")


class Acks(Generic[Advance]):
    """Batches on their way, by number, in the order in which they were sent."""

    def __init__(self) -> None:
        self._open: OrderedDict[int, tuple[list[Advance], bool]] = OrderedDict()

    def sent(self, number: int, moves: list[Advance]) -> None:
        """A batch is on its way; `moves` is what its end allows to say."""
        self._open[number] = (moves, False)

    def done(self, number: int) -> list[Advance]:
        """A batch has ended; returns the moves of all batches before which, and at which, nothing is missing."""
        moves, _ = self._open[number]
        self._open[number] = (moves, True)
        released: list[Advance] = []
        while self._open:
            first, (moves, ended) = next(iter(self._open.items()))
            if not ended:
                break
            del self._open[first]
            released += moves
        return released

    def __len__(self) -> int:
        return len(self._open)
