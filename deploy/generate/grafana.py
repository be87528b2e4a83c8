"""The Grafana dashboard, as panels and expressions; the JSON around them is the same for all."""

import json
from dataclasses import dataclass
from typing import Any

from shipper.detect import DETECTORS

P = "mfa_shipper_"
SELECT = '{job=~"$job", instance=~"$instance"}'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
GONE = ("events_delivered_total", "events_waiting", "events_filtered_total", "lines_merged_total")  # what becomes of a line
WIDTH = 24  # columns of Grafana's grid
KINDS = {"stat": 4, "timeseries": 8, "heatmap": 8}  # the height of a panel


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        queries: pairs of expression and legend.
        bad: the panel is red from this value on; with `least`, below this value.
        stacked: the areas are drawn on top of each other.
    """

    title: str
    about: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 8
    bad: float | None = None
    least: bool = False
    stacked: bool = False


def level(name: str) -> str:
    """A gauge of the chosen shippers, or a counter as it stands."""
    return f"{P}{name}{SELECT}"


def rate(name: str) -> str:
    """A counter's growth in a second."""
    return f"rate({P}{name}_total{SELECT}[$__rate_interval])"


def grown(name: str, span: str = "$__range") -> str:
    """A counter's growth in a span, by default the time on screen."""
    return f"increase({P}{name}_total{SELECT}[{span}])"


def by(label: str, expression: str) -> str:
    """The sums of an expression for each value of a label."""
    return f"sum by ({label}) ({expression})"


def quantile(share: float) -> str:
    """The seconds within which this share of the batches was acknowledged."""
    buckets = f"rate({P}batch_latency_seconds_bucket{SELECT}[$__rate_interval])"
    return f"histogram_quantile({share}, {by('instance, le', buckets)})"


def unaccounted() -> str:
    """Lines and the findings of every detector, less what became of them."""
    come = ["lines_read", *(detector.found.name for detector in DETECTORS.values())]
    return " - ".join([" + ".join(level(f"{name}_total") for name in come), *map(level, GONE)])


HERE = "{{instance}}"
DETECTION = "Detection across servers"

