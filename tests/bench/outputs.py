"""The sidecar into servers over HTTP: a real OpenSearch, and as a collector a real VictoriaLogs or, where that is not built, ours."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.cases import MIB
from tests.bench.following import behind, usage
from tests.bench.measure import run
from tests.bench.table import Row, failed, verdict
from tests.support.deploy.loaded import install
from tests.support.generate import Recipe, closing, generate
from tests.support.http_server import Collector
from tests.support.jars import Unavailable
from tests.support.opensearch import OpenSearch
from tests.support.process import Shipper, configuration, until
from tests.support.victoria import PROGRAM, victoria_logs

MOST = 300_000  # lines of the backlog: these servers take a tenth of what Kafka takes
PEAK_TARGET = 96  # MiB

Count = Callable[[], int]


def catch_up_over_http(folder: Path, lines: int) -> Iterator[Row]:
    """How fast a backlog is delivered; what a query finds must be what `parse` makes of it."""
    lines = min(lines, MOST)
    backlog = folder / "backlog-http"
    generate(Recipe(lines=lines, seed=5), backlog)
    with open(backlog, "ab") as file:
        file.write(closing(backlog))  # or events of exchanges would wait for their ends
    for events in ("exchange", "line"):
        options = ["--no-progress", "--events", events, str(backlog)]
        parse = run(["mfa-shipper", "parse", *options])
        wanted = _events_of(folder, options)
        for server in (_opensearch, _collector):
            try:
                with server(folder / f"{events}{server.__name__}", events) as (name, output, count):
                    yield _row(
                        f"catch-up, {name}, one event per {events}", folder, backlog, lines, parse.wall, output, count, wanted
                    )
            except Unavailable as error:
                yield failed(f"catch-up, {server.__name__.strip('_')}", str(error))


def _events_of(folder: Path, options: list[str]) -> int:
    written = folder / "events"
    run(["mfa-shipper", "parse", "--output", str(written), *options])
    with open(written, "rb") as file:
        found = sum(1 for _ in file)
    written.unlink()
    return found


def _row(
    name: str, folder: Path, backlog: Path, lines: int, parse: float, output: dict[str, Any], count: Count, wanted: int
) -> Row:
    home = folder / "following"
    home.mkdir()
    shipper = Shipper(home, configuration(home, output))
    log = home / "logs" / "Mfa.log"
    shutil.copyfile(backlog, log)
    try:
        began = time.monotonic()
        shipper.start()
        until(lambda: not behind(shipper, log), "the backlog is delivered", 1800, 0.1)
        wall = time.monotonic() - began
        cpu, peak = usage(shipper)
        shipper.terminate()
    finally:
        if shipper.alive:
            shipper.kill()
        shutil.rmtree(home)
    if (there := count()) != wanted:
        return failed(name, f"{there} events are there and not {wanted}")
    return Row(
        name,
        f"{lines / wall / 1000:.0f} k lines/s",
        f"{parse / wall:.2f} of parse",
        f"{cpu / lines * 1e6:.1f} us CPU/line, {wanted / wall / 1000:.1f} k events/s, peak {peak / MIB:.0f} MiB",
        f"< {PEAK_TARGET} MiB",
        verdict(peak < PEAK_TARGET * MIB),
    )


@contextmanager
def _opensearch(folder: Path, events: str) -> Iterator[tuple[str, dict[str, Any], Count]]:
    node = OpenSearch(folder).start()
    try:
        install(node)

        def count() -> int:
            node.ask("POST", "/_refresh")
            return int(node.ask("GET", "/logs-azure_mfa.*-default/_count")["count"])

        output = {"type": "elasticsearch", "events": events, "elasticsearch": {"urls": [node.url]}}
        yield "elasticsearch into OpenSearch", output, count
    finally:
        node.stop()


@contextmanager
def _collector(folder: Path, events: str) -> Iterator[tuple[str, dict[str, Any], Count]]:
    output = {"type": "splunk_hec", "events": events}
    if PROGRAM.exists():
        with victoria_logs(folder) as victoria:
            section = {"url": victoria.url, "token": Collector.TOKEN}
            yield "splunk_hec into VictoriaLogs", {**output, "splunk_hec": section}, victoria.count
        return
    with Collector(acknowledges=True) as collector:
        section = {"url": collector.url, "token": Collector.TOKEN}
        yield "splunk_hec into a server in Python", {**output, "splunk_hec": section}, lambda: len(collector.events)
