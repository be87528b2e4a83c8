"""The partition of a key, for kafka-python: the choice of Kafka's own producer, with a memo. Pure."""

from typing import Any

from kafka.partitioner import DefaultPartitioner, murmur2

from shipper.memo import Memo

KEYS = 16_384  # maximum remembered


class RememberingPartitioner(DefaultPartitioner):  # type: ignore[misc]
    """Picks the partition by Murmur2 of the key, whose computation takes a sixth of kafka-python's time for a record.

    Users recur, so the hash of each key is remembered; the number of partitions, which may grow, is not.
    """

    def __init__(self) -> None:
        self._hashes: Memo[bytes, int] = Memo(lambda key: murmur2(key) & 0x7FFFFFFF, KEYS)

    def partition(self, topic: str, key: Any, serialized_key: bytes, value: Any, serialized_value: bytes, cluster: Any) -> int:
        partitions = cluster.partitions_for_topic(topic)
        if not partitions or not serialized_key:
            return int(super().partition(topic, key, serialized_key, value, serialized_value, cluster))
        return int(sorted(partitions)[self._hashes[serialized_key] % len(partitions)])
