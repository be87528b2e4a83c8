"""Measures commands: what a run takes, and how long until the first byte."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LAUNCH = (sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")))
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 1800.0  # seconds after which a command counts as hanging


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of a command.

    Attributes:
        cpu: seconds in user and system mode, of all its processes.
        wall: seconds from its start to its end.
        peak: bytes of resident memory that its largest process had at most.
    """

    cpu: float
    wall: float
    peak: int


class FailedError(Exception):
    """A command failed; says why."""


def run(command: Sequence[str], out: Path | str = os.devnull) -> Sample:
    """Run a command to its end, its standard output to `out`.

    Raises:
        FailedError: it could not be started, ended with another status than 0, or did not end.
    """
    launcher = subprocess.Popen(
        [*LAUNCH, str(out), *command],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        report, errors = launcher.communicate(timeout=PATIENCE)
    except BaseException as error:
        os.killpg(launcher.pid, signal.SIGKILL)
        launcher.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise FailedError(f"did not end within {PATIENCE:.0f} s") from None
        raise
    if launcher.returncode:
        raise FailedError(_reason("could not be started", errors))
    status, cpu, wall, peak = report.split()
    if status != "0":
        raise FailedError(_reason(f"exit status {status}", errors))
    return Sample(float(cpu), float(wall), int(peak))


def output(command: Sequence[str]) -> str:
    """What a command prints.

    Raises:
        FailedError: it ended with another status than 0, or did not end.
    """
    try:
        process = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise FailedError(f"did not end within {PATIENCE:.0f} s") from None
    if process.returncode:
        raise FailedError(_reason(f"exit status {process.returncode}", process.stderr))
    return process.stdout


def first_byte(command: Sequence[str]) -> float:
    """Seconds from the start of a command to the first byte of its standard output.

    Raises:
        FailedError: there was none, or it ended with another status than 0.
    """
    with tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors) as process:
            assert process.stdout
            first = os.read(process.stdout.fileno(), 1)
            seconds = time.perf_counter() - began
            process.stdout.read()
        if process.returncode or not first:
            errors.seek(0)
            raise FailedError(_reason(f"exit status {process.returncode}", errors.read()))
    return seconds


def _reason(summary: str, errors: str) -> str:
    """The summary, and the last line that the command wrote to standard error."""
    last = errors.strip().rpartition("\n")[2]
    return f"{summary}: {last[:200]}" if last else summary
