"""Tables for a screen; Rich draws them. Pure."""

import io
from collections.abc import Iterable, Sequence

from rich.console import Console, RenderableType
from rich.table import Table

from shipper.commands.screen import ENDLESS, Screen


def new_table(*columns: str, left: Sequence[int] = (0,)) -> Table:
    """A table whose columns are aligned to the right, except those in `left`."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place in left else "right", overflow="fold")
    return table


def width_of(part: RenderableType) -> int:
    """How many columns a part takes if nothing in it is folded."""
    return _console(ENDLESS).measure(part).maximum


def drawn(parts: Iterable[RenderableType], screen: Screen) -> str:
    """The parts one below the other, as text for a screen; no line ends with blanks."""
    console = _console(screen)
    for part in parts:
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def _console(screen: Screen) -> Console:
    return Console(
        file=io.StringIO(), width=screen.width, force_terminal=screen.color, color_system="standard" if screen.color else None,
        highlight=False, markup=False, emoji=False, legacy_windows=False,
    )  # fmt: skip
