"""The command `report`, from the outside."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.deploy import corpus
from tests.deploy.tools import ROOT

SCHEMA = json.loads((ROOT / "schemas" / "report.schema.json").read_text(encoding="utf-8"))
EXAMPLE = ROOT / "deploy" / "examples" / "report.json"


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shipper", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)


def report(*arguments: str, cwd: Path) -> dict[str, Any]:
    """The JSON of a report, which must be of its schema."""
    done = run("report", "--format", "json", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(summary, SCHEMA, jsonschema.Draft202012Validator)
    return summary


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the logs of the made-up week."""
    folder = tmp_path_factory.mktemp("week")
    corpus.write(folder)
    return folder


def test_the_example_is_the_report_of_the_made_up_week(week: Path) -> None:
    assert report("*.log", cwd=week) == json.loads(EXAMPLE.read_text(encoding="utf-8"))


def test_workers_change_nothing(week: Path) -> None:
    assert report("*.log", "--workers", "3", cwd=week) == report("*.log", cwd=week)
