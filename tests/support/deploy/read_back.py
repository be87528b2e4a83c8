"""Reads panels out of saved objects again, as the dashboards would: what is imported is what gets tested."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.generate.elastic.panels import Bucket, Metric, Panel
from tests.support.tools import DEPLOY

Object = dict[str, Any]
KIBANA, OPENSEARCH = DEPLOY / "elastic" / "kibana.ndjson", DEPLOY / "opensearch" / "dashboards.ndjson"
AGGREGATIONS = {"average": "avg", "unique_count": "cardinality", "max": "max", "min": "min", "sum": "sum"}


def objects(path: Path) -> list[Object]:
    """The saved objects of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def only_lucene(query: Object) -> str:
    """The text of a query; another language would mean something else."""
    assert query["language"] == "lucene", query
    text: str = query["query"]
    return text


def kibana(path: Path = KIBANA) -> Iterator[Panel]:
    """The Lens panels of the dashboard."""
    board = next(saved for saved in objects(path) if saved["type"] == "dashboard")["attributes"]
    lists = {saved["id"]: saved for saved in objects(path) if saved["type"] == "search"}
    references = {
        reference["name"]: reference["id"]
        for saved in objects(path)
        if saved["type"] == "dashboard"
        for reference in saved["references"]
    }
    for shown in json.loads(board["panelsJSON"]):
        if shown["type"] == "lens":
            yield lens(shown["panelIndex"], shown["embeddableConfig"]["attributes"])
        if shown["type"] == "search":
            yield event_list(lists[references[f"{shown['panelIndex']}:{shown['panelRefName']}"]])


def event_list(saved: Object) -> Panel:
    """A saved search."""
    attributes = saved["attributes"]
    assert attributes["sort"] == [["@timestamp", "desc"]]
    source = attributes["kibanaSavedObjectMeta"]["searchSourceJSON"]
    query = only_lucene((json.loads(source) if isinstance(source, str) else source)["query"])
    name = saved["id"].rpartition("-")[2]
    return Panel(name, attributes["title"], "", "events", query, (), (), {}, (0, 0, 0, 0), tuple(attributes["columns"]))


def lens(name: str, attributes: Object) -> Panel:
    """One Lens panel."""
    state = attributes["state"]
    ((_, layer),) = state["datasourceStates"]["formBased"]["layers"].items()
    columns = [layer["columns"][key] for key in layer["columnOrder"]]
    buckets = tuple(lens_bucket(column) for column in columns if column["isBucketed"])
    metrics = tuple(lens_metric(column) for column in columns if not column["isBucketed"] and "timeShift" not in column)
    kind = attributes["visualizationType"]
    return Panel(name, attributes["title"], "", kind, only_lucene(state["query"]), buckets, metrics, {}, (0, 0, 0, 0))


def lens_bucket(column: Object) -> Bucket:
    params = column["params"]
    match column["operationType"]:
        case "date_histogram":
            return Bucket({"auto": "time", "1w": "weeks"}[params["interval"]], column["sourceField"])
        case "terms":
            assert params["orderBy"]["type"] == "column"
            assert (params["orderDirection"], params["otherBucket"], params["missingBucket"]) == ("desc", False, False)
            assert params["accuracyMode"], "top lists over several streams need it"
            return Bucket("terms", column["sourceField"], params["size"], label=column["label"])
        case "filters":
            return Bucket(
                "filters", filters=tuple((choice["label"], only_lucene(choice["input"])) for choice in params["filters"])
            )
        case other:
            raise AssertionError(other)


def lens_metric(column: Object) -> Metric:
    if column["operationType"] == "count":
        return Metric(column["label"], "count")
    return Metric(column["label"], AGGREGATIONS[column["operationType"]], column["sourceField"])


def opensearch(path: Path = OPENSEARCH) -> Iterator[Panel]:
    """The visualizations by aggregations."""
    for saved in objects(path):
        if saved["type"] == "search":
            yield event_list(saved)
        if saved["type"] == "visualization":
            state = json.loads(saved["attributes"]["visState"])
            if state["aggs"]:
                source = json.loads(saved["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
                yield legacy(saved["id"].removeprefix("mfa-shipper-overview-"), state, only_lucene(source["query"]))


def legacy(name: str, state: Object, query: str) -> Panel:
    """One visualization by aggregations."""
    metrics = tuple(legacy_metric(agg) for agg in state["aggs"] if agg["schema"] == "metric")
    buckets = tuple(legacy_bucket(agg) for agg in state["aggs"] if agg["schema"] != "metric")
    return Panel(name, state["title"], "", state["type"], query, buckets, metrics, {}, (0, 0, 0, 0))


def legacy_metric(agg: Object) -> Metric:
    return Metric(agg["params"]["customLabel"], agg["type"], agg["params"].get("field"))


def legacy_bucket(agg: Object) -> Bucket:
    params = agg["params"]
    match agg["type"]:
        case "date_histogram":
            return Bucket({"auto": "time", "w": "weeks"}[params["interval"]], params["field"])
        case "terms":
            assert (params["order"], params["orderBy"], params["otherBucket"]) == ("desc", "1", False)
            assert json.loads(params["json"])["shard_size"] >= params["size"]
            return Bucket("terms", params["field"], params["size"], label=params["customLabel"])
        case "filters":
            return Bucket(
                "filters", filters=tuple((choice["label"], only_lucene(choice["input"])) for choice in params["filters"])
            )
        case other:
            raise AssertionError(other)
