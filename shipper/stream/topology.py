"""The stages on Quix Streams: topics, transactions, state. I/O; the only module that imports Quix Streams.

One transaction covers what both stages read and write: the offsets of the events, the bucket records, the changes of their
state, the findings and the dead letters. So each finding is written exactly once, whichever process dies.
"""

import os
import time
import warnings
from collections.abc import Callable
from typing import Any

with warnings.catch_warnings(record=True):  # one of its dependencies warns of another, regardless of the filters
    warnings.simplefilter("ignore")
    from quixstreams import Application, message_context
    from quixstreams.exceptions import QuixException
    from quixstreams.kafka import ConnectionConfig
    from quixstreams.models import Serializer
    from quixstreams.state.exceptions import InvalidStoreChangelogOffset
    from quixstreams.state.rocksdb import RocksDBOptions

from shipper.deliver.kafka.confluent import settings as connection
from shipper.stream.settings import DetectSettings
from shipper.stream.stages import ALERTS, DEAD_LETTERS, HELD, BucketStage, EventStage, Message, Place, StreamCounts
from shipper.times import SECOND

__all__ = ["Detection", "InvalidStoreChangelogOffset", "QuixException", "build", "local_state"]

SESSION_MS = 6_000  # after which a silent member counts as dead
TRANSACTION_MS = 10_000  # after which the broker aborts the transaction of a dead member, and readers go on
# Limits of memory during a catch-up: kilobytes read ahead of each partition, bytes of each partition's state that are not yet on
# disk (held twice), and bytes of all states cached from disk.
QUEUE_KB = 1_024
WRITE_BUFFER = 4 << 20
BLOCK_CACHE = 32 << 20
BEAT_MS = 1_000
METADATA_MS = 30_000  # how often the clients look for new partitions


class _Value(Serializer):
    def __call__(self, value: Any, ctx: Any) -> bytes:
        return value.value  # type: ignore[no-any-return]


class Detection(Application):
    """The Quix Streams application.

    `stopped` is called when the application is asked to stop, perhaps in a signal handler; `committed` when a transaction, with
    everything done before, is committed.
    """

    def __init__(self, stopped: Callable[[], None], committed: Callable[[], None], **options: Any) -> None:
        super().__init__(**options)
        self._stopped = stopped
        self._fails = False
        context: Any = self._processing_context
        begin = context.init_checkpoint

        def init_checkpoint() -> None:  # runs after each commit, which has no hook of its own
            committed()
            begin()

        context.init_checkpoint = init_checkpoint

    def assigned(self, topic: str) -> set[int]:
        """Return the partitions of a topic that are assigned to this instance."""
        return {one.partition for one in self._consumer.assignment() if one.topic == topic}

    def stop(self, fail: bool = False) -> None:
        """Stop after the current record; `fail` means because of an error, without a last commit."""
        self._fails = self._fails or fail  # Quix Streams calls this again at the end of `run`, without `fail`
        if not self._fails:
            self._stopped()
        super().stop(fail=fail)


def local_state(settings: DetectSettings) -> str:
    """Return the directory in which Quix Streams keeps the state of this instance."""
    return os.path.join(settings.state_dir, "detect")


def build(
    settings: DetectSettings,
    transactional_id: str,
    counts: StreamCounts,
    beat: Callable[[], None],
    stopped: Callable[[], None],
) -> tuple[Detection, EventStage]:
    """Return the application, ready to run, and its first stage. The topics must exist.

    Args:
        settings: the settings of `detect`.
        transactional_id: used by this instance alone, and the same after a restart, which aborts a transaction left open.
        counts: updated with the counts of each transaction once it is committed.
        beat: called about every `BEAT_MS` while the consumer is polled.
        stopped: see `Detection`.
    """
    common = {k: v for k, v in connection(settings.kafka).items() if k not in _CONNECTION}
    done = StreamCounts()
    app = Detection(
        stopped,
        lambda: counts.take(done),
        broker_address=ConnectionConfig(**{k.replace(".", "_"): v for k, v in connection(settings.kafka).items() if k in _CONNECTION}),
        consumer_group=settings.group,
        state_dir=local_state(settings),
        rocksdb_options=RocksDBOptions(
            write_buffer_size=WRITE_BUFFER, max_write_buffer_number=2, max_total_wal_size=8 * WRITE_BUFFER, block_cache_size=BLOCK_CACHE
        ),
        processing_guarantee="exactly-once",
        commit_interval=settings.commit_interval / SECOND,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        consumer_poll_timeout=min(0.1, settings.commit_interval / SECOND),
        loglevel=None,
        producer_extra_config={
            **common,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": TRANSACTION_MS,
            "linger.ms": 5,
            "compression.type": settings.kafka.compression,
        },
        consumer_extra_config={
            **common,
            "session.timeout.ms": SESSION_MS,
            "heartbeat.interval.ms": SESSION_MS // 3,
            "max.poll.interval.ms": 60_000,
            "fetch.wait.max.ms": 50,
            "queued.max.messages.kbytes": QUEUE_KB,
            "topic.metadata.refresh.interval.ms": METADATA_MS,
            "statistics.interval.ms": BEAT_MS,
            "stats_cb": lambda statistics: beat(),  # called from polls of the consumer
        },
    )  # fmt: skip
    raw: dict[str, Any] = {"key_deserializer": "bytes", "value_deserializer": "bytes"}
    written: dict[str, Any] = {"key_serializer": "bytes", "value_serializer": _Value()}
    events = app.topic(str(settings.kafka.topic), **raw)
    held = app.topic(settings.held_topic, **raw, **written)
    topics = {
        HELD: held,
        ALERTS: app.topic(settings.alert_topic, **written),
        DEAD_LETTERS: app.topic(settings.dead_letter_topic, **written),
    }
    event_stage, bucket_stage = EventStage(settings, done, time.monotonic_ns), BucketStage(settings, done)

    def read(value: bytes | None) -> list[Message]:
        return event_stage(value, _place())

    def judge(value: bytes | None, key: bytes | None, timestamp: int, headers: Any, state: Any) -> list[Message]:
        return bucket_stage(value, state, _place())

    for frame in (
        app.dataframe(events).apply(read, expand=True),
        app.dataframe(held).apply(judge, stateful=True, expand=True, metadata=True),
    ):
        frame = frame.set_headers(lambda message, key, timestamp, headers: message.headers)
        frame.to_topic(lambda message, key, timestamp, headers: topics[message.topic], key=lambda message: message.key)
    return app, event_stage


def _place() -> Place:
    at = message_context()
    return Place(at.topic, at.partition, at.offset)


_CONNECTION = frozenset(
    [
        "bootstrap.servers",
        "client.id",
        "security.protocol",
        "sasl.mechanism",
        "sasl.username",
        "sasl.password",
        "ssl.ca.location",
        "ssl.certificate.location",
        "ssl.key.location",
    ]
)
