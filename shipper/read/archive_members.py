"""The common parts of zip and tar archives: their members, limits on what is read, and the archive file. I/O."""

import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from shipper.errors import RunError, UsageError
from shipper.read.compression import BOMB_RATIO, BOMB_SIZE, Read
from shipper.read.files import sequential, text_of
from shipper.shared_files import handed_on, open_log, read_at

MOST = 10_000  # files in an archive
TOO_MUCH = f"more than {BOMB_SIZE >> 20} MiB and more than {BOMB_RATIO} times the size of the archive"
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f]")
DIRECTORY = 16 * 1024 * 1024  # bytes that the directory of a zip archive, or a header of a tar archive, may have


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive.

    Attributes:
        archive: the path of the archive.
        name: of the file in it.
        bytes_of: makes a `Read` of its bytes from a descriptor of the archive.
        most: bytes of text beyond which it is not read.
        unpacked: a descriptor of the unpacked archive, if that can only be read forwards; None: the archive is opened anew.
        replaces: how many files of its name stand before it in the archive: unpacking leaves the last of them, and so do we.
    """

    archive: str
    name: str
    bytes_of: Callable[[int], Read]
    most: int
    unpacked: int | None = None
    replaces: int = 0

    def __reduce__(self) -> tuple[Any, ...]:  # pickled for another process
        unpacked = None if self.unpacked is None else handed_on(self.unpacked)
        return Member, (self.archive, self.name, self.bytes_of, self.most, unpacked, self.replaces)

    @property
    def path(self) -> str:
        """The path that events show."""
        return f"{self.archive}!{self.name}"

    @contextmanager
    def open(self) -> Iterator[Read]:
        """Open it to read the bytes of its text from the first on; it may be compressed, as a file may.

        Raises:
            RunError: the archive cannot be opened. From the returned function: as from that of `open_bytes`.
            NotALog: from the returned function.
        """
        try:
            descriptor = open_log(self.archive) if self.unpacked is None else self.unpacked
        except OSError as error:
            raise RunError(f"cannot open {self.archive}: {error.strerror}") from None
        try:
            yield _at_most(self.most, text_of(self.bytes_of(descriptor), self.path), self.path)
        finally:
            if self.unpacked is None:
                os.close(descriptor)


def as_path(name: str) -> str:
    """A name from an archive as a file name in this locale. People see it, so it must neither control their terminals nor
    end a line: control characters are written as `\\x1b`."""
    shown = _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", name)
    return os.fsdecode(shown.encode("utf-8", "surrogateescape"))


def _at_most(most: int, read: Read, name: str) -> Read:
    """Wrap `read` to raise an error in place of the bytes beyond `most`."""
    size = 0

    def reading(wanted: int) -> bytes:
        nonlocal size
        data = read(wanted)
        size += len(data)
        if size > most:
            raise RunError(f"{name} becomes {TOO_MUCH}, and the rest is not read; if that is right, unpack it yourself")
        return data

    return reading


def check_size(path: str, sizes: Sequence[int], packed: int) -> int:
    """Check number and total size of the files in an archive of `packed` bytes; return the most bytes to read of a file."""
    if len(sizes) > MOST:
        raise UsageError(f"{path} holds more than {MOST} files: unpack it yourself")
    most = max(BOMB_SIZE, BOMB_RATIO * packed)
    if sum(sizes) > most:
        raise UsageError(f"{path} becomes {TOO_MUCH}: {sum(sizes)} bytes; if that is right, unpack it yourself")
    return most


class ArchiveFile(io.RawIOBase):
    """A file that keeps its own position, so that processes that share the descriptor do not disturb each other. A read of
    more than `DIRECTORY` bytes raises ValueError."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        left = max(0, os.fstat(self._descriptor).st_size - self._at)
        size = left if size < 0 else min(size, left)
        if size > DIRECTORY:
            raise ValueError(f"its directory or a header in it has more than {DIRECTORY >> 20} MiB")
        data = read_at(self._descriptor, size, self._at)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: os.fstat(self._descriptor).st_size}[whence]
        if begin + offset < 0:
            raise OSError("it refers to what stands before its first byte")
        self._at = begin + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def part_of(descriptor: int, begin: int, size: int) -> Read:
    """A `Read` of `size` bytes of a file, from `begin` on."""
    return sequential(lambda offset, wanted: read_at(descriptor, min(wanted, max(0, size - offset)), begin + offset))
