"""The panels of `deploy/elastic/panels.yaml`: read, turned into the search that a dashboard sends, and its answer into rows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from deploy.generate.places import DEPLOY

CHARTS = ("number", "bars", "shares", "donut", "ranking", "table", "events")
KEYS = {"id", "title", "about", "chart", "query", "buckets", "metrics", "columns", "colors", "place"}
# What counts as an authentication, once: the status that ends an exchange, or a result in one line. Requests and verdicts come
# before it, and a code that was sent and not yet entered (class pending) is the first of two steps.
AUTHENTICATIONS = "event.action:(mfa-status OR mfa-result) AND NOT azure_mfa.status.class:pending"
FIELD = re.compile(r"(?<![\w.@\"])(@?[a-z][a-z_]*(?:\.[a-z_]+)*):")  # before a colon in Lucene syntax
LISTED = 500  # events of a list, the newest first
SHARD_SIZE = 1000  # exact top lists up to that many values: streams are separate shards


@dataclass(frozen=True)
class Bucket:
    """One level of grouping. `kind` is time (in bars of a width that fits the screen), weeks, terms or filters."""

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
    """One panel, as a row of the table describes it. `place` is column, row, width and height on a grid of 48 columns.

    `columns` are the fields that a list of events shows.
    """

    id: str
    title: str
    about: str
    chart: str
    query: str
    buckets: tuple[Bucket, ...]
    metrics: tuple[Metric, ...]
    colors: dict[str, str]
    place: tuple[int, int, int, int]
    columns: tuple[str, ...] = ()

    def fields(self) -> Iterator[str]:
        """Every event field that the panel names."""
        for text in (self.query, *(query for bucket in self.buckets for _, query in bucket.filters)):
            yield from FIELD.findall(text)
        yield from (bucket.field for bucket in self.buckets if bucket.field)
        yield from (metric.field for metric in self.metrics if metric.field)
        yield from self.columns


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
    if row["chart"] == "events":
        metrics = {}
    return Panel(
        row["id"],
        row["title"],
        row.get("about", ""),
        row["chart"],
        _whole(row["query"]),
        tuple(_bucket(bucket) for bucket in row.get("buckets", [])),
        tuple(_metric(label, metric) for label, metric in metrics.items()),
        row.get("colors", {}),
        tuple(row["place"]),
        tuple(row.get("columns", [])),
    )


def _whole(query: str) -> str:
    return query.replace("{authentications}", AUTHENTICATIONS)


def _bucket(row: dict[str, Any]) -> Bucket:
    if "filters" in row:
        return Bucket("filters", filters=tuple((label, _whole(query)) for label, query in row["filters"].items()))
    for kind in ("time", "weeks"):
        if kind in row:
            return Bucket(kind, row[kind])
    return Bucket("terms", row["terms"], row["size"], label=row["label"])


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
    query = {"bool": {"filter": [lucene(panel.query)]}}
    if panel.chart == "events":
        return {"size": LISTED, "track_total_hits": True, "query": query, "sort": [{"@timestamp": "desc"}]}
    inner: dict[str, Any] = {
        f"m{number}": {metric.kind: {"field": metric.field}}
        for number, metric in enumerate(panel.metrics)
        if metric.kind != "count"
    }
    for bucket in reversed(panel.buckets):
        inner = {"b": _group(bucket, interval) | ({"aggs": inner} if inner else {})}
    found: dict[str, Any] = {"size": 0, "track_total_hits": True, "query": query}
    return found | ({"aggs": inner} if inner else {})


def _group(bucket: Bucket, interval: str) -> dict[str, Any]:
    if bucket.kind == "weeks":
        return {"date_histogram": {"field": bucket.field, "calendar_interval": "1w", "time_zone": "UTC", "min_doc_count": 1}}
    if bucket.kind == "time":
        return {"date_histogram": {"field": bucket.field, "fixed_interval": interval, "time_zone": "UTC", "min_doc_count": 1}}
    if bucket.kind == "terms":
        return {"terms": {"field": bucket.field, "size": bucket.size, "shard_size": SHARD_SIZE, "order": {"_count": "desc"}}}
    return {"filters": {"filters": {label: lucene(query) for label, query in bucket.filters}}}


Row = tuple[tuple[str, ...], tuple[float, ...]]


def rows(panel: Panel, answer: dict[str, Any]) -> list[Row]:
    """The answer as rows of the keys of the groups and the metrics. Empty groups are left out, except those of filters.

    Of a list of events the keys are its columns, and each row counts as one.
    """
    if panel.chart == "events":
        events = [hit["_source"] for hit in answer["hits"]["hits"]]
        return [(tuple(str(_field(event, name)) for name in panel.columns), (1.0,)) for event in events]

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


def _field(event: Any, path: str) -> Any:
    for part in path.split("."):
        event = event.get(part, {})
    return "" if event == {} else event
