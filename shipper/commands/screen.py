"""The screen that a text is for. I/O."""

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
"""For a file or another program, which want one line for each row."""


def screen_of(*, terminal: bool, otherwise: Screen = ENDLESS) -> Screen:
    """The screen in front of the user; no colours where the user wants none (https://no-color.org)."""
    return Screen(shutil.get_terminal_size().columns, not os.environ.get("NO_COLOR")) if terminal else otherwise


def screen_in_front(output: str | None = None) -> Screen:
    """The screen that standard output shows; `ENDLESS` if it is none, or if text goes to the file `output` instead."""
    return screen_of(terminal=output is None and sys.stdout is not None and sys.stdout.isatty())


def tell(*words: str) -> None:
    """Say something on standard error; it is no matter if nobody reads that any more, as in `2>&1 | head`."""
    try:
        print(*words, file=sys.stderr)
    except OSError as error:
        if not reader_is_gone(error):
            raise
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  what is left in the old one would fail again at the end
