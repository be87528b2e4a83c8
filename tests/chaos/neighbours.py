"""An output file among other programs, which touch it at any moment, between any two steps of the shipper too.

They rename, remove, replace, cut and append to it, put it back, hold it open, put a folder in its place, and take its whole
folder away. `Neighbours` knows which of the delivered events they destroyed: all others must be in one of the files.
"""

import contextlib
import json
import os
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shipper.deliver.file import FileOptions, FileSink
from shipper.deliver.sink import Batch, Receipt

FOREIGN = b'{"foreign":true}\n'
MEDDLING = 0.04  # how likely somebody acts between two steps


class Neighbours:
    """The other programs around one output file, and what they did to it.

    Attributes:
        path: the output file.
        delivered: ids of the events that the sink reported as delivered.
        destroyed: those of them that somebody destroyed afterwards.
        sink: what writes to the file now.
    """

    def __init__(self, folder: Path, rnd: random.Random) -> None:
        """`folder` is made, for the output file and what others make of it."""
        folder.mkdir()
        self._folder, self._away = folder, folder.with_name(f"{folder.name}-away")
        self.path = folder / "out.ndjson"
        self.delivered: set[str] = set()
        self.destroyed: set[str] = set()
        self.sink: NeighboursSink | None = None
        self._random = rnd
        self._number = 0
        self._held: list[int] = []
        self._calm = False

    def act(self) -> str:
        """Somebody does something; its name."""
        actions: tuple[Callable[[], None], ...]
        if self._away.exists():
            actions = (self._bring_back,)
        elif self.path.is_dir():
            actions = (self.path.rmdir,)
        elif not self.path.exists():
            actions = (self._put_back, self._create, self._take_folder_away)
        else:
            actions = (self._rename, self._recreate, self._remove, self._replace, self._cut, self._cut, self._append,
                       self._hold, self._take_mode_away, self._block, self._take_folder_away)  # fmt: skip
        action = self._random.choice(actions)
        action()
        return action.__name__

    def meddle(self) -> None:
        """Perhaps somebody acts in between two steps of the sink."""
        if not self._calm and self._random.random() < MEDDLING and self.path.is_file():
            self._random.choice((self._rename, self._recreate, self._remove, self._replace, self._cut_between_lines))()

    def calm(self) -> None:
        """All go away, and give back what they took."""
        self._calm = True
        if self._away.exists():
            self._bring_back()
        if self.path.is_dir():
            self.path.rmdir()
        elif self.path.exists():
            self.path.chmod(0o644)
        while self._held:
            os.close(self._held.pop())

    def _disturbed(self) -> None:
        if self.sink is not None:
            self.sink.expect_to_be_reopened()

    def _new_name(self) -> Path:
        self._number += 1
        return self._folder / f"taken-{self._number}"

    def _destroy(self, begin: int) -> None:
        """The bytes from `begin` on are gone."""
        content = self.path.read_bytes()
        lines = content[content.rfind(b"\n", 0, begin) + 1 :].splitlines()
        self.destroyed |= {document["event"]["id"] for document in _documents(lines)} & self.delivered

    def _rename(self) -> None:
        self._disturbed()
        self.path.rename(self._new_name())

    def _recreate(self) -> None:
        """As logrotate does with `create`."""
        self._rename()
        self._create()

    def _create(self) -> None:
        self.path.touch()

    def _remove(self) -> None:
        self._disturbed()
        self._destroy(0)
        self.path.unlink()

    def _replace(self) -> None:
        self._disturbed()
        self._destroy(0)
        other = self._new_name()
        other.write_bytes(FOREIGN)
        other.replace(self.path)

    def _cut(self) -> None:
        self._cut_at(self._random.randint(0, self.path.stat().st_size))

    def _cut_between_lines(self) -> None:
        content = self.path.read_bytes()
        self._cut_at(content.rfind(b"\n", 0, self._random.randint(0, len(content))) + 1)

    def _cut_at(self, size: int) -> None:
        if size < self.path.stat().st_size:
            if self.sink is None or self.sink.has_more_than(size):  # else only what others appended is gone, unseen
                self._disturbed()
            self._destroy(size)
            os.truncate(self.path, size)

    def _put_back(self) -> None:
        """Whoever took the file away puts it back."""
        taken = self._folder / f"taken-{self._number}"
        if taken.exists():
            taken.rename(self.path)
            if self.sink is not None:
                self.sink.reopens = None

    def _append(self) -> None:
        """Another program writes whole lines, into the file that it has had open for long."""
        self._hold()
        content = os.pread(self._held[0], 1 << 24, 0)
        if not content or content.endswith(b"\n"):
            os.write(self._held[0], FOREIGN)

    def _hold(self) -> None:
        self._held.append(os.open(self.path, os.O_RDWR | os.O_APPEND))
        if len(self._held) > 3:
            os.close(self._held.pop(0))

    def _take_mode_away(self) -> None:
        self.path.chmod(0)  # which root does not notice

    def _block(self) -> None:
        self._rename()
        self.path.mkdir()

    def _take_folder_away(self) -> None:
        self._disturbed()
        self._folder.rename(self._away)

    def _bring_back(self) -> None:
        if self._folder.exists():
            self._folder.rename(self._new_name())  # made anew meanwhile
        self._away.rename(self._folder)
        if self.sink is not None:
            self.sink.reopens = None

    def lines(self) -> list[bytes]:
        """The events in all files there are; AssertionError where one is torn.

        A last line without its end was cut by somebody, or by a crash, before the shipper saw the file again.
        """
        lines: list[bytes] = []
        for path in sorted(path for path in self._folder.iterdir() if path.is_file()):
            whole, _, rest = path.read_bytes().rpartition(b"\n")
            assert not rest or path != self.path, f"the output file ends with {rest[:80]!r}"
            if path.suffix != ".lock":
                lines += [line for line in whole.split(b"\n") if line and line != FOREIGN[:-1]]
        assert len(list(_documents(lines))) == len(lines), f"torn: {next(line for line in lines if not _documents([line]))!r}"
        return lines


