"""Assign each followed file to a log: that of its name, unless its times contradict it. I/O only through the files given.

A file can turn out to belong to another log long after its first line was read, if a file before it keeps growing.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress

from shipper.read.followed import Followed
from shipper.read.inputs import TailOptions
from shipper.read.position import Position
from shipper.read.rotation import is_another_log, name_apart, source_name, why_apart
from shipper.times import BEFORE_ALL, StampReader

End = tuple[int, str, str | None]  # the newest time read of a log, in nanoseconds and as text; its file, None if not open
NO_END: End = (BEFORE_ALL, "", None)


class Sources:
    """The logs of all files that were ever followed.

    Attributes:
        apart: by path, why a file is read as a log of its own despite its name.
    """

    def __init__(self, positions: Iterable[Position], options: TailOptions) -> None:
        """`positions` are those of the last run."""
        self.apart: dict[str, str] = {}
        self._timeout = options.exchange_timeout
        self._stamps = StampReader()
        self._set_apart: dict[str, str] = {}  # by path
        self._ends: dict[str, End] = {}  # by log, of files that are not open
        for position in positions:
            if position.source != source_name(position.path):
                self._set_apart[position.path] = position.source
            # In a file without time stamps, both are its modification time, which is not a time of the log.
            if position.last_time != position.time:
                self._ended(position.source, position.last_time)

    def of(self, path: str) -> str:
        """The log of a file found at `path`. A file at the path of one that was set apart continues that one's log."""
        return self._set_apart.get(path) or source_name(path)

    def closed(self, file: Followed) -> None:
        """Keep the newest time read of a file that is about to be closed as one of its log, if the file can still be read."""
        with suppress(OSError):
            self._ended(file.source, file.newest())

    def _ended(self, source: str, stamp: str | None) -> None:
        time = self._stamps.read(stamp or "")
        if stamp and time is not None and time > self._ends.get(source, NO_END)[0]:
            self._ends[source] = time, stamp, None

    def sets_apart(self, file: Followed, files: Sequence[Followed]) -> bool:
        """Make a file a log of its own if its times contradict its name.

        They are compared with those of the files before it; before its first read, with all that was read of its log.

        Args:
            file: the file to check.
            files: all files of its log, in the order of their first time stamps.

        Raises:
            OSError: a file cannot be read.
        """
        others = files[: files.index(file)] if file.placed else [other for other in files if other.placed]
        end = NO_END if file.placed else self._ends.get(file.source, NO_END)
        for other in others:
            stamp = other.newest() if other.source == file.source else None
            time = self._stamps.read(stamp or "")
            if stamp and time is not None and time > end[0]:
                end = time, stamp, other.path
        file.placed = True
        if not file.dated or not is_another_log(file.order[0], end[0], self._timeout):
            return False
        assert file.file is not None
        self.apart[file.path] = why_apart(file.path, file.file.time, *end[1:])
        file.source = self._set_apart[file.path] = name_apart(source_name(file.path), file.key)
        return True
