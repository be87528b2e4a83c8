"""Lines out of bytes: where they end, how they decode, and why one is no line of MFA Server. Pure.

A line ends with LF; one CR before it belongs to the line end, any other CR to the line.
"""

import codecs
from collections.abc import Iterator

from shipper.model import Chunk
from shipper.times import looks_like_syslog, looks_like_time

DECODE_ERROR = "mfa_decode_error"
TOO_LONG = "mfa_line_too_long"


def last_newline(data: bytes, newline: bytes) -> int:
    """Where the last line end of `data` begins, on a character boundary; -1 if there is none."""
    at = data.rfind(newline)
    while at > 0 and len(newline) == 2 and at % 2:
        at = data.rfind(newline, 0, at + 1)
    return at


def next_newline(data: bytes, newline: bytes, start: int = 0) -> int:
    """Where the first line end at or after `start` begins, on a character boundary; -1 if there is none."""
    at = data.find(newline, start)
    while at >= 0 and len(newline) == 2 and at % 2:
        at = data.find(newline, at + 1)
    return at


def split(chunk: Chunk, encoding: str) -> Iterator[tuple[bytes, int, bool]]:
    """The lines of a chunk without their LF, the offset of each, and whether it had an LF."""
    newline = "\n".encode(encoding)
    data, at = chunk.data, 0
    while at < len(data):
        end = next_newline(data, newline, at)
        stop = len(data) if end < 0 else end
        yield data[at:stop], chunk.offset + at, end >= 0
        at = stop + len(newline)


def decode(line: bytes, encoding: str, *, ended: bool, cut: bool = False) -> tuple[str, list[str]]:
    """The text of a line and the tags that decoding gives it; `ended`: an LF followed, `cut`: the line went on."""
    tags: list[str] = []
    end = "\r".encode(encoding)
    if ended and line.endswith(end) and len(line) % len(end) == 0:
        line = line[: -len(end)]
    if cut:
        tags.append(TOO_LONG)
        line = _whole_characters(line, encoding)
    try:
        return line.decode(encoding), tags
    except UnicodeDecodeError:
        tags.append(DECODE_ERROR)
        return line.decode(encoding, "replace"), tags


def why_unparsed(text: str, stamp: str, time: int | None) -> str:
    """Why no pattern matched a line, in a sentence."""
    if not text:
        return "the line is empty"
    if time is not None:
        return "after the time stamp, LEVEL|PID|TID|COMPONENT|MESSAGE was expected"
    if looks_like_syslog(text):
        return "a syslog time stamp names no year, or this is no day of that year: see --syslog-year (pipeline.syslog)"
    if looks_like_time(stamp):
        return f"the time stamp {stamp} names no real instant"
    return "the line does not begin with a time stamp such as 2017-02-14T02:57:19.234778Z and a |"


def _whole_characters(line: bytes, encoding: str) -> bytes:
    """A line that was cut at a byte count, without the character that the cut went through."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    decoder.decode(line)
    return line[: len(line) - len(decoder.getstate()[0])]
