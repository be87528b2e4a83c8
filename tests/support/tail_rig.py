"""A tail over real files, with a clock that the test moves."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shipper.model import Chunk
from shipper.read.inputs import TailInput, TailOptions
from shipper.read.position import Position
from shipper.read.tail import Tail
from tests.support.removal import remove

DAY = "2017-02-14T02:57:{:02d}.000000Z|0|1|2|pfrad|{}\n"


def line(second: int, text: str = "x") -> bytes:
    return DAY.format(second, text).encode()


def records_of(chunk: Chunk) -> list[tuple[int, bytes]]:
    """The offset and the bytes of each record of a chunk."""
    return [(chunk.offset + begin, record) for record, begin, _ in chunk.pieces()]


@dataclass
class Rig:
    """A `Tail` over `*.log*` of a folder, all that it gave out, and a shipper's memory between two runs of it."""

    folder: Path
    options: dict[str, Any] = field(default_factory=dict)
    glob: str = "*.log*"
    start: str = "beginning"
    encoding: str = "auto"
    time: float = 100.0
    positions: dict[str, Position] = field(default_factory=dict)
    out: list[tuple[str, int, bytes]] = field(default_factory=list)
    ids: list[tuple[str, bytes]] = field(default_factory=list)  # `event.id` and bytes of each line
    records: list[tuple[int, bytes]] = field(default_factory=list)  # offset and bytes of each record of an export

    def __post_init__(self) -> None:
        self.begin()

    def begin(self, positions: Mapping[str, Position] | None = None) -> None:
        self.positions = dict(self.positions if positions is None else positions)
        given = [TailInput(str(self.folder / self.glob), self.start, self.encoding)]
        self.tail = Tail(given, self.positions, TailOptions(**self.options), now=lambda: self.time)

    def restart(self) -> None:
        self.tail.close()
        self.begin()

    def step(self, seconds: float = 2.0) -> bytes:
        """Let time pass, look, and read all there is: the bytes of this step."""
        self.time += seconds
        self.tail.look()
        got = []
        while (reading := self.tail.read()) is not None:
            assert reading.position.offset > reading.chunk.offset
            position = reading.position
            assert position.fingerprint == reading.key[:16]
            assert (position.identity or position.fingerprint) == reading.file.fingerprint
            at = reading.chunk.offset
            for text in reading.chunk.data.splitlines(keepends=True):
                self.ids.append((f"{reading.file.fingerprint}-{at}", text))
                at += len(text)
            self.out.append((reading.key, reading.chunk.offset, reading.chunk.data))
            self.records += records_of(reading.chunk)
            self.positions[reading.key] = reading.position
            got.append(reading.chunk.data)
        return b"".join(got)

    def settle(self) -> bytes:
        """Steps until all waiting is over."""
        return b"".join(self.step(6.0) for _ in range(4))

    def path(self, name: str) -> Path:
        return self.folder / name

    def append(self, name: str, data: bytes) -> None:
        with open(self.folder / name, "ab") as file:
            file.write(data)

    def remove(self, name: str) -> None:
        """Delete a file, which the tail may have open."""
        remove(self.path(name))

    def replace(self, name: str, by: str) -> None:
        """Put another file in the place of one that the tail may have open."""
        if sys.platform == "win32":  # which replaces no file that is open
            self.remove(name)
        self.path(by).replace(self.path(name))

    def copytruncate(self, name: str, to: str) -> None:
        self.path(to).write_bytes(self.path(name).read_bytes())
        os.truncate(self.path(name), 0)
