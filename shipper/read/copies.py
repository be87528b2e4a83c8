"""Leave out files that hold the same log twice: a copy beside the original, an archive beside the files unpacked from it. I/O.

The bytes decide what is a copy, never the names. Only files of one fingerprint are compared: they begin with the same dated
line, so both would give the same `event.id`s. If one is the beginning of the other, as an earlier copy is, the longer is read; of
equal files an undamaged one, or else the one with the shorter name. A damaged file is compared as far as it can be read.
"""

from collections.abc import Iterable
from typing import NamedTuple

from shipper.errors import RunError
from shipper.read.files import STDIN, Read, read_fully
from shipper.read.logs import Input

BLOCK = 256 * 1024  # bytes of each file in memory while two are compared


def without_copies(inputs: Iterable[Input], notes: list[str]) -> list[Input]:
    """The files, each log once, in their order; `notes` gets a sentence for each file that is left out.

    Each file is read at most once more for every other log of its fingerprint.
    """
    kept: dict[str, list[Input]] = {}
    for given in inputs:
        same = kept.setdefault(given.file.fingerprint, [])
        for at, other in enumerate(same):
            pair = None if STDIN in (given.path, other.path) else _compare(given, other)
            if pair is None:
                continue
            left_out, read = sorted(pair, key=_Compared.worth)
            same[at] = read.file
            notes.append(_sentence(left_out, read))
            break
        else:
            same.append(given)
    return sorted((given for same in kept.values() for given in same), key=lambda given: given.order)


class _Compared(NamedTuple):
    """One of two files that are equal, or of which one is the beginning of the other, as far as both can be read.

    Attributes:
        file: the file.
        behind: bytes in the block compared last that it has behind the end of the other; 0 if there are none.
        damaged: it could not be read to its end.
    """

    file: Input
    behind: int
    damaged: bool

    def worth(self) -> tuple[int, bool, int]:
        """Sort key: the file of greater worth is read. A shorter name is likely the log's own, not `X - Copy.log` or `X.gz`."""
        return self.behind, not self.damaged, -len(self.file.path)


def _sentence(copy: _Compared, read: _Compared) -> str:
    is_copy = "is damaged, and what can be read of it is a copy" if copy.damaged else "is a copy"
    if not (read.behind or copy.damaged):
        return f"{copy.file.path} {is_copy} of {read.file.path}; it is read once"
    part = " of the beginning" if read.behind else ""
    return f"{copy.file.path} {is_copy}{part} of {read.file.path}; it is read once, as {read.file.path}"


def _compare(first: Input, second: Input) -> tuple[_Compared, _Compared] | None:
    """Compare two files; a damaged one ends where it cannot be read.

    Returns:
        Both, if they are equal or one begins with the other; None if they differ, hold nothing, or cannot be opened.
    """
    try:
        with first.open() as one, second.open() as other:
            reads = _UpToDamage(one), _UpToDamage(other)
            a = b = b"\0"
            size = 0
            while a == b and a:
                a, b = (read_fully(read, BLOCK) for read in reads)
                size += len(a)
    except RunError:
        return None
    if not size or not (a.startswith(b) or b.startswith(a)):
        return None
    more = len(a) - len(b)
    return _Compared(first, max(0, more), reads[0].damaged), _Compared(second, max(0, -more), reads[1].damaged)


class _UpToDamage:
    """A `Read` that ends where bytes cannot be read, and then sets `damaged`."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self.damaged = False

    def __call__(self, size: int) -> bytes:
        try:
            return self._read(size)
        except RunError:
            self.damaged = True
            return b""
