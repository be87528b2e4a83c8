"""The page of `report` in a real browser: it works, asks nobody for anything, and shuts nobody out."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from shipper.page.render import FIRST_USERS
from tests.support import corpus
from tests.support.browser import PHONE, WIDE, watched
from tests.support.tools import ROOT

pytestmark = pytest.mark.xdist_group("browser")
PICTURES = ROOT / "deploy" / "docs" / "pictures"
HOSTILE = "<script>document.title='taken'</script>"


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page and the JSON of the made-up week, in which a user has a name that wants to be markup."""
    folder = tmp_path_factory.mktemp("page")
    corpus.write(folder)
    log = folder / corpus.RADIUS
    log.write_bytes(log.read_bytes().replace(b"FABRIKAM\\hanna.lee", HOSTILE.encode()))
    for name in ("report.html", "report.json"):
        command = [sys.executable, "-m", "shipper", "report", ".", "--output", name]
        subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, check=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def summary(week: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((week / "report.json").read_bytes())
    return found


@pytest.fixture
def page(browser: Browser, week: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    with watched(browser, week / "report.html", getattr(request, "param", (WIDE, "light"))) as shown:
        yield shown


def names(page: Page) -> list[str]:
    """The users in the table, as they are shown now."""
    found: list[str] = page.locator("#users .name:visible").all_inner_texts()
    return found


def show_all(page: Page) -> None:
    page.get_by_role("button", name="Show all").click()


def column(page: Page, number: int) -> list[str]:
    found: list[str] = page.locator(f"#users tbody:visible tr:first-child > :nth-child({number})").all_inner_texts()
    return found


# The table of users


def test_it_begins_with_the_user_who_is_asked_twice_most(page: Page, summary: dict[str, Any]) -> None:
    top = summary["double_prompts"]["top"]
    assert len(top) > FIRST_USERS
    assert names(page) == [row["user"] for row in top[:FIRST_USERS]]
    show_all(page)
    assert names(page) == [row["user"] for row in top]
    assert column(page, 2) == [str(row["total"]) for row in top]
    expect(page.get_by_role("button", name="Show all")).to_be_hidden()


@pytest.mark.parametrize(
    ("heading", "field"),
    [("user", "user"), ("concurrent", "concurrent"), ("prompts", "prompts"), ("cache", "spared_from_seconds")],
)
def test_a_heading_sorts_and_the_second_click_turns_the_order(
    page: Page, summary: dict[str, Any], heading: str, field: str
) -> None:
    head = page.locator("#users thead th").filter(has_text=re.compile(f"^{heading}"))
    values = {row["user"]: row[field] if row[field] is not None else 99999 for row in summary["double_prompts"]["top"]}
    is_text = field == "user"
    show_all(page)
    for order in ("ascending", "descending") if is_text else ("descending", "ascending"):
        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", order)
        expect(page.locator("#users [aria-sort]")).to_have_count(1)
        shown = [values[name] for name in names(page)]
        expected = sorted(values.values(), reverse=order == "descending")
        if is_text:
            assert set(shown) == set(expected)
            assert page.evaluate("list => list.every((name, at) => !at || list[at - 1].localeCompare(name) <= 0)", shown) is (
                order == "ascending"
            )
        else:
            assert shown == expected


def test_the_search_leaves_those_whose_name_holds_it(page: Page, summary: dict[str, Any]) -> None:
    everybody = [row["user"] for row in summary["double_prompts"]["top"]]
    last = everybody[-1]
    assert last not in names(page)
    page.get_by_label("Find a user").fill(last)
    assert names(page) == [last]
    page.get_by_label("Find a user").fill("NOVAK")
    wanted = [name for name in everybody if "novak" in name]
    assert 0 < len(wanted) < len(everybody)
    assert names(page) == wanted
    expect(page.locator("#found")).to_have_text(f"{len(wanted)} of {len(everybody)}")
    page.get_by_label("Find a user").fill("")
    assert names(page) == everybody[:FIRST_USERS]
    expect(page.locator("#found")).to_have_text("")


def test_a_name_opens_the_timeline_and_what_to_do_by_the_keyboard(page: Page, summary: dict[str, Any]) -> None:
    row = summary["double_prompts"]["top"][1]
    name = page.get_by_role("button", name=row["user"])
    detail = page.locator(f"#{name.get_attribute('aria-controls')}")
    expect(detail).to_be_hidden()
    name.focus()
    page.keyboard.press("Enter")
    expect(detail).to_be_visible()
    expect(name).to_have_attribute("aria-expanded", "true")
    assert detail.locator("svg.line").count() == len(row["pairs"])
    first, second = (bar.bounding_box() for bar in detail.locator("svg.line").first.locator("rect").all())
    assert first is not None
    assert second is not None
    assert min(first["width"], second["width"]) > 0
    overlap = second["x"] < first["x"] + first["width"]
    assert overlap == (row["pairs"][0]["pattern"] == "concurrent")
    expect(detail.locator(".to-do")).to_contain_text("RADIUS timeout" if row["concurrent"] else "cache")
    page.keyboard.press("Enter")
    expect(detail).to_be_hidden()


def test_a_name_that_wants_to_be_markup_is_a_name(page: Page) -> None:
    assert names(page)[0] == HOSTILE
    expect(page).to_have_title(re.compile("^Who is asked twice"))
    assert page.locator("script").count() == 2


# The cache advisor


def tiles(page: Page) -> list[str]:
    return [page.locator(f"#cache-{name}").inner_text() for name in ("label", "spared", "users", "price")]


def test_the_slider_shows_each_step_of_the_simulation(page: Page, summary: dict[str, Any]) -> None:
    cache = summary["cache"]
    slider = page.get_by_label("Length of the cache")
    steps = cache["types"][0]["not_renewed"]
    [recommended] = [at for at, step in enumerate(steps) if step["seconds"] == cache["recommendation"]["seconds"]]
    assert slider.input_value() == str(recommended)
    slider.focus()
    page.keyboard.press("Home")
    for at, step in enumerate(steps):
        assert slider.input_value() == str(at)
        assert tiles(page)[1:] == [
            str(step["spared_double_prompts"]), str(step["users_spared_all"]), f"{step['without_prompt_a_day']:.1f}".removesuffix(".0"),
        ]  # fmt: skip
        here = page.locator("#chart-spared_user .here")
        expect(here).to_have_count(1)
        assert f"{step['spared_double_prompts']} of" in str(here.get_attribute("data-says"))
        assert tiles(page)[0] in str(slider.get_attribute("aria-valuetext"))
        page.keyboard.press("ArrowRight")


def test_the_other_reading_and_the_other_cache_type_have_their_numbers(page: Page, summary: dict[str, Any]) -> None:
    page.get_by_label("Length of the cache").focus()
    page.keyboard.press("End")
    user, address = summary["cache"]["types"]
    page.get_by_label("so long from the last hit").check()
    assert tiles(page)[1] == str(user["renewed"][-1]["spared_double_prompts"])
    expect(page.locator("#chart-price_user .here")).to_have_attribute("data-says", re.compile("^1 h, from the last hit: "))
    expect(page.locator("#chart-spared_user_and_address")).to_be_hidden()
    page.get_by_label("user and client address").check()
    assert tiles(page)[1] == str(address["renewed"][-1]["spared_double_prompts"])
    expect(page.locator("#chart-spared_user_and_address")).to_be_visible()
    expect(page.locator("#chart-spared_user")).to_be_hidden()


# Charts


def test_a_mark_says_its_number_when_the_pointer_is_on_it(page: Page) -> None:
    mark = page.locator("#chart-heat_double_prompts [data-says]").first
    expect(page.locator("#tip")).to_be_hidden()
    mark.hover()
    expect(page.locator("#tip")).to_have_text(str(mark.get_attribute("data-says")))
    page.mouse.move(5, 5)
    expect(page.locator("#tip")).to_be_hidden()


def test_each_chart_has_its_table(page: Page) -> None:
    figures = page.locator("figure:visible").all()
    assert len(figures) >= 12
    for figure in figures:
        table = figure.locator("table")
        expect(table).to_be_hidden()
        figure.locator("summary").click()
        expect(table).to_be_visible()


def test_a_chart_is_drawn_in_the_colours_of_the_theme(page: Page) -> None:
    bar = page.locator("#chart-days_prompts path[data-says]").first
    light = colour(bar)
    page.get_by_role("button", name="Change to the dark page").click()
    assert light == "rgb(47, 111, 208)"
    assert colour(bar) == "rgb(106, 163, 247)"


def colour(mark: Locator) -> str:
    return str(mark.evaluate("mark => getComputedStyle(mark).fill"))


# Theme, paper, telephone, keyboard, screen reader


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


LIGHT, DARK = "rgb(246, 247, 249)", "rgb(17, 21, 28)"


@pytest.mark.parametrize(
    ("page", "first", "second"), [((WIDE, "light"), LIGHT, DARK), ((WIDE, "dark"), DARK, LIGHT)], indirect=["page"]
)
def test_the_theme_is_that_of_the_system_until_the_button_is_pressed(page: Page, first: str, second: str) -> None:
    assert background(page) == first
    page.locator("#theme").click()
    assert background(page) == second
    page.reload()
    assert background(page) == second
    page.locator("#theme").click()
    assert background(page) == first


@pytest.mark.parametrize("page", [(WIDE, "light"), (WIDE, "dark")], indirect=True)
def test_it_prints_in_light_colours_with_the_advice_and_without_controls(page: Page, tmp_path: Path) -> None:
    paper = page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert paper.startswith(b"%PDF-")
    pages = paper.count(b"/Type /Page\n")
    assert 3 < pages < 25
    page.emulate_media(media="print")
    for hidden in (".slider", "header", "#search"):
        expect(page.locator(hidden)).to_be_hidden()
    expect(page.locator("#chart-spared_user")).to_be_visible()
    assert background(page) == "rgb(255, 255, 255)"
    assert colour(page.locator("#chart-days_prompts path[data-says]").first) == "rgb(47, 111, 208)"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("page", [(PHONE, "light"), (PHONE, "dark")], indirect=True)
def test_a_phone_is_wide_enough(page: Page) -> None:
    page.locator("#users .name").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    for table in page.locator(".wide").all():
        assert table.evaluate("place => place.scrollWidth <= place.clientWidth || !place.checkVisibility()")
    gave_in = page.locator(".events [data-label='gave in']").first
    assert "gave in" in gave_in.evaluate("cell => getComputedStyle(cell, '::before').content")
    for chart in page.locator("svg.chart:visible").all():
        box = chart.bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= box["x"] + box["width"] <= PHONE[0]


@pytest.mark.parametrize("page", [(size, scheme) for size in (WIDE, PHONE) for scheme in ("light", "dark")], indirect=True)
def test_axe_finds_no_violation(page: Page) -> None:
    for name in page.locator("#users .name").all()[:3]:
        name.click()
    for table in page.locator("figure:visible summary").all():
        table.click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert len(found.response["passes"]) > 25


def test_the_first_tab_leads_past_the_navigation(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the report")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_without_scripts_everything_can_be_read(browser: Browser, week: Path) -> None:
    """As in the preview of a mail program."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((week / "report.html").as_uri())
    expect(page.locator(".detail .pair").first).to_be_visible()
    expect(page.locator("#users tbody").last).to_be_visible()
    for control in ("#search", "#theme", "#all", ".slider"):
        expect(page.locator(control)).to_be_hidden()
    context.close()


def test_the_policy_stops_what_a_name_could_smuggle_in(browser: Browser, week: Path, tmp_path: Path) -> None:
    """If escaping ever failed, the browser would still run nothing, and ask for nothing."""
    text = (week / "report.html").read_text(encoding="utf-8")
    smuggled = (
        "<main><script>document.title='taken'</script><img src='x.png' onerror=\"document.title='taken'\">"
        "<img src='http://127.0.0.1:9/x.png'>"
    )
    (tmp_path / "smuggled.html").write_text(text.replace("<main", smuggled + "<main", 1), encoding="utf-8")
    page = browser.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto((tmp_path / "smuggled.html").as_uri())
    expect(page).to_have_title(re.compile("^Who is asked twice"))
    assert len([text for text in refused if "Content Security Policy" in text]) >= 3
    page.close()


# The pictures of the documentation


@pytest.mark.parametrize(
    "name",
    ["report-light.png", "report-dark.png", "report-phone.png", "report-cache.png", "codes.png", "dashboard.png", "grafana.png"],
)
def test_the_pictures_are_there_and_small(name: str) -> None:
    """`make pictures` makes them; fonts differ from machine to machine, so their bytes are not compared."""
    picture = (PICTURES / name).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 300_000
