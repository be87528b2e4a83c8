"""SIGKILL, rotation and a broker that dies, on real processes, real files and a real Kafka.

    python -m tests.chaos.kill --runs 20 --lines 300000

Each run has a seed of its own, which it prints; the same seed repeats the same plan. The judge is
an independent consumer (confluent-kafka), which compares what came with `parse` of all that was written.
"""

import argparse
import contextlib
import random
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from shipper.sidecar.checkpoint import read_checkpoint
from shipper.testing import LogWriter
from tests.chaos.server import Arrivals, Server
from tests.support.generate import Recipe, generate
from tests.support.kafka import Broker, Unavailable, create_topic, read_topic
from tests.support.process import Shipper, Verdict, configuration, expected, until


@dataclass(frozen=True)
class Plan:
    """What happens in one run."""

    seed: int
    lines: int
    kills: int
    client: str
    exactly_once: bool
    broker_dies: bool = False


def run(plan: Plan, broker: Broker, folder: Path) -> Verdict:
    """One run; the verdict says what was lost, wrong or repeated."""
    rnd = random.Random(plan.seed)
    name = f"chaos-{plan.seed}-{plan.client}-{plan.exactly_once}"
    create_topic(broker.address, name)
    create_topic(broker.address, f"{name}-state", 1, **{"cleanup.policy": "compact"})
    kafka = {
        "bootstrap_servers": [broker.address], "topic": name, "state_topic": f"{name}-state",
        "client": plan.client, "exactly_once": plan.exactly_once, "transactional_id": name,
    }  # fmt: skip
    output = {"type": "kafka", "kafka": kafka, "batch": {"max_age": "200ms", "max_events": rnd.choice((300, 2000))}}
    shipper = Shipper(folder, configuration(folder, output))
    text = folder / "text"
    generate(Recipe(lines=plan.lines, seed=plan.seed, users=300), text)
    server = Server(str(folder / "logs" / "Mfa.log"), text.read_bytes(), rnd)
    with _named(plan, shipper), contextlib.closing(Arrivals(broker.address, name)) as arrivals:
        for number in range(plan.kills):
            _live(plan, rnd, shipper, server, arrivals)
            if plan.broker_dies and number == plan.kills // 2:
                broker.kill()
                server.write(0.1 / plan.kills)
                broker.start()
            shipper.kill()
        server.write(1.0)
        shipper.start()
        until(lambda: delivered(folder, server.writer), "everything is delivered", deadline=180)
        assert shipper.terminate() == 0
    server.writer.close()
    came = [one.value for one in read_topic(broker.address, name) if one.value is not None]
    return Verdict(came, expected(server.writer.generations, folder))


def _live(plan: Plan, rnd: random.Random, shipper: Shipper, server: Server, arrivals: Arrivals) -> None:
    """A life of the shipper up to a moment in which some of what it has read has arrived, and perhaps none."""
    share = 1 / plan.kills
    server.write(rnd.random() * share / 4)  # while nobody reads
    shipper.start()
    for _ in range(rnd.randint(0, 5)):
        before = arrivals()
        lines = server.write(rnd.random() * share / 4, rotate=0.15)
        arrivals.grow(rnd.randint(0, lines), before)


@contextlib.contextmanager
def _named(plan: Plan, shipper: Shipper):  # type: ignore[no-untyped-def]
    try:
        yield
    except BaseException as error:
        error.add_note(f"{plan}\n{shipper.said()[-3000:]}")
        raise


def delivered(folder: Path, writer: LogWriter) -> bool:
    """True once the checkpoint says that every byte of every file is delivered."""
    try:
        places, _ = read_checkpoint(str(folder / "state" / "checkpoint.json"))
    except (OSError, ValueError):
        return False
    return sum(place.offset for place in places.values()) >= sum(len(one) for one in writer.generations)


def main() -> None:
    """Run many, and say the sum."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=4)
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
        exactly_once, client = bool(number % 2), ("kafka-python", "confluent-kafka")[number // 2 % 2]
        plan = Plan(given.seed + number, given.lines, given.kills, client, exactly_once, broker_dies=number % 3 == 2)
        folder = root / str(number)
        folder.mkdir()
        verdict = run(plan, broker, folder)
        bad = verdict.lost or verdict.wrong or (plan.exactly_once and verdict.repeats)
        failed += bool(bad)
        lost, wrong, wanted = lost + verdict.lost, wrong + verdict.wrong, wanted + verdict.wanted
        repeats += verdict.repeats
        mode = "exactly once " if exactly_once else "at least once"
        print(f"seed {plan.seed} {client:15} {mode} {plan.kills} kills: {verdict}", flush=True)
        shutil.rmtree(folder)
    broker.stop()
    shutil.rmtree(root)
    print(f"chaos: {given.runs} runs, {given.runs * given.kills} kills, {wanted:,} events wanted, {lost:,} lost, {wrong:,} wrong, "
          f"{repeats:,} repeated (at least once only), {failed} failed")  # fmt: skip
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
