"""The systemd unit, by systemd's own checkers."""

import re
import subprocess
from pathlib import Path

from tests.deploy.tools import DEPLOY, run, tool

UNIT = DEPLOY / "systemd" / "mfa-shipper.service"


def analyze(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return run(tool("systemd-analyze", "apt-get install --no-install-recommends systemd"), *arguments)


def test_the_unit_is_sound() -> None:
    done = analyze("verify", UNIT)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_is_hardened() -> None:
    done = analyze("security", "--offline=yes", UNIT)
    found = re.search(r"Overall exposure level.*: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= 2.0
