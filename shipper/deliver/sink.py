"""What a sink is: it takes numbered batches and reports later which of them are delivered.

A sink neither retries nor decides what a failure means for the log; `delivery` does that, in one
place for all sinks. A batch ends in one of three ways:

    delivered   a `Receipt` without refusals
    refused     a `Receipt` (or `TransactionRefused`) that names the events the other side will never
                take: too large, invalid
    not yet     `SinkDown`: whatever is in flight is abandoned and sent again
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

from shipper.model import Block, Label

BATCH_KEY = b"batch"  # among the places of a transaction: RUN:NUMBER of its last batch


@dataclass(frozen=True, slots=True)
class Refusal:
    """An event that the other side will never take.

    Attributes:
        index: which event of its batch, from 0.
        label: what is known of it.
        line: the event as it was sent, without its line end.
        reason: one sentence.
    """

    index: int
    label: Label
    line: bytes
    reason: str


class Batch(NamedTuple):
    """The events of one or more whole reads, in the order of the log.

    Attributes:
        number: 1, 2, 3 ...; a batch that is sent again keeps its number.
        blocks: the events.
        places: positions to store in the same transaction as the events, where the sink has
            transactions: key and value of each position that moved, None to forget it (see
            `checkpoint`). They cover exactly the events up to the end of this batch.
    """

    number: int
    blocks: tuple[Block, ...]
    places: tuple[tuple[bytes, bytes | None], ...] = ()

    @property
    def events(self) -> int:
        """How many events the batch holds."""
        return sum(len(block.ends) for block in self.blocks)

    @property
    def data(self) -> bytes:
        """The bytes of all events, each with its line end."""
        return b"".join(block.data for block in self.blocks)

    def lines(self) -> list[bytes]:
        """Each event without its line end."""
        return [line for block in self.blocks for line in _lines(block)]

    def refusals(self, reasons: Mapping[int, str]) -> tuple[Refusal, ...]:
        """Refusals of some of the events: `reasons` by index."""
        if not reasons:
            return ()
        lines, labels = self.lines(), [label for block in self.blocks for label in block.labels]
        return tuple(Refusal(index, labels[index], lines[index], reasons[index]) for index in sorted(reasons))

    def without(self, unwanted: Collection[int]) -> "Batch":
        """The batch without the events at these indexes."""
        blocks: list[Block] = []
        first = 0
        for block in self.blocks:
            kept = [index for index in range(len(block.ends)) if first + index not in unwanted]
            first += len(block.ends)
            lines = _lines(block)
            blocks.append(joined((lines[index], block.labels[index]) for index in kept))
        return self._replace(blocks=tuple(blocks))


def joined(events: Iterable[tuple[bytes, Label]]) -> Block:
    """A block of single events, given without their line ends."""
    parts: list[bytes] = []
    ends: list[int] = []
    labels: list[Label] = []
    end = 0
    for line, label in events:
        end += len(line) + 1
        parts += (line, b"\n")
        ends.append(end)
        labels.append(label)
    return Block(b"".join(parts), ends, labels)


def _lines(block: Block) -> list[bytes]:
    return [block.data[start : end - 1] for start, end in pairwise((0, *block.ends))]


class Receipt(NamedTuple):
    """A batch is done: all its events are delivered, except for those refused."""

    number: int
    refused: tuple[Refusal, ...] = ()


class SinkDown(Exception):
    """The other side cannot be reached or accepts nothing at the moment. One sentence, without secrets."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        """`pause`: for how many seconds, at least, it wants to be left alone."""
        super().__init__(reason)
        self.pause = pause


class TransactionRefused(SinkDown):
    """A transaction was given up because the other side will never take some of its events.

    The refused events are kept elsewhere first; then the rest is sent again in a new transaction.
    Committing the rest at once would not do: if the shipper did not live to see the commit succeed,
    the next run would take the refused events for delivered.
    """

    def __init__(self, refused: Mapping[int, tuple[Refusal, ...]]) -> None:
        """`refused` by the number of the batch."""
        super().__init__("records were refused")
        self.refused = refused


class Sink(Protocol):
    """The other side, as one thread sees it. No method blocks longer than it says."""

    name: str
    """As logs and metrics call it, which is its `output.type`."""

    in_flight: int
    """How many batches may be sent and not yet reported."""

    def open(self) -> Mapping[bytes, bytes]:
        """Get ready, at the start and again after `SinkDown`; blocks for seconds at most.

        Returns:
            The positions stored in the sink, if it stores them (exactly once); else nothing.

        Raises:
            SinkDown: not reachable now; worth trying again.
        """

    def verify(self) -> str | None:
        """Without `open`: the reason the sink would reject events, if it can tell without receiving any.

        It takes nothing over from a shipper that runs.

        Raises:
            SinkDown: not reachable now.
        """

    def send(self, batch: Batch) -> None:
        """Take a batch. Called in the order of numbers, with fewer than `in_flight` batches unreported.

        Raises:
            SinkDown: neither this batch nor those taken before can be delivered now.
        """

    def poll(self, timeout: float) -> list[Receipt]:
        """Report what was delivered since the last call, waiting up to `timeout` seconds for the first receipt.

        Raises:
            SinkDown: nothing that is unreported counts as delivered.
            TransactionRefused: likewise, until the refused events are left out.
        """

    def flush(self) -> None:
        """No batch follows for now: do not wait for more before committing. Does not block."""

    def abandon(self) -> None:
        """Drop the connection and whatever is in flight. Never raises."""

    def close(self, timeout: float) -> None:
        """Close for good, after the last receipt, within `timeout` seconds. Never raises."""
