"""The file sink: appends batches, syncs before reporting delivery, rotates by size and age. I/O.

Other programs may rename, remove, replace or truncate the file at any moment. A batch therefore counts as delivered only if it
is synced and the path still leads to the file that holds it; otherwise the path is reopened and the batch written there.
"""

import contextlib
import errno
import os
import stat
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from shipper.deliver.rotated_files import next_name, rotated
from shipper.deliver.sink import Batch, Receipt, SinkDown
from shipper.durable import open_made, sync_folder
from shipper.errors import UsageError
from shipper.lock import Lock, lock_beside
from shipper.shared_files import patiently
from shipper.times import SECOND

TAIL = 1 << 20
ATTEMPTS = 3  # to write a batch while other programs replace the file


@dataclass(frozen=True, slots=True)
class FileOptions:
    """The path, the limits that trigger rotation in bytes and nanoseconds, and the number of rotated files to keep."""

    path: str
    rotate_size: int | None = None
    rotate_every: int | None = None
    keep: int | None = None


class _Begun(NamedTuple):
    """A batch that the disk took only in part.

    Attributes:
        number: number of the batch.
        size: bytes of the batch in the file; always whole events.
        file: device and inode of the file.
        end: size of the file.
    """

    number: int
    size: int
    file: tuple[int, int]
    end: int


