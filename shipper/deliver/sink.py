"""What a sink is: it takes numbered batches and says later which of them are delivered.

A sink does not retry and does not decide what a failure means for the log; `delivery` does, in one
place and for all sinks alike. There are three ways for a batch to end, and no fourth:

    delivered   a `Receipt` without refusals
    refused     a `Receipt` (or `TransactionRefused`) that names the records the other side will never
                take: too large, invalid
    not yet     `SinkDown`: nothing that is in flight counts; it is abandoned and all of it sent again
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Batch(NamedTuple):
    """Some events on their way out, in the order of the log.

    Attributes:
        number: 1, 2, 3 ...; a batch that is sent again keeps its number.
        payload: lines of output, each with its LF. For Kafka one line is one record.
        events: how many events these are (`elastic-bulk` writes two lines for one).
        places: what to store together with the batch where the sink can do so in one transaction: key
            and value of each place that moved, None to forget one (see `checkpoint`).
        whole: False where the events of one read go on in the next batch: the places do not cover all
            that was sent, so a transaction must not end here.
    """

    number: int
    payload: bytes
    events: int
    places: tuple[tuple[bytes, bytes | None], ...] = ()
    whole: bool = True


class Refusal(NamedTuple):
    """A record that the other side will never take. `reason` is one sentence."""

    line: bytes
    reason: str


class Receipt(NamedTuple):
    """A batch is done: every record of it is delivered, but for those refused."""

    number: int
    refused: tuple[Refusal, ...] = ()


class SinkDown(Exception):  # noqa: N818  a state of the other side, not a mistake
    """The other side cannot be reached or does not accept anything now. One sentence, without secrets."""


class TransactionRefused(SinkDown):
    """A sink with transactions met records that the other side will never take, and gave the transaction up.

    It is sent again without them, once they are kept elsewhere: a commit whose end is not seen must
    not hide that something was left out.
    """

    def __init__(self, refused: Mapping[int, tuple[Refusal, ...]]) -> None:
        """`refused` by the number of the batch."""
        super().__init__("records were refused")
        self.refused = refused


class Sink(Protocol):
    """The other side, as one thread sees it. No method blocks longer than it says."""

    name: str
    """As logs and metrics call it: `stdout`, `file`, `kafka`."""

    in_flight: int
    """How many batches may be sent and not yet reported. The rest of a read whose first part was taken
    (see `Batch.whole`) comes all the same."""

    def open(self) -> Mapping[bytes, bytes]:
        """Get ready, at the start and again after `SinkDown`; blocks for seconds at most.

        Returns:
            The places stored in the sink, if it stores them (exactly once); else nothing.

        Raises:
            SinkDown: not reachable now; it is worth trying again.
        """

    def verify(self) -> str | None:
        """After `open`: why the other side would not take events, as far as it says so without being sent any.

        Returns:
            One sentence, or None.

        Raises:
            SinkDown: as the class says.
        """

    def send(self, batch: Batch) -> None:
        """Take a batch. Called in the order of numbers, with at most `in_flight` batches unreported.

        Raises:
            SinkDown: as the class says; also for batches taken before.
        """

    def poll(self, timeout: float) -> list[Receipt]:
        """What has been delivered since the last call, waiting up to `timeout` seconds for the first news.

        Raises:
            SinkDown: as the class says.
            TransactionRefused: likewise, for a reason of its own.
        """

    def flush(self) -> None:
        """Nothing follows for now: do not hold anything back for a fuller transaction. Does not wait."""

    def abandon(self) -> None:
        """Drop the connection and all that is in flight, whatever became of it. Never raises."""

    def close(self, timeout: float) -> None:
        """The end, after the last receipt; never raises, and takes `timeout` seconds at most."""
