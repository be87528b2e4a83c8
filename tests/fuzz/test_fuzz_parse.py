"""The fuzzer for a few seconds: as it is, and with random bytes in the place of atheris."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FUZZER = Path(__file__).parent / "fuzz_parse.py"
LINES = 20_000


@pytest.mark.parametrize("options", [[], ["--random"]], ids=["guided", "random"])
def test_the_fuzzer_finds_nothing(options: list[str], tmp_path: Path) -> None:
    command = [sys.executable, str(FUZZER), "--lines", str(LINES), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr[-4000:]
    report = re.search(r"^([0-9,]+) lines in ([0-9,]+) inputs .*; nothing found$", done.stdout, re.M)
    assert report, done.stdout
    assert int(report[1].replace(",", "")) >= LINES
    assert int(report[2].replace(",", "")) > 1


def test_damaged_files_end_in_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("evtx")
    command = [sys.executable, str(FUZZER.with_name("fuzz_files.py")), "--files", "600"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr[-4000:]
    report = done.stdout.splitlines()
    assert report[-1] == "600 files; nothing found"
    assert [kind for kind in ("read", "read in part", "refused", "damaged") if kind not in done.stdout] == []
    assert {line.partition(":")[0] for line in report[:-1]} >= {"zip", "tar", "evtx", "zstd", "tar, gzip"}


def test_damaged_exports_give_an_event_a_record(tmp_path: Path) -> None:
    command = [sys.executable, str(FUZZER.with_name("fuzz_exports.py")), "--records", "1500"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr[-4000:]
    report = done.stdout.splitlines()
    assert re.fullmatch(r"[0-9,]+ records in [0-9,]+ files; nothing found", report[-1])
    assert {line.partition(":")[0] for line in report} >= {"powershell-array", "event-viewer-xml", "event-viewer-csv"}
