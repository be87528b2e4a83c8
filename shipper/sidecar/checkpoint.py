"""The checkpoint: how far each file has been delivered, kept between runs. I/O.

It is one JSON file, replaced as a whole: after a power loss, either the old or the new one is there.
The previous one stays as `checkpoint.json.1`. A damaged file is set aside and never prevents a start.
A checkpoint of a newer version does: it is intact, and an older program would send everything again.
"""

import hashlib
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from shipper.durable import rename_durably, write_synced
from shipper.errors import UsageError
from shipper.read.position import Position, escaped, position_from, unescaped
from shipper.shared_files import open_shared, patiently
from shipper.sidecar.lock import NAME as LOCK
from shipper.sidecar.places import Advance, WarmStart, by_present_names, records, warm_from_json, warm_to_json

VERSION = 1
NAME = "checkpoint.json"


@dataclass(frozen=True, slots=True)
class Stored:
    """The content of a checkpoint: positions by file key, warm starts by log, and warnings about damaged files.

    `amends` are records that are missing in a sink that stores positions (see `records`).
    """

    places: Mapping[str, Position] = field(default_factory=dict)
    warm: Mapping[str, WarmStart] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    amends: Mapping[bytes, bytes | None] = field(default_factory=dict)

    @property
    def damaged(self) -> bool:
        """True if positions may be missing: a file without one may have been read before, so it is read from its beginning."""
        return bool(self.warnings)


def farther(own: Stored, in_sink: Stored) -> Stored:
    """Combine the farther position of each file and, for each log, the matching warm start.

    Either may be behind: the checkpoint after a crash or beside a second shipper, the sink after a run without
    `exactly_once` or a loss of its records.
    """
    places = dict(own.places)
    for key, place in in_sink.places.items():
        if key not in places or place.offset >= places[key].offset:
            places[key] = place
    both = own.places.keys() & in_sink.places.keys()
    warm = dict(in_sink.warm)
    for source, start in own.warm.items():
        if source not in warm or _reach(own.places, source, both) > _reach(in_sink.places, source, both):
            warm[source] = start
    behind = {key: place for key, place in places.items() if in_sink.places.get(key) != place and place.source in warm}
    amends = records(Advance(key, place, warm[place.source]) for key, place in behind.items())
    return Stored(places, warm, own.warnings, amends)


def _reach(places: Mapping[str, Position], source: str, both: Collection[str]) -> tuple[tuple[str, int], int]:
    """How far a log was read, as a sort key: time and offset of its youngest file, then the sum of offsets in files of `both`."""
    own = [(key, place) for key, place in places.items() if place.source == source]
    last = max(((place.time, place.offset) for _, place in own), default=("", 0))
    return last, sum(place.offset for key, place in own if key in both)


def refuse_folder(state_dir: str) -> None:
    """Refuse a state directory that is not a folder, or cannot be created or written; creates nothing.

    Raises:
        UsageError: with the reason.
    """
    there = os.path.abspath(state_dir)
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        raise UsageError(f"state_dir: {there} is not a folder; give another directory")
    if not os.access(there, os.W_OK | os.X_OK):
        made = "written" if there == os.path.abspath(state_dir) else f"made: {there} cannot be written"
        raise UsageError(f"state_dir: {state_dir} cannot be {made}; give a directory of the user who runs the shipper")
    lock = os.path.join(state_dir, LOCK)
    if os.path.exists(lock) and not os.access(lock, os.R_OK | os.W_OK):
        raise UsageError(
            f"state_dir: {lock} cannot be written; it belongs to another user: give it to the one who runs the shipper"
        )


def refuse_newer(state_dir: str) -> None:
    """Refuse the checkpoint of a newer version; no other fault of a checkpoint prevents a start.

    Raises:
        UsageError: a newer version of this program wrote it.
    """
    for name in (NAME, f"{NAME}.1"):
        try:
            read_checkpoint(os.path.join(state_dir, name))
        except (OSError, ValueError):
            continue
        return


