"""The sidecar's loop in this process, over real files, with a clock that the test moves."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shipper.decode.library import load
from shipper.deliver.batch import Limits
from shipper.deliver.delivery import Delivery
from shipper.deliver.sink import Refusal
from shipper.pipeline import Settings
from shipper.read.inputs import TailInput, TailOptions
from shipper.read.tail import Tail
from shipper.sidecar.checkpoint import Checkpoint
from shipper.sidecar.loop import Sidecar
from shipper.sidecar.vitals import Vitals, conservation
from shipper.testing import FakeClock, MemorySink
from shipper.times import SECOND


class Deaf:
    """Hears nothing, and takes no dead letters."""

    def add(self, refusals: tuple[Refusal, ...]) -> None:
        raise AssertionError(refusals)

    def down(self, reason: str) -> None: ...

    def up(self) -> None: ...

    def refused(self, refusals: tuple[Refusal, ...]) -> None: ...

    def unkept(self, reason: str | None) -> None: ...


class Loop:
    """A sidecar that follows `logs/*.log*` of a folder and keeps its state in `state`."""

    def __init__(self, folder: Path, **choices: Any) -> None:
        """`choices` are fields of `Settings`."""
        self.sink, self._clock = MemorySink(4), FakeClock()
        checkpoint = Checkpoint(str(folder / "state"))
        stored = checkpoint.load()
        assert not stored.warnings
        delivery = Delivery(self.sink, Deaf(), Deaf(), run="r", now=self._clock, random=random.Random(1).random)
        inputs = [TailInput(str(folder / "logs" / "*.log*"))]
        self.tail = Tail(inputs, stored.places, TailOptions(), now=lambda: self._clock() / SECOND)
        self.sidecar = Sidecar(
            self.tail, delivery, checkpoint, Settings(load(), **choices), stored,
            limits=Limits(10, 1 << 20, SECOND), vitals=Vitals(), now=self._clock, wait=self._clock.wait,
        )  # fmt: skip

    def turn(self, number: int = 100) -> None:
        """So many turns, after which all that is there is delivered and accounted for."""
        self.try_to_turn(number)
        assert self.sidecar.at_rest
        assert not self.tail.past_lost

    def try_to_turn(self, number: int) -> None:
        """So many turns, whatever comes of them."""
        for _ in range(number):
            self.sidecar.turn()
            assert conservation(self.sidecar.vitals) is None
            self._clock.wait(0.3)

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was delivered."""
        return [json.loads(text) for text in self.sink.lines]


@contextmanager
def loop(folder: Path, **choices: Any) -> Iterator[Loop]:
    """A loop that ends in an orderly way."""
    running = Loop(folder, **choices)
    yield running
    assert running.sidecar.stop(SECOND)
