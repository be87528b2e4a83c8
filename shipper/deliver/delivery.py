"""Delivery: hands batches to the sink until they are delivered. Core; time and randomness are passed in.

All retry policy is here. A sink that is down is reopened, without end, after a pause that doubles up
to a limit, with jitter; all batches in flight are then sent again, in order and under the same
numbers. Events that the destination will never take go to the dead letters first, and only then count
as done. If dead letters cannot be kept, only they are retried: acknowledged events are not sent again, and
later batches go on.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from shipper.deliver.sink import BATCH_KEY, Batch, Receipt, Refusal, Sink, SinkDown, TransactionRefused
from shipper.model import Block
from shipper.times import SECOND

FIRST_PAUSE = SECOND // 4
LONGEST_PAUSE = 30 * SECOND
LONGEST_ASKED = 600 * SECOND  # the longest pause that a server may ask for
MOST_UNKEPT = 64  # maximum number of batches whose dead letters wait in memory
MOST_BEHIND = 10_000  # maximum number of batches after the first of these; their positions wait as well


class DeadLetters(Protocol):
    """The store of refused events."""

    def add(self, refusals: tuple[Refusal, ...]) -> None:
        """Keep refused events; they are safe when this returns.

        Raises:
            OSError, SinkDown: the events are not kept.
        """


class Watcher(Protocol):
    """Receives each change of state once."""

    def down(self, reason: str) -> None:
        """The sink accepts nothing."""

    def up(self) -> None:
        """The sink accepts again, or for the first time."""

    def refused(self, refusals: tuple[Refusal, ...]) -> None:
        """Events went to the dead letters."""

    def unkept(self, reason: str | None) -> None:
        """Dead letters cannot be kept for now; None: they can be kept again."""


class Delivery:
    """The outstanding batches of one sink."""

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
            sink: the destination.
            dead_letters: keeps the events that the sink refuses.
            watcher: receives changes of state.
            run: identifies this process among all that ever wrote to the sink.
            now: nanoseconds of a monotonic clock.
            random: 0 to 1, for the jitter.
        """
        self.sink = sink
        self._dead_letters = dead_letters
        self._watcher = watcher
        self._run = run
        self._now = now
        self._batches: OrderedDict[int, Batch] = OrderedDict()
        self._unkept: OrderedDict[int, tuple[Refusal, ...]] = OrderedDict()  # refusals of batches that are otherwise delivered
        self._letters = Backoff(now, random)
        self._done_numbers: list[int] = []  # not yet returned by `turn`
        self._sent = 0  # the number of the last batch sent since the sink was opened
        self._number = 0
        self._attempts = Backoff(now, random)
        self._connected = False
        self.is_up = False
        self.reason = "not connected yet"
        self.retries = 0
        self.refused = 0
        self.stored: Mapping[bytes, bytes] = {}

    @property
    def accepts(self) -> bool:
        """True while another batch may be handed over; even a sink that is down gets `in_flight` batches."""
        if self._unkept and (len(self._unkept) >= MOST_UNKEPT or self._number - next(iter(self._unkept)) >= MOST_BEHIND):
            return False
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
        """The number of batches handed over and not done."""
        return len(self._batches) + len(self._unkept)

    def hand_over(self, blocks: Sequence[Block], places: Mapping[bytes, bytes | None]) -> int:
        """Take a batch to deliver; return its number. Call only while `accepts` is true."""
        self._number += 1
        marked = {**places, BATCH_KEY: f"{self._run}:{self._number}".encode()}
        self._batches[self._number] = Batch(self._number, tuple(blocks), tuple(marked.items()))
        if self._connected:
            self._try(self._send_all)
        return self._number

    def turn(self, timeout: float) -> list[int]:
        """Connect if due, send, and collect receipts, waiting up to `timeout` seconds for them.

        Returns:
            The numbers of the batches done since the last call.
        """
        if not self._connected and self._attempts.due:
            self._try(self._open)
        if self._connected:
            self._try(lambda: self._collect(timeout))
        if self._unkept and self._letters.due:
            self._keep_letters()
        done, self._done_numbers = self._done_numbers, []
        return done

    @property
    def wake(self) -> int | None:
        """When the next attempt to connect or to keep dead letters is due; None if there is none."""
        times = ([] if self._connected else [self._attempts.next]) + ([self._letters.next] if self._unkept else [])
        return min(times, default=None)

    def flush(self) -> None:
        """Announce to the sink that no batch follows for now."""
        if self._connected and self._batches:
            self._try(self.sink.flush)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except TransactionRefused as error:
            self._leave_out(error.refused)
        except SinkDown as error:
            self._fail(str(error), error.pause)

    def _fail(self, reason: str, pause: float = 0.0) -> None:
        self.sink.abandon()
        self._sent = 0
        if self.is_up or reason != self.reason:
            self._watcher.down(reason)
        self._connected, self.is_up, self.reason = False, False, reason
        self._attempts.failed(round(min(pause * SECOND, LONGEST_ASKED)))
        self.retries += 1

    def _leave_out(self, refused: Mapping[int, tuple[Refusal, ...]]) -> None:
        """Keep the events that a transaction could not take as dead letters, and send the rest again at once."""
        try:
            for number, refusals in refused.items():
                self._keep(refusals)
                self._batches[number] = self._batches[number].without({refusal.index for refusal in refusals})
        except (OSError, SinkDown) as error:
            self._fail(_cannot_keep(error))
            return
        self.sink.abandon()
        self._sent, self._connected = 0, False
        self._attempts.at_once()

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
        """Report the sink as up. A connection alone proves little: call this after a receipt, or if no batch is waiting."""
        if not self.is_up:
            self.is_up, self.reason = True, ""
            self._watcher.up()

    def _committed(self) -> list[int]:
        """The batches whose transaction was committed although we did not see it succeed."""
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
        self._attempts.succeeded()
        self._mark_up()
        if receipt.refused:
            del self._batches[receipt.number]
            self._unkept[receipt.number] = receipt.refused
            if len(self._unkept) == 1:
                self._keep_letters()
        else:
            self._done(receipt.number)

    def _keep_letters(self) -> None:
        """Keep the dead letters of batches that are otherwise delivered."""
        was_in_trouble = self._letters.failures > 0
        for number, refusals in list(self._unkept.items()):
            try:
                self._keep(refusals)
            except (OSError, SinkDown) as error:
                if not was_in_trouble:
                    self._watcher.unkept(_cannot_keep(error))
                self._letters.failed()
                return
            del self._unkept[number]
            self._done_numbers.append(number)
        self._letters.succeeded()
        if was_in_trouble:
            self._watcher.unkept(None)

    def _done(self, number: int) -> None:
        del self._batches[number]
        self._done_numbers.append(number)


class Backoff:
    """Schedules retries, after a pause that doubles up to a limit, with jitter."""

    def __init__(self, now: Callable[[], int], random: Callable[[], float]) -> None:
        """For `now` and `random` see `Delivery`."""
        self._now = now
        self._random = random
        self._pause = FIRST_PAUSE
        self.failures = 0
        self.next = now()

    @property
    def due(self) -> bool:
        """True if the next attempt is due."""
        return self._now() >= self.next

    def failed(self, least: int = 0) -> None:
        """Schedule the next attempt after a longer pause than last time, and at least `least` nanoseconds."""
        self.failures += 1
        self.next = self._now() + max(least, round(self._pause * (0.5 + self._random() / 2)))
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def at_once(self) -> None:
        """Make the next attempt due now."""
        self.next = self._now()

    def succeeded(self) -> None:
        """Reset: the next failure starts with a short pause."""
        self.failures, self._pause = 0, FIRST_PAUSE


def _cannot_keep(error: OSError | SinkDown) -> str:
    return f"cannot keep dead letters: {error.strerror or error}" if isinstance(error, OSError) else str(error)
