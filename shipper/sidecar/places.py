"""The stored form of positions (how far each file was delivered) and of warm starts, with their keys. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from shipper.decode.clock import Clocks
from shipper.read.position import Position, position_from_json
from shipper.read.rotation import belongs_to, source_name


class Span(NamedTuple):
    """A part of a log that a warm start reads: from a line that begins at `offset` in file `key`, up to `until` in `until_key`.

    `clocks` are the clocks of the components before it.
    """

    key: str
    offset: int
    clocks: Clocks
    until_key: str
    until: int


class WarmStart(NamedTuple):
    """Where the warm start of a log begins: the key of a file, and the offset of a line in it.

    Attributes:
        lasting: the state that does not follow from reading on from there (`Pipeline.lasting`).
        clocks: the clocks of the components before it.
        earlier: spans to read first, for components that have gone quiet.
    """

    key: str
    offset: int
    lasting: Mapping[str, Any] = {}
    clocks: Clocks = {}  # noqa: RUF012  never changed
    earlier: tuple[Span, ...] = ()


class Advance(NamedTuple):
    """The update of the checkpoint once the events of a read are delivered: file key, position after them, warm start."""

    key: str
    place: Position
    warm: WarmStart


def records(advances: Iterable[Advance]) -> dict[bytes, bytes | None]:
    """Encode advances as keys and values, for a sink that stores positions."""
    stored: dict[bytes, bytes | None] = {}
    for key, place, warm in advances:
        stored[place_record(key)] = place.to_json()
        stored[warm_record(place.source)] = _text_of(warm).encode()
    return stored


def place_record(key: str) -> bytes:
    """The key under which a sink stores the position of a file."""
    return b"place:" + key.encode()


def warm_record(source: str) -> bytes:
    """The key under which a sink stores the warm start of a log."""
    return b"warm:" + source.encode("utf-8", "surrogateescape")


def warm_to_json(start: WarmStart) -> list[Any]:
    """A warm start as a JSON value, without `lasting`. Times are strings: the year 9999 in nanoseconds exceeds 64 bits."""
    spans = [[*span[:2], _times_as_texts(span.clocks), *span[3:]] for span in start.earlier]
    return [start.key, start.offset, *([_times_as_texts(start.clocks), *spans] if start.clocks or spans else [])]


def warm_from_json(value: Sequence[Any], lasting: Mapping[str, Any]) -> WarmStart:
    """Decode a stored warm start; earlier versions stored no clocks.

    Raises:
        ValueError, TypeError: `value` is not a warm start.
    """
    key, offset, *rest = value
    if not rest or not isinstance(rest[0], dict):
        return WarmStart(str(key), int(offset), dict(lasting))
    clocks, *spans = rest
    earlier = tuple(Span(k, int(at), _clocks(c), until_key, int(until)) for k, at, c, until_key, until in spans)
    return WarmStart(str(key), int(offset), dict(lasting), _clocks(clocks), earlier)


def _times_as_texts(clocks: Clocks) -> dict[str, list[Any]]:
    return {
        name: [str(newest), *([str(waiting[0]), *waiting[1:]] if waiting else [])] for name, (newest, waiting) in clocks.items()
    }


def _clocks(texts: Mapping[str, Sequence[Any]]) -> Clocks:
    return {
        name: (int(newest), [int(waiting[0]), *waiting[1:]] if waiting else None) for name, (newest, *waiting) in texts.items()
    }


def _text_of(warm: WarmStart) -> str:
    return json.dumps([warm_to_json(warm), warm.lasting], sort_keys=True)


def _from_text(text: str) -> WarmStart:
    if text.startswith("["):
        return warm_from_json(*json.loads(text))
    return warm_from_json(text.split(" ", 2)[:2], {})  # the format of earlier versions


def read_records(stored: Mapping[bytes, bytes]) -> tuple[dict[str, Position], dict[str, WarmStart]]:
    """Decode positions and warm starts from the keys and values that `records` makes.

    Raises:
        ValueError: the values are not ours.
    """
    places: dict[str, Position] = {}
    warm: dict[str, WarmStart] = {}
    for key, value in stored.items():
        kind, _, name = key.partition(b":")
        if kind == b"place":
            places[name.decode()] = position_from_json(value)
        elif kind == b"warm":
            warm[name.decode("utf-8", "surrogateescape")] = _from_text(value.decode())
    return by_present_names(places, warm)


def by_present_names(
    places: Mapping[str, Position], warm: Mapping[str, WarmStart]
) -> tuple[dict[str, Position], dict[str, WarmStart]]:
    """Positions and warm starts under the present names of logs.

    Earlier versions dropped all digits from the name of a log and cut it at the first dot, so files that are now
    several logs could share one name. Each of these logs continues from the shared past.
    """
    present, starts = dict(places), dict(warm)
    split: dict[str, set[str]] = {}
    for key, place in places.items():
        name = source_name(place.path)
        if not belongs_to(place.source, name):
            present[key] = place._replace(source=name)
            split.setdefault(place.source, set()).add(name)
    for former, names in split.items():
        if former in warm:
            starts |= {name: _start_in(name, warm[former], present) for name in names - warm.keys()}
            if not any(place.source == former for place in present.values()):
                del starts[former]
    return present, starts


def _start_in(source: str, start: WarmStart, places: Mapping[str, Position]) -> WarmStart:
    """The warm start of `source`, formerly a part of the log of `start`: `start` itself if its file belongs to `source`;
    otherwise the beginning of the last file of `source` that is not younger, or else of its first file."""
    if start.key not in places or places[start.key].source == source:
        return start
    own = sorted((place.time, place.path, key) for key, place in places.items() if place.source == source)
    older = [key for time, _, key in own if time <= places[start.key].time]
    return WarmStart(older[-1] if older else own[0][2], 0, start.lasting)
