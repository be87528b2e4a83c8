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
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from shipper.sidecar.checkpoint import read_checkpoint
from shipper.testing import LogWriter
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
    log = folder / "text"
    generate(Recipe(lines=plan.lines, seed=plan.seed, users=300), log)
    writer = LogWriter(str(folder / "logs" / "Mfa.log"))
    done = threading.Event()
    thread = threading.Thread(target=_write, args=(writer, log.read_bytes(), rnd.random(), done), daemon=True)
    thread.start()
    _torment(plan, rnd, shipper, broker)
    thread.join()
    if not shipper.alive:
        shipper.start()
    with _named(plan, shipper):
        until(lambda: delivered(folder, writer), "everything is delivered", deadline=180)
        assert shipper.terminate() == 0
    writer.close()
    came = [one.value for one in read_topic(broker.address, name) if one.value is not None]
    return Verdict(came, expected(writer.generations, folder))


@contextlib.contextmanager
def _named(plan: Plan, shipper: Shipper):  # type: ignore[no-untyped-def]
    try:
        yield
    except BaseException as error:
        error.add_note(f"{plan}\n{shipper.said()[-3000:]}")
        raise


def _write(writer: LogWriter, data: bytes, start: float, done: threading.Event) -> None:
    """A server that writes its log in uneven pieces, and a rotator."""
    rnd = random.Random(start)
    at = 0
    while at < len(data):
        size = rnd.randint(1, max(2, len(data) // 40))
        writer.write(data[at : at + size])
        at += size
        if rnd.random() < 0.15:
            line_end = data.find(b"\n", at) + 1
            # A file does not begin with the second line of an instant: then two would begin at once.
            while line_end and data[line_end : line_end + 27] == data[data.rfind(b"\n", 0, line_end - 1) + 1 :][:27]:
                line_end = data.find(b"\n", line_end) + 1
            if not line_end:
                continue
            writer.write(data[at:line_end])
            at = line_end
            writer.rename()
        time.sleep(rnd.random() * 0.1)
    done.set()


def _torment(plan: Plan, rnd: random.Random, shipper: Shipper, broker: Broker) -> None:
    for number in range(plan.kills):
        shipper.start()
        time.sleep(0.3 + rnd.random() * 1.5)
        if plan.broker_dies and number == plan.kills // 2:
            broker.kill()
            time.sleep(rnd.random())
            broker.start()
        shipper.kill()


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
