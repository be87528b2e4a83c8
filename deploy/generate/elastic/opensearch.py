"""The dashboard for OpenSearch Dashboards: each panel is a visualization by aggregations, and the dashboard holds them."""

import json
from typing import Any

from deploy.generate.elastic.panels import SHARD_SIZE, Bucket, Metric, Panel, panels
from deploy.generate.elastic.words import (
    ABOUT,
    CONTROLS,
    DASHBOARD,
    INDEX,
    INTRO,
    TEXT,
    TITLE,
    VIEW,
    description,
    event_list,
    grid,
    ndjson,
    view,
)  # fmt: skip

KINDS = {
    "number": "metric",
    "bars": "histogram",
    "shares": "histogram",
    "donut": "pie",
    "ranking": "horizontal_bar",
    "table": "table",
}
VERSION = "2.19.0"


def text(value: Any) -> str:
    """JSON inside JSON, as saved objects store it."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def lucene(query: str) -> dict[str, str]:
    """A query as the search bar stores it."""
    return {"query": query, "language": "lucene"}


def metric_aggregation(number: int, metric: Metric) -> dict[str, Any]:
    """A number that the panel shows."""
    params = {"customLabel": metric.label} | ({"field": metric.field} if metric.field else {})
    return {"id": str(number), "enabled": True, "type": metric.kind, "schema": "metric", "params": params}


def bucket_aggregation(number: int, bucket: Bucket, schema: str) -> dict[str, Any]:
    """A level of grouping."""
    common = {"id": str(number), "enabled": True, "schema": schema}
    if bucket.kind == "filters":
        chosen = [{"input": lucene(query), "label": label} for label, query in bucket.filters]
        return common | {"type": "filters", "params": {"filters": chosen}}
    if bucket.kind in ("time", "weeks"):
        params: dict[str, Any] = {
            "field": bucket.field, "interval": "auto" if bucket.kind == "time" else "w", "min_doc_count": 1, "drop_partials": False, "extended_bounds": {},
            "useNormalizedOpenSearchInterval": True, "scaleMetricValues": False,
        }  # fmt: skip
        return common | {"type": "date_histogram", "params": params}
    params = {
        "field": bucket.field, "size": bucket.size, "order": "desc", "orderBy": "1", "otherBucket": False, "missingBucket": False,
        "json": text({"shard_size": SHARD_SIZE}), "customLabel": bucket.label,
    }  # fmt: skip
    return common | {"type": "terms", "params": params}


def kind_of(panel: Panel) -> str:
    """The type of the visualization. A table cannot put a number for each filter into one row here; bars side by side can."""
    if panel.chart == "table" and panel.buckets[-1].kind == "filters":
        return "horizontal_bar"
    return KINDS[panel.chart]


def axes(kind: str, label: str, mode: str) -> dict[str, Any]:
    """The axes of bars, standing or lying."""
    lying = kind == "horizontal_bar"
    category = {
        "id": "CategoryAxis-1", "type": "category", "position": "left" if lying else "bottom", "show": True, "style": {},
        "scale": {"type": "linear"}, "labels": {"show": True, "filter": not lying, "truncate": 200}, "title": {},
    }  # fmt: skip
    value = {
        "id": "ValueAxis-1", "name": "LeftAxis-1", "type": "value", "position": "bottom" if lying else "left", "show": True,
        "style": {}, "scale": {"type": "linear", "mode": mode}, "labels": {"show": True, "rotate": 0, "filter": False, "truncate": 100},
        "title": {"text": label},
    }  # fmt: skip
    series = {
        "show": True, "type": "histogram", "mode": "normal" if lying else "stacked", "valueAxis": "ValueAxis-1",
        "data": {"id": "1", "label": label}, "drawLinesBetweenPoints": True, "showCircles": True,
    }  # fmt: skip
    return {"grid": {"categoryLines": False}, "categoryAxes": [category], "valueAxes": [value], "seriesParams": [series]}


def params(panel: Panel) -> dict[str, Any]:
    """The look of a visualization."""
    kind = kind_of(panel)
    common = {"addTooltip": True, "addLegend": len(panel.buckets) > 1, "legendPosition": "bottom", "type": kind}
    if kind == "metric":
        style = {"bgFill": "#000", "bgColor": False, "labelColor": False, "subText": "", "fontSize": 36}
        look = {
            "percentageMode": False, "useRanges": False, "colorSchema": "Green to Red", "metricColorMode": "None", "style": style,
            "colorsRange": [{"from": 0, "to": 10000}], "labels": {"show": False}, "invertColors": False,
        }  # fmt: skip
        return {"addTooltip": True, "addLegend": False, "type": "metric", "metric": look}
    if kind == "pie":
        labels = {"show": False, "values": True, "last_level": True, "truncate": 100}
        return common | {"addLegend": True, "legendPosition": "right", "isDonut": True, "labels": labels}
    if kind == "table":
        return {
            "perPage": 10, "showPartialRows": False, "showMetricsAtAllLevels": False, "showTotal": False, "totalFunc": "sum",
            "percentageCol": "", "sort": {"columnIndex": None, "direction": None},
        }  # fmt: skip
    return (
        common
        | axes(kind, panel.metrics[0].label, "percentage" if panel.chart == "shares" else "normal")
        | {"times": [], "addTimeMarker": False}
    )


def visualization(panel: Panel) -> dict[str, Any]:
    """A saved visualization."""
    schemas = ["bucket"] * len(panel.buckets) if kind_of(panel) == "table" else ["segment", "group"]
    aggs = [metric_aggregation(number, metric) for number, metric in enumerate(panel.metrics, 1)]
    aggs += [
        bucket_aggregation(number, bucket, schema)
        for number, (bucket, schema) in enumerate(zip(panel.buckets, schemas, strict=False), len(aggs) + 1)
    ]
    state = {"title": panel.title, "type": kind_of(panel), "aggs": aggs, "params": params(panel)}
    return saved(panel.id, panel.title, description(panel), state, panel.query, {"vis": {"colors": panel.colors}})


def saved(
    name: str, title: str, about: str, state: dict[str, Any], query: str, ui: dict[str, Any], indexed: bool = True
) -> dict[str, Any]:
    """A saved object of type visualization."""
    source = {"query": lucene(query), "filter": []} | ({"indexRefName": INDEX} if indexed else {})
    return {
        "id": f"{DASHBOARD}-{name}",
        "type": "visualization",
        "attributes": {
            "title": title, "description": about, "version": 1, "visState": text(state), "uiStateJSON": text(ui),
            "kibanaSavedObjectMeta": {"searchSourceJSON": text(source)},
        },
        "references": [{"name": INDEX, "type": "index-pattern", "id": VIEW}] if indexed else [],
        "migrationVersion": {"visualization": "7.10.0"},
    }  # fmt: skip


def intro() -> list[dict[str, Any]]:
    """The text at the top, and the filters beside it."""
    words = {
        "title": "About",
        "type": "markdown",
        "aggs": [],
        "params": {"markdown": TEXT, "fontSize": 12, "openLinksInNewTab": False},
    }
    options = {"type": "terms", "multiselect": True, "dynamicOptions": True, "size": 5, "order": "desc"}
    chosen = [
        {
            "id": field, "fieldName": field, "label": label, "parent": "", "type": "list", "options": options,
            "indexPatternRefName": f"control_{number}_index_pattern",
        }
        for number, (field, label) in enumerate(CONTROLS.items())
    ]  # fmt: skip
    state = {
        "title": "Choose", "type": "input_control_vis", "aggs": [],
        "params": {"controls": chosen, "updateFiltersOnChange": True, "useTimeFilter": True, "pinFilters": False},
    }  # fmt: skip
    controls = saved("controls", "Choose", "", state, "", {}, indexed=False)
    controls["references"] = [{"name": choice["indexPatternRefName"], "type": "index-pattern", "id": VIEW} for choice in chosen]
    return [saved("intro", "About", "", words, "", {}, indexed=False), controls]


def event_search(panel: Panel) -> dict[str, Any]:
    """A list of events, a saved search that Discover opens as well."""
    attributes = event_list(panel)
    meta = attributes.pop("kibanaSavedObjectMeta")
    attributes["kibanaSavedObjectMeta"] = {"searchSourceJSON": text(meta["searchSourceJSON"])}
    return {
        "id": f"{DASHBOARD}-{panel.id}", "type": "search", "attributes": attributes,
        "references": [{"name": INDEX, "type": "index-pattern", "id": VIEW}], "migrationVersion": {"search": "7.9.3"},
    }  # fmt: skip


def saved_objects() -> bytes:
    """The file that OpenSearch Dashboards imports."""
    column, row, width, height = INTRO
    places = {"intro": (column, row, 32, height), "controls": (32, row, width - 32, height)}
    places |= {panel.id: panel.place for panel in panels()}
    lists = {panel.id: event_search(panel) for panel in panels() if panel.chart == "events"}
    shown = [
        {
            "version": VERSION, "panelIndex": name, "gridData": grid(place, name), "panelRefName": f"panel_{number}",
            "embeddableConfig": {"hidePanelTitles": name == "intro"},
        }
        for number, (name, place) in enumerate(places.items())
    ]  # fmt: skip
    board = {
        "id": DASHBOARD,
        "type": "dashboard",
        "attributes": {
            "title": TITLE, "description": ABOUT, "version": 1, "hits": 0, "timeRestore": False, "panelsJSON": text(shown),
            "optionsJSON": text({"useMargins": True, "hidePanelTitles": False}),
            "kibanaSavedObjectMeta": {"searchSourceJSON": text({"query": {"query": "", "language": "kuery"}, "filter": []})},
        },
        "references": [
            {"name": f"panel_{number}", "type": "search" if name in lists else "visualization", "id": f"{DASHBOARD}-{name}"}
            for number, name in enumerate(places)
        ],
        "migrationVersion": {"dashboard": "7.9.3"},
    }  # fmt: skip
    pattern = {
        "id": VIEW, "type": "index-pattern", "attributes": view(), "references": [], "migrationVersion": {"index-pattern": "7.6.0"},
    }  # fmt: skip
    drawn = [visualization(panel) for panel in panels() if panel.id not in lists]
    return ndjson([pattern, *intro(), *drawn, *lists.values(), board])
