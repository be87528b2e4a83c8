"""The reference page of `codes` in a real browser: search, links, paper, telephone, keyboard, screen reader."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import PHONE, WIDE, watched
from tests.support.tools import ROOT

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "codes.html"
    command = [sys.executable, "-m", "shipper", "codes", "--output", str(path)]
    subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, check=True, timeout=60)
    return path


@pytest.fixture
def page(browser: Browser, file: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    with watched(browser, file, getattr(request, "param", (WIDE, "light"))) as shown:
        yield shown


def names(page: Page) -> list[str]:
    """The codes that are shown now."""
    found: list[str] = page.locator(".codes tbody tr:visible th").all_inner_texts()
    return found


def test_the_search_leaves_rows_that_hold_each_word(page: Page) -> None:
    search, everything = page.get_by_label("Find a code"), len(names(page))
    assert everything > 100
    search.fill("129")
    assert names(page) == ["129", "PhoneAppDenied"]
    expect(page.locator("#found")).to_have_text(f"2 of {everything}")
    expect(page.get_by_role("heading", name="Error codes of the NPS extension")).to_be_hidden()
    search.fill("certificate ESTS")
    assert names(page) == ["ESTS_TOKEN_ERROR"]
    expect(page.get_by_role("heading", name="Status codes of MFA Server")).to_be_hidden()
    search.fill("denied xyzzy")
    assert names(page) == []
    expect(page.get_by_text("No code holds these words.")).to_be_visible()
    search.fill("")
    assert len(names(page)) == everything
    expect(page.get_by_text("No code holds these words.")).to_be_hidden()
    expect(page.locator("#found")).to_have_text("")


def test_a_link_to_what_the_search_has_hidden_ends_the_search(page: Page) -> None:
    page.get_by_label("Find a code").fill("PhoneAppDenied")
    assert names(page) == ["PhoneAppDenied"]
    page.get_by_role("link", name="129: Mobile App Denied").click()
    expect(page.locator("#code129")).to_be_in_viewport()
    expect(page.get_by_label("Find a code")).to_have_value("")
    page.get_by_label("Find a code").fill("REGISTRY")
    page.get_by_role("link", name="MFA Server", exact=True).click()
    expect(page.locator("#code1")).to_be_in_viewport()


def test_the_link_of_a_row_leads_to_it(page: Page, file: Path) -> None:
    page.goto(f"{file.as_uri()}#PhoneAppDenied")
    expect(page.locator("#PhoneAppDenied")).to_be_in_viewport()


@pytest.mark.parametrize("page", [(size, scheme) for size in (WIDE, PHONE) for scheme in ("light", "dark")], indirect=True)
def test_it_fits_and_axe_finds_no_violation(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for table in page.locator(".wide").all():
        assert table.evaluate("place => place.scrollWidth <= place.clientWidth")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert len(found.response["passes"]) > 20


@pytest.mark.parametrize("page", [(PHONE, "light")], indirect=True)
def test_on_a_phone_each_value_names_itself(page: Page) -> None:
    cell = page.locator("#code129 td").nth(1)
    label = cell.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert "to check" in label


@pytest.mark.parametrize("page", [(WIDE, "light"), (WIDE, "dark")], indirect=True)
def test_it_prints_as_tables_in_light_colours(page: Page, tmp_path: Path) -> None:
    paper = page.pdf(path=tmp_path / "codes.pdf", format="A4")
    assert 5 < paper.count(b"/Type /Page\n") < 20
    page.emulate_media(media="print")
    for hidden in ("header", "#search", "#hint"):
        expect(page.locator(hidden)).to_be_hidden()
    expect(page.locator(".codes thead").first).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_the_first_tabs_lead_past_the_navigation(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the codes")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Find a code")).to_be_focused()


def test_without_scripts_everything_can_be_read(browser: Browser, file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    expect(page.locator("#code129")).to_be_visible()
    for control in ("#search", "#theme", "#hint", "#nothing"):
        expect(page.locator(control)).to_be_hidden()
    context.close()
