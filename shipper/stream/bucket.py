"""Runs the detectors over one bucket of users: a fold over the records of its key, with state that outlives the process. Pure.

No wall clock is involved: the same records in the same order give the same findings. A record is JSON in one of three forms:

    {"p": partition, "o": offset, "t": newest, "c": [authentication]}    `t` is missing while the partition's time is unknown
    {"p": partition, "o": offset, "t": newest}                           the partition's time has advanced
    {"p": partition, "idle": offset}                                     the partition is quiet and was read up to this offset
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import orjson

from shipper.decode.ecs import Envelope
from shipper.detect import DETECTORS
from shipper.detect.finding import Found, event_of, on_hosts
from shipper.detect.protocol import Rule
from shipper.model import Label
from shipper.stream.completions import Completed
from shipper.stream.lane import Lane, State
from shipper.stream.users import Judged, UserRules, Users


class Record(msgspec.Struct, omit_defaults=True):
    """A record of a bucket; the module docstring lists the forms."""

    partition: int = msgspec.field(name="p")
    offset: int = msgspec.field(name="o", default=0)
    time: int | None = msgspec.field(name="t", default=None)
    completed: Completed | None = msgspec.field(name="c", default=None)
    idle: int | None = None


class Finding(NamedTuple):
    """A finding ready to send: the JSON of its event, and its label."""

    text: bytes
    label: Label


@dataclass(slots=True)
class BucketCounts:
    """Counters of all buckets in a process.

    Attributes:
        judged: authentications passed to the detectors.
        late: authentications that arrived after their turn, repeated ones included.
        repeated: authentications skipped because they had arrived before.
        forgotten: users whose state was dropped.
        crowded_out: authentications forgotten early because their user had too many.
        crowded: the user most recently affected by that.
        detected: totals of the detectors, by name.
        waiting: authentications waiting for their turn, by bucket (its partition between the stages) and events partition.
    """

    judged: int = 0
    late: int = 0
    repeated: int = 0
    forgotten: int = 0
    crowded_out: int = 0
    crowded: str = ""
    detected: Counter[str] = field(default_factory=Counter)
    waiting: dict[tuple[int, int], int] = field(default_factory=dict)

    def take(self, done: "BucketCounts") -> None:
        """Add the counts of a committed transaction, and reset `done` to zero."""
        for name in ("judged", "late", "repeated", "forgotten", "crowded_out"):
            setattr(self, name, getattr(self, name) + getattr(done, name))
            setattr(done, name, 0)
        self.crowded = done.crowded or self.crowded
        self.detected.update(done.detected)
        done.detected.clear()
        self.waiting.update(done.waiting)
        done.waiting.clear()

    def have(self, buckets: Collection[int]) -> None:
        """Keep the waiting counts of the buckets now assigned to this instance, and drop all others."""
        for bucket, origin in list(self.waiting):
            if bucket not in buckets:
                del self.waiting[bucket, origin]


class Buckets:
    """Turns the records of buckets into findings."""

    def __init__(self, rules: Mapping[str, Rule], constants: Mapping[str, Any], lateness: int, counts: BucketCounts) -> None:
        """
        Args:
            rules: the parameters of the detectors that run, by name.
            constants: fields of every finding.
            lateness: nanoseconds of event time, see `DetectSettings`.
            counts: updated with each record.
        """
        self._rules = rules
        self._of_users = UserRules(rules)
        self._envelope = Envelope(constants)
        self._host = constants.get("host", {}).get("name")
        self._lateness = lateness
        self._counts = counts

    def __call__(self, bucket: int, record: Record, state: State) -> list[Finding]:
        """Return the findings that a record of a bucket triggers; `state` is the state of the bucket."""
        lane = Lane(record.partition, state, self._lateness)
        users = Users(self._of_users, lane, state)
        if record.idle is None:
            lane.turn(record.offset, record.time)
        findings = self._released(lane, users, record.idle)
        completed = record.completed
        if completed is None:
            pass
        elif lane.is_late(completed):
            self._counts.late += 1
            findings += self._judge(completed, users)
        elif lane.hold(completed):
            findings += self._released(lane, users)
        else:
            findings += self._judge(completed, users)
        self._counts.forgotten += users.forget()
        self._counts.waiting[bucket, record.partition] = lane.waiting
        users.save()
        for user, number in users.crowded_out.items():
            self._counts.crowded_out += number
            self._counts.crowded = user
        lane.save()
        return findings

    def _released(self, lane: Lane, users: Users, end: int | None = None) -> list[Finding]:
        return [finding for waited in lane.due(end) for finding in self._judge(waited, users)]

    def _judge(self, completed: Completed, users: Users) -> list[Finding]:
        judged = users.judge(completed)
        if judged.repeated:
            self._counts.repeated += 1
            return []
        self._counts.judged += 1
        for total in judged.counted:
            self._counts.detected[total] += 1
        return [self._told(name, finding, completed, judged) for name, finding in judged.found]

    def _told(self, name: str, finding: Any, completed: Completed, judged: Judged) -> Finding:
        """Make the event of a finding, with the host of each authentication that it names; `host.name` is the last one's."""
        detector, position, component = DETECTORS[name], completed.fields[0], completed.fields[3]
        self._counts.detected[detector.found.name] += 1
        made = Found(position, finding, detector, self._rules[name], completed.user, component)
        made = on_hosts(made, lambda exchange_id: self._host_of(exchange_id, judged), self._host)
        _, text, label = event_of(made, self._envelope)
        return Finding(text.removesuffix("\n").encode("latin-1"), label)

    def _host_of(self, exchange_id: str, judged: Judged) -> str | None:
        seen = judged.hosts.get(exchange_id)
        return self._host if seen is None else seen[1] or self._host


def with_completion(partition: int, offset: int, time: int | None, completed: Completed) -> bytes:
    """Return the record of an authentication: `offset` of the event that completed it, `time` the newest of its partition."""
    record: dict[str, Any] = {"p": partition, "o": offset, "c": tuple(completed)}
    if time is not None:
        record["t"] = time
    return orjson.dumps(record)


def with_time(partition: int, offset: int, time: int) -> bytes:
    """Return the record that tells a bucket the newest event time of a partition."""
    return orjson.dumps({"p": partition, "o": offset, "t": time})


def with_end(partition: int, offset: int) -> bytes:
    """Return the record that tells a bucket that a partition is quiet."""
    return orjson.dumps({"p": partition, "idle": offset})
