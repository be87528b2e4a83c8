"""Find rotated files that no input matches, and the globs that would match them as well. I/O."""

import glob
import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from shipper.read.inputs import TailInput, matches
from shipper.read.neighbours import rotated
from shipper.read.rotation import live_name

_SET = re.compile(r"\[!?\]?[^]]*\]")


class Advice(NamedTuple):
    """Advice about an input that follows logs, but does not match all of their rotated files.

    Attributes:
        number: of the input, from 0.
        rotated: a rotated file that no input matches: its path, or if it does not exist, the name to expect.
        is_there: that file exists now.
        remedy: the glob that matches such files as well.
    """

    number: int
    rotated: str
    is_there: bool
    remedy: str


def advice(inputs: Sequence[TailInput]) -> list[Advice]:
    """Which inputs would miss the end of a log that is rotated while nothing runs. Excluded files are missed on purpose."""
    globs = [pattern for given in inputs for pattern in (given.path, *given.exclude)]
    known = {os.path.abspath(path) for pattern in globs for path in matches(pattern)}
    found = []
    for number, given in enumerate(inputs):
        if os.path.isdir(given.path):
            continue  # a folder matches rotated files as well
        folder, pattern = os.path.split(given.path)
        logs = matches(given.path)
        names = [os.path.basename(log) for log in logs] or [_SET.sub("?", pattern).replace("*", "X").replace("?", "1")]
        beside = sorted(path for log in logs for path, _ in rotated(log) if os.path.abspath(path) not in known)
        if beside:
            found.append(Advice(number, beside[0], True, _wider(given.path, os.path.basename(beside[0]))))
        elif not any(live_name(name) for name in names):
            name = f"{names[0]}.1"
            besides = [_name_of(other, exact=bool(logs)) for other in globs if os.path.dirname(other) == folder]
            if live_name(name) and not any(fnmatchcase(name, other) for other in besides):
                found.append(Advice(number, name, False, f"{os.path.join(folder, _name_of(given.path, exact=True))}*"))
    return found


def _name_of(path: str, *, exact: bool) -> str:
    """The last part of a path as a glob; unless `exact`, with `?` in place of each set of characters."""
    name = os.path.basename(path)
    if os.path.lexists(path):
        return glob.escape(name)
    return name if exact else _SET.sub("?", name)


def _wider(path: str, name: str) -> str:
    """A glob that matches what `path` matches, and the rotated file `name`."""
    pattern = _name_of(path, exact=True)
    if not fnmatchcase(name, f"{pattern}*"):
        stem, ending = os.path.splitext(pattern)
        pattern = f"{stem}*{ending}"
    return os.path.join(os.path.dirname(path), f"{pattern}*")
