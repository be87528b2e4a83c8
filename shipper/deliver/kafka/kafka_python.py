"""Kafka through kafka-python. I/O.

This client reports "unable to bootstrap" for a wrong password, an unknown certificate and an absent
broker alike; only its log names the cause. So we listen to that log while the client connects.
"""

import contextlib
import logging
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource

from shipper.deliver.kafka.causes import cause
from shipper.deliver.kafka.client import MAX_RECORD, TOO_LARGE, Fenced, KafkaOptions, Part, Pending
from shipper.deliver.kafka.closing import Commit, QuietProducer
from shipper.deliver.kafka.partitioner import RememberingPartitioner
from shipper.deliver.kafka.records import Headers, Record
from shipper.deliver.sink import SinkDown
from shipper.tls import UnusableFile, tls_context

REFUSED = (
    kafka_errors.MessageSizeTooLargeError,
    kafka_errors.RecordListTooLargeError,
    kafka_errors.InvalidRecordError,
    kafka_errors.InvalidTimestampError,
    kafka_errors.PolicyViolationError,
    kafka_errors.CorruptRecordError,
)
FENCED = (kafka_errors.ProducerFencedError, kafka_errors.InvalidProducerEpochError)
CONNECT_MS = 10_000
DELIVERY_MS = 30_000  # then our own retry begins


class _Future(Protocol):
    """The pending answer to one record."""

    is_done: bool
    exception: Exception | None

    def get(self, timeout: float) -> object: ...


class _Producer(Protocol):
    """The part of `KafkaProducer` that is used here; the library has no types."""

    def partitions_for(self, topic: str) -> set[int]: ...
    def send(self, topic: str, value: bytes | None, key: bytes, headers: Headers) -> _Future: ...
    def init_transactions(self) -> None: ...
    def begin_transaction(self) -> None: ...
    def commit_transaction(self) -> None: ...
    def close(self, timeout: float) -> None: ...


class _Complaints(logging.Handler):
    """Collects the warnings of the client, each once."""

    MOST = 200

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.seen) < self.MOST:
            self.seen.add(record.getMessage())

    def __enter__(self) -> "_Complaints":
        logging.getLogger("kafka").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("kafka").removeHandler(self)


def settings(options: KafkaOptions) -> dict[str, Any]:
    """The connection options in kafka-python's terms.

    Raises:
        SinkDown: a certificate file cannot be used, which the client would not report.
    """
    config: dict[str, Any] = {
        "bootstrap_servers": list(options.bootstrap_servers),
        "client_id": options.client_id,
        "security_protocol": options.protocol,
        "bootstrap_timeout_ms": CONNECT_MS,
        "reconnect_backoff_max_ms": 2_000,
    }
    if options.protocol.endswith("SSL"):
        try:
            config["ssl_context"] = tls_context(ssl.Purpose.SERVER_AUTH, options.ca_file, options.cert_file, options.key_file)
        except UnusableFile as error:
            raise SinkDown(str(error)) from None
    optional = {
        "sasl_mechanism": options.sasl_mechanism,
        "sasl_plain_username": options.username,
        "sasl_plain_password": options.password,
    }
    return config | {name: value for name, value in optional.items() if value is not None}


