"""A server that writes a log in uneven pieces and rotates it now and then, and who sees how much of it has arrived."""

import contextlib
import random
from typing import Generic, Protocol, TypeVar

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.support.process import until

INSTANT = 27  # characters of a time stamp


class Writer(Protocol):
    """Who writes a log: `shipper.testing.LogWriter`, or a foreign process."""

    def write(self, data: bytes) -> None: ...

    def rename(self) -> None: ...


W = TypeVar("W", bound=Writer)


class Server(Generic[W]):
    """Writes `data` to a log, as much at a time as it is told to."""

    def __init__(self, writer: W, data: bytes, rnd: random.Random) -> None:
        self.writer = writer
        self._data = data
        self._at = 0
        self._rnd = rnd

    def write(self, share: float, *, whole: bool = False, rotate: float = 0.0) -> int:
        """Write about this share of the log, in a piece that may end in the middle of a line.

        Args:
            share: of all that there is to write; 1.0 writes the rest.
            whole: not there, but between two lines.
            rotate: how likely the log is rotated behind it, between two lines then.

        Returns:
            How many lines are complete since.
        """
        end = min(len(self._data), self._at + max(1, int(share * len(self._data))))
        turn = self._rnd.random() < rotate
        if turn or whole:
            end = self._end_of_an_instant(end)
        piece = self._data[self._at : end]
        self.writer.write(piece)
        self._at = end
        if turn:
            self.writer.rename()
        return piece.count(b"\n")

    def _end_of_an_instant(self, at: int) -> int:
        """The next line end whose line has another time than the line behind it.

        Which of two files that begin with the same time is the older one, nobody can tell.
        """
        end = self._data.find(b"\n", at) + 1
        while end and self._data[end : end + INSTANT] == self._data[self._data.rfind(b"\n", 0, end - 1) + 1 :][:INSTANT]:
            end = self._data.find(b"\n", end) + 1
        return end or len(self._data)


class Arrivals:
    """How many records a topic holds, those of open transactions included."""

    def __init__(self, address: str, topic: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": address, "group.id": "arrivals"})
        found = self._consumer.list_topics(topic, 20).topics[topic].partitions
        self._partitions = [TopicPartition(topic, number) for number in found]
        self._seen = 0

    def __call__(self) -> int:
        """The number now; while no broker answers, the last one."""
        with contextlib.suppress(KafkaException):
            ends = [self._consumer.get_watermark_offsets(partition, timeout=2.0) for partition in self._partitions]
            self._seen = sum(high for _, high in (end for end in ends if end))
        return self._seen

    def grow(self, number: int, since: int) -> None:
        """Return when there are so many records more than then; AssertionError after the deadline."""
        until(lambda: self() >= since + number, f"{number} records more arrive", every=0.002)

    def close(self) -> None:
        self._consumer.close()
