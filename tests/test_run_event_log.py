"""`run` follows channels of the event log, through kills: a real shipper, over a machine whose event log is the one of
`tests/support/windows_events.py`."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipper.cli import command
from tests.support.exports import EVENTS
from tests.support.process import Shipper, until
from tests.support.windows_events import CHANNEL, FOLDER, WindowsChannel, record


class Machine:
    """A shipper, and a channel that it follows."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **given: Any) -> None:
        self.folder, self.out = folder, folder / "events.ndjson"
        (folder / "log").mkdir()
        monkeypatch.setenv(FOLDER, str(folder / "log"))
        self.channel = WindowsChannel(folder / "log")
        config = {
            "state_dir": str(folder / "state"),
            "inputs": [{"type": "windows_event_log", "channel": CHANNEL, **given}],
            "output": {"type": "file", "file": {"path": str(self.out)}},
        }
        self.shipper = Shipper(folder, config, module="tests.support.windows_events")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command about the configuration."""
        line = [sys.executable, "-m", "tests.support.windows_events", *arguments, "--config", str(self.shipper.config)]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    def events(self) -> list[dict[str, Any]]:
        """What was delivered, whole lines only: after a kill some come again."""
        lines = self.out.read_bytes().split(b"\n")[:-1] if self.out.exists() else []
        return [json.loads(line) for line in lines]

    def numbers(self) -> list[int]:
        """The numbers of the records that were delivered, each once."""
        return sorted({event["log"]["offset"] for event in self.events() if "log" in event and "offset" in event["log"]})

    def wait_for(self, condition: Callable[[], object]) -> None:
        until(condition, self.shipper.said)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Machine]:
    return lambda **given: Machine(tmp_path, monkeypatch, **given)


def of_parse(folder: Path) -> list[dict[str, Any]]:
    """The events of the same records as wevtutil exports them."""
    export, parsed = folder / "export.xml", folder / "parsed.ndjson"
    export.write_text("\n".join(record(event, event + 1) for event in range(len(EVENTS))) + "\n", encoding="utf-8")
    command.main(["parse", "-q", "--output", str(parsed), str(export)], standalone_mode=False)
    return [json.loads(line) for line in parsed.read_text(encoding="utf-8").splitlines()]


def bare(event: dict[str, Any]) -> dict[str, Any]:
    """An event without what tells where its line stood, `log` and all ids made of that, and without the agent."""
    document: dict[str, Any] = json.loads(json.dumps(event))
    document["log"] = {name: value for name, value in document.get("log", {}).items() if name == "level"}
    azure = document.get("azure_mfa", {})
    found = azure.get("double_prompt", {})
    for part in (document["event"], azure.get("exchange", {}), found.get("first", {}), found.get("second", {})):
        part.pop("id", None)
    document.pop("agent")
    return document


def test_the_events_are_those_of_an_export_and_a_kill_loses_none(machine: Callable[..., Machine], tmp_path: Path) -> None:
    m = machine()
    m.channel.create()
    m.shipper.start()
    try:
        for event in range(len(EVENTS)):
            m.channel.write(event)
            m.wait_for(lambda event=event: len(m.numbers()) == event + 1)  # type: ignore[misc]
            if event in (0, 2, 4):  # with a sign-in open, between two, and with a prompt that makes the next one double
                m.shipper.kill()
                m.shipper.start()
    finally:
        assert m.shipper.terminate() == 0
    by_id = {event["event"]["id"]: event for event in m.events()}
    expected = of_parse(tmp_path)
    assert sum(event["event"]["kind"] == "alert" for event in expected) == 1
    assert [bare(event) for event in by_id.values()] == [bare(event) for event in expected]
    assert m.numbers() == list(range(1, len(EVENTS) + 1))
    for came in by_id.values():
        if came["event"]["kind"] == "event":
            assert came["event"]["id"].partition("-")[2] == str(came["log"]["offset"])
            assert "file" not in came["log"]
    assert "traceback" not in m.shipper.said().lower()


def test_ids_need_no_checkpoint(machine: Callable[..., Machine]) -> None:
    m = machine()
    m.channel.create().write(0, 1, 2)
    m.shipper.start()
    m.wait_for(lambda: len(m.events()) == 3)
    m.shipper.terminate()
    for file in (m.folder / "state").glob("checkpoint*"):
        file.unlink()
    m.shipper.start()
    m.wait_for(lambda: len(m.events()) == 6)
    m.shipper.terminate()
    assert m.events()[:3] == m.events()[3:]


def test_a_channel_that_was_cleared_is_read_from_its_new_beginning(machine: Callable[..., Machine]) -> None:
    m = machine()
    m.channel.create().write(0, 1, 2)
    m.shipper.start()
    try:
        m.wait_for(lambda: len(m.events()) == 3)
        m.channel.clear(anew=True)
        m.channel.write(3)  # fewer than were read
        m.wait_for(lambda: len(m.events()) == 4)
        m.shipper.kill()
        m.channel.clear(anew=True)
        m.channel.write(4, 5, 6)  # more than were read
        m.shipper.start()
        m.wait_for(lambda: len(m.events()) >= 7)
    finally:
        m.shipper.terminate()
    ids = [event["event"]["id"] for event in m.events() if event["event"]["kind"] == "event"]
    assert len(set(ids)) == 7
    assert [one.partition("-")[2] for one in dict.fromkeys(ids)] == ["1", "2", "3", "1", "1", "2", "3"]
    assert f"eventlog:{CHANNEL} was cleared: its records are counted anew" in m.shipper.said()


def test_records_that_went_before_they_were_read_are_told(machine: Callable[..., Machine]) -> None:
    m = machine()
    m.channel.create().write(0, 1)
    m.shipper.start()
    m.wait_for(lambda: len(m.events()) == 2)
    m.shipper.terminate()
    m.channel.write(2, 3, 4)
    m.channel.overwrite(4)
    m.shipper.start()
    m.wait_for(lambda: m.numbers() == [1, 2, 5])
    m.shipper.terminate()
    assert f"eventlog:{CHANNEL}: 2 records were overwritten or cleared before they could be read" in m.shipper.said()


def test_start_end_leaves_out_what_is_there_and_nothing_that_comes_later(machine: Callable[..., Machine]) -> None:
    m = machine(start="end")
    m.channel.create().write(0, 1)
    m.shipper.start()
    m.wait_for(lambda: (m.folder / "state" / "checkpoint.json").exists())
    m.shipper.terminate()
    m.channel.write(2)
    m.shipper.start()
    m.wait_for(lambda: m.numbers() == [3])
    m.shipper.terminate()


def test_a_channel_that_is_not_there_may_come_later(machine: Callable[..., Machine]) -> None:
    m = machine(start="end")
    m.shipper.start()
    try:
        m.wait_for(lambda: f"there is no event log channel {CHANNEL} on this machine; will look again" in m.shipper.said())
        m.channel.create().write(0)
        m.wait_for(lambda: m.numbers() == [1])
        m.channel.remove()
        m.channel.create().write(1)
        m.wait_for(lambda: len(m.events()) == 2)
    finally:
        assert m.shipper.terminate() == 0


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (5, "make the user who runs the shipper a member of the group Event Log Readers"),
        (1722, "the event log service does not answer"),
        (13, "cannot be read: Something is wrong (error 13); will retry"),
    ],
)
def test_trouble_is_told_once_and_does_not_last(machine: Callable[..., Machine], error: int, sentence: str) -> None:
    m = machine()
    m.channel.create().write(0)
    m.shipper.start()
    try:
        m.wait_for(lambda: m.numbers() == [1])
        m.channel.fail(error)
        m.wait_for(lambda: sentence in m.shipper.said())
        m.channel.write(1)
        m.channel.fail(0)
        m.wait_for(lambda: m.numbers() == [1, 2])
    finally:
        assert m.shipper.terminate() == 0
    assert m.shipper.said().count(sentence) == 1


def test_a_record_that_windows_cannot_render_is_an_event_that_says_so(machine: Callable[..., Machine]) -> None:
    m = machine()
    m.channel.create().write(0)
    m.channel.write_text(None)
    m.channel.write(2)
    m.shipper.start()
    m.wait_for(lambda: m.numbers() == [1, 2, 3])
    m.shipper.terminate()
    broken = next(event for event in m.events() if event["log"]["offset"] == 2)
    assert broken["event"]["kind"] == "pipeline_error"
    assert f"<EventRecordID>2</EventRecordID><Channel>{CHANNEL}</Channel>" in broken["event"]["original"]
    assert (
        f"eventlog:{CHANNEL}: record 2 cannot be read (The event data raised by the publisher is not compatible)"
        in m.shipper.said()
    )


def test_channels_beside_files_a_query_and_a_host(machine: Callable[..., Machine]) -> None:
    m = machine(channel=[CHANNEL, "Other/Operational"], query="*[System[Level=2]]", host={"name": "nps07"})
    other = WindowsChannel(m.folder / "log", "Other/Operational").create()
    log = m.folder / "Mfa.log"
    log.write_text("2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|a line\n", encoding="utf-8")
    text = m.shipper.config.read_text(encoding="utf-8")
    m.shipper.config.write_text(text.replace("inputs:\n", f"inputs:\n- path: {log}\n"), encoding="utf-8")
    m.channel.create().write(*range(len(EVENTS)))
    other.write(6, 0)
    m.shipper.start()
    m.wait_for(lambda: len(m.events()) == 3)
    m.channel.write(6)
    m.wait_for(lambda: len(m.events()) == 4)
    m.shipper.terminate()
    levels = [(event["log"]["level"], event.get("host", {}).get("name") == "nps07") for event in m.events()]
    assert sorted(levels) == [("error", True)] * 3 + [("info", False)]


def test_check_and_status(machine: Callable[..., Machine]) -> None:
    m = machine()
    absent = m.command("check")
    assert absent.returncode == 0
    assert f"warning    there is no event log channel {CHANNEL} on this machine; will look again" in absent.stdout
    m.channel.create()
    assert f"input      event log {CHANNEL} (no record now), from the beginning" in m.command("check").stdout
    m.channel.write(0, 1)
    assert f"input      event log {CHANNEL} (its newest record is 2), from the beginning" in m.command("check").stdout
    assert f"event log {CHANNEL}: delivered up to record 0, 2 records behind" in m.command("status").stdout
    m.shipper.start()
    m.wait_for(lambda: m.numbers() == [1, 2])
    m.shipper.terminate()
    m.channel.write(2, 3, 4)
    assert f"event log {CHANNEL}: delivered up to record 2, 3 records behind" in m.command("status").stdout
    status = json.loads(m.command("status", "--format", "json").stdout)
    assert status["channels"] == [{"channel": CHANNEL, "record": 2, "behind": 3}]
    assert status["files"] == []
    m.channel.fail(5)
    denied = json.loads(m.command("status", "--format", "json").stdout)
    assert denied["channels"] == [{"channel": CHANNEL, "record": 2, "behind": None}]
    assert "Event Log Readers" in denied["waiting"][0]["reason"]


def test_a_query_that_windows_does_not_understand_is_refused(machine: Callable[..., Machine]) -> None:
    m = machine(query="*[Sytem]")
    m.channel.create()
    for verb in ("check", "run"):
        refused = m.command(verb)
        assert refused.returncode == 2
        assert refused.stderr.strip().endswith(
            f"Windows does not understand the query '*[Sytem]' of {CHANNEL}: The specified query is invalid"
        )


def test_elsewhere_than_on_windows_it_is_refused(machine: Callable[..., Machine]) -> None:
    m = machine()
    for verb in ("check", "run"):
        refused = subprocess.run(
            [sys.executable, "-m", "shipper", verb, "--config", str(m.shipper.config)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert refused.returncode == 2
        assert refused.stderr.splitlines() == [
            "mfa-shipper: inputs[0].type: windows_event_log needs Windows, and this is another system; run mfa-shipper on the server, "
            "or let it export the channel into a file"
        ]
    status = subprocess.run(
        [sys.executable, "-m", "shipper", "status", "--config", str(m.shipper.config)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"event log {CHANNEL}: delivered up to record 0, lag unknown" in status.stdout
