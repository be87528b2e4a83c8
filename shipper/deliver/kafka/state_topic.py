"""The state topic: the positions committed with the events, and a mark of who committed last.

A position counts once its transaction is committed. Two things can hide it from a reader:

*Another shipper's open transaction* before ours, if shippers share the topic: readers of committed
records wait there. It ends without our help, at the latest after its `transaction.timeout.ms`.

*A marker that was never written.* A broker that is killed while it ends a transaction may, after its
restart, consider the transaction ended without having marked our partitions (seen with Apache Kafka 4.3).
Readers then wait at its first record until the next marker of the same id, which counts for all its
records. So once the id is ours, records of ours that still look open are as good as committed. Their
events are not missing, because positions are sent only after all their events are acknowledged.
"""

import time
from collections.abc import Iterable

from shipper.deliver.kafka.causes import lacking
from shipper.deliver.kafka.client import Client, Fenced, KafkaOptions, Part
from shipper.deliver.sink import BATCH_KEY, SinkDown
from shipper.errors import UsageError

WAIT_SECONDS = 5.0  # for transactions of other producers


class StateTopic:
    """The positions of one transactional id in the state topic. I/O through the client."""

    def __init__(self, options: KafkaOptions, run: str) -> None:
        """`run` identifies this process among all that ever wrote to the topic."""
        self._options = options
        self._run = run
        self._prefix = f"{options.transactional_id}/".encode()  # prefix of our keys: shippers may share a state topic
        self._committed: int | None = None  # number of our last committed batch; None before our mark is committed
        self._is_fit = False
        self._before: bytes | None = None  # mark of the previous owner of the id; None before our first read

    def unfit(self, client: Client) -> str | None:
        """Why the topic cannot keep positions; None if it can.

        Raises:
            SinkDown: the configuration of the topic cannot be read now.
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
        """Check, once, that the topic can keep positions.

        Raises:
            UsageError: the topic cannot keep positions.
            SinkDown: the configuration of the topic cannot be read now.
        """
        if not self._is_fit:
            if reason := self.unfit(client):
                raise UsageError(f"output.kafka.state_topic: {reason}")
            self._is_fit = True

    @property
    def mark(self) -> tuple[bytes, bytes]:
        """Key and value of the record that marks the id as ours before there is any batch."""
        return self._prefix + BATCH_KEY, f"{self._run}:0".encode()

    def keyed(self, key: bytes) -> bytes:
        """The key of a position in the topic."""
        return self._prefix + key

    @property
    def was_ours(self) -> bool:
        """True once we have owned the id; a foreign mark then means that another shipper has taken it over."""
        return self._before is not None

    @property
    def is_marked(self) -> bool:
        """True once our mark is known to be in the topic."""
        return self._committed is not None

    def committed(self, mark: bytes) -> None:
        """Record that a transaction with this mark of ours was committed."""
        self._committed = int(mark.rpartition(b":")[2])

    def read(self, client: Client, *, ours: bool) -> dict[bytes, bytes]:
        """Read the positions, by key, with the mark of the last batch.

        Args:
            client: a connected client.
            ours: the id is ours, so no transaction with it is open any more.

        Raises:
            Fenced: another shipper has taken the id over from us.
            SinkDown: the topic cannot be read now.
        """
        parts = self._all(client) if ours else [client.read(self._options.state_topic, {}, committed=True)]
        found = {key.removeprefix(self._prefix): value for key, value in self._last_values(parts).items()}
        self._check(found.get(BATCH_KEY, b""), ours)
        return found

    def _all(self, client: Client) -> list[Part]:
        """All records that are committed or as good as committed."""
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
        """True unless records of ours follow an open transaction of another producer."""
        for records in behind.records.values():
            own = [key is not None and key.startswith(self._prefix) for key, _ in records]
            if any(own) and not own[0]:
                return False
        return True

    def _last_values(self, parts: Iterable[Part]) -> dict[bytes, bytes]:
        """The last value of each key of ours; a key whose last record has no value is deleted."""
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
        """Compare the last mark in the topic with the mark that we expect."""
        if self._before is None:
            self._before = mark
            return
        run, _, number = mark.decode("latin-1").rpartition(":")
        if run != self._run and mark != self._before:
            raise Fenced(self._options.transactional_id)
        if self._committed is not None and ours and (run != self._run or int(number) < self._committed):
            raise SinkDown(f"{self._options.state_topic} does not show what was committed; it is read again")
