"""A real `mfa-shipper run`, its configuration, and the judge of what came out of it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from shipper.decode.library import load
from shipper.model import Counts
from shipper.pipeline import Settings, run_source
from shipper.read.inputs import open_inputs

WINDOWS = sys.platform == "win32"
PROGRAM = "MFA_SHIPPER_PROGRAM"  # a variable: the program to test in place of the code that is here
DEADLINE = 180.0  # seconds for anything to happen, on a busy machine too

PYTHON_M = ("-m", "tests.support.ended") if WINDOWS else ("-m",)


def until(
    condition: Callable[[], object], what: str | Callable[[], str], deadline: float = DEADLINE, every: float = 0.05
) -> None:
    """Return when the condition holds; AssertionError after the deadline, with what was waited for (as it is then)."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what if isinstance(what, str) else what()}")
        time.sleep(every)


def numbered(begin: int, end: int) -> bytes:
    """Lines of which no two are alike."""
    return b"".join(b"2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|line %d\n" % n for n in range(begin, end))


def as_a_user() -> tuple[str, ...]:
    """What runs a command so that permissions count for it, also for root."""
    if sys.platform == "win32":
        pytest.skip("POSIX: permissions")
    if os.geteuid():
        return ()
    setpriv = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    if not shutil.which("setpriv") or subprocess.run([*setpriv, "true"], check=False).returncode:
        pytest.skip("root may read everything, and setpriv cannot take that right away here")
    return setpriv


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file may grow beyond this size."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def under_host_name(name: str) -> tuple[str, ...]:
    """The command that runs another one, in the same process, on a machine of this name; skips the test where that is not permitted."""
    import pytest

    command = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name)
    if not may_rename_host():
        pytest.skip("no host can be renamed here")
    return command


@cache
def may_rename_host() -> bool:
    """True where a process may have a host name of its own."""
    try:
        return subprocess.run(["unshare", "--uts", "hostname", "pod"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def end_in_order(process: "subprocess.Popen[bytes]") -> None:
    """What an administrator does: SIGTERM, or on Windows Ctrl-Break."""
    if WINDOWS:
        assert process.stdin is not None
        process.stdin.close()
    else:
        process.terminate()


class Shipper:
    """The command as a process of its own that can be killed and started again.

    `running` are those that were started and not ended: whoever starts one ends it, or a fixture does.
    """

    running: ClassVar[list["Shipper"]] = []

    def __init__(
        self, folder: Path, config: dict[str, Any], command: tuple[str, ...] = (), module: str = "shipper", verb: str = "run"
    ) -> None:
        """`command`: what runs the Python interpreter, such as `setpriv` with its options. `module`: what it runs. `verb`: which
        command of it."""
        self.folder = folder
        self.verb = verb
        program = os.environ.get(PROGRAM)
        self.command = (*command, program) if program else (*command, sys.executable, *PYTHON_M, module)
        self.hears_orders = not (program and WINDOWS)  # to end: Wine has no console to send one, and our Python plays its part
        self.config = folder / "mfa-shipper.yaml"
        self.config.write_text(yaml.safe_dump(config), encoding="utf-8")
        self.log = folder / "shipper.log"
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, stdout: int | None = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
        """Start it; its log goes on where it was."""
        self.starts += 1
        if self not in self.running:
            self.running.append(self)
        with open(self.log, "ab") as log:
            command = [*self.command, self.verb, "--config", str(self.config)]
            stdin = subprocess.PIPE if WINDOWS else None
            self._process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=log)
        return self._process

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL (on Windows TerminateProcess), and wait until it is gone."""
        self._end(subprocess.Popen.kill)

    def terminate(self) -> int:
        """SIGTERM (on Windows Ctrl-Break, as far as there is one); the exit status."""
        return self._end(end_in_order)

    def _end(self, way: Callable[["subprocess.Popen[bytes]"], None]) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            way(self._process)
        if self in self.running:
            self.running.remove(self)
        status = self._process.wait(30)
        if self._process.stdin is not None:
            self._process.stdin.close()
        return status

    def signal(self, number: int) -> None:
        """Send a signal, if it is alive."""
        if self._process is not None:
            self._process.send_signal(number)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP, and SIGCONT at the end."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def rss(self) -> int:
        """Resident bytes."""
        return self.memory("VmRSS")

    def memory(self, name: str) -> int:
        """Bytes of a row of its status, such as VmRSS or VmHWM."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        return 0

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""


def configuration(folder: Path, output: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A configuration that reads `folder/logs` and keeps its state in `folder/state`."""
    (folder / "logs").mkdir(exist_ok=True)
    return {
        "state_dir": str(folder / "state"),
        "inputs": [{"path": str(folder / "logs" / "Mfa*.log*")}],
        "output": output,
        "tail": {"rotate_wait": "1s"},
        **more,
    }


def expected(generations: list[bytearray], folder: Path, others: Iterable[Path] = ()) -> dict[str, dict[str, Any]]:
    """By id, the events that `parse` makes of all that was written to a log, and of other files."""
    everything = folder / "all"
    everything.mkdir(exist_ok=True)
    for number, content in enumerate(generations):
        if content:
            (everything / f"Mfa.log.{number}").write_bytes(content)
    with open_inputs([str(everything / "*"), *map(str, others)]) as (sources, stdin):
        blocks = (block.data for source in sources for block, _ in run_source(Settings(load()), source, stdin, Counts()))
        return {event["event"]["id"]: event for event in documents(b"".join(blocks).splitlines())}


def whole_lines(path: Path) -> list[bytes]:
    """The lines of a file that has its end; the last one may just be written. No lines if there is no file yet."""
    return path.read_bytes().rpartition(b"\n")[0].splitlines() if path.exists() else []


def documents(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        yield json.loads(line)


def content(document: dict[str, Any]) -> dict[str, Any]:
    """The event without what differs from run to run: where its file was, who shipped it."""
    log = {key: value for key, value in document.get("log", {}).items() if key != "file"}
    same = {key: value for key, value in document.items() if key not in ("host", "agent")}
    same["event"] = {key: value for key, value in document["event"].items() if key != "ingested"}
    return {**same, "log": log}


class Verdict:
    """What came against what should have come."""

    def __init__(self, came: list[bytes], wanted: dict[str, dict[str, Any]]) -> None:
        self.wanted = len(wanted)
        seen: dict[str, int] = {}
        self.wrong = 0
        for event in documents(came):
            identity = event["event"]["id"]
            seen[identity] = seen.get(identity, 0) + 1
            self.wrong += identity not in wanted or content(event) != content(wanted[identity])
        self.lost = len(wanted.keys() - seen.keys())
        self.repeats = sum(seen.values()) - len(seen)

    def __str__(self) -> str:
        return f"{self.wanted:,} wanted, {self.lost:,} lost, {self.wrong:,} wrong, {self.repeats:,} repeated"


def delivered(folder: Path) -> int:
    """The offset up to which all is delivered."""
    checkpoint = folder / "state" / "checkpoint.json"
    if not checkpoint.exists():
        return 0
    return max((place["offset"] for place in json.loads(checkpoint.read_bytes())["places"].values()), default=0)
