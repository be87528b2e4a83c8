"""Charts of sign-ins: methods, answer times, failures, refusals. Pure."""

from shipper.page.chart import HEIGHT, LIMITED, Chart, amount, bar, sized, span, stacked
from shipper.page.words import plain, shown
from shipper.report.advice import counted, times
from shipper.report.sections import AnswerTimes
from shipper.report.summary import Summary

OUTCOMES = ("success", "failure", "unknown")
OUTCOME_COLORS = ["var(--success)", "var(--failure)", "var(--unknown)"]
REFUSALS = ("denied", "no response", "fraud")
REFUSAL_COLORS = ["var(--failure)", "var(--unknown)", "var(--fraud)"]
MOST_BARS = 12


def methods(summary: Summary) -> Chart:
    """Authentications by method and outcome."""
    table = [row for row in summary.authentications.methods if row.authentications]
    values = [
        {"method": plain(row.name), "outcome": outcome, "place": place, "number": getattr(row, outcome),
         "says": f"{plain(row.name)}: {counted(getattr(row, outcome), outcome).removesuffix('s') if outcome == 'success' else f'{getattr(row, outcome):,} {outcome}'}"}
        for row in table
        for place, outcome in enumerate(OUTCOMES)
        if getattr(row, outcome)
    ]  # fmt: skip
    y = {"field": "method", "type": "nominal", "sort": [plain(row.name) for row in table], "title": None, "axis": LIMITED}
    return Chart(
        "methods", "Methods and outcomes",
        f"Used most: {plain(table[0].name)}." if table else "",
        ["method", "authentications", *OUTCOMES, "prompts", "double prompts"],
        [(plain(row.name), row.authentications, row.success, row.failure, row.unknown, row.prompts, row.double_prompts) for row in table],
        stacked(values, "y", y, "outcome", OUTCOMES, OUTCOME_COLORS, "authentications"),
    )  # fmt: skip


def answer_times(summary: Summary) -> list[Chart]:
    """The time from request to answer: median and 95th percentile of each method, and a histogram of all."""
    table = [row for row in summary.answer_times if row.median is not None]
    names = ["all" if row.method is None else plain(row.method) for row in table]
    values = [
        {
            "method": name,
            "median": row.median,
            "p95": row.p95,
            "says": f"{name}: half within {row.median:g} s, 95 of 100 within {row.p95:g} s",
        }
        for name, row in zip(names, table, strict=True)
    ]
    y = {"field": "method", "type": "nominal", "sort": names, "title": None, "axis": LIMITED}
    x = {
        "field": "median",
        "type": "quantitative",
        "title": "seconds: median (circle) to 95th percentile",
        "scale": {"domainMin": 0},
    }
    spec = {
        **sized(values, max(100, 26 * len(names))),
        "encoding": {"y": y, "description": {"field": "says"}},
        "layer": [
            {"mark": {"type": "rule", "aria": False, "strokeWidth": 6, "color": "var(--prompt-soft)", "strokeCap": "round"},
             "encoding": {"x": x, "x2": {"field": "p95"}}},
            {"mark": {"type": "point", "filled": True, "size": 90, "opacity": 1, "color": "var(--prompt)"}, "encoding": {"x": x}},
        ],
    }  # fmt: skip
    says = f"Half of all answers come within {table[0].median:g} s, 95 of 100 within {table[0].p95:g} s." if table else ""
    head = ["method", "answers with a time", "median, s", "95th, s", "99th, s", "answers without a time"]
    rows = [(name, row.count, row.median, row.p95, row.p99, row.without_time) for name, row in zip(names, table, strict=True)]
    return [Chart("answer_times", "How fast people answer", says, head, rows, spec), *map(_histogram, summary.answer_times[:1])]


def _histogram(times: AnswerTimes) -> Chart:
    buckets = list(times.histogram)
    while buckets and not buckets[-1].count:
        buckets.pop()
    labels = [span(bucket.from_seconds, bucket.to_seconds) for bucket in buckets]
    values = [
        {"took": label, "number": bucket.count, "says": f"{label} s: {counted(bucket.count, 'answer')}"}
        for label, bucket in zip(labels, buckets, strict=True)
    ]
    x = {"field": "took", "type": "nominal", "sort": labels, "title": "seconds from the request", "axis": {"labelAngle": -50}}
    spec = {
        **sized(values, HEIGHT),
        "mark": bar(len(labels), "x", "var(--prompt)"),
        "encoding": {
            "x": x,
            "y": amount("answers", max((bucket.count for bucket in buckets), default=0)),
            "description": {"field": "says"},
        },
    }
    says = f"99 of 100 come within {times.p99:g} s." if times.p99 is not None else ""
    return Chart(
        "histogram", "How long answers take", says, ["seconds", "answers"], [(v["took"], v["number"]) for v in values], spec
    )


def failures(summary: Summary) -> Chart:
    """The commonest reasons of failures."""
    table = sorted((row for row in summary.authentications.codes if row.failure), key=lambda row: -row.failure)[:MOST_BARS]
    names = [f"{shown(row.description)} ({shown(row.code)})" if row.code != row.description else shown(row.code) for row in table]
    values = [
        {"reason": name, "number": row.failure, "says": f"{name}: {counted(row.failure, 'failure')}"}
        for name, row in zip(names, table, strict=True)
    ]
    return Chart(
        "failures", "Failures by reason", f"The commonest is {names[0]}." if names else "", ["reason", "failures"],
        [(name, row.failure) for name, row in zip(names, table, strict=True)],
        {
            **sized(values, max(110, 24 * len(names))),
            "mark": bar(len(names), "y", "var(--failure)"),
            "encoding": {
                "y": {"field": "reason", "type": "nominal", "sort": names, "title": None, "axis": {"labelLimit": 230}},
                "x": amount("failures", max((row.failure for row in table), default=0)), "description": {"field": "says"},
            },
        },
    )  # fmt: skip


def refusers(summary: Summary) -> Chart:
    """Who refused prompts."""
    table = summary.security.refusers[:MOST_BARS]
    numbers = [(row.denied, row.no_response, row.fraud) for row in table]
    values = [
        {
            "user": shown(row.user),
            "refusal": name,
            "place": place,
            "number": number,
            "says": f"{shown(row.user)}: {number:,} {name}",
        }
        for row, counts in zip(table, numbers, strict=True)
        for place, (name, number) in enumerate(zip(REFUSALS, counts, strict=True))
        if number
    ]
    y = {
        "field": "user",
        "type": "nominal",
        "sort": [shown(row.user) for row in table],
        "title": None,
        "axis": {"labelLimit": 190},
    }
    return Chart(
        "refusers", "Who refused most", f"{shown(table[0].user)} refused {times(sum(numbers[0]))}.", ["user", *REFUSALS, "prompts"],
        [(shown(row.user), *counts, row.prompts) for row, counts in zip(table, numbers, strict=True)],
        stacked(values, "y", y, "refusal", REFUSALS, REFUSAL_COLORS, "refusals"),
    )  # fmt: skip
