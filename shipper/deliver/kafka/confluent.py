"""Kafka through confluent-kafka (librdkafka), several times as fast as kafka-python; in the extra `fast`. I/O."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from shipper.deliver.kafka.causes import cause
from shipper.deliver.kafka.client import MAX_RECORD, TOO_LARGE, Fenced, KafkaOptions, Part, Pending, reader_group
from shipper.deliver.kafka.records import Record
from shipper.deliver.sink import SinkDown

REFUSED = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_RECORD,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_TIMESTAMP,
    KafkaError.POLICY_VIOLATION,
}
# Underscored names are librdkafka's own errors, not private members.
FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}  # noqa: SLF001
CONNECT_SECONDS = 10.0
DELIVERY_MS = 30_000  # then our own retry begins


def settings(options: KafkaOptions) -> dict[str, Any]:
    """The connection options in librdkafka's terms."""
    config: dict[str, Any] = {
        "bootstrap.servers": ",".join(options.bootstrap_servers),
        "client.id": options.client_id,
        "security.protocol": options.protocol,
        "log_level": 0,
        "logger": logging.getLogger("kafka"),  # otherwise a fatal error is printed on standard error at any level
        "socket.timeout.ms": 10_000,
        "reconnect.backoff.max.ms": 2_000,
    }
    optional = {
        "sasl.mechanism": options.sasl_mechanism,
        "sasl.username": options.username,
        "sasl.password": options.password,
        "ssl.ca.location": options.ca_file,
        "ssl.certificate.location": options.cert_file,
        "ssl.key.location": options.key_file,
    }
    return config | {name: value for name, value in optional.items() if value is not None}


