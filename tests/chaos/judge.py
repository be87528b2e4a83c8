"""`detect` on a real Kafka against `parse --across` and the oracle: a seeded model.

Several servers write their logs, sign-ins cross from one to the other, real sidecars ship them, some of them exactly once and
some killed, and one to three instances of `detect` are killed, frozen, ended and started at random. The verdict: the findings in
the alert topic, read with read_committed, are those of `parse --across` over the same logs and those of the oracle, field by
field, each once.

Events arrive out of order, but within the lateness: no server writes on before all have delivered what is older by half of it. So
that waiting for a slow machine makes no partition quiet, a server that is none of the model's logs into all of them.

`python -m tests.chaos.judge 1-50` runs so many seeds on a broker of its own.
"""

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.chaos.cast import SESSION, Chatter, Document, Instance, Sidecar
from tests.chaos.seeds import Log, arguments, run_all, silent
from tests.support import oracle
from tests.support.fleet import SECOND, Fleet, Line
from tests.support.kafka import Broker, create_topic, read_topic
from tests.support.oracle_across import completions_across
from tests.support.process import DEADLINE, until

LATENESS = 120  # seconds of event time; a step is half of it
IDLE = 4  # seconds
TIMEOUT, WINDOW, REFUSALS, FATIGUE_WINDOW = 600 * oracle.SECOND, 60 * oracle.SECOND, 5, 600 * oracle.SECOND


@dataclass(frozen=True)
class Plan:
    """What happens in a run; `kills` of instances of `detect`, of sidecars there are about half as many."""

    seed: int
    servers: int
    sign_ins: int
    instances: int
    kills: int
    rate: float = 1.0
    partitions: int = 4

    @classmethod
    def of(cls, seed: int, sign_ins: int | None = None, kills: int | None = None) -> "Plan":
        """The plan of a seed."""
        rnd = random.Random(seed)
        servers, instances = rnd.randint(1, 8), rnd.randint(1, 3)
        number = sign_ins or rnd.choice((300, 600, 900))
        return cls(
            seed, servers, number, instances, rnd.randint(0, 6) if kills is None else kills, number / 600, rnd.randint(1, 6)
        )


