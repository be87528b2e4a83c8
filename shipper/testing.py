"""Fakes for our tests and for tests of third-party sinks: no broker, no real clock, randomness only from a seed.

The fakes follow the `Sink` protocol to the letter, so that code that works with a fake works with a real
sink. `LogWriter` is not a fake: it writes real files.
"""

import gzip
import os
import random
import shutil
import zlib
from collections import deque
from collections.abc import Mapping

from shipper.deliver.sink import Batch, Receipt, SinkDown, TransactionRefused, joined
from shipper.model import Block, Label, Origin
from shipper.shared_files import open_shared
from shipper.times import SECOND


class FakeClock:
    """A clock that stands still until `wait` moves it. Call it to get nanoseconds."""

    def __init__(self) -> None:
        self.time = 0

    def __call__(self) -> int:
        """The time in nanoseconds."""
        return self.time

    def wait(self, seconds: float) -> None:
        """Move the clock by `seconds`, at least by a nanosecond, and return at once."""
        self.time += max(1, round(seconds * SECOND))


def block(*lines: bytes) -> Block:
    """A block with an event for each line, all of one file."""
    origin = Origin("Mfa.log", "azure_mfa.radius", "event")
    labels: list[Label] = [("2017-02-14T02:57:19Z", f"0123456789abcdef-{n}", origin, None) for n in range(len(lines))]
    return joined(zip(lines, labels, strict=True))


class MemorySink:
    """Keeps the lines it receives in `lines`; delivers every batch at the next poll.

    With `stores_places` it also keeps positions, like a sink with transactions.
    """

    name = "memory"

    def __init__(self, in_flight: int = 4, *, stores_places: bool = False) -> None:
        self.in_flight = in_flight
        self.lines: list[bytes] = []
        self.places: dict[bytes, bytes] = {}
        self.stores_places = stores_places
        self._taken: deque[Batch] = deque()
        self.flushed = 0

    def open(self) -> Mapping[bytes, bytes]:
        return dict(self.places) if self.stores_places else {}

    def verify(self) -> str | None:
        return None

    def send(self, batch: Batch) -> None:
        assert len(self._taken) < self.in_flight, "more batches than in_flight allows"
        self._taken.append(batch)

    def poll(self, timeout: float) -> list[Receipt]:
        """Deliver all batches that were sent."""
        receipts = []
        while self._taken:
            receipts.append(self._deliver(self._taken.popleft(), {}))
        return receipts

    def _deliver(self, batch: Batch, refused: Mapping[int, str]) -> Receipt:
        self.lines += batch.without(refused).lines()
        for key, value in batch.places if self.stores_places else ():
            if value is None:
                self.places.pop(key, None)
            else:
                self.places[key] = value
        return Receipt(batch.number, batch.refusals(refused))

    def flush(self) -> None:
        """Do nothing but count the calls in `flushed`."""
        self.flushed += 1

    def abandon(self) -> None:
        """Forget all batches that were sent and not delivered."""
        self._taken.clear()

    def close(self, timeout: float) -> None:
        """Do nothing."""


