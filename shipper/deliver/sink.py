"""The sink interface: a sink takes numbered batches and later reports which are delivered.

A sink neither retries nor decides what a failure means for the log; `delivery` does both, in one
place for all sinks. A batch ends in one of three ways:

    delivered   a `Receipt` without refusals
    refused     a `Receipt` (or `TransactionRefused`) that names the events the destination will never
                take: too large, invalid
    not yet     `SinkDown`: all batches in flight are abandoned and sent again
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

from shipper.model import Block, Label

BATCH_KEY = b"batch"  # the key, in the places of a transaction, of RUN:NUMBER of its last batch


@dataclass(frozen=True, slots=True)
class Refusal:
    """An event that the destination will never take.

    Attributes:
        index: its index in the batch, from 0.
        label: its label.
        line: the event as sent, without its line end.
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
        places: positions to store in the same transaction as the events, if the sink has
            transactions: key and value of each position that moved, or None to delete the key (see
            `checkpoint`). They cover exactly the events up to the end of this batch.
    """

    number: int
    blocks: tuple[Block, ...]
    places: tuple[tuple[bytes, bytes | None], ...] = ()

    @property
    def events(self) -> int:
        """The number of events in the batch."""
        return sum(len(block.ends) for block in self.blocks)

    @property
    def data(self) -> bytes:
        """The bytes of all events, each with its line end."""
        return b"".join(block.data for block in self.blocks)

    def lines(self) -> list[bytes]:
        """Each event without its line end."""
        return [line for block in self.blocks for line in _lines(block)]

    def refusals(self, reasons: Mapping[int, str]) -> tuple[Refusal, ...]:
        """The refusals of some events; `reasons` maps the index of an event to the reason."""
        if not reasons:
            return ()
        lines, labels = self.lines(), [label for block in self.blocks for label in block.labels]
        return tuple(Refusal(index, labels[index], lines[index], reasons[index]) for index in sorted(reasons))

    def without(self, unwanted: Collection[int]) -> "Batch":
        """A copy of the batch without the events at the `unwanted` indexes."""
        blocks: list[Block] = []
        first = 0
        for block in self.blocks:
            kept = [index for index in range(len(block.ends)) if first + index not in unwanted]
            first += len(block.ends)
            lines = _lines(block)
            blocks.append(joined((lines[index], block.labels[index]) for index in kept))
        return self._replace(blocks=tuple(blocks))


def joined(events: Iterable[tuple[bytes, Label]]) -> Block:
    """Join single events, given without their line ends, into a block."""
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
    """A batch is done: all its events are delivered except the refused ones."""

    number: int
    refused: tuple[Refusal, ...] = ()


class SinkDown(Exception):
    """The destination is unreachable or accepts nothing now. The message is one sentence, without secrets."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        """`pause`: the minimum wait, in seconds, that the destination asks for before the next attempt."""
        super().__init__(reason)
        self.pause = pause


class TransactionRefused(SinkDown):
    """A transaction was abandoned because the destination will never take some of its events.

    The refused events are kept elsewhere first; then the rest is sent again in a new transaction.
    Committing the rest at once would be wrong: if the shipper died before it saw the commit succeed,
    the next run would take the refused events for delivered.
    """

    def __init__(self, refused: Mapping[int, tuple[Refusal, ...]]) -> None:
        """`refused` maps the number of a batch to its refusals."""
        super().__init__("records were refused")
        self.refused = refused


class Sink(Protocol):
    """A destination, used from one thread. No method blocks longer than its docstring says."""

    name: str
    """The name in logs and metrics: the `output.type`."""

    in_flight: int
    """The maximum number of batches that are sent and not yet reported."""

    def open(self) -> Mapping[bytes, bytes]:
        """Connect, at the start and again after `SinkDown`; blocks for seconds at most.

        Returns:
            The positions stored in the sink if it stores them (exactly once); otherwise an empty mapping.

        Raises:
            SinkDown: not reachable now; a later attempt may succeed.
        """

    def verify(self) -> str | None:
        """Return why the sink would reject events, as far as it can tell without receiving any; else None.

        Needs no `open`, and takes nothing over from a running shipper.

        Raises:
            SinkDown: not reachable now.
        """

    def send(self, batch: Batch) -> None:
        """Take a batch. Called in the order of batch numbers, with fewer than `in_flight` batches unreported.

        Raises:
            SinkDown: neither this batch nor the unreported earlier ones can be delivered now.
        """

    def poll(self, timeout: float) -> list[Receipt]:
        """Return receipts for the batches done since the last call; wait up to `timeout` seconds for the first.

        Raises:
            SinkDown: no unreported batch counts as delivered.
            TransactionRefused: likewise, until the refused events are left out.
        """

    def flush(self) -> None:
        """Announce that no batch follows for now: the sink commits without waiting for more. Does not block."""

    def abandon(self) -> None:
        """Drop the connection and all batches in flight. Never raises."""

    def close(self, timeout: float) -> None:
        """Close for good, after the last receipt, within `timeout` seconds. Never raises."""
