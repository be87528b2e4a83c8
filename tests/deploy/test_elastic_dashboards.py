"""The saved objects: whole in themselves, and what they ask for is what panels.yaml says.

Kibana and OpenSearch Dashboards themselves are not run.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from deploy.generate.elastic import words
from deploy.generate.elastic.panels import Panel, panels
from deploy.generate.elastic.templates import NAME, STREAMS
from deploy.generate.schema import fields
from tests.support import corpus
from tests.support.deploy import read_back

FILES = (read_back.KIBANA, read_back.OPENSEARCH)
SHAPES = {
    "number": ("lnsMetric", "metric"),
    "bars": ("lnsXY", "histogram"),
    "shares": ("lnsXY", "histogram"),
    "donut": ("lnsPie", "pie"),
    "ranking": ("lnsXY", "horizontal_bar"),
    "table": ("lnsDatatable", "table"),
    "events": ("events", "events"),
}


def bare(panel: Panel, shape: str) -> Panel:
    """A panel without what only the look or the display needs."""
    metrics = tuple(replace(metric, scale=1) for metric in panel.metrics)
    return replace(panel, about="", chart=shape, metrics=metrics, colors={}, place=(0, 0, 0, 0))


@pytest.mark.parametrize(("read", "which"), [(read_back.kibana, 0), (read_back.opensearch, 1)])
def test_saved_objects_ask_what_the_panels_ask(read: Callable[[], Iterator[Panel]], which: int) -> None:
    wanted = [bare(panel, shape_of(panel, which)) for panel in panels()]
    assert {panel.id: panel for panel in read()} == {panel.id: panel for panel in wanted}


def shape_of(panel: Panel, which: int) -> str:
    """OpenSearch Dashboards has no table with a column for each filter: bars side by side say the same."""
    across = which and panel.chart == "table" and panel.buckets[-1].kind == "filters"
    return "horizontal_bar" if across else SHAPES[panel.chart][which]


def test_a_number_says_that_of_the_week_before() -> None:
    for shown in lenses():
        state = shown["embeddableConfig"]["attributes"]["state"]
        (layer,) = state["datasourceStates"]["formBased"]["layers"].values()
        shifted = [column for column in layer["columns"].values() if "timeShift" in column]
        if shown["embeddableConfig"]["attributes"]["visualizationType"] == "lnsMetric":
            (before,) = shifted
            now = layer["columns"]["m0"]
            assert before == now | {"label": "Week before", "timeShift": "1w"}
        else:
            assert not shifted
            assert shown["embeddableConfig"]["enhancements"]["dynamicActions"]["events"]


def lenses() -> Iterator[dict[str, Any]]:
    board = next(saved for saved in read_back.objects(read_back.KIBANA) if saved["type"] == "dashboard")
    yield from (shown for shown in json.loads(board["attributes"]["panelsJSON"]) if shown["type"] == "lens")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_values_are_labelled_for_people(path: Any) -> None:
    """Every method and data set of the code table and the program."""
    view = next(saved for saved in read_back.objects(path) if saved["type"] == "index-pattern")
    found = json.loads(view["attributes"]["fieldFormatMap"])
    labels = {
        field: {entry["key"] for entry in shown["params"]["lookupEntries"]}
        for field, shown in found.items()
        if shown["id"] == "static_lookup"
    }
    assert labels["azure_mfa.status.method"] >= {row["method"] for row in corpus.table()}
    assert labels["event.dataset"] == {f"{NAME}.{name}" for name in ("radius", "server", "adsync", "nps", "unparsed")}


def texts(value: Any, name: str = "") -> Iterator[Any]:
    """Every JSON text inside, parsed."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from texts(below, key)
    elif isinstance(value, list):
        for below in value:
            yield from texts(below)
    elif name.endswith("JSON") or name == "visState":
        parsed = json.loads(value)
        yield parsed
        yield from texts(parsed)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_reference_leads_to_an_object_of_the_file(path: Any) -> None:
    found = read_back.objects(path)
    known = {(saved["type"], saved["id"]) for saved in found}
    assert len(known) == len(found)
    for saved in found:
        names = [reference["name"] for reference in saved["references"]]
        assert len(names) == len(set(names))
        assert {(reference["type"], reference["id"]) for reference in saved["references"]} <= known
        for parsed in texts(saved["attributes"]):
            for used in [*named(parsed, "indexRefName"), *named(parsed, "panelRefName"), *named(parsed, "indexPatternRefName")]:
                assert any(name == used or name.endswith(f":{used}") for name in names), (saved["id"], used)


def named(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            if key == name:
                yield below
            yield from named(below, name)
    elif isinstance(value, list):
        for below in value:
            yield from named(below, name)


def test_columns_that_lens_shows_exist() -> None:
    board = next(saved for saved in read_back.objects(read_back.KIBANA) if saved["type"] == "dashboard")
    references = {reference["name"] for reference in board["references"]}
    for shown in json.loads(board["attributes"]["panelsJSON"]):
        if shown["type"] != "lens":
            continue
        state = shown["embeddableConfig"]["attributes"]["state"]
        ((layer, content),) = state["datasourceStates"]["formBased"]["layers"].items()
        assert f"{shown['panelIndex']}:indexpattern-datasource-layer-{layer}" in references
        columns = set(content["columns"])
        assert set(content["columnOrder"]) == columns
        used = set(accessors(state["visualization"]))
        assert used == columns, shown["panelIndex"]
        assert set(named(state["visualization"], "layerId")) == {layer}


def accessors(value: Any, name: str = "") -> Iterator[str]:
    """The columns that a visualization names."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from accessors(below, key)
    elif isinstance(value, list):
        for below in value:
            yield from accessors(below, name)
    elif name in (
        "columnId",
        "metricAccessor",
        "secondaryMetricAccessor",
        "xAccessor",
        "accessors",
        "splitAccessor",
        "primaryGroups",
        "metrics",
    ):
        yield value


def test_aggregations_are_numbered_once() -> None:
    for saved in read_back.objects(read_back.OPENSEARCH):
        if saved["type"] == "visualization":
            aggs = json.loads(saved["attributes"]["visState"])["aggs"]
            assert len({agg["id"] for agg in aggs}) == len(aggs)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_panels_stand_where_the_table_says(path: Any) -> None:
    board = next(saved for saved in read_back.objects(path) if saved["type"] == "dashboard")
    places = {panel["panelIndex"]: panel["gridData"] for panel in json.loads(board["attributes"]["panelsJSON"])}
    for panel in panels():
        place = places[panel.id]
        assert (place["x"], place["y"], place["w"], place["h"], place["i"]) == (*panel.place, panel.id)
    assert min(panel.place[1] for panel in panels()) == words.INTRO[3]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_data_view_is_that_of_the_templates(path: Any) -> None:
    view = next(saved for saved in read_back.objects(path) if saved["type"] == "index-pattern")
    assert view["attributes"]["title"] == STREAMS
    assert set(json.loads(view["attributes"]["fieldFormatMap"])) == {*words.DURATIONS, *words.LABELS}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_fields_are_in_the_schema(path: Any) -> None:
    """Whatever stands where a field stands, in either file."""
    known = {field.name for field in fields()}
    text = [parsed for saved in read_back.objects(path) for parsed in texts(saved["attributes"])]
    used = {name for parsed in text for key in ("field", "fieldName", "sourceField") for name in named(parsed, key)}
    assert used - known <= {"___records___"}, "what Lens calls the events themselves"
    assert words.named_fields() <= known
