"""The sidecar end to end: from a growing file into a real Kafka, with both clients, with and without exactly once, and into
servers over HTTP.

    python -m tests.bench.sidecar [--lines N] [--seconds S]

Speeds are compared with `parse` of the same log in the same run. An independent consumer
(confluent-kafka), on the same machine and clock, takes the times of arrival.
"""

import argparse
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

from confluent_kafka import Consumer

from tests.bench.following import behind, usage
from tests.bench.measure import run
from tests.bench.on_kafka import kafka, show
from tests.bench.outputs import catch_up_over_http
from tests.bench.table import Row, verdict
from tests.support.generate import Recipe, generate
from tests.support.kafka import Broker, create_topic
from tests.support.process import Shipper, configuration, until

MODES = [(client, exactly_once) for client in ("kafka-python", "confluent-kafka") for exactly_once in (False, True)]
RATE = 1000  # lines a second for the rows about delay and memory
CATCH_UP_TARGET = 0.5  # of the speed of `parse`: confluent-kafka, at least once
EXACTLY_ONCE_TARGET = 0.8  # of the speed of at least once
PEAK_TARGET = 96  # MiB
MIB = 1 << 20


class Bench:
    """A broker, a folder, and one shipper after the other."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.broker = broker
        self.folder = folder
        self._number = 0

    @contextmanager
    def shipper(self, client: str, exactly_once: bool, **batch: str) -> Iterator[tuple[Shipper, str, Path]]:
        """A shipper that is not started yet, its topic and the log that it reads."""
        self._number += 1
        folder = self.folder / str(self._number)
        folder.mkdir()
        topic = f"bench-{self._number}"
        create_topic(self.broker.address, topic)
        create_topic(self.broker.address, f"{topic}-state", 1, **{"cleanup.policy": "compact"})
        kafka = {
            "bootstrap_servers": [self.broker.address], "topic": topic, "client": client, "exactly_once": exactly_once,
            "state_topic": f"{topic}-state", "transactional_id": topic,
        }  # fmt: skip
        shipper = Shipper(folder, configuration(folder, {"type": "kafka", "kafka": kafka, "batch": batch}))
        try:
            yield shipper, topic, folder / "logs" / "Mfa.log"
        finally:
            if shipper.alive:
                shipper.terminate()
            shutil.rmtree(folder)


def catch_up(bench: Bench, backlog: Path, lines: int) -> Iterator[Row]:
    """How fast a backlog is delivered; `parse` runs again before each mode, because a shared machine's speed changes."""
    walls: dict[tuple[str, bool], float] = {}
    for client, exactly_once in MODES:
        parse = run(["mfa-shipper", "parse", "--no-progress", str(backlog)])
        with bench.shipper(client, exactly_once) as (shipper, _, log):
            shutil.copyfile(backlog, log)
            began = time.monotonic()
            shipper.start()
            until(lambda s=shipper, g=log: not behind(s, g), "the backlog is delivered", 1800, 0.1)  # type: ignore[misc]
            wall = walls[client, exactly_once] = time.monotonic() - began
            cpu, peak = usage(shipper)
        ratio = parse.wall / wall
        yield Row(
            "parse, to nowhere", f"{lines / parse.wall / 1000:.0f} k lines/s", "", f"{parse.cpu / lines * 1e6:.1f} us CPU/line"
        )
        measured = f"{lines / wall / 1000:.0f} k lines/s"
        spread = f"{cpu / lines * 1e6:.1f} us CPU/line, peak {peak / MIB:.0f} MiB"
        name = f"catch-up, {client}, {'exactly once' if exactly_once else 'at least once'}"
        if exactly_once:
            share = walls[client, False] / wall
            ratios = f"{share:.2f} of at least once, {ratio:.2f} of parse"
            yield Row(name, measured, ratios, spread, f">= {EXACTLY_ONCE_TARGET}", verdict(share >= EXACTLY_ONCE_TARGET))
        elif client == "confluent-kafka":
            yield Row(name, measured, f"{ratio:.2f} of parse", spread, f">= {CATCH_UP_TARGET}", verdict(ratio >= CATCH_UP_TARGET))
        else:
            yield Row(name, measured, f"{ratio:.2f} of parse", spread, f"< {PEAK_TARGET} MiB", verdict(peak < PEAK_TARGET * MIB))


def delays(bench: Bench, seconds: float, text: bytes) -> Iterator[Row]:
    """The time from the append of a line until a consumer has its event."""
    for client in ("kafka-python", "confluent-kafka"):
        for max_age, target in (("1s", 1.5), ("50ms", 0.15)):
            with bench.shipper(client, False, max_age=max_age) as (shipper, topic, log):
                log.touch()
                shipper.start()
                appended: dict[int, float] = {}
                seen = _consume(bench.broker.address, topic, shipper, seconds, text, log, appended)
            took = sorted(seen[offset] - appended[offset] for offset in seen if offset in appended)
            cuts = quantiles(took, n=100)
            yield Row(
                f"delay at {RATE} lines/s, {client}, max_age {max_age}", f"p50 {cuts[49] * 1000:.0f} ms",
                f"p99 {cuts[98] * 1000:.0f} ms", f"{len(took)} events", f"p99 < {target * 1000:.0f} ms", verdict(cuts[98] < target),
            )  # fmt: skip


