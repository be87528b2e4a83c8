"""Kafka as a sink: what is the same whichever client does the talking. I/O through the client.

Without transactions: batches go out as they come, each is done when all its records are
acknowledged by all in-sync replicas. With `exactly_once`: events and places go into one transaction,
and several batches share one, because committing takes its time; a batch is done when its
transaction is committed.
"""

import secrets
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shipper.errors import RunError
from shipper.sinks.protocol import Batch, Receipt, Refusal, SinkDown, TransactionRefused
from shipper.sinks.records import Record, Records

TRANSACTION_BATCHES = 6
TRANSACTION_SECONDS = 1.0
MAX_RECORD = 16 << 20  # what a client lets pass; the topic's max.message.bytes decides


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """All that a client is told. `transactional_id` fences a forgotten twin; no secret is in its `repr`."""

    bootstrap_servers: tuple[str, ...]
    topic: str
    alert_topic: str | None = None
    dead_letter_topic: str | None = None
    exactly_once: bool = False
    state_topic: str = "mfa-shipper-state"
    transactional_id: str = "mfa-shipper"
    client: str = "kafka-python"
    client_id: str = "mfa-shipper"
    compression: str = "zstd"
    protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    exact_keys: bool = False


class Fenced(RunError):  # noqa: N818  what happened to us
    """Another producer with our transactional id has begun: a twin that runs at the same time."""


class Pending:
    """A batch on its way: the client counts `left` down, notes what is `refused` and why it `failed`."""

    __slots__ = ("batch", "failed", "left", "refused")

    def __init__(self, batch: Batch, records: int) -> None:
        self.batch = batch
        self.left = records
        self.refused: list[Refusal] = []
        self.failed: str | None = None


class Client(Protocol):
    """One connection to Kafka. Every method may raise `SinkDown`, and `Fenced` with transactions."""

    def connect(self) -> None:
        """Reach a broker, and begin the era of our transactional id; seconds at most."""

    def read_state(self, topic: str) -> dict[bytes, bytes]:
        """The committed records of a compacted topic, the last of each key."""

    def send(self, pending: Pending, records: list[Record]) -> None:
        """Hand records over."""

    def collect(self, first: Pending | None, timeout: float) -> None:
        """Let acknowledgements come in, waiting up to `timeout` seconds for those of `first`."""

    def begin(self) -> None:
        """Begin a transaction."""

    def commit(self) -> None:
        """Begin to commit; `committed` says when it is done."""

    def committed(self, timeout: float) -> bool:
        """True once the commit has ended well, waiting up to `timeout` seconds."""

    def close(self, timeout: float) -> None:
        """Drop the connection; never raises."""


class KafkaSink:
    """Batches into a topic."""

    name = "kafka"

    def __init__(self, options: KafkaOptions, client: "type[Client] | None" = None) -> None:
        self._options = options
        self._make = client or client_class(options.client)
        self._records = Records(options.topic, options.alert_topic, exact=options.exact_keys)
        self._client: Client | None = None
        self._pending: deque[Pending] = deque()
        self._in_transaction = False
        self._committing = 0  # batches of the transaction whose commit is under way
        self._since = 0.0
        self._flush = False
        self.in_flight = TRANSACTION_BATCHES + 2 if options.exactly_once else 4

    def open(self) -> Mapping[bytes, bytes]:
        """Connect; with exactly_once also take over the transactional id and read the places.

        Raises:
            SinkDown: the broker cannot be reached, or does not accept us.
        """
        self._client = self._make(self._options)  # type: ignore[call-arg]
        self._client.connect()
        if not self._options.exactly_once:
            return {}
        # In this order: once the id is ours nobody else can commit places any more.
        return self._client.read_state(self._options.state_topic)

    def send(self, batch: Batch) -> None:
        """Hand a batch to the client."""
        client = self._client
        assert client is not None
        if self._options.exactly_once and not self._in_transaction:
            client.begin()
            self._in_transaction, self._since = True, time.monotonic()
        record = self._records.record
        records = [record(line) for line in batch.payload.split(b"\n")[:-1]]
        pending = Pending(batch, len(records))
        self._flush = False
        self._pending.append(pending)
        client.send(pending, records)

    def poll(self, timeout: float) -> list[Receipt]:
        """Batches that are done."""
        client = self._client
        assert client is not None
        if not self._pending:
            return []
        first = self._pending[self._committing] if self._committing < len(self._pending) else None
        if not self._options.exactly_once:
            client.collect(first, timeout)
            return self._done()
        return self._transact(client, first, timeout)

    def _done(self) -> list[Receipt]:
        receipts = []
        for pending in self._pending:
            if pending.failed:
                raise SinkDown(pending.failed)
        while self._pending and not self._pending[0].left:
            pending = self._pending.popleft()
            receipts.append(Receipt(pending.batch.number, tuple(pending.refused)))
        return receipts

    def _transact(self, client: Client, first: Pending | None, timeout: float) -> list[Receipt]:
        if self._committing:
            if not client.committed(timeout):
                return []
            done = [self._pending.popleft() for _ in range(self._committing)]
            self._committing, self._in_transaction = 0, False
            return [Receipt(pending.batch.number) for pending in done]
        client.collect(first, 0.0)
        refused = {one.batch.number: tuple(one.refused) for one in self._pending if one.refused}
        if refused:
            raise TransactionRefused(refused)
        for pending in self._pending:
            if pending.failed:
                raise SinkDown(pending.failed)
        if self._is_time_to_commit():
            self._commit(client)
        else:
            client.collect(first, min(timeout, 0.05))
        return []

    def _is_time_to_commit(self) -> bool:
        if not self._pending[-1].batch.whole:
            return False
        full = len(self._pending) >= TRANSACTION_BATCHES
        return self._flush or full or time.monotonic() - self._since >= TRANSACTION_SECONDS

    def _commit(self, client: Client) -> None:
        """Put the places behind the events, and commit both."""
        places: dict[bytes, bytes | None] = {}
        for pending in self._pending:
            places.update(pending.batch.places)
        state = [Record(self._options.state_topic, key, value, []) for key, value in places.items()]  # type: ignore[arg-type]
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
        self._in_transaction, self._committing = False, 0
        client, self._client = self._client, None
        if client is not None:
            client.close(0.0)

    def close(self, timeout: float) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client is not None:
            client.close(timeout)


def client_class(name: str) -> "type[Client]":
    """The client of a name; imported late, because that takes its time."""
    if name == "confluent-kafka":
        from shipper.sinks.confluent import ConfluentClient

        return ConfluentClient
    from shipper.sinks.kafka_python import KafkaPythonClient

    return KafkaPythonClient


def transactional_id(state_dir: str) -> str:
    """An id for a state directory of this machine, the same in every run."""
    import hashlib
    import socket

    return f"mfa-shipper-{hashlib.sha256(f'{socket.gethostname()}:{state_dir}'.encode()).hexdigest()[:16]}"


def no_secret(text: str, options: KafkaOptions) -> str:
    """A sentence without the password, whatever a client put into it."""
    return text.replace(options.password, "***") if options.password else text


def reader_group() -> str:
    """A consumer group that nobody else is in."""
    return f"mfa-shipper-{secrets.token_hex(8)}"
