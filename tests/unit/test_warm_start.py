"""Where a warm start begins: nothing that can still matter lies before it, in the order in which files are read again."""

from shipper.decode.library import load
from shipper.model import Chunk, Counts, LogFile
from shipper.pipeline import Settings
from shipper.read.position import Position, Reading
from shipper.sidecar.warm_start import LivePipelines, WarmStart


def reading(key: str, first: str, offset: int, line: bytes) -> Reading:
    """A line of a file whose first line has the time `first`."""
    place = Position(key, "Mfa", f"{key}.log", 1, 1, offset + len(line), "", "utf-8", first)
    return Reading(key, LogFile(place.path, key, first), Chunk(line, offset), place)


def line(time: str, text: str = "text") -> bytes:
    return f"2017-02-14T{time}Z|0|1412|6452|pfrad|{text}\n".encode()


def test_an_older_file_that_is_read_late_is_not_skipped() -> None:
    live = LivePipelines(Settings(load()), Counts(), {}, {}, lambda *_: [])
    old, young = "2017-02-14T02:00:00Z", "2017-02-14T02:00:10Z"
    reads = [
        reading("young", young, 0, line("02:00:10")),
        reading("old", old, 0, line("02:00:00", "Calling pfAuthUser('a', '', 1)")),
        reading("young", young, 50, line("02:00:20")),
        reading("young", young, 100, line("02:30:00")),
        reading("young", young, 150, line("05:00:00")),
    ]
    begins = [live.process(one)[1].warm for one in reads]
    assert begins == [WarmStart("young", 0), *3 * [WarmStart("old", 0)], WarmStart("young", 150)]
