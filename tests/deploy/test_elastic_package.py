"""The package for Fleet: whole in itself, and made of what the other tests hold against a real engine.

Elastic's own validator is not in a package registry; deploy/elastic/README.md says what it said when it was run by hand.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from deploy.generate.elastic.package import DASHBOARD, FLEET_VIEW, STREAMS
from deploy.generate.elastic.panels import Panel
from deploy.generate.elastic.templates import NAME, PIPELINE
from deploy.generate.schema import ecs_types, fields
from tests.deploy.elastic import read_back
from tests.deploy.tools import DEPLOY

PACKAGE = DEPLOY / "elastic" / "package"
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
    assert ("ndjson" in template) == (stream == "events")


@every_stream
def test_every_field_of_an_event_is_declared(stream: str) -> None:
    folder = f"data_stream/{stream}/fields"
    declared = [field for file in ("base-fields", "ecs", "fields") for field in read(f"{folder}/{file}.yml")]
    names = [field["name"] for field in declared]
    assert len(names) == len(set(names))
    known = {field.name: field.type for field in fields()}
    assert set(known) <= set(names)
    assert {name for name in names if name not in known} == {
        "data_stream.type", "data_stream.dataset", "data_stream.namespace", "labels", "input.type",
    }  # fmt: skip
    for field in declared:
        if field.get("external") == "ecs":
            assert field["name"] in ecs_types() or field["name"].startswith("data_stream.")
        elif field["name"] in known:
            assert field["type"] == known[field["name"]]


def test_the_pipeline_is_the_one_that_was_run() -> None:
    path = PACKAGE / "data_stream" / "raw" / "elasticsearch" / "ingest_pipeline" / "default.yml"
    text = path.read_text(encoding="utf-8")
    assert text.startswith("---\n")
    installed = DEPLOY / "elastic" / "api" / "_ingest" / "pipeline" / f"{PIPELINE}.json"
    assert yaml.safe_load(text) == json.loads(installed.read_text(encoding="utf-8"))


def lens_panels(board: dict[str, Any]) -> Iterator[Panel]:
    for shown in board["attributes"]["panelsJSON"]:
        if shown["type"] == "lens":
            yield read_back.lens(shown["panelIndex"], shown["embeddableConfig"]["attributes"])


def test_the_dashboard_is_the_one_of_kibana_ndjson() -> None:
    path = PACKAGE / "kibana" / "dashboard" / f"{DASHBOARD}.json"
    board = json.loads(path.read_text(encoding="utf-8"))
    assert board["id"] == path.stem
    assert list(lens_panels(board)) == list(read_back.kibana())
    assert {reference["id"] for reference in board["references"]} == {FLEET_VIEW}
    (condition,) = board["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"]["filter"]
    assert condition["meta"]["params"] == [f"{NAME}.{stream}" for stream in STREAMS]
    assert condition["meta"]["indexRefName"] in {reference["name"] for reference in board["references"]}