class KafkaPythonClient:
    """A client with one producer."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._connected: _Producer | None = None
        self._futures: dict[Pending, list[_Future]] = {}
        self._commit: Commit | None = None

    def _down(self, error: BaseException, complaints: Iterable[str] = ()) -> Exception:
        if isinstance(error, FENCED):
            return Fenced(self._options.transactional_id)
        text = f"{type(error).__name__.removesuffix('Error')}: {error}" if str(error) else type(error).__name__
        known = cause([*complaints, text], self._options)
        return SinkDown(known or self._options.without_secrets(text).replace("\n", " "))

    def connect(self) -> None:
        options = self._options
        complaints = _Complaints()
        try:
            config = settings(options) | {
                "acks": "all",
                "enable_idempotence": True,
                "compression_type": None if options.compression == "none" else options.compression,
                "partitioner": RememberingPartitioner(),
                "linger_ms": 5,
                "batch_size": 256 * 1024,
                "max_request_size": MAX_RECORD,
                "max_block_ms": CONNECT_MS,
                "delivery_timeout_ms": DELIVERY_MS,
                "request_timeout_ms": 20_000,
                "metrics_enabled": False,
            }
            if options.exactly_once:
                config |= {"transactional_id": options.transactional_id, "transaction_timeout_ms": 60_000}
            with complaints:
                self._connected = producer = QuietProducer(**config)
                if options.make_topics:  # asks for the topic, so the broker creates it; `rights` asks without creating
                    producer.partitions_for(options.topic)
        except (kafka_errors.KafkaError, OSError, RuntimeError, ValueError, AssertionError) as error:
            raise self._down(error, complaints.seen) from None

    @property
    def _producer(self) -> _Producer:
        assert self._connected is not None, "connect comes first"
        return self._connected

    def take_over(self) -> None:
        try:
            self._producer.init_transactions()
        except (kafka_errors.KafkaError, RuntimeError) as error:
            raise self._down(error) from None

    def read(self, topic: str, begin: Mapping[int, int], *, committed: bool) -> Part:
        try:
            # Ask the producer, which waits for a topic that is not known yet; a consumer would take the topic for empty.
            numbers = self._producer.partitions_for(topic)
            consumer = KafkaConsumer(
                **settings(self._options), isolation_level="read_committed" if committed else "read_uncommitted",
                enable_auto_commit=False, auto_offset_reset="earliest", group_id=None, metrics_enabled=False,
            )  # fmt: skip
        except (kafka_errors.KafkaError, OSError) as error:
            raise self._down(error) from None
        try:
            return _read_to_end(consumer, [TopicPartition(topic, number) for number in sorted(numbers)], begin)
        except (kafka_errors.KafkaError, OSError) as error:
            raise self._down(error) from None
        finally:
            consumer.close()

    def send(self, pending: Pending, records: list[Record]) -> None:
        send = self._producer.send
        futures = self._futures.setdefault(pending, [])
        for index, (topic, key, value, headers) in enumerate(records):
            try:
                futures.append(send(topic, value, key, headers))
            except REFUSED as error:
                pending.left -= 1
                pending.refused[index] = _reason(error)
            except (kafka_errors.KafkaError, AssertionError) as error:
                raise self._down(error) from None

    def collect(self, first: Pending | None, timeout: float) -> None:
        end = time.monotonic() + timeout
        while True:
            for pending in list(self._futures):
                self._settle(pending)
            if first is None or not first.left or first.failed or time.monotonic() >= end:
                return
            futures = self._futures.get(first)
            if not futures:
                return
            with contextlib.suppress(Exception):  # `_settle` checks the outcome
                futures[0].get(timeout=max(0.001, min(0.05, end - time.monotonic())))

    def _settle(self, pending: Pending) -> None:
        """Process the answers that have arrived, up to the first missing one."""
        futures, settled = self._futures[pending], 0
        for future in futures:
            if not future.is_done:
                break
            settled += 1
            error = future.exception
            if error is None:
                continue
            if isinstance(error, REFUSED):
                pending.rejected = _reason(error)
            else:
                pending.fail(self._down(error))
                break
        del futures[:settled]
        pending.left -= settled
        if not futures:
            del self._futures[pending]

    def begin(self) -> None:
        try:
            self._producer.begin_transaction()
        except kafka_errors.KafkaError as error:
            raise self._down(error) from None

    def commit(self) -> None:
        self._commit = Commit(self._producer.commit_transaction)
        self._commit.start()

    def committed(self, timeout: float) -> bool:
        assert self._commit is not None
        self._commit.join(timeout)
        if self._commit.is_alive():
            return False
        error = self._commit.error
        if isinstance(error, kafka_errors.KafkaError):
            raise self._down(error) from None
        if error is not None:
            raise error
        self._futures.clear()
        return True

    @contextlib.contextmanager
    def _admin(self) -> Iterator[KafkaAdminClient]:
        complaints, admin = _Complaints(), None
        try:
            with complaints:
                admin = KafkaAdminClient(**settings(self._options))
                yield admin
        except (kafka_errors.KafkaError, OSError) as error:
            raise self._down(error, complaints.seen) from None
        finally:
            if admin is not None:
                admin.close()

    def rights(self, topics: Iterable[str]) -> dict[str, set[str] | None]:
        with self._admin() as admin:
            described = admin.describe_topics(list(topics))
        missing = kafka_errors.UnknownTopicOrPartitionError.errno
        return {
            topic["name"]: None if topic["error_code"] == missing else set(topic["authorized_operations"] or ())
            for topic in described
        }

    def cleanup_policy(self, topic: str) -> str | None:
        with self._admin() as admin:
            # After an error the answer has no entries; this client does not tell which error it was.
            found = admin.describe_configs([ConfigResource("TOPIC", topic, ["cleanup.policy"])], config_filter="all")
        policy = found["topic"][topic].get("cleanup.policy")
        return None if policy is None else str(policy["value"])

    def close(self, timeout: float) -> None:
        producer, self._connected = self._connected, None
        self._futures.clear()
        if producer is not None:
            # On a thread, because closing waits for records in flight, which an abandoned connection must not do.
            closing = threading.Thread(target=_close, args=(producer, timeout), daemon=True)
            closing.start()
            closing.join(timeout)


def _read_to_end(consumer: KafkaConsumer, partitions: list[TopicPartition], begin: Mapping[int, int]) -> Part:
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    for partition in partitions:
        if partition.partition in begin:
            consumer.seek(partition, begin[partition.partition])
        else:
            consumer.seek_to_beginning(partition)
    records: dict[int, list[tuple[bytes | None, bytes | None]]] = {partition.partition: [] for partition in partitions}
    deadline = time.monotonic() + 3 * CONNECT_MS / 1000
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        if time.monotonic() > deadline:
            raise SinkDown(f"{partitions[0].topic} cannot be read to its end")
        for partition, messages in consumer.poll(200).items():
            records[partition.partition] += [(message.key, message.value) for message in messages]
    return Part(records, {partition.partition: end for partition, end in ends.items()})


def _reason(error: BaseException) -> str:
    size = isinstance(error, (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError))
    return TOO_LARGE if size else str(error) or type(error).__name__


def _close(producer: _Producer, timeout: float) -> None:
    with contextlib.suppress(Exception):
        producer.close(timeout)
