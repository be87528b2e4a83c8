"""The pictures for README and deploy/docs, from the made-up week.

python -m deploy.pictures [report] [codes] [dashboard] [grafana]
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from deploy.pictures import dashboard as dashboard_picture
from deploy.pictures import grafana as grafana_picture
from tests.support import corpus
from tests.support.browser import PHONE, WIDE, chromium, opened
from tests.support.tools import ROOT

FOLDER = ROOT / "deploy" / "docs" / "pictures"
DASHBOARD_ROWS = 77  # of the grid: what is above them fits a page


def report(browser: Browser, week: Path) -> None:
    """The pictures of the report."""
    page_file = _written(week, "report.html", "report", ".")
    opened(browser, page_file).screenshot(path=FOLDER / "report-light.png")
    opened(browser, page_file, (WIDE, "dark")).screenshot(path=FOLDER / "report-dark.png")
    _at(opened(browser, page_file), "#advisor").screenshot(path=FOLDER / "report-cache.png")
    user = opened(browser, page_file, (PHONE, "light"))
    user.locator("#users .name").nth(1).click()
    _at(user, "#users").screenshot(path=FOLDER / "report-phone.png")


def codes(browser: Browser, week: Path) -> None:
    """The picture of the reference of all codes."""
    opened(browser, _written(week, "codes.html", "codes", "--format", "html")).screenshot(path=FOLDER / "codes.png")


def dashboard(browser: Browser, week: Path) -> None:
    """The picture of the dashboard for Kibana and OpenSearch Dashboards."""
    page_file = week / "dashboard.html"
    page_file.write_text(dashboard_picture.page(_events(week), DASHBOARD_ROWS), encoding="utf-8")
    opened(browser, page_file).screenshot(path=FOLDER / "dashboard.png", full_page=True)


def grafana(browser: Browser, week: Path) -> None:
    """The picture of the dashboard for Grafana."""
    folder = week / "grafana"
    folder.mkdir()
    page_file = folder / "grafana.html"
    page_file.write_text(grafana_picture.page(folder, week), encoding="utf-8")
    opened(browser, page_file).screenshot(path=FOLDER / "grafana.png", full_page=True)


PICTURES = {"report": report, "codes": codes, "dashboard": dashboard, "grafana": grafana}


def _written(week: Path, name: str, *command: str) -> Path:
    """The page that a command writes, run in the folder of the week."""
    line = [sys.executable, "-m", "shipper", *command, "--output", name]
    subprocess.run(line, cwd=week, env={"PYTHONPATH": str(ROOT)}, check=True)  # noqa: S603  our own command
    return week / name


def _events(week: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in corpus.parse(week).splitlines()]


def _at(page: Page, place: str) -> Page:
    """The page, scrolled to a place."""
    page.locator(place).evaluate("place => scrollTo(0, place.getBoundingClientRect().top + scrollY - 100)")
    return page


def main() -> None:
    """Make the pictures that are named, or all."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        corpus.write(Path(name))
        for picture in sys.argv[1:] or PICTURES:
            PICTURES[picture](browser, Path(name))


if __name__ == "__main__":
    main()
