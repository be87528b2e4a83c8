"""`run` and `parse --to` into a real OpenSearch, and into a collector that is not ours (VictoriaLogs)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.proxy import Proxy
from tests.support.deploy.loaded import install
from tests.support.generate import Recipe, closing, generate
from tests.support.opensearch import OpenSearch
from tests.support.process import Shipper, configuration, until
from tests.support.tools import ROOT, missing
from tests.support.victoria import PROGRAM, VictoriaLogs, victoria_logs

STREAMS = "/logs-azure_mfa.*-{}"


def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "shipper", *arguments], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, check=False
    )


def parsed(log: Path) -> list[dict[str, Any]]:
    """What the outputs send of a log: an event for each authentication."""
    done = command("parse", "--events", "exchange", str(log))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def stored(node: OpenSearch, namespace: str) -> list[str]:
    """The ids of the documents, sorted."""
    node.ask("POST", "/_refresh")
    body = {"size": 10_000, "_source": False, "query": {"match_all": {}}}
    hits = node.ask("POST", f"{STREAMS.format(namespace)}/_search", body)["hits"]["hits"]
    return sorted(hit["_id"] for hit in hits)


@pytest.fixture(scope="module")
def node(opensearch: OpenSearch) -> OpenSearch:
    install(opensearch)
    return opensearch


def test_an_import_is_repeated_without_harm(node: OpenSearch, tmp_path: Path) -> None:
    log = tmp_path / "Mfa.log"
    generate(Recipe(lines=3000, seed=1), log)
    wanted = sorted(event["event"]["id"] for event in parsed(log))
    first = command("parse", str(log), "--to", node.url, "--namespace", "import")
    again = command("parse", str(log), "--to", node.url, "--namespace", "import")

    assert first.returncode == again.returncode == 0, first.stderr + again.stderr
    assert f"sent: {len(wanted):,} created\n" in first.stderr
    assert f"sent: {len(wanted):,} there already\n" in again.stderr
    assert stored(node, "import") == wanted


def test_an_import_whose_connection_breaks(node: OpenSearch, tmp_path: Path) -> None:
    log = tmp_path / "Mfa.log"
    generate(Recipe(lines=12_000, seed=2), log)
    wanted = sorted(event["event"]["id"] for event in parsed(log))
    proxy = Proxy(node.port)
    proxy.delay = 0.05
    arguments = [
        sys.executable,
        "-m",
        "shipper",
        "parse",
        str(log),
        "--namespace",
        "broken",
        "--to",
        f"http://127.0.0.1:{proxy.port}",
    ]
    with subprocess.Popen(arguments, env={"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True) as running:
        until(lambda: proxy.passed > 400_000, "some of it is sent")
        proxy.refusing = True
        proxy.cut()
        until(lambda: proxy.refused, "another connection is tried")
        proxy.refusing, proxy.delay = False, 0.0
        _, told = running.communicate(timeout=120)
    proxy.close()

    assert running.returncode == 0, told
    assert "trying again" in told
    assert "tried again" in told
    assert stored(node, "broken") == wanted


def test_an_import_that_is_refused_says_why(node: OpenSearch, tmp_path: Path) -> None:
    """A template that knows our fields, and takes numbers for messages."""
    known = {"azure_mfa": {"type": "object"}, "message": {"type": "integer"}}
    template = {"index_patterns": ["logs-azure_mfa.*-refusing"], "priority": 1000, "data_stream": {}}
    node.ask("PUT", "/_index_template/refusing", {**template, "template": {"mappings": {"properties": known}}})
    log, kept = tmp_path / "Mfa.log", tmp_path / "refused.ndjson"
    generate(Recipe(lines=300, seed=3), log)
    total = len(parsed(log))
    done = command("parse", str(log), "--to", node.url, "--namespace", "refusing", "--refused", str(kept))

    letters = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    assert done.returncode == 1
    assert len(letters) > total / 2
    assert all(letter["reason"].startswith("400 mapper_parsing_exception") for letter in letters)
    assert f"--to: {len(letters)} events refused; the first: 400 mapper_parsing_exception" in done.stderr
    assert f"sent: {total - len(letters)} created, {len(letters)} refused\n" in done.stderr
    assert len(stored(node, "refusing")) == total - len(letters)


def test_what_is_refused_can_be_replayed(node: OpenSearch, tmp_path: Path) -> None:
    known = {"azure_mfa": {"type": "object"}, "message": {"type": "integer"}}
    template = {"index_patterns": ["logs-azure_mfa.*-replayed"], "priority": 1000, "data_stream": {}}
    node.ask("PUT", "/_index_template/replayed", {**template, "template": {"mappings": {"properties": known}}})
    section = {"urls": [node.url], "namespace": "replayed"}
    shipper = Shipper(tmp_path, configuration(tmp_path, {"type": "elasticsearch", "elasticsearch": section}))
    log, letters = tmp_path / "logs" / "Mfa.log", tmp_path / "state" / "dead_letters.ndjson"
    generate(Recipe(lines=600, seed=6), log)
    line = closing(log)
    with open(log, "ab") as writing:
        writing.write(line)
    wanted = sorted(event["event"]["id"] for event in parsed(log))

    def refused() -> int:
        return len(letters.read_bytes().splitlines())

    shipper.start()
    until(
        lambda: letters.exists() and refused() + len(stored(node, "replayed")) >= len(wanted),
        "all is taken or refused",
        every=0.5,
    )
    assert shipper.terminate() == 0, shipper.said()

    number = refused()
    again = command("replay", "--config", str(shipper.config))
    assert (again.returncode, again.stdout) == (1, f"0 delivered, {number} refused again and kept\n"), again.stderr
    del known["message"]
    node.ask("PUT", "/_index_template/replayed", {**template, "template": {"mappings": {"properties": known}}})
    for stream in node.ask("GET", "/_data_stream/logs-azure_mfa.*-replayed")["data_streams"]:
        node.ask("POST", f"/{stream['name']}/_rollover")  # the next index has the mapping of now
    done = command("replay", "--config", str(shipper.config))
    assert (done.returncode, done.stdout) == (0, f"{number} delivered, 0 refused again and kept\n"), done.stderr
    assert stored(node, "replayed") == wanted
    assert letters.read_bytes() == b""


def test_a_template_of_somebody_else_stops_an_import(node: OpenSearch, tmp_path: Path) -> None:
    log = tmp_path / "Mfa.log"
    generate(Recipe(lines=30, seed=3), log)
    template = {"index_patterns": ["logs-azure_mfa.*-without"], "priority": 1000, "data_stream": {}, "template": {}}
    node.ask("PUT", "/_index_template/theirs", template)
    try:
        done = command("parse", str(log), "--to", node.url, "--namespace", "without")
    finally:
        node.ask("DELETE", "/_index_template/theirs")

    assert done.returncode == 1
    assert "logs-azure_mfa.radius-without has no index template of ours: run deploy/elastic/install.sh" in done.stderr


@pytest.mark.parametrize("setting", ["false", "+other*,+logs-azure_mfa.radius-*,-*"])
def test_a_cluster_that_makes_no_index_stops_an_import(setting: str, node: OpenSearch, tmp_path: Path) -> None:
    """Also where the stream of the RADIUS service is there, and the others are not."""
    log, namespace = tmp_path / "Mfa.log", "closed" if setting == "false" else "patterns"
    generate(Recipe(lines=30, seed=3), log)
    node.ask("PUT", f"/_data_stream/logs-azure_mfa.radius-{namespace}")
    before = node.ask("GET", "/_cluster/state/metadata?filter_path=metadata.indices.*.state")
    node.ask("PUT", "/_cluster/settings", {"persistent": {"action.auto_create_index": setting}})
    others = [f"logs-azure_mfa.{name}-{namespace}" for name in ("server", "adsync", "nps", "unparsed")]
    try:
        done = command("parse", str(log), "--to", node.url, "--namespace", namespace)
        after = node.ask("GET", "/_cluster/state/metadata?filter_path=metadata.indices.*.state")
        for stream in others:
            node.ask("PUT", f"/_data_stream/{stream}")
        again = command("parse", str(log), "--to", node.url, "--namespace", namespace)
    finally:
        node.ask("PUT", "/_cluster/settings", {"persistent": {"action.auto_create_index": None}})

    assert done.returncode == 1
    assert f"--to: {', '.join(others)} are not there, and the cluster makes no index of such a name by itself" in done.stderr
    assert f"(action.auto_create_index: {setting}): make each with PUT /_data_stream/NAME" in done.stderr
    assert after == before
    assert again.returncode == 0, again.stderr


def test_a_cluster_whose_disk_is_full_stops_an_import(node: OpenSearch, tmp_path: Path) -> None:
    """The block is the one that OpenSearch sets by itself; that of an older index of the stream does not count."""
    log = tmp_path / "Mfa.log"
    generate(Recipe(lines=300, seed=3), log)
    stream = "logs-azure_mfa.radius-full"
    node.ask("PUT", f"/_data_stream/{stream}")
    block, older = "index.blocks.read_only_allow_delete", f".ds-{stream}-000001"
    node.ask("PUT", f"/{older}/_settings", {block: True})
    done = command("parse", str(log), "--to", node.url, "--namespace", "full")
    node.ask("PUT", f"/{older}/_settings", {block: None})
    node.ask("POST", f"/{stream}/_rollover")
    node.ask("PUT", f"/{older}/_settings", {block: True})
    again = command("parse", str(log), "--to", node.url, "--namespace", "full")

    told = "takes no documents now (index.blocks.read_only_allow_delete): make room on the disks of the cluster"
    assert (done.returncode, done.stderr) == (1, f"mfa-shipper: --to: {stream} {told}\n")
    assert again.returncode == 0, again.stderr


def test_a_path_where_no_cluster_is_stops_an_import(node: OpenSearch, tmp_path: Path) -> None:
    """`_bulk` answers below any path of one part, which is the name of an index to it."""
    log = tmp_path / "Mfa.log"
    generate(Recipe(lines=30, seed=3), log)
    done = command("parse", str(log), "--to", f"{node.url}/elastic")
    told = "the server knows of no index templates at this URL (400); is its path right?"
    assert (done.returncode, done.stderr) == (1, f"mfa-shipper: --to: {told}\n")


def test_a_sidecar_waits_for_the_template(node: OpenSearch, tmp_path: Path) -> None:
    """Nothing is made of guessed fields, and once the template is there it goes on by itself."""
    theirs = {"index_patterns": ["logs-azure_mfa.*-early"], "priority": 1000, "data_stream": {}, "template": {}}
    node.ask("PUT", "/_index_template/early", theirs)
    section = {"urls": [node.url], "namespace": "early"}
    shipper = Shipper(tmp_path, configuration(tmp_path, {"type": "elasticsearch", "elasticsearch": section}))
    log = tmp_path / "logs" / "Mfa.log"
    generate(Recipe(lines=300, seed=7), log)
    with open(log, "ab") as writing:
        writing.write(closing(log))
    shipper.start()
    until(lambda: "logs-azure_mfa.radius-early has no index template of ours" in shipper.said(), shipper.said)
    assert stored(node, "early") == []
    node.ask("DELETE", "/_index_template/early")
    wanted = sorted(event["event"]["id"] for event in parsed(log))
    until(lambda: len(stored(node, "early")) >= len(wanted), "all documents are there", every=0.5)
    assert shipper.terminate() == 0, shipper.said()
    assert stored(node, "early") == wanted


def test_a_sidecar_that_is_killed_loses_and_doubles_nothing(node: OpenSearch, tmp_path: Path) -> None:
    """SIGKILL in the middle, connections that are cut, a server that is away: each document is there once."""
    text = tmp_path / "text"
    generate(Recipe(lines=9000, seed=4), text)
    lines = text.read_bytes().splitlines(keepends=True)
    lines.append(closing(text))  # or the last exchanges would wait for their ends
    log = tmp_path / "logs" / "Mfa.log"
    log.parent.mkdir()
    proxy = Proxy(node.port)
    section = {"urls": [f"http://127.0.0.1:{proxy.port}"], "namespace": "sidecar"}
    output = {"type": "elasticsearch", "elasticsearch": section, "batch": {"max_age": "100ms", "max_events": 200}}
    shipper = Shipper(tmp_path, configuration(tmp_path, output))
    for third in range(3):
        with open(log, "ab") as writing:
            writing.write(b"".join(lines[third * 3000 : (third + 1) * 3000 + third]))
        shipper.start()
        passed = proxy.passed
        until(lambda passed=passed: proxy.passed > passed + 100_000, "a part of it is sent")  # type: ignore[misc]
        if third == 1:
            proxy.refusing = True
        proxy.cut()
        shipper.kill()
        proxy.refusing = False
    shipper.start()
    wanted = sorted(event["event"]["id"] for event in parsed(log))
    until(lambda: len(stored(node, "sidecar")) >= len(wanted), "all documents are there", every=0.5)
    assert shipper.terminate() == 0, shipper.said()
    proxy.close()

    assert stored(node, "sidecar") == wanted


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaLogs]:
    if not PROGRAM.exists():
        missing("VictoriaLogs, which make deploy-tools builds")
    with victoria_logs(tmp_path_factory.mktemp("victoria")) as running:
        yield running


def test_a_collector_that_is_not_ours_has_every_event(victoria: VictoriaLogs, tmp_path: Path) -> None:
    log, key = tmp_path / "Mfa.log", tmp_path / "key"
    generate(Recipe(lines=3000, seed=5), log)
    key.write_text("11111111-2222-3333-4444-555555555555\n", encoding="utf-8")
    done = command("parse", str(log), "--to", victoria.url, "--to-key", str(key))
    wanted = parsed(log)

    assert done.returncode == 0, done.stderr
    assert f"sent: {len(wanted):,} accepted\n" in done.stderr
    there = {event["event.event.id"]: event for event in victoria.find("*")}
    assert sorted(there) == sorted(event["event"]["id"] for event in wanted)
    for event in wanted:
        assert datetime.fromisoformat(there[event["event"]["id"]]["_time"]) == datetime.fromisoformat(event["@timestamp"])
        assert there[event["event"]["id"]].get("event.user.name") == event.get("user", {}).get("name")
