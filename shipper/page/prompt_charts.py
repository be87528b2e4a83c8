"""Charts of prompts: what a cache spares, how soon the second one came, and when. Pure."""

from collections.abc import Sequence

from shipper.page.chart import HEIGHT, Chart, Spec, amount, bar, sized, span, stacked, ticks
from shipper.page.words import UNKNOWN, WEEKDAYS
from shipper.report.advice import counted, rounded, spoken
from shipper.report.people import PATTERNS
from shipper.report.sections import CacheType, Hour
from shipper.report.summary import Summary

PATTERN_COLORS = ["var(--sequential)", "var(--concurrent)", "var(--retry)"]
HEAT = 5  # shades, besides that of zero


def caches(kind: CacheType, double_prompts: int) -> list[Chart]:
    """What a cache of N seconds spares and what it costs, in both readings."""
    readings = [("from the last hit", kind.renewed), ("from the answer", kind.not_renewed)]  # drawn one over the other
    values = [
        {
            "seconds": step.seconds, "reading": reading, "spared": step.spared_double_prompts, "price": step.without_prompt_a_day,
            "says": f"{spoken(step.seconds)}, {reading}: {step.spared_double_prompts:,} of {double_prompts:,} double prompts spared, "
            f"{rounded(step.without_prompt_a_day)} sign-ins a day without a prompt",
        }
        for reading, steps in readings
        for step in steps
    ]  # fmt: skip
    rows = [
        (spoken(one.seconds), one.spared_double_prompts, one.users_spared_all, one.without_prompt_a_day,
         other.spared_double_prompts, other.without_prompt_a_day)
        for one, other in zip(kind.not_renewed, kind.renewed, strict=True)
    ]  # fmt: skip
    head = [
        "cache",
        "double prompts spared",
        "users spared all",
        "sign-ins a day without a prompt",
        "spared, renewed by hits",
        "a day, renewed by hits",
    ]

    def curve(field: str, title: str, top: float) -> Spec:
        x = {
            "field": "seconds", "type": "quantitative", "title": "length of the cache",
            "scale": {"type": "log", "domain": [1, 3600]},
            "axis": {"values": [1, 3, 10, 30, 120, 600, 3600], "grid": False,
                     "labelExpr": "datum.value < 60 ? datum.value + ' s' : datum.value < 3600 ? datum.value / 60 + ' min' : '1 h'"},
        }  # fmt: skip
        y = {
            "field": field,
            "type": "quantitative",
            "title": title,
            "scale": {"domain": [0, top], "nice": True},
            "axis": {"format": ",d", **ticks(int(top))} if field == "spared" else {"tickCount": 5},
        }
        scale = {"domain": [reading for reading, _ in readings], "range": ["var(--retry)", "var(--prompt)"]}
        color = {"field": "reading", "type": "nominal", "scale": scale}
        return {
            **sized(values, HEIGHT),
            "encoding": {"x": x, "y": y, "color": color},
            "layer": [
                {"mark": {"type": "line", "strokeWidth": 2, "interpolate": "step-after", "aria": False}},
                {
                    "mark": {"type": "point", "filled": True, "size": 42, "opacity": 1},
                    "encoding": {"description": {"field": "says"}},
                },
            ],
        }

    best = max(kind.not_renewed, key=lambda step: step.spared_double_prompts)
    says = f"Up to {best.spared_double_prompts:,} of {counted(double_prompts, 'double prompt')} spared, by a cache of {spoken(best.seconds)}."
    dear = max(step.without_prompt_a_day for step in kind.renewed)
    return [
        Chart(f"spared_{kind.type}", "Double prompts spared", says, head, rows, curve("spared", "double prompts", double_prompts)),
        Chart(
            f"price_{kind.type}", "The price: sign-ins a day without a prompt",
            f"With a cache of an hour {dear:,.1f} sign-ins a day pass without a prompt.", head, rows, curve("price", "sign-ins a day", dear or 1),
        ),
    ]  # fmt: skip


def gaps(summary: Summary) -> Chart:
    """How soon the second prompt began after the first one ended."""
    used = [gap for gap in summary.double_prompts.gaps if gap.sequential + gap.concurrent + gap.retry]
    if used:
        ends = [summary.double_prompts.gaps.index(gap) for gap in (used[0], used[-1])]
        used = summary.double_prompts.gaps[ends[0] : ends[1] + 1]
    labels = [span(gap.from_seconds, gap.to_seconds) for gap in used]
    values = [
        {"gap": label, "pattern": pattern, "place": place, "number": getattr(gap, pattern),
         "says": f"{label}: {counted(getattr(gap, pattern), pattern + ' double prompt')}"}
        for label, gap in zip(labels, used, strict=True)
        for place, pattern in enumerate(PATTERNS)
        if getattr(gap, pattern)
    ]  # fmt: skip
    x = {"field": "gap", "type": "nominal", "sort": labels, "scale": {"domain": labels}, "axis": {"labelAngle": -50}}
    x["title"] = "seconds from the end of the first prompt to the second"
    total = summary.double_prompts.total
    return Chart(
        "gaps", "How soon the second prompt came",
        f"{total.concurrent:,} came while the first was open, {total.sequential:,} after it had been answered.",
        ["seconds", *PATTERNS], [(label, gap.sequential, gap.concurrent, gap.retry) for label, gap in zip(labels, used, strict=True)],
        stacked(values, "x", x, "pattern", PATTERNS, PATTERN_COLORS, "double prompts"),
    )  # fmt: skip


