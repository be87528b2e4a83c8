"""Releases what waits in quiet partitions: a thread with its own Kafka clients, which do not join the group. I/O.

An events partition is quiet when the group has committed all of it and nothing has arrived for the `idle_timeout`. The thread
then sends each bucket a record, which lands behind the authentications that the transactions with those offsets wrote there.
Every instance sends these records, and sends them again after a start: repeats change nothing.

The thread polls the broker all the time, so it also notices when no broker answers.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from shipper.deliver.kafka.causes import cause
from shipper.deliver.kafka.client import reader_group
from shipper.deliver.kafka.confluent import settings as connection
from shipper.deliver.sink import SinkDown
from shipper.stream.settings import DetectSettings
from shipper.stream.stages import bucket_keys, idle_ticks
from shipper.stream.topics import missing
from shipper.times import SECOND

INTERVAL = 0.5  # seconds
ANSWER = 5.0  # seconds


@dataclass(slots=True)
class _Known:
    """A partition: its committed offset and end (`state`), since when they are unchanged, and whether its buckets were told."""

    state: tuple[int, int]
    since: float
    told: bool = False


class Ticks:
    """The thread that looks for quiet partitions.

    Attributes:
        lag: number of records not yet committed by the group, by events partition, as of the last look.
        told: how often a partition was reported quiet.
        failure: the exception that ended the thread; None while it runs.
    """

    def __init__(self, settings: DetectSettings, trouble: Callable[[str], None]) -> None:
        """`trouble` is called after each look with the reason why the broker cannot be used now; empty if it can."""
        self.lag: dict[int, int] = {}
        self.told = 0
        self.failure: Exception | None = None
        self._settings = settings
        self._trouble = trouble
        self._complaint = ""  # the last error that a client reported
        self._keys = bucket_keys(settings.partitions)
        self._topic = str(settings.kafka.topic)
        common = connection(settings.kafka) | {"error_cb": self._note}
        reading = {"enable.auto.commit": False, "isolation.level": "read_committed"}
        self._group = Consumer({**common, **reading, "group.id": settings.group})
        self._reader = Consumer({**common, **reading, "group.id": reader_group(), "enable.partition.eof": True})
        self._producer = Producer({**common, "enable.idempotence": True, "linger.ms": 5, "partitioner": "murmur2"})
        self._known: dict[int, _Known] = {}  # by partition
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="ticks")
        self._thread.start()

    def close(self) -> None:
        """End the thread, within seconds."""
        self._ended.set()
        self._thread.join(2 * ANSWER)

    def _note(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001  it follows the error that gives the cause
            self._complaint = error.str()

    def _run(self) -> None:
        try:
            while not self._ended.wait(INTERVAL):
                self._turn()
        except Exception as error:  # also ends the application, see `_Service._beat`
            self.failure = error
        finally:
            for consumer in (self._group, self._reader):
                consumer.close()

    def _turn(self) -> None:
        """Look once. An error is reported, and the next look tries again; an error that is fatal to a client is raised.

        Raises:
            SinkDown: the topic is gone. A new topic of that name starts at offset 0, which a running consumer may not notice.
        """
        try:
            self._look()
            reason = self._complaint = ""
        except KafkaException as error:
            if error.args[0].fatal():
                raise
            self._group.poll(0)  # fetches the complaint
            kafka, text = self._settings.kafka, error.args[0].str()
            reason = kafka.without_secrets(cause([text, self._complaint], kafka) or text)
        self._trouble(reason)

    def _look(self) -> None:
        """Tell the buckets of each partition that has become quiet."""
        topic = self._group.list_topics(self._topic, timeout=ANSWER).topics[self._topic]
        if topic.error is not None:
            if topic.error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):  # noqa: SLF001
                raise SinkDown(missing(self._settings))
            raise KafkaException(topic.error)
        asked = [TopicPartition(self._topic, partition) for partition in topic.partitions]
        lag: dict[int, int] = {}
        for committed in self._group.committed(asked, timeout=ANSWER):
            if committed.error:
                raise KafkaException(committed.error)
            low, end = self._group.get_watermark_offsets(TopicPartition(self._topic, committed.partition), timeout=ANSWER)
            begin = max(committed.offset, low)
            lag[committed.partition] = end - begin
            if committed.offset < 0:  # nothing is committed: a new topic, perhaps a recreated one
                self._known.pop(committed.partition, None)
            elif self._has_become_quiet(committed.partition, (begin, end)):
                self._tell(committed.partition, end)
        self.lag = lag

    def _has_become_quiet(self, partition: int, state: tuple[int, int]) -> bool:
        """Return True if a partition is quiet and its buckets have not been told."""
        now = time.monotonic()
        known = self._known.get(partition)
        if known is None or known.state != state:
            self._known[partition] = _Known(state, now)
            return False
        if known.told or now - known.since < self._settings.idle_timeout / SECOND:
            return False
        begin, end = state
        return begin == end or self._only_marks(partition, begin)

    def _tell(self, partition: int, end: int) -> None:
        refused: list[KafkaError] = []

        def report(error: KafkaError | None, message: object) -> None:
            if error is not None:
                refused.append(error)

        left = 1
        with contextlib.suppress(BufferError):
            for key, value in idle_ticks(self._keys, partition, end):
                self._producer.produce(self._settings.held_topic, value, key, on_delivery=report)
            left = self._producer.flush(ANSWER)
        if left and not refused:
            refused.append(KafkaError(KafkaError._MSG_TIMED_OUT))  # noqa: SLF001
        if refused:
            raise KafkaException(refused[0])  # the next look tries again
        self._known[partition].told = True
        self.told += 1

    def _only_marks(self, partition: int, begin: int) -> bool:
        """Return True if only transaction markers, which take up offsets too, follow an offset."""
        self._reader.assign([TopicPartition(self._topic, partition, begin)])
        try:
            until = time.monotonic() + ANSWER / 2
            while time.monotonic() < until:
                message = self._reader.poll(0.2)
                if message is not None:
                    error = message.error()
                    return error is not None and error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001
            return False
        finally:
            self._reader.unassign()
