"""The screen that shows a text. I/O."""

import os
import shutil
import sys
from typing import NamedTuple

from shipper.errors import reader_is_gone


class Screen(NamedTuple):
    """Where text is shown: columns, and whether it may have colours."""

    width: int
    color: bool = False


ENDLESS = Screen(10_000)
"""For a file or another program: each row stays one line."""


def screen_of(*, terminal: bool, otherwise: Screen = ENDLESS) -> Screen:
    """The user's terminal, else `otherwise`; no colours if NO_COLOR is set (https://no-color.org)."""
    return Screen(shutil.get_terminal_size().columns, not os.environ.get("NO_COLOR")) if terminal else otherwise


def screen_in_front(output: str | None = None) -> Screen:
    """The terminal on standard output; `ENDLESS` if there is none, or if text goes to the file `output` instead."""
    return screen_of(terminal=output is None and sys.stdout is not None and sys.stdout.isatty())


def tell(*words: str) -> None:
    """Print to standard error; ignore that its reader has gone, as in `2>&1 | head`."""
    try:
        print(*words, file=sys.stderr)
    except OSError as error:
        if not reader_is_gone(error):
            raise
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  text left in the old stream would fail again at exit
