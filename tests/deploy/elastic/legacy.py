"""The OpenSearch Dashboards one: a visualization by aggregations for each panel, and a dashboard that holds them."""

import json
from typing import Any

from tests.deploy.elastic.panels import SHARD_SIZE, Bucket, Metric, Panel, panels
from tests.deploy.elastic.words import (
    ABOUT,
    CONTROLS,
    DASHBOARD,
    INTRO,
    TEXT,
    TITLE,
    VIEW,
    description,
    grid,
    ndjson,
    view,
)  # fmt: skip

INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"
KINDS = {"number": "metric", "bars": "histogram", "donut": "pie", "ranking": "horizontal_bar", "table": "table"}
VERSION = "2.19.0"


def text(value: Any) -> str:
    """JSON inside JSON, as saved objects hold it."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def lucene(query: str) -> dict[str, str]:
    """A query as the search bar keeps it."""
    return {"query": query, "language": "lucene"}


def metric(number: int, one: Metric) -> dict[str, Any]:
    """A metric aggregation."""
    params = {"customLabel": one.label} | ({"field": one.field} if one.field else {})
    return {"id": str(number), "enabled": True, "type": one.kind, "schema": "metric", "params": params}


def bucket(number: int, one: Bucket, schema: str) -> dict[str, Any]:
    """A grouping aggregation."""
    common = {"id": str(number), "enabled": True, "schema": schema}
    if one.kind == "filters":
        chosen = [{"input": lucene(query), "label": label} for label, query in one.filters]
        return common | {"type": "filters", "params": {"filters": chosen}}
    if one.kind == "time":
        params: dict[str, Any] = {
            "field": one.field, "interval": "auto", "min_doc_count": 1, "drop_partials": False, "extended_bounds": {},
            "useNormalizedOpenSearchInterval": True, "scaleMetricValues": False,
        }  # fmt: skip
        return common | {"type": "date_histogram", "params": params}
    params = {
        "field": one.field, "size": one.size, "order": "desc", "orderBy": "1", "otherBucket": False, "missingBucket": False,
        "json": text({"shard_size": SHARD_SIZE}), "customLabel": one.label,
    }  # fmt: skip
    return common | {"type": "terms", "params": params}


def axes(kind: str, label: str) -> dict[str, Any]:
    """How bars stand."""
    lying = kind == "horizontal_bar"
    category = {
        "id": "CategoryAxis-1", "type": "category", "position": "left" if lying else "bottom", "show": True, "style": {},
        "scale": {"type": "linear"}, "labels": {"show": True, "filter": not lying, "truncate": 200}, "title": {},
    }  # fmt: skip
    value = {
        "id": "ValueAxis-1", "name": "LeftAxis-1", "type": "value", "position": "bottom" if lying else "left", "show": True,
        "style": {}, "scale": {"type": "linear", "mode": "normal"}, "labels": {"show": True, "rotate": 0, "filter": False, "truncate": 100},
        "title": {"text": label},
    }  # fmt: skip
    series = {
        "show": True, "type": "histogram", "mode": "normal" if lying else "stacked", "valueAxis": "ValueAxis-1",
        "data": {"id": "1", "label": label}, "drawLinesBetweenPoints": True, "showCircles": True,
    }  # fmt: skip
    return {"grid": {"categoryLines": False}, "categoryAxes": [category], "valueAxes": [value], "seriesParams": [series]}


def params(panel: Panel) -> dict[str, Any]:
    """How a visualization looks."""
    kind = KINDS[panel.chart]
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
    return common | axes(kind, panel.metrics[0].label) | {"times": [], "addTimeMarker": False}


def visualization(panel: Panel) -> dict[str, Any]:
    """A saved visualization."""
    schemas = ["bucket"] * len(panel.buckets) if panel.chart == "table" else ["segment", "group"]
    aggs = [metric(number, one) for number, one in enumerate(panel.metrics, 1)]
    aggs += [
        bucket(number, one, schema)
        for number, (one, schema) in enumerate(zip(panel.buckets, schemas, strict=False), len(aggs) + 1)
    ]
    state = {"title": panel.title, "type": KINDS[panel.chart], "aggs": aggs, "params": params(panel)}
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
    """The words at the top, and the choices beside them."""
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
    controls["references"] = [{"name": one["indexPatternRefName"], "type": "index-pattern", "id": VIEW} for one in chosen]
    return [saved("intro", "About", "", words, "", {}, indexed=False), controls]


def saved_objects() -> bytes:
    """What OpenSearch Dashboards imports."""
    column, row, width, height = INTRO
    places = {"intro": (column, row, 32, height), "controls": (32, row, width - 32, height)}
    places |= {panel.id: panel.place for panel in panels()}
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
            {"name": f"panel_{number}", "type": "visualization", "id": f"{DASHBOARD}-{name}"} for number, name in enumerate(places)
        ],
        "migrationVersion": {"dashboard": "7.9.3"},
    }  # fmt: skip
    pattern = {
        "id": VIEW, "type": "index-pattern", "attributes": view(), "references": [], "migrationVersion": {"index-pattern": "7.6.0"},
    }  # fmt: skip
    return ndjson([pattern, *intro(), *map(visualization, panels()), board])
