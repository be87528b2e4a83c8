"""How far a file has been read, and enough about it to recognize it under another name. Pure.

The checkpoint and the state topic call positions `places`; those names are part of their formats.
"""

import hashlib
from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from shipper.model import Chunk, LogFile

CHECK = 256  # bytes before the offset that are compared before reading goes on from there
MOST_GONE = 1000  # positions kept of files that no longer exist; a share that comes back finds its own among them


class Position(NamedTuple):
    """Where to resume reading a file.

    Attributes:
        fingerprint: of the file, 16 hex digits (see `identity`).
        source: the log that the file belongs to (see `rotation.source_name`).
        path: where the file was last seen.
        device, inode: where it was last seen, as a hint: a copy has others, and so has a share that comes back.
        offset: in bytes of the decompressed file; everything before it is done.
        check: 16 hex digits of the SHA-256 of the `CHECK` bytes (or fewer) before `offset`.
        encoding, time: of its `LogFile`.
        last_time: the time stamp that an undated line at `offset` takes.
        size: bytes of the decompressed file when it was last seen; 0 if not known.
        identity: the prefix of `event.id`s since the file was truncated and written again; empty for the fingerprint.
    """

    fingerprint: str
    source: str
    path: str
    device: int
    inode: int
    offset: int
    check: str
    encoding: str
    time: str
    last_time: str = ""
    size: int = 0
    identity: str = ""

    def to_json(self) -> bytes:
        """A JSON object. Names that are not UTF-8 survive."""
        return msgspec.json.encode({name: escaped(value) for name, value in self._asdict().items()})


def position_from_json(text: bytes) -> Position:
    """The position that `Position.to_json` wrote; unknown fields are ignored.

    Raises:
        ValueError: the text is not a position (`msgspec.ValidationError` is a ValueError).
    """
    return position_from(msgspec.json.decode(text))


def position_from(value: object) -> Position:
    """Like `position_from_json`, from the decoded object."""
    if not isinstance(value, dict):
        raise ValueError("a position must be an object")
    known = {name: value[name] for name in Position._fields if name in value}
    saved = msgspec.convert(known, _SavedPosition)
    if saved.offset < 0:
        raise ValueError("a position has a negative offset")
    return Position._make(unescaped(getattr(saved, name)) for name in Position._fields)


class _SavedPosition(msgspec.Struct):
    fingerprint: str
    source: str
    path: str
    device: int
    inode: int
    offset: int
    check: str
    encoding: str
    time: str
    last_time: str = ""
    size: int = 0
    identity: str = ""


def check_of(before: bytes) -> str:
    """`Position.check` for the bytes before an offset."""
    return hashlib.sha256(before[-CHECK:]).hexdigest()[:16]


def escaped(value: str | int) -> str | int:
    """A value in a form that JSON can hold: file names are bytes on Linux, so a name that is not UTF-8 is written as latin-1
    behind a NUL, which no name contains."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return "\0" + value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value


def unescaped(value: str | int) -> str | int:
    """The inverse of `escaped`."""
    if isinstance(value, str) and value.startswith("\0"):
        return value[1:].encode("latin-1").decode("utf-8", "surrogateescape")
    return value


def prune(positions: Mapping[str, Position], there: Collection[tuple[int, int]]) -> dict[str, Position]:
    """Drop all but the `MOST_GONE` youngest positions of files that no longer exist, so that years of rotation do not add up.

    Args:
        positions: by key.
        there: device and inode of each file that exists. A reused inode belongs to its youngest position.
    """
    youngest: dict[tuple[int, int], tuple[str, str]] = {}
    for key, position in positions.items():
        file = position.device, position.inode
        youngest[file] = max(youngest.get(file, ("", "")), (position.time, key))
    living = {key for file, (_, key) in youngest.items() if file in there}
    gone = sorted((position.time, key) for key, position in positions.items() if key not in living)
    old = {key for _, key in gone[:-MOST_GONE]}
    return {key: position for key, position in positions.items() if key not in old}


class Reading(NamedTuple):
    """Whole lines from one file, as the tail hands them out.

    Attributes:
        key: names the file among all of the same fingerprint: `FINGERPRINT`, `FINGERPRINT.2`, ...
        file: what its events share.
        chunk: the lines.
        position: where to resume behind the lines.
    """

    key: str
    file: LogFile
    chunk: Chunk
    position: Position

    @property
    def source(self) -> str:
        """The log that the file belongs to."""
        return self.position.source
