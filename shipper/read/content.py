"""The decompressed bytes of an open file, at any offset. I/O.

A plain file is read where it is asked to. A gzip file can only be read forwards: what was read last
stays for a while, and a step further back begins again.
"""

import os

from shipper.errors import RunError
from shipper.read.files import GZIP_MAGIC, gunzip
from shipper.read.opener import read_at

BLOCK = 64 * 1024
BEHIND = 4 * 1024 * 1024  # bytes of a gzip file kept behind the place that was read last


class Content:
    """What stands in an open file."""

    def __init__(self, descriptor: int, name: str) -> None:
        """`name` is for messages."""
        self.descriptor = descriptor
        self.name = name
        self.packed = read_at(descriptor, len(GZIP_MAGIC), 0) == GZIP_MAGIC
        self.trouble: str | None = None  # why a gzip file cannot be read to its end
        self._restart()

    def at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`, fewer only at the end.

        Raises:
            OSError: the device fails.
        """
        if not self.packed:
            return read_at(self.descriptor, size, offset)
        if offset < self._begin:
            self._restart()
        while self._begin + len(self._kept) < offset + size and not self._ended:
            self._unpack()
            surplus = min(offset - self._begin, len(self._kept)) - BEHIND
            if surplus > BEHIND:
                del self._kept[:surplus]
                self._begin += surplus
        start = offset - self._begin
        return bytes(self._kept[start : start + size])

    def size(self) -> int:
        """Bytes of a plain file; of a gzip file, those that are known by now."""
        if self.packed:
            return self._begin + len(self._kept)
        return os.fstat(self.descriptor).st_size

    @property
    def complete(self) -> bool:
        """True if no byte can follow those that `at` gave: a gzip file read to its end."""
        return self.packed and self._ended

    def retry(self) -> None:
        """A gzip file that ended too early has grown."""
        if self.packed and self.trouble:
            self._restart()

    def _restart(self) -> None:
        self._packed_offset = 0
        self._begin = 0
        self._kept = bytearray()
        self._ended = False
        self.trouble = None
        self._read = gunzip(self._read_packed, self.name)

    def _read_packed(self, size: int) -> bytes:
        data = read_at(self.descriptor, size, self._packed_offset)
        self._packed_offset += len(data)
        return data

    def _unpack(self) -> None:
        try:
            block = self._read(BLOCK)
        except RunError as error:
            block, self.trouble = b"", str(error)
        self._kept += block
        self._ended = not block
