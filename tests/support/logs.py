"""Logs for property tests: strategies of their bytes, and ways to read them."""

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from itertools import cycle
from typing import Any

from hypothesis import strategies as st

from shipper.decode.clock import NPS, LogState
from shipper.decode.facts import Library
from shipper.decode.library import load
from shipper.model import Block, LogFile
from shipper.read.files import Read, encoding_of
from shipper.read.identity import identify
from shipper.times import EPOCH, StampReader
from tests.support import grammar


def entries(block: Block) -> list[tuple[Any, ...]]:
    """The events of a block, each with what its label says: blocks with equal entries are equal."""
    begins = [0, *block.ends[:-1]] if block.ends else []
    assert list(block.ends[-1:]) == ([len(block.data)] if block.data else [])
    return [
        (block.data[begin:end], time, event_id, origin.path, origin.dataset, origin.kind, key)
        for begin, end, (time, event_id, origin, key) in zip(begins, block.ends, block.labels, strict=True)
    ]


@cache
def library() -> Library:
    return load()


@st.composite
def logs(draw: st.DrawFn) -> bytes:
    """The bytes of a log: LF, CRLF, or a mixture with a CR, blanks or a hole here and there; a last line with or without its end; a BOM."""
    size = grammar.STEP * draw(st.integers(1, 30))
    lines = grammar.lines(draw(st.binary(min_size=size, max_size=size)), draw(st.sampled_from(grammar.MIXTURES)))
    ends = draw(
        st.sampled_from(
            (
                (b"\n",),
                (b"\n",),
                (b"\r\n",),
                (b"\n", b"\r\n"),
                (b"\n", b"\r\r\n", b"\n\r\n", b"\r"),
                (b"\n", b" \n", b"\t \r\r\n"),
                (b"\n", b"\n\0\0\xef\xbb\xbf"),
            )
        )
    )
    turn = draw(st.integers(0, len(ends) ** 8 - 1)) if ends[1:] else 0
    data = b"".join(line + ends[turn // len(ends) ** (n % 8) % len(ends)] for n, line in enumerate(lines))
    data = data if draw(st.booleans()) else data.removesuffix(b"\n")
    encoding = draw(st.sampled_from(("", "", "", "", "", "", "utf-8", "utf-16-le", "utf-16-be")))
    mark = "\ufeff" if draw(st.booleans()) else ""
    return (mark + data.decode("utf-8", "replace")).encode(encoding) if encoding else data


def started(exchange_timeout: int) -> LogState:
    """The state of a log whose time is known: the first two times of a log are for the general path."""
    state, begin = LogState(exchange_timeout), StampReader().read(grammar.stamp(0)) or 0
    state.set(dict.fromkeys((*grammar.COMPONENTS.plain, NPS), (begin, None)))
    return state


def log_file(data: bytes, path: str = "input.log") -> LogFile:
    return identify(path, BytesIO(data).read, EPOCH)


def mark_length(data: bytes) -> int:
    return encoding_of(data[:3])[1]


def short_reads(data: bytes, sizes: Sequence[int]) -> Read:
    """Reads that give fewer bytes than asked for, as those of a pipe may."""
    stream, most = BytesIO(data), cycle(sizes)
    return lambda size: stream.read(min(size, next(most)))
