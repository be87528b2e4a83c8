"""SIGKILL, rotation and a broker that dies, on real processes, real files and a real Kafka; or on an output file that others touch.
Meanwhile operators reload and freeze the shipper, its disk is full, and hostile files lie among the logs.

    python -m tests.chaos.kill --runs 20 --lines 300000

Each run has a seed of its own, which it prints; the same seed repeats the same plan. The judge is
an independent consumer (confluent-kafka), which compares what came with `parse` of all that was written.
"""

import argparse
import contextlib
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipper.deliver.dead_letters import NAME, DeadLetterFile
from shipper.sidecar.checkpoint import read_checkpoint
from shipper.testing import LogWriter
from tests.chaos.hostile import HostileFiles
from tests.chaos.neighbours import WatchedNeighbours
from tests.chaos.server import Arrivals, Server
from tests.support.generate import Recipe, generate
from tests.support.kafka import Broker, Unavailable, create_topic, read_topic
from tests.support.process import WINDOWS, Shipper, Verdict, as_a_user, configuration, expected, until

STARTED = " starts inputs="
OUTPUTS = (("kafka-python", False), ("kafka-python", True), ("confluent-kafka", False), ("confluent-kafka", True), (None, False))


@dataclass(frozen=True)
class Plan:
    """What happens in one run. `client`: None for a file as output, among neighbours."""

    seed: int
    lines: int
    kills: int
    client: str | None
    exactly_once: bool = False
    broker_dies: bool = False


class World:
    """A log and whoever else touches the files of a shipper: operators, writers of hostile files, a disk that is full."""

    def __init__(self, plan: Plan, folder: Path, output: dict[str, Any]) -> None:
        self.folder = folder
        self.random = random.Random(plan.seed)
        batch = {"max_age": "200ms", "max_events": self.random.choice((300, 2000))}
        command = as_a_user() if shutil.which("setpriv") else ()
        self.shipper = Shipper(folder, configuration(folder, {**output, "batch": batch}), command)
        text = folder / "text"
        generate(Recipe(lines=plan.lines, seed=plan.seed, users=300), text)
        self.server = Server(LogWriter(str(folder / "logs" / "Mfa.log")), text.read_bytes(), self.random)
        self.hostile = HostileFiles(folder / "logs", self.random, undated=False)

    def act(self, share: float) -> None:
        """Something happens while up to this share of the log is written."""
        posix = () if WINDOWS else (self._reload, self._freeze, self._fill_the_disk)
        action = self.random.choice((*posix, self._make_a_hostile_file, self._write))
        action(self.random.random() * share)

    def _write(self, share: float) -> None:
        self.server.write(share, rotate=0.15)

    def _reload(self, share: float) -> None:
        self.shipper.signal(signal.SIGHUP)
        self._write(share)

    def _freeze(self, share: float) -> None:
        with self.shipper.frozen():
            self._write(share / 2)
            self._write(share / 2)

    def _fill_the_disk(self, share: float) -> None:
        """No file may grow beyond a size for a while: neither the output, nor the checkpoint, nor the shipper's own log."""
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.prlimit(self.shipper.pid, resource.RLIMIT_FSIZE, (self.random.choice((0, 1000, 100_000)), hard))
        self._write(share)
        resource.prlimit(self.shipper.pid, resource.RLIMIT_FSIZE, (hard, hard))

    def _make_a_hostile_file(self, share: float) -> None:
        self.hostile.act()
        self._write(share)

    def start(self) -> None:
        """Start the shipper, and return when it is at work: until Python runs our code a signal ends it."""
        before = self.shipper.said().count(STARTED)
        self.shipper.start()
        until(lambda: self.shipper.said().count(STARTED) > before or not self.shipper.alive, "it starts")

    def finish(self) -> None:
        """All is written and delivered, and the shipper ends in order."""
        self.server.write(1.0)
        self.hostile.finish()
        self.start()
        until(lambda: delivered(self.folder, self.server.writer, self.hostile.paths), "everything is delivered", deadline=180)
        assert self.shipper.terminate() == 0
        assert "Traceback" not in self.shipper.said()
        self.server.writer.close()

    def verdict(self, came: list[bytes]) -> Verdict:
        """What came against `parse`."""
        return Verdict(came, expected(self.server.writer.generations, self.folder, self.hostile.paths))


