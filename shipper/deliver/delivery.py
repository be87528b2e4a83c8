"""Delivery: hands batches to the sink until they are delivered. Core; time and chance are passed in.

All retry policy is here. A sink that is down is opened again after a pause that doubles up to a
limit, with jitter, for ever; whatever was in flight is then sent again, in order and under the same
numbers. Events that the other side will never take go to the dead letters first, and only then count
as done.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from shipper.deliver.sink import BATCH_KEY, Batch, Receipt, Refusal, Sink, SinkDown, TransactionRefused
from shipper.model import Block
from shipper.times import SECOND

FIRST_PAUSE = SECOND // 4
LONGEST_PAUSE = 30 * SECOND


class DeadLetters(Protocol):
    """Where refused events are kept."""

    def add(self, refusals: tuple[Refusal, ...]) -> None:
        """Keep them; they are safe when this returns.

        Raises:
            OSError, SinkDown: not kept.
        """


class Watcher(Protocol):
    """Told about changes of state, each once."""

    def down(self, reason: str) -> None:
        """The sink does not accept anything."""

    def up(self) -> None:
        """The sink accepts again, or for the first time."""

    def refused(self, refusals: tuple[Refusal, ...]) -> None:
        """Events went to the dead letters."""


class Delivery:
    """Outstanding batches of one sink."""

    def __init__(
        self,
        sink: Sink,
        dead_letters: DeadLetters,
        watcher: Watcher,
        *,
        run: str,
        now: Callable[[], int],
        random: Callable[[], float],
    ) -> None:
        """
        Args:
            sink: the other side.
            dead_letters: keeps the events that the sink refuses.
            watcher: is told of changes.
            run: identifies this process among all that ever wrote to the sink.
            now: nanoseconds of a monotonic clock.
            random: 0 to 1, for the jitter.
        """
        self.sink = sink
        self._dead_letters = dead_letters
        self._watcher = watcher
        self._run = run
        self._now = now
        self._random = random
        self._batches: OrderedDict[int, Batch] = OrderedDict()
        self._done_numbers: list[int] = []  # not yet returned by `turn`
        self._sent = 0  # the number of the last batch that the sink has got since it was opened
        self._number = 0
        self._pause = FIRST_PAUSE
        self._next_attempt = now()
        self._connected = False
        self.is_up = False
        self.reason = "not connected yet"
        self.retries = 0
        self.refused = 0
        self.stored: Mapping[bytes, bytes] = {}

    @property
    def accepts(self) -> bool:
        """True while another batch may be handed over; a sink that is down still gets its first few."""
        return len(self._batches) < self.sink.in_flight

    @property
    def awaits_receipts(self) -> bool:
        """True while `turn` can wait for receipts."""
        return self._connected and bool(self._batches)

    @property
    def connected(self) -> bool:
        """True between a successful `open` and the next failure."""
        return self._connected

    @property
    def outstanding(self) -> int:
        """Batches handed over and not done."""
        return len(self._batches)

    def hand_over(self, blocks: Sequence[Block], places: Mapping[bytes, bytes | None]) -> int:
        """Take a batch to deliver; returns its number. Call it only while `accepts`."""
        self._number += 1
        marked = {**places, BATCH_KEY: f"{self._run}:{self._number}".encode()}
        self._batches[self._number] = Batch(self._number, tuple(blocks), tuple(marked.items()))
        if self._connected:
            self._try(self._send_all)
        return self._number

    def turn(self, timeout: float) -> list[int]:
        """Connect if that is due, send, and collect receipts, for which it waits up to `timeout` seconds.

        Returns:
            The numbers of the batches that are done now.
        """
        if not self._connected and self._now() >= self._next_attempt:
            self._try(self._open)
        if self._connected:
            self._try(lambda: self._collect(timeout))
        done, self._done_numbers = self._done_numbers, []
        return done

    @property
    def wake(self) -> int | None:
        """When the next attempt to connect is due; None while connected."""
        return None if self._connected else self._next_attempt

    def flush(self) -> None:
        """Tell the sink that no batch follows for now."""
        if self._connected and self._batches:
            self._try(self.sink.flush)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except TransactionRefused as error:
            self._leave_out(error.refused)
        except SinkDown as error:
            self._fail(str(error))
        except OSError as error:
            # The dead letters cannot be kept: nothing may count as delivered until they can.
            self._fail(_cannot_keep(error))

    def _fail(self, reason: str) -> None:
        self.sink.abandon()
        self._sent = 0
        if self.is_up or reason != self.reason:
            self._watcher.down(reason)
        self._connected, self.is_up, self.reason = False, False, reason
        self._next_attempt = self._now() + round(self._pause * (0.5 + self._random() / 2))
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self.retries += 1

    def _leave_out(self, refused: Mapping[int, tuple[Refusal, ...]]) -> None:
        """Keep what a transaction could not take as dead letters, and have the rest sent again at once."""
        try:
            for number, refusals in refused.items():
                self._keep(refusals)
                self._batches[number] = self._batches[number].without({refusal.index for refusal in refusals})
        except (OSError, SinkDown) as error:
            self._fail(_cannot_keep(error) if isinstance(error, OSError) else str(error))
            return
        self.sink.abandon()
        self._sent, self._connected, self._next_attempt = 0, False, self._now()

    def _keep(self, refusals: tuple[Refusal, ...]) -> None:
        self._dead_letters.add(refusals)
        self.refused += len(refusals)
        self._watcher.refused(refusals)

    def _open(self) -> None:
        self.stored = self.sink.open()
        for number in self._committed():
            self._done(number)
        self._connected = True
        if not self._batches:
            self._mark_up()
        self._send_all()

    def _mark_up(self) -> None:
        """The sink counts as up once it has taken a batch, or while none is waiting; a connection alone proves little."""
        if not self.is_up:
            self.is_up, self.reason = True, ""
            self._watcher.up()

    def _committed(self) -> list[int]:
        """Batches whose transaction was committed although we did not see it succeed."""
        run, _, last = self.stored.get(BATCH_KEY, b"").decode("latin-1").rpartition(":")
        return [number for number in self._batches if run == self._run and number <= int(last)]

    def _send_all(self) -> None:
        for number, batch in list(self._batches.items()):
            if number > self._sent:
                self.sink.send(batch)
                self._sent = number

    def _collect(self, timeout: float) -> None:
        for receipt in self.sink.poll(timeout):
            self._receive(receipt)

    def _receive(self, receipt: Receipt) -> None:
        if receipt.refused:
            self._keep(receipt.refused)
        self._pause = FIRST_PAUSE  # the next failure starts with a short pause
        self._mark_up()
        self._done(receipt.number)

    def _done(self, number: int) -> None:
        del self._batches[number]
        self._done_numbers.append(number)


def _cannot_keep(error: OSError) -> str:
    return f"cannot keep dead letters: {error.strerror or error}"
