"""`parse --to`, as a process, into servers that are away, come back, or never do."""

import gzip
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from tests.support.generate import Recipe, generate
from tests.support.http_server import Cluster, Collector, HttpServer, Reply
from tests.support.process import until


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "Mfa.log"
    path.parent.mkdir()
    generate(Recipe(lines=3000, seed=9), path)
    return path


@contextmanager
def importing(*arguments: object) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "shipper", "parse", *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, preexec_fn=listen) as process:
        try:
            yield process
        finally:
            process.kill()


def listen() -> None:
    """A test that runs in the background must not pass on that it ignores interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Its exit status and what it said; nothing goes to standard output."""
    out, said = process.communicate(timeout=60)
    assert out == ""
    return process.returncode, said


def test_a_server_that_comes_back_is_told(log: Path) -> None:
    with Cluster() as cluster:
        cluster.faults.extend([Reply(429, {"error": "busy"}), Reply(503, b"")])
        with importing(log, "--to", cluster.url) as process:
            status, said = ended(process)
    assert status == 0
    assert "the cluster is busy or ill (429): busy; trying again\n" in said
    assert said.count("mfa-shipper: the server takes events again\n") == 1
    assert f"  sent: {len(cluster.documents):,} created; tried again 2 times\n" in said


@pytest.mark.posix("signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_an_import_that_is_ended_says_how_far_it_came(number: signal.Signals, status: int, log: Path) -> None:
    with Cluster() as cluster:
        with importing(log, "--to", cluster.url, "--quiet") as process:
            assert ended(process) == (0, "")
        everything = len(cluster.documents)
        cluster.documents.clear()
        cluster.room = 1
        with importing(log, "--to", cluster.url) as process:
            until(lambda: cluster.refused > 1, "a part is taken, and then nothing")
            process.send_signal(number)
            code, said = ended(process)
    assert code == status
    assert re.search(r"^  sent: .*; it was not finished$", said, re.MULTILINE), said
    assert 0 < len(cluster.documents) < everything


def test_of_a_file_that_ends_too_early_all_that_is_readable_arrives(log: Path, tmp_path: Path) -> None:
    cut = tmp_path / "Mfa.log.gz"
    cut.write_bytes(gzip.compress(log.read_bytes())[:-500])
    with Cluster() as cluster, importing(cut, "--to", cluster.url, "--events", "line") as process:
        status, said = ended(process)
    assert status == 1
    readable = [orjson.loads(document) for document in cluster.documents.values()]
    assert f"  sent: {len(readable):,} created\nmfa-shipper: {cut}: the gzip file ends too early" in said
    assert "it was not finished" not in said
    lines = {event["event"]["original"] for event in readable if event["event"]["kind"] != "alert"}
    assert 1000 < len(lines) < 3000
    assert lines <= set(log.read_text(encoding="utf-8").splitlines())


def test_findings_alone(log: Path) -> None:
    with Cluster() as cluster, importing(log, "--to", cluster.url, "--only", "findings") as process:
        status, said = ended(process)
    kinds = {orjson.loads(document)["event"]["kind"] for document in cluster.documents.values()}
    assert (status, kinds) == (0, {"alert"}), said


def test_from_standard_input(log: Path) -> None:
    with Cluster() as cluster:
        for source in (log, "-"):
            command = [sys.executable, "-m", "shipper", "parse", str(source), "--to", cluster.url]
            with open(log, "rb") as file:
                done = subprocess.run(command, stdin=file, capture_output=True, check=False, text=True)
            assert done.returncode == 0, done.stderr
        assert f"  sent: {len(cluster.documents):,} there already\n" in done.stderr


@pytest.mark.parametrize("options", [["--across"], ["--where", "user.name=*1*"], ["--events", "line"], ["--pseudonyms", "KEY"]])
def test_what_parse_makes_arrives(options: list[str], log: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0123456789abcdef", encoding="utf-8")
    (tmp_path / "key").chmod(0o600)
    options = [option.replace("KEY", str(tmp_path / "key")) for option in options]
    written = tmp_path / "written"
    parse = [log, "--format", "elastic-bulk", "--output", written]
    events = [] if "--events" in options else ["--events", "exchange"]
    with importing(*parse, *options, *events) as process:
        assert ended(process)[0] == 0
    with Cluster() as cluster, importing(log, "--to", cluster.url, *options) as process:
        status, said = ended(process)
    assert status == 0, said
    assert sorted(cluster.documents.values()) == sorted(written.read_bytes().splitlines()[1::2])


def test_the_index_of_splunk_is_refused_for_a_cluster(log: Path) -> None:
    with Cluster() as cluster, importing(log, "--to", cluster.url, "--to-index", "mfa") as process:
        status, said = ended(process)
    assert (status, len(cluster.documents)) == (2, 0)
    assert "--to-index is for Splunk; of Elasticsearch and OpenSearch, --namespace says into which data streams" in said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Mfa.log", "is one of the logs to read; give another name"),
        ("key", "is a file that an option reads; give another name"),
        ("no/refused.ndjson", "it cannot be written: No such file or directory"),
        ("other.ndjson", "it holds something else than refused events; give another name"),
    ],
)
def test_refused_events_are_kept_where_they_harm_nobody(name: str, said: str, log: Path, tmp_path: Path) -> None:
    """They are appended: to a log, another program's file, or nowhere at all and for ever."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "Mfa.log").write_bytes(log.read_bytes())
    (folder / "other.ndjson").write_text('{"event": 1}\n', encoding="utf-8")
    (folder / "key").write_text("SECRET-SECRET-SECRET", encoding="utf-8")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    given = ["--to-key", folder / "key", "--refused", folder / name]
    with Cluster() as cluster, importing(folder / "Mfa.log", "--to", cluster.url, *given) as process:
        status, told = ended(process)
    assert (status, len(cluster.documents)) == (2, 0)
    assert f"--refused {folder / name}" in told
    assert said in told
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_refused_events_of_an_earlier_import_stay(log: Path, tmp_path: Path) -> None:
    kept = tmp_path / "refused.ndjson"
    letter = b'{"time":"2026-01-01T00:00:00.000Z","reason":"400","id":"ab-1","offset":1,"line":"{}"}\n'
    kept.write_bytes(letter)
    with Cluster() as cluster, importing(log, "--to", cluster.url, "--refused", kept) as process:
        assert ended(process)[0] == 0
    assert kept.read_bytes() == letter


def test_the_key_is_told_to_nobody_but_the_server(log: Path, tmp_path: Path) -> None:
    """Not even where the server says it: some repeat what they were sent."""
    key = tmp_path / "key"
    key.write_text("SECRET-SECRET-SECRET", encoding="utf-8")
    mirror = HttpServer(lambda request: Reply(403, {"error": {"reason": f"no {request.headers.get('Authorization')}"}}))
    with mirror as server, importing(log, "--to", server.url, "--to-key", key) as process:
        status, said = ended(process)
    assert status == 1
    assert "we may not write there (403)" in said
    assert "SECRET" not in said


def test_a_collector_has_every_event(log: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(Collector.TOKEN, encoding="utf-8")
    with Collector(acknowledges=True) as collector:
        collector.faults.extend([Reply(0), Reply(503, {"text": "Server is busy", "code": 9}, {"Retry-After": "1"})])
        with importing(log, "--to", collector.url, "--to-key", key, "--to-index", "mfa") as process:
            status, said = ended(process)
    assert status == 0, said
    ids = Counter(event["event"]["event"]["id"] for event in collector.events)
    assert f"  sent: {len(ids):,} accepted; tried again 2 times\n" in said
    assert set(ids.values()) == {1}
    assert {event["index"] for event in collector.events} == {"mfa"}
