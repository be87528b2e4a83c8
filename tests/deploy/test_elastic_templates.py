"""The templates on a real OpenSearch: accepted, strict where only we write, and nothing that the shipper writes is refused."""

import copy
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deploy.generate.elastic.templates import FINAL, NAME, requests
from deploy.generate.schema import ecs_types, event_schema, fields
from tests.support.deploy.loaded import body, bulk, install
from tests.support.deploy.whole import everything
from tests.support.opensearch import OpenSearch, Refused
from tests.support.tools import ROOT

GOLDEN = sorted((ROOT / "tests" / "golden").glob("*/expected.ndjson"))


def documents(path: Path) -> Iterator[dict[str, Any]]:
    """The events of a golden case, whatever its format."""
    text = path.read_text(encoding="utf-8")
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        found, at = decoder.raw_decode(text, at)
        while at < len(text) and text[at].isspace():
            at += 1
        event = found["event"] if "sourcetype" in found else found
        if "@timestamp" in event:  # neither an action of `_bulk` nor OCSF
            yield event


def types(properties: dict[str, Any], path: str = "") -> dict[str, str]:
    """The type of each field, by its dotted name."""
    found: dict[str, str] = {}
    for name, below in properties.items():
        inner = below.get("properties")
        found |= types(inner, f"{path}{name}.") if inner else {path + name: below.get("type", "object")}
    return found


def of_template(node: OpenSearch) -> dict[str, str]:
    """The fields that the templates make."""
    answer = node.ask("POST", f"/_index_template/_simulate_index/logs-{NAME}.radius-default")
    return types(answer["template"]["mappings"]["properties"])


def test_install_puts_every_file(opensearch: OpenSearch) -> None:
    lines = install(opensearch).splitlines()
    assert len(lines) == len(requests("opensearch")) - 1  # without the policy
    assert all('{"acknowledged":true}' in line for line in lines), lines


def test_one_template_governs_each_stream(node: OpenSearch) -> None:
    for stream, pipeline in ((f"logs-{NAME}.radius-default", None), (f"logs-{NAME}.raw-default", f"{NAME}-raw")):
        answer = node.ask("POST", f"/_index_template/_simulate_index/{stream}")
        assert answer["template"]["mappings"]["properties"][NAME]["properties"]["status"]["dynamic"] == "strict"
        assert answer["template"]["settings"]["index"].get("default_pipeline") == pipeline
        assert answer["template"]["settings"]["index"]["final_pipeline"] == FINAL


@pytest.mark.parametrize(("stream", "pattern", "priority", "wins"), [
    (f"{NAME}.events", f"logs-{NAME}.events-*", 200, True),  # Fleet's, of its package
    (f"{NAME}.radius", f"logs-{NAME}.events-*", 200, False),
    (f"{NAME}.radius", "logs-*-*", 100, False),  # Elasticsearch's own, for logs in general
])  # fmt: skip
def test_a_package_of_fleet_governs_its_own_streams_only(
    node: OpenSearch, stream: str, pattern: str, priority: int, wins: bool
) -> None:
    other = {
        "index_patterns": [pattern], "priority": priority, "data_stream": {},
        "template": {"settings": {"index": {"final_pipeline": "theirs"}}},
    }  # fmt: skip
    answer = node.ask("POST", f"/_index_template/_simulate_index/logs-{stream}-default", other)
    assert answer["template"]["settings"]["index"]["final_pipeline"] == ("theirs" if wins else FINAL)