class FileSink:
    """Appends batches to a file.

    Attributes:
        reopened: how often the path was reopened because another program had renamed, removed, replaced or truncated the file.
    """

    name = "file"
    in_flight = 4

    def __init__(self, options: FileOptions, now: Callable[[], float] = time.monotonic) -> None:
        """`now`: seconds of a monotonic clock.

        Raises:
            UsageError: the path leads to something other than a file.
        """
        self._options = options
        self._path = options.path
        self._now = now
        self._lock: Lock | None = None
        self._descriptor = -1
        self._id = (0, 0)
        self._size = 0
        self._since = 0.0
        self._batches: list[Batch] = []  # taken, not yet reported
        self._rotated = 0  # how many of `_batches` are in files that have since been rotated
        self._written = 0  # how many of `_batches` are written, rotated ones included
        self._begun: _Begun | None = None
        self.reopened = 0
        fault = _no_file(self._path)
        if fault is not None:
            raise UsageError(f"output.file.path: {fault}; give the path of a file")

    def open(self) -> Mapping[bytes, bytes]:
        """Open or create the file, and cut off a line that a crash tore; its event is sent again.

        Raises:
            SinkDown: the file cannot be opened now.
            UsageError: another shipper writes to the file.
        """
        try:
            if self._lock is None:
                self._lock = _lock(self._path)
            self._open()
        except OSError as error:
            raise SinkDown(f"cannot open {self._path}: {error.strerror}") from None
        return {}

    def _open(self) -> None:
        fault = _no_file(self._path)
        if fault is not None:
            raise SinkDown(fault)
        self._descriptor = open_made(self._path, os.O_RDWR | os.O_APPEND)
        sync_folder(self._path)  # the file may be new, and its predecessor renamed
        self._id = _id(os.fstat(self._descriptor))
        self._since = self._now()
        self._mend()

    def _mend(self) -> None:
        """Cut off a last line that has no line end, and update `_size`."""
        self._size = end = os.fstat(self._descriptor).st_size
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
        folder = os.path.dirname(self._path) or "."
        if not os.path.isdir(folder):
            return f"cannot open {self._path}: there is no folder {folder}"
        if not os.access(self._path if os.path.exists(self._path) else folder, os.W_OK):
            return f"cannot open {self._path}: permission denied"
        return None

    def send(self, batch: Batch) -> None:
        """Take a batch; `poll` writes it."""
        self._batches.append(batch)

    def poll(self, timeout: float) -> list[Receipt]:
        """Write and sync the batches taken.

        Raises:
            SinkDown: the disk is full, the device fails, or the file cannot be reopened.
        """
        for _ in range(ATTEMPTS):
            if not self._batches:
                return []
            trouble: OSError | None = None
            try:
                if self._descriptor < 0:  # the file could not be opened after a rotation
                    self._open()
                self._write_all()
            except OSError as error:
                trouble = error
            receipts = self._sync()
            if receipts:
                return receipts  # the batch in trouble will raise the error again
            if trouble is not None:
                raise SinkDown(f"cannot write {self._path}: {trouble.strerror}")
        raise SinkDown(f"cannot write {self._path}: another program replaces or cuts it all the time")

    def _write_all(self) -> None:
        """Write the unwritten batches; stop early if the path had to be reopened."""
        while self._written < len(self._batches):
            batch = self._batches[self._written]
            data = batch.data
            size = os.fstat(self._descriptor).st_size
            if not self._is_there() or size < self._size:
                self._reopen()
                return
            if size > self._size:
                self._mend()  # another program wrote to it
            begun = self._begun_of(batch)
            if not begun and self._is_time_to_rotate(len(data)):
                self._rotate()
                continue
            self._write(batch, data, begun)
            self._written += 1

    def _begun_of(self, batch: Batch) -> int:
        """The number of bytes of `batch` already in the file, from an attempt that ran out of disk space."""
        begun, self._begun = self._begun, None
        known = begun is not None and (begun.number, begun.file, begun.end) == (batch.number, self._id, self._size)
        return begun.size if begun is not None and known else 0

    def _write(self, batch: Batch, data: bytes, begun: int) -> None:
        """Append `data` of a batch from `begun` on. If the disk fills up, cut the file back to whole events: readers then see
        no torn line, and the file does not shrink below what they have read."""
        done = begun
        try:
            while done < len(data):
                done += os.write(self._descriptor, memoryview(data)[done:])
        except OSError:
            whole = _whole_events(batch, done)
            os.ftruncate(self._descriptor, self._size + whole - begun)
            self._size += whole - begun
            self._begun = _Begun(batch.number, whole, self._id, self._size)
            raise
        self._size += len(data) - begun

    def _sync(self) -> list[Receipt]:
        """Sync the file and return receipts for the written batches. If the file was replaced or truncated, reopen the path
        first; only batches in files that we rotated then count as written.

        Raises:
            SinkDown: the device fails.
        """
        if not self._written or self._descriptor < 0:
            return []
        try:
            os.fsync(self._descriptor)
            if not self._is_there() or os.fstat(self._descriptor).st_size < self._size:
                self._reopen()
        except OSError as error:
            self._begun = None
            raise SinkDown(f"cannot sync {self._path}: {error.strerror}") from None
        receipts = [Receipt(batch.number) for batch in self._batches[: self._written]]
        del self._batches[: self._written]
        self._written = self._rotated = 0
        return receipts

    def _is_there(self) -> bool:
        """True while the path leads to the open file."""
        try:
            return _id(os.stat(self._path)) == self._id
        except FileNotFoundError:
            return False

    def _reopen(self) -> None:
        """Reopen the path. Batches written since the last receipts, and not in a file that we rotated, must be written again."""
        self.reopened += 1
        self._written, self._begun = self._rotated, None
        os.close(self._descriptor)
        self._descriptor = -1
        self._open()

    def _is_time_to_rotate(self, more: int) -> bool:
        size, every = self._options.rotate_size, self._options.rotate_every
        if not self._size:
            return False
        full = size is not None and self._size + more > size
        old = every is not None and self._now() - self._since >= every / SECOND
        return full or old

    def _rotate(self) -> None:
        """Rename the file and begin a new one. If another program interfered, so that the renamed file is not the whole file
        that we wrote to, the batches written to it since the last receipts must be written again."""
        written_to, size, is_ours = self._id, self._size, False
        os.fsync(self._descriptor)
        os.close(self._descriptor)  # Windows cannot rename an open file
        self._descriptor = -1
        name = next_name(self._path)
        try:
            if self._is_there():  # syncing can take a while
                with contextlib.suppress(FileNotFoundError):
                    patiently(os.rename, self._path, name)
                    renamed = os.stat(name)
                    is_ours = _id(renamed) == written_to and renamed.st_size >= size
        finally:
            self._open()  # even if the rename failed: batches already written must be synced
            if is_ours:
                self._rotated = self._written
            elif self._id != written_to or self._size < size:  # a new file may reuse a removed file's inode
                self.reopened += 1
                self._written = self._rotated
        if self._options.keep is not None:
            for old in rotated(self._path)[: -self._options.keep]:
                with contextlib.suppress(FileNotFoundError):
                    patiently(os.unlink, old)

    def flush(self) -> None:
        """Does nothing: no batch is held back."""

    def abandon(self) -> None:
        """Close the file. Batches not reported are written again, except for the part that `_begun` records."""
        self._batches.clear()
        self._written = self._rotated = 0
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def close(self, timeout: float) -> None:
        self.abandon()
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _id(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _no_file(path: str) -> str | None:
    """What is wrong if `path` leads to something other than a file; None for a file or a missing path."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return None
    if stat.S_ISREG(mode):
        return None
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
    kind = next((kind for holds, kind in kinds if holds(mode)), "a device")
    return f"{path} is {kind}, not a file"


def _lock(path: str) -> Lock | None:
    """The lock of an output file; None if we may not create files in its folder, and so cannot rotate either."""
    try:
        return Lock(lock_beside(path), f"the output file {path}", "stop that one, or give another path")
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return None
        raise


def _whole_events(batch: Batch, size: int) -> int:
    """How many of the first `size` bytes of a batch hold whole events."""
    before = 0
    for block, end in zip(batch.blocks, accumulate(len(block.data) for block in batch.blocks), strict=True):
        if end > size:
            place = bisect_right(block.ends, size - before)
            return before + (block.ends[place - 1] if place else 0)
        before = end
    return before
