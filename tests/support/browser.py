"""Debian's Chromium without a window, driven by Playwright."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.tools import tool

WIDE = (1200, 900)
PHONE = (390, 844)
View = tuple[tuple[int, int], Literal["light", "dark"]]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; the test is skipped where there is none."""
    path = tool("chromium", "make deploy-tools")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@contextmanager
def watched(browser: Browser, file: Path, view: View = (WIDE, "light")) -> Iterator[Page]:
    """A page in a fresh profile. At the end it must have had no error and asked for nothing but itself."""
    (width, height), scheme = view
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    yield page
    assert complaints == []
    assert {url.partition("#")[0] for url in requests} <= {file.as_uri(), "data:,"}
    page.close()


def opened(browser: Browser, file: Path, view: View = (WIDE, "light")) -> Page:
    """A page in a fresh profile."""
    (width, height), scheme = view
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(file.as_uri())
    return page
