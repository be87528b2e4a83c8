"""What lies beside a log, by its name: the files that were rotated from it, and the log that a rotated file was. I/O."""

import os
from collections.abc import Iterator
from contextlib import suppress

from shipper.read.rotation import live_name


def rotated(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """The files beside a log that were rotated from it, as their names say for sure."""
    folder, name = os.path.split(path)
    with suppress(OSError), os.scandir(folder or ".") as entries:
        for entry in entries:
            if live_name(entry.name) == name:
                beside = os.path.join(folder, entry.name)
                with suppress(OSError):
                    yield beside, os.stat(beside)  # what the entry itself knows lacks the file's number on Windows


def was_renamed(path: str, *, followed: bool) -> bool:
    """True for a file that was rotated before it was seen first: its name says so, and a newer file or the log is there."""
    folder, name = os.path.split(path)
    live = live_name(name)
    return live is not None and (followed or os.path.lexists(os.path.join(folder, live)))
