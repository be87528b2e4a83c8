"""The decompressed bytes of an open file, at any offset. I/O.

A plain file is read at any offset. A compressed file can only be read forwards: at least the last `BEHIND` bytes
are kept, and reading further back starts again from the beginning, except for bytes that are held.
"""

import os

from shipper.errors import RunError
from shipper.read.compression import LONGEST_BEGINNING, Form, Unpacked, form_of
from shipper.read.files import sequential
from shipper.shared_files import read_at

BLOCK = 64 * 1024  # bytes to decompress at a time
BEHIND = 4 * 1024 * 1024  # decompressed bytes kept before the offset that was read last


class PlainContent:
    """A file that holds the log uncompressed."""

    packed = False
    complete = False
    trouble: str | None = None

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`, fewer only at the end.

        Raises:
            OSError: the device fails.
        """
        return read_at(self._descriptor, size, offset)

    def size(self) -> int:
        """Bytes of the file."""
        return os.fstat(self._descriptor).st_size

    def hold(self, offset: int, size: int) -> None:
        """Do nothing: a plain file can be read at any offset."""

    def retry(self) -> None:
        """Do nothing: a plain file is read anew each time."""


class PackedContent:
    """A file that holds the log compressed.

    Attributes:
        trouble: why it cannot be read to its end; None if it can, or if this is not known yet.
    """

    packed = True

    def __init__(self, descriptor: int, form: Form, name: str) -> None:
        """`name` is for messages."""
        self._descriptor = descriptor
        self._form = form
        self._name = name
        self._held: tuple[int, bytes] = 0, b""
        self._restart()

    def at(self, offset: int, size: int) -> bytes:
        """Up to `size` decompressed bytes from `offset`, fewer only at the end of what can be decompressed.

        Raises:
            OSError: the device fails.
        """
        held_from, held = self._held
        if held_from <= offset and offset + size <= held_from + len(held):
            return held[offset - held_from : offset - held_from + size]
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

    def hold(self, offset: int, size: int) -> None:
        """Keep these bytes, however far reading advances, until other bytes are held.

        Raises:
            OSError: the device fails.
        """
        if self._held[0] != offset:
            self._held = offset, self.at(offset, size)

    def size(self) -> int:
        """The number of bytes decompressed so far."""
        return self._begin + len(self._kept)

    @property
    def complete(self) -> bool:
        """True if everything that can be decompressed has been."""
        return self._ended

    def retry(self) -> None:
        """Start over after the file has grown, if it could not be read to its end before."""
        if self.trouble:
            self._held = 0, b""
            self._restart()

    def _restart(self) -> None:
        self._begin = 0  # offset of the first byte in `_kept`
        self._kept = bytearray()
        self._ended = False
        self.trouble: str | None = None
        descriptor = self._descriptor  # alone, so that the reader does not refer back to this object
        read = sequential(lambda offset, size: read_at(descriptor, size, offset))
        self._read = Unpacked(self._form, read, self._name)

    def _unpack(self) -> None:
        try:
            block = self._read(BLOCK)
        except RunError as error:
            block, self.trouble = b"", str(error)
        self._kept += block
        self._ended = not block


Content = PlainContent | PackedContent


def open_content(descriptor: int, name: str) -> Content:
    """The content of an open file. Compressed data is recognized by its first bytes.

    Raises:
        OSError: the file cannot be read.
    """
    form = form_of(read_at(descriptor, LONGEST_BEGINNING, 0))
    return PlainContent(descriptor) if form is None else PackedContent(descriptor, form, name)
