"""The package for Fleet: whole in itself, and made of what the other tests hold against a real engine.

Elastic's own validator is not in a package registry; deploy/elastic/README.md says what it said when it was run by hand.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.generate.elastic.package import ADDED, ADDED_ECS, DASHBOARD, FLEET_VIEW, STREAMS
from deploy.generate.elastic.panels import Panel
from deploy.generate.elastic.templates import NAME, PIPELINE
from deploy.generate.schema import ecs_types, fields
from tests.support.deploy import package_cases, read_back
from tests.support.deploy.loaded import leaves
from tests.support.deploy.package_cases import PACKAGE
from tests.support.opensearch import OpenSearch
from tests.support.tools import DEPLOY

SHAPES = sorted(package_cases.AGENT.parent.glob("elastic-agent-*.json"))
every_stream = pytest.mark.parametrize("stream", STREAMS)
MANIFEST = (
    "format_version", "name", "title", "version", "description", "type", "categories", "conditions", "policy_templates", "owner",
)  # fmt: skip


def read(path: str) -> Any:
    return yaml.safe_load((PACKAGE / path).read_text(encoding="utf-8"))


def test_the_manifest_names_what_there_is() -> None:
    manifest = read("manifest.yml")
    assert set(MANIFEST) <= set(manifest)
    assert manifest["version"] == read("changelog.yml")[0]["version"]
    for icon in manifest["icons"]:
        assert (PACKAGE / icon["src"].lstrip("/")).is_file()
    inputs = {input_["type"] for template in manifest["policy_templates"] for input_ in template["inputs"]}
    streams = {stream["input"] for name in STREAMS for stream in read(f"data_stream/{name}/manifest.yml")["streams"]}
    assert inputs == streams
    assert {path.name for path in (PACKAGE / "data_stream").iterdir()} == set(STREAMS)


@every_stream
def test_settings_are_those_of_the_template(stream: str) -> None:
    (manifest,) = read(f"data_stream/{stream}/manifest.yml")["streams"]
    template = (PACKAGE / "data_stream" / stream / "agent" / "stream" / manifest["template_path"]).read_text(encoding="utf-8")
    for setting in manifest["vars"]:
        assert setting["name"] in template
    assert template.count("{{#each") == template.count("{{/each}}")
    assert template.count("{{#if") == template.count("{{/if}}")
    assert "ndjson" not in template, "the pipeline decodes; the agent would put its own event.dataset over the event's"


@every_stream
def test_every_field_of_an_event_is_declared(stream: str) -> None:
    folder = f"data_stream/{stream}/fields"
    declared = [field for file in ("base-fields", "ecs", "fields") for field in read(f"{folder}/{file}.yml")]
    names = [field["name"] for field in declared]
    assert len(names) == len(set(names))
    known = {field.name: field.type for field in fields()}
    assert set(known) <= set(names)
    assert {name for name in names if name not in known} == {
        "data_stream.type", "data_stream.dataset", "data_stream.namespace", "labels", *ADDED_ECS, *ADDED,
    }  # fmt: skip
    for field in declared:
        if field.get("external") == "ecs":
            assert field["name"] in {*ecs_types(), *ADDED_ECS} or field["name"].startswith("data_stream.")
        elif field["name"] in known:
            assert field["type"] == known[field["name"]]


def test_the_pipeline_for_raw_lines_is_the_one_that_was_run() -> None:
    path = PACKAGE / "data_stream" / "raw" / "elasticsearch" / "ingest_pipeline" / "default.yml"
    text = path.read_text(encoding="utf-8")
    assert text.startswith("---\n")
    installed = json.loads((DEPLOY / "elastic" / "api" / "_ingest" / "pipeline" / f"{PIPELINE}.json").read_text(encoding="utf-8"))
    found = yaml.safe_load(text)
    assert found["processors"][: len(installed["processors"])] == installed["processors"]
    assert found["on_failure"] == installed["on_failure"]


@every_stream
def test_pipeline_tests_give_what_they_say(opensearch: OpenSearch, stream: str) -> None:
    wanted = json.loads(package_cases.expected(stream).read_text(encoding="utf-8"))["expected"]
    assert package_cases.run(opensearch, stream) == wanted
    assert package_cases.case(stream).read_text(encoding="utf-8").splitlines() == package_cases.lines_of(stream)
    assert {event["event"]["kind"] for event in wanted} >= {"event", "pipeline_error"}


@every_stream
def test_the_sample_event_is_what_the_pipeline_makes(opensearch: OpenSearch, stream: str) -> None:
    sample = json.loads((PACKAGE / "data_stream" / stream / "sample_event.json").read_text(encoding="utf-8"))
    (document,) = package_cases.decoded(opensearch, stream, [package_cases.as_sent(stream, package_cases.lines_of(stream)[2])])
    assert sample == document
    names = {
        field["name"] for file in ("base-fields", "ecs", "fields") for field in read(f"data_stream/{stream}/fields/{file}.yml")
    }
    unknown = {name for name in leaves(sample) if name not in names}
    assert {name.partition(".")[0] for name in unknown} <= {"host", "event"}, unknown  # ECS's own, added by the agent


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.stem)
def test_an_event_keeps_its_id_and_its_data_set(node: OpenSearch, shape: Path) -> None:
    """Through an agent: the agent has written its own event.dataset, and a line that is read again is kept once."""
    node.ask("PUT", "/_ingest/pipeline/package", package_cases.processors("events"))
    agent = json.loads(shape.read_text(encoding="utf-8"))
    lines = package_cases.lines_of("events")[:-1]
    created = json.dumps({"create": {}})
    body = "".join(f"{created}\n{json.dumps(agent | {'message': line})}\n" for line in lines)
    streams = f"logs-{NAME}.events-{shape.stem}-packed"
    for status in (201, 409):
        answer = node.ask("POST", f"/{streams}/_bulk?refresh=true&pipeline=package", body)
        assert {item["create"]["status"] for item in answer["items"]} == {status}
    found = node.ask("GET", f"/{streams}/_search?size=100")["hits"]["hits"]
    events = {event["event"]["id"]: event for event in map(json.loads, lines)}
    assert {hit["_id"] for hit in found} == set(events)
    for hit in found:
        wanted, document = events[hit["_id"]], hit["_source"]
        assert document["event"].pop("ingested")
        assert document["event"] == wanted["event"] | {"timezone": "+00:00"}
        assert document.get("azure_mfa") == wanted.get("azure_mfa")
        assert document["@timestamp"] == wanted["@timestamp"]  # with its microseconds
        assert document["elastic_agent"] == agent["elastic_agent"]


def lens_panels(board: dict[str, Any]) -> Iterator[Panel]:
    for shown in board["attributes"]["panelsJSON"]:
        if shown["type"] == "lens":
            yield read_back.lens(shown["panelIndex"], shown["embeddableConfig"]["attributes"])


def test_the_dashboard_is_the_one_of_kibana_ndjson() -> None:
    path = PACKAGE / "kibana" / "dashboard" / f"{DASHBOARD}.json"
    board = json.loads(path.read_text(encoding="utf-8"))
    assert board["id"] == path.stem
    ours = {panel.id: panel for panel in read_back.kibana()}
    assert {panel.id: panel for panel in lens_panels(board)} == {
        name: panel for name, panel in ours.items() if panel.chart != "events"
    }
    lists = {
        saved.stem: json.loads(saved.read_text(encoding="utf-8")) for saved in (PACKAGE / "kibana" / "search").glob("*.json")
    }
    assert {reference["id"] for reference in board["references"]} == {FLEET_VIEW, *lists}
    for name, saved in lists.items():
        found = read_back.event_list(saved)
        assert replace(found, title=found.title.removeprefix("[Logs Azure MFA] ")) == ours[found.id]
        assert {reference["id"] for reference in saved["references"]} == {FLEET_VIEW}
        assert saved["id"] == name
    assert f"discover#/view/{path.stem}-findings" in json.dumps(board["attributes"])
    (condition,) = board["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"]["filter"]
    assert condition["query"] == {"match_phrase": {"event.module": NAME}}
    assert condition["meta"]["indexRefName"] in {reference["name"] for reference in board["references"]}
