"""The two stages between the topics: events become the records of buckets, and these become findings. Pure.

    events --EventStage--> held: one record for each authentication, by bucket --BucketStage--> alerts

What is none of ours goes to the dead letters from either. Both stages are called by Quix Streams, inside one
transaction for what they read and what they write.
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
"""What a mistake of ours would raise, and nothing that a disk or a broker does: it costs the record and not the service."""
LONGEST_LINE = 128 << 10  # bytes of a record in its letter: even if JSON makes six of each, Kafka takes it
LONGEST_REASON = 1_000  # characters
DEAD_LETTER_KEY = b"dead-letter"  # one partition, in their order


class Message(NamedTuple):
    """What goes to a topic: `HELD`, `ALERTS` or `DEAD_LETTERS`."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers


class Place(NamedTuple):
    """Where a record stands."""

    topic: str
    partition: int
    offset: int


@dataclass(slots=True)
class StreamCounts:
    """What the stages of a process have done.

    Attributes:
        events: records that are events of ours.
        completions: authentications of known users.
        nobody: authentications without a user.
        dead_letters: records that are none of ours.
        buckets: what the second stage has done.
    """

    events: int = 0
    completions: int = 0
    nobody: int = 0
    dead_letters: int = 0
    buckets: BucketCounts = field(default_factory=BucketCounts)

    def take(self, done: "StreamCounts") -> None:
        """Add what a committed transaction has done; `done` counts from zero again."""
        for name in ("events", "completions", "nobody", "dead_letters"):
            setattr(self, name, getattr(self, name) + getattr(done, name))
            setattr(done, name, 0)
        self.buckets.take(done.buckets)


def bucket_keys(partitions: int) -> list[bytes]:
    """The key of each bucket. There is one for each partition of the topic between the stages, and Kafka's partitioner takes its key
    to that partition."""
    keys: dict[int, bytes] = {}
    number = 0
    while len(keys) < partitions:
        key = b"%d" % number
        keys.setdefault((murmur2(key) & 0x7FFFFFFF) % partitions, key)
        number += 1
    return [keys[partition] for partition in range(partitions)]


def idle_ticks(keys: list[bytes], partition: int, end: int) -> list[tuple[bytes, bytes]]:
    """Key and value of the records that tell all buckets that a partition is read to its end and quiet."""
    value = with_end(partition, end)
    return [(key, value) for key in keys]


class EventStage:
    """From the events topic to the buckets."""

    def __init__(self, settings: DetectSettings, counts: StreamCounts, now: Callable[[], int]) -> None:
        """`now` tells how often the buckets hear of the time, no more: nanoseconds of a clock that never goes back."""
        self._keys = bucket_keys(settings.partitions)
        self._counts = counts
        self._now = now
        self._read = EventReader()
        self.clocks = PartitionClocks(settings.lateness)

    def __call__(self, value: bytes | None, place: Place) -> list[Message]:
        """The records that an event leads to."""
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
    """From the buckets to the findings."""

    def __init__(self, settings: DetectSettings, counts: StreamCounts) -> None:
        self._counts = counts
        self._buckets = Buckets(settings.rules, settings.constants, settings.lateness, counts.buckets)
        self._decode = msgspec.json.Decoder(Record).decode

    def __call__(self, value: bytes | None, state: State, place: Place) -> list[Message]:
        """The findings that a record of a bucket leads to."""
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
    """The letter for a record: why, where it stands, and what it says; of a long record how it begins, and how many bytes it has."""
    letter: dict[str, Any] = {
        "reason": reason[:LONGEST_REASON], "topic": place.topic, "partition": place.partition, "offset": place.offset,
    }  # fmt: skip
    value = value or b""
    begin = value[:LONGEST_LINE]
    if len(begin) < len(value):
        letter["bytes"] = len(value)
    try:
        value.decode()
        letter["line"] = begin.decode(errors="ignore")  # the cut may be within a character
    except UnicodeDecodeError:
        letter["line_base64"] = base64.b64encode(begin).decode()
    return Message(DEAD_LETTERS, DEAD_LETTER_KEY, orjson.dumps(letter), [])
