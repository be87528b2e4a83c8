"""Files among the logs that no server writes: holes, NULs, endless lines, nothing with a time, packed copies."""

import gzip
import os
import random
from pathlib import Path

MOST = 3  # a life
LINE = b"2017-02-14T03:57:19.%06dZ|0|1412|1|pfrad|strange %d\n"


class HostileFiles:
    """Makes such files in the folder of the logs; each belongs to a log of its own."""

    def __init__(self, folder: Path, rnd: random.Random, *, undated: bool = True) -> None:
        """`undated`: lines that have the time of their file, which `parse` and `run` may see at another moment, are among them."""
        self._folder, self._random = folder, rnd
        self.paths: list[Path] = []
        self._copies = 0
        # Each once: files that begin with the same 64 KiB, without a time stamp, are one log by their ids.
        self._kinds = [self._sparse, self._nuls, self._endless, *([self._undated] if undated else [])]
        rnd.shuffle(self._kinds)

    def act(self) -> str:
        """Make one, or write on in one; what it was."""
        if len(self.paths) == MOST or (self.paths and self._random.random() < 0.5):
            path = self._random.choice(self.paths)
            self._append(path, self._lines())
            return f"write to {path.name}"
        kind = self._kinds.pop()
        path = self._folder / f"Mfa-{'abc'[len(self.paths)]}.log"
        self.paths.append(path)
        kind(path)
        return f"{kind.__name__} {path.name}"

    def copy(self, log: Path) -> None:
        """A packed copy of a rotated log, which stays."""
        self._copies += 1
        if self._copies > 8:
            return
        (self._folder / f"Mfa.log-2017021{self._copies}.gz").write_bytes(gzip.compress(log.read_bytes(), 1))

    def finish(self) -> None:
        """End the last line of each."""
        for path in self.paths:
            self._append(path, self._lines())

    def _lines(self) -> bytes:
        numbers = (self._random.randrange(1_000_000) for _ in range(self._random.randint(1, 5)))
        return b"".join(LINE % (number, number) for number in numbers)

    def _append(self, path: Path, data: bytes) -> None:
        with open(path, "ab") as file:
            file.write(data)

    def _sparse(self, path: Path) -> None:
        path.touch()
        os.truncate(path, self._random.choice((70_000, 3_000_000, 20_000_000)))

    def _nuls(self, path: Path) -> None:
        self._append(path, bytes(self._random.choice((1, 300, 50_000))) + self._random.choice((b"", b"\n", self._lines())))

    def _endless(self, path: Path) -> None:
        """Without an end, that is: what follows becomes a part of its line."""
        self._append(path, LINE[:-1] % (0, 0) + b"x" * self._random.choice((5_000, 70_000, 1_200_000)))

    def _undated(self, path: Path) -> None:
        self._append(path, b"no time stamp in here\n" * self._random.choice((1, 100, 4000)))
