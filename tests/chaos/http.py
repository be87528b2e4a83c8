"""A sidecar into servers over HTTP that are killed, busy, out of reach or half closed, and that is killed itself; nothing may be lost.

    python -m tests.chaos.http 1-20 --into opensearch

The judge asks the server which ids it has: into Elasticsearch and OpenSearch each must be there once, into a collector at least once.
The same seed repeats the same plan.
"""

import argparse
import contextlib
import http.client
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from shipper.testing import LogWriter
from tests.chaos.proxy import Proxy
from tests.chaos.seeds import seeds_of
from tests.chaos.server import Server
from tests.support.deploy.loaded import install
from tests.support.generate import Recipe, generate
from tests.support.http_server import Cluster, Collector, HttpServer, Reply, Request
from tests.support.jars import free_port
from tests.support.opensearch import OpenSearch, Refused
from tests.support.process import Shipper, configuration, expected, until

PAUSES: tuple[Mapping[str, str], ...] = ({}, {"Retry-After": "1"}, {"Retry-After": "a date"})


class Side(Protocol):
    """What events go into.

    Attributes:
        port: where it answers.
        faults: replies to the next requests that bring events.
        repeats: True if an event may be there twice.
    """

    port: int
    repeats: bool

    @property
    def faults(self) -> Any: ...

    def output(self, port: int) -> dict[str, Any]:
        """The section of the configuration, with the port of a proxy."""

    def kill(self) -> None:
        """As SIGKILL."""

    def start(self) -> None:
        """Be there, with what was acknowledged before."""

    def ids(self) -> Counter[str]:
        """How often each event is there."""


class InMemory:
    """A cluster or a collector in this process."""

    def __init__(self, kind: str) -> None:
        self.port = free_port()
        self.repeats = kind != "cluster"
        self._acknowledges = kind == "acknowledging"
        self._documents: dict[str, bytes] = {}
        self._events: list[dict[str, Any]] = []
        self._server: Cluster | Collector
        self._ends = contextlib.ExitStack()

    @property
    def faults(self) -> Any:
        return self._server.faults

    def output(self, port: int) -> dict[str, Any]:
        url = f"http://127.0.0.1:{port}"
        if not self.repeats:
            return {"type": "elasticsearch", "elasticsearch": {"urls": [url]}}
        return {"type": "splunk_hec", "splunk_hec": {"url": url, "token": Collector.TOKEN}}

    def start(self) -> None:
        if self.repeats:
            self._server = Collector(acknowledges=self._acknowledges, port=self.port)
            self._server.polls = 2
        else:
            self._server = Cluster(self._documents, port=self.port)
        self._ends.enter_context(self._server)

    def kill(self) -> None:
        self._ends.close()
        if isinstance(self._server, Collector):
            self._events += self._server.events

    def ids(self) -> Counter[str]:
        if isinstance(self._server, Cluster):
            return Counter(list(self._documents))
        return Counter(event["event"]["event"]["id"] for event in [*self._events, *self._server.events])


