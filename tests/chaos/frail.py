"""Parts of a sidecar around whose every act the process can die: a broker, dead letters."""

import errno
import os
from collections.abc import Mapping
from typing import Any

from shipper.deliver.sink import Batch, Receipt, Refusal
from shipper.testing import FlakySink, block


class Crash(BaseException):
    """The process is gone, between two steps."""


class Steps:
    """Counts the steps of a commit; one of them may be the last of the process."""

    def __init__(self) -> None:
        self.left: int | None = None

    def __call__(self, name: str = "") -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise Crash(name)

    @property
    def is_last(self) -> bool:
        """True if the next step is one too many."""
        return self.left == 0


class Frail(FlakySink):
    """A flaky sink around whose every act the process can die."""

    steps: Steps

    def __init__(self, seed: int, in_flight: int, **choices: Any) -> None:
        super().__init__(seed, in_flight, **choices)
        self.once: list[bytes] = []  # what was delivered in transactions

    def _deliver(self, batch: Batch, refused: Mapping[int, str]) -> Receipt:
        before = len(self.lines)
        receipt = super()._deliver(batch, refused)
        if self.stores_places:
            self.once += self.lines[before:]
        return receipt

    def _refused(self, batch: Batch) -> dict[int, str]:
        """By the ids of the events: their paths differ from run to run of the model."""
        ids = [line.partition(b'"id":"')[2].partition(b'"')[0] for line in batch.lines()]
        return super()._refused(batch._replace(blocks=(block(*ids),)))

    def open(self) -> Mapping[bytes, bytes]:
        self.steps("open")
        return super().open()

    def send(self, batch: Batch) -> None:
        self.steps("before send")
        super().send(batch)
        self.steps("after send")

    def poll(self, timeout: float) -> list[Receipt]:
        self.steps("before poll")
        receipts = super().poll(timeout)
        self.steps("after poll")
        return receipts


class Letters:
    def __init__(self, steps: Steps) -> None:
        self.kept: list[bytes] = []
        self.disk_is_full = False
        self._steps = steps

    def add(self, refusals: tuple[Refusal, ...]) -> None:
        self._steps("before dead letters")
        if self.disk_is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.kept += [refusal.line for refusal in refusals]
        self._steps("after dead letters")


class Silent:
    def down(self, reason: str) -> None: ...

    def up(self) -> None: ...

    def refused(self, refusals: tuple[Refusal, ...]) -> None: ...

    def unkept(self, reason: str | None) -> None: ...