ROWS: dict[str, tuple[Panel, ...]] = {
    "Is all well?": (
        Panel("Answers", "1 if Prometheus reaches the shipper.", (('up{job=~"$job", instance=~"$instance"}', HERE),), "stat", width=4, bad=1, least=True),
        Panel("Output accepts", "1 if the output takes events.", ((level("sink_up"), HERE),), "stat", width=4, bad=1, least=True),
        Panel("Waiting", "Events read and not acknowledged yet.", ((level("events_waiting"), HERE),), "stat", width=4, bad=100_000),
        Panel("Unread", "Bytes in the logs that are not read yet.", ((level("lag_bytes"), HERE),), "stat", "bytes", 4, bad=64 << 20),
        Panel("Dead letters", "Records refused for good, in the time shown.", ((grown("dead_letters"), HERE),), "stat", width=4, bad=1),
        Panel("Lost", "Bytes cut or rotated away before they were read, in the time shown.", ((grown("lost_bytes"), HERE),), "stat", "bytes", 4, bad=1),
    ),
    "Flow": (
        Panel("Lines read", "Lines a second.", ((rate("lines_read"), HERE),), unit="cps"),
        Panel("Events by kind", "A second, of all shippers.", ((by("kind", rate("events")), "{{kind}}"),), unit="cps", stacked=True),
        Panel("Events delivered", "Acknowledged by the output, a second.", ((rate("events_delivered"), HERE),), unit="cps"),
        Panel(
            "Bytes", "Read from the logs, and sent to the output.",
            ((by("instance", rate("bytes_read")), f"read {HERE}"), (by("instance", rate("bytes_delivered")), f"sent {HERE}")), unit="Bps",
        ),
        Panel(
            "Left out", "Lines left out by the user's own filters, and lines merged into the event of their exchange.",
            ((rate("events_filtered"), f"filtered {HERE}"), (rate("lines_merged"), f"merged {HERE}")), unit="cps",
        ),
        Panel(
            "Not accounted for", "Lines and findings, less what was delivered, waits, was filtered or merged. Swings while lines flow "
            "(a scrape is no snapshot) and is 0 at rest.", ((unaccounted(), HERE),),
        ),
    ),
    "Delivery": (
        Panel(
            "Time to acknowledge a batch", "Of the slowest half, twentieth and hundredth of the batches.",
            tuple((quantile(share), f"p{round(share * 100)} {HERE}") for share in (0.5, 0.95, 0.99)), unit="s",
        ),
        Panel(
            "Batches by time", "Batches in each span of time to acknowledgement.",
            ((by("le", f"increase({P}batch_latency_seconds_bucket{SELECT}[$__rate_interval])"), "{{le}}"),), "heatmap", "s",
        ),
        Panel(
            "Mean time to acknowledge", "Seconds, over all batches.",
            ((f"rate({P}batch_latency_seconds_sum{SELECT}[$__rate_interval]) / rate({P}batch_latency_seconds_count{SELECT}[$__rate_interval])", HERE),),
            unit="s",
        ),
        Panel("Batches", "Acknowledged a second.", ((rate("batches_delivered"), HERE),), unit="cps"),
        Panel("Failed attempts", "To reach the output, in five minutes.", ((grown("retries", "5m"), HERE),)),
        Panel("Since the last checkpoint", "Grows while nothing is delivered: that is no fault.", ((level("checkpoint_age_seconds"), HERE),), unit="s"),
    ),
    "Logs": (
        Panel("Age of the newest event", "By its own time stamp: grows while the log is silent, too.", ((level("lag_seconds"), HERE),), unit="s"),
        Panel(
            "Files", "Open, and those that cannot be read.", ((level("files_open"), f"open {HERE}"), (level("problems"), f"trouble {HERE}")),
        ),
        Panel(
            "Rotated and truncated", "Logs, possible losses between, and output files that another program took, in an hour.",
            (
                (grown("rotations", "1h"), f"rotated {HERE}"), (grown("truncations", "1h"), f"truncated {HERE}"),
                (grown("possible_losses", "1h"), f"possible loss {HERE}"), (grown("output_reopened", "1h"), f"output reopened {HERE}"),
            ),
        ),
        Panel(
            "Lines that no pattern matches", "Their share: whole lines, shipped as pipeline_error, and messages of a known service, shipped as log.",
            (
                (f"{rate('lines_unparsed')} / {rate('lines_read')}", f"unparsed {HERE}"),
                (f"{rate('unknown_messages')} / {rate('lines_read')}", f"unknown message {HERE}"),
                (f"{rate('events_masked')} / {rate('lines_read')}", f"masked {HERE}"),
                (f"{rate('lines_misdated')} / {rate('lines_read')}", f"misdated {HERE}"),
            ),
            unit="percentunit",
        ),
        Panel(
            "Memory of the parser", "Messages in its memo, users whom the detector remembers.",
            ((level("memo_entries"), f"memo {HERE}"), (level("detector_users"), f"users {HERE}")),
        ),
        Panel(
            "Sign-ins that were not judged",
            "In an hour: requests given up, authentications that came too late for the detectors, and what was given up because memory was full.",
            (
                (grown("exchanges_given_up", "1h"), f"given up {HERE}"), (grown("completions_late", "1h"), f"late {HERE}"),
                (grown("crowded_out", "1h"), f"memory full {HERE}"),
            ),
        ),
        Panel("Sources without their past", "Since the start; double prompts across it may be missed.", ((level("sources_without_past"), HERE),)),
    ),
    "Sign-ins": (
        Panel("Status codes by class", "A minute, of all shippers.", ((f"60 * {by('class', rate('statuses'))}", "{{class}}"),), unit="cpm", width=12, stacked=True),
        Panel(
            "Asked twice, or spared by the cache", "In an hour, of all shippers.",
            ((f"sum({grown('double_prompts', '1h')})", "double prompts"), (f"sum({grown('cache_hits', '1h')})", "spared by the cache")), width=12,
        ),
        Panel(
            "Users who refuse prompt after prompt", "In an hour, of all shippers; who gave in has an intruder.",
            ((f"sum({grown('mfa_fatigue', '1h')})", "MFA fatigue"), (f"sum({grown('mfa_fatigue_gave_in', '1h')})", "gave in")), width=12,
        ),
    ),
    DETECTION: (
        Panel("Takes events", "1 while an instance of detect takes events.", ((level("detect_up"), HERE),), "stat", width=4, bad=1, least=True),
        Panel(
            "Behind", "Records of the topic that the group has not taken yet.",
            ((f"sum(max by (partition) ({level('detect_lag')}))", "records"),), "stat", width=4, bad=100_000,
        ),
        Panel("Too late", "Sign-ins that came later than the lateness allows, in the time shown.", ((f"sum({grown('detect_late')})", "late"),), "stat", width=4, bad=1),
        Panel("Dead letters of detect", "Records of the topic that are no events, in the time shown.", ((f"sum({grown('detect_dead_letters')})", "records"),), "stat", width=4, bad=1),
        Panel("Began again", "After an error, in the time shown.", ((grown("detect_restarts"), HERE),), "stat", width=4, bad=3),
        Panel("State on disk", "Bytes of each instance.", ((level("detect_state_bytes"), HERE),), "stat", "bytes", 4, bad=4 << 30),
        Panel(
            "Taken", "A second, by instance: events, and the sign-ins among them.",
            ((rate("detect_events"), f"events {HERE}"), (rate("detect_completions"), f"sign-ins {HERE}")), unit="cps",
        ),
        Panel(
            "Judged, and left out", "A second, of all instances: by the detectors, those that came again, those without a user, misdated events.",
            tuple((f"sum({rate(f'detect_{name}')})", words) for name, words in (
                ("judged", "judged"), ("repeated", "came again"), ("nobody", "no user"), ("events_misdated", "misdated"),
                ("crowded_out", "forgotten early"),
            )), unit="cps",
        ),
        Panel("Waiting for their turn", "Sign-ins within the lateness, by instance.", ((level("detect_waiting"), HERE),)),
        Panel("Lag by partition", "Records of the topic that the group has not taken yet.", ((f"max by (partition) ({level('detect_lag')})", "{{partition}}"),)),
        Panel(
            "Event time by partition", "Age of the newest event that was read, by its own time stamp.",
            ((f"time() - max by (partition) ({level('detect_newest_timestamp_seconds')})", "{{partition}}"),), unit="s",
        ),
        Panel(
            "Dropped", "In an hour: users whose state was dropped, and partitions that were found to be quiet.",
            ((f"sum({grown('detect_users_forgotten', '1h')})", "users"), (f"sum({grown('detect_quiet_partitions', '1h')})", "quiet")),
        ),
        Panel(
            "Found across servers", "In an hour, of all instances.",
            tuple((f"sum({grown(f'detect_{name}', '1h')})", words) for name, words in (
                ("double_prompts", "double prompts"), ("cache_hits", "spared by the cache"),
                ("mfa_fatigue", "MFA fatigue"), ("mfa_fatigue_gave_in", "gave in"),
            )), width=24,
        ),
    ),
}  # fmt: skip


