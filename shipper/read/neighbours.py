"""Find, by name, the rotated files beside a log, and the log beside a rotated file. I/O."""

import os
from collections.abc import Iterator
from contextlib import suppress

from shipper.read.rotation import live_name


def rotated(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """The files beside a log whose names are certain to come from its rotation."""
    folder, name = os.path.split(path)
    with suppress(OSError), os.scandir(folder or ".") as entries:
        for entry in entries:
            if live_name(entry.name) == name:
                beside = os.path.join(folder, entry.name)
                with suppress(OSError):
                    yield beside, os.stat(beside)  # on Windows, the stat of the entry itself lacks the file's number


def was_renamed(path: str, *, followed: bool) -> bool:
    """True for a file rotated before it was first seen: its name says so, and a newer file (`followed`) or the log is there."""
    folder, name = os.path.split(path)
    live = live_name(name)
    return live is not None and (followed or os.path.lexists(os.path.join(folder, live)))
