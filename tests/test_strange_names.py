"""Names of files that try to speak to a terminal, or to forge a line of the log."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.process import Shipper, configuration, numbered, until

NAME = "Mfa\x1b[2J\x9b31m\r\nFAKE.log"


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "shipper", *arguments], capture_output=True, text=True, timeout=60, check=False)


def is_harmless(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text) and not any(
        line.startswith("FAKE") for line in text.split("\n")
    )


def test_they_are_escaped_wherever_they_are_shown(tmp_path: Path) -> None:
    output = {"type": "file", "file": {"path": str(tmp_path / "out.ndjson")}, "batch": {"max_age": "50ms"}}
    shipper = Shipper(tmp_path, configuration(tmp_path, output))
    (tmp_path / "logs" / NAME).write_bytes(numbered(0, 10))
    (tmp_path / "logs" / f"{NAME}.zip").write_bytes(b"PK\x03\x04 no archive")
    shipper.start()
    until(lambda: (tmp_path / "out.ndjson").exists() and (tmp_path / "out.ndjson").read_bytes().count(b"\n") == 10, "ten events")
    shown = command("check", "--config", shipper.config).stdout
    assert "FAKE" in shown
    assert is_harmless(shown.replace(str(tmp_path / "logs" / "Mfa*.log*"), ""))
    until(lambda: "FAKE" in command("status", "--config", shipper.config).stdout, "the file in the status")
    shown = command("status", "--config", shipper.config).stdout
    assert shipper.terminate() == 0
    assert "bytes delivered" in shown
    assert is_harmless(shown)
    assert is_harmless(shipper.said())
    events = [json.loads(line) for line in (tmp_path / "out.ndjson").read_bytes().splitlines()]
    assert {event["log"]["file"]["path"] for event in events} == {str(tmp_path / "logs" / NAME)}  # in JSON it is what it is


@pytest.mark.parametrize("arguments", [("parse",), ("report",), ("check", "--config"), ("run", "--config")])
def test_errors_escape_them_too(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = command(*arguments, tmp_path / "no\x1b[2J.log")
    assert done.returncode == 2
    assert is_harmless(done.stderr)
    assert "\\x1b[2J" in done.stderr


def test_a_plan_and_its_notes_escape_them(tmp_path: Path) -> None:
    for name in (NAME, f"{NAME} - Copy.log"):
        (tmp_path / name).write_bytes(numbered(0, 3))
    plan, done = command("parse", "--plan", tmp_path), command("parse", "--output", tmp_path / "out", tmp_path)
    assert "is a copy of" in plan.stdout
    assert "is a copy of" in done.stderr
    assert is_harmless(plan.stdout)
    assert is_harmless(done.stderr)
