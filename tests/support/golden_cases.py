"""The golden cases: a directory under tests/golden each.

input.log        what is read (or any other files: all but those below are)
options.json     optional: further command line options, a list
pseudonyms.key   optional: for `--pseudonyms`
expected.ndjson  the bytes that `parse` must write
counts.json      what `parse` must count: `Counts` without the zeros
"""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from shipper.cli import command
from shipper.model import Counts

ROOT = Path(__file__).parents[1] / "golden"
OPTIONS, EXPECTED, COUNTS = "options.json", "expected.ndjson", "counts.json"
KEY = "pseudonyms.key"
QUIET = ("--deterministic", "--no-progress", "-q")


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
    def counts(self) -> Path:
        return self.directory / COUNTS

    @property
    def options(self) -> list[str]:
        file = self.directory / OPTIONS
        found: list[str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
        return found

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir() if path.name not in (OPTIONS, EXPECTED, COUNTS, KEY))

    def parse(self) -> tuple[bytes, Counts]:
        """What `parse` writes and counts, run in this process, so that coverage and mutation tests see it."""
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(self.directory):
            output = Path(folder) / "output"
            arguments = ["parse", *QUIET, *self.options, "--output", str(output), *self.files]
            counts: Counts = command.main(arguments, standalone_mode=False)
            return output.read_bytes(), counts

    def standard_output(self) -> bytes:
        """What the command writes as a process of its own."""
        arguments = [sys.executable, "-m", "shipper", "parse", *QUIET, *self.options, *self.files]
        done = subprocess.run(arguments, cwd=self.directory, capture_output=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
        return done.stdout


def cases() -> list[Case]:
    return [Case(path.name) for path in sorted(ROOT.iterdir()) if path.is_dir()]


def sums(counts: Counts) -> dict[str, Any]:
    """The counts as plain JSON, without the zeros; those of the detectors among the others."""
    values: dict[str, Any] = orjson.loads(orjson.dumps(counts))
    return {name: value for name, value in (values | values.pop("detected")).items() if value}


def documents(output: bytes) -> Iterator[dict[str, Any]]:
    """The ECS documents of an output, or its OCSF events."""
    decoder, text, at = json.JSONDecoder(), output.decode(), 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = decoder.raw_decode(text, at)
        if "create" not in value:
            yield value["event"] if "sourcetype" in value else value
