"""Windows event logs through the command line: the same events as from their XML. Everything runs as a process."""

import gzip
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.event_log import Event, event_log

PARSE = [sys.executable, "-m", "shipper", "parse", "--deterministic"]
PATIENCE = 60.0


def parse(*arguments: str | Path, status: int = 0) -> tuple[list[dict[str, Any]], str]:
    """The events, and what standard error says."""
    done = subprocess.run([*PARSE, *map(str, arguments)], capture_output=True, check=False, timeout=PATIENCE)
    assert done.returncode == status, done.stderr
    return [orjson.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def with_paths(events: Sequence[dict[str, Any]], path_of: Callable[[str], str]) -> list[dict[str, Any]]:
    """The events, their files under other paths."""
    for event in events:
        file = event.get("log", {}).get("file")
        if file is not None:
            file["path"] = path_of(file["path"])
    return list(events)


def nps(count: int) -> bytes:
    text = (
        "NPS Extension for Azure MFA:  CID: 00000000-0000-0000-0000-{:012} : Access Accepted for user alex{} with Azure MFA response:"
        " Success and message: session 5"
    )
    begin = datetime(2026, 3, 1, 8, 0, 0, 123456, UTC)
    return event_log([Event(begin + timedelta(minutes=n), [text.format(n, n)]) for n in range(count)])


@pytest.mark.parametrize("packed", [False, True])
def test_an_event_log_gives_the_events_of_its_xml(packed: bool, tmp_path: Path) -> None:
    evtx = pytest.importorskip("evtx")
    path, xml = tmp_path / "a.evtx", tmp_path / "a.xml"
    path.write_bytes(nps(300))
    records = evtx.PyEvtxParser(str(path), number_of_threads=1, indent=False).records()
    xml.write_text("".join(record["data"].partition("?>")[2].strip() + "\n" for record in records), encoding="utf-8")
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    events, said = parse(path)
    assert with_paths(events, lambda _: "") == with_paths(parse(xml, "-q")[0], lambda _: "")
    assert {(event["event"]["action"], event["host"]["name"]) for event in events} == {("mfa-result", "nps01.example.com")}
    assert (events[7]["user"]["name"], events[7]["@timestamp"]) == ("alex7", "2026-03-01T08:07:00.123456Z")
    assert len(events) == 300
    assert "note" not in said


def test_an_event_log_that_was_cut_off_is_never_read_short_in_silence(tmp_path: Path) -> None:
    pytest.importorskip("evtx")
    whole = nps(1000)
    path = tmp_path / "cut.evtx"
    path.write_bytes(whole[: len(whole) // 2])
    events, said = parse(path, "-q", status=1)
    assert 300 < len(events) < 700
    half = len(whole) // 2
    missing = 1000 - len(events)
    assert said == (
        f"mfa-shipper: {path}: the event log ends too early, after {half} bytes: at least {missing} of its events cannot be read\n"
    )


def test_without_the_library_an_event_log_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.evtx"
    path.write_bytes(nps(1))
    program = "import sys; sys.modules['evtx'] = None; from shipper.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program, "parse", str(path)], capture_output=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == (
        f"mfa-shipper: {path} is a Windows event log (.evtx); what reads it is not installed: pip install 'evtx>=0.14',"
        " or export its events as XML or JSON\n"
    )