class Judge:
    """One run."""

    def __init__(self, plan: Plan, broker: Broker, folder: Path, log: Log) -> None:
        self.plan, self.broker, self.folder, self.log = plan, broker, folder, log
        self.random = random.Random(f"judge {plan.seed}")
        self.lines = Fleet(plan.seed, plan.servers, plan.sign_ins, plan.rate).lines()
        self.topic = f"judge-{plan.seed}-{time.time_ns()}"
        self.alerts = f"{self.topic}-found"
        for name, partitions in ((self.topic, plan.partitions), (self.alerts, 2), (f"{self.topic}-state", 1)):
            create_topic(broker.address, name, partitions, **({"cleanup.policy": "compact"} if name.endswith("state") else {}))
        kafka = {"bootstrap_servers": [broker.address], "topic": self.topic, "state_topic": f"{self.topic}-state"}
        self.sidecars = [Sidecar(folder / f"server{n}", n, kafka, self.random) for n in range(plan.servers)]
        config = {
            "output": {"type": "kafka", "kafka": kafka | {"alert_topic": self.alerts}},
            "detect": {
                "group": self.topic, "lateness": f"{LATENESS}s", "idle_timeout": f"{IDLE}s", "partitions": self.random.choice((1, 4, 7)),
            },
        }  # fmt: skip
        self.instances = [Instance(folder / f"detect{n}", config) for n in range(plan.instances)]

    def run(self) -> str:
        """From beginning to end; a line of numbers, or AssertionError."""
        try:
            for sidecar in self.sidecars:
                sidecar.shipper.start()
            for instance in self.instances:
                instance.start()
            with contextlib.closing(Chatter(self.broker.address, self.topic, self.plan.partitions)):
                self.feed()
            for sidecar in self.sidecars:
                sidecar.writer.close()
            ended = time.monotonic()
            wanted = self.wanted()
            self.wait_for(wanted)
            return self.verdict(wanted) + f", {time.monotonic() - ended:.1f} s after the last line"
        except BaseException as error:
            for number, instance in enumerate(self.instances):
                error.add_note(f"--- detect {number} said:\n{instance.said()}")
            for sidecar in self.sidecars:
                error.add_note(
                    f"--- {sidecar.name}, {sidecar.delivered} of {sidecar.written} delivered:\n{sidecar.shipper.said()[-4000:]}"
                )
            raise
        finally:
            for sidecar in self.sidecars:
                sidecar.shipper.kill()
            for instance in self.instances:
                instance.kill()

    def feed(self) -> None:
        """Write the logs step by step, and trouble everybody."""
        steps = self.steps()
        troubles = Counter(self.random.choices(range(len(steps)), k=self.plan.kills))
        targets: list[list[int]] = []
        for number, step in enumerate(steps):
            for piece in self.pieces(step):
                for server, lines in piece.items():
                    self.sidecars[server].write(lines)
                self.tend()
                time.sleep(self.random.random() * 0.1)  # how fast the servers write is part of the model
            targets.append([sidecar.written for sidecar in self.sidecars])
            for _ in range(troubles[number]):
                self.trouble()
                if number and self.random.random() < 0.5:
                    self.random.choice(self.sidecars).restart()
            self.deliver(targets[max(0, number - 1)])
        self.deliver(targets[-1])

    def steps(self) -> list[list[Line]]:
        """The lines by half of the lateness."""
        steps: defaultdict[int, list[Line]] = defaultdict(list)
        for line in self.lines:
            steps[line.time // (LATENESS * SECOND // 2)].append(line)
        return [steps[number] for number in sorted(steps)]

    def pieces(self, step: list[Line]) -> Iterator[dict[int, list[Line]]]:
        """What is written at a time: some servers are ahead of others, by a whole step perhaps. No piece ends in an instant."""
        left: defaultdict[int, list[Line]] = defaultdict(list)
        for line in step:
            left[line.server].append(line)
        while any(left.values()):
            piece: dict[int, list[Line]] = {}
            for server, lines in left.items():
                if lines and self.random.random() < 0.6:
                    end = self.random.randint(1, len(lines))
                    while end < len(lines) and lines[end].time == lines[end - 1].time:
                        end += 1
                    piece[server], left[server] = lines[:end], lines[end:]
            yield piece

    def deliver(self, targets: list[int]) -> None:
        """Return when all that had been written by then is delivered."""

        def done() -> bool:
            self.tend()
            return all(sidecar.delivered >= target for sidecar, target in zip(self.sidecars, targets, strict=True))

        until(done, "the sidecars deliver", every=0.02)

    def trouble(self) -> None:
        """Something happens to an instance."""
        instance = self.random.choice(self.instances)
        kind = self.random.choices(("kill", "lose", "freeze", "terminate"), (5, 1, 2, 1))[0]
        self.log(f"{kind} {self.instances.index(instance)}")
        if kind == "freeze" and not instance.frozen:
            instance.freeze(self.random.choice((1.0, SESSION + 3.0)))
        elif kind == "terminate" and instance.ended is None:
            instance.terminate()
            instance.start()
        else:
            instance.kill()
            if kind == "lose":
                instance.lose_state()
            instance.start()

    def tend(self) -> None:
        """Wake who has been frozen for long enough. Nobody ends by itself."""
        for instance in self.instances:
            instance.wake()
            assert instance.ended is None, f"detect ended by itself with status {instance.ended}"

    def wanted(self) -> dict[str, Document]:
        """The findings of `parse --across`, by id; they must be those of the oracle."""
        command = [sys.executable, "-m", "shipper", "parse", "--across", "--only", "findings", "--deterministic", "-q"]
        folders = [os.path.dirname(sidecar.writer.path) for sidecar in self.sidecars]
        done = subprocess.run([*command, *folders], capture_output=True, timeout=300, check=True)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        by_id = {finding["event"]["id"]: finding for finding in found}
        assert len(by_id) == len(found), "parse --across says something twice"
        logs = [[bytes(data) for data in sidecar.writer.generations if data] for sidecar in self.sidecars]
        by_oracle = {(action, str(fields["id"])): fields for action, fields in read_by_hand(logs)}
        by_parse = {(finding["event"]["action"], finding["event"]["id"]): plain(finding) for finding in found}
        assert by_parse == by_oracle, "parse --across and the oracle disagree"
        return by_id

    def came(self) -> list[Document]:
        """The findings in the alert topic."""
        return [json.loads(record.value or b"null") for record in read_topic(self.broker.address, self.alerts)]

    def wait_for(self, wanted: dict[str, Document]) -> None:
        """Return when there are so many findings, or at the deadline."""
        end = time.monotonic() + DEADLINE / 2
        while len({finding["event"]["id"] for finding in self.came()} & wanted.keys()) < len(wanted) and time.monotonic() < end:
            self.tend()
            time.sleep(0.3)

    def verdict(self, wanted: dict[str, Document]) -> str:
        """What came against what should have come."""
        for instance in self.instances:
            instance.wake(at_once=True)
            instance.terminate()  # what it still had is committed
        came = self.came()
        counts = Counter(finding["event"]["id"] for finding in came)
        hosts = self.hosts()
        missing, extra = wanted.keys() - counts.keys(), counts.keys() - wanted.keys()
        twice = [finding for finding, number in counts.items() if number > 1]
        wrong = [
            finding["event"]["id"]
            for finding in came
            if finding["event"]["id"] in wanted and comparable(finding) != expected(wanted[finding["event"]["id"]], hosts)
        ]
        across = sum(len({side["host"] for side in sides(finding)}) > 1 for finding in came)
        plan = self.plan
        said = (
            f"{len(wanted)} wanted ({across} across), {len(missing)} missing, {len(extra)} extra, {len(twice)} twice, "
            f"{len(wrong)} wrong; {plan.servers} servers, {len(self.lines)} lines, {plan.instances} instances, "
            f"{sum(instance.starts for instance in self.instances)} starts"
        )
        faults = [*missing, *extra, *twice, *wrong]
        assert not faults, f"{said}\n{self.example(missing, extra, wrong, came, wanted, hosts)}"
        return said

    def example(
        self, missing: set[str], extra: set[str], wrong: list[str], came: list[Document], wanted: dict[str, Document],
        hosts: dict[str, str],
    ) -> str:  # fmt: skip
        """Of each kind of fault the first, to look at."""
        by_id = {finding["event"]["id"]: finding for finding in came}
        lines = [f"missing {json.dumps(wanted[one])}" for one in sorted(missing)[:2]]
        lines += [f"extra {json.dumps(by_id[one])}" for one in sorted(extra)[:2]]
        for one in wrong[:2]:
            lines += [f"wrong {json.dumps(comparable(by_id[one]))}", f"not   {json.dumps(expected(wanted[one], hosts))}"]
        return "\n".join(lines)

    def hosts(self) -> dict[str, str]:
        """The server that wrote the log with a fingerprint, which ids begin with."""
        return {
            oracle.fingerprint_of(bytes(data)): sidecar.name
            for sidecar in self.sidecars
            for data in sidecar.writer.generations
            if data
        }


def read_by_hand(logs: Sequence[Sequence[bytes]]) -> Iterator[tuple[str, Document]]:
    """The findings of the oracle: name of the detector, and fields. It is given each user's authentications by themselves, or
    it would look at all of them for each."""
    users: defaultdict[Any, list[oracle.Completion]] = defaultdict(list)
    for completion in completions_across(logs, TIMEOUT):
        exchange = completion[1]
        assert isinstance(exchange, oracle.Exchange)
        users[exchange.user].append(completion)
    for own in users.values():
        for finding in oracle.find_fatigue_among(own, window=FATIGUE_WINDOW, count=REFUSALS, timeout=TIMEOUT).findings:
            yield "mfa_fatigue", finding.fields
        for finding in oracle.find_among(own, window=WINDOW, timeout=TIMEOUT).findings:
            yield "double_prompt", finding.fields


def plain(finding: Document) -> Document:
    """A finding of `parse` in the form of the oracle."""
    about = finding["event"]
    fields = json.loads(json.dumps(finding["azure_mfa"][about["action"]]))
    for side in ("first", "second", "last"):
        fields.get(side, {}).pop("host", None)
    timed = {name: about[name] for name in ("id", "start", "end", "duration")}
    return {**timed, "timestamp": finding["@timestamp"], **fields}


def sides(finding: Document) -> list[Document]:
    """What a finding tells of authentications."""
    fields = finding["azure_mfa"][finding["event"]["action"]]
    return [fields[side] for side in ("first", "second", "last") if side in fields]


def comparable(finding: Document) -> Document:
    """A finding without what depends on who ran the detectors."""
    return {name: value for name, value in finding.items() if name != "agent"}


def expected(finding: Document, hosts: dict[str, str]) -> Document:
    """A finding of `parse` with the servers, which it cannot know."""
    finding = json.loads(json.dumps(finding))
    finding["host"] = {"name": hosts[finding["event"]["id"][:16]]}
    for side in sides(finding):
        side["host"] = hosts[side["id"][:16]]
    return comparable(finding)


def run(plan: Plan, broker: Broker, folder: Path, log: Log = silent) -> str:
    """One run in an empty folder; the numbers."""
    try:
        return Judge(plan, broker, folder, log).run()
    except BaseException as error:
        error.add_note(f"python -m tests.chaos.judge {plan.seed}: {plan}")
        raise


def main() -> None:
    """Run seeds, and say what came of each."""
    parser = arguments(__doc__)
    parser.add_argument("--sign-ins", type=int, help="by default 300, 600 or 900")
    parser.add_argument("--kills", type=int, help="by default 0 to 6")
    given = parser.parse_args()
    runs = {f"seed-{seed}": partial(run, Plan.of(seed, given.sign_ins, given.kills)) for seed in given.seeds}
    run_all("judge", runs, print if len(given.seeds) == 1 else silent)


if __name__ == "__main__":
    main()
