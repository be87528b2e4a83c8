"""Kafka as a sink: what is the same whichever client does the talking. I/O through the client.

Without transactions: batches go out as they come, each is done when all its records are
acknowledged by all in-sync replicas. With `exactly_once`: events and places go into one transaction,
and several batches share one, because committing takes its time; a batch is done when its
transaction is committed.

A broker refuses a whole request for one record that is too large, and kafka-python then gives the
same answer to everything that follows. So after a refusal all is sent again one record at a time
(`_careful`), and only what is refused alone counts as refused.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping

from shipper.deliver.kafka.causes import lacking, topics
from shipper.deliver.kafka.client import Client, KafkaOptions, Pending
from shipper.deliver.kafka.fast_records import FastRecords
from shipper.deliver.kafka.records import Record, Records
from shipper.deliver.sink import Batch, Receipt, SinkDown, TransactionRefused

TRANSACTION_BATCHES = 4  # each one more is 5 MiB of memory with kafka-python
TRANSACTION_SECONDS = 1.0


class KafkaSink:
    """Batches into a topic."""

    name = "kafka"

    def __init__(self, options: KafkaOptions, client: Callable[[KafkaOptions], Client]) -> None:
        self._options = options
        self._make = client
        general = Records(options.topic, options.alert_topic)
        self._records = general if options.exact_keys else FastRecords(general)
        self._mine = f"{options.transactional_id}/".encode()  # shippers may share a state topic
        self._client: Client | None = None
        self._pending: deque[Pending] = deque()
        self._in_transaction = False
        self._committing = 0  # batches of the transaction whose commit is under way
        self._since = 0.0
        self._flush = False
        self._careful = self._settled = False  # sending one at a time; what was doubtful is done
        self._queue: deque[tuple[Pending, Record]] = deque()  # when careful, what was not sent yet
        self._single: Pending | None = None  # when careful, the one that was
        self.in_flight = TRANSACTION_BATCHES + 2 if options.exactly_once else 4

    def open(self) -> Mapping[bytes, bytes]:
        """Connect; with exactly_once also take over the transactional id and read the places.

        Raises:
            SinkDown: the broker cannot be reached, or does not accept us.
        """
        self._client = self._make(self._options)
        self._client.connect()
        if not self._options.exactly_once:
            return {}
        # In this order: once the id is ours nobody else can commit places any more.
        stored = self._client.read_state(self._options.state_topic)
        return {key.removeprefix(self._mine): value for key, value in stored.items() if key.startswith(self._mine)}

    def verify(self) -> str | None:
        """Ask the broker for the topics and for our rights on them."""
        client = self._client
        assert client is not None
        return lacking(self._options, client.rights(topics(self._options)))

    def send(self, batch: Batch) -> None:
        """Hand a batch to the client."""
        if self._careful and not self._pending and self._settled:
            self._careful = False
        client = self._client
        assert client is not None
        if self._options.exactly_once and not self._in_transaction:
            client.begin()
            self._in_transaction, self._since = True, time.monotonic()
        records = self._records.of(batch.payload)
        pending = Pending(batch, len(records))
        self._flush = False
        self._pending.append(pending)
        if self._careful:
            self._queue.extend((pending, one) for one in records)
        else:
            client.send(pending, records)

    def poll(self, timeout: float) -> list[Receipt]:
        """Batches that are done."""
        if not self._pending:
            return []
        if self._careful:
            timeout = self._one_by_one(timeout)
        client = self._client
        assert client is not None
        first = self._pending[self._committing] if self._committing < len(self._pending) else None
        if not self._options.exactly_once:
            client.collect(first, timeout)
            return self._done()
        return self._transact(client, first, timeout)

    def _one_by_one(self, timeout: float) -> float:
        """Send records that wait, each when the one before is done; returns what is left of the time."""
        end = time.monotonic() + timeout
        while self._queue:
            pending, record = self._queue[0]
            assert self._client is not None
            if self._single is None:
                self._single = Pending(pending.batch, 1)
                self._client.send(self._single, [record])
            self._client.collect(self._single, max(0.0, end - time.monotonic()))
            if self._single.failed:
                raise SinkDown(self._single.failed)
            if self._single.left:
                return 0.0
            self._queue.popleft()
            pending.left -= 1
            refused, self._single = self._single.refused, None
            pending.refused += refused
            if refused and self._options.exactly_once:
                return 0.0  # the transaction is given up as a whole
            if refused:
                self._client.close(0.0)
                self._client = self._make(self._options)
                self._client.connect()
        return max(0.0, end - time.monotonic())

    def _look_closer(self) -> None:
        """Has a request failed? And was it refused: then everything is sent again, record by record."""
        if any(pending.doubtful for pending in self._pending):
            self._careful, self._settled = True, False
            raise SinkDown("the broker refuses a request; its records are sent one at a time to see which it means")
        for pending in self._pending:
            if pending.failed:
                raise SinkDown(pending.failed)

    def _done(self) -> list[Receipt]:
        receipts = []
        self._look_closer()
        while self._pending and not self._pending[0].left:
            pending = self._pending.popleft()
            receipts.append(Receipt(pending.batch.number, tuple(pending.refused)))
            self._settled = True
        return receipts

    def _transact(self, client: Client, first: Pending | None, timeout: float) -> list[Receipt]:
        if self._committing:
            if not self._committed(client, timeout):
                return []
            done = [self._pending.popleft() for _ in range(self._committing)]
            self._committing, self._in_transaction = 0, False
            self._settled = True
            return [Receipt(pending.batch.number) for pending in done]
        client.collect(first, 0.0)
        self._look_closer()
        refused = {one.batch.number: tuple(one.refused) for one in self._pending if one.refused}
        if refused:
            raise TransactionRefused(refused)
        if self._is_time_to_commit():
            self._commit(client)
        else:
            client.collect(first, min(timeout, 0.05))
        return []

    def _committed(self, client: Client, timeout: float) -> bool:
        """True once the commit is done. What the broker refuses of it shows itself in the records' own answers."""
        try:
            done = client.committed(timeout)
        except SinkDown:
            client.collect(None, 0.0)
            self._look_closer()
            raise
        if not done:
            client.collect(None, 0.0)
            self._look_closer()
        return done

    def _is_time_to_commit(self) -> bool:
        if self._queue or not self._pending[-1].batch.whole:
            return False
        full = len(self._pending) >= TRANSACTION_BATCHES
        return self._flush or full or time.monotonic() - self._since >= TRANSACTION_SECONDS

    def _commit(self, client: Client) -> None:
        """Put the places behind the events, and commit both."""
        places: dict[bytes, bytes | None] = {}
        for pending in self._pending:
            places.update(pending.batch.places)
        topic, mine = self._options.state_topic, self._mine
        state: list[Record] = [(topic, mine + key, value, []) for key, value in places.items()]  # type: ignore[misc]
        last = self._pending[-1]
        last.left += len(state)
        client.send(last, state)
        self._committing = len(self._pending)
        client.commit()

    def flush(self) -> None:
        """Commit what there is."""
        self._flush = True

    def abandon(self) -> None:
        """Drop the connection; a transaction that was begun is aborted by the next one with our id."""
        self._pending.clear()
        self._queue.clear()
        self._single = None
        self._in_transaction, self._committing = False, 0
        client, self._client = self._client, None
        if client is not None:
            client.close(0.0)

    def close(self, timeout: float) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client is not None:
            client.close(timeout)
