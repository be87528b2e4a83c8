"""Files that anybody who may write into the folder of the logs can make: none keeps the others waiting, fills the memory, or
holds up the end."""

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.process import Shipper, configuration, numbered, until

pytestmark = pytest.mark.slow

MB = 1_000_000
LEAST = 128 << 20  # bytes of memory that must be enough
STAMP = b"2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|"


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 200 << 30)


def preallocated(path: Path) -> None:
    with open(path, "wb") as file:
        for _ in range(100):
            file.write(bytes(MB))


def without_end(path: Path) -> None:
    with open(path, "wb") as file:
        file.write(STAMP)
        for _ in range(100):
            file.write(b"x" * MB)


def undated(path: Path) -> None:
    path.write_bytes(b"no time stamp in here, whatever you do\n" * 200_000)


def long_lines_packed(path: Path) -> None:
    with gzip.open(path.with_suffix(".log.gz"), "wb", 1) as file:
        for _ in range(20):
            file.write(STAMP + b"x" * (10 * MB) + b"\n")


def hole_before_a_line(path: Path) -> None:
    sparse(path)
    with open(path, "ab") as file:
        file.write(b"\n" + numbered(1, 2))


@pytest.mark.parametrize("hostile", [sparse, preallocated, without_end, undated, long_lines_packed, hole_before_a_line])
def test_others_are_read_in_bounded_memory_and_it_ends(hostile: Callable[[Path], None], tmp_path: Path) -> None:
    out = tmp_path / "out.ndjson"
    output = {"type": "file", "file": {"path": str(out)}, "batch": {"max_age": "50ms"}}
    shipper = Shipper(tmp_path, configuration(tmp_path, output, shutdown_timeout="30s"))
    hostile(tmp_path / "logs" / "Mfa-hostile.log")
    honest = tmp_path / "logs" / "Mfa-honest.log"
    honest.write_bytes(numbered(0, 10))

    def arrived() -> int:
        marked = b'"path":"' + str(honest).encode() + b'"'
        return out.read_bytes().count(marked) if out.exists() else 0

    shipper.start()
    until(lambda: arrived() == 10, lambda: f"the honest log\n{shipper.said()}")
    with open(honest, "ab") as log:
        log.write(numbered(10, 20))
    until(lambda: arrived() == 20, lambda: f"what comes later\n{shipper.said()}")
    assert shipper.memory("VmHWM") < LEAST
    assert shipper.terminate() == 0


def test_check_is_not_kept_waiting(tmp_path: Path) -> None:
    """It runs before the service starts."""
    sparse(tmp_path / "hostile.log")
    (tmp_path / "honest.log").write_bytes(numbered(0, 10))
    config = tmp_path / "c.yaml"
    config.write_text(
        f"state_dir: {tmp_path}/state\ninputs: [{{path: '{tmp_path}/*.log'}}]\noutput: {{type: stdout}}\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "shipper", "check", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "hostile.log, without a time stamp" in done.stdout
