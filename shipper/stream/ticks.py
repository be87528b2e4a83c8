"""Moves quiet partitions on: a thread with clients of its own, which are no member of the group. I/O.

A partition of the events is quiet when the group has committed all of it and nothing has come for the `idle_timeout`. Then
its buckets are told, in records behind the authentications that the transactions with those offsets brought there. Every
instance tells them, and again after a start: it changes nothing to be told twice.

The thread asks the broker all the time, so it is also the one that notices when none answers.
"""

import contextlib
import threading
import time
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from shipper.deliver.kafka.causes import cause
from shipper.deliver.kafka.client import reader_group
from shipper.deliver.kafka.confluent import settings as connection
from shipper.stream.settings import DetectSettings
from shipper.stream.stages import bucket_keys, idle_ticks
from shipper.times import SECOND

INTERVAL = 0.5  # seconds
ANSWER = 5.0  # seconds


class Ticks:
    """The thread.

    Attributes:
        lag: by partition of the events how many records the group has not committed yet, as of the last look.
        told: how often a partition was told to be quiet.
        failure: what ended the thread; None as long as it turns.
    """

    def __init__(self, settings: DetectSettings, trouble: Callable[[str], None]) -> None:
        """`trouble` is told at each look why the broker cannot be asked or told now; an empty text if it can."""
        self.lag: dict[int, int] = {}
        self.told = 0
        self.failure: Exception | None = None
        self._settings = settings
        self._trouble = trouble
        self._complaint = ""  # the last one of a client
        self._keys = bucket_keys(settings.partitions)
        self._topic = str(settings.kafka.topic)
        common = connection(settings.kafka) | {"error_cb": self._note}
        reading = {"enable.auto.commit": False, "isolation.level": "read_committed"}
        self._group = Consumer({**common, **reading, "group.id": settings.group})
        self._reader = Consumer({**common, **reading, "group.id": reader_group(), "enable.partition.eof": True})
        self._producer = Producer({**common, "enable.idempotence": True, "linger.ms": 5, "partitioner": "murmur2"})
        self._known: dict[int, tuple[tuple[int, int], float]] = {}  # committed and end, and since when
        self._quiet: dict[int, tuple[int, int]] = {}  # committed and end of those that were told
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="ticks")
        self._thread.start()

    def close(self) -> None:
        """End the thread, within seconds."""
        self._ended.set()
        self._thread.join(2 * ANSWER)

    def _note(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001  it follows the error that says why
            self._complaint = error.str()

    def _run(self) -> None:
        try:
            while not self._ended.wait(INTERVAL):
                self._turn()
        except Exception as error:  # whatever ends this thread ends the application: see `Service`
            self.failure = error
        finally:
            for consumer in (self._group, self._reader):
                consumer.close()

    def _turn(self) -> None:
        """Look once. An error is told and looked into the next time; one that a client does not survive is raised."""
        try:
            self._look()
        except KafkaException as error:
            if error.args[0].fatal():
                raise
            self._group.poll(0)  # takes the complaint
            kafka, text = self._settings.kafka, error.args[0].str()
            self._trouble(kafka.without_secrets(cause([text, self._complaint], kafka) or text))
        else:
            self._complaint = ""
            self._trouble("")

    def _look(self) -> None:
        """Tell the buckets of each partition that has become quiet."""
        partitions = self._group.list_topics(self._topic, timeout=ANSWER).topics[self._topic].partitions
        asked = [TopicPartition(self._topic, partition) for partition in partitions]
        lag: dict[int, int] = {}
        for committed in self._group.committed(asked, timeout=ANSWER):
            if committed.error:
                raise KafkaException(committed.error)
            low, end = self._group.get_watermark_offsets(TopicPartition(self._topic, committed.partition), timeout=ANSWER)
            begin = max(committed.offset, low)
            lag[committed.partition] = end - begin
            if committed.offset >= 0 and self._has_become_quiet(committed.partition, (begin, end)):
                self._tell(committed.partition, end)
        self.lag = lag

    def _has_become_quiet(self, partition: int, state: tuple[int, int]) -> bool:
        now = time.monotonic()
        known = self._known.get(partition)
        if known is None or known[0] != state:
            self._known[partition] = state, now
            return False
        if now - known[1] < self._settings.idle_timeout / SECOND or self._quiet.get(partition) == state:
            return False
        begin, end = state
        if begin < end and not self._only_marks(partition, begin):
            return False
        self._quiet[partition] = state
        return True

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
            del self._quiet[partition]  # the next look tells it again
            raise KafkaException(refused[0])
        self.told += 1

    def _only_marks(self, partition: int, begin: int) -> bool:
        """True if nothing stands behind an offset but marks of transactions, which count among the offsets."""
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
