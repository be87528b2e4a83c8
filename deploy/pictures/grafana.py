"""The Grafana dashboard over the made-up week, drawn for those who look before they install.

A rendering and no screenshot: titles, places, kinds and legends of the panels are those of `deploy/generate/grafana.py`. The
numbers are what a real Prometheus answers to their own expressions. A real sidecar reads the week bit by bit; what its metrics
page says after each bit is dated as the log is, and `promtool` makes the database of it.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any

import vl_convert

from deploy.generate.grafana import KINDS, ROWS, WIDTH, Panel
from tests.support.deploy.prometheus import HINT, Prometheus, get
from tests.support.jars import free_port
from tests.support.process import Shipper, configuration, until
from tests.support.tools import tool

STEP = timedelta(minutes=30)  # between two looks at the metrics page
SHOWN = ("Is all well?", "Flow", "Sign-ins")  # the rows of which a week says something
LABELS = 'job="mfa-shipper",instance="mfa01:9108"'
VARIABLES = {"$job": "mfa-shipper", "$instance": ".+", "$__rate_interval": "2h", "$__range": "7d"}
COLUMN, ROW = 50, 30  # pixels of the grid
HEADING = 30  # pixels of a panel's title
NOTE = "A rendering of the panels over a made-up week, not a screenshot."
SIGNS = {"bytes": " B", "Bps": " B/s", "cps": " c/s", "cpm": " c/m"}
PALETTE = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#705da0", "#37872d"]
STYLE = f"""
body {{ margin: 0; font: 13px Helvetica, Arial, sans-serif; color: #ccccdc; background: #111217; width: {WIDTH * COLUMN}px }}
p {{ margin: 0; height: 30px; line-height: 30px; padding-left: 8px; font-style: italic }}
h1 {{ font-size: 16px; margin: 8px; font-weight: 500 }}
main {{ display: grid; grid-template-columns: repeat({WIDTH}, {COLUMN}px); gap: 0 }}
section {{ border: 4px solid #111217; background: #181b1f; box-sizing: border-box; overflow: hidden }}
h2 {{ font-size: 13px; margin: 6px 8px; height: 16px; white-space: nowrap; font-weight: 500 }}
strong {{ display: block; text-align: center; font-size: 30px; padding: 14px 0 30px; color: #fff }}
.good {{ background: #299c46 }}
.bad {{ background: #d44a3a }}
"""

Series = tuple[str, list[tuple[float, float]]]
"""A legend, and points in time (seconds) with their values."""


def page(folder: Path, week: Path) -> str:
    """The rows `SHOWN`, over the logs in the folder `week`; `folder` is for the sidecar and the database."""
    samples = folder / "samples.om"
    begin, end = _observed(folder, week, samples)
    with _database(folder, samples) as server:
        rows = "".join(
            f"<h1>{escape(title)}</h1><main>{''.join(_drawn(panel, server, begin, end) for panel in ROWS[title])}</main>"
            for title in SHOWN
        )
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><style>{STYLE}</style><p>{NOTE}</p>{rows}</html>'


def _observed(folder: Path, week: Path, samples: Path) -> tuple[datetime, datetime]:
    """Write what the metrics page of a sidecar says in the course of the week; returns when that begins and ends."""
    port = free_port()
    output = {"type": "file", "file": {"path": str(folder / "events.ndjson")}, "batch": {"max_age": "20ms"}}
    more: dict[str, Any] = {"inputs": [{"path": str(folder / "logs" / "*.log")}], "metrics": {"listen": f"127.0.0.1:{port}"}}
    shipper = Shipper(folder, configuration(folder, output, tail={"poll_interval": "20ms"}, **more))
    parts = _parts(week)
    begin, end = min(parts), max(parts) + STEP
    shipper.start()
    lines, now, said = 0, begin, ""
    with open(samples, "w", encoding="utf-8") as file:
        while now <= end:
            for name, text in parts.get(now - STEP, {}).items():
                lines += text.count("\n")
                with open(folder / "logs" / name, "a", encoding="utf-8", newline="") as log:
                    log.write(text)
            if not said or now - STEP in parts:
                said = _page_after(lines, port)
            file.writelines(_dated(said, now))
            now += STEP
        file.write("# EOF\n")
    assert shipper.terminate() == 0
    return begin, end


def _parts(week: Path) -> dict[datetime, dict[str, str]]:
    """The lines of the logs, by the beginning of their `STEP` and by the name of the log."""
    parts: dict[datetime, dict[str, str]] = {}
    for path in sorted(week.glob("*.log")):
        at = None
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if re.match(r"[0-9]{4}-[0-9-]{5}T[0-9:]{8}", line):
                time = datetime.fromisoformat(line[:19]).replace(tzinfo=UTC)
                at = time - (time - datetime.min.replace(tzinfo=UTC)) % STEP
            if at is not None:
                part = parts.setdefault(at, {})
                part[path.name] = part.get(path.name, "") + line
    return parts


def _page_after(lines: int, port: int) -> str:
    """The metrics page once so many lines are read, and all events of them and all findings delivered."""
    said = ""

    def done() -> bool:
        nonlocal said
        try:
            said = get(f"http://127.0.0.1:{port}/metrics").decode()
        except OSError:
            return False
        delivered, waiting = _number(said, "events_delivered_total"), _number(said, "events_waiting")
        found = _number(said, "double_prompts_total") + _number(said, "mfa_fatigue_total")
        return _number(said, "lines_read_total") == lines and lines + found == delivered and not waiting

    until(done, f"{lines} lines are delivered")
    return said


def _number(said: str, metric: str) -> float:
    found = re.search(rf"^mfa_shipper_{metric} (\S+)$", said, re.MULTILINE)
    assert found is not None, metric
    return float(found[1])


def _dated(said: str, now: datetime) -> Iterator[str]:
    """The samples of a page as a scrape at this time would have them."""
    time = now.timestamp()
    yield f"up{{{LABELS}}} 1 {time}\n"
    for name, labels, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", said, re.MULTILINE):
        yield f"{name}{{{LABELS}{',' if labels else ''}{labels}}} {value} {time}\n"


@contextmanager
def _database(folder: Path, samples: Path) -> Iterator[Prometheus]:
    """A Prometheus that has these samples and scrapes nothing."""
    program, data = tool("prometheus", HINT), folder / "data"
    subprocess.run(  # noqa: S603  our own files
        [tool("promtool", HINT), "tsdb", "create-blocks-from", "openmetrics", samples, data], check=True, capture_output=True
    )
    (folder / "prometheus.yml").write_text("{}\n", encoding="utf-8")
    port = free_port()
    with open(folder / "prometheus.log", "wb") as log:
        process = subprocess.Popen(  # noqa: S603
            [program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={data}", "--storage.tsdb.retention.time=100y",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log,
        )  # fmt: skip
    server = Prometheus(port)
    try:
        until(lambda: _is_ready(server), "Prometheus answers")
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(server: Prometheus) -> bool:
    try:
        return bool(get(f"{server.url}/-/ready"))
    except OSError:
        return False


def _drawn(panel: Panel, server: Prometheus, begin: datetime, end: datetime) -> str:
    series = [one for query in panel.queries for one in _series(server, *query, begin, end)]
    size = f"grid-column: span {panel.width}; height: {KINDS[panel.kind] * ROW}px"
    heading = f"<h2>{escape(panel.title)}</h2>"
    if panel.kind == "stat":
        value = series[0][1][-1][1]
        bad = panel.bad is not None and (value < panel.bad if panel.least else value >= panel.bad)
        return f'<section class="{"bad" if bad else "good"}" style="{size}">{heading}<strong>{_amount(value, panel.unit)}</strong></section>'
    chart = _chart(panel, series, panel.width * COLUMN - 16, KINDS[panel.kind] * ROW - HEADING - 12)
    return f'<section style="{size}">{heading}{vl_convert.vegalite_to_svg(chart, vl_version="6.1")}</section>'


def _series(server: Prometheus, expression: str, legend: str, begin: datetime, end: datetime) -> Iterator[Series]:
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    for found in server.query_range(expression, begin.timestamp(), end.timestamp(), STEP.total_seconds()):
        name = legend
        for label, value in found["metric"].items():
            name = name.replace(f"{{{{{label}}}}}", value)
        yield name, [(float(time), float(value)) for time, value in found["values"]]


def _amount(value: float, unit: str) -> str:
    return f"{value:,.0f}{SIGNS.get(unit, '')}"


def _chart(panel: Panel, series: list[Series], width: int, height: int) -> dict[str, Any]:
    """The panel as Vega-Lite."""
    values = [{"time": time * 1000, "value": value, "series": name} for name, points in series for time, value in points]
    names = list(dict.fromkeys(name for name, _ in series))
    grey = {"labelColor": "#9a9ba8", "gridColor": "#2c3036", "domain": False, "tickColor": "#2c3036", "title": None}
    color = {
        "field": "series", "type": "nominal", "scale": {"domain": names, **({"range": PALETTE} if len(names) <= len(PALETTE) else {"scheme": "tableau20"})},
        "legend": {"orient": "bottom", "title": None, "labelColor": "#ccccdc", "columns": panel.width // 2 - 1, "symbolType": "square" if panel.stacked else "stroke", "labelLimit": 220},
    }  # fmt: skip
    mark = {"type": "area", "opacity": 0.8} if panel.stacked else {"type": "line", "strokeWidth": 1.5}
    return {
        "width": width, "height": height, "autosize": {"type": "fit", "contains": "padding"}, "background": "#181b1f",
        "config": {"view": {"stroke": None}, "font": "Helvetica, Arial, sans-serif"}, "data": {"values": values},
        "mark": mark,
        "encoding": {
            "x": {"field": "time", "type": "temporal", "scale": {"type": "utc"}, "axis": grey | {"format": "%b %d", "tickCount": "day"}},
            "y": {
                "field": "value", "type": "quantitative", "axis": grey | {"format": "~r", "tickCount": 4},
                "stack": "zero" if panel.stacked else None, "scale": {} if any(value["value"] for value in values) else {"domain": [0, 1]},
            },
            "color": color,
        },
    }  # fmt: skip
