"""The systemd units, by systemd's own checkers."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.tools import DEPLOY, run, tool

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


def analyze(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return run(tool("systemd-analyze", "apt-get install --no-install-recommends systemd"), *arguments)


def test_there_is_one_for_each_service() -> None:
    assert [unit.stem for unit in UNITS] == ["mfa-shipper-detect", "mfa-shipper"]


@each_unit
def test_the_unit_is_sound(unit: Path) -> None:
    done = analyze("verify", unit)
    assert (done.returncode, done.stderr) == (0, "")


@each_unit
def test_the_unit_is_hardened(unit: Path) -> None:
    done = analyze("security", "--offline=yes", unit)
    found = re.search(r"Overall exposure level.*: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= 2.0
