"""Files that hold the same log twice: a copy beside the original, an archive beside what was unpacked from it. I/O.

The bytes decide what is a copy, never the names. Only files of one fingerprint are compared: they begin with the same dated line, so
`event.id`s of both would be the same. Of a copy that was made earlier, which is the beginning of the other, the longer is read;
of equal files the one with the shorter name.
"""

from collections.abc import Iterable

from shipper.errors import RunError
from shipper.read.files import STDIN, read_fully
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
            more = None if STDIN in (given.path, other.path) else _more(given, other)
            if more is None:
                continue
            equal = more == 0
            if equal:  # the shorter name is more likely the log's own, and not `X - Copy.log` or `X.gz`
                more = len(other.path) - len(given.path)
            same[at], shorter = (given, other) if more > 0 else (other, given)
            notes.append(_sentence(shorter, same[at], equal=equal))
            break
        else:
            same.append(given)
    return sorted((given for same in kept.values() for given in same), key=lambda given: given.order)


def _sentence(copy: Input, read: Input, *, equal: bool) -> str:
    if equal:
        return f"{copy.path} is a copy of {read.path}; it is read once"
    return f"{copy.path} is a copy of the beginning of {read.path}; it is read once, as {read.path}"


def _more(first: Input, second: Input) -> int | None:
    """Which of two files goes on where the other ends: more than 0 for the first, less for the second, 0 if they are equal.

    Returns:
        None if they differ, hold nothing, or cannot be read as far as that: nobody knows what a damaged file holds.
    """
    try:
        with first.open() as one, second.open() as other:
            a = b = b"\0"
            size = 0
            while a == b and a:
                a, b = read_fully(one, BLOCK), read_fully(other, BLOCK)
                size += len(a)
            return len(a) - len(b) if size and (a.startswith(b) or b.startswith(a)) else None
    except RunError:
        return None
