"""Delivery: batches go to the sink until it has them, whatever happens there. Core; time and chance are given to it.

All retry policy is here. A sink that is down is opened again after a pause that doubles up to a
limit, with jitter, for ever; whatever was in flight is then sent again, in order, under the same
numbers. Records that the other side will never take go to the dead letters first, and only then
count as done.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Protocol

from shipper.deliver.sink import Batch, Receipt, Refusal, Sink, SinkDown, TransactionRefused
from shipper.times import SECOND

FIRST_PAUSE = SECOND // 4
LONGEST_PAUSE = 30 * SECOND
BATCH_KEY = b"batch"  # the number of the last batch of a transaction, among its places


class DeadLetters(Protocol):
    """Where refused records are kept."""

    def add(self, refusals: tuple[Refusal, ...]) -> None:
        """Keep them, safe when this returns.

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
        """Records went to the dead letters."""


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
            dead_letters: for records that it refuses.
            watcher: is told of changes.
            run: identifies this process among those that ever wrote to the sink.
            now: nanoseconds of a clock that only goes forward.
            random: 0 to 1, for the jitter.
        """
        self.sink = sink
        self._dead_letters = dead_letters
        self._watcher = watcher
        self._run = run
        self._now = now
        self._random = random
        self._batches: OrderedDict[int, Batch] = OrderedDict()
        self._receipts: list[int] = []
        self._sent = 0  # the number of the last batch that the sink has got since it was opened
        self._number = 0
        self._pause = FIRST_PAUSE
        self._again = now()
        self._connected = False
        self.is_up = False
        self.reason = "not connected yet"
        self.retries = 0
        self.refused = 0
        self.stored: Mapping[bytes, bytes] = {}

    @property
    def accepts(self) -> bool:
        """True while another batch may be handed over; a sink that is down still gets its first few."""
        if len(self._batches) < self.sink.in_flight:
            return True
        # The rest of a read always goes on: a transaction must not end before it.
        return not self._batches[self._number].whole if self._number in self._batches else False

    @property
    def awaits_rest(self) -> bool:
        """True if it takes nothing but the rest of a read whose first part it has."""
        return self.accepts and len(self._batches) >= self.sink.in_flight

    @property
    def expects_news(self) -> bool:
        """True while `turn` has something to wait for."""
        return self._connected and bool(self._batches)

    @property
    def connected(self) -> bool:
        """True between a successful `open` and the next failure."""
        return self._connected

    @property
    def outstanding(self) -> int:
        """Batches handed over and not done."""
        return len(self._batches)

    @property
    def events(self) -> int:
        """Events handed over and not done."""
        return sum(batch.events for batch in self._batches.values())

    def hand_over(self, payload: bytes, events: int, places: Mapping[bytes, bytes | None], *, whole: bool) -> int:
        """Take a batch to deliver; returns its number. Call it only while `accepts`."""
        self._number += 1
        marks = {**places, BATCH_KEY: f"{self._run}:{self._number}".encode()}
        self._batches[self._number] = Batch(self._number, payload, events, tuple(marks.items()), whole)
        if self._connected:
            self._try(self._send_all)
        return self._number

    def turn(self, timeout: float) -> list[int]:
        """One round: connect if it is time to, send, collect. Waits for news up to `timeout` seconds
        while it is connected; returns the numbers of the batches that are done now."""
        if not self._connected and self._now() >= self._again:
            self._try(self._open)
        if self._connected:
            self._try(lambda: self._collect(timeout))
        done, self._receipts = self._receipts, []
        return done

    @property
    def wake(self) -> int | None:
        """When the next attempt to connect is due; None while there is a connection."""
        return None if self._connected else self._again

    def flush(self) -> None:
        """Nothing follows for now."""
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
            # The dead letters cannot be kept: nothing may count as delivered before that works again.
            self._fail(_cannot_keep(error))

    def _fail(self, reason: str) -> None:
        self.sink.abandon()
        self._sent = 0
        if self.is_up or reason != self.reason:
            self._watcher.down(reason)
        self._connected, self.is_up, self.reason = False, False, reason
        self._again = self._now() + round(self._pause * (0.5 + self._random() / 2))
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self.retries += 1

    def _leave_out(self, refused: Mapping[int, tuple[Refusal, ...]]) -> None:
        """Keep what a transaction could not take, and have the rest sent again at once."""
        try:
            for number, refusals in refused.items():
                self._keep(refusals)
                self._batches[number] = _without(self._batches[number], refusals)
        except (OSError, SinkDown) as error:
            self._fail(_cannot_keep(error) if isinstance(error, OSError) else str(error))
            return
        self.sink.abandon()
        self._sent, self._connected, self._again = 0, False, self._now()

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
            self._works()
        self._send_all()

    def _works(self) -> None:
        """A connection alone does not count while something waits: it is up when it takes a batch."""
        if not self.is_up:
            self.is_up, self.reason = True, ""
            self._watcher.up()

    def _committed(self) -> list[int]:
        """Batches whose transaction was committed although its end was not seen."""
        run, _, number = self.stored.get(BATCH_KEY, b"").decode("latin-1").rpartition(":")
        return [one for one in self._batches if run == self._run and one <= int(number)]

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
        self._pause = FIRST_PAUSE  # the next trouble starts with a short pause
        self._works()
        self._done(receipt.number)

    def _done(self, number: int) -> None:
        del self._batches[number]
        self._receipts.append(number)


def _without(batch: Batch, refusals: tuple[Refusal, ...]) -> Batch:
    """The batch but for these lines."""
    unwanted = [refusal.line for refusal in refusals]
    kept = []
    for line in batch.payload.split(b"\n")[:-1]:
        if line in unwanted:
            unwanted.remove(line)
        else:
            kept.append(line)
    payload = b"\n".join([*kept, b""]) if kept else b""
    return batch._replace(payload=payload, events=batch.events - len(refusals))


def _cannot_keep(error: OSError) -> str:
    return f"cannot keep dead letters: {error.strerror or error}"
