"""Files that hold the same log twice: a copy beside the original, an archive beside what was unpacked from it. I/O.

The bytes decide what is a copy, never the names. Only files of one fingerprint are compared: they begin with the same dated line, so
`event.id`s of both would be the same. Of a copy that was made earlier, which is the beginning of the other, the longer is read;
of equal files the one with the shorter name. Of a damaged file counts what can be read of it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from shipper.errors import RunError
from shipper.read.files import STDIN, Read, read_fully
from shipper.read.logs import Input

BLOCK = 256 * 1024  # bytes of each file in memory while two are compared


def without_copies(inputs: Iterable[Input], notes: list[str]) -> list[Input]:
    """The files, each log once, in their order; `notes` gets a sentence for each that is left out.

    For this each is read once more at most for every other log of its fingerprint.
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
        file: which.
        behind: bytes that it has behind the end of the other; 0 if there are none.
        damaged: it could not be read to its end.
    """

    file: Input
    behind: int
    damaged: bool

    def worth(self) -> tuple[int, bool, int]:
        """The greater, the rather it is read. A shorter name is more likely the log's own, and not `X - Copy.log` or `X.gz`."""
        return self.behind, not self.damaged, -len(self.file.path)


def _sentence(copy: _Compared, read: _Compared) -> str:
    is_copy = "is damaged, and what can be read of it is a copy" if copy.damaged else "is a copy"
    if not (read.behind or copy.damaged):
        return f"{copy.file.path} {is_copy} of {read.file.path}; it is read once"
    part = " of the beginning" if read.behind else ""
    return f"{copy.file.path} {is_copy}{part} of {read.file.path}; it is read once, as {read.file.path}"


def _compare(first: Input, second: Input) -> tuple[_Compared, _Compared] | None:
    """Two files of which one goes on where the other ends, or that are equal; a damaged one ends where it cannot be read.

    Returns:
        None if they differ, hold nothing, or cannot be opened.
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
    """Reads the same bytes, and ends where they cannot be read; `damaged` says so."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self.damaged = False

    def __call__(self, size: int) -> bytes:
        try:
            return self._read(size)
        except RunError:
            self.damaged = True
            return b""
