"""Events for the Splunk tests: what the shipper makes of generated and of golden logs, as a search sees them."""

import json
import subprocess
import sys
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.deploy.splunk_app import ECS, Event, search_time
from tests.deploy.tools import ROOT
from tests.support.generate import Recipe, generate

GOLDEN = ROOT / "tests" / "golden"


@cache
def documents() -> tuple[dict[str, Any], ...]:
    """Documents of both kinds of log, and of the golden cases, with double prompts of every pattern."""
    with TemporaryDirectory() as place:
        logs = [Path(place) / "MultiFactorAuthRadiusSvc.log", Path(place) / "MultiFactorAuthSvc.log"]
        generate(Recipe(lines=6_000, seed=5, users=60), logs[0])
        generate(Recipe(lines=1_500, seed=6, users=40, results=True), logs[1])
        command = [sys.executable, "-m", "shipper", "parse", "--deterministic", "--quiet", *map(str, logs)]
        done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True, timeout=120)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for case in ("dp-sequential", "dp-concurrent", "dp-retry", "codes", "unparsed", "outcome-conflict", "users", "orphans"):
        found += [json.loads(line) for line in (GOLDEN / case / "expected.ndjson").read_text(encoding="utf-8").splitlines()]
    return tuple(found)


def event(document: dict[str, Any]) -> Event:
    """A document at search time, with the time that Splunk gives it."""
    time = datetime.fromisoformat(document["@timestamp"]).timestamp()
    raw = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return search_time(ECS, raw) | {"_time": time, "index": "mfa"}


@cache
def events() -> tuple[Event, ...]:
    """All of them at search time."""
    return tuple(map(event, documents()))
