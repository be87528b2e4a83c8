"""Two shippers with copies of one state directory, so with one transactional id, on a real Kafka: a seeded model.

They read one log and are frozen, woken, killed, started under other host names, and started with exactly once switched off
or on, at random. The verdict is against `parse` of all that was written:

- nothing is lost, nothing is invented;
- no event was delivered twice by shippers with exactly once;
- a shipper ends by itself only because a later one has taken over, with status 1; in the end there is one.

`python -m tests.chaos.twins 1-200` runs so many seeds on a broker of its own, `--client` with one client only.
"""

import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from functools import partial
from pathlib import Path

from shipper.testing import LogWriter
from tests.chaos.kill import delivered
from tests.chaos.seeds import Log, arguments, run_all, silent
from tests.chaos.server import Arrivals, Server
from tests.support.generate import Recipe, generate
from tests.support.kafka import Broker, create_topic, read_topic
from tests.support.process import Shipper, Verdict, configuration, expected, may_rename_host, under_host_name, until

CLIENTS = ("kafka-python", "confluent-kafka")
LINES = 1500
LAST = 0.3  # of the log is written piece by piece when all twins are awake, so that each has something to send
DEADLINE = 60.0  # seconds for the end of a run
PAUSE = 0.8  # seconds that something may take to arrive before the next thing happens
DEAD = ("start",)
FROZEN = ("thaw", "thaw", "thaw", "kill", "switch", "rename")
AWAKE = ("freeze", "freeze", "freeze", "freeze", "kill", "kill", "switch", "rename")


