"""CONTRIBUTING's recipes lead to something that works: a format, a sink and a pattern, each added from outside.

(A detector has a test of its own.)
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from shipper.config.load import load_config
from shipper.decode.library import load
from shipper.emit.formats import FORMATS, Format
from shipper.model import Chunk, Counts, Label, LogFile
from shipper.pipeline import Pipeline, Settings
from shipper.sidecar.assemble import build_delivery, build_loop, settings_of
from shipper.sidecar.checkpoint import Checkpoint, Stored
from shipper.sidecar.sinks import SINKS
from shipper.sidecar.vitals import Vitals
from shipper.testing import MemorySink

LINE = b"2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|rawCallStatus = 21\n"
FILE = LogFile("Mfa.log", "0123456789abcdef", "2017-02-14T02:57:24.600871Z")


def parsed(how: Settings, line: bytes = LINE) -> bytes:
    pipeline = Pipeline(how, Counts())
    pipeline.open(FILE)
    return pipeline(Chunk(line, 0)).data


def test_a_format_is_a_function_and_a_line_in_the_register(monkeypatch: pytest.MonkeyPatch) -> None:
    def tab_separated(*, host: str | None, namespace: str, index: str | None) -> Format:
        def wrap(text: str, label: Label) -> tuple[str, str, str]:
            time, event_id, origin, _ = label
            return f"{time}\t{event_id}\t{origin.dataset}\t", text, ""

        return wrap

    monkeypatch.setitem(FORMATS, "tab-separated", tab_separated)

    time, event_id, dataset, event = parsed(Settings(load(), format="tab-separated")).decode().split("\t")

    assert (time, event_id, dataset) == ("2017-02-14T02:57:24.600871Z", "0123456789abcdef-0", "azure_mfa.radius")
    assert json.loads(event)["event"]["reason"] == "Mobile App Authenticated"
    plain = Settings(load(), format="tab-separated")
    for how in (replace(plain, pretty=True), replace(plain, fast=False), replace(plain, kernel=False)):
        assert parsed(how).decode() == f"{time}\t{event_id}\t{dataset}\t{event}"


def test_a_pattern_is_a_line_in_a_grok_file(tmp_path: Path) -> None:
    (tmp_path / "own.grok").write_text(
        "MESSAGE_OWN Radius client %{IP:source.ip:ip} asked %{INT:azure_mfa.own.times:int} times\n"
    )

    line = LINE.replace(b"rawCallStatus = 21", b"Radius client 10.0.0.7 asked 3 times")
    event = json.loads(parsed(Settings(load((tmp_path,))), line))

    assert event["source"]["ip"] == "10.0.0.7"
    assert event["azure_mfa"]["own"]["times"] == 3


def test_a_sink_is_a_class_and_a_line_in_the_register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Mfa.log").write_bytes(LINE)
    (tmp_path / "config.yaml").write_text(
        f"state_dir: {tmp_path}/state\ninputs: [{{path: {tmp_path}/Mfa.log}}]\noutput: {{type: stdout, batch: {{max_events: 1}}}}\n"
    )
    sink = MemorySink()
    monkeypatch.setitem(SINKS, "stdout", lambda config, run: sink)
    config, _ = load_config(str(tmp_path / "config.yaml"), {})

    class Silent:
        sink = ""

        def down(self, reason: str) -> None: ...

        def up(self) -> None: ...

        def refused(self, refusals: object) -> None: ...

        def unkept(self, reason: str | None) -> None: ...

    delivery = build_delivery(config, Silent())
    checkpoint = Checkpoint(config.state_dir)
    loop = build_loop(config, settings_of(config), delivery, checkpoint, Stored(), Vitals(), wait=lambda _: None, most_open=None)
    for _ in range(1000):
        loop.turn()
        if sink.lines:
            break
    loop.stop(0)

    assert [json.loads(line)["event"]["code"] for line in sink.lines] == ["21"]
