"""The Kibana dashboard: Lens panels inside one dashboard object, and the data view (Kibana 8.12 or newer)."""

import json
from typing import Any

from deploy.generate.elastic.panels import Bucket, Metric, Panel, panels
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
    names,
    ndjson,
    view,
)  # fmt: skip
from deploy.generate.schema import fields

LAYER = "layer"
VERSION = "8.12.0"
CORE = "8.8.0"
REFERENCE = f"indexpattern-datasource-layer-{LAYER}"
OPERATIONS = {"avg": "average", "cardinality": "unique_count", "max": "max", "min": "min", "sum": "sum"}
RECORDS = "___records___"
BEFORE = "before"  # the column with the same number of the week before
DISCOVER = {  # a click on a bar, a slice or a cell can open the events behind it
    "dynamicActions": {"events": [{
        "eventId": "discover", "triggers": ["FILTER_TRIGGER"],
        "action": {"factoryId": "OPEN_IN_DISCOVER_DRILLDOWN", "name": "Open the events in Discover", "config": {"openInNewTab": True}},
    }]},
}  # fmt: skip


def lucene(query: str) -> dict[str, str]:
    """A query as the search bar stores it."""
    return {"query": query, "language": "lucene"}


def data_type(field: str) -> str:
    """Lens's name for the type of a field."""
    kind = next(known.type for known in fields() if known.name == field)
    return {"long": "number", "date": "date", "ip": "ip", "boolean": "boolean"}.get(kind, "string")


def bucket_column(bucket: Bucket) -> dict[str, Any]:
    """A grouping column."""
    if bucket.kind == "filters":
        chosen = [{"label": label, "input": lucene(query)} for label, query in bucket.filters]
        return {
            "label": "Filters", "dataType": "string", "operationType": "filters", "scale": "ordinal", "isBucketed": True,
            "params": {"filters": chosen},
        }  # fmt: skip
    assert bucket.field
    common = {"label": bucket.field, "dataType": data_type(bucket.field), "sourceField": bucket.field, "isBucketed": True}
    if bucket.kind in ("time", "weeks"):
        params: dict[str, Any] = {
            "interval": "auto" if bucket.kind == "time" else "1w",
            "includeEmptyRows": True,
            "dropPartials": False,
        }
        return common | {"operationType": "date_histogram", "scale": "interval", "params": params}
    params = {
        "size": bucket.size, "orderBy": {"type": "column", "columnId": "m0"}, "orderDirection": "desc", "otherBucket": False,
        "missingBucket": False, "parentFormat": {"id": "terms"}, "accuracyMode": True, "include": [], "exclude": [],
        "includeIsRegex": False, "excludeIsRegex": False,
    }  # fmt: skip
    common |= {"label": bucket.label, "customLabel": True}
    return common | {"operationType": "terms", "scale": "ordinal", "params": params}


def metric_column(metric: Metric) -> dict[str, Any]:
    """A column of numbers."""
    common = {"label": metric.label, "customLabel": True, "isBucketed": False, "scale": "ratio"}
    if metric.kind == "count":
        return common | {"dataType": "number", "operationType": "count", "sourceField": RECORDS, "params": {"emptyAsNull": False}}
    assert metric.field
    kind = "date" if data_type(metric.field) == "date" else "number"
    return common | {"dataType": kind, "operationType": OPERATIONS[metric.kind], "sourceField": metric.field, "params": {}}


def color_mapping(colors: dict[str, str]) -> dict[str, Any]:
    """Fixed colours for values that mean something."""
    return {
        "assignments": [
            {"rule": {"type": "matchExactly", "values": [value]}, "color": {"type": "colorCode", "colorCode": code}, "touched": True}
            for value, code in colors.items()
        ],
        "specialAssignments": [{"rule": {"type": "other"}, "color": {"type": "loop"}, "touched": False}],
        "paletteId": "eui_amsterdam_color_blind",
        "colorMode": {"type": "categorical"},
    }  # fmt: skip