def heat(summary: Summary) -> list[Chart]:
    """Double prompts and prompts by hour and weekday."""
    week = summary.authentications.week
    return [
        _heat("heat_double_prompts", "Double prompts by hour and weekday", week, "double_prompts", "double prompt"),
        _heat("heat_prompts", "Prompts by hour and weekday", week, "prompts", "prompt"),
    ]


def _heat(name: str, title: str, week: Sequence[Hour], field: str, noun: str) -> Chart:
    numbers = [getattr(hour, field) for hour in week]
    most = max(numbers)
    edges = sorted({max(1, -(-most * step // HEAT)) for step in range(1, HEAT + 1)}) if most else []
    names = [_shade(low, high) for low, high in zip([0, *edges], edges, strict=False)]
    values = [
        {"day": WEEKDAYS[hour.weekday - 1], "hour": hour.hour, "shade": names[next(at for at, edge in enumerate(edges) if number <= edge)],
         "says": f"{WEEKDAYS[hour.weekday - 1]} {hour.hour}:00 to {hour.hour + 1}:00 UTC: {counted(number, noun)}"}
        for hour, number in zip(week, numbers, strict=True)
        if number
    ]  # fmt: skip
    axis = {"grid": False, "domain": False, "ticks": False}
    hours = list(range(24))
    colors = [f"var(--{field.replace('_', '-')}-{HEAT - len(names) + place + 1})" for place in range(len(names))]
    spec = {
        **sized(values, 170),
        "view": {"fill": "var(--paper)", "cornerRadius": 4},
        "mark": {"type": "rect", "cornerRadius": 2},
        "encoding": {
            "x": {"field": "hour", "type": "ordinal", "scale": {"domain": hours, "padding": 0.08}, "title": "hour (UTC)",
                  "axis": {**axis, "labelAngle": 0, "values": hours[::3]}},
            "y": {"field": "day", "type": "ordinal", "scale": {"domain": WEEKDAYS, "padding": 0.08}, "title": None, "axis": axis},
            "color": {"field": "shade", "type": "ordinal", "scale": {"domain": names, "range": colors}},
            "description": {"field": "says"},
        },
    }  # fmt: skip
    busiest = max(zip(numbers, week, strict=True), key=lambda pair: pair[0])[1]
    says = f"The most, {most:,}, on {WEEKDAYS[busiest.weekday - 1]} from {busiest.hour}:00 UTC."
    table = [[day, *numbers[24 * at : 24 * at + 24]] for at, day in enumerate(WEEKDAYS)]
    return Chart(name, title, says, ["UTC", *map(str, hours)], table if most else [], spec)


def _shade(low: int, high: int) -> str:
    return f"{high:,}" if low + 1 >= high else f"{low + 1:,} to {high:,}"


def days(summary: Summary) -> list[Chart]:
    """Double prompts and prompts of each day."""
    table = summary.authentications.days
    made = []
    for field, title, color in (("double_prompts", "Double prompts a day", "double"), ("prompts", "Prompts a day", "prompt")):
        noun = field.replace("_", " ").removesuffix("s")
        values = [
            {
                "day": row.name or UNKNOWN,
                "number": getattr(row, field),
                "says": f"{row.name}: {counted(getattr(row, field), noun)}",
            }
            for row in table
        ]
        names = [value["day"] for value in values]
        every = max(1, -(-len(names) // 8))
        x = {
            "field": "day",
            "type": "ordinal",
            "title": None,
            "axis": {"labelAngle": -30 if len(names) > 4 else 0, "values": names[::every]},
        }
        spec = {
            **sized(values, 150),
            "mark": bar(len(names), "x", f"var(--{color})"),
            "encoding": {
                "x": x,
                "y": amount(noun + "s", max((value["number"] for value in values), default=0)),
                "description": {"field": "says"},
            },
        }
        most = max(table, key=lambda row: int(getattr(row, field)), default=None)
        says = "" if most is None else f"The most, {getattr(most, field):,}, on {most.name}."
        made.append(Chart(f"days_{field}", title, says, ["day", noun + "s"], [(v["day"], v["number"]) for v in values], spec))
    return made
