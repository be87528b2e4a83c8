"""A sink that takes nothing makes reading wait, whatever the sizes of batches and reads."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from shipper.decode.library import load
from shipper.deliver.batch import Limits
from shipper.deliver.delivery import Delivery
from shipper.deliver.sink import Refusal, SinkDown
from shipper.pipeline import Settings
from shipper.read.inputs import TailInput, TailOptions
from shipper.read.tail import Tail
from shipper.sidecar.checkpoint import Checkpoint, Stored
from shipper.sidecar.loop import Sidecar
from shipper.sidecar.vitals import Vitals, conservation
from shipper.testing import FakeClock, MemorySink
from shipper.times import SECOND

LINES = 6000


class Closed(MemorySink):
    """Cannot be reached while `closed`."""

    closed = True

    def open(self) -> Mapping[bytes, bytes]:
        if self.closed:
            raise SinkDown("nobody there")
        return super().open()


class Deaf:
    def add(self, refusals: tuple[Refusal, ...]) -> None: ...

    def down(self, reason: str) -> None: ...

    def up(self) -> None: ...

    def refused(self, refusals: tuple[Refusal, ...]) -> None: ...

    def unkept(self, reason: str | None) -> None: ...


@contextmanager
def sidecar(folder: Path, sink: MemorySink, limits: Limits, read_size: int, clock: FakeClock) -> Iterator[Sidecar]:
    log = b"".join(b"2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|line %05d\n" % n for n in range(LINES))
    (folder / "Mfa.log").write_bytes(log)
    delivery = Delivery(sink, Deaf(), Deaf(), run="r", now=clock, random=random.Random(1).random)
    tail = Tail([TailInput(str(folder / "Mfa.log"))], {}, TailOptions(read_size=read_size), now=lambda: clock() / SECOND)
    yield Sidecar(
        tail,
        delivery,
        Checkpoint(str(folder / "state")),
        Settings(load(), read_size=read_size),
        Stored(),
        limits=limits,
        vitals=Vitals(),
        now=clock,
        wait=clock.wait,
    )
    tail.close()


@pytest.mark.parametrize("stores_places", [False, True])
@pytest.mark.parametrize("max_events", [7, 20, 100])
def test_reading_waits_for_a_sink_that_is_down(max_events: int, stores_places: bool, tmp_path: Path) -> None:
    sink, clock = Closed(4, stores_places=stores_places), FakeClock()
    with sidecar(tmp_path, sink, Limits(max_events, 1 << 20, SECOND), 1024, clock) as one:
        for _ in range(300):
            one.turn()
            clock.wait(0.3)
        # Four batches under way and a full one that waits, each a read (18 lines in 1 KiB) too large at most.
        assert one.vitals.counts.lines <= (4 + 1) * (max_events - 1 + 18)
        assert one.vitals.lag_bytes > (LINES - 1000) * 56
        sink.closed = False
        for _ in range(6000):
            one.turn()
            clock.wait(0.3)
            if one.at_rest:
                break
        assert len(set(sink.lines)) == len(sink.lines) == LINES
        assert conservation(one.vitals) is None