def expressions(*, detection: bool) -> list[tuple[str, str]]:
    """Title and expression of each query, of the sidecar or of `detect`."""
    rows = [panels for title, panels in ROWS.items() if (title == DETECTION) == detection]
    return [(panel.title, query) for panels in rows for panel in panels for query, _ in panel.queries]


def dashboard() -> dict[str, Any]:
    """The document that Grafana imports."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, members in ROWS.items():
        panels.append({"type": "row", "title": title, "collapsed": False, "gridPos": _place(0, top, WIDTH, 1), "panels": []})
        top += 1
        left = height = 0
        for panel in members:
            if left + panel.width > WIDTH:
                left, top = 0, top + height
            height = KINDS[panel.kind]
            panels.append(_panel(panel, _place(left, top, panel.width, height)))
            left += panel.width
        top += height
    for number, made in enumerate(panels, 1):
        made["id"] = number
    return {
        "title": "mfa-shipper",
        "uid": "mfa-shipper",
        "description": "The sidecar and detect: are they well, how far behind are they, what do they see. Needs their metrics pages scraped by Prometheus.",
        "tags": ["mfa-shipper"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_data_source(), _variable("job", "up", "mfa-shipper"), _variable("instance", 'up{job=~"$job"}', None)]},
        "annotations": {"list": []},
        "links": [],
        "panels": panels,
    }  # fmt: skip


def _place(left: int, top: int, width: int, height: int) -> dict[str, int]:
    return {"x": left, "y": top, "w": width, "h": height}


def _panel(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "red" if panel.least else "green", "value": None}]
    if panel.bad is not None:
        steps.append({"color": "green" if panel.least else "red", "value": panel.bad})
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0, "color": {"mode": "palette-classic"}}
    options: dict[str, Any] = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    if panel.kind == "stat":
        defaults |= {"color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": steps}}
        options = {
            "colorMode": "background",
            "graphMode": "area",
            "reduceOptions": {"calcs": ["lastNotNull"]},
            "textMode": "value_and_name",
        }
    elif panel.kind == "heatmap":
        options = {"calculate": False, "yAxis": {"unit": panel.unit}, "color": {"scheme": "Blues", "mode": "scheme"}}
    else:
        custom = {
            "lineWidth": 1,
            "fillOpacity": 40 if panel.stacked else 10,
            "stacking": {"mode": "normal" if panel.stacked else "none"},
        }
        defaults["custom"] = custom
    if panel.title == "Not accounted for":
        del defaults["min"]  # may swing below 0
    targets = [
        {
            "refId": chr(ord("A") + number),
            "datasource": SOURCE,
            "expr": query,
            "legendFormat": legend,
            "editorMode": "code",
            "range": True,
        }
        | ({"format": "heatmap"} if panel.kind == "heatmap" else {})
        for number, (query, legend) in enumerate(panel.queries)
    ]
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": targets,
    }  # fmt: skip


def _data_source() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0}


def _variable(name: str, series: str, default: str | None) -> dict[str, Any]:
    chosen: dict[str, Any] = (
        {"text": ["All"], "value": ["$__all"]} if default is None else {"text": [default], "value": [default]}
    )
    query = f"label_values({series}, {name})"
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "current": chosen | {"selected": True},
    }


def files() -> dict[str, bytes]:
    """Path below `deploy/`, content."""
    return {"prometheus/grafana-dashboard.json": (json.dumps(dashboard(), indent=2) + "\n").encode()}