class Twin:
    """One of the two: its state directory, and the process on it if there is one."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.exactly_once = True
        self.host = "host-0"
        self.frozen = False
        self.started = 0  # a number that grows with each start of either
        self.rival = False  # the other one had been started by then, and may have taken over later
        self._log_began = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.shipper: Shipper | None = None

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, number)
        self.frozen = number == signal.SIGSTOP

    def kill(self) -> None:
        if self.shipper is not None:
            self.shipper.kill()
        self.process, self.shipper, self.frozen = None, None, False

    def start(self, shipper: Shipper, number: int, other: "Twin") -> None:
        self._log_began = len(self.said())
        self.rival = other.alive and not other.is_up
        self.shipper, self.process, self.started = shipper, shipper.start(), number

    def said(self) -> str:
        log = self.folder / "shipper.log"
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

    @property
    def is_up(self) -> bool:
        """True once the process has connected, and with exactly once taken over."""
        return "the sink accepts events" in self.said_since_start

    @property
    def said_since_start(self) -> str:
        return self.said()[self._log_began :]


class Model:
    """One run."""

    def __init__(self, seed: int, client: str, broker: Broker, folder: Path, log: Log) -> None:
        self.random = random.Random(f"{seed} {client}")
        self.broker, self.client, self.folder, self.log = broker, client, folder, log
        self.topic = f"twins-{seed}-{client}-{time.time_ns()}"
        create_topic(broker.address, self.topic)
        create_topic(broker.address, f"{self.topic}-state", 1, **{"cleanup.policy": "compact"})
        generate(Recipe(lines=LINES, seed=seed, users=60), folder / "text")
        (folder / "logs").mkdir()
        self.server = Server(LogWriter(str(folder / "logs" / "Mfa.log")), (folder / "text").read_bytes(), self.random)
        self.written = 0.0
        self.starts = 0
        self.twins = [Twin(name, folder / name) for name in ("a", "b")]
        for twin in self.twins:
            twin.folder.mkdir()

    def run(self) -> str:
        """From beginning to end; a line of numbers, or AssertionError."""
        try:
            with contextlib.closing(Arrivals(self.broker.address, self.topic)) as arrivals:
                self.copy()
                for _ in range(self.random.randint(4, 9)):
                    self.act()
                    self.wait_a_little(arrivals)
                    self.look()
                self.end()
            return self.verdict()
        except BaseException as error:
            for twin in self.twins:
                twin.signal(signal.SIGABRT)  # makes it say where it hangs
                if twin.process is not None:
                    twin.process.wait(20)
                error.add_note(f"--- {twin.name} said:\n{twin.said()[-4000:]}")
            raise
        finally:
            for twin in self.twins:
                twin.kill()

    def copy(self) -> None:
        """The first twin is started, and its state directory copied as soon as there is an id in it."""
        first, second = self.twins
        self.start(first)
        identity = first.folder / "state" / "transactional_id"
        until(identity.exists, "an id is made")
        (second.folder / "state").mkdir()
        shutil.copy(identity, second.folder / "state")

    def start(self, twin: Twin) -> None:
        self.starts += 1
        twin.kill()
        kafka = {
            "bootstrap_servers": [self.broker.address], "topic": self.topic, "state_topic": f"{self.topic}-state",
            "client": self.client, "exactly_once": twin.exactly_once,
        }  # fmt: skip
        output = {"type": "kafka", "kafka": kafka, "batch": {"max_age": "50ms", "max_events": self.random.choice((50, 500))}}
        labels = {"labels": {"exactly_once": str(twin.exactly_once)}}
        config = configuration(self.folder, output, state_dir=str(twin.folder / "state"), pipeline=labels)
        command = under_host_name(twin.host) if may_rename_host() else ()
        (other,) = (one for one in self.twins if one is not twin)
        interpreter = (*command, "env", "PYTHONFAULTHANDLER=1")
        twin.start(Shipper(twin.folder, config, interpreter), self.starts, other)

    def write(self, share: float) -> None:
        share = min(share, 1 - LAST - self.written)
        if share > 0:
            self.written += share
            self.server.write(share, rotate=0.1)

    def act(self) -> None:
        twin = self.random.choice(self.twins)
        action = self.random.choice(DEAD if not twin.alive else FROZEN if twin.frozen else AWAKE)
        self.log(f"{action} {twin.name}")
        self.write(self.random.random() * 0.2)
        if action == "start":
            self.start(twin)
        elif action == "freeze":
            twin.signal(signal.SIGSTOP)
        elif action == "thaw":
            twin.signal(signal.SIGCONT)
        elif action == "kill":
            twin.kill()
        elif action == "switch":
            twin.exactly_once = not twin.exactly_once
            self.start(twin)
        elif action == "rename":
            twin.host = f"host-{self.starts}"
            self.start(twin)

    def wait_a_little(self, arrivals: Arrivals) -> None:
        """Until some of the log has arrived, or nobody sends it for a while: not at all, or in the middle of much."""
        more = self.random.choice((0, 1, 1, 100, 300))
        if not any(twin.alive and not twin.frozen for twin in self.twins):
            return
        before, end = arrivals(), time.monotonic() + PAUSE
        while arrivals() < before + more and time.monotonic() < end:
            time.sleep(0.005)

    def look(self) -> None:
        """Whoever ended by itself was replaced, and says so."""
        for twin in self.twins:
            if twin.process is None or twin.process.poll() is None:
                continue
            later = twin.rival or any(other.started > twin.started for other in self.twins)
            self.log(f"  {twin.name} ended with {twin.process.returncode}")
            assert twin.process.returncode == 1, f"{twin.name} ended with status {twin.process.returncode}"
            assert "has taken over" in twin.said_since_start, f"{twin.name} does not say why it ended"
            assert later, f"{twin.name} ended although no other one can have taken over"
            twin.kill()

    def end(self) -> None:
        """All wake up and get something to send; in the end there is one with exactly once, which has delivered all."""
        for twin in self.twins:
            twin.signal(signal.SIGCONT)
        for twin in self.twins:
            if not twin.exactly_once:
                twin.kill()

        def ended() -> bool:
            self.look()
            living = [twin for twin in self.twins if twin.alive]
            if all(twin.is_up for twin in living):  # whoever has nothing to send does not learn that it was replaced
                self.server.write(0.01)
            if not living:  # the one that had taken over was killed
                self.twins[0].exactly_once = True
                self.start(self.twins[0])
            return len(living) == 1 and living[0].is_up

        while True:
            until(ended, "one of the twins is left", DEADLINE, 0.1)
            self.server.write(1.0)
            (left,) = (twin for twin in self.twins if twin.alive)
            until(lambda: delivered(left.folder, self.server.writer) or not left.alive, f"{left.name} delivers all", DEADLINE)  # noqa: B023  called at once
            if left.alive:
                break
            self.look()  # it was the older one, and the one that had taken over was killed
        assert left.shipper is not None
        assert left.shipper.terminate() == 0, f"{left.name} does not end in an orderly way"

    def verdict(self) -> str:
        self.server.writer.close()
        documents = [json.loads(record.value) for record in read_topic(self.broker.address, self.topic) if record.value]
        modes = [document.pop("labels")["exactly_once"] for document in documents]
        verdict = Verdict(
            [json.dumps(document).encode() for document in documents], expected(self.server.writer.generations, self.folder)
        )
        once = Counter(document["event"]["id"] for document, mode in zip(documents, modes, strict=True) if mode == "True")
        twice = sum(number > 1 for number in once.values())
        said = f"{verdict}, {len(once)} exactly once, {twice} of them twice, {self.starts} starts"
        assert (verdict.lost, verdict.wrong, twice) == (0, 0, 0), said
        return said


def run(seed: int, client: str, broker: Broker, folder: Path, log: Log = silent) -> str:
    """One seed with one client, in an empty folder; the numbers."""
    try:
        return Model(seed, client, broker, folder, log).run()
    except BaseException as error:
        error.add_note(f"python -m tests.chaos.twins {seed} --client {client}")
        raise


def main() -> None:
    """Run seeds, and say what came of each."""
    parser = arguments(__doc__)
    parser.add_argument("--client", choices=CLIENTS, action="append", help="only this one")
    given = parser.parse_args()
    pairs = itertools.product(given.seeds, given.client or CLIENTS)
    runs = {f"seed-{seed}-{client}": partial(run, seed, client) for seed, client in pairs}
    run_all("twins", runs, print if len(given.seeds) == 1 else silent)


if __name__ == "__main__":
    main()
