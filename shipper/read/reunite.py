"""Which saved position a file continues. I/O only through the files given.

Two files begin with the same line when one is a copy of the other (copytruncate, gzip at work, a
backup), or by chance. The bytes before the saved position tell them apart.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from shipper.read.followed import Followed
from shipper.read.inputs import FileId
from shipper.read.position import CHECK, Position


class KnownPositions:
    """All positions by key. A key belongs to one file at a time: the one that carries it in `Followed.key`.

    Attributes:
        positions: by key; that of an open file is where it stood when it was claimed.
        begun: by key, where files begin anew that were truncated and written again. The caller takes them: a position must be
            saved before anything is delivered under its `identity`.
    """

    def __init__(self, positions: Mapping[str, Position]) -> None:
        """`positions` are those of the last run."""
        self.positions = dict(positions)
        self.begun: dict[str, Position] = {}
        self._cut: dict[FileId, Position] = {}  # how far truncated files had been read
        self._at_start = dict(positions)
        self._cut_off: dict[str, int] = {}  # by key of a truncated file: bytes not read by then
        self._recovered = 0

    def claim(self, file: Followed, files: Iterable[Followed], *, quiet: bool) -> None:
        """Give an identified file the key of the position it continues, or a new key if it is a new log.

        It gets no key yet, and waits, while it is a copy of a file that is being followed, or may still
        become a copy of one that was.

        Args:
            file: identified, and without a key.
            files: all open files.
            quiet: the file has not changed for `rotate_wait`.

        Raises:
            OSError: the file cannot be read.
        """
        holders = {other.key: other for other in files if other.key}
        unclear = False
        former: set[Position] = set()  # positions in this log before it was truncated
        for key in self._candidates(file):
            holder, position = holders.get(key), self.positions[key]
            if holder is None:
                if file.matches(position):
                    self._resume(file, key, position)
                    return
                unclear |= file.size < position.offset and not quiet and not file.rotated
            elif _copies(file, holder):
                if _replaces(file, holder):
                    position = self.positions[key] = holder.position()
                    holder.start_over()
                    self._resume(file, key, position)
                return
            before = position, holder.position() if holder else None, self._cut.get(file.id)
            former |= {read for read in before if read is not None and _is_of_log(file, read)}
        if not unclear:
            file.key = self._new_key(file.fingerprint)
            self._cut.pop(file.id, None)
            if former:
                _identify_as(file, _identity_after(former))
                self.begun[file.key] = file.position()
            self.positions[file.key] = file.position()

    def _candidates(self, file: Followed) -> list[str]:
        """Keys of the file's fingerprint, first those last seen under its inode."""
        keys = [key for key, position in self.positions.items() if position.fingerprint == file.fingerprint]
        return sorted(keys, key=lambda key: (self.positions[key].inode != file.id[1], key))

    def _resume(self, file: Followed, key: str, position: Position) -> None:
        file.key = key
        file.source = position.source
        _identify_as(file, position.identity)
        file.resumed = file.placed = True
        file.rotated |= position.path != file.path and os.path.dirname(position.path) == os.path.dirname(file.path)
        file.go_to(position.offset)
        self._recovered += self._cut_off.pop(key, 0)

    def _new_key(self, fingerprint: str) -> str:
        number, key = 1, fingerprint
        while key in self.positions:
            number += 1
            key = f"{fingerprint}.{number}"
        return key

    def release(self, file: Followed, lost: int | None) -> None:
        """Store the position of a file that is closed or truncated, so that whichever file holds its bytes can claim it.

        Args:
            file: before it starts over.
            lost: unread bytes of it that seem to be gone; None if it is closed.
        """
        if file.key:
            self.positions[file.key] = file.position()
            if lost is not None:
                self._cut[file.id] = file.position()
            if lost:
                self._cut_off[file.key] = lost

    def take_recovered(self) -> int:
        """The bytes that seemed lost and were found in a copy since the last call."""
        recovered, self._recovered = self._recovered, 0
        return recovered

    def find(self, key: str, paths: Iterable[str], follow: Callable[[str, str], Followed]) -> Followed | None:
        """Reopen the file of a key to read its past; None if it is not found.

        Args:
            key: of its position, whose path is tried first.
            paths: other paths to try.
            follow: opens a path as a file of a source; raises OSError.
        """
        position = self.positions[key]
        for path in [position.path, *paths]:
            try:
                file = follow(path, position.source)
            except OSError:
                continue
            file.final = True
            try:
                if file.identify() and _continues(file, position):
                    file.key = key
                    _identify_as(file, position.identity)
                    return file
            except OSError:
                pass
            file.close()
        return None

    def at_start(self, source: str) -> list[tuple[str, Position]]:
        """The positions of a source when this run began, in the order in which its files were written."""
        own = [(key, position) for key, position in self._at_start.items() if position.source == source]
        return sorted(own, key=lambda item: (item[1].time, item[1].path))


def _continues(file: Followed, position: Position) -> bool:
    """True if an identified file holds the bytes before a position."""
    return file.fingerprint == position.fingerprint and file.matches(position)


def _is_of_log(file: Followed, read: Position) -> bool:
    """True if the position `read` is of the same log as a file that begins alike: then the log was truncated, and perhaps
    rotated, since. False for a file that cannot be unpacked to its end: it may be a partial copy."""
    if not read.offset or read.fingerprint != file.fingerprint or file.content.trouble:
        return False
    return read.source == file.source or (read.device, read.inode) == file.id


def _identify_as(file: Followed, identity: str) -> None:
    """Set the prefix of a file's `event.id`s; if it is empty, keep the fingerprint."""
    if identity:
        assert file.file is not None
        file.file = replace(file.file, fingerprint=identity)


def _identity_after(former: Iterable[Position]) -> str:
    """The prefix of `event.id`s once a file was truncated and written again, so that other lines at the same offsets get
    other ids. It is derived from all positions read before."""
    read = sorted((position.identity or position.fingerprint, position.offset, position.check) for position in former)
    return hashlib.sha256(repr(read).encode()).hexdigest()[:16]


def _copies(file: Followed, holder: Followed) -> bool:
    """True if `file` holds what was read of `holder`, or as much of it as has been copied by now."""
    end = holder.offset if file.content.packed else min(holder.offset, file.size)
    if file.content.packed:
        file.content.at(end, 1)
        if file.content.complete and not file.content.trouble:
            end = min(end, file.content.size())
    begin = max(0, end - CHECK)
    copied = file.content.at(begin, end - begin)
    return copied == holder.content.at(begin, len(copied))


def _replaces(file: Followed, holder: Followed) -> bool:
    """True if a copy is to be read in place of `holder`, which is gone, or at its end and shorter."""
    if holder.gone:
        return file.content.packed or file.size >= holder.size
    return holder.at_end and not file.content.packed and not holder.content.packed and file.size > holder.size
