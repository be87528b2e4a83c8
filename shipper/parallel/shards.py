"""Cut the input into pieces for several workers, and find how much of the past each piece depends on. I/O."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

from shipper.read.files import Read
from shipper.read.lines import last_newline
from shipper.read.logs import Input, Log
from shipper.read.parts import LOOK_BACK, PATIENCE, waits_at
from shipper.shared_files import open_shared, read_at
from shipper.times import StampReader

MOST = 40 << 20  # bytes of a piece; its output, about twelve times as large, waits in a temporary file
LEAST = 1 << 20
HEAD_START = 0.1  # the first piece has no past to read and keeps no output, so it is this much larger
LOOK = 64 << 10  # bytes to search for a dated line
TRIES = 64  # offsets to try for an edge


@dataclass(frozen=True, slots=True)
class Range:
    """Whole lines of a file, from byte `start` to `end`; None: to the end that the file has when it is read."""

    input: Input
    start: int
    end: int | None


@dataclass(frozen=True, slots=True)
class Shard:
    """A piece of one log.

    Attributes:
        range: the lines to read.
        size: in bytes, for the progress bar; 0 for a file that cannot be cut.
        first, last: True for the first and the last piece of the log.
        past: the ranges before it in its log, the nearest first, as far back as files can be read from the middle.
        known: False if the past cannot be read quickly; the piece then waits for the state of the piece before.
    """

    range: Range
    size: int
    first: bool
    last: bool
    past: tuple[Range, ...]
    known: bool


def plan(sources: Sequence[Log], workers: int) -> list[Shard]:
    """The pieces of all logs, in the order of the output.

    A cut has its price: the past of the piece after it is read twice, and its state is compared. So files of up to `MOST`
    bytes stay whole if that keeps all workers busy.
    """
    pieces = _pieces(sources, workers, whole=MOST)
    return pieces if _is_even(pieces, workers) else _pieces(sources, workers, whole=LEAST)


def _is_even(pieces: Sequence[Shard], workers: int) -> bool:
    """True if no worker has much more to do than the others, with the pieces dealt out in turn."""
    most = max(sum(piece.size for piece in pieces[number::workers]) for number in range(workers))
    return most * workers <= (1 + HEAD_START) * sum(piece.size for piece in pieces)


def _pieces(sources: Sequence[Log], workers: int, whole: int) -> list[Shard]:
    """The pieces of all logs; files of up to `whole` bytes are not cut."""
    pieces: list[Shard] = []
    for source in sources:
        ranges: list[tuple[Range, int]] = []
        past: list[Range] = []
        known = True
        of_source: list[tuple[Range, int, tuple[Range, ...], bool]] = []
        for one in source.inputs:
            size = one.size
            by_line = size is not None and one.file.encoding == "utf-8" and one.file.export is None
            ranges = _cut(one, size or 0, workers, whole) if by_line else [(Range(one, 0, None), 0)]
            for part, length in ranges:
                before = [Range(one, 0, part.start)] if part.start else []
                of_source.append((part, length, (*before, *past), known or part.start > 0))
            # The next file continues this one; only a plain file can be read from its middle.
            known = by_line
            past = [Range(one, 0, size), *past] if known else []
        for number, (part, length, before_it, is_known) in enumerate(of_source):
            last = number == len(of_source) - 1
            pieces.append(Shard(part, length, number == 0, last, before_it, is_known))
    return pieces


def _cut(one: Input, size: int, workers: int, whole: int) -> list[tuple[Range, int]]:
    """Ranges of one file that take about the same time, enough to keep all workers busy; one for up to `whole` bytes."""
    rounds = -(-size // (MOST * workers))
    number = 1 if size <= whole else min(rounds * workers, size // LEAST)
    edges = [0]
    with open(one.path, "rb", opener=open_shared) as file:
        for n in range(1, number):
            file.seek(max(int(size * (n + HEAD_START) / (number + HEAD_START)), edges[-1]))
            edge = _edge(one, file)
            if edge is None or edge >= size:
                break
            edges.append(edge)
    ranges = [Range(one, a, b) for a, b in pairwise(edges)]
    return [(r, (r.end or 0) - r.start) for r in ranges] + [(Range(one, edges[-1], None), size - edges[-1])]


def _edge(one: Input, file: BinaryIO) -> int | None:
    """The next offset of an open file where a line begins and no line waits for its next part; None if none is near."""
    for _ in range(TRIES):
        while (block := file.readline(LOOK)) and not block.endswith(b"\n"):
            pass  # a line may not fit in memory
        at = file.tell()
        begin = max(0, at - LOOK_BACK)
        if not one.file.parts or not waits_at(read_at(file.fileno(), at - begin, begin)):
            return at
        file.seek(at + PATIENCE)
    return None


def read_range(read: Read, part: Range, at: int) -> Read:
    """A function that reads a range from offset `at` on; `read` stands at that offset."""
    left = None if part.end is None else part.end - at

    def reading(size: int) -> bytes:
        nonlocal left
        if left is None:
            return read(size)
        block = read(min(size, left)) if left else b""
        left -= len(block)
        return block

    return reading


def warm_up(piece: Shard, span: int, stamp_of: Callable[[str], str | None]) -> list[Range]:
    """The ranges to read before a piece, oldest first, to rebuild its state: `span` nanoseconds of log time.

    `stamp_of` finds the time stamp of a line that does not begin with MFA Server's; None if the line has none.
    """
    ranges: list[Range] = []
    until: int | None = None
    for part in piece.past:
        end = part.end or 0
        with open(part.input.path, "rb", opener=open_shared) as file:
            if until is None:
                newest = _last_time(file.fileno(), end, stamp_of)
                until = None if newest is None else newest - span
            start = _start(file.fileno(), end, until, stamp_of)
        ranges.insert(0, Range(part.input, start, end))
        if start > 0:
            break
    return ranges


def _start(descriptor: int, end: int, until: int | None, stamp_of: Callable[[str], str | None]) -> int:
    """About where the lines younger than `until` begin: too early rather than too late."""
    early, late = 0, end
    step = 4 * LOOK
    while until is not None and end - step > 0:
        time = _first_time(descriptor, end - step, end, stamp_of)
        if time is not None and time <= until:
            early = end - step
            break
        late, step = end - step, 2 * step
    while until is not None and late - early > 4 * LOOK:
        middle = (early + late) // 2
        time = _first_time(descriptor, middle, end, stamp_of)
        if time is not None and time <= until:
            early = middle
        else:
            late = middle
    return early + len(read_at(descriptor, LOOK, early).partition(b"\n")[0]) + 1 if early else 0


def _times(lines: Iterator[bytes], stamp_of: Callable[[str], str | None]) -> Iterator[int]:
    clock = StampReader()
    for line in lines:
        time = clock.read(line[:40].partition(b"|")[0].decode("latin-1"))
        if time is None:
            time = clock.read(stamp_of(line.decode("utf-8", "replace").removesuffix("\r")) or "")
        if time is not None:
            yield time


def _first_time(descriptor: int, start: int, end: int, stamp_of: Callable[[str], str | None]) -> int | None:
    """The first time stamp after an offset; None if `LOOK` bytes hold none."""
    block = read_at(descriptor, min(LOOK, end - start), start)
    return next(_times(iter(block.split(b"\n")[1:]), stamp_of), None)


def _last_time(descriptor: int, end: int, stamp_of: Callable[[str], str | None]) -> int | None:
    """The last time stamp before an offset; None if `LOOK` bytes hold none."""
    start = max(0, end - LOOK)
    block = read_at(descriptor, end - start, start)
    block = block[: last_newline(block, b"\n") + 1]
    lines = block.split(b"\n")
    return next(_times(reversed(lines if start == 0 else lines[1:]), stamp_of), None)
