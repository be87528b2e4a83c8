"""The detectors over one bucket of users: a fold over the records of its key, with a state that outlives the process. Pure.

No wall clock takes part: the same records in the same order lead to the same findings. A record is the JSON of one of

    {"p": partition, "o": offset, "t": newest, "c": [authentication]}    `t` is missing while the partition's time is not known
    {"p": partition, "o": offset, "t": newest}                           the partition has moved on
    {"p": partition, "idle": offset}                                     all of it before this offset has been read, and nothing comes
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
    """A record of a bucket."""

    partition: int = msgspec.field(name="p")
    offset: int = msgspec.field(name="o", default=0)
    time: int | None = msgspec.field(name="t", default=None)
    completed: Completed | None = msgspec.field(name="c", default=None)
    idle: int | None = None


class Finding(NamedTuple):
    """A finding on its way out: the JSON of its event, and its label."""

    text: bytes
    label: Label


@dataclass(slots=True)
class BucketCounts:
    """What the buckets of a process have done.

    Attributes:
        judged: authentications that the detectors got.
        late: those of them that came after their turn.
        repeated: authentications that came again, and were left out.
        forgotten: users whose state was dropped.
        crowded_out: authentications forgotten early, of users with too many of them.
        crowded: the latest of those users.
        detected: what the detectors count, by the names of their totals.
        waiting: authentications that wait, by bucket (its partition between the stages) and partition of the events.
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
        """Add what a committed transaction has done; `done` counts from zero again."""
        for name in ("judged", "late", "repeated", "forgotten", "crowded_out"):
            setattr(self, name, getattr(self, name) + getattr(done, name))
            setattr(done, name, 0)
        self.crowded = done.crowded or self.crowded
        self.detected.update(done.detected)
        done.detected.clear()
        self.waiting.update(done.waiting)
        done.waiting.clear()

    def have(self, buckets: Collection[int]) -> None:
        """This instance has these buckets now; what waits in others is no matter of its own any more."""
        for bucket, origin in list(self.waiting):
            if bucket not in buckets:
                del self.waiting[bucket, origin]


class Buckets:
    """Takes the records of buckets."""

    def __init__(self, rules: Mapping[str, Rule], constants: Mapping[str, Any], lateness: int, counts: BucketCounts) -> None:
        """
        Args:
            rules: the parameters of the detectors that run, by name.
            constants: fields of every finding.
            lateness: nanoseconds of event time.
            counts: kept up to date.
        """
        self._rules = rules
        self._of_users = UserRules(rules)
        self._envelope = Envelope(constants)
        self._host = constants.get("host", {}).get("name")
        self._lateness = lateness
        self._counts = counts

    def __call__(self, bucket: int, record: Record, state: State) -> list[Finding]:
        """The findings that a record of a bucket leads to; `state` is that of the bucket."""
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
        """The event of a finding, with the host of each authentication that it names; its own is that of the last."""
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
    """The record of an authentication; `offset` and `time` are of the event that completed it and of its partition."""
    record: dict[str, Any] = {"p": partition, "o": offset, "c": tuple(completed)}
    if time is not None:
        record["t"] = time
    return orjson.dumps(record)


def with_time(partition: int, offset: int, time: int) -> bytes:
    """The record that tells a bucket how far a partition is."""
    return orjson.dumps({"p": partition, "o": offset, "t": time})


def with_end(partition: int, offset: int) -> bytes:
    """The record that tells a bucket that nothing more comes in a partition now."""
    return orjson.dumps({"p": partition, "idle": offset})