class Checkpoint:
    """The checkpoint of one state directory."""

    def __init__(self, state_dir: str, *, step: Callable[[str], object] = lambda name: None) -> None:
        """
        Args:
            state_dir: created if it does not exist.
            step: called with the name of each step of a save after that step; for tests.

        Raises:
            UsageError: the directory cannot be created or written.
        """
        self._path = os.path.join(state_dir, NAME)
        self._folder = state_dir
        self._step = step
        try:
            os.makedirs(state_dir, mode=0o750, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"state_dir {state_dir} cannot be created: {error.strerror}; give a directory that can be written"
            ) from None
        if not os.access(state_dir, os.W_OK | os.X_OK):
            raise UsageError(f"state_dir {state_dir} cannot be written: permission denied")

    def load(self) -> Stored:
        """Load the last good checkpoint; set a damaged file aside and name it in the warnings.

        Raises:
            UsageError: a newer version of this program wrote it.
        """
        warnings: list[str] = []
        for path in (self._path, f"{self._path}.1"):
            try:
                places, warm = read_checkpoint(path)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                warnings.append(f"{path} is unreadable ({error}); {self._set_aside(path)}")
                continue
            if warnings:
                warnings.append(
                    f"going on from {path}: what was delivered since is sent again, with the same ids; a file that it does not "
                    "know is read from its beginning"
                )
            return Stored(places, warm, tuple(warnings))
        if warnings:
            warnings.append("there is no older checkpoint: every file is read from its beginning, with the same ids")
        return Stored(warnings=tuple(warnings))

    def _set_aside(self, path: str) -> str:
        number = 1
        while os.path.exists(f"{path}.damaged-{number}"):
            number += 1
        try:
            patiently(os.rename, path, f"{path}.damaged-{number}")
        except OSError as error:
            return f"it cannot be set aside: {error.strerror}"
        return f"set aside as {path}.damaged-{number}"

    def save(self, places: Mapping[str, Position], warm: Mapping[str, WarmStart]) -> str | None:
        """Replace the checkpoint.

        Returns:
            None, or the reason if saving failed (a full disk); the last checkpoint then stays.
        """
        temporary = f"{self._path}.new"
        try:
            write_synced(temporary, _encode(places, warm))
            self._step("written")
            self._keep_previous()
            self._step("kept")
            rename_durably(temporary, self._path)
            self._step("renamed")
        except OSError as error:
            return f"the checkpoint cannot be written to {self._folder}: {error.strerror or error}"
        return None

    def _keep_previous(self) -> None:
        """Hard-link the present checkpoint as the previous one, so that a good one exists at any moment."""
        if not os.path.exists(self._path):
            return
        previous = f"{self._path}.1"
        if os.path.exists(previous):
            patiently(os.unlink, previous)
        os.link(self._path, previous)


def read_checkpoint(path: str) -> tuple[dict[str, Position], dict[str, WarmStart]]:
    """Read the positions and warm starts from a checkpoint file, under the present names of logs.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is damaged.
        UsageError: a newer version of this program wrote the file.
    """
    with open(path, "rb", opener=open_shared) as file:
        text = file.read()
    value = msgspec.json.decode(text) if text.strip(b"\0") else None
    if not isinstance(value, dict):
        raise ValueError("it is no checkpoint")
    version = value.get("version")
    if isinstance(version, int) and version > VERSION:
        raise UsageError(
            f"{path} is unusable: it has version {version}, this program reads {VERSION}; start a version of mfa-shipper that reads "
            "it, or move it away: then every file is read from inputs[].start"
        )
    if version != VERSION:
        raise ValueError(f"it has version {value.get('version')}, this program writes {VERSION}")
    if value.get("sum") != _sum(value):
        raise ValueError("its checksum is wrong")
    try:
        places = {key: position_from(place) for key, place in value["places"].items()}
        lasting = value.get("lasting", {})
        warm = {str(unescaped(source)): warm_from_json(start, lasting.get(source, {})) for source, start in value["warm"].items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"it is no checkpoint: {error}") from None
    return by_present_names(places, warm)


def _encode(places: Mapping[str, Position], warm: Mapping[str, WarmStart]) -> bytes:
    value: dict[str, Any] = {
        "version": VERSION,
        "places": {key: msgspec.Raw(place.to_json()) for key, place in places.items()},
        "warm": {escaped(source): warm_to_json(start) for source, start in warm.items()},
        "lasting": {escaped(source): start.lasting for source, start in warm.items() if start.lasting},
    }
    value = msgspec.json.decode(msgspec.json.encode(value))
    return msgspec.json.format(msgspec.json.encode({**value, "sum": _sum(value)}), indent=1) + b"\n"


def _sum(value: Mapping[str, Any]) -> str:
    rest = {key: item for key, item in value.items() if key != "sum"}
    return hashlib.sha256(msgspec.json.encode(rest, order="deterministic")).hexdigest()
