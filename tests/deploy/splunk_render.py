"""A picture of the Splunk dashboard, drawn from its own searches as the model in spl.py computes them: no screenshot, and it says so.

    python -m tests.deploy.splunk_render

writes deploy/splunk/img/dashboard.svg.
"""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tests.deploy import spl
from tests.deploy.elastic.charts import PALETTE, Box, Theme, bar, escape, text
from tests.deploy.elastic.loaded import week
from tests.deploy.elastic.render import frame
from tests.deploy.splunk_app import Event
from tests.deploy.splunk_events import event
from tests.deploy.splunk_searches import DASHBOARD, TOKENS, filled, panels
from tests.deploy.tools import DEPLOY, ROOT

TARGET = DEPLOY / "splunk" / "img" / "dashboard.svg"
THEME = Theme("#f2f4f5", "#ffffff", "#c3cbd4", "#3c444d", "#6b7785", "#5c33ff", across=True)
WIDTH, GAP, TOP = 1240, 10, 64
OF_DAY, EVERYTHING = slice(5, 10), slice(None)
SPAN = 3 * 3600  # seconds of a column over time
OUTCOMES = {"success": "#54b399", "failure": "#e7664c", "pending": "#d6bf57", "unknown": "#98a2b3"}
HEIGHTS = {"single": 92, "chart": 220, "table": 240}
NOTE = (
    "A rendering, not a screenshot: drawn by tests/deploy/splunk_render.py from the dashboard's searches, computed by a model "
    "of SPL on made-up events. Splunk was not run."
)
Row = dict[str, Any]


class Shown(NamedTuple):
    """A panel: its kind, title and the rows of its search."""

    kind: str
    title: str
    rows: list[Row]


def events() -> list[Event]:
    """The week of `corpus.py` at search time."""
    with TemporaryDirectory() as place:
        week(Path(place))
        logs = sorted(path.name for path in Path(place).iterdir())
        command = [sys.executable, "-m", "shipper", "parse", "--deterministic", "--quiet", *logs]
        world = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=place, env=world, text=True, capture_output=True, check=True, timeout=120)
    return [event(json.loads(line)) for line in done.stdout.splitlines()]


def rows_of_panels() -> list[list[Shown]]:
    """The panels of the dashboard, line by line; what only shows after a click is left out."""
    queries, tokens = panels(), TOKENS | {"who_domain": "", "who_name": ""}
    lines, found = [], events()
    for line in ET.parse(DASHBOARD).getroot().iter("row"):
        shown = []
        for panel in line.iter("panel"):
            kind = next(one.tag for one in panel if one.tag in HEIGHTS)
            title = panel.findtext(f"{kind}/title") or ""
            if "$who_name$" in title:
                continue
            for name, value in tokens.items():
                title = title.replace(f"${name}$", value)
            shown.append(Shown(kind, title, spl.run(filled(queries[panel.get("id", "")], **tokens), found, SPAN)))
        if shown:
            lines.append(shown)
    return lines


def picture() -> bytes:
    """The whole dashboard as SVG."""
    parts: list[str] = []
    y = TOP
    for line in rows_of_panels():
        height = max(HEIGHTS[panel.kind] for panel in line)
        width = (WIDTH - GAP * (len(line) + 1)) / len(line)
        for number, panel in enumerate(line):
            where = Box(round(GAP + number * (width + GAP)), y, round(width), height)
            parts += [frame(where, panel.title, "", THEME), DRAW[panel.kind](panel.rows, where.inside(30))]
        y += height + GAP
    title = ET.parse(DASHBOARD).getroot().findtext("label") or ""
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" '
        'font-family="Helvetica, Arial, DejaVu Sans, sans-serif" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{y}" fill="{THEME.page}"/>',
        text(GAP + 4, 26, title, 18, THEME.ink, weight="bold"),
        text(GAP + 4, 47, NOTE, 11.5, "#a4451f"),
    ]
    return ("\n".join([*head, *parts, "</svg>"]) + "\n").encode()


def _single(rows: list[Row], box: Box) -> str:
    value = next(iter(rows[0].values())) if rows else 0
    return text(
        box.x + box.width / 2, box.y + box.height / 2 + 10, f"{value:,}", 30, THEME.accent, weight="bold", anchor="middle"
    )


def _chart(rows: list[Row], box: Box) -> str:
    """Stacked columns, one for each row."""
    if not rows:
        return ""
    first, *names = dict.fromkeys(name for row in rows for name in row if not name.startswith("_span"))
    colors = {name: OUTCOMES.get(name, PALETTE[number % len(PALETTE)]) for number, name in enumerate(names)}
    most = max(sum(_number(row.get(name)) for name in names) for row in rows) or 1
    parts, high, step = [], box.height - 44, (box.width - 10) / len(rows)
    for number, row in enumerate(rows):
        x, y = box.x + 5 + number * step, box.y + high
        for name, color in colors.items():
            tall = _number(row.get(name)) / most * (high - 8)
            y -= tall
            parts.append(bar(x + step * 0.1, y, step * 0.8, tall, color))
        if number % max(1, len(rows) // 8) == 0:
            parts.append(
                text(
                    x,
                    box.y + high + 14,
                    _label(first, row.get(first))[OF_DAY if first == "_time" else EVERYTHING],
                    10,
                    THEME.faint,
                    most=step * max(1, len(rows) // 8),
                )
            )
    x = float(box.x + 5)
    for name, color in colors.items():
        parts += [bar(x, box.y + high + 22, 9, 9, color), text(x + 13, box.y + high + 30, name, 10.5, THEME.ink)]
        x += 30 + len(name) * 6.5
    return "\n".join(parts)


def _table(rows: list[Row], box: Box) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))[:7]
    room = int((box.height - 24) / 19)
    step = (box.width - 10) / max(1, len(names))
    parts = [
        text(box.x + 8 + n * step, box.y + 10, name, 11, THEME.ink, weight="bold", most=step - 8) for n, name in enumerate(names)
    ]
    for number, row in enumerate(rows[:room]):
        y = box.y + 30 + number * 19
        parts += [
            text(box.x + 8 + n * step, y, _label(name, row.get(name)), 10.5, THEME.ink, most=step - 8)
            for n, name in enumerate(names)
        ]
    return "\n".join(parts)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _label(name: str, value: Any) -> str:
    if name in ("_time", "last") and isinstance(value, (int, float)):
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return "" if value is None else str(value)


DRAW = {"single": _single, "chart": _chart, "table": _table}


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(picture())
    print(TARGET.relative_to(ROOT))
