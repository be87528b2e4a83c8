"""The README keeps its promises: every command in it is run, and what it shows is what comes out."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shipper.sidecar.metrics import LATENCY, METRICS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
LOG = "deploy/examples/MultiFactorAuthRadiusSvc.log"


def console() -> list[tuple[str, str]]:
    """The commands of all console blocks, each with the output that stands below it in the block."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", README, re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, shown = part.partition("\n")
            found.append((command.strip(), shown.strip()))
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with what the README's commands name, and the command itself on the path."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    (tmp_path / "logs").mkdir()
    shutil.copy(ROOT / LOG, tmp_path / "logs")
    (tmp_path / "old.log.gz").write_bytes(gzip.compress((ROOT / LOG).read_bytes()))
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "mfa-shipper"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m shipper "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return tmp_path


def run(command: str, place: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run(
        command, shell=True, cwd=place, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


OURS = [(command, shown) for command, shown in console() if "mfa-shipper" in command]


@pytest.mark.parametrize("command", [command for command, _ in OURS])
def test_every_command_works(command: str, place: Path) -> None:
    if "mycodes.csv" in command and ">" not in command:
        run("mfa-shipper codes --format csv > mycodes.csv", place)

    done = run(command, place)

    assert done.returncode == 0, done.stderr
    target = re.search(r"(?:> |--output )(\S+)", command)
    written = (place / target[1]).read_text(encoding="utf-8") if target else done.stdout
    assert written.strip()


@pytest.mark.parametrize(("command", "shown"), [(command, shown) for command, shown in OURS if shown])
def test_shown_output_is_the_output(command: str, shown: str, place: Path) -> None:
    done = run(command, place)

    printed = (done.stdout + done.stderr).strip()
    seconds = re.compile(r"in \d+\.\d s")
    assert seconds.sub("in 0.0 s", printed) == seconds.sub("in 0.0 s", shown)


def test_shown_event_is_the_event(place: Path) -> None:
    command = next(command for command, _ in OURS if "log.offset=151" in command)
    shown = README.split(command)[1].split("```json\n")[1].split("```")[0]

    assert json.loads(run(command, place).stdout) == json.loads(shown)


def test_shown_finding_is_the_finding(place: Path) -> None:
    command = next(command for command, _ in OURS if "--only double_prompt" in command)
    shown = json.loads(README.split(command)[1].split("```json\n")[1].split("```")[0])

    finding = json.loads(run(f"{command} --deterministic", place).stdout)
    assert {name: finding[name] for name in shown} == shown


def test_make_targets_of_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = set(re.findall(r"make ([a-z]+)`", README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    named |= {command.split()[1] for command, _ in console() if command.startswith("make ")}

    assert {"demo", "test", "check", "bench", "clean"} <= targets
    assert {"demo", "test"} <= named <= targets


@pytest.mark.parametrize("command", ["parse", "explain", "codes", "check"])
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"**`{command}`**" in README


def test_links_lead_to_files() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        if not link.startswith("http"):
            assert (ROOT / link).exists(), link


def test_every_metric_of_the_readme_is_there() -> None:
    names = set(re.findall(r"mfa_shipper_\w+", README))
    known = {*(metric.full_name for metric in METRICS), LATENCY}

    assert len(names) > 5
    assert names <= known


def test_every_test_that_shows_a_guarantee_is_there() -> None:
    rows = [line for line in README.split("### Delivery guarantees")[1].split("###")[0].splitlines() if line.startswith("| ")][1:]
    shown = [re.findall(r"`(tests/[\w/]+\.py)`", row) for row in rows]

    assert len(shown) > 10
    assert all(shown)
    assert [path for paths in shown for path in paths if not (ROOT / path).exists()] == []