def run(plan: Plan, broker: Broker, folder: Path) -> Verdict:
    """One run into Kafka; the verdict says what was lost, wrong or repeated."""
    name = f"chaos-{plan.seed}-{plan.client}-{plan.exactly_once}"
    create_topic(broker.address, name)
    create_topic(broker.address, f"{name}-state", 1, **{"cleanup.policy": "compact"})
    kafka = {
        "bootstrap_servers": [broker.address], "topic": name, "state_topic": f"{name}-state",
        "client": plan.client, "exactly_once": plan.exactly_once, "transactional_id": name,
    }  # fmt: skip
    world = World(plan, folder, {"type": "kafka", "kafka": kafka})
    with _named(plan, world.shipper), contextlib.closing(Arrivals(broker.address, name)) as arrivals:
        for number in range(plan.kills):
            _live(plan, world, arrivals)
            if plan.broker_dies and number == plan.kills // 2:
                broker.kill()
                world.server.write(0.1 / plan.kills)
                broker.start()
            world.shipper.kill()
        world.finish()
    came = [one.value for one in read_topic(broker.address, name) if one.value is not None]
    letters = DeadLetterFile(str(folder / "state" / NAME)).read()  # an endless line is more than a record may hold
    return world.verdict([*came, *dict.fromkeys(line for line, _ in letters)])


def _live(plan: Plan, world: World, arrivals: Arrivals) -> None:
    """A life of the shipper up to a moment in which some of what it has read has arrived, and perhaps none."""
    rnd, share = world.random, 1 / plan.kills
    world.server.write(rnd.random() * share / 4)  # while nobody reads
    world.start()
    for _ in range(rnd.randint(0, 5)):
        before = arrivals()
        lines = world.server.write(rnd.random() * share / 8, rotate=0.15)
        world.act(share / 8)
        arrivals.grow(rnd.randint(0, lines), before)
        assert world.shipper.alive


def run_to_a_file(plan: Plan, folder: Path) -> Verdict:
    """One run into a file that other programs touch; likewise."""
    neighbours = WatchedNeighbours(folder / "out", random.Random(plan.seed))
    world = World(plan, folder, {"type": "file", "file": {"path": str(neighbours.path), "rotate_size": "1MiB"}})
    share = 1 / plan.kills
    with _named(plan, world.shipper):
        for _ in range(plan.kills):
            neighbours.let_start()
            world.server.write(world.random.random() * share / 4)
            world.start()
            for _ in range(world.random.randint(1, 8)):
                world.act(share / 8)
                with world.shipper.frozen():
                    neighbours.act()
                seen = neighbours.size()
                with contextlib.suppress(AssertionError):  # the file may be out of reach
                    until(lambda: neighbours.size() != seen, "something is written", 0.3, 0.005)  # noqa: B023  called at once
                assert world.shipper.alive
            world.shipper.kill()
        neighbours.calm()
        world.finish()
        return world.verdict(neighbours.lines())


@contextlib.contextmanager
def _named(plan: Plan, shipper: Shipper):  # type: ignore[no-untyped-def]
    try:
        yield
    except BaseException as error:
        error.add_note(f"{plan}\n{shipper.said()[-3000:]}")
        raise


def delivered(folder: Path, writer: LogWriter, others: Iterable[Path] = ()) -> bool:
    """True once the checkpoint says that every byte of the log, and of other files, is delivered."""
    try:
        places, _ = read_checkpoint(str(folder / "state" / "checkpoint.json"))
    except (OSError, ValueError):
        return False
    written = sum(len(one) for one in writer.generations) + sum(path.stat().st_size for path in others)
    return sum(place.offset for place in places.values()) >= written


def main() -> None:
    """Run many, and say the sum."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--kills", type=int, default=20)
    arguments.add_argument("--lines", type=int, default=300_000)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    root = Path(tempfile.mkdtemp(prefix="mfa-chaos-"))
    try:
        broker = Broker(root / "kafka").start()
    except Unavailable as error:
        raise SystemExit(str(error)) from None
    failed = lost = wrong = repeats = wanted = 0
    for number in range(given.runs):
        client, exactly_once = OUTPUTS[number % len(OUTPUTS)]
        plan = Plan(given.seed + number, given.lines, given.kills, client, exactly_once, broker_dies=number % 3 == 2)
        folder = root / str(number)
        folder.mkdir()
        verdict = run(plan, broker, folder) if client else run_to_a_file(plan, folder)
        bad = verdict.lost or verdict.wrong or (plan.exactly_once and verdict.repeats)
        failed += bool(bad)
        lost, wrong, wanted = lost + verdict.lost, wrong + verdict.wrong, wanted + verdict.wanted
        repeats += verdict.repeats
        mode = "exactly once " if exactly_once else "at least once"
        print(f"seed {plan.seed} {client or 'file':15} {mode} {plan.kills} kills: {verdict}", flush=True)
        shutil.rmtree(folder)
    broker.stop()
    shutil.rmtree(root)
    print(f"chaos: {given.runs} runs, {given.runs * given.kills} kills, {wanted:,} events wanted, {lost:,} lost, {wrong:,} wrong, "
          f"{repeats:,} repeated (at least once only), {failed} failed")  # fmt: skip
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
