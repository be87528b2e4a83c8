"""Where the places are kept between two runs, and the lock that keeps a second shipper away. I/O.

A checkpoint is one JSON file, written beside the old one, synced, and renamed over it, with the
folder synced behind that: after a loss of power there is the old one or the new one. The one before
stays as `checkpoint.json.1`. A file that cannot be read is set aside, never a reason not to start.
"""

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from shipper.errors import UsageError
from shipper.read.position import Position, escaped, position_from, unescaped
from shipper.sidecar.warm_start import WarmStart

VERSION = 1
NAME = "checkpoint.json"
LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Stored:
    """What was written down: places by key, where sources start warm, and what was wrong with the files."""

    places: Mapping[str, Position] = field(default_factory=dict)
    warm: Mapping[str, WarmStart] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Checkpoint:
    """The checkpoint of one state directory."""

    def __init__(self, state_dir: str, *, step: Callable[[str], object] = lambda name: None) -> None:
        """
        Args:
            state_dir: made if it is not there.
            step: called between any two steps of a save; for tests.

        Raises:
            UsageError: the directory cannot be made or written.
        """
        self._path = os.path.join(state_dir, NAME)
        self._folder = state_dir
        self._step = step
        try:
            os.makedirs(state_dir, mode=0o750, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"state_dir {state_dir} cannot be made: {error.strerror}; give a directory that I may write"
            ) from None
        if not os.access(state_dir, os.W_OK | os.X_OK):
            raise UsageError(f"state_dir {state_dir} cannot be written: permission denied")

    def load(self) -> Stored:
        """What was saved last; what is damaged is set aside and named in the warnings."""
        warnings: list[str] = []
        for path in (self._path, f"{self._path}.1"):
            try:
                places, warm = read_checkpoint(path)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                warnings.append(f"{path} is of no use ({error}); {self._set_aside(path)}")
                continue
            if warnings:
                warnings.append(f"going on from {path}: what was delivered after it is sent again, with the same ids")
            return Stored(places, warm, tuple(warnings))
        if warnings:
            warnings.append("there is no older one: every file is read from its beginning, with the same ids")
        return Stored(warnings=tuple(warnings))

    def _set_aside(self, path: str) -> str:
        number = 1
        while os.path.exists(f"{path}.damaged-{number}"):
            number += 1
        try:
            os.rename(path, f"{path}.damaged-{number}")
        except OSError as error:
            return f"it cannot be set aside: {error.strerror}"
        return f"set aside as {path}.damaged-{number}"

    def save(self, places: Mapping[str, Position], warm: Mapping[str, WarmStart]) -> str | None:
        """Write it down for good.

        Returns:
            None, or a sentence if that was not possible now (a full disk); the last one is still there then.
        """
        temporary = f"{self._path}.new"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
            try:
                self._step("created")
                _write(descriptor, _encode(places, warm))
                self._step("written")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._step("synced")
            if os.path.exists(self._path):
                previous = f"{self._path}.1"
                if os.path.exists(previous):
                    os.unlink(previous)
                os.link(self._path, previous)  # so that there is a good one at any moment
            self._step("kept")
            os.replace(temporary, self._path)
            self._step("renamed")
            _sync_folder(self._folder)
            self._step("settled")
        except OSError as error:
            return f"the checkpoint cannot be written to {self._folder}: {error.strerror or error}"
        return None


def read_checkpoint(path: str) -> tuple[dict[str, Position], dict[str, WarmStart]]:
    """Places and warm starts of one file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or of a newer version.
    """
    with open(path, "rb") as file:
        text = file.read()
    value = msgspec.json.decode(text) if text.strip(b"\0") else None
    if not isinstance(value, dict):
        raise ValueError("it is no checkpoint")
    if value.get("version") != VERSION:
        raise ValueError(f"it has version {value.get('version')}, this program writes {VERSION}")
    if value.get("sum") != _sum(value):
        raise ValueError("its checksum is wrong")
    try:
        places = {key: position_from(one) for key, one in value["places"].items()}
        warm = {str(unescaped(source)): WarmStart(str(key), int(offset)) for source, (key, offset) in value["warm"].items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"it is no checkpoint: {error}") from None
    return places, warm


def _encode(places: Mapping[str, Position], warm: Mapping[str, WarmStart]) -> bytes:
    value: dict[str, Any] = {
        "version": VERSION,
        "places": {key: msgspec.Raw(place.to_json()) for key, place in places.items()},
        "warm": {escaped(source): list(one) for source, one in warm.items()},
    }
    value = msgspec.json.decode(msgspec.json.encode(value))
    return msgspec.json.format(msgspec.json.encode({**value, "sum": _sum(value)}), indent=1) + b"\n"


def _sum(value: Mapping[str, Any]) -> str:
    rest = {key: one for key, one in value.items() if key != "sum"}
    return hashlib.sha256(msgspec.json.encode(rest, order="deterministic")).hexdigest()


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync_folder(folder: str) -> None:
    if sys.platform == "win32":
        return  # there a folder cannot be opened; NTFS logs its changes by itself
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Lock:
    """Held as long as the process lives; released by the system when it dies, however it dies."""

    def __init__(self, state_dir: str) -> None:
        """
        Raises:
            UsageError: another shipper has it, or the file cannot be made.
        """
        path = os.path.join(state_dir, LOCK)
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
        except OSError as error:
            raise UsageError(f"{path} cannot be made: {error.strerror}") from None
        if not _lock(self._descriptor):
            pid = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise UsageError(
                f"state_dir {state_dir} is in use by the mfa-shipper with pid {pid or 'unknown'}; stop that one, or give another state_dir"
            )
        with contextlib.suppress(OSError):  # on a full disk it is held without a name
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let another one in."""
        os.close(self._descriptor)


def lock_holder(state_dir: str) -> int | None:
    """The pid of the shipper that runs on a state directory; None if none does."""
    try:
        descriptor = os.open(os.path.join(state_dir, LOCK), os.O_RDWR)
    except OSError:
        return None
    try:
        if _lock(descriptor):
            return None
        pid = os.read(descriptor, 32).strip()
        return int(pid) if pid.isdigit() else 0
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # far behind the pid, which others want to read
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
