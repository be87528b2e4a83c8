"""Vendors' tools: where they are, and what happens where one is missing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.generate.places import DEPLOY as DEPLOY
from deploy.generate.places import ROOT as ROOT

# `make deploy-check`, `make container-check` and the targets for their tools fill them.
TOOLS = ROOT / ".cache"
SYSLOG_NG = TOOLS / "syslog-ng"  # unpacked, as Debian's package cannot be beside rsyslog's
PLACES = (Path(sys.executable).parent, TOOLS / "splunk" / "bin", TOOLS / "go" / "bin", SYSLOG_NG / "usr" / "sbin")


def missing(reason: str) -> None:
    """Skip the test, or fail it in CI, where every tool must be there."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def tool(name: str, hint: str) -> str:
    """The path of a command, also of one for administrators; `hint` says how to get it."""
    path = os.pathsep.join([*map(str, PLACES), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        missing(f"{name} is not installed: {hint}")
    return str(found)


SAID: list[str] = []  # the last line of each vendor's tool that found nothing wrong, for the end of the report
OURS = {"shipper", "sh", "bash"}


def run(
    *command: str | Path, cwd: Path | None = None, stdin: str | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and keep what it wrote. What `environment` has is added to ours."""
    words = [str(part) for part in command]
    env = {**os.environ, **(environment or {})}
    done = subprocess.run(words, cwd=cwd, input=stdin, env=env, text=True, capture_output=True, timeout=300)
    name, lines = Path(words[0]).name, (done.stdout.strip() or done.stderr.strip()).splitlines()
    if not done.returncode and not OURS & {name, *words}:
        subcommand = [word for word in words[1:3] if not word.startswith("/")]
        counts = [line.strip() for line in lines[-9:] if line.strip().rpartition(" ")[2].isdigit()]  # appinspect has one a line
        last = ", ".join(counts) if len(counts) > 3 else lines[-1].strip() if lines else "nothing to say"
        SAID.append(f"{' '.join([name, *subcommand])}: {last}")
    return done
