"""The two stages between the topics: from events to bucket records, and from bucket records to findings. Pure.

    events --EventStage--> held: one record for each authentication, by bucket --BucketStage--> alerts

Both stages send records that they cannot read to the dead letters. Quix Streams calls both, and one transaction covers what
they read and write.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zlib import crc32

import msgspec
import orjson
from kafka.partitioner.default import murmur2

from shipper.deliver.kafka.records import SCHEMA_VERSION, Headers
from shipper.stream.bucket import BucketCounts, Buckets, Finding, Record, with_completion, with_end, with_time
from shipper.stream.clocks import PartitionClocks
from shipper.stream.completions import Event, EventReader, NotOurs
from shipper.stream.lane import State
from shipper.stream.settings import DetectSettings

HELD, ALERTS, DEAD_LETTERS = "held", "alerts", "dead letters"
UNEXPECTED = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""The exceptions of a bug, never of a disk or a broker: a bug costs the record, not the service."""
LONGEST_LINE = 128 << 10  # bytes of a record in its dead letter: fits a Kafka message even if JSON makes six bytes of each
LONGEST_REASON = 1_000  # characters
DEAD_LETTER_KEY = b"dead-letter"  # one key, so one partition, which keeps their order


class Message(NamedTuple):
    """A message for a topic: `HELD`, `ALERTS` or `DEAD_LETTERS`."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers


class Place(NamedTuple):
    """The position of a record in Kafka."""

    topic: str
    partition: int
    offset: int


@dataclass(slots=True)
class StreamCounts:
    """Counters of the stages of a process.

    Attributes:
        events: records that are mfa-shipper events.
        completions: authentications of known users.
        nobody: authentications without a user.
        dead_letters: records sent to the dead letters.
        buckets: counters of the second stage.
    """

    events: int = 0
    completions: int = 0
    nobody: int = 0
    dead_letters: int = 0
    buckets: BucketCounts = field(default_factory=BucketCounts)

    def take(self, done: "StreamCounts") -> None:
        """Add the counts of a committed transaction, and reset `done` to zero."""
        for name in ("events", "completions", "nobody", "dead_letters"):
            setattr(self, name, getattr(self, name) + getattr(done, name))
            setattr(done, name, 0)
        self.buckets.take(done.buckets)


def bucket_keys(partitions: int) -> list[bytes]:
    """Return the key of each bucket: for each partition of the topic between the stages, one that Kafka's partitioner maps
    to it."""
    keys: dict[int, bytes] = {}
    number = 0
    while len(keys) < partitions:
        key = b"%d" % number
        keys.setdefault((murmur2(key) & 0x7FFFFFFF) % partitions, key)
        number += 1
    return [keys[partition] for partition in range(partitions)]


def idle_ticks(keys: list[bytes], partition: int, end: int) -> list[tuple[bytes, bytes]]:
    """Return key and value of the records that tell all buckets that a partition is quiet and read to its end."""
    value = with_end(partition, end)
    return [(key, value) for key in keys]


class EventStage:
    """The first stage: from the events topic to the buckets."""

    def __init__(self, settings: DetectSettings, counts: StreamCounts, now: Callable[[], int]) -> None:
        """`now` returns nanoseconds of a monotonic clock; it only limits how often the time is sent to the buckets."""
        self._keys = bucket_keys(settings.partitions)
        self._counts = counts
        self._now = now
        self._read = EventReader()
        self.clocks = PartitionClocks(settings.lateness)

    def __call__(self, value: bytes | None, place: Place) -> list[Message]:
        """Return the bucket records of an event, or a dead letter."""
        try:
            return self._taken(self._read(value), place)
        except NotOurs as error:
            reason = str(error)
        except UNEXPECTED as error:
            reason = _unexpected(error)
        self._counts.dead_letters += 1
        return [dead_letter(value, place, reason)]

    def _taken(self, event: Event, place: Place) -> list[Message]:
        counts, (_, partition, offset) = self._counts, place
        counts.events += 1
        newest = self.clocks.read(partition, offset, event.time)
        messages: list[Message] = []
        completed = event.completed
        if completed is not None:
            counts.completions += 1
            key = self._keys[crc32(completed.key.encode()) % len(self._keys)]
            messages.append(Message(HELD, key, with_completion(partition, offset, newest, completed), []))
        elif event.nobody:
            counts.nobody += 1
        if newest is not None and self.clocks.to_tell(partition, self._now()):
            told = with_time(partition, offset, newest)
            messages += [Message(HELD, key, told, []) for key in self._keys]
        return messages


class BucketStage:
    """The second stage: from the buckets to the findings."""

    def __init__(self, settings: DetectSettings, counts: StreamCounts) -> None:
        self._counts = counts
        self._buckets = Buckets(settings.rules, settings.constants, settings.lateness, counts.buckets)
        self._decode = msgspec.json.Decoder(Record).decode

    def __call__(self, value: bytes | None, state: State, place: Place) -> list[Message]:
        """Return the findings that a bucket record triggers, or a dead letter."""
        try:
            findings = self._buckets(place.partition, self._decode(value or b""), state)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            reason = f"no record of detect: {error}"
        except UNEXPECTED as error:
            reason = _unexpected(error)
        else:
            return [_alert(finding) for finding in findings]
        self._counts.dead_letters += 1
        return [dead_letter(value, place, reason)]


def _alert(finding: Finding) -> Message:
    text, (_, event_id, origin, user) = finding
    headers: Headers = [("schema", SCHEMA_VERSION), ("dataset", origin.dataset.encode())]
    return Message(ALERTS, (user or event_id).encode(), text, headers)


def _unexpected(error: Exception) -> str:
    return f"a mistake in detect: {type(error).__name__}: {error}"


def dead_letter(value: bytes | None, place: Place, reason: str) -> Message:
    """Return the dead letter of a record: the reason, the place, the content; of a long record, its beginning and its size."""
    letter: dict[str, Any] = {
        "reason": reason[:LONGEST_REASON], "topic": place.topic, "partition": place.partition, "offset": place.offset,
    }  # fmt: skip
    value = value or b""
    begin = value[:LONGEST_LINE]
    if len(begin) < len(value):
        letter["bytes"] = len(value)
    try:
        value.decode()
        letter["line"] = begin.decode(errors="ignore")  # the cut may split a character
    except UnicodeDecodeError:
        letter["line_base64"] = base64.b64encode(begin).decode()
    return Message(DEAD_LETTERS, DEAD_LETTER_KEY, orjson.dumps(letter), [])
