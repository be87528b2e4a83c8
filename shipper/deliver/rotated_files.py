"""The rotated files of an output file, and their names. I/O.

Rotation renames a file to `PATH.20170214T025719Z`, the time of the rotation, with `-2`, `-3` ...
appended if that name is taken.
"""

import os
import re
import time

_STAMP = re.compile(r"(\d{8}T\d{6}Z)(?:-(\d+))?", re.ASCII)


def next_name(path: str) -> str:
    """The new path of the file at `path` if it is rotated now."""
    stamp, number = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), 1
    earlier = _rotated(path)
    if earlier and earlier[-1][0] >= stamp:  # also if the clock went back: names stay in rotation order
        stamp, number = earlier[-1][0], earlier[-1][1] + 1
    return f"{path}.{stamp}" + (f"-{number}" if number > 1 else "")


def rotated(path: str) -> list[str]:
    """The rotated files of a path, oldest first."""
    return [file for _, _, file in _rotated(path)]


def _rotated(path: str) -> list[tuple[str, int, str]]:
    """The time stamps, numbers and paths of the rotated files, oldest first."""
    folder, name = os.path.split(os.path.abspath(path))
    found = []
    for entry in os.listdir(folder):
        mark = _STAMP.fullmatch(entry.removeprefix(f"{name}."))
        if mark is not None and entry.startswith(f"{name}."):  # otherwise not one of our files
            found.append((mark[1], int(mark[2] or 1), os.path.join(folder, entry)))
    return sorted(found)
