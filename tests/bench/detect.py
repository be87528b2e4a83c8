"""`detect` over a real Kafka: events a second of CPU with one instance and with two, memory, starts, and how soon a finding comes.

    python -m tests.bench.detect [--lines N] [--rounds N] [--seconds S]

A real sidecar fills the topic once; each run reads it from the beginning with a new group. What an instance has taken when it says
that it detects is its start and is told apart, because it does not grow with the events.
"""

import argparse
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.bench.cases import MIB, PLAIN_LOOP
from tests.bench.following import behind, usage
from tests.bench.measure import run
from tests.bench.on_kafka import kafka, show
from tests.bench.table import Row, verdict
from tests.support.generate import Recipe, closing, generate
from tests.support.kafka import Broker, create_topic, free_port
from tests.support.process import Shipper, configuration, until

BUCKETS = 4
THROUGHPUT_TARGET = 20  # thousands of events a second of CPU
PEAK_TARGET = 256  # MiB
START_TARGET = REPLACED_TARGET = 10.0  # seconds
DELAY_TARGET = 0.5
DEARER_TARGET = FLAT_TARGET = 1.05  # two instances of one; 10,000 users a bucket of 100
RATE = 100  # pairs a second
DONE = re.compile(r"^mfa_shipper_detect_(events|completions|judged|waiting|late)(?:_total)? ([0-9.e+]+)$", re.MULTILINE)


class Instance(Shipper):
    """One `detect`, its pages, and what it had taken when it was ready."""

    def __init__(self, folder: Path, address: str, topic: str, group: str, **detect: Any) -> None:
        folder.mkdir(parents=True)
        self.port = free_port()
        kafka = {"bootstrap_servers": [address], "topic": topic, "alert_topic": f"{group}-alerts"}
        config = {
            "state_dir": str(folder / "state"), "output": {"type": "kafka", "kafka": kafka},
            "detect": {"group": group, "partitions": BUCKETS, "idle_timeout": "1s", **detect},
            "metrics": {"listen": f"127.0.0.1:{self.port}"},
        }  # fmt: skip
        super().__init__(folder, config, verb="detect")

    def ready(self) -> float:
        """Wait until it detects; returns the CPU seconds that this took."""
        until(lambda: " detecting\n" in self.said(), self.said, 120, 0.02)
        return usage(self)[0]

    def done(self) -> dict[str, float]:
        """What is committed, by the names of its metrics."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                return {name: float(number) for name, number in DONE.findall(answer.read().decode())}
        except (URLError, TimeoutError):
            return {}


class Bench:
    """A broker, topics full of events, and groups of instances that read them."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.broker, self.folder = broker, folder
        self._number = 0

    def fill(self, recipe: Recipe) -> tuple[str, int]:
        """A topic with the events of a log; returns its name and how many there are."""
        self._number += 1
        topic, folder = f"events-{self._number}", self.folder / f"sidecar-{self._number}"
        folder.mkdir()
        create_topic(self.broker.address, topic, BUCKETS)
        kafka = {"bootstrap_servers": [self.broker.address], "topic": topic, "client": "confluent-kafka"}
        sidecar = Shipper(
            folder,
            configuration(folder, {"type": "kafka", "kafka": kafka}, pipeline={"detectors": [], "host": {"name": "mfa01"}}),
        )
        log = folder / "logs" / "Mfa.log"
        generate(recipe, log)
        with open(log, "ab") as file:
            file.write(closing(log))
        sidecar.start()
        until(lambda: not behind(sidecar, log), sidecar.said, 600, 0.2)
        sidecar.terminate()
        shutil.rmtree(folder)
        consumer = Consumer({"bootstrap.servers": self.broker.address, "group.id": topic})
        partitions = consumer.list_topics(topic).topics[topic].partitions
        events = sum(consumer.get_watermark_offsets(TopicPartition(topic, number))[1] for number in partitions)
        consumer.close()
        return topic, events

    @contextmanager
    def group(self, topic: str, instances: int, **detect: Any) -> Iterator[list[Instance]]:
        """Instances of a new group, not started yet; they are ended."""
        self._number += 1
        name = f"group-{self._number}"
        create_topic(self.broker.address, f"{name}-alerts", 1)
        folder = self.folder / name
        members = [Instance(folder / str(one), self.broker.address, topic, name, **detect) for one in range(instances)]
        try:
            yield members
        finally:
            for member in members:
                if member.alive:
                    member.terminate()
            shutil.rmtree(folder)


def catch_up(bench: Bench, topic: str, events: int, instances: int) -> tuple[float, float, float, int]:
    """CPU seconds after the starts, those of the starts, wall seconds, and the largest peak in bytes of a group that catches up."""
    with bench.group(topic, instances) as members:
        began = time.monotonic()
        for member in members:
            member.start()
        starts = sum(member.ready() for member in members)
        until(lambda: _is_through(members, events), lambda: "\n".join(m.said() for m in members), 900, 0.25)
        wall = time.monotonic() - began
        usages = [usage(member) for member in members]
    return sum(cpu for cpu, _ in usages) - starts, starts, wall, max(peak for _, peak in usages)


