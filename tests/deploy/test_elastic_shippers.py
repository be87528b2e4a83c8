"""What other shippers add to an event or a line goes into the real OpenSearch, by both routes, with nothing refused.

Each file in `shippers/` is a line as one of them sends it. As an event, the same document has the event of mfa-shipper
laid over it, which is what their JSON parsers do (`overwrite_keys` of Filebeat).
"""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.generate.elastic.templates import NAME
from tests.deploy.test_elastic_ingest import golden_lines
from tests.support import corpus
from tests.support.deploy.loaded import body, bulk
from tests.support.deploy.whole import everything
from tests.support.opensearch import OpenSearch

Event = dict[str, Any]
SHAPES = sorted((Path(__file__).parent / "shippers").glob("*.json"))
LINE = {"log", "message"}  # where a shipper has the line: the first is Fluent Bit's
every_shape = pytest.mark.parametrize("path", SHAPES, ids=lambda path: path.stem)


def shape(path: Path) -> Event:
    found: Event = json.loads(path.read_text(encoding="utf-8"))
    return found


def line_field(document: Event) -> str:
    (name,) = [name for name in LINE if isinstance(document.get(name), str)]
    return name


def laid_over(document: Event, event: Event) -> Event:
    """The document with the event's values, objects merged."""
    found = dict(document)
    for name, value in event.items():
        inner = found.get(name)
        found[name] = laid_over(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return found


def lacking(wanted: Any, found: Any, path: str = "") -> list[str]:
    """The values of `wanted` that `found` has not."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [name for key, value in wanted.items() for name in lacking(value, found.get(key), f"{path}.{key}")]
    return [] if wanted == found else [path]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """Of each data set and action of the week a few, and one with every field."""
    folder = Path(tmp_path_factory.mktemp("week"))
    corpus.write(folder)
    found: list[Event] = [everything()]
    found[0]["event"]["dataset"] = f"{NAME}.full"
    seen: Counter[tuple[str, str]] = Counter()
    for line in corpus.parse(folder).splitlines():
        event = json.loads(line)
        key = (event["event"]["dataset"], event["event"].get("action", ""))
        seen[key] += 1
        found += [event] if seen[key] <= 3 else []
    assert len(seen) >= 15
    return found


def stored(node: OpenSearch, streams: str) -> list[Event]:
    hits = node.ask("GET", f"/{streams}/_search?size=1000")["hits"]["hits"]
    return [hit["_source"] for hit in hits]


def just_now(event: Event) -> bool:
    """Whether it says that it was stored within the last minutes: the clock of the node is that of the test."""
    at = datetime.fromisoformat(event["event"]["ingested"])
    return abs((datetime.now(UTC) - at).total_seconds()) < 300


@every_shape
def test_events_go_in_with_what_a_shipper_adds(node: OpenSearch, events: list[Event], path: Path) -> None:
    added = shape(path)
    del added[line_field(added)]
    if isinstance(added.get("host"), str):  # a JSON parser that merges nothing: the event's object takes its place
        del added["host"]
    pairs = [(f"{path.stem}-{number}", laid_over(added, event)) for number, event in enumerate(events)]
    assert bulk(node, body(pairs, path.stem)) == Counter({201: len(pairs)})
    found = stored(node, f"logs-{NAME}.*-{path.stem}")
    assert len(found) == len(pairs)
    assert all(just_now(event) for event in found)


@every_shape
def test_raw_lines_go_in_as_a_shipper_sends_them(node: OpenSearch, path: Path) -> None:
    document = shape(path)
    field = line_field(document)
    lines = [line for line in golden_lines() if "pfrad|" in line or "pfsvc|" in line][:80]
    lines += ["no line of MFA Server", document[field]]
    streams = f"logs-{NAME}.raw-{path.stem}"
    created = json.dumps({"create": {}})
    text = "".join(f"{created}\n{json.dumps(document | {field: line})}\n" for line in lines)
    answer = node.ask("POST", f"/{streams}/_bulk?refresh=true", text)
    assert not answer["errors"], answer
    found = stored(node, streams)
    assert sorted(event["event"]["original"] for event in found) == sorted(lines)
    assert all(event["event"]["module"] == NAME and just_now(event) for event in found)
    assert sum(event["event"]["kind"] == "event" for event in found) >= 40
    asked = next(event for event in found if event["event"]["original"] == document[field])
    assert (asked["event"]["action"], asked["user"]["name"]) == ("mfa-request", "pnigam")
    kept = {name: value for name, value in document.items() if name not in {*LINE, "@timestamp", "event", "ecs", "host"}}
    assert lacking(kept, asked) == []  # what the shipper said of itself stays
    host = document.get("host")
    assert lacking({"name": host} if isinstance(host, str) else host or {}, asked.get("host", {})) == []


def test_types_of_what_others_add_are_those_of_ecs(node: OpenSearch) -> None:
    event = everything()
    event["source"] |= {"geo": {"location": {"lat": 47.4, "lon": 8.5}, "city_name": "Zurich"}, "nat": {"ip": "no address"}}
    event["kubernetes"] = {"pod": {"ip": "10.42.0.7"}}
    node.ask("PUT", f"/logs-{NAME}.types-types/_create/types", event)
    (index,) = node.ask("GET", f"/logs-{NAME}.types-types/_mapping").values()
    mapped = index["mappings"]["properties"]
    assert mapped["kubernetes"]["properties"]["pod"]["properties"]["ip"]["type"] == "ip"
    assert mapped["source"]["properties"]["nat"]["properties"]["ip"]["type"] == "ip"
    assert mapped["source"]["properties"]["geo"]["properties"]["location"]["type"] == "geo_point"
    assert mapped["source"]["properties"]["geo"]["properties"]["city_name"]["type"] == "keyword"
    assert {mapped["log"]["properties"]["file"]["properties"][name]["type"] for name in ("inode", "idxhi", "vol")} == {"keyword"}
