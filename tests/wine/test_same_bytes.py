"""What `parse` gives on Windows is what it gives on Linux, byte for byte."""

import gzip
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.generate import Recipe, generate
from tests.support.jars import ROOT, Unavailable
from tests.support.windows import Windows, a_windows

LOGS = 20
PARSE = ["-m", "shipper", "parse", "--deterministic", "--quiet"]


def recipes() -> Iterator[Recipe]:
    rnd = random.Random(16)
    for seed in range(LOGS):
        lines, crlf, curly = rnd.randint(500, 4000), seed % 2 == 1, seed % 5 == 0
        results, nps, syslog = (seed % 7 == kind for kind in range(3))
        yield Recipe(lines, seed, users=50, crlf=crlf, curly=curly, results=results, nps=nps, syslog=syslog)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Logs of all kinds, every fifth of them compressed; blanks and umlauts are in the name of their folder."""
    folder = tmp_path_factory.mktemp("Prüfung der Anmeldung")
    paths = []
    for number, recipe in enumerate(recipes()):
        path = folder / f"Mfa{number}.log"
        generate(recipe, path)
        if number % 5 == 4:
            packed = path.with_suffix(".log.gz")
            packed.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
            path.unlink()
            path = packed
        paths.append(path)
    return paths


@pytest.fixture(scope="module")
def windows() -> Iterator[Windows]:
    """Python for Windows. In CI one that is not to be had is a failure."""
    try:
        with a_windows() as made:
            yield made
    except Unavailable as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


def on_linux(*arguments: str | Path, cwd: Path) -> bytes:
    command = [sys.executable, *PARSE, *map(str, arguments)]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.run(command, cwd=cwd, capture_output=True, check=True, env={**os.environ, "PYTHONPATH": path}).stdout


@pytest.mark.parametrize("number", range(LOGS))
def test_parse_gives_the_same_bytes(number: int, logs: list[Path], windows: Windows) -> None:
    log = logs[number]
    wanted = on_linux(log.name, cwd=log.parent)
    assert wanted.count(b"\n") > 300

    assert on_windows(windows, log.name, cwd=log.parent) == wanted
    out = log.with_suffix(".ndjson")
    assert on_windows(windows, log.name, "--output", out.name, "--workers", "2", cwd=log.parent) == b""
    assert out.read_bytes() == wanted


def on_windows(windows: Windows, *arguments: str | Path, cwd: Path) -> bytes:
    done = windows.run([*PARSE, *arguments], cwd=cwd, PYTHONPATH=f"Z:{ROOT}")
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout
