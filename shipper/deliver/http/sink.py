"""A sink whose other side answers each request: one thread sends, while the loop reads logs. I/O.

Batches go one after the other, in their order, over one connection. What a server means by its answers is the
matter of a `Courier`.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol

from shipper.deliver.sink import Batch, Receipt, SinkDown


class Courier(Protocol):
    """Speaks with one kind of server. One thread calls `deliver`, `confirmed` and `abandon`; the others may be called beside it."""

    in_flight: int
    """See `Sink`."""

    patience: float
    """Seconds between two calls of `confirmed` while a batch waits for it."""

    def reach(self) -> None:
        """See if the server is there, and lets us in; takes seconds at most.

        Raises:
            SinkDown: not now.
        """

    def verify(self) -> str | None:
        """See `Sink`."""

    def deliver(self, batch: Batch) -> Receipt | None:
        """Send a batch, and wait for the answer; None if it comes later, by `confirmed`.

        Raises:
            SinkDown: it is to be sent again.
        """

    def confirmed(self) -> list[Receipt]:
        """Ask for the batches whose answers come later.

        Raises:
            SinkDown: they are to be sent again.
        """

    def abandon(self) -> None:
        """Forget what waits, and drop the connection."""


class _Order(NamedTuple):
    """What the thread is to do.

    Attributes:
        attempt: what belongs to an earlier one is dropped.
        batch: to send; None: forget all that waits.
    """

    attempt: int
    batch: Batch | None


class HttpSink:
    """Gives batches to a courier in a thread of its own, which never keeps the process from ending."""

    def __init__(self, name: str, courier: Courier) -> None:
        """`name` is that of `output.type`."""
        self.name = name
        self.in_flight = courier.in_flight
        self._courier = courier
        self._orders: SimpleQueue[_Order | None] = SimpleQueue()
        self._outcomes: SimpleQueue[tuple[int, Receipt | SinkDown]] = SimpleQueue()  # of which attempt, and what came of it
        self._attempt = 0
        self._unreported = 0
        self._thread: threading.Thread | None = None

    def open(self) -> Mapping[bytes, bytes]:
        """Nothing is stored on the other side."""
        self._courier.reach()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self.name, daemon=True)
            self._thread.start()
        return {}

    def verify(self) -> str | None:
        return self._courier.verify()

    def send(self, batch: Batch) -> None:
        self._unreported += 1
        self._orders.put(_Order(self._attempt, batch))

    def poll(self, timeout: float) -> list[Receipt]:
        receipts: list[Receipt] = []
        end = time.monotonic() + timeout
        while self._unreported:
            try:
                attempt, outcome = self._outcomes.get(timeout=0 if receipts else max(0.0, end - time.monotonic()))
            except Empty:
                break
            if attempt != self._attempt:
                continue
            if isinstance(outcome, Receipt):
                self._unreported -= 1
                receipts.append(outcome)
            elif receipts:  # they count; the failure, the last outcome of its attempt, is told by the next call
                self._outcomes.put((attempt, outcome))
                break
            else:
                raise outcome
        return receipts

    def flush(self) -> None:
        """Nothing is held back."""

    def abandon(self) -> None:
        self._attempt += 1
        self._unreported = 0
        self._orders.put(_Order(self._attempt, None))

    def close(self, timeout: float) -> None:
        """The thread ends with the request that it waits for; the process need not wait for it."""
        self.abandon()
        if self._thread is not None:
            self._orders.put(None)
            self._thread.join(timeout)
            self._thread = None

    def _work(self) -> None:
        line = _Line(self._courier)
        while True:
            try:
                order = self._orders.get(timeout=line.pause)
            except Empty:
                outcomes = line.confirm()
            else:
                if order is None:
                    self._courier.abandon()
                    return
                if order.batch is None:
                    line.begin(order.attempt)
                    continue
                outcomes = line.deliver(order.batch) if order.attempt == self._attempt else []
            for outcome in outcomes:
                self._outcomes.put((line.attempt, outcome))


class _Line:
    """What the thread knows of the attempt that goes on."""

    def __init__(self, courier: Courier) -> None:
        self.attempt = 0
        self._courier = courier
        self._works = True
        self._waiting = 0  # batches whose answers come later
        self._due = 0.0  # when to ask for these

    @property
    def pause(self) -> float | None:
        """Seconds until answers are to be asked for; None for no need to."""
        return max(0.0, self._due - time.monotonic()) if self._works and self._waiting else None

    def begin(self, attempt: int) -> None:
        """Forget the attempt before."""
        self._courier.abandon()
        self.attempt, self._works, self._waiting = attempt, True, 0

    def deliver(self, batch: Batch) -> Sequence[Receipt | SinkDown]:
        """What came of a batch so far; nothing for those behind a failure."""
        if not self._works:
            return []
        try:
            receipt = self._courier.deliver(batch)
        except Exception as error:
            return self._failed(error)
        if receipt is not None:
            return [receipt]
        if not self._waiting:
            self._due = time.monotonic() + self._courier.patience
        self._waiting += 1
        return self.confirm() if self.pause == 0 else []

    def confirm(self) -> Sequence[Receipt | SinkDown]:
        """What came of those that wait."""
        self._due = time.monotonic() + self._courier.patience
        try:
            receipts = self._courier.confirmed()
        except Exception as error:
            return self._failed(error)
        self._waiting -= len(receipts)
        return receipts

    def _failed(self, error: Exception) -> Sequence[SinkDown]:
        """A fault of ours is told and tried again as well: a thread that ends would hang the output without a word."""
        self._works = False
        return [error if isinstance(error, SinkDown) else SinkDown(f"an unexpected answer ({type(error).__name__}: {error})")]
