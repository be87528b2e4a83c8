"""The report as a page: check that it can be made, and show it in a browser. I/O."""

import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path

from shipper.commands.forms import without_extra
from shipper.errors import UsageError
from shipper.report.summary import Summary


def page_maker() -> Callable[[Summary], bytes]:
    """The function that makes the page of a summary.

    Raises:
        UsageError: the extra `report` is not installed.
    """
    try:
        from shipper.page.render import page
    except ModuleNotFoundError as error:
        raise without_extra(error, "text and json") from None
    return page


def check_open(form: str, output: str | None) -> None:
    """Refuse `--open` if no page is written to a file.

    Raises:
        UsageError: the form is not `html`, or there is no output file.
    """
    if form != "html" or output in (None, "-"):
        raise UsageError("--open shows a page in the browser: give --output FILE.html as well")


def open_page(output: str) -> None:
    """Show a page in the browser; if there is none, say where the page is."""
    if not webbrowser.open(Path(output).resolve().as_uri()):
        print(f"mfa-shipper: no browser was found; the page is {output}", file=sys.stderr)
