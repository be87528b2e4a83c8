"""What the tail hands out. No behaviour."""

from dataclasses import dataclass
from typing import NamedTuple

from shipper.model import Chunk, LogFile
from shipper.tail.place import Place


class Reading(NamedTuple):
    """Whole lines from one file.

    Attributes:
        key: names the file among all of the same fingerprint: `FINGERPRINT`, `FINGERPRINT.2`, ...
        file: what its events share.
        chunk: the lines.
        place: behind them.
    """

    key: str
    file: LogFile
    chunk: Chunk
    place: Place

    @property
    def source(self) -> str:
        """The log that the file belongs to."""
        return self.place.source


@dataclass(frozen=True, slots=True)
class TailInput:
    """One glob to follow.

    Attributes:
        path: the glob; it may match nothing yet.
        start: `beginning` or `end`, for files without a place that are there at the first look.
        encoding: `auto`, or that of a log without a byte order mark.
        exclude: globs of files that are not read although `path` matches them.
    """

    path: str
    start: str = "beginning"
    encoding: str = "auto"
    exclude: tuple[str, ...] = ()
