"""The panels of `deploy/elastic/panels.yaml`: read, turned into the search that a dashboard sends, and its answer into rows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from deploy.generate.places import DEPLOY

CHARTS = ("number", "bars", "donut", "ranking", "table")
KEYS = {"id", "title", "about", "chart", "query", "buckets", "metrics", "colors", "place"}
FIELD = re.compile(r"(?<![\w.@\"])(@?[a-z][a-z_]*(?:\.[a-z_]+)*):")  # before a colon in Lucene syntax
SHARD_SIZE = 1000  # exact top lists up to that many values: streams are separate shards


@dataclass(frozen=True)
class Bucket:
    """One level of grouping. `kind` is time, terms or filters."""

    kind: str
    field: str | None = None
    size: int = 0
    filters: tuple[tuple[str, str], ...] = ()
    label: str = ""


@dataclass(frozen=True)
class Metric:
    """One number of a group. `kind` is count or an aggregation; the number is divided by `scale`."""

    label: str
    kind: str
    field: str | None = None
    scale: float = 1


@dataclass(frozen=True)
class Panel:
    """One panel, as a row of the table describes it. `place` is column, row, width and height on a grid of 48 columns."""

    id: str
    title: str
    about: str
    chart: str
    query: str
    buckets: tuple[Bucket, ...]
    metrics: tuple[Metric, ...]
    colors: dict[str, str]
    place: tuple[int, int, int, int]

    def fields(self) -> Iterator[str]:
        """Every event field that the panel names."""
        for text in (self.query, *(query for bucket in self.buckets for _, query in bucket.filters)):
            yield from FIELD.findall(text)
        yield from (bucket.field for bucket in self.buckets if bucket.field)
        yield from (metric.field for metric in self.metrics if metric.field)


@cache
def panels() -> tuple[Panel, ...]:
    """All panels, in the order of the table."""
    rows = yaml.safe_load((DEPLOY / "elastic" / "panels.yaml").read_text(encoding="utf-8"))
    return tuple(_panel(row) for row in rows)


def _panel(row: dict[str, Any]) -> Panel:
    unknown = set(row) - KEYS
    if unknown or row["chart"] not in CHARTS:
        raise ValueError(f"{row['id']}: {unknown or row['chart']}")
    metrics = row.get("metrics", {row["title"] if row["chart"] == "number" else "Events": "count"})
    return Panel(
        row["id"],
        row["title"],
        row.get("about", ""),
        row["chart"],
        row["query"],
        tuple(_bucket(bucket) for bucket in row.get("buckets", [])),
        tuple(_metric(label, metric) for label, metric in metrics.items()),
        row.get("colors", {}),
        tuple(row["place"]),
    )


def _bucket(row: dict[str, Any]) -> Bucket:
    if "filters" in row:
        return Bucket("filters", filters=tuple(row["filters"].items()))
    return Bucket("time", row["time"]) if "time" in row else Bucket("terms", row["terms"], row["size"], label=row["label"])


def _metric(label: str, row: str | dict[str, Any]) -> Metric:
    if row == "count":
        return Metric(label, "count")
    assert isinstance(row, dict)
    (kind, field), *_ = row.items()
    return Metric(label, kind, field, row.get("scale", 1))


def lucene(text: str) -> dict[str, Any]:
    """The query that both dashboards send for one in Lucene syntax."""
    return {"query_string": {"query": text, "analyze_wildcard": True, "time_zone": "UTC"}}


def search(panel: Panel, interval: str) -> dict[str, Any]:
    """The search of a panel. A dashboard chooses `interval`, the width of a bar, by the length of time on screen."""
    inner: dict[str, Any] = {
        f"m{number}": {metric.kind: {"field": metric.field}}
        for number, metric in enumerate(panel.metrics)
        if metric.kind != "count"
    }
    for bucket in reversed(panel.buckets):
        inner = {"b": _group(bucket, interval) | ({"aggs": inner} if inner else {})}
    found: dict[str, Any] = {"size": 0, "track_total_hits": True, "query": {"bool": {"filter": [lucene(panel.query)]}}}
    return found | ({"aggs": inner} if inner else {})


def _group(bucket: Bucket, interval: str) -> dict[str, Any]:
    if bucket.kind == "time":
        return {"date_histogram": {"field": bucket.field, "fixed_interval": interval, "time_zone": "UTC", "min_doc_count": 1}}
    if bucket.kind == "terms":
        return {"terms": {"field": bucket.field, "size": bucket.size, "shard_size": SHARD_SIZE, "order": {"_count": "desc"}}}
    return {"filters": {"filters": {label: lucene(query) for label, query in bucket.filters}}}


Row = tuple[tuple[str, ...], tuple[float, ...]]


def rows(panel: Panel, answer: dict[str, Any]) -> list[Row]:
    """The answer as rows of the keys of the groups and the metrics. Empty groups are left out, except those of filters."""

    def walk(node: dict[str, Any], level: int, keys: tuple[str, ...]) -> Iterator[Row]:
        if level == len(panel.buckets):
            yield keys, tuple(_value(metric, number, node) for number, metric in enumerate(panel.metrics))
            return
        buckets, bucket = node["b"]["buckets"], panel.buckets[level]
        pairs = (
            [(label, buckets[label]) for label, _ in bucket.filters]
            if bucket.filters
            else [(group.get("key_as_string", group["key"]), group) for group in buckets]
        )
        for key, below in pairs:
            yield from walk(below, level + 1, (*keys, str(key)))

    top = answer.get("aggregations", {}) | {"doc_count": answer["hits"]["total"]["value"]}
    return list(walk(top, 0, ()))


def _value(metric: Metric, number: int, node: dict[str, Any]) -> float:
    if metric.kind == "count":
        return float(node["doc_count"])
    value = node[f"m{number}"]["value"]
    return 0.0 if value is None else value / metric.scale