def _is_through(members: Sequence[Instance], events: int) -> bool:
    """All events are read, and their authentications judged or, if they are the newest, waiting."""
    done = [member.done() for member in members]
    if not all(done) or sum(one["events"] for one in done) < events:
        return False
    return sum(one["judged"] + one["waiting"] for one in done) >= sum(one["completions"] for one in done)


def throughput(bench: Bench, lines: int, rounds: int) -> Iterator[Row]:
    """One instance and two in turns, because a shared machine's speed changes. The plain loop tells how fast the machine is."""
    recipe, log = Recipe(lines=lines, seed=7), bench.folder / "plain"
    generate(recipe, log)
    plain = run((*PLAIN_LOOP, str(log), os.devnull))
    yield Row("plain loop", f"{lines / plain.cpu / 1000:.0f} k lines/CPU s")
    topic, events = bench.fill(recipe)
    runs: dict[int, list[tuple[float, float, float, int]]] = {1: [], 2: []}
    for turn in range(rounds):
        for instances in (1, 2) if turn % 2 else (2, 1):
            runs[instances].append(catch_up(bench, topic, events, instances))
    for instances, taken in runs.items():
        speed = events / median(cpu + start for cpu, start, _, _ in taken) / 1000
        yield Row(
            f"{events} events, {instances} of detect", f"{speed:.1f} k events/CPU s, starts included",
            f"{events / median(one[0] for one in taken) / 1000:.1f} k without",
            f"{median(one[2] for one in taken):.1f} s, starts {median(one[1] for one in taken) / instances:.2f} s of CPU each",
            f">= {THROUGHPUT_TARGET}", verdict(speed >= THROUGHPUT_TARGET),
        )  # fmt: skip
        peak = max(one[3] for one in taken) / MIB
        yield Row(
            f"peak of {instances} while catching up",
            f"{peak:.0f} MiB",
            target=f"< {PEAK_TARGET} MiB",
            result=verdict(peak < PEAK_TARGET),
        )
    ratios = [two[0] / one[0] for one, two in zip(runs[1], runs[2], strict=True)]
    yield Row(
        "CPU of an event, two instances of one", f"{median(ratios):.2f}", spread=f"{min(ratios):.2f}..{max(ratios):.2f}",
        target=f"<= {DEARER_TARGET}", result=verdict(median(ratios) <= DEARER_TARGET),
    )  # fmt: skip


def flat(bench: Bench, lines: int, rounds: int) -> Iterator[Row]:
    """The cost of an event must not grow with the users of a bucket."""
    topics = {users: bench.fill(Recipe(lines=lines, seed=8, users=users * BUCKETS)) for users in (100, 10_000)}
    costs: dict[int, list[float]] = {users: [] for users in topics}
    for _ in range(rounds):
        for users, (topic, events) in topics.items():
            costs[users].append(catch_up(bench, topic, events, 1)[0] / events)
    ratios = [many / few for few, many in zip(*costs.values(), strict=True)]
    yield Row(
        "CPU of an event, 10,000 users a bucket of 100", f"{median(ratios):.2f}", spread=f"{min(ratios):.2f}..{max(ratios):.2f}",
        target=f"<= {FLAT_TARGET}", result=verdict(median(ratios) <= FLAT_TARGET),
    )  # fmt: skip


class Pairs:
    """Double prompts that happen now, into a topic of their own, and when their findings come."""

    def __init__(self, address: str, topic: str, alerts: str) -> None:
        self.topic = topic
        self.sent: dict[str, float] = {}
        self.came: dict[str, float] = {}
        self._producer = Producer({"bootstrap.servers": address, "linger.ms": 1})
        self._consumer = Consumer(
            {
                "bootstrap.servers": address, "group.id": f"{alerts}-seen", "auto.offset.reset": "earliest",
                "isolation.level": "read_committed", "fetch.wait.max.ms": 5,
            }
        )  # fmt: skip
        self._consumer.subscribe([alerts])
        self._stop = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def send(self, seconds: float) -> None:
        """Send `RATE` pairs a second, evenly."""
        began = time.monotonic()
        for number in range(int(RATE * seconds)):
            if (wait := began + number / RATE - time.monotonic()) > 0:
                time.sleep(wait)
            self.one()

    def one(self) -> str:
        """Send one pair; returns its user, who comes only once."""
        user, now = f"u{len(self.sent)}", time.time()
        for step, end in enumerate((now - 5, now)):
            self._producer.produce(self.topic, _approval(user, step, end), user.encode())
        self.sent[user] = time.monotonic()
        self._producer.flush(20)
        return user

    def all_came(self) -> bool:
        """True once each pair has its finding."""
        return len(self.came) >= len(self.sent)

    def delays(self, since: int = 0) -> list[float]:
        """Seconds from the second event to the finding, sorted, of the pairs from number `since` on."""
        return sorted(self.came[user] - sent for user, sent in list(self.sent.items())[since:] if user in self.came)

    def close(self) -> None:
        """End the reader."""
        self._stop.set()
        self._reader.join()
        self._consumer.close()

    def _read(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(500, 0.02):
                value = message.value()
                if message.error() is None and value is not None:
                    self.came.setdefault(json.loads(value)["user"]["name"], time.monotonic())


def _approval(user: str, number: int, end: float) -> bytes:
    """An event with which a prompt of two seconds ends, as a sidecar ships it."""
    begin, ended = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.%f}000Z" for at in (end - 2, end))
    exchange = f"{int(end * 1e9):020}-{number:08}"
    event = {
        "id": f"{exchange}-3-{user}", "module": "azure_mfa", "kind": "event", "provider": "pfrad",
        "action": "mfa-status", "outcome": "success", "start": begin, "end": ended,
    }  # fmt: skip
    code = {"code": 21, "description": "Approved", "class": "authenticated", "prompted": True, "method": "mobile_app"}
    azure = {"status": code, "exchange": {"id": exchange}}
    return json.dumps(
        {"@timestamp": ended, "event": event, "azure_mfa": azure, "user": {"name": user}, "host": {"name": "mfa01"}}
    ).encode()


