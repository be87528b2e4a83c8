"""Vendors' tools: where they are, and what happens where one is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PLACES = (Path(sys.executable).parent, ROOT / ".cache" / "splunk" / "bin")  # `make deploy-check` fills them


def missing(what: str) -> None:
    """Skip the test, or fail it in CI, where every tool must be there."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def tool(name: str, hint: str) -> str:
    """The path of a command; `hint` says how to get it."""
    found = next((str(place / name) for place in PLACES if (place / name).exists()), None) or shutil.which(name)
    if found is None:
        missing(f"{name} is not installed: {hint}")
    return str(found)


def run(*command: str | Path, cwd: Path | None = None, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and keep what it wrote."""
    return subprocess.run([str(part) for part in command], cwd=cwd, input=stdin, text=True, capture_output=True, timeout=300)