class ConfluentClient:
    """A client with one producer."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._producer: Producer | None = None
        self._trouble = ""  # the last error that is not about a record

    def _on_error(self, error: KafkaError) -> None:
        if self._trouble and error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            return  # a consequence of the error already recorded
        self._trouble = self._options.without_secrets(error.str())

    def _down(self, error: KafkaError) -> Exception:
        """The exception for an error: `Fenced`, or `SinkDown` with the cause."""
        if error.code() in FENCED:
            return Fenced(self._options.transactional_id)
        text = self._options.without_secrets(error.str())
        known = cause([text, self._trouble], self._options)
        return SinkDown(known or (f"{text} ({self._trouble})" if self._trouble and self._trouble != text else text))

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise librdkafka's errors as ours. A fatal error, such as fencing, comes from whichever call is next, even `poll`."""
        try:
            yield
        except KafkaException as error:
            raise self._down(error.args[0]) from None

    def connect(self) -> None:
        config = settings(self._options) | {
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "compression.type": self._options.compression,
            "linger.ms": 20,  # fewer, larger requests: 5 ms would give a broker half as much work again
            "message.max.bytes": MAX_RECORD,
            "delivery.timeout.ms": DELIVERY_MS,
            "queue.buffering.max.messages": 1_000_000,
            "error_cb": self._on_error,
            "allow.auto.create.topics": self._options.make_topics,
        }
        if self._options.exactly_once:
            config |= {"transactional.id": self._options.transactional_id, "transaction.timeout.ms": 60_000}
        with self._errors():
            self._producer = Producer(config)
            self._wait_for_broker(self._producer)

    def _wait_for_broker(self, producer: Producer) -> None:
        end = time.monotonic() + CONNECT_SECONDS
        while True:
            producer.poll(0)
            try:
                producer.list_topics(self._options.topic, timeout=0.5)
            except KafkaException:
                if time.monotonic() > end or "uthentication" in self._trouble or "SSL" in self._trouble:
                    raise
            else:
                return

    def take_over(self) -> None:
        assert self._producer is not None
        with self._errors():
            self._producer.init_transactions(CONNECT_SECONDS)

    def read(self, topic: str, begin: Mapping[int, int], *, committed: bool) -> Part:
        numbers = self._partitions(topic)
        consumer = Consumer(
            settings(self._options)
            | {
                "group.id": reader_group(),
                "isolation.level": "read_committed" if committed else "read_uncommitted",
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "error_cb": self._on_error,
            }
        )
        try:
            with self._errors():
                consumer.assign([TopicPartition(topic, number, begin.get(number, OFFSET_BEGINNING)) for number in numbers])
                return _read_to_end(consumer, topic, numbers)
        finally:
            consumer.close()

    def _partitions(self, topic: str) -> list[int]:
        """The partitions of a topic; waits if the topic is not known yet."""
        assert self._producer is not None
        end = time.monotonic() + CONNECT_SECONDS
        while True:
            with self._errors():
                found = self._producer.list_topics(topic, CONNECT_SECONDS).topics[topic]
            if found.error is None and found.partitions:
                return sorted(found.partitions)
            if found.error is not None and time.monotonic() > end:
                raise self._down(found.error)
            with self._errors():
                self._producer.poll(0.1)

    def send(self, pending: Pending, records: list[Record]) -> None:
        producer = self._producer
        assert producer is not None
        report = self._reporter(pending)
        # Arguments are positional: looking up keywords would take a third of the time of this call. -1 leaves the partition
        # to the partitioner, None stands for the second name of the report callback, time 0 is now.
        produce = producer.produce
        for index, (topic, key, value, headers) in enumerate(records):
            try:
                produce(topic, value, key, -1, report, None, 0, headers)
            except BufferError:
                self._send_late(producer, (topic, value, key, -1, report, None, 0, headers))
            except KafkaException as error:
                problem = error.args[0]
                if problem.code() not in REFUSED:
                    raise self._down(problem) from None
                pending.left -= 1
                pending.refused[index] = _reason(problem)
        with self._errors():
            producer.poll(0)

    def _send_late(self, producer: Producer, arguments: tuple[Any, ...]) -> None:
        """Send a record after the buffer was full; processing the waiting reports makes room."""
        with self._errors():
            producer.poll(0.1)
            try:
                producer.produce(*arguments)
            except BufferError:
                raise SinkDown("the client's buffer stays full") from None

    def _reporter(self, pending: Pending) -> Callable[[KafkaError | None, object], None]:
        def report(error: KafkaError | None, message: object) -> None:
            if error is None:
                pending.left -= 1
            elif error.code() in REFUSED:
                pending.left -= 1
                pending.rejected = _reason(error)
            else:
                pending.fail(self._down(error))

        return report

    def collect(self, first: Pending | None, timeout: float) -> None:
        assert self._producer is not None
        with self._errors():
            self._producer.poll(0)
            end = time.monotonic() + timeout
            while first is not None and first.left and not first.failed and time.monotonic() < end:
                self._producer.poll(min(0.05, timeout))

    def begin(self) -> None:
        assert self._producer is not None
        with self._errors():
            self._producer.begin_transaction()

    def commit(self) -> None:
        """Does nothing: librdkafka commits while `committed` waits for the result."""

    def committed(self, timeout: float) -> bool:
        assert self._producer is not None
        try:
            self._producer.commit_transaction(max(timeout, 0.05))
        except KafkaException as error:
            problem = error.args[0]
            timed_out = problem.code() == KafkaError._TIMED_OUT  # noqa: SLF001
            if timed_out or (problem.retriable() and not problem.txn_requires_abort()):
                return False
            raise self._down(problem) from None
        return True

    def rights(self, topics: Iterable[str]) -> dict[str, set[str] | None]:
        admin = AdminClient(settings(self._options) | {"error_cb": self._on_error})
        asked = admin.describe_topics(
            TopicCollection(list(topics)), include_authorized_operations=True, request_timeout=CONNECT_SECONDS
        )
        rights: dict[str, set[str] | None] = {}
        for topic, answer in asked.items():
            try:
                rights[topic] = {operation.name for operation in answer.result().authorized_operations or ()}
            except KafkaException as error:
                code = error.args[0].code()
                if code not in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED):
                    raise self._down(error.args[0]) from None
                rights[topic] = None if code == KafkaError.UNKNOWN_TOPIC_OR_PART else set()
        return rights

    def cleanup_policy(self, topic: str) -> str | None:
        admin = AdminClient(settings(self._options) | {"error_cb": self._on_error})
        asked = [ConfigResource(ResourceType.TOPIC, topic)]
        (answer,) = admin.describe_configs(asked, request_timeout=CONNECT_SECONDS).values()
        try:
            return str(answer.result()["cleanup.policy"].value)
        except KafkaException as error:
            if error.args[0].code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED):
                return None
            raise self._down(error.args[0]) from None

    def close(self, timeout: float) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaException):
                producer.purge()
                producer.poll(0)


def _reason(error: KafkaError) -> str:
    return TOO_LARGE if error.code() == KafkaError.MSG_SIZE_TOO_LARGE else error.str()


def _read_to_end(consumer: Consumer, topic: str, numbers: list[int]) -> Part:
    part = Part({number: [] for number in numbers}, {})
    end = time.monotonic() + 3 * CONNECT_SECONDS
    while len(part.ends) < len(numbers):
        if time.monotonic() > end:
            raise SinkDown(f"{topic} cannot be read to its end")
        for message in consumer.consume(1000, 0.2):
            error, number = message.error(), message.partition()
            assert number is not None
            if error is None:
                part.records[number].append((message.key(), message.value()))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                part.ends[number] = message.offset() or 0
            elif error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:  # the group is named but never used
                raise KafkaException(error)
    return part
