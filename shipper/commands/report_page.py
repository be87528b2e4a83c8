"""The report as a page: whether it can be made here, and showing it in a browser. I/O."""

import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path

from shipper.errors import UsageError
from shipper.report.summary import Summary

ENDINGS = {".html": "html", ".htm": "html", ".json": "json"}


def form_of(form: str | None, output: str | None) -> str:
    """The form of a report: as asked for, else by the ending of the file's name, else text."""
    return form or ENDINGS.get(Path(output or "").suffix.lower(), "text")


def page_maker() -> Callable[[Summary], bytes]:
    """What makes the page of a summary.

    Raises:
        UsageError: the extra `report` is not installed.
    """
    try:
        from shipper.page.render import page
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the page needs the extra report ({error.name} is missing): in a checkout, pip install '.[report]'; "
            "--format text and json do without"
        ) from None
    return page


def check_open(form: str, output: str | None) -> None:
    """Refuse `--open` where no page is written into a file.

    Raises:
        UsageError: it is so.
    """
    if form != "html" or output in (None, "-"):
        raise UsageError("--open shows a page in the browser: give --output FILE.html as well")


def open_page(output: str) -> None:
    """Show a page in the browser; if there is none, say where the page is."""
    if not webbrowser.open(Path(output).resolve().as_uri()):
        print(f"mfa-shipper: no browser was found; the page is {output}", file=sys.stderr)
