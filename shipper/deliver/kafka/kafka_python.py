"""Kafka through kafka-python. I/O.

This client says "unable to bootstrap" for a wrong password, an unknown certificate and a broker that
is not there; the cause stands only in its log. So that log is listened to while a connection is made.
"""

import contextlib
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors as kafka_errors

from shipper.deliver.kafka.causes import cause
from shipper.deliver.kafka.client import MAX_RECORD, TOO_LARGE, Fenced, KafkaOptions, Pending, no_secret
from shipper.deliver.kafka.partitioner import RememberingPartitioner
from shipper.deliver.kafka.records import Record
from shipper.deliver.sink import Refusal, SinkDown

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
DELIVERY_MS = 30_000  # then the batch is sent anew by our own retry


class _Complaints(logging.Handler):
    """What the client complained about, each thing once."""

    MOST = 200

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Remember a record."""
        if len(self.seen) < self.MOST:
            self.seen.add(record.getMessage())

    def __enter__(self) -> "_Complaints":
        logging.getLogger("kafka").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("kafka").removeHandler(self)


def settings(options: KafkaOptions) -> dict[str, Any]:
    """kafka-python's names for the connection.

    Raises:
        SinkDown: a certificate file cannot be used; the client would not say so.
    """
    config: dict[str, Any] = {
        "bootstrap_servers": list(options.bootstrap_servers),
        "client_id": options.client_id,
        "security_protocol": options.protocol,
        "bootstrap_timeout_ms": CONNECT_MS,
        "reconnect_backoff_max_ms": 2_000,
    }
    if options.protocol.endswith("SSL"):
        config["ssl_context"] = _ssl_context(options)
    named = {
        "sasl_mechanism": options.sasl_mechanism,
        "sasl_plain_username": options.username,
        "sasl_plain_password": options.password,
    }
    return config | {name: value for name, value in named.items() if value is not None}


def _ssl_context(options: KafkaOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SinkDown(f"the CA file {options.ca_file} cannot be used: {error}") from None
    if options.cert_file:
        try:
            context.load_cert_chain(options.cert_file, options.key_file)
        except (OSError, ssl.SSLError) as error:
            raise SinkDown(f"the client certificate {options.cert_file} cannot be used: {error}") from None
    return context


class KafkaPythonClient:
    """One producer."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._producer: Any = None
        self._futures: dict[Pending, list[tuple[Any, bytes]]] = {}
        self._commit: _Commit | None = None

    def _down(self, error: BaseException, complaints: Iterable[str] = ()) -> Exception:
        if isinstance(error, FENCED):
            return Fenced(
                f"another shipper with the transactional id {self._options.transactional_id} has taken over; "
                "stop one of them, or give each a state_dir of its own"
            )
        text = f"{type(error).__name__.removesuffix('Error')}: {error}" if str(error) else type(error).__name__
        known = cause([*complaints, text], self._options)
        return SinkDown(known or no_secret(text, self._options).replace("\n", " "))

    def connect(self) -> None:
        """As `Client.connect`."""
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
                self._producer = KafkaProducer(**config)
                self._producer.partitions_for(options.topic)
                if options.exactly_once:
                    self._producer.init_transactions()
        except (kafka_errors.KafkaError, OSError, RuntimeError, ValueError, AssertionError) as error:
            raise self._down(error, complaints.seen) from None

    def read_state(self, topic: str) -> dict[bytes, bytes]:
        """As `Client.read_state`."""
        state: dict[bytes, bytes] = {}
        try:
            consumer = KafkaConsumer(
                **settings(self._options), isolation_level="read_committed", enable_auto_commit=False,
                auto_offset_reset="earliest", group_id=None, metrics_enabled=False,
            )  # fmt: skip
        except (kafka_errors.KafkaError, OSError) as error:
            raise self._down(error) from None
        try:
            partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
            consumer.assign(partitions)
            ends = consumer.end_offsets(partitions) if partitions else {}
            deadline = time.monotonic() + 3 * CONNECT_MS / 1000
            for one in partitions:
                consumer.seek_to_beginning(one)
            while any(consumer.position(one) < ends[one] for one in partitions):
                if time.monotonic() > deadline:
                    raise SinkDown(f"{topic} cannot be read to its end")
                for messages in consumer.poll(200).values():
                    for message in messages:
                        if message.key is not None:
                            state.pop(message.key, None)
                            if message.value is not None:
                                state[message.key] = message.value
        except (kafka_errors.KafkaError, OSError) as error:
            raise self._down(error) from None
        finally:
            consumer.close()
        return state

    def send(self, pending: Pending, records: list[Record]) -> None:
        """As `Client.send`."""
        send = self._producer.send
        futures = self._futures.setdefault(pending, [])
        for topic, key, value, headers in records:
            try:
                futures.append((send(topic, value, key, headers), value))
            except REFUSED as error:
                pending.left -= 1
                pending.refused.append(Refusal(value, _reason(error)))
            except (kafka_errors.KafkaError, AssertionError) as error:
                raise self._down(error) from None

    def collect(self, first: Pending | None, timeout: float) -> None:
        """As `Client.collect`."""
        end = time.monotonic() + timeout
        while True:
            for pending in list(self._futures):
                self._settle(pending)
            if first is None or not first.left or first.failed or time.monotonic() >= end:
                return
            futures = self._futures.get(first)
            if not futures:
                return
            with contextlib.suppress(Exception):  # what it says is looked at above
                futures[0][0].get(timeout=max(0.001, min(0.05, end - time.monotonic())))

    def _settle(self, pending: Pending) -> None:
        """Take what is acknowledged from the front."""
        futures, at = self._futures[pending], 0
        for future, value in futures:
            if not future.is_done:
                break
            at += 1
            error = future.exception
            if error is None:
                continue
            if isinstance(error, REFUSED):
                pending.doubtful = True
                pending.refused.append(Refusal(value, _reason(error)))
            else:
                pending.failed = str(self._down(error))
                break
        del futures[:at]
        pending.left -= at
        if not futures:
            del self._futures[pending]

    def begin(self) -> None:
        """As `Client.begin`."""
        try:
            self._producer.begin_transaction()
        except kafka_errors.KafkaError as error:
            raise self._down(error) from None

    def commit(self) -> None:
        """As `Client.commit`."""
        self._commit = _Commit(self._producer.commit_transaction)
        self._commit.start()

    def committed(self, timeout: float) -> bool:
        """As `Client.committed`."""
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

    def rights(self, topics: Iterable[str]) -> dict[str, set[str] | None]:
        """As `Client.rights`."""
        complaints, admin = _Complaints(), None
        try:
            with complaints:
                admin = KafkaAdminClient(**settings(self._options))
                described = admin.describe_topics(list(topics))
        except (kafka_errors.KafkaError, OSError) as error:
            raise self._down(error, complaints.seen) from None
        finally:
            if admin is not None:
                admin.close()
        missing = kafka_errors.UnknownTopicOrPartitionError.errno
        return {
            one["name"]: None if one["error_code"] == missing else set(one["authorized_operations"] or ()) for one in described
        }

    def close(self, timeout: float) -> None:
        """As `Client.close`."""
        producer, self._producer = self._producer, None
        self._futures.clear()
        if producer is not None:
            # On a thread: closing waits for what is in flight, and an abandoned connection has no time.
            closing = threading.Thread(target=_close, args=(producer, timeout), daemon=True)
            closing.start()
            closing.join(timeout)


def _reason(error: BaseException) -> str:
    size = isinstance(error, (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError))
    return TOO_LARGE if size else str(error) or type(error).__name__


class _Commit(threading.Thread):
    """A commit on a thread of its own, because the client waits for one without a limit. An abandoned one that never
    ends must not keep the process from ending, so no pool, whose threads Python waits for."""

    def __init__(self, commit: Callable[[], object]) -> None:
        super().__init__(name="kafka-commit", daemon=True)
        self._work = commit
        self.error: Exception | None = None

    def run(self) -> None:
        """Commit, and keep what went wrong."""
        try:
            self._work()
        except Exception as error:
            self.error = error


def _close(producer: Any, timeout: float) -> None:
    with contextlib.suppress(Exception):
        producer.close(timeout)
