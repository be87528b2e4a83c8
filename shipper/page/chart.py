"""A chart: Vega-Lite, and the table behind it. Pure.

Colours are custom properties of `page.css`, so that one drawing serves the light and the dark page. The page shows a mark's
`description` when the pointer is on the mark.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]

WIDTH, HEIGHT = 400, 200
FEW = 5
LIMITED = {"labelLimit": 150}
"""For an axis with long names. Other axes have no limit: comparing each label with it takes a quarter of the drawing time."""
CONFIG: Spec = {
    "background": "transparent",
    "font": "Helvetica, Arial, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)", "titleColor": "var(--muted)", "titleFontWeight": "normal", "labelFontSize": 12,
        "titleFontSize": 12, "gridColor": "var(--line)", "domainColor": "var(--line)", "tickColor": "var(--line)", "labelLimit": 0,
    },
    "legend": {
        "labelColor": "var(--ink)", "labelFontSize": 12, "title": None, "orient": "top", "symbolType": "square", "offset": 6, "labelLimit": 0,
        "symbolStrokeWidth": 0,
    },
    "bar": {"cornerRadiusEnd": 1},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart and the table behind it.

    Attributes:
        name: its name in the template.
        title: its heading.
        says: what the chart shows, for people who do not see it.
        head, rows: the table.
        spec: Vega-Lite.
    """

    name: str
    title: str
    says: str
    head: Sequence[str]
    rows: Sequence[Sequence[Any]]
    spec: Spec


def span(low: float, high: float | None) -> str:
    """The range from `low` to `high` seconds as text; `high` None: without end."""
    if high is None:
        return f"{low:g} and more"
    if high <= 0:
        return f"{low:g} to {high:g}".replace("-", "−")  # noqa: RUF001  a minus sign is one line with its number
    return f"{low:g} to {high:g}"


def sized(values: list[Spec], height: int) -> Spec:
    """The parts that all charts share, with the data of one chart."""
    return {
        "width": WIDTH,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"values": values},
        "config": CONFIG,
    }


def amount(title: str, most: int) -> Spec:
    """The axis of whole numbers up to `most`."""
    return {"field": "number", "type": "quantitative", "title": title, "axis": {"format": ",d", **ticks(most)}}


def ticks(most: int) -> Spec:
    """The ticks of an axis of whole numbers: never between two of them."""
    return {"values": list(range(most + 1))} if most <= FEW else {"tickCount": 5}


def bar(number: int, along: str, color: str | None = None) -> Spec:
    """The mark of `number` bars along an axis; up to `FEW` bars do not fill it."""
    breadth = {"width" if along == "x" else "height": 48 if along == "x" else 22} if number <= FEW else {}
    return {"type": "bar", **breadth, **({"color": color} if color else {})}


def stacked(
    values: list[Spec], along: str, axis: Spec, field: str, names: Sequence[str], colors: Sequence[str], title: str
) -> Spec:  # fmt: skip
    """Stacked bars.

    Args:
        values: the parts of bars, with `number`, `says`, the field of the axis, `field`, and `place`, the order in a bar.
        along: the axis of the bars, `x` or `y`.
        axis: the encoding of that axis.
        field: the field that divides a bar.
        names, colors: the values of that field, in their order, and their colours.
        title: the title of the axis of numbers.
    """
    used = [(name, color) for name, color in zip(names, colors, strict=True) if any(value[field] == name for value in values)]
    sums: Counter[str] = Counter()
    for value in values:
        sums[value[axis["field"]]] += value["number"]
    return {
        **sized(values, max(110, 26 * len(sums) + 60) if along == "y" else 250),
        "mark": bar(len(sums), along),
        "encoding": {
            along: axis,
            "y" if along == "x" else "x": amount(title, max(sums.values(), default=0)),
            "color": {
                "field": field,
                "type": "nominal",
                "scale": {"domain": [n for n, _ in used], "range": [c for _, c in used]},
            },
            "order": {"field": "place", "type": "quantitative"},
            "description": {"field": "says"},
        },
    }
