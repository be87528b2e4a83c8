"""The two stages of `detect` without a Kafka between them: topics are lists, states are dictionaries of JSON."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any
from zlib import crc32

from shipper.deliver.kafka.client import KafkaOptions
from shipper.detect import DETECTORS
from shipper.stream.settings import DetectSettings
from shipper.stream.stages import (
    ALERTS,
    DEAD_LETTERS,
    HELD,
    BucketStage,
    EventStage,
    Message,
    Place,
    StreamCounts,
    bucket_keys,
    idle_ticks,
)

EVENTS = "events"


class JsonState:
    """A state as Quix Streams keeps it: what is in it is JSON, and no object of ours.

    `asked` counts the calls, which is what a state costs.
    """

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.asked = 0

    def get(self, key: str) -> Any:
        self.asked += 1
        value = self.values.get(key)
        return None if value is None else json.loads(value)

    def set(self, key: str, value: Any) -> None:
        self.asked += 1
        self.values[key] = json.dumps(value)

    def delete(self, key: str) -> None:
        self.asked += 1
        self.values.pop(key, None)


def settings(**more: Any) -> DetectSettings:
    kafka = more.pop("kafka", KafkaOptions(("broker:9092",), EVENTS))
    rules = {name: DETECTORS[name].rule() for name in ("double_prompt", "mfa_fatigue")}  # whose findings tests count
    return DetectSettings(kafka, "group", "/nowhere", **{"partitions": 3, "rules": rules, **more})


class Stream:
    """What an instance does, one record after the other."""

    def __init__(self, how: DetectSettings, partitions: int = 2) -> None:
        self.settings = how
        self.counts = StreamCounts()
        self.now = 0
        self.states: dict[bytes, JsonState] = defaultdict(JsonState)
        self.alerts: list[Message] = []
        self.dead: list[Message] = []
        self.held: list[Message] = []
        self._offsets: Counter[int] = Counter()
        self._partitions = partitions
        self.restart()

    def restart(self) -> None:
        """Another process goes on: only the states are still there."""
        self.events = EventStage(self.settings, self.counts, lambda: self.now)
        self.buckets = BucketStage(self.settings, self.counts)

    def take(self, value: bytes | None, partition: int | None = None, offset: int | None = None) -> None:
        """An event comes, by default into the partition of its user."""
        if partition is None:
            user: Mapping[str, str] = json.loads(value or b"{}").get("user", {})
            key = f"{user.get('domain', '')}\\{user.get('name', '')}".casefold()
            partition = crc32(key.encode()) % self._partitions
        if offset is None:
            offset = self._offsets[partition]
            self._offsets[partition] += 1
        self.now += 10**9
        for message in self.events(value, Place(EVENTS, partition, offset)):
            self._go(message)

    def quiet(self) -> None:
        """Nothing comes any more in any partition."""
        for partition in range(self._partitions):
            for key, value in idle_ticks(bucket_keys(self.settings.partitions), partition, self._offsets[partition]):
                self._go(Message(HELD, key, value, []))

    def _go(self, message: Message) -> None:
        if message.topic == ALERTS:
            self.alerts.append(message)
        elif message.topic == DEAD_LETTERS:
            self.dead.append(message)
        else:
            self.held.append(message)
            place = Place(HELD, bucket_keys(self.settings.partitions).index(message.key), len(self.held))
            for further in self.buckets(message.value, self.states[message.key], place):
                self._go(further)

    @property
    def found(self) -> list[dict[str, Any]]:
        """The findings so far."""
        return [json.loads(message.value) for message in self.alerts]

    @property
    def users(self) -> list[str]:
        """The users whose state is kept."""
        return [key for state in self.states.values() for key in state.values if key.startswith("u")]
