"""The state topic: the positions that were committed with the events, and who committed them last.

A position counts once its transaction is committed. Two things can hide that from a reader:

*Another shipper's open transaction* in front of ours, if shippers share the topic: readers of what is
committed wait there. It ends by itself, at the latest after its `transaction.timeout.ms`.

*A marker that was never written.* A broker that is killed while it ends a transaction may, once it is
back, take the transaction for ended without having marked our partitions (seen with Apache Kafka 4.3).
Then readers wait at its first record until the next marker of the same id, which counts for all its
records. So once the id is ours, whatever of ours still looks open is as good as committed. No event is
missing from it, because positions are sent when all their events are acknowledged.
"""

import time
from collections.abc import Iterable

from shipper.deliver.kafka.causes import lacking
from shipper.deliver.kafka.client import Client, Fenced, KafkaOptions, Part
from shipper.deliver.sink import BATCH_KEY, SinkDown
from shipper.errors import UsageError

WAIT_SECONDS = 5.0  # for the transactions of others


class StateTopic:
    """The positions of one transactional id in the state topic. I/O through the client."""

    def __init__(self, options: KafkaOptions, run: str) -> None:
        """`run` identifies this process among all that ever wrote to the topic."""
        self._options = options
        self._run = run
        self._prefix = f"{options.transactional_id}/".encode()  # of our keys: shippers may share a state topic
        self._committed: int | None = None  # the number of our last batch that is committed; None before our mark is
        self._is_fit = False
        self._before: bytes | None = None  # the mark of whoever had the id before us; None before it was ours

    def unfit(self, client: Client) -> str | None:
        """Why the topic cannot keep positions; None if it can.

        Raises:
            SinkDown: that cannot be seen now.
        """
        topic = self._options.state_topic
        policy = client.cleanup_policy(topic)
        if policy is None:
            raise SinkDown(lacking(self._options, client.rights([topic])) or f"the configuration of {topic} cannot be seen")
        if policy != "compact":
            return (
                f"the state topic {topic} has cleanup.policy={policy}, so its positions expire, and old logs would be sent again; "
                "set cleanup.policy=compact"
            )
        return None

    def require_fitness(self, client: Client) -> None:
        """Look once whether the topic can keep positions.

        Raises:
            UsageError: it cannot.
            SinkDown: that cannot be seen now.
        """
        if not self._is_fit:
            if reason := self.unfit(client):
                raise UsageError(f"output.kafka.state_topic: {reason}")
            self._is_fit = True

    @property
    def mark(self) -> tuple[bytes, bytes]:
        """Key and value of a record that says the id is ours, before there is any batch."""
        return self._prefix + BATCH_KEY, f"{self._run}:0".encode()

    def keyed(self, key: bytes) -> bytes:
        """The key of a position in the topic."""
        return self._prefix + key

    @property
    def was_ours(self) -> bool:
        """True once the id was ours, and so a mark of somebody else is of a shipper that has taken it over."""
        return self._before is not None

    @property
    def is_marked(self) -> bool:
        """True once our mark is known to be in the topic."""
        return self._committed is not None

    def committed(self, mark: bytes) -> None:
        """A transaction with this mark of ours was committed."""
        self._committed = int(mark.rpartition(b":")[2])

    def read(self, client: Client, *, ours: bool) -> dict[bytes, bytes]:
        """The positions, by key, with the mark of the last batch.

        Args:
            client: connected.
            ours: the id is ours, so that no transaction with it is open any more.

        Raises:
            Fenced: another shipper has taken over the id since we had it.
            SinkDown: the topic cannot be read, or not yet.
        """
        parts = self._all(client) if ours else [client.read(self._options.state_topic, {}, committed=True)]
        found = {key.removeprefix(self._prefix): value for key, value in self._last_values(parts).items()}
        self._check(found.get(BATCH_KEY, b""), ours)
        return found

    def _all(self, client: Client) -> list[Part]:
        """What is committed, and what is as good as committed."""
        topic = self._options.state_topic
        end = time.monotonic() + WAIT_SECONDS
        while True:
            part = client.read(topic, {}, committed=True)
            behind = client.read(topic, part.ends, committed=False)
            if self._is_readable(behind):
                return [part, behind]
            if time.monotonic() > end:
                raise SinkDown(f"another producer's open transaction hides our positions in {topic}; it ends within a minute")

    def _is_readable(self, behind: Part) -> bool:
        """True unless records of ours stand behind an open transaction of somebody else."""
        for records in behind.records.values():
            own = [key is not None and key.startswith(self._prefix) for key, _ in records]
            if any(own) and not own[0]:
                return False
        return True

    def _last_values(self, parts: Iterable[Part]) -> dict[bytes, bytes]:
        """Of each key of ours the last value; a key without a value is deleted."""
        state: dict[bytes, bytes] = {}
        for part in parts:
            for records in part.records.values():
                for key, value in records:
                    if key is None or not key.startswith(self._prefix):
                        continue
                    state.pop(key, None)
                    if value is not None:
                        state[key] = value
        return state

    def _check(self, mark: bytes, ours: bool) -> None:
        """Compare the last mark in the topic with what we know of it."""
        if self._before is None:
            self._before = mark
            return
        run, _, number = mark.decode("latin-1").rpartition(":")
        if run != self._run and mark != self._before:
            raise Fenced(self._options.transactional_id)
        if self._committed is not None and ours and (run != self._run or int(number) < self._committed):
            raise SinkDown(f"{self._options.state_topic} does not show what was committed; it is read again")
