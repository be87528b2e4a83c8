"""A place: how far one file is, and enough of it to know that file again under another name. Pure."""

import hashlib
from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

CHECK = 256  # bytes before the offset that are compared before reading goes on from there


MOST_GONE = 1000  # places of files that are not there any more; a share that comes back finds its own among them


class Position(NamedTuple):
    """Where reading one file goes on.

    Attributes:
        fingerprint: of the first dated line, 16 hex digits (see `identity`).
        source: the log that the file belongs to, as `identity.source_name` has it.
        path: where it was last seen.
        device, inode: where it was last seen, as a hint; a copy, or a share that comes back, has others.
        offset: bytes of the decompressed file before which all is done.
        check: 16 hex digits of the SHA-256 of the `CHECK` bytes (or fewer) before `offset`.
        encoding, time: of its `LogFile`.
        last_time: the time stamp that an undated line at `offset` takes.
        size: bytes of the decompressed file when it was last seen; 0 if that is not known.
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

    def to_json(self) -> bytes:
        """An object; names that are not UTF-8 survive."""
        return msgspec.json.encode({name: escaped(value) for name, value in self._asdict().items()})


def position_from_json(text: bytes) -> Position:
    """The place that `Position.to_json` wrote; fields that it does not know are left out.

    Raises:
        ValueError: it is none (`msgspec.ValidationError` is one).
    """
    return position_from(msgspec.json.decode(text))


def position_from(value: object) -> Position:
    """As `position_from_json`, from the decoded object."""
    if not isinstance(value, dict):
        raise ValueError("a place is an object")
    known = {name: value[name] for name in Position._fields if name in value}
    place = msgspec.convert(known, _SavedPosition)
    if place.offset < 0:
        raise ValueError("a place has a negative offset")
    return Position._make(unescaped(getattr(place, name)) for name in Position._fields)


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


def check_of(before: bytes) -> str:
    """`Position.check` for the bytes before an offset."""
    return hashlib.sha256(before[-CHECK:]).hexdigest()[:16]


def escaped(value: str | int) -> str | int:
    """File names of Linux are bytes; those that are no text travel as latin-1 behind a NUL, which no name has."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return "\0" + value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value


def unescaped(value: str | int) -> str | int:
    """The same back."""
    if isinstance(value, str) and value.startswith("\0"):
        return value[1:].encode("latin-1").decode("utf-8", "surrogateescape")
    return value


def prune(places: Mapping[str, Position], there: Collection[tuple[int, int]]) -> dict[str, Position]:
    """The places without the oldest of files that are gone, so that years of rotation do not add up.

    Args:
        places: by key.
        there: device and inode of each file that is there.
    """
    gone = sorted((place.time, key) for key, place in places.items() if (place.device, place.inode) not in there)
    old = {key for _, key in gone[:-MOST_GONE]}
    return {key: place for key, place in places.items() if key not in old}
