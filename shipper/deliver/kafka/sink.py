"""The Kafka sink: the part that does not depend on the client. I/O through the client.

Without transactions, batches are sent as they come, and each is done when all in-sync replicas have
acknowledged all its records. With `exactly_once`, events and positions go into one transaction, which
several batches share because a commit is slow; a batch is done when its transaction is committed.
A shipper that reopens the sink reads the state topic first: if another shipper has taken over the
transactional id, the first one ends and does not disturb the other.

A broker rejects a whole request for one record that is too large, and kafka-python then gives the
same answer for all later records. So after a rejection all records are sent again one at a time
(`_careful`), and only records that are refused on their own count as refused.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from shipper.deliver.kafka.causes import lacking, topics
from shipper.deliver.kafka.client import Client, Fenced, KafkaOptions, Pending
from shipper.deliver.kafka.records import Record, Records
from shipper.deliver.kafka.state_topic import StateTopic
from shipper.deliver.sink import BATCH_KEY, Batch, Receipt, SinkDown, TransactionRefused

TRANSACTION_BATCHES = 4  # each further batch takes 5 MiB of memory with kafka-python
TRANSACTION_SECONDS = 1.0
COMMIT_SECONDS = 30.0  # then we retry: kafka-python waits forever if it is fenced at the wrong moment
MARK_SECONDS = 20.0  # for the transaction that marks the id as ours


class _Sent(NamedTuple):
    """A batch that is not done, and the state of its records."""

    batch: Batch
    pending: Pending


@dataclass(frozen=True, slots=True)
class _Unsent:
    """A record that waits while records are sent one at a time."""

    pending: Pending
    index: int
    record: Record


class KafkaSink:
    """Sends batches to a topic."""

    name = "kafka"

    def __init__(self, options: KafkaOptions, client: Callable[[KafkaOptions], Client], *, run: str) -> None:
        """
        Args:
            options: where and how to send.
            client: makes an unconnected client.
            run: identifies this process among all that ever wrote to the state topic.
        """
        self._options = options
        self._make_client = client
        self._records = Records(options.topic, options.alert_topic)
        self._state = StateTopic(options, run)
        self._client: Client | None = None
        self._sent: deque[_Sent] = deque()
        self._late: list[Batch] = []  # batches that came during a commit, for the next transaction
        self._places = Pending(0)  # state of the transaction's position records
        self._in_transaction = False
        self._committing = False
        self._since = 0.0
        self._commit_by = 0.0
        self._flush = False
        self._careful = False
        self._progress = False  # a batch was done since `_careful` was set
        self._unsent: deque[_Unsent] = deque()
        self._single: Pending | None = None  # state of the first of `_unsent`, once it is sent
        self.in_flight = TRANSACTION_BATCHES + 2 if options.exactly_once else 4

    def open(self) -> Mapping[bytes, bytes]:
        """Connect; with `exactly_once` also take over the transactional id and read the positions.

        Raises:
            SinkDown: the broker cannot be reached, or refuses us.
            Fenced: another shipper has taken the transactional id over from us.
            UsageError: the state topic is not compacted.
        """
        client = self._client = self._make_client(self._options)
        client.connect()
        if not self._options.exactly_once:
            return {}
        self._state.require_fitness(client)
        if self._state.was_ours:
            self._state.read(client, ours=False)
        client.take_over()
        stored = self._state.read(client, ours=True)
        if not self._state.is_marked:
            self._leave_mark(client)
        return stored

    def _leave_mark(self, client: Client) -> None:
        """Commit a mark, so that the previous owner of the id sees that the id is now ours.

        The broker does not abort a transaction this young for its age. So a producer that is fenced here has met another
        shipper that is starting, and must not take the id over again.

        Raises:
            SinkDown: the mark cannot be written now.
            Fenced: another shipper has taken over.
        """
        key, value = self._state.mark
        pending = Pending(1)
        client.begin()
        client.send(pending, [(self._options.state_topic, key, value, [])])
        client.commit()
        end = time.monotonic() + MARK_SECONDS
        while not client.committed(0.1):
            client.collect(None, 0.0)
            if pending.fenced:
                raise Fenced(self._options.transactional_id)
            if pending.refusal or pending.failed or time.monotonic() > end:
                raise SinkDown(
                    f"{self._options.state_topic} does not take a record: {pending.refusal or pending.failed or 'no answer'}"
                )
        self._state.committed(value)

    def verify(self) -> str | None:
        client = self._make_client(replace(self._options, make_topics=False))
        try:
            client.connect()
            reason = lacking(self._options, client.rights(topics(self._options)))
            return self._state.unfit(client) if reason is None and self._options.exactly_once else reason
        finally:
            client.close(0.0)

    @property
    def _connection(self) -> Client:
        assert self._client is not None, "open comes first"
        return self._client

    def send(self, batch: Batch) -> None:
        self._flush = False
        if self._committing:
            self._late.append(batch)
        else:
            self._take(batch)

    def _take(self, batch: Batch) -> None:
        if self._careful and not self._sent and self._progress:
            self._careful = False
        if self._options.exactly_once and not self._in_transaction:
            self._connection.begin()
            self._in_transaction, self._since = True, time.monotonic()
        records = self._records.of(batch.blocks)
        pending = Pending(len(records))
        self._sent.append(_Sent(batch, pending))
        if self._careful:
            self._unsent.extend(_Unsent(pending, index, record) for index, record in enumerate(records))
        else:
            self._connection.send(pending, records)

    def poll(self, timeout: float) -> list[Receipt]:
        if not self._sent:
            return []
        if self._careful:
            timeout = self._send_singly(timeout)
        if self._options.exactly_once:
            return self._transact(timeout)
        self._connection.collect(self._sent[0].pending, timeout)
        return self._done()

    def _send_singly(self, timeout: float) -> float:
        """Send records one at a time, each after the previous one is done; return the time left."""
        end = time.monotonic() + timeout
        while self._unsent:
            unsent = self._unsent[0]
            if self._single is None:
                self._single = Pending(1)
                self._connection.send(self._single, [unsent.record])
            self._connection.collect(self._single, max(0.0, end - time.monotonic()))
            if self._single.failed:
                raise SinkDown(self._single.failed)
            if self._single.left:
                return 0.0
            self._unsent.popleft()
            unsent.pending.left -= 1
            refusal, self._single = self._single.refusal, None
            if refusal is None:
                continue
            unsent.pending.refused[unsent.index] = refusal
            if self._options.exactly_once:
                return 0.0  # the whole transaction is abandoned
            self._connection.close(0.0)
            self._client = self._make_client(self._options)
            self._client.connect()
        return max(0.0, end - time.monotonic())

    def _raise_failures(self) -> None:
        """Raise SinkDown if records failed. After a rejected request, records are sent one at a time."""
        all_pending = [sent.pending for sent in self._sent] + [self._places]
        rejected = next((pending.rejected for pending in all_pending if pending.rejected), None)
        if rejected and self._careful:
            raise SinkDown(f"{self._options.state_topic} does not take the positions: {rejected}")
        if rejected:
            self._careful, self._progress = True, False
            raise SinkDown("the broker refuses a request; its records are sent one at a time to see which it means")
        failed = next((pending.failed for pending in all_pending if pending.failed), None)
        if failed:
            raise SinkDown(failed)

    def _done(self) -> list[Receipt]:
        receipts = []
        self._raise_failures()
        while self._sent and not self._sent[0].pending.left:
            batch, pending = self._sent.popleft()
            receipts.append(Receipt(batch.number, batch.refusals(pending.refused)))
            self._progress = True
        return receipts

    def _transact(self, timeout: float) -> list[Receipt]:
        client = self._connection
        if self._committing:
            return self._after_commit() if self._committed(timeout) else []
        client.collect(None, 0.0)
        self._raise_failures()
        refused = {batch.number: batch.refusals(pending.refused) for batch, pending in self._sent if pending.refused}
        if refused:
            raise TransactionRefused(refused)
        unacknowledged = next((sent.pending for sent in self._sent if sent.pending.left), None)
        if unacknowledged is None and self._is_time_to_commit():
            self._commit()
        else:
            client.collect(unacknowledged, min(timeout, 0.05))
        return []

    def _after_commit(self) -> list[Receipt]:
        done, late = [sent.batch for sent in self._sent], self._late
        if mark := dict(done[-1].places).get(BATCH_KEY):
            self._state.committed(mark)
        self._sent.clear()
        self._late = []
        self._committing, self._in_transaction, self._progress = False, False, True
        for batch in late:
            self._take(batch)
        return [Receipt(batch.number) for batch in done]

    def _committed(self, timeout: float) -> bool:
        """True once the commit has succeeded. Only the answers to its records tell that the broker rejected some of them."""
        client = self._connection
        try:
            done = client.committed(timeout)
        except SinkDown:
            client.collect(None, 0.0)
            self._raise_failures()
            raise
        if not done:
            client.collect(None, 0.0)
            self._raise_failures()
            if time.monotonic() > self._commit_by:
                raise SinkDown(f"no answer to a commit within {COMMIT_SECONDS:g} s")
        return done

    def _is_time_to_commit(self) -> bool:
        if self._unsent:
            return False
        full = len(self._sent) >= TRANSACTION_BATCHES
        return self._flush or full or time.monotonic() - self._since >= TRANSACTION_SECONDS

    def _commit(self) -> None:
        """Send the positions, after all events are acknowledged (see `state_topic`), and start to commit both."""
        places: dict[bytes, bytes | None] = {}
        for batch, _ in self._sent:
            places.update(batch.places)
        topic, keyed = self._options.state_topic, self._state.keyed
        records: list[Record] = [(topic, keyed(key), value, []) for key, value in places.items()]
        self._places = Pending(len(records))
        self._connection.send(self._places, records)
        self._committing, self._commit_by = True, time.monotonic() + COMMIT_SECONDS
        self._connection.commit()

    def flush(self) -> None:
        self._flush = True

    def abandon(self) -> None:
        """Drop the connection; the next producer with our id aborts its transaction."""
        self._sent.clear()
        self._late.clear()
        self._unsent.clear()
        self._single, self._places = None, Pending(0)
        self._in_transaction, self._committing = False, False
        self.close(0.0)

    def close(self, timeout: float) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close(timeout)
