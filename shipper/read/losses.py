"""Account for data that was gone from logs before it could be read, as far as that can be seen. I/O.

A file is held open while it is rotated away, so its end is read whatever its name is then. Only files that came and went between
two looks, or while the shipper was not running, are missed. Rotated files still beside the log tell how much; where nothing
tells, any number would be invented, so a possible loss is counted.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from shipper.read.followed import Followed
from shipper.read.inputs import FileId, Found, file_id
from shipper.read.neighbours import rotated
from shipper.read.position import Position
from shipper.read.reunite import KnownPositions
from shipper.read.rotation import is_packed

REMEDY = "let inputs match the rotated names of this log"
MOST_LEFT = 1000  # paths remembered whose file is gone and has no successor yet


class _Left(NamedTuple):
    """A file that is no longer at its path.

    Attributes:
        id: device and inode.
        modified: when it was last written to, in nanoseconds; None if not known.
        read: bytes that were read of it, or will be; None for all.
        position: how far it was read when it left; None if it was not identified.
    """

    id: FileId
    modified: int | None
    read: int | None
    position: Position | None = None

    def goes_on_in(self, file: Followed) -> bool:
        """True if `file` is a longer copy that replaced this one, as `rsync` does: it has the bytes that were read."""
        if self.position is None or not self.position.offset:
            return False
        with suppress(OSError):
            return file.matches(self.position)
        return False


class Losses:
    """What could not be read.

    Attributes:
        bytes: unread bytes that were truncated away, or are in rotated files that no input matches.
        possible: how often an unknown number of bytes may be gone as well.
        told: a sentence about each loss but truncations; the caller takes them.
    """

    def __init__(self, known: KnownPositions) -> None:
        """`known` are the positions, at first those of the last run."""
        self.bytes = self.possible = 0
        self.told: list[str] = []
        self._known = known
        self._matched: Collection[str] = ()
        self._found: Collection[FileId] = ()
        self._left: dict[str, _Left] = {}
        self._last_run: dict[str, tuple[str, Position]] = {}  # by path, the youngest position with its key
        for key, position in sorted(known.positions.items(), key=lambda item: (item[1].time, item[1].offset)):
            self._last_run[position.path] = key, position

    def searched(self, found: Found) -> None:
        """Note the files that the inputs match now."""
        self._matched, self._found = found.paths, set(found.files)

    def left(self, file: Followed, modified: int) -> None:
        """Note that a followed file, last written to at `modified` (nanoseconds), has left its path; it is read to its end."""
        self._left[file.path] = _Left(file.id, modified, None, file.position() if file.key else None)
        if len(self._left) > MOST_LEFT:
            del self._left[next(iter(self._left))]

    def came(self, file: Followed) -> None:
        """A file was found: account for others that were at its path since the last file followed there."""
        left = self._left.pop(file.path, None)
        if left is not None and left.id != file.id and not left.goes_on_in(file):
            self._account(file.path, left, traced=left.id in self._found)

    def since_last_run(self, files: Sequence[Followed]) -> None:
        """Account for logs rotated, while nothing ran, to names that no input matches; `files` are all open files."""
        held = {file.key for file in files}
        unknown = {file.source for file in files if not file.key and file.size}  # an unidentified file may be the rotated one
        for file in files:
            if not file.key or file.source in unknown or file.path not in self._last_run:
                continue
            key, position = self._last_run.pop(file.path)
            if key not in held and self._known.positions.get(key) is position:
                self._account(file.path, _Left((position.device, position.inode), None, position.offset), traced=False)

    def _account(self, path: str, left: _Left, *, traced: bool) -> None:
        """Look beside a path for files rotated from it and not read, after the file `left` it and before the current one came;
        `traced`: the new place of `left` is known."""
        beside = dict(rotated(path))
        modified, missed, packed = left.modified, {}, []
        for name, status in beside.items():
            if file_id(status) == left.id:
                traced, modified = True, status.st_mtime_ns
                if left.read is not None:
                    missed[name] = status.st_size - left.read
        for name, status in beside.items():
            if modified is None or status.st_mtime_ns < modified or file_id(status) == left.id:
                continue
            if is_packed(name) and status.st_mtime_ns == modified:
                traced = True  # a compressor keeps the time of what it packs
            elif name not in self._matched:
                if is_packed(name):
                    packed.append(name)
                else:
                    missed[name] = status.st_size
        self._tell(path, {name: size for name, size in missed.items() if size > 0}, packed, traced=traced or bool(missed))

    def _tell(self, path: str, missed: Mapping[str, int], packed: Collection[str], *, traced: bool) -> None:
        if missed:
            lost = sum(missed.values())
            self.bytes += lost
            self.told.append(f"{lost} bytes of {path} are in {_names(missed)} and are not read; {REMEDY}")
        if packed:
            self.told.append(f"lines of {path} may be in {_names(packed)} and are not read; {REMEDY}")
        elif not traced:
            self.told.append(
                f"{path} is another file than at the last look; if there were others in between, their lines are not read; {REMEDY}"
            )
        self.possible += bool(packed) or not traced


def _names(paths: Collection[str]) -> str:
    return " and ".join(sorted(os.path.basename(path) for path in paths))
