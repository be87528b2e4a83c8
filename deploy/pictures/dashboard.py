"""The dashboard of `deploy/elastic/panels.yaml` over the made-up week, drawn for those who look before they install.

A rendering and no screenshot: places, titles, kinds and colours of the panels are those of the table, numbers those that
`counted.py` counts (a test compares them with what each panel's query finds on a real OpenSearch), drawn by the library that
draws the report.
"""

from collections.abc import Iterable
from html import escape
from typing import Any

import vl_convert

from deploy.generate.elastic.panels import Panel, panels
from deploy.generate.elastic.words import LABELS, NAMES
from tests.support.deploy.counted import COUNTED, Event, Rows

COLUMN, ROW = 25, 21  # pixels of the grid
ABOVE = 7  # rows of the grid that the dashboard's own text takes
HEADING = 26  # pixels of a panel's title
LABEL = 190  # pixels of the longest label of a bar
NOTE = "A rendering of the panels over a made-up week, not a screenshot."
STYLE = f"""
body {{ margin: 0; font: 13px Helvetica, Arial, sans-serif; color: #343741; background: #f1f4fa; width: {48 * COLUMN}px }}
p {{ margin: 0; height: 30px; line-height: 30px; padding-left: 8px; font-style: italic }}
main {{ position: relative }}
section {{ position: absolute; box-sizing: border-box; border: 3px solid #f1f4fa; background: #fff; overflow: hidden }}
h2 {{ font-size: 13px; margin: 5px 8px; height: 16px; white-space: nowrap }}
strong {{ display: block; text-align: center; font-size: 42px; margin-top: 14px }}
table {{ border-collapse: collapse; margin: 0 8px; width: calc(100% - 16px) }}
td, th {{ text-align: left; padding: 2px 6px; border-bottom: 1px solid #e3e6ec; font-weight: normal; font-size: 12px }}
th {{ font-weight: bold }}
.number {{ text-align: right }}
"""


def page(events: list[Event], last_row: int) -> str:
    """The panels that end at a row of the grid, or above it."""
    drawn = [panel for panel in panels() if panel.place[1] + panel.place[3] <= last_row]
    height = (last_row - ABOVE) * ROW
    inside = "".join(_panel(panel, COUNTED[panel.id](events)) for panel in drawn)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><style>{STYLE}</style>'
        f'<p>{NOTE}</p><main style="height:{height}px">{inside}</main></html>'
    )


def _panel(panel: Panel, rows: Rows) -> str:
    column, row, width, height = panel.place
    fields = panel.columns or [bucket.field or "" for bucket in panel.buckets]
    rows = [
        (tuple(LABELS.get(field, {}).get(key, key) for field, key in zip(fields, keys, strict=False)), numbers)
        for keys, numbers in rows
    ]
    box = f"left:{column * COLUMN}px;top:{(row - ABOVE) * ROW}px;width:{width * COLUMN}px;height:{height * ROW}px"
    size = width * COLUMN - 24, height * ROW - HEADING - 14
    if panel.chart == "number":
        inside = f"<strong>{rows[0][1][0]:,.0f}</strong>"
    elif panel.chart == "events" or panel.chart == "table":
        inside = _table(panel, rows, size[1] // 22 - 1)
    else:
        inside = vl_convert.vegalite_to_svg(_chart(panel, rows, *size), vl_version="6.1")
    return f'<section id="{panel.id}" style="{box}"><h2>{escape(panel.title)}</h2>{inside}</section>'


def _table(panel: Panel, rows: Rows, most: int) -> str:
    """The first rows. What is parted by filters last has a column for each of them, as Kibana shows it."""
    if panel.chart == "events":
        cells = _row("th", [NAMES[column] for column in panel.columns], [])
        return f"<table>{cells}{''.join(_row('td', keys, []) for keys, _ in rows[:most])}</table>"
    head = [bucket.label for bucket in panel.buckets if bucket.kind == "terms"]
    numbers = [metric.label for metric in panel.metrics] or ["Number"]
    if panel.buckets[-1].kind == "filters":
        numbers = [label for label, _ in panel.buckets[-1].filters]
        wide: dict[tuple[str, ...], list[float]] = {}
        for keys, values in rows:
            wide.setdefault(keys[:-1], []).extend(values)
        rows = [(keys, tuple(values)) for keys, values in wide.items()]
    cells = _row("th", head, numbers)
    for keys, values in rows[:most]:
        cells += _row("td", keys, [f"{value:,.1f}".removesuffix(".0") for value in values])
    return f"<table>{cells}</table>"


def _row(cell: str, keys: Iterable[str], numbers: Iterable[str]) -> str:
    names = "".join(f"<{cell}>{escape(key)}</{cell}>" for key in keys)
    return f"<tr>{names}{''.join(f'<{cell} class=number>{escape(number)}</{cell}>' for number in numbers)}</tr>"


def _chart(panel: Panel, rows: Rows, width: int, height: int) -> dict[str, Any]:
    """The panel as Vega-Lite; its buckets are a, then b."""
    values = [dict(zip("ab", keys, strict=False)) | {"number": numbers[0]} for keys, numbers in rows]
    parts = list(dict.fromkeys(value.get("b", value["a"]) for value in values))
    known = [name for name in parts if name in panel.colors]
    color: dict[str, Any] = {"type": "nominal", "title": None, "sort": parts}
    if known:
        color["scale"] = {"domain": known, "range": [panel.colors[name] for name in known]}
    spec: dict[str, Any] = {"width": width, "height": height, "autosize": {"type": "fit", "contains": "padding"}}
    spec |= {"data": {"values": values}, "config": {"view": {"stroke": None}, "font": "Helvetica, Arial, sans-serif"}}
    amount: dict[str, Any] = {"field": "number", "type": "quantitative", "title": None}
    if panel.chart == "donut":
        angle = {"theta": amount | {"stack": True}, "color": color | {"field": "a"}}
        return spec | {"mark": {"type": "arc", "innerRadius": 45}, "encoding": angle}
    if panel.chart == "ranking":
        names = {"field": "a", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": LABEL}}
        return spec | {"mark": {"type": "bar", "color": "#54b399"}, "encoding": {"y": names, "x": amount}}
    time: dict[str, Any] = {"field": "a", "type": "temporal", "title": None, "scale": {"type": "utc", "padding": 14}}
    time["axis"] = {"grid": False, "format": "%b %d", "tickCount": "day"}
    if panel.chart == "shares":
        amount |= {"stack": "normalize", "axis": {"format": "%"}}
    over_time = {"x": time, "y": amount, "color": color | {"field": "b", "legend": {"orient": "top"}}}
    return spec | {"mark": {"type": "bar", "width": 12}, "encoding": over_time}
