"""The sink for servers that answer each request: a thread sends while the loop reads logs. I/O.

Batches are sent one at a time, in order, over one connection. A `Courier` interprets the answers of its kind of
server.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol

from shipper.deliver.sink import Batch, Receipt, SinkDown


class Courier(Protocol):
    """Talks to one kind of server. One thread calls `deliver`, `confirmed` and `abandon`; another may call the rest meanwhile."""

    in_flight: int
    """See `Sink`."""

    patience: float
    """Seconds between two calls of `confirmed` while a batch waits for it."""

    def reach(self) -> None:
        """Check that the server is reachable and lets us in; takes seconds at most.

        Raises:
            SinkDown: the server is unreachable or refuses us now.
        """

    def verify(self) -> str | None:
        """See `Sink`."""

    def deliver(self, batch: Batch) -> Receipt | None:
        """Send a batch and wait for the answer; None if the receipt comes later, from `confirmed`.

        Raises:
            SinkDown: the batch must be sent again.
        """

    def confirmed(self) -> list[Receipt]:
        """Ask for receipts of the batches still waiting for one.

        Raises:
            SinkDown: the waiting batches must be sent again.
        """

    def abandon(self) -> None:
        """Drop the waiting batches and the connection."""


class _Order(NamedTuple):
    """A task for the thread.

    Attributes:
        attempt: number of the attempt; orders of an earlier attempt are dropped.
        batch: the batch to send; None: begin this attempt and drop all waiting batches.
    """

    attempt: int
    batch: Batch | None


class HttpSink:
    """Passes batches to a courier on a daemon thread, which never keeps the process from ending."""

    def __init__(self, name: str, courier: Courier) -> None:
        """`name` is the `output.type`."""
        self.name = name
        self.in_flight = courier.in_flight
        self._courier = courier
        self._orders: SimpleQueue[_Order | None] = SimpleQueue()
        self._outcomes: SimpleQueue[tuple[int, Receipt | SinkDown]] = SimpleQueue()  # attempt and outcome
        self._attempt = 0
        self._unreported = 0
        self._thread: threading.Thread | None = None

    def open(self) -> Mapping[bytes, bytes]:
        """Check the server and start the thread. The server stores no positions."""
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
            elif receipts:  # receipts first; the next call raises the failure, the last outcome of its attempt
                self._outcomes.put((attempt, outcome))
                break
            else:
                raise outcome
        return receipts

    def flush(self) -> None:
        """Does nothing: no batch is held back."""

    def abandon(self) -> None:
        self._attempt += 1
        self._unreported = 0
        self._orders.put(_Order(self._attempt, None))

    def close(self, timeout: float) -> None:
        """End the thread, which first finishes its present request; wait at most `timeout` seconds for that."""
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
    """The thread's state of the present attempt."""

    def __init__(self, courier: Courier) -> None:
        self.attempt = 0
        self._courier = courier
        self._works = True
        self._waiting = 0  # batches that still wait for a receipt
        self._due = 0.0  # when to ask for their receipts

    @property
    def pause(self) -> float | None:
        """Seconds until it is time to ask for receipts; None if no batch waits for one."""
        return max(0.0, self._due - time.monotonic()) if self._works and self._waiting else None

    def begin(self, attempt: int) -> None:
        """Drop the previous attempt."""
        self._courier.abandon()
        self.attempt, self._works, self._waiting = attempt, True, 0

    def deliver(self, batch: Batch) -> Sequence[Receipt | SinkDown]:
        """Send a batch and return the outcomes known so far; after a failure, do nothing."""
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
        """Ask for receipts of the waiting batches, and return the outcomes."""
        self._due = time.monotonic() + self._courier.patience
        try:
            receipts = self._courier.confirmed()
        except Exception as error:
            return self._failed(error)
        self._waiting -= len(receipts)
        return receipts

    def _failed(self, error: Exception) -> Sequence[SinkDown]:
        """Report any failure, even a bug, as `SinkDown`, so that it is retried: a dead thread would stall output silently."""
        self._works = False
        return [error if isinstance(error, SinkDown) else SinkDown(f"an unexpected answer ({type(error).__name__}: {error})")]
