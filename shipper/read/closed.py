"""Files that were read to their end and closed. They are reopened once they have grown. I/O."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from shipper.read.followed import Followed
from shipper.read.inputs import FileId, Found, Match


class _Closed(NamedTuple):
    """Where a file is, and its `Match.state` when it was closed."""

    path: str
    state: tuple[int, int]


class ClosedFiles:
    """The closed files of a tail, by device and inode."""

    def __init__(self) -> None:
        self._files: dict[FileId, _Closed] = {}

    def __iter__(self) -> Iterator[FileId]:
        return iter(self._files)

    @property
    def paths(self) -> list[str]:
        """The last known paths of the files."""
        return [closed.path for closed in self._files.values()]

    def add(self, file: Followed) -> None:
        """Remember a file that is about to be closed."""
        self._files[file.id] = _Closed(file.path, (file.size, file.status().st_mtime_ns))

    def has(self, identity: FileId, match: Match) -> bool:
        """True if this file is closed and nothing was written to it since; a file that was written to is forgotten."""
        closed = self._files.get(identity)
        if closed is not None and closed.state == match.state:
            self._files[identity] = closed._replace(path=match.path)
            return True
        self._files.pop(identity, None)
        return False

    def forget_missing(self, found: Found) -> None:
        """Forget the files that were not found and are no longer at their path."""
        for identity, closed in list(self._files.items()):
            if identity not in found.files and not os.path.exists(closed.path):
                del self._files[identity]
