"""A log that another process writes, renames, cuts, packs and deletes, as servers and their tools do, while `run` follows it."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process import whole_lines

# The other process: one call of Python's for each order, with no more patience than a server has.
FOREIGN = """
import gzip, os, shutil, sys
for order in sys.stdin:
    verb, path, *more = order.rstrip("\\n").split("\\t")
    if verb == "write":
        with open(path, "ab") as log:
            log.write(more[0].encode() + b"\\r\\n")
    elif verb == "rename":
        os.rename(path, more[0])
    elif verb == "delete":
        os.unlink(path)
    elif verb == "cut":
        os.truncate(path, 0)
    elif verb == "pack":
        with open(path, "rb") as plain, gzip.open(path + ".gz", "wb") as packed:
            shutil.copyfileobj(plain, packed)
        os.unlink(path)
    print("done", flush=True)
"""
PATIENCE = 60.0  # seconds


class World:
    """The log, the process that writes it, and a shipper."""

    def __init__(self, folder: Path, opened: contextlib.ExitStack) -> None:
        self.log, self.out, self.number = folder / "logs" / "Mfa.log", folder / "out.ndjson", 0
        self.log.parent.mkdir()
        config = folder / "run.json"  # JSON is YAML
        config.write_text(
            json.dumps({
                "inputs": [{"path": str(folder / "logs" / "*.log*")}], "state_dir": str(folder / "state"),
                "output": {"type": "file", "file": {"path": str(self.out)}, "batch": {"max_age": "50ms"}},
                "tail": {"rotate_wait": "1s", "poll_interval": "50ms"}, "metrics": {"listen": None}, "shutdown_timeout": "5s",
            }),
            encoding="utf-8",
        )  # fmt: skip
        pipe = subprocess.PIPE
        self.foreign = opened.enter_context(subprocess.Popen([sys.executable, "-c", FOREIGN], stdin=pipe, stdout=pipe, text=True))
        called = [sys.executable, "-m", "shipper", "run", "--config", str(config)]
        self.said = folder / "said"
        said = opened.enter_context(self.said.open("wb"))
        self.shipper = opened.enter_context(subprocess.Popen(called, stdin=subprocess.DEVNULL, stderr=said))
        opened.callback(self.shipper.kill)
        opened.callback(self.foreign.kill)

    def tell(self, *order: str | Path) -> None:
        """The other process does it now."""
        assert self.foreign.stdin is not None
        assert self.foreign.stdout is not None
        print(*order, sep="\t", file=self.foreign.stdin, flush=True)
        assert self.foreign.stdout.readline() == "done\n", "the other process was kept from it"

    def write(self) -> str:
        """The text of a line more."""
        self.number += 1
        text = f"line number {self.number}"
        second = f"2017-02-14T02:57:{self.number:02}.000000Z"
        self.tell("write", self.log, f"{second}|0|1412|6452|pfrad|{text}")
        return text

    def came(self) -> list[str]:
        return [json.loads(line)["message"] for line in whole_lines(self.out)]

    def until_came(self, *texts: str) -> None:
        end = time.monotonic() + PATIENCE
        while not set(texts) <= set(self.came()):
            is_running = self.shipper.poll() is None
            assert is_running, self.said.read_text(encoding="utf-8")
            assert time.monotonic() < end, self.said.read_text(encoding="utf-8")
            time.sleep(0.05)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with contextlib.ExitStack() as opened:
        yield World(tmp_path, opened)


def test_rotated_while_open(world: World) -> None:
    for number in range(4):
        world.until_came(world.write())
        world.tell("rename", world.log, f"{world.log}.{number + 1}")
    world.until_came(world.write())
    assert world.came() == [f"line number {number}" for number in range(1, 6)]


def test_packed_after_it_was_rotated(world: World) -> None:
    world.until_came(world.write())
    world.tell("rename", world.log, f"{world.log}.1")
    world.until_came(world.write())
    world.tell("pack", f"{world.log}.1")
    world.until_came(world.write())
    assert world.came() == ["line number 1", "line number 2", "line number 3"]


def test_cut_while_open(world: World) -> None:
    world.until_came(world.write())
    world.tell("cut", world.log)
    world.until_came(world.write())
    assert world.came() == ["line number 1", "line number 2"]


@pytest.mark.skipif(
    sys.platform == "win32", reason="Wine keeps a deleted file as it was until all have closed it, and tells nobody"
)
def test_deleted_while_open_and_made_anew(world: World) -> None:
    world.until_came(world.write())
    world.tell("delete", world.log)
    world.until_came(world.write())
    assert world.came() == ["line number 1", "line number 2"]