class FlakySink(MemorySink):
    """A `MemorySink` that fails as real sinks do, reproducibly from `seed`.

    It can be unreachable, fail to take or to report a batch, hang, fail after delivering a part, deliver but
    lose the receipt, or refuse a record. `calm()` ends all faults but refusals.
    """

    def __init__(
        self, seed: int, in_flight: int = 4, *, stores_places: bool = False, trouble: float = 0.2, refuse: float = 0.0
    ) -> None:
        """`trouble` is the probability of a fault in each call, `refuse` the share of refused lines."""
        super().__init__(in_flight, stores_places=stores_places)
        self._random = random.Random(seed)  # noqa: S311  repeatable, not secret
        self._trouble = trouble
        self._refuse = refuse
        self._seed = seed

    def calm(self) -> None:
        """End all faults but refusals."""
        self._trouble = 0.0

    def _fault(self, weight: float = 1.0) -> bool:
        return self._random.random() < self._trouble * weight

    def open(self) -> Mapping[bytes, bytes]:
        if self._fault():
            raise SinkDown("the fake sink is unreachable")
        return super().open()

    def verify(self) -> str | None:
        return None

    def send(self, batch: Batch) -> None:
        if self._fault(0.5):
            raise SinkDown("the fake sink fails while taking")
        super().send(batch)

    def poll(self, timeout: float) -> list[Receipt]:
        """Deliver all batches that were sent, or fail at random."""
        if self._fault():
            return []  # hangs this time
        if self._fault(0.5):
            raise SinkDown("the fake sink fails before it delivers")
        if self.stores_places:
            return self._commit()
        receipts = []
        while self._taken:
            if self._fault(0.3):
                self._deliver_part(self._taken.popleft())
                raise SinkDown("the fake sink fails in the middle of a batch")
            batch = self._taken.popleft()
            receipts.append(self._deliver(batch, self._refused(batch)))
        if self._fault(0.3):
            raise SinkDown("the fake sink loses its receipts")
        return receipts

    def _commit(self) -> list[Receipt]:
        """Deliver all batches that were sent in one transaction, or none."""
        refused = {batch.number: batch.refusals(self._refused(batch)) for batch in self._taken}
        if any(refused.values()):
            raise TransactionRefused({number: refusals for number, refusals in refused.items() if refusals})
        receipts = super().poll(0.0)
        if receipts and self._fault(0.5):
            raise SinkDown("the fake sink commits and loses the answer")
        return receipts

    def _deliver_part(self, batch: Batch) -> None:
        lines = batch.without(self._refused(batch)).lines()
        self.lines += lines[: self._random.randint(0, len(lines))]

    def _refused(self, batch: Batch) -> dict[int, str]:
        """The reasons of refusals, by index. The same lines are refused every time, like a record that is too large."""
        hashes = enumerate(zlib.crc32(line, self._seed) for line in batch.lines())
        return {index: "the fake sink refuses this line" for index, value in hashes if value % 1000 < self._refuse * 1000}


class LogWriter:
    """Writes a log like a server, rotates it like logrotate, and remembers everything it wrote.

    `generations` are the contents of the log's files, from the first to the current one: a shipper must have
    read all of them in the end.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.generations: list[bytearray] = [bytearray()]
        self.cut: list[tuple[int, bytes]] = []  # generations that were cut back, with the bytes they had before
        self.destroyed: set[int] = set()  # generations whose end may have vanished before it was read
        self._descriptor = -1

    def write(self, data: bytes) -> None:
        """Append to the log, creating it if it does not exist."""
        if self._descriptor < 0:
            self._descriptor = open_shared(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(self._descriptor, data)
        self.generations[-1] += data

    def rename(self) -> None:
        """Rotate by renaming: `.1` becomes `.2`, the log becomes `.1`, and the next write creates a new log."""
        if self._descriptor < 0:
            return
        self._shift()
        os.rename(self.path, f"{self.path}.1")
        self._next(close=True)

    def copytruncate(self, *, keep_copy: bool = True) -> None:
        """Copy the log to `.1`, then truncate it while it is open; without the copy, its end can be lost."""
        if self._descriptor < 0:
            return
        if keep_copy:
            self._shift()
            shutil.copyfile(self.path, f"{self.path}.1")
        else:
            self.destroyed.add(len(self.generations) - 1)
        os.truncate(self.path, 0)
        self._next(close=False)

    def cut_back(self, size: int) -> None:
        """Cut the log back to its first `size` bytes; the next write goes on behind them."""
        if self._descriptor >= 0:
            self.cut.append((len(self.generations) - 1, bytes(self.generations[-1])))
            os.truncate(self.path, size)
            del self.generations[-1][size:]

    def delete(self) -> None:
        """Delete the log; the next write creates a new one."""
        if self._descriptor < 0:
            return
        os.unlink(self.path)
        self.destroyed.add(len(self.generations) - 1)
        self._next(close=True)

    def compress(self) -> None:
        """Compress `.1` to `.1.gz` like logrotate: write the new file, then delete the old one."""
        rotated = f"{self.path}.1"
        if not os.path.exists(rotated):
            return
        with open(rotated, "rb") as plain, gzip.open(f"{rotated}.gz", "wb") as packed:
            shutil.copyfileobj(plain, packed)
        os.unlink(rotated)

    def close(self) -> None:
        """Close the log, like a server that stops."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _next(self, *, close: bool) -> None:
        self.generations.append(bytearray())
        if close:
            self.close()

    def _shift(self) -> None:
        """Rename every rotated file to the next number, the oldest first."""
        free = 1
        while any(os.path.exists(f"{self.path}.{free}{end}") for end in ("", ".gz")):
            free += 1
        for number in range(free - 1, 0, -1):
            for end in ("", ".gz"):
                if os.path.exists(f"{self.path}.{number}{end}"):
                    os.rename(f"{self.path}.{number}{end}", f"{self.path}.{number + 1}{end}")
