"""The pictures of the report for README and deploy/docs, from the made-up week.

python -m tests.deploy.pictures
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from tests.deploy import corpus
from tests.deploy.browser import PHONE, WIDE, chromium, opened
from tests.deploy.tools import ROOT

FOLDER = ROOT / "deploy" / "docs" / "pictures"


def make(page_file: Path) -> None:
    """Make all pictures of one page."""
    FOLDER.mkdir(exist_ok=True)
    with chromium() as browser:
        opened(browser, page_file).screenshot(path=FOLDER / "report-light.png")
        opened(browser, page_file, (WIDE, "dark")).screenshot(path=FOLDER / "report-dark.png")
        _at(opened(browser, page_file), "#advisor").screenshot(path=FOLDER / "report-cache.png")
        user = opened(browser, page_file, (PHONE, "light"))
        user.locator("#users .name").nth(1).click()
        _at(user, "#users").screenshot(path=FOLDER / "report-phone.png")


def _at(page: Page, place: str) -> Page:
    """The page, scrolled to a place."""
    page.locator(place).evaluate("place => scrollTo(0, place.getBoundingClientRect().top + scrollY - 100)")
    return page


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        corpus.write(Path(name))
        command = [sys.executable, "-m", "shipper", "report", ".", "--output", "report.html"]
        subprocess.run(command, cwd=name, env={"PYTHONPATH": str(ROOT)}, check=True)
        make(Path(name) / "report.html")
