"""What the tail hands out. No behaviour."""

from typing import NamedTuple

from shipper.model import Chunk, LogFile
from shipper.read.position import Position


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
    place: Position

    @property
    def source(self) -> str:
        """The log that the file belongs to."""
        return self.place.source