@contextmanager
def pairs(bench: Bench, instances: int) -> Iterator[tuple[Pairs, list[Instance]]]:
    """A group without lateness, not started yet, and pairs for it."""
    bench._number += 1
    topic = f"pairs-{bench._number}"
    create_topic(bench.broker.address, topic, BUCKETS)
    with bench.group(topic, instances, lateness="0s") as members:
        sent = Pairs(bench.broker.address, topic, f"group-{bench._number}-alerts")
        try:
            yield sent, members
        finally:
            sent.close()


def delay(bench: Bench, seconds: float) -> Iterator[Row]:
    """From an event to its finding; then one of two instances is killed."""
    with pairs(bench, 2) as (sent, members):
        for member in members:
            member.start()
            member.ready()
        sent.send(5)
        until(sent.all_came, "the first findings come", 60, 0.1)
        first = len(sent.sent)
        sent.send(seconds)
        until(sent.all_came, "the findings come", 60, 0.1)
        took = sent.delays(first)
        cuts = quantiles(took, n=100)
        yield Row(
            f"event to finding, {RATE} pairs/s, lateness 0s", f"p50 {cuts[49]:.2f} s", f"p99 {cuts[98]:.2f} s",
            f"slowest of {len(took)}: {took[-1]:.2f} s", f"p99 < {DELAY_TARGET} s", verdict(cuts[98] < DELAY_TARGET),
        )  # fmt: skip
        first = len(sent.sent)
        members[0].kill()
        sent.send(20)
        until(sent.all_came, "the findings come after a kill", 60, 0.1)
        slowest = sent.delays(first)[-1]
        yield Row(
            "one of two killed: the longest wait for a finding", f"{slowest:.1f} s", target=f"< {REPLACED_TARGET:.0f} s",
            result=verdict(slowest < REPLACED_TARGET),
        )  # fmt: skip


def starts(bench: Bench, lines: int) -> Iterator[Row]:
    """From the start of the process to the finding of a pair that waits in the topic."""
    topic, events = bench.fill(Recipe(lines=lines, seed=9))
    with bench.group(topic, 1, lateness="0s") as (member,):
        group = f"group-{bench._number}"
        sent = Pairs(bench.broker.address, topic, f"{group}-alerts")
        try:
            member.start()
            member.ready()
            until(lambda: _is_through([member], events), member.said, 300, 0.25)
            yield _started(member, sent, "its state is there")
            shutil.rmtree(member.folder / "state" / "detect")
            yield _started(member, sent, "its state is read from the changelog")
        finally:
            sent.close()
    with pairs(bench, 1) as (sent, (member,)):
        yield _started(member, sent, "without a state")


def _started(member: Instance, sent: Pairs, which: str) -> Row:
    if member.alive:
        member.terminate()
    user = sent.one()
    began = time.monotonic()
    member.start()
    until(lambda: user in sent.came, member.said, 120, 0.02)
    took = time.monotonic() - began
    return Row(
        f"start to a finding, {which}", f"{took:.1f} s", target=f"< {START_TARGET:.0f} s", result=verdict(took < START_TARGET)
    )


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--lines", type=int, default=600_000, help="of the log that is caught up with")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=30.0, help="of the pairs")
    given: Any = arguments.parse_args()
    with kafka() as (broker, folder):
        bench = Bench(broker, folder)
        show(
            [
                throughput(bench, given.lines, given.rounds), flat(bench, given.lines // 3, max(2, given.rounds // 2)),
                delay(bench, given.seconds), starts(bench, given.lines // 3),
            ]
        )  # fmt: skip


if __name__ == "__main__":
    main()