def test_the_templates_for_elastic_differ_only_where_the_products_do(node: OpenSearch) -> None:
    """Without the three things that OpenSearch does not know they are accepted there, too."""
    for path, request in requests("elastic").items():
        content = copy.deepcopy(request)
        if path.startswith("_ilm"):
            continue
        if path.endswith("@mappings"):
            stream = content["template"]["mappings"]["properties"]["data_stream"]["properties"]
            assert {field.pop("type") for field in stream.values()} == {"constant_keyword"}
            stream.update({name: {"type": "keyword"} for name in stream})
            assert content == requests("opensearch")[path]
        if path.endswith("@settings"):
            assert content["template"]["settings"]["index"].pop("lifecycle") == {"name": NAME}
        if path.startswith("_index"):
            content["composed_of"].remove(content.pop("ignore_missing_component_templates")[0])
            content["index_patterns"] = [pattern.replace("logs", "elastic") for pattern in content["index_patterns"]]
            content["composed_of"] = [name.replace(NAME, "elastic") for name in content["composed_of"]]
        node.ask("PUT", "/" + path.replace(NAME, "elastic"), content)


def test_policies_name_states_and_phases_that_exist() -> None:
    states = requests("opensearch")[f"_plugins/_ism/policies/{NAME}"]["policy"]
    names = {state["name"] for state in states["states"]}
    assert states["default_state"] in names
    assert all(transition["state_name"] in names for state in states["states"] for transition in state["transitions"])
    assert set(requests("elastic")[f"_ilm/policy/{NAME}"]["policy"]["phases"]) <= {"hot", "warm", "cold", "frozen", "delete"}


def test_types_are_those_of_ecs(node: OpenSearch) -> None:
    found, of_ecs = of_template(node), ecs_types()
    assert {name: kind for name, kind in found.items() if of_ecs.get(name, kind) != kind} == {}
    assert {field.name for field in fields()} <= set(found)
    assert len(found.keys() & of_ecs.keys()) > 50


def test_the_golden_corpus_goes_in_and_adds_no_field(node: OpenSearch) -> None:
    pairs = [(f"{path.parent.name}-{event['event']['id']}", event) for path in GOLDEN for event in documents(path)]
    assert len(pairs) > 900
    assert bulk(node, body(pairs, "golden")) == Counter({201: len(pairs)})
    mapped = node.ask("GET", f"/logs-{NAME}.*-golden/_mapping").values()
    assert {name for index in mapped for name in types(index["mappings"]["properties"])} == set(of_template(node))


def test_a_document_with_every_field_goes_in(node: OpenSearch) -> None:
    event = everything()
    jsonschema.Draft202012Validator(event_schema()).validate(event)
    event["event"]["dataset"] = f"{NAME}.full"
    assert bulk(node, body([("full", event)], "full")) == Counter({201: 1})
    for field in fields():
        if field.name != "event.original":  # not searched, by ECS
            found = node.ask("GET", f"/logs-{NAME}.full-full/_count?q=_exists_:{field.name}")
            assert found["count"] == 1, field.name


def closed(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The objects of our own that take no further field."""
    if schema.get("additionalProperties") is False and path[:1] == (NAME,):
        yield path
    for name, below in schema.get("properties", {}).items():
        if below.get("type") == "object":
            yield from closed(below, (*path, name))


def with_another_field(path: tuple[str, ...]) -> dict[str, Any]:
    event = everything()
    inner = event
    for part in path:
        inner = inner[part]
    inner["renamed"] = "x"
    return event


@pytest.mark.parametrize("path", list(closed(event_schema())), ids=".".join)
def test_a_field_of_ours_that_the_schema_lacks_is_refused(node: OpenSearch, path: tuple[str, ...]) -> None:
    with pytest.raises(Refused, match="strict_dynamic_mapping_exception"):
        node.ask("PUT", f"/logs-{NAME}.full-full/_create/renamed-{'-'.join(path)}", with_another_field(path))


@pytest.mark.parametrize("path", [(), ("log", "file"), ("event",), ("agent",), ("user", "target"), (NAME,)], ids=".".join)
def test_a_field_that_others_add_goes_in(node: OpenSearch, path: tuple[str, ...]) -> None:
    node.ask("PUT", f"/logs-{NAME}.open-full/_create/{'-'.join(path) or 'top'}?refresh=true", with_another_field(path))
    found = node.ask("GET", f"/logs-{NAME}.open-full/_count?q=_exists_:{'.'.join((*path, 'renamed'))}")
    assert found["count"] == 1
