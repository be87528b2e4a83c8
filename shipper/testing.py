"""Fakes for tests, ours and those of people who add a sink: no broker, no clock, no chance but a seed's.

They keep the protocol to the letter, so that what passes with them can pass with the real thing.
The log writer is no fake: its files are real ones.
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
from shipper.times import SECOND


class FakeClock:
    """A clock that goes on only when it is told to. Call it for nanoseconds; `wait` is `sleep` without waiting."""

    def __init__(self) -> None:
        self.time = 0

    def __call__(self) -> int:
        """Nanoseconds."""
        return self.time

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.time += max(1, round(seconds * SECOND))


def block(*lines: bytes) -> Block:
    """A block of these lines, as if each were an event of one file."""
    origin = Origin("Mfa.log", "azure_mfa.radius", "event")
    labels: list[Label] = [("2017-02-14T02:57:19Z", f"0123456789abcdef-{n}", origin, None) for n in range(len(lines))]
    return joined(zip(lines, labels, strict=True))


class MemorySink:
    """Keeps what it gets in `lines`; every batch is delivered at the next poll.

    With `stores_places` it also keeps positions, as a sink with transactions does.
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
        """Always reachable."""
        return dict(self.places) if self.stores_places else {}

    def verify(self) -> str | None:
        return None

    def send(self, batch: Batch) -> None:
        """Take a batch."""
        assert len(self._taken) < self.in_flight, "more batches than in_flight allows"
        self._taken.append(batch)

    def poll(self, timeout: float) -> list[Receipt]:
        """Deliver all that was taken."""
        receipts = []
        while self._taken:
            receipts.append(self._deliver(self._taken.popleft(), {}))
        return receipts

    def _deliver(self, batch: Batch, refused: Mapping[int, str]) -> Receipt:
        self.lines += batch.without(refused).lines()
        for key, value in batch.places:
            if value is None:
                self.places.pop(key, None)
            else:
                self.places[key] = value
        return Receipt(batch.number, batch.refusals(refused))

    def flush(self) -> None:
        """Nothing is ever held back; counted."""
        self.flushed += 1

    def abandon(self) -> None:
        """Forget what was taken and not delivered."""
        self._taken.clear()

    def close(self, timeout: float) -> None:
        """Nothing to close."""


class FlakySink(MemorySink):
    """A `MemorySink` that fails as real ones do, by the seed: unreachable, failing while taking or
    reporting, hanging, delivering only a part before it fails, delivering but losing the receipt,
    refusing a record. `calm()` ends the trouble.
    """

    def __init__(
        self, seed: int, in_flight: int = 4, *, stores_places: bool = False, trouble: float = 0.2, refuse: float = 0.0
    ) -> None:
        """`trouble` is the chance of a fault each time there is an occasion, `refuse` the share of lines refused."""
        super().__init__(in_flight, stores_places=stores_places)
        self._random = random.Random(seed)  # noqa: S311  chance that can be repeated
        self._trouble = trouble
        self._refuse = refuse
        self._seed = seed

    def calm(self) -> None:
        """No more faults from now on."""
        self._trouble = 0.0

    def _fault(self, weight: float = 1.0) -> bool:
        return self._random.random() < self._trouble * weight

    def open(self) -> Mapping[bytes, bytes]:
        """May be unreachable."""
        if self._fault():
            raise SinkDown("the fake sink is unreachable")
        return super().open()

    def verify(self) -> str | None:
        return None

    def send(self, batch: Batch) -> None:
        """May fail."""
        if self._fault(0.5):
            raise SinkDown("the fake sink fails while taking")
        super().send(batch)

    def poll(self, timeout: float) -> list[Receipt]:
        """May hang, fail after a part, lose receipts, refuse a record."""
        if self._fault():
            return []  # hangs for once
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
            receipts.append(self._deliver(batch, self._disliked(batch)))
        if self._fault(0.3):
            raise SinkDown("the fake sink loses its receipts")
        return receipts

    def _commit(self) -> list[Receipt]:
        """All or nothing: one transaction over everything taken."""
        refused = {batch.number: batch.refusals(self._disliked(batch)) for batch in self._taken}
        if any(refused.values()):
            raise TransactionRefused({number: refusals for number, refusals in refused.items() if refusals})
        receipts = super().poll(0.0)
        if receipts and self._fault(0.5):
            raise SinkDown("the fake sink commits and does not say so")
        return receipts

    def _deliver_part(self, batch: Batch) -> None:
        lines = batch.without(self._disliked(batch)).lines()
        self.lines += lines[: self._random.randint(0, len(lines))]

    def _disliked(self, batch: Batch) -> dict[int, str]:
        """Reasons by index: the same lines each time, as a record that is too large stays too large."""
        hashes = enumerate(zlib.crc32(line, self._seed) for line in batch.lines())
        return {index: "the fake sink does not like it" for index, value in hashes if value % 1000 < self._refuse * 1000}


class LogWriter:
    """Writes a log as a server does, rotates it as tools do, and remembers what it ever held.

    `generations` are the contents of its files from the first to the one being written: what a
    shipper that misses nothing has seen in the end.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.generations: list[bytearray] = [bytearray()]
        self.destroyed: set[int] = set()  # generations of which an end may be gone that nobody could read
        self._descriptor = -1

    def write(self, data: bytes) -> None:
        """Append; the file is made when it is not there."""
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(self._descriptor, data)
        self.generations[-1] += data

    def rename(self) -> None:
        """Rotate by renaming: `.1` becomes `.2`, the log becomes `.1`, and the next write makes a new one."""
        if self._descriptor < 0:
            return
        self._shift()
        os.rename(self.path, f"{self.path}.1")
        self._next(close=True)

    def copytruncate(self, *, keep_copy: bool = True) -> None:
        """Copy the log to `.1`, then cut it to nothing while it stays open; without a copy its end can be lost."""
        if self._descriptor < 0:
            return
        if keep_copy:
            self._shift()
            shutil.copyfile(self.path, f"{self.path}.1")
        else:
            self.destroyed.add(len(self.generations) - 1)
        os.truncate(self.path, 0)
        self._next(close=False)

    def delete(self) -> None:
        """Remove the log; the next write makes a new one."""
        if self._descriptor < 0:
            return
        os.unlink(self.path)
        self.destroyed.add(len(self.generations) - 1)
        self._next(close=True)

    def compress(self) -> None:
        """Turn the newest rotated file into `.gz`, as logrotate does: the new file first, then the old one goes."""
        old = f"{self.path}.1"
        if not os.path.exists(old):
            return
        with open(old, "rb") as plain, gzip.open(f"{old}.gz", "wb") as packed:
            shutil.copyfileobj(plain, packed)
        os.unlink(old)

    def close(self) -> None:
        """The server stops."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _next(self, *, close: bool) -> None:
        self.generations.append(bytearray())
        if close:
            self.close()

    def _shift(self) -> None:
        """Advance rotated files one number up, from the oldest on."""
        number = 1
        while any(os.path.exists(f"{self.path}.{number}{end}") for end in ("", ".gz")):
            number += 1
        for one in range(number - 1, 0, -1):
            for end in ("", ".gz"):
                if os.path.exists(f"{self.path}.{one}{end}"):
                    os.rename(f"{self.path}.{one}{end}", f"{self.path}.{one + 1}{end}")
