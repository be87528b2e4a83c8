"""The pipeline tests of the package, in the form of `elastic-package test pipeline`, on the real OpenSearch.

    python -m tests.support.deploy.package_cases

writes inputs, expectations and sample events anew: read the difference.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import yaml

from deploy.generate.elastic.package import STREAMS
from tests.support import corpus
from tests.support.opensearch import OpenSearch
from tests.support.tools import DEPLOY, ROOT

Event = dict[str, Any]
PACKAGE = DEPLOY / "elastic" / "package"
EXAMPLE = DEPLOY / "examples" / "MultiFactorAuthRadiusSvc.log"
AGENT = ROOT / "tests" / "deploy" / "shippers" / "elastic-agent-linux.json"
COMMON = "test-common-config.yml"
ONLY_ELASTIC = "geoip"  # the one processor that OpenSearch has as a plug-in only


def processors(stream: str) -> Event:
    """The ingest pipeline of a stream, without what this OpenSearch lacks."""
    path = PACKAGE / "data_stream" / stream / "elasticsearch" / "ingest_pipeline" / "default.yml"
    found: Event = yaml.safe_load(path.read_text(encoding="utf-8"))
    found["processors"] = [processor for processor in found["processors"] if ONLY_ELASTIC not in processor]
    return found


def folder(stream: str) -> Path:
    """Where the pipeline tests of a stream are."""
    return PACKAGE / "data_stream" / stream / "_dev" / "test" / "pipeline"


def case(stream: str) -> Path:
    """The lines that go in. What must come out lies beside them."""
    return folder(stream) / f"test-{stream}.log"


def expected(stream: str) -> Path:
    return case(stream).with_name(f"{case(stream).name}-expected.json")


def decoded(node: OpenSearch, stream: str, documents: list[Event]) -> list[Event]:
    """What the pipeline makes of documents."""
    body = {"pipeline": processors(stream), "docs": [{"_source": document} for document in documents]}
    return [answer["doc"]["_source"] for answer in node.ask("POST", "/_ingest/pipeline/_simulate", body)["docs"]]


def run(node: OpenSearch, stream: str) -> list[Event]:
    """A pipeline test: each line of the file is the message of a document with the common fields."""
    common = yaml.safe_load((folder(stream) / COMMON).read_text(encoding="utf-8"))["fields"]
    lines = case(stream).read_text(encoding="utf-8").splitlines()
    return decoded(node, stream, [common | {"message": line} for line in lines])


def as_sent(stream: str, line: str) -> Event:
    """A line as the agent sends it to a stream."""
    found: Event = json.loads(AGENT.read_text(encoding="utf-8"))
    dataset = f"azure_mfa.{stream}"
    found["event"]["dataset"] = found["data_stream"]["dataset"] = dataset
    return found | {"message": line, "tags": ["mfa-shipper", f"azure_mfa-{stream}"]}


def lines_of(stream: str) -> list[str]:
    """The example log, or the events that the shipper makes of it; one line is none."""
    if stream == "raw":
        return EXAMPLE.read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory() as place:
        Path(place, EXAMPLE.name).write_bytes(EXAMPLE.read_bytes())
        return [*corpus.parse(Path(place)).decode().splitlines(), '{"@timestamp": cut off']


def main() -> None:
    """Write them anew."""
    with tempfile.TemporaryDirectory(prefix="mfa-opensearch-") as place:
        node = OpenSearch(Path(place)).start()
        try:
            for stream in STREAMS:
                folder(stream).mkdir(parents=True, exist_ok=True)
                case(stream).write_text("".join(f"{line}\n" for line in lines_of(stream)), encoding="utf-8")
                common = {"fields": {"@timestamp": "2026-11-27T08:00:00.000Z"}}
                (folder(stream) / COMMON).write_text(yaml.safe_dump(common), encoding="utf-8")
                _write(expected(stream), {"expected": run(node, stream)})
                (sample,) = decoded(node, stream, [as_sent(stream, lines_of(stream)[2])])
                _write(PACKAGE / "data_stream" / stream / "sample_event.json", sample)
        finally:
            node.stop()


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
