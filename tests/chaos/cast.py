"""Who plays in a run of the judge: servers with their sidecars, instances of `detect`, and a server that never falls silent."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import yaml
from confluent_kafka import Producer

from shipper.sidecar.checkpoint import read_checkpoint
from shipper.testing import LogWriter
from tests.support.fleet import Line
from tests.support.process import Shipper, until

CHATTER = 0.5  # seconds
SESSION = 6  # seconds after which a frozen instance is out of the group
Document = dict[str, Any]


class Sidecar:
    """One server, and the sidecar that ships its log."""

    def __init__(self, folder: Path, number: int, kafka: Document, rnd: random.Random) -> None:
        folder.mkdir()
        (folder / "logs").mkdir()
        self.writer = LogWriter(str(folder / "logs" / "MultiFactorAuthRadiusSvc.log"))
        self.name = f"mfa{number:02}"
        self._number, self._stamp = number, ""
        self._folder = folder
        self._random = rnd
        config = {
            "state_dir": str(folder / "state"),
            "inputs": [{"path": f"{folder}/logs/*.log*", "host": {"name": self.name}}],
            "pipeline": {"detectors": []},
            "tail": {"poll_interval": "50ms", "rotate_wait": "500ms"},
            "output": {
                "type": "kafka", "events": rnd.choice(("line", "exchange")), "batch": {"max_age": "50ms", "max_events": 300},
                "kafka": kafka | {"exactly_once": rnd.random() < 0.4, "client": "confluent-kafka"},
            },
        }  # fmt: skip
        self.shipper = Shipper(folder, config)
        self._rotate = rnd.random() < 0.5

    def write(self, lines: Sequence[Line]) -> None:
        """Write lines; now and then the log is rotated behind them, where no later one has the time of the last."""
        if lines:
            self._stamp = lines[-1].text.partition("|")[0]
            self.writer.write("".join(line.text for line in lines).encode())
            if self._rotate and self._random.random() < 0.2:
                self.writer.rename()

    @property
    def written(self) -> int:
        return sum(map(len, self.writer.generations))

    @property
    def delivered(self) -> int:
        """Bytes of its log that are acknowledged and, with exactly once, committed."""
        try:
            places, _ = read_checkpoint(str(self._folder / "state" / "checkpoint.json"))
        except (OSError, ValueError):
            return 0
        return sum(place.offset for place in places.values())

    def restart(self) -> None:
        """Kill it in the middle of whatever it does, and start it. It gets a line, so that it writes down how far it is."""
        self.shipper.kill()
        self.shipper.start()
        line = f"{self._stamp}|0|{self._number}|2|pfsvc|start {self.shipper.starts}\n"
        self.writer.write(line.encode())


class Instance:
    """One instance of `detect`. A frozen one is woken when its time has come."""

    def __init__(self, folder: Path, config: Document) -> None:
        folder.mkdir()
        self._file, self._log = folder / "detect.yaml", folder / "detect.log"
        self._file.write_text(yaml.safe_dump({"state_dir": str(folder / "state"), **config}), encoding="utf-8")
        self._state = folder / "state"
        self._process: subprocess.Popen[bytes] | None = None
        self._wakes: float | None = None
        self._began = 0  # in its log
        self.starts = 0

    def start(self) -> None:
        self.starts += 1
        self._began = self._log.stat().st_size if self._log.exists() else 0
        command = [sys.executable, "-m", "shipper", "detect", "--config", str(self._file)]
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    @property
    def ended(self) -> int | None:
        """Its exit status, if it has ended."""
        return None if self._process is None else self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._wakes = None
        if self._process is not None:
            self._process.wait(30)

    def terminate(self) -> None:
        """The orderly end, which takes no longer than the configuration says."""
        self.wake(at_once=True)
        until(lambda: "mfa-shipper" in self._log.read_text()[self._began :] or self.ended is not None, "it listens to signals")
        self.signal(signal.SIGTERM)
        assert self._process is not None
        status = self._process.wait(40)
        assert status == 0, f"detect ended with status {status} after SIGTERM:\n{self.said()}"

    def lose_state(self) -> None:
        """As when the machine is another one: what is on disk is gone, but for the transactional id perhaps."""
        shutil.rmtree(self._state, ignore_errors=True)

    def freeze(self, seconds: float) -> None:
        self.signal(signal.SIGSTOP)
        self._wakes = time.monotonic() + seconds

    def wake(self, *, at_once: bool = False) -> None:
        if self._wakes is not None and (at_once or time.monotonic() > self._wakes):
            self.signal(signal.SIGCONT)
            self._wakes = None

    @property
    def frozen(self) -> bool:
        return self._wakes is not None

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-4000:] if self._log.exists() else ""


class Chatter:
    """A server that logs into every partition of the events, nothing that matters and at a time long past."""

    EVENT: ClassVar[Document] = {
        "@timestamp": "2017-02-14T00:00:00.000000Z",
        "event": {"id": "0123456789abcdef-0", "module": "azure_mfa", "kind": "event", "action": "log", "provider": "pfsvc"},
    }

    def __init__(self, address: str, topic: str, partitions: int) -> None:
        self._producer = Producer({"bootstrap.servers": address})
        self._topic, self._partitions = topic, partitions
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(CHATTER):
            for partition in range(self._partitions):
                self._producer.produce(self._topic, json.dumps(self.EVENT).encode(), partition=partition)
            self._producer.flush(10)

    def close(self) -> None:
        """No more comes when this returns."""
        self._ended.set()
        self._thread.join(20)
