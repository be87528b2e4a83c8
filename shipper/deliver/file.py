"""A file as a sink: appended to, synced before anything counts as delivered, rotated by size and age. I/O.

A rotated file is renamed to `PATH.20170214T025719Z`, the time of its rotation, with `-2`, `-3` ...
appended where that name is taken.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from shipper.deliver.sink import Batch, Receipt, SinkDown
from shipper.durable import sync_folder
from shipper.times import SECOND

TAIL = 1 << 20


@dataclass(frozen=True, slots=True)
class FileOptions:
    """The file; when it is rotated, in bytes and nanoseconds; how many rotated files are kept."""

    path: str
    rotate_size: int | None = None
    rotate_every: int | None = None
    keep: int | None = None


class FileSink:
    """Appends batches to a file."""

    name = "file"
    in_flight = 4

    def __init__(self, options: FileOptions, now: Callable[[], float] = time.monotonic) -> None:
        """`now`: seconds of a monotonic clock."""
        self._options = options
        self._now = now
        self._descriptor = -1
        self._size = 0
        self._since = 0.0
        self._unsynced: list[int] = []  # numbers of the batches that are written

    def open(self) -> Mapping[bytes, bytes]:
        """Open or create the file, and remove a line that a crash tore: it is sent again.

        Raises:
            SinkDown: not possible now.
        """
        try:
            self._open()
        except OSError as error:
            raise SinkDown(f"cannot open {self._options.path}: {error.strerror}") from None
        return {}

    def _open(self) -> None:
        self._descriptor = os.open(self._options.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
        sync_folder(self._options.path)  # it may be new, and its predecessor renamed
        status = os.fstat(self._descriptor)
        self._size, self._since = status.st_size, self._now()
        end = self._size
        while end:
            begin = max(0, end - TAIL)
            os.lseek(self._descriptor, begin, os.SEEK_SET)
            at = os.read(self._descriptor, end - begin).rfind(b"\n")
            if at >= 0:
                end = begin + at + 1
                break
            end = begin
        if end < self._size:
            os.ftruncate(self._descriptor, end)
            self._size = end

    def verify(self) -> str | None:
        path = self._options.path
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder):
            return f"cannot open {path}: there is no folder {folder}"
        if os.path.isdir(path):
            return f"cannot open {path}: it is a folder"
        if not os.access(path if os.path.exists(path) else folder, os.W_OK):
            return f"cannot open {path}: permission denied"
        return None

    def send(self, batch: Batch) -> None:
        """Append.

        Raises:
            SinkDown: the disk is full, or the device fails.
        """
        data = batch.data
        try:
            if self._is_time_to_rotate(len(data)):
                self._rotate()
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise SinkDown(f"cannot write {self._options.path}: {error.strerror}") from None
        self._size += len(data)
        self._unsynced.append(batch.number)

    def poll(self, timeout: float) -> list[Receipt]:
        """Sync.

        Raises:
            SinkDown: the device fails.
        """
        if not self._unsynced:
            return []
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise SinkDown(f"cannot sync {self._options.path}: {error.strerror}") from None
        receipts = [Receipt(number) for number in self._unsynced]
        self._unsynced.clear()
        return receipts

    def _is_time_to_rotate(self, more: int) -> bool:
        size, every = self._options.rotate_size, self._options.rotate_every
        if not self._size:
            return False
        full = size is not None and self._size + more > size
        old = every is not None and self._now() - self._since >= every / SECOND
        return full or old

    def _rotate(self) -> None:
        os.fsync(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1
        path = self._options.path
        stamp, number = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), 1
        earlier = _rotated(path)
        if earlier and earlier[-1][0] >= stamp:  # also when the clock went back: names stay in the order of rotation
            stamp, number = earlier[-1][0], earlier[-1][1] + 1
        os.rename(path, f"{path}.{stamp}" + (f"-{number}" if number > 1 else ""))
        self._open()
        if self._options.keep is not None:
            for old in rotated(path)[: -self._options.keep]:
                os.unlink(old)

    def flush(self) -> None:
        """Nothing is held back."""

    def abandon(self) -> None:
        """Close. What was written and not reported will be written again."""
        self._unsynced.clear()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def close(self, timeout: float) -> None:
        self.abandon()


def rotated(path: str) -> list[str]:
    """The rotated files of a path, the oldest first."""
    return [file for _, _, file in _rotated(path)]


def _rotated(path: str) -> list[tuple[str, int, str]]:
    """Time stamps, numbers and paths of the rotated files, the oldest first."""
    folder, name = os.path.split(os.path.abspath(path))
    found = []
    for file in Path(folder).glob(f"{name}.[0-9]*Z*"):
        stamp, _, number = file.name[len(name) + 1 :].partition("-")
        if number.isdecimal() or not number:  # else it is no file of ours
            found.append((stamp, int(number or 1), str(file)))
    return sorted(found)