class Real:
    """OpenSearch, behind a server that can be busy in its place."""

    repeats = False

    def __init__(self, folder: Path, namespace: str, node: OpenSearch | None = None) -> None:
        self.node = node or OpenSearch(folder).start()
        self._namespace = namespace
        self._front = HttpServer(self._forward)
        self._front.is_fault_for = lambda request: request.path == "/_bulk" and bool(request.body)  # type: ignore[method-assign]
        self.port = int(self._front.url.rpartition(":")[2])
        self._front.__enter__()

    @property
    def faults(self) -> Any:
        return self._front.faults

    def _forward(self, request: Request) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.node.port, timeout=60)
        try:
            path = f"{request.path}?{urlencode(request.query, doseq=True)}"
            connection.request(request.method, path, request.body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return Reply(answer.status, answer.read())
        except (OSError, http.client.HTTPException):
            return Reply(0)
        finally:
            connection.close()

    def output(self, port: int) -> dict[str, Any]:
        return {"type": "elasticsearch", "elasticsearch": {"urls": [f"http://127.0.0.1:{port}"], "namespace": self._namespace}}

    def start(self) -> None:
        self.node.start()

    def kill(self) -> None:
        self.node.kill()

    def ids(self) -> Counter[str]:
        found: Counter[str] = Counter()
        body: dict[str, Any] = {"size": 5000, "_source": False, "sort": ["_doc"], "query": {"match_all": {}}}
        with contextlib.suppress(OSError, http.client.HTTPException, Refused):  # it is not up again
            self.node.ask("POST", "/_refresh")
            page = self.node.ask("POST", f"/logs-azure_mfa.*-{self._namespace}/_search?scroll=1m", body)
            while hits := page["hits"]["hits"]:
                found.update(hit["_id"] for hit in hits)
                page = self.node.ask("POST", "/_search/scroll", {"scroll": "1m", "scroll_id": page["_scroll_id"]})
        return found


def run(side: Side, seed: int, folder: Path, lines: int = 3000, troubles: int = 6) -> str:
    """One run; the numbers. AssertionError: something is lost, or there twice."""
    rnd = random.Random(seed)
    proxy = Proxy(side.port)
    output = {
        **side.output(proxy.port),
        "events": "line",
        "batch": {"max_age": "50ms", "max_events": rnd.choice((50, 200, 1000))},
    }
    shipper = Shipper(folder, configuration(folder, output))
    generate(Recipe(lines=lines, seed=seed, users=40), folder / "text")
    server = Server(LogWriter(str(folder / "logs" / "Mfa.log")), (folder / "text").read_bytes(), rnd)
    done: list[str] = []
    shipper.start()
    try:
        for _ in range(troubles):
            passed, some = proxy.passed, rnd.randrange(20_000)
            server.write(0.9 / troubles, whole=True, rotate=0.1)
            until(lambda: proxy.passed > passed + some, "it is sending")  # noqa: B023  called at once
            trouble = rnd.choice((_kill_shipper, _kill_server, _storm, _half_close, _cut, _refuse))
            done.append(trouble.__name__.strip("_"))
            trouble(side, proxy, shipper, server, rnd)
        server.write(1.0)
        wanted = set(expected(server.writer.generations, folder))
        until(lambda: wanted <= side.ids().keys(), lambda: f"{len(wanted - side.ids().keys())} lost after {done}", every=0.5)
        assert shipper.terminate() == 0, shipper.said()
    finally:
        if shipper.alive:
            shipper.kill()
        proxy.close()
    there = side.ids()
    repeated = there.total() - len(there)
    assert there.keys() == wanted, f"{len(there.keys() - wanted)} that nobody wrote, after {done}"
    assert side.repeats or not repeated, f"{repeated} are there twice, after {done}"
    assert not (folder / "state" / "dead_letters.ndjson").exists()
    return f"{len(wanted)} events, 0 lost, {repeated} repeated; {', '.join(done)}"


def _kill_shipper(side: Side, proxy: Proxy, shipper: Shipper, server: Server[LogWriter], rnd: random.Random) -> None:
    shipper.kill()
    shipper.start()


def _kill_server(side: Side, proxy: Proxy, shipper: Shipper, server: Server[LogWriter], rnd: random.Random) -> None:
    side.kill()
    proxy.cut()
    side.start()


def _storm(side: Side, proxy: Proxy, shipper: Shipper, server: Server[LogWriter], rnd: random.Random) -> None:
    number = rnd.randrange(1, 4)
    for _ in range(number):
        pause = dict(rnd.choice(PAUSES))
        if pause.get("Retry-After") == "a date":
            pause = {"Retry-After": formatdate(time.time() + 1, usegmt=True)}
        side.faults.append(Reply(rnd.choice((429, 503)), {"text": "Server is busy", "code": 9}, pause))


def _half_close(side: Side, proxy: Proxy, shipper: Shipper, server: Server[LogWriter], rnd: random.Random) -> None:
    proxy.half_close()


def _cut(side: Side, proxy: Proxy, shipper: Shipper, server: Server[LogWriter], rnd: random.Random) -> None:
    proxy.cut()


def _refuse(side: Side, proxy: Proxy, shipper: Shipper, server: Server[LogWriter], rnd: random.Random) -> None:
    refused, proxy.refusing = proxy.refused, True
    proxy.cut()
    server.write(0.01, whole=True)  # or it may rest
    until(lambda: proxy.refused > refused, "it tries again")
    proxy.refusing = False


@contextlib.contextmanager
def sides(into: str, folder: Path) -> Iterator[Callable[[int], Side]]:
    """What makes the other side of a run, by its seed."""
    if into == "opensearch":
        node = OpenSearch(folder / "node").start()
        try:
            install(node)
            yield lambda seed: Real(folder, f"chaos{seed}", node)
        finally:
            node.stop()
        return

    with contextlib.ExitStack() as ends:

        def make(seed: int) -> Side:
            side = InMemory(into)
            side.start()
            ends.callback(side.kill)
            return side

        yield make


def main() -> None:
    """Run seeds, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seeds", type=seeds_of, help="one, or FIRST-LAST")
    parser.add_argument("--into", choices=("opensearch", "cluster", "collector", "acknowledging"), default="cluster")
    given = parser.parse_args()
    failed = 0
    with (
        tempfile.TemporaryDirectory(prefix="mfa-http-", ignore_cleanup_errors=True) as root,
        sides(given.into, Path(root)) as side_of,
    ):
        for seed in given.seeds:
            folder = Path(root, str(seed))
            folder.mkdir()
            began = time.monotonic()
            try:
                said = run(side_of(seed), seed, folder)
            except AssertionError as error:
                failed += 1
                said = f"FAILED: {error}"
            print(f"{given.into} {seed:4} {time.monotonic() - began:5.1f} s: {said}", flush=True)
    print(f"http: {failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
