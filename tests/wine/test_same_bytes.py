"""What Windows gives is what Linux gives; and what its tests leave out is little."""

import ast
import gzip
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.generate import Recipe, generate
from tests.support.jars import Unavailable
from tests.support.windows import Windows, a_windows

LEFT_OUT_AT_MOST = 40
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
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))))
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
    done = windows.run([*PARSE, *arguments], cwd=cwd, PYTHONPATH=f"Z:{Path(__file__).parents[1]}")
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def test_few_tests_are_left_out_on_windows() -> None:
    left_out = [name for path in Path(__file__).parent.rglob("test_*.py") for name in posix_tests(path)]

    assert len(left_out) <= LEFT_OUT_AT_MOST, "\n".join(left_out)
    assert left_out


def posix_tests(path: Path) -> Iterator[str]:
    """The test functions of a file that carry the mark `posix`, themselves or by their file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    whole_file = any(isinstance(node, ast.Assign) and marked(node.value) for node in tree.body)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.FunctionDef)
            and node.name.startswith("test_")
            and (whole_file or any(map(marked, node.decorator_list)))
        ):
            yield f"{path.name}::{node.name}"


def marked(node: ast.expr) -> bool:
    """True for `pytest.mark.posix("reason")`, or a list that holds one."""
    return "pytest.mark.posix(" in ast.unparse(node)