def chart(panel: Panel) -> tuple[str, dict[str, Any]]:
    """The kind of a panel's visualization, and its state."""
    groups = [f"b{number}" for number in range(len(panel.buckets))]
    numbers = [f"m{number}" for number in range(len(panel.metrics))]
    layer: dict[str, Any] = {"layerId": LAYER, "layerType": "data"}
    if panel.chart == "number":
        return "lnsMetric", layer | {
            "metricAccessor": numbers[0],
            "secondaryMetricAccessor": BEFORE,
            "secondaryPrefix": "week before ",
        }
    if panel.chart == "donut":
        pie = layer | {
            "primaryGroups": groups, "metrics": numbers, "numberDisplay": "percent", "categoryDisplay": "default",
            "legendDisplay": "default", "nestedLegend": False,
        }  # fmt: skip
        return "lnsPie", {"shape": "donut", "layers": [pie]}
    if panel.chart == "table":
        # The last grouping of a table by filters stands across: a column for each of them.
        across = {f"b{number}" for number, bucket in enumerate(panel.buckets) if bucket.kind == "filters"}
        columns: list[dict[str, Any]] = [{"columnId": name, "isTransposed": name in across, "isMetric": False} for name in groups]
        columns += [{"columnId": name, "isTransposed": False, "isMetric": True} for name in numbers]
        return "lnsDatatable", layer | {"columns": columns, "paging": {"enabled": True, "size": 10}}
    series = {"bars": "bar_stacked", "shares": "bar_percentage_stacked"}.get(panel.chart, "bar_horizontal")
    data = layer | {"xAccessor": "b0", "accessors": numbers, "seriesType": series, "position": "top", "showGridlines": False}
    if len(groups) > 1:
        data["splitAccessor"] = "b1"
    if panel.colors:
        data["colorMapping"] = color_mapping(panel.colors)
    several = len(groups) > 1
    return "lnsXY", {
        "preferredSeriesType": series, "layers": [data], "valueLabels": "hide", "fittingFunction": "None",
        "legend": {"isVisible": several, "position": "bottom"},
        "axisTitlesVisibilitySettings": {"x": False, "yLeft": False, "yRight": False},
    }  # fmt: skip


def lens(panel: Panel) -> dict[str, Any]:
    """The Lens state of a panel."""
    columns = {f"b{number}": bucket_column(bucket) for number, bucket in enumerate(panel.buckets)}
    columns |= {f"m{number}": metric_column(metric) for number, metric in enumerate(panel.metrics)}
    if panel.chart == "number":
        columns[BEFORE] = columns["m0"] | {"label": "Week before", "timeShift": "1w"}
    kind, visualization = chart(panel)
    layer = {"columns": columns, "columnOrder": list(columns), "incompleteColumns": {}, "sampling": 1}
    return {
        "title": panel.title,
        "description": description(panel),
        "type": "lens",
        "visualizationType": kind,
        "references": [{"type": "index-pattern", "id": VIEW, "name": REFERENCE}],
        "state": {
            "query": lucene(panel.query),
            "filters": [],
            "datasourceStates": {"formBased": {"layers": {LAYER: layer}}},
            "visualization": visualization,
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }


def text_panel() -> dict[str, Any]:
    """The text at the top."""
    vis = {
        "id": "", "title": "", "description": "", "type": "markdown", "uiState": {},
        "params": {"markdown": TEXT, "fontSize": 12, "openLinksInNewTab": False},
        "data": {"aggs": [], "searchSource": {"query": {"query": "", "language": "kuery"}, "filter": []}},
    }  # fmt: skip
    return {
        "type": "visualization", "panelIndex": "intro", "gridData": grid(INTRO, "intro"), "version": VERSION,
        "embeddableConfig": {"enhancements": {}, "hidePanelTitles": True, "savedVis": vis},
    }  # fmt: skip


def controls() -> dict[str, Any]:
    """The filters above the panels."""
    chosen = {
        field: {
            "type": "optionsListControl", "order": order, "width": "medium", "grow": True,
            "explicitInput": {
                "id": field, "fieldName": field, "title": title, "selectedOptions": [], "enhancements": {}, "singleSelect": False,
            },
        }
        for order, (field, title) in enumerate(CONTROLS.items())
    }  # fmt: skip
    ignored = {"ignoreFilters": False, "ignoreQuery": False, "ignoreTimerange": False, "ignoreValidations": False}
    return {
        "chainingSystem": "HIERARCHICAL", "controlStyle": "oneLine", "showApplySelections": False,
        "ignoreParentSettingsJSON": ignored, "panelsJSON": chosen,
    }  # fmt: skip


def dashboard(identifier: str, filters: list[dict[str, Any]]) -> dict[str, Any]:
    """The dashboard with its parts as objects; `encoded` turns them into the JSON texts that Kibana stores."""
    lists = [panel for panel in panels() if panel.chart == "events"]
    charts = [panel for panel in panels() if panel.chart != "events"]
    shown = [text_panel()] + [
        {
            "type": "lens", "title": panel.title, "panelIndex": panel.id, "gridData": grid(panel.place, panel.id), "version": VERSION,
            "embeddableConfig": {
                "attributes": lens(panel), "enhancements": {} if panel.chart == "number" else DISCOVER, "hidePanelTitles": False,
            },
        }
        for panel in charts
    ]  # fmt: skip
    shown += [
        {
            "type": "search", "title": panel.title, "panelIndex": panel.id, "gridData": grid(panel.place, panel.id),
            "version": VERSION, "panelRefName": f"panel_{panel.id}", "embeddableConfig": {"enhancements": {}},
        }
        for panel in lists
    ]  # fmt: skip
    references = [{"type": "index-pattern", "id": VIEW, "name": f"{panel.id}:{REFERENCE}"} for panel in charts]
    references += [
        {"type": "search", "id": f"{identifier}-{panel.id}", "name": f"{panel.id}:panel_{panel.id}"} for panel in lists
    ]
    references += [{"type": "index-pattern", "id": VIEW, "name": f"controlGroup_{name}:optionsListDataView"} for name in CONTROLS]
    return {
        "id": identifier,
        "type": "dashboard",
        "coreMigrationVersion": CORE,
        "typeMigrationVersion": "8.9.0",
        "managed": False,
        "attributes": {
            "title": TITLE,
            "description": ABOUT,
            "version": 1,
            "timeRestore": False,
            "controlGroupInput": controls(),
            "optionsJSON": {"useMargins": True, "syncColors": False, "syncCursor": True, "syncTooltips": False, "hidePanelTitles": False},
            "panelsJSON": shown,
            "kibanaSavedObjectMeta": {"searchSourceJSON": {"query": {"query": "", "language": "kuery"}, "filter": filters}},
        },
        "references": references,
    }  # fmt: skip


def searches(identifier: str) -> list[dict[str, Any]]:
    """The lists of events, each a saved search that Discover opens as well."""
    return [
        {
            "id": f"{identifier}-{panel.id}", "type": "search", "coreMigrationVersion": CORE, "typeMigrationVersion": "8.0.0",
            "managed": False, "attributes": event_list(panel), "references": [{"type": "index-pattern", "id": VIEW, "name": INDEX}],
        }
        for panel in panels()
        if panel.chart == "events"
    ]  # fmt: skip


def encoded(value: Any, name: str = "") -> Any:
    """The same value, with every part whose name ends in JSON as a text."""
    if name.endswith("JSON"):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return {key: encoded(below, key) for key, below in value.items()} if isinstance(value, dict) else value


def saved_objects() -> bytes:
    """The file that Kibana imports."""
    data_view = {
        "id": VIEW, "type": "index-pattern", "coreMigrationVersion": CORE, "typeMigrationVersion": "8.0.0", "managed": False,
        "attributes": view() | {"name": "MFA Server events", "fieldAttrs": names()}, "references": [],
    }  # fmt: skip
    return ndjson([data_view, *map(encoded, searches(DASHBOARD)), encoded(dashboard(DASHBOARD, []))])