class WatchedNeighbours(Neighbours):
    """Neighbours of a real process, of which nobody knows what it has delivered: whatever they destroy is kept for the judge. To be
    called while the process is frozen."""

    def _destroy(self, begin: int) -> None:
        shutil.copyfile(self.path, self._new_name())

    def size(self) -> int:
        """Of the output file; 0 where there is none."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def let_start(self) -> None:
        """Take away what would keep a shipper from starting."""
        if self.path.is_dir():
            self.path.rmdir()


def _documents(lines: list[bytes]) -> list[dict[str, Any]]:
    """The events among the lines."""
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):
            document = json.loads(line)
            if "event" in document:
                found.append(document)
    return found


class NeighboursSink(FileSink):
    """The real sink, around whose every act the process can die or somebody else can act.

    Attributes:
        reopens: how often the path had been opened anew when somebody touched the file last; None if nobody has.
    """

    def __init__(self, options: FileOptions, neighbours: Neighbours, step: Callable[[str], None], dies: Callable[[], bool],
                 rnd: random.Random, now: Callable[[], float]) -> None:  # fmt: skip
        """
        Args:
            options: of the sink.
            neighbours: who else is there.
            step: called between two steps; the process may die in it.
            dies: the process will die in the next step.
            rnd: for the part of a write that a crash leaves.
            now: seconds of a monotonic clock.
        """
        super().__init__(options, now)
        self._neighbours, self._step, self._dies, self._random = neighbours, step, dies, rnd
        self.reopens: int | None = None
        neighbours.sink = self

    def expect_to_be_reopened(self) -> None:
        """Somebody touched the file: nothing more counts as delivered before the path is opened anew, and that is counted."""
        if self._descriptor >= 0 and self.reopens is None:
            self.reopens = self.reopened

    def has_more_than(self, size: int) -> bool:
        """True if the file was longer than that when the sink saw it last."""
        return self._size > size

    def _between(self, name: str) -> None:
        self._step(name)
        self._neighbours.meddle()

    def open(self) -> Mapping[bytes, bytes]:
        self.reopens = None
        self._between("open")
        return super().open()

    def poll(self, timeout: float) -> list[Receipt]:
        self._step("before poll")
        taken = {batch.number: batch for batch in self._batches}
        receipts = super().poll(timeout)
        if receipts:
            assert self.reopens is None or self.reopened > self.reopens, "a file that somebody touched was not opened anew"
            self.reopens = None
        for receipt in receipts:
            self._neighbours.delivered |= {document["event"]["id"] for document in _documents(taken[receipt.number].lines())}
        self._step("after poll")
        return receipts

    def _write(self, batch: Batch, data: bytes, begun: int) -> None:
        self._between("before write")
        if self._dies():
            with contextlib.suppress(OSError):
                os.write(self._descriptor, data[begun : self._random.randint(begun, len(data))])
        self._step("in the middle of a write")
        super()._write(batch, data, begun)
        self._between("after write")

    def _sync(self) -> list[Receipt]:
        self._between("before sync")
        return super()._sync()

    def _rotate(self) -> None:
        self._between("before rotation")
        super()._rotate()

    def _open(self) -> None:
        self._between("before open")
        super()._open()
