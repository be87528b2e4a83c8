"""mfa_fatigue as users run it: `run` over a restart, `parse` with workers, one event an exchange."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import Shipper, configuration, until

BASE = datetime(2017, 2, 14)


def exchange(minute: float, code: int, user: str = "bob") -> str:
    start, end = (
        (BASE + timedelta(minutes=minute, seconds=seconds)).isoformat(timespec="microseconds") + "Z" for seconds in (0, 5)
    )
    head = "|0|1412|4|pfrad|"
    verdict = int(code == 21)
    return f"{start}{head}Calling pfAuthUser('{user}', '', 1)\n{end}{head}authResult = {verdict}\n{end}{head}rawCallStatus = {code}\n"


# Told once; then never left alone for six hours, and never five in ten minutes; then five again, and the user gives in.
ATTACK = [
    *(exchange(minute, 129) for minute in range(5)),
    *(exchange(minute, 133) for minute in range(10, 360, 6)),
    *(exchange(360 + minute, 129) for minute in range(5)),
    exchange(366, 21),
]


def told(output: bytes) -> list[tuple[str, bool]]:
    events: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]
    found = [event for event in events if event["event"].get("action") == "mfa_fatigue"]
    return [(event["@timestamp"], event["azure_mfa"]["mfa_fatigue"]["gave_in"]) for event in found]


FINDINGS = [("2017-02-14T00:04:05.000000Z", False), ("2017-02-14T06:06:05.000000Z", True)]


@pytest.mark.parametrize("restart", [5, len(ATTACK) - 4])
def test_run_tells_each_thing_once_over_a_restart(tmp_path: Path, restart: int) -> None:
    (tmp_path / "logs").mkdir()
    log, out = tmp_path / "logs" / "Mfa.log", tmp_path / "out.ndjson"
    config = configuration(tmp_path, {"type": "file", "file": {"path": str(out)}})
    for number, lines in enumerate((ATTACK[:restart], ATTACK[restart:]), 1):
        with log.open("a", encoding="utf-8") as file:
            file.write("".join(lines))
        shipper = Shipper(tmp_path, config)
        shipper.start()
        events = 3 * len(ATTACK[: restart if number == 1 else None]) + number
        until(lambda: out.exists() and out.read_bytes().count(b"\n") >= events, f"{events} events")  # noqa: B023  called at once
        assert shipper.terminate() == 0
    assert told(out.read_bytes()) == FINDINGS
    state = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "state").glob("checkpoint.json*"))
    assert '"mfa_fatigue"' in state
    assert '"bob"' not in state


def test_workers_change_no_byte(tmp_path: Path) -> None:
    """Others sign in between, so that the attack is cut into pieces, and no recent past says that it was told."""
    log = tmp_path / "Mfa.log"
    quiet = [exchange(366 * number / 16_000, 21, f"user{number}").replace("|4|", "|8|") for number in range(16_000)]
    lines = [line for text in (*quiet, *ATTACK) for line in text.splitlines(keepends=True)]
    log.write_text("".join(sorted(lines, key=lambda line: line[:27])), encoding="utf-8")

    def parsed(*options: str) -> bytes:
        command = [sys.executable, "-m", "shipper", "parse", "-q", "--deterministic", "--no-progress", *options, str(log)]
        return subprocess.run(command, capture_output=True, check=True, timeout=120).stdout

    one, two = parsed("--only", "mfa_fatigue"), parsed("--only", "mfa_fatigue", "--workers", "2")
    assert told(one) == FINDINGS
    assert one == two
    merged = parsed("--events", "exchange")
    assert told(merged) == FINDINGS
    assert told(parsed("--detect", "double_prompt")) == []
