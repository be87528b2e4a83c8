"""The fuzzer for a few seconds: as it is, and with random bytes in the place of atheris."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import made_files, packed_files

pytestmark = pytest.mark.slow

READERS = {*made_files.READERS, *packed_files.READERS}
FUZZER = Path(__file__).parent / "fuzz_parse.py"
FROM_HERE = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}  # an installed copy brings no tests
LINES = 20_000
BROKEN = """
import sys
sys.path.insert(0, ".")
from shipper.read.records import RecordBuffer
flush = RecordBuffer._flush
def losing(self, taken, spans):
    del spans[2::3]
    flush(self, taken, spans)
RecordBuffer._flush = losing
from tests.fuzz.fuzz_readers import main
main()
"""


@pytest.mark.parametrize("options", [[], ["--random"]], ids=["guided", "random"])
def test_the_fuzzer_finds_nothing(options: list[str], tmp_path: Path) -> None:
    command = [sys.executable, str(FUZZER), "--lines", str(LINES), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120, env=FROM_HERE)
    assert done.returncode == 0, done.stderr[-4000:]
    report = re.search(r"^([0-9,]+) lines in ([0-9,]+) inputs .*; nothing found$", done.stdout, re.M)
    assert report, done.stdout
    assert int(report[1].replace(",", "")) >= LINES
    assert int(report[2].replace(",", "")) > 1


@pytest.mark.parametrize("options", [["--only", "x"], ["--random"]], ids=["guided", "random"])
def test_the_fuzzer_of_readers_finds_nothing(options: list[str], tmp_path: Path) -> None:
    pytest.importorskip("evtx")
    command = [sys.executable, str(FUZZER.with_name("fuzz_readers.py")), "--records", "6000", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=180, env=FROM_HERE)
    assert done.returncode == 0, done.stdout[-4000:]
    headings, *rows, last = done.stdout.splitlines()
    assert headings.split()[:4] == ["reader", "inputs", "records", "seconds"]
    assert re.fullmatch(r"[0-9,]+ records in [0-9,]+ inputs; nothing found", last)
    readers = READERS if "--random" in options else {"xml", "text", "xz", "evtx"}
    assert {row.split()[0] for row in rows} == readers
    assert all(int(row.split()[2].replace(",", "")) > 0 for row in rows), done.stdout


def test_what_the_fuzzer_of_readers_finds_is_told_and_fails(tmp_path: Path) -> None:
    """With a reader that loses every third record."""
    broken = tmp_path / "broken.py"
    broken.write_text(BROKEN, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(broken), "--reader", "csv", "--records", "100", "--random"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2], timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert json.loads(done.stdout)["failures"] > 0
    assert "csv: AssertionError in _check_conservation: lost at " in done.stderr
