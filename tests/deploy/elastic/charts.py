"""Five small charts as SVG, for the pictures of the dashboards."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from tests.deploy.elastic.panels import Panel, Row

PALETTE = ("#54b399", "#6092c0", "#d36086", "#9170b8", "#ca8eae", "#d6bf57", "#b9a888", "#da8b45", "#aa6556", "#e7664c")
WIDE = 0.6  # of a letter, in its height; enough for the names here


@dataclass(frozen=True)
class Theme:
    """Colours, and whether a table shows filters as columns."""

    page: str
    panel: str
    line: str
    ink: str
    faint: str
    accent: str
    across: bool


@dataclass(frozen=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    def inside(self, top: float) -> "Box":
        """What is left below the title."""
        return Box(self.x + 10, self.y + top, self.width - 20, self.height - top - 8)


def escape(value: str) -> str:
    """Text for XML."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def text(x: float, y: float, value: str, size: float, color: str, *, weight: str = "", anchor: str = "", most: float = 0) -> str:
    """A line of text, cut where it is longer than `most` pixels."""
    room = int(most / (size * WIDE)) if most else len(value)
    value = value if len(value) <= room else value[: max(room - 1, 1)] + "…"
    more = (f' font-weight="{weight}"' if weight else "") + (f' text-anchor="{anchor}"' if anchor else "")
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{color}"{more}>{escape(value)}</text>'


def bar(x: float, y: float, width: float, height: float, color: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" fill="{color}"/>'


def shown(value: float, field: str | None = None) -> str:
    """A number as people read it."""
    if field == "@timestamp":
        return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%d %H:%M}"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def colors(panel: Panel, names: list[str]) -> dict[str, str]:
    """A colour for each name."""
    return {name: panel.colors.get(name, PALETTE[number % len(PALETTE)]) for number, name in enumerate(names)}


def number(panel: Panel, rows: list[Row], box: Box, theme: Theme) -> str:
    """One big number."""
    value = shown(rows[0][1][0])
    return text(box.x + box.width / 2, box.y + box.height / 2 + 14, value, 34, theme.accent, weight="bold", anchor="middle")


def steps(most: float) -> list[float]:
    """Round numbers for an axis."""
    if most <= 0:
        return [0]
    size = 10 ** math.floor(math.log10(most))
    unit = next(one for one in (size / 5, size / 2, size, size * 2) if most / one <= 5)
    unit = max(unit, 1)
    return [unit * n for n in range(int(most / unit) + 1)]


def legend(names: dict[str, str], x: float, y: float, theme: Theme) -> str:
    parts = []
    for name, color in names.items():
        parts += [bar(x, y - 8, 9, 9, color), text(x + 13, y, name, 10.5, theme.ink)]
        x += 13 + len(name) * 10.5 * WIDE + 18
    return "\n".join(parts)


def bars(panel: Panel, rows: list[Row], box: Box, theme: Theme) -> str:
    """Stacked bars over time; hours without events keep their place."""
    times = sorted({datetime.fromisoformat(keys[0]) for keys, _ in rows})
    names = list(dict.fromkeys([*panel.colors, *(keys[1] for keys, _ in rows)]))
    chosen = colors(panel, [name for name in names if any(keys[1] == name for keys, _ in rows)])
    step = min((after - before for before, after in pairwise(times)), default=timedelta(hours=3))
    slots = int((times[-1] - times[0]) / step) + 1
    values = {(datetime.fromisoformat(keys[0]), keys[1]): numbers[0] for keys, numbers in rows}
    most = max(sum(values.get((time, name), 0) for name in chosen) for time in times)
    plot = Box(box.x + 34, box.y + 4, box.width - 38, box.height - 40)
    ticks = steps(most)
    scale = plot.height / (most * 1.05 or 1)
    parts = []
    for tick in ticks:
        y = plot.y + plot.height - tick * scale
        parts.append(f'<path d="M{plot.x:.1f} {y:.1f}h{plot.width:.1f}" stroke="{theme.line}" stroke-width="0.7"/>')
        parts.append(text(plot.x - 6, y + 3.5, shown(tick), 10, theme.faint, anchor="end"))
    width = plot.width / slots
    for slot in range(slots):
        time = times[0] + slot * step
        x, y = plot.x + slot * width, plot.y + plot.height
        for name, color in chosen.items():
            height = values.get((time, name), 0) * scale
            y -= height
            if height:
                parts.append(bar(x + width * 0.1, y, width * 0.8, height, color))
        if time.hour == 0 or slot == 0:
            parts.append(text(x + 1, plot.y + plot.height + 13, f"{time:%a %d %b}", 10, theme.faint))
    return "\n".join([*parts, legend(chosen, plot.x, box.y + box.height - 4, theme)])


def donut(panel: Panel, rows: list[Row], box: Box, theme: Theme) -> str:
    """Shares of a whole."""
    chosen = colors(panel, [keys[0] for keys, _ in rows])
    whole = sum(numbers[0] for _, numbers in rows) or 1
    radius = min(box.width * 0.27, box.height / 2 - 4)
    x, y, angle, parts = box.x + radius + 6, box.y + box.height / 2, -math.pi / 2, []
    for line, (keys, numbers) in enumerate(rows):
        turn = numbers[0] / whole * 2 * math.pi
        ends = [(x + radius * math.cos(one), y + radius * math.sin(one)) for one in (angle, angle + min(turn, 6.2831))]
        (a, b), (c, d) = ends
        far = int(turn > math.pi)
        path = f"M{x:.1f} {y:.1f}L{a:.1f} {b:.1f}A{radius:.1f} {radius:.1f} 0 {far} 1 {c:.1f} {d:.1f}Z"
        parts.append(f'<path d="{path}" fill="{chosen[keys[0]]}" stroke="{theme.panel}"/>')
        angle += turn
        at = y - len(rows) * 9 + line * 18 + 12
        label = f"{keys[0]}  {numbers[0] / whole:.1%}"
        parts += [bar(x + radius + 18, at - 9, 10, 10, chosen[keys[0]]), text(x + radius + 34, at, label, 11, theme.ink)]
    return "\n".join([*parts, f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius * 0.55:.1f}" fill="{theme.panel}"/>'])


def ranking(panel: Panel, rows: list[Row], box: Box, theme: Theme) -> str:
    """Lying bars, one below the other."""
    most = max((numbers[0] for _, numbers in rows), default=1) or 1
    label = min(box.width * 0.5, max(len(keys[0]) for keys, _ in rows) * 11 * WIDE + 12)
    step = min(box.height / len(rows), 28)
    parts = []
    for line, (keys, numbers) in enumerate(rows):
        y = box.y + line * step
        width = (box.width - label - 50) * numbers[0] / most
        parts.append(text(box.x + label - 6, y + step / 2 + 4, keys[0], 11, theme.ink, anchor="end", most=label - 6))
        parts.append(bar(box.x + label, y + step * 0.15, width, step * 0.7, PALETTE[1]))
        parts.append(text(box.x + label + width + 5, y + step / 2 + 4, shown(numbers[0]), 10.5, theme.faint))
    return "\n".join(parts)


def table(panel: Panel, rows: list[Row], box: Box, theme: Theme) -> str:
    """Rows and columns; what does not fit is on further pages."""
    heads = [bucket.label or "Filter" for bucket in panel.buckets]
    cells = [[*keys, *(shown(v, m.field) for v, m in zip(numbers, panel.metrics, strict=True))] for keys, numbers in rows]
    keyed = len(heads)
    if theme.across and panel.buckets[-1].filters:
        labels = [label for label, _ in panel.buckets[-1].filters]
        found: dict[tuple[str, ...], dict[str, str]] = {}
        for keys, numbers in rows:
            found.setdefault(keys[:-1], {})[keys[-1]] = shown(numbers[0])
        heads, keyed = [*heads[:-1], *labels], keyed - 1
        cells = [[*keys, *(values[label] for label in labels)] for keys, values in found.items()]
    else:
        heads += [metric.label for metric in panel.metrics]
    count, step = len(heads), 19.0
    fits = int((box.height - 42) / step)
    width = box.width / count
    parts = []
    for line, row in enumerate([heads, *cells[:fits]]):
        y = box.y + 14 + line * step
        weight, color = ("bold", theme.ink) if not line else ("", theme.ink)
        for column, cell in enumerate(row):
            right = column >= keyed
            x = box.x + column * width + (width - 8 if right else 2)
            anchor = "end" if right else ""
            parts.append(text(x, y, cell, 11, color, weight=weight, anchor=anchor, most=width - 10))
        parts.append(f'<path d="M{box.x:.1f} {y + 5.5:.1f}h{box.width:.1f}" stroke="{theme.line}" stroke-width="0.7"/>')
    if len(cells) > fits:
        more = f"{fits} of {len(cells)} rows"
        parts.append(text(box.x + box.width - 8, box.y + box.height - 2, more, 10, theme.faint, anchor="end"))
    return "\n".join(parts)
