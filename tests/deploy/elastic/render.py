"""A picture of the dashboards, drawn from the same queries on the week of `corpus.py`: no screenshot, and it says so.

    python -m tests.deploy.elastic.render

starts an OpenSearch, loads the week, and writes deploy/elastic/img/dashboard.svg and deploy/opensearch/img/dashboard.svg.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.deploy.elastic import charts
from tests.deploy.elastic.charts import Box, Theme, escape, text
from tests.deploy.elastic.loaded import install, load, week
from tests.deploy.elastic.panels import Panel, Row, panels, rows, search
from tests.deploy.elastic.words import INTRO, TEXT, TITLE, description
from tests.deploy.tools import DEPLOY, ROOT
from tests.support.opensearch import OpenSearch

HOURS = 3  # of one bar
COLUMN, LINE, GAP, TOP = 26, 21, 8, 64
THEMES = {
    "elastic": Theme("#f7f8fc", "#ffffff", "#d3dae6", "#343741", "#69707d", "#0b64dd", across=True),
    "opensearch": Theme("#fafbfd", "#ffffff", "#c9d3dd", "#0a2a43", "#5a6b7b", "#006bb4", across=False),
}
PRODUCTS = {"elastic": "Kibana", "opensearch": "OpenSearch Dashboards"}
CHARTS: dict[str, Callable[[Panel, list[Row], Box, Theme], str]] = {
    "number": charts.number,
    "bars": charts.bars,
    "donut": charts.donut,
    "ranking": charts.ranking,
    "table": charts.table,
}


def answers(node: OpenSearch, namespace: str) -> dict[str, list[Row]]:
    """What each panel shows."""
    return {
        panel.id: rows(panel, node.ask("POST", f"/logs-*-{namespace}/_search", search(panel, f"{HOURS}h"))) for panel in panels()
    }


def box(place: tuple[int, int, int, int]) -> Box:
    """The rectangle of a place on the grid."""
    column, row, width, height = place
    return Box(GAP + column * COLUMN, TOP + row * LINE, width * COLUMN - GAP, height * LINE - GAP)


def frame(where: Box, title: str, about: str, theme: Theme) -> str:
    """A panel without its content."""
    found = [
        f'<rect x="{where.x}" y="{where.y}" width="{where.width}" height="{where.height}" rx="4" '
        f'fill="{theme.panel}" stroke="{theme.line}"/>'
    ]
    if title:
        found.append(text(where.x + 10, where.y + 18, title, 12, theme.ink, weight="bold", most=where.width - 20))
    if about:
        found.append(text(where.x + 10, where.y + 33, about, 10, theme.faint, most=where.width - 20))
    return "\n".join(found)


def intro(theme: Theme) -> str:
    """The words at the top."""
    where = box(INTRO)
    lines = [line.replace("**", "").replace("`", "").replace("*", "") for line in TEXT.strip().splitlines()]
    shown = [text(where.x + 12, where.y + 22 + 21 * n, line, 11.5, theme.ink) for n, line in enumerate(lines)]
    return "\n".join([frame(where, "", "", theme), *shown])


def draw(product: str, shown: dict[str, list[Row]]) -> bytes:
    """The whole dashboard as SVG."""
    theme = THEMES[product]
    bottom = max(panel.place[1] + panel.place[3] for panel in panels())
    width, height = GAP + 48 * COLUMN, TOP + bottom * LINE
    note = (
        f"A rendering, not a screenshot: drawn by tests/deploy/elastic/render.py from the queries of the {PRODUCTS[product]} "
        "dashboard, answered by a real OpenSearch. People and sign-ins are made up."
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="Inter, Helvetica, Arial, DejaVu Sans, sans-serif" role="img">',
        f"<title>{escape(TITLE)}</title>",
        f"<desc>{escape(note)}</desc>",
        f'<rect width="{width}" height="{height}" fill="{theme.page}"/>',
        text(GAP + 4, 26, TITLE, 18, theme.ink, weight="bold"),
        text(GAP + 4, 47, note, 11.5, "#a4451f"),
        intro(theme),
    ]
    for panel in panels():
        where = box(panel.place)
        parts.append(frame(where, panel.title, description(panel), theme))
        parts.append(CHARTS[panel.chart](panel, shown[panel.id], where.inside(44 if panel.about else 28), theme))
    return ("\n".join([*parts, "</svg>"]) + "\n").encode()


def pictures(node: OpenSearch, namespace: str) -> dict[Path, bytes]:
    """Both pictures."""
    shown = answers(node, namespace)
    return {DEPLOY / product / "img" / "dashboard.svg": draw(product, shown) for product in PRODUCTS}


def main() -> None:
    """Draw and write them."""
    with tempfile.TemporaryDirectory(prefix="mfa-render-") as name:
        folder = Path(name)
        node = OpenSearch(folder / "node").start()
        try:
            install(node)
            (folder / "logs").mkdir()
            week(folder / "logs")
            load(node, folder / "logs")
            for path, content in pictures(node, "week").items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                print(path.relative_to(ROOT))
        finally:
            node.stop()


if __name__ == "__main__":
    main()