def _consume(
    address: str, topic: str, shipper: Shipper, seconds: float, text: bytes, log: Path, appended: dict[int, float]
) -> dict[int, float]:
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": topic,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 5,
            "fetch.min.bytes": 1,
        }
    )
    consumer.subscribe([topic])
    # Wait for the event of a first line, so that neither the shipper's start nor the consumer's is measured.
    first = text[: text.index(b"\n") + 1]
    log.write_bytes(first)
    until(lambda: consumer.poll(0.05) is not None, "the first event comes", 60, 0)
    writer = threading.Thread(target=append, args=(text, log, seconds, appended))
    seen: dict[int, float] = {}
    total = min(int(RATE * seconds), text.count(b"\n"))
    writer.start()
    end = time.monotonic() + seconds + 8  # not all lines become a countable event: those that no pattern matches do not
    while len(seen) < total and time.monotonic() < end:
        for message in consumer.consume(500, 0.02):
            document = json.loads(message.value() or b"{}")
            if document.get("event", {}).get("kind") == "event":
                seen.setdefault(document["log"]["offset"], time.monotonic())
    writer.join()
    consumer.close()
    return seen


def append(text: bytes, log: Path, seconds: float, appended: dict[int, float]) -> None:
    """Append lines one by one at `RATE`, and note in `appended` when each was written, by offset."""
    offset = log.stat().st_size if log.exists() else 0
    began = time.monotonic()
    with open(log, "ab", buffering=0) as file:
        for number, line in enumerate(text.splitlines(keepends=True)[: int(RATE * seconds)]):
            due = began + number / RATE
            if (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            file.write(line)
            appended[offset] = time.monotonic()
            offset += len(line)


def outage(bench: Bench, seconds: float, text: bytes) -> Iterator[Row]:
    """Memory while the broker is down and the log grows."""
    with bench.shipper("kafka-python", False) as (shipper, _, log):
        log.touch()
        shipper.start()
        append(text[: text.index(b"\n", len(text) // 20) + 1], log, 3, {})
        until(lambda: not behind(shipper, log), "the first lines are delivered", 60)
        before = shipper.rss()
        bench.broker.kill()
        append(text, log, seconds, {})
        _, peak = usage(shipper)
        bench.broker.start()
        until(lambda: not behind(shipper, log), "all is delivered", 120)
    yield Row(
        f"memory, broker down for {seconds:.0f} s at {RATE} lines/s", f"peak {peak / MIB:.0f} MiB", f"before {before / MIB:.0f} MiB",
        "", f"< {PEAK_TARGET} MiB", verdict(peak < PEAK_TARGET * MIB),
    )  # fmt: skip


def start(bench: Bench, text: bytes) -> Iterator[Row]:
    """From the start of the process to its first event in the topic."""
    for client in ("kafka-python", "confluent-kafka"):
        with bench.shipper(client, False, max_age="50ms") as (shipper, topic, log):
            log.write_bytes(text[:4000])
            consumer = Consumer({"bootstrap.servers": bench.broker.address, "group.id": topic, "auto.offset.reset": "earliest"})
            consumer.subscribe([topic])
            consumer.poll(3)  # lets it join its group
            began = time.monotonic()
            shipper.start()
            until(lambda c=consumer: c.poll(0.01) is not None, "an event comes", 30, 0)  # type: ignore[misc]
            took = time.monotonic() - began
            consumer.close()
        yield Row(f"start to the first delivered event, {client}", f"{took:.2f} s")


def idle(bench: Bench, seconds: float, text: bytes) -> Iterator[Row]:
    """The CPU time it takes to watch files that do not grow."""
    with bench.shipper("kafka-python", False) as (shipper, _, log):
        for number in range(20):
            log.with_name(f"Mfa{number}.log").write_bytes(
                b"2017-02-14T02:57:%02d" % number + text[19:4000].partition(b"\n")[0] + b"\n"
            )
        shipper.start()
        time.sleep(5)
        before, _ = usage(shipper)
        time.sleep(seconds)
        share = (usage(shipper)[0] - before) / seconds
    yield Row("idle, 20 quiet files", f"{share:.2%} of a core", target="< 1%", result=verdict(share < 0.01))


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--lines", type=int, default=2_000_000, help="of the backlog")
    arguments.add_argument("--seconds", type=float, default=60.0, help="for each row that takes a given time")
    given: Any = arguments.parse_args()
    with kafka() as (broker, folder):
        bench = Bench(broker, folder)
        backlog = folder / "backlog"
        generate(Recipe(lines=given.lines, seed=5), backlog)
        generate(Recipe(lines=int(RATE * given.seconds), seed=6), folder / "growing")
        text = (folder / "growing").read_bytes()
        show(
            [
                catch_up(bench, backlog, given.lines), delays(bench, given.seconds / 2, text), start(bench, text),
                idle(bench, given.seconds / 2, text), outage(bench, given.seconds, text), catch_up_over_http(folder, given.lines),
            ]
        )  # fmt: skip


if __name__ == "__main__":
    main()
