"""The golden cases: a directory under tests/golden each.

input.log        what is read (or any other files: all but the two below are)
options.json     optional: further command line options, a list
expected.ndjson  the bytes that `parse` must write to standard output
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent / "golden"
OPTIONS, EXPECTED = "options.json", "expected.ndjson"


@dataclass(frozen=True)
class Case:
    """One directory."""

    name: str

    @property
    def directory(self) -> Path:
        return ROOT / self.name

    @property
    def expected(self) -> Path:
        return self.directory / EXPECTED

    @property
    def options(self) -> list[str]:
        file = self.directory / OPTIONS
        found: list[str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
        return found

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir() if path.name not in (OPTIONS, EXPECTED))

    def output(self, *more: str) -> bytes:
        """What the command writes, run in the directory of the case."""
        command = [
            sys.executable,
            "-m",
            "shipper",
            "parse",
            "--deterministic",
            "--no-progress",
            "-q",
            *self.options,
            *more,
            *self.files,
        ]
        done = subprocess.run(command, cwd=self.directory, capture_output=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
        return done.stdout


def cases() -> list[Case]:
    return [Case(path.name) for path in sorted(ROOT.iterdir()) if path.is_dir()]


def documents(output: bytes) -> Iterator[dict[str, Any]]:
    """The ECS documents of an output, whatever its format."""
    decoder, text, at = json.JSONDecoder(), output.decode(), 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = decoder.raw_decode(text, at)
        if "create" not in value:
            yield value["event"] if "sourcetype" in value else value
