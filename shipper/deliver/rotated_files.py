"""The rotated files of an output file, and their names. I/O.

A rotated file is renamed to `PATH.20170214T025719Z`, the time of its rotation, with `-2`, `-3` ...
appended where that name is taken.
"""

import os
import re
import time

_STAMP = re.compile(r"(\d{8}T\d{6}Z)(?:-(\d+))?", re.ASCII)


def next_name(path: str) -> str:
    """The path to which a file is renamed that is rotated now."""
    stamp, number = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), 1
    earlier = _rotated(path)
    if earlier and earlier[-1][0] >= stamp:  # also when the clock went back: names stay in the order of rotation
        stamp, number = earlier[-1][0], earlier[-1][1] + 1
    return f"{path}.{stamp}" + (f"-{number}" if number > 1 else "")


def rotated(path: str) -> list[str]:
    """The rotated files of a path, the oldest first."""
    return [file for _, _, file in _rotated(path)]


def _rotated(path: str) -> list[tuple[str, int, str]]:
    """Time stamps, numbers and paths of the rotated files, the oldest first."""
    folder, name = os.path.split(os.path.abspath(path))
    found = []
    for entry in os.listdir(folder):
        mark = _STAMP.fullmatch(entry.removeprefix(f"{name}."))
        if mark is not None and entry.startswith(f"{name}."):  # else it is no file of ours
            found.append((mark[1], int(mark[2] or 1), os.path.join(folder, entry)))
    return sorted(found)
