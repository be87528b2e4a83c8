"""`host.name` is the server that wrote the log, whoever reads it."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shipper.decode.library import load
from shipper.detect import default_rules
from shipper.model import Chunk, Counts, LogFile
from shipper.pipeline import Pipeline, settings
from tests.support.process import Shipper, configuration, until, whole_lines

PLAIN = "2017-02-14T02:57:19.000000Z|0|1412|6452|pfrad|{}\n"
EXCHANGE = "".join(PLAIN.format(said) for said in ("Calling pfAuthUser('bob', '', 1)", "authResult = 1", "rawCallStatus = 21"))
SYSLOG = "<134>1 2017-02-14T02:57:20Z mfa01 pfsvc 7 - - {}\n".format(
    "Pfauth succeeded for user 'bob'. Call status: SUCCESS_PHONE_APP_AUTHENTICATED - \"Mobile App Authenticated\"."
)
NAMELESS = SYSLOG.replace(" mfa01 ", " - ")


def hosts(text: str, *, of_file: str | None = None, form: str = "ecs", **choices: Any) -> list[str | None]:
    """`host.name` of the events of a text, read on the machine `reader`; with Splunk's envelope, what stands there."""
    how = settings(load(), default_rules(), {"host": {"name": "reader", "type": "virtual"}}, format=form, **choices)
    pipeline = Pipeline(how, Counts())
    pipeline.open(LogFile("a.log", "0123456789abcdef", "1970-01-01T00:00:00.000000Z", host=of_file))
    block = pipeline(Chunk(text.encode(), 0)).data + pipeline.close().data
    events = [json.loads(line) for line in block.splitlines()]
    if form == "splunk-hec":
        assert [event["host"] for event in events] == [event["event"]["host"]["name"] for event in events]
        return [event["host"] for event in events]
    return [event["host"]["name"] for event in events]


@pytest.mark.parametrize("form", ["ecs", "splunk-hec"])
@pytest.mark.parametrize("merged", [False, True])
def test_configuration_then_line_then_reader(form: str, *, merged: bool) -> None:
    how: dict[str, Any] = {"form": form, "per_exchange": merged}
    text = f"{EXCHANGE}{NAMELESS}{SYSLOG}no line at all\n"
    exchange = ["reader"] * (1 if merged else 3)
    found = hosts(text, **how)

    assert found == [*exchange, "reader", "mfa01", "mfa01", "reader"]  # the second mfa01 is that of a finding
    assert set(hosts(text, of_file="configured", **how)) == {"configured"}
    assert set(hosts(text, server="given", **how)) == {"given"}


def test_a_head_replaces_all_that_is_said_of_the_reader() -> None:
    how = settings(load(), default_rules(), {"host": {"name": "reader", "type": "virtual"}})
    pipeline = Pipeline(how, Counts())
    pipeline.open(LogFile(None, "0123456789abcdef", "1970-01-01T00:00:00.000000Z"))
    one, other = map(json.loads, pipeline(Chunk(f"{SYSLOG}no line\n".encode(), 0)).data.splitlines())

    assert one["host"] == {"name": "mfa01"}
    assert one["agent"]["name"] == "reader"
    assert other["host"] == {"name": "reader", "type": "virtual"}


def parsed(*options: str, cwd: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "shipper", "parse", "a.log", "-q", *options], cwd=cwd, capture_output=True, check=True
    )
    event: dict[str, Any] = json.loads(done.stdout)
    return event


def test_parse(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(PLAIN.format("authResult = 1"))
    reader = socket.gethostname()
    event = parsed("--host", "mfa01", cwd=tmp_path)
    assert (event["host"], event["agent"]["name"]) == ({"name": "mfa01"}, reader)
    assert parsed(cwd=tmp_path)["host"] == {"name": reader}
    assert "host" not in parsed("--deterministic", cwd=tmp_path)
    assert parsed("--deterministic", "--host", "mfa01", cwd=tmp_path)["host"] == {"name": "mfa01"}


def test_run_takes_the_host_of_the_input(tmp_path: Path) -> None:
    config = configuration(tmp_path, {"type": "file", "file": {"path": str(tmp_path / "out.ndjson")}})
    folder = tmp_path / "logs"
    config["inputs"] = [{"path": str(folder / f"{name}*.log"), "host": {"name": name}} for name in ("mfa01", "mfa02")]
    config["inputs"].append({"path": str(folder / "*.log")})
    config["pipeline"] = {"host": {"name": "reader"}}
    for number, name in enumerate(("mfa01-a", "mfa02-a", "other")):
        (folder / f"{name}.log").write_text(PLAIN.format(f"authResult = {number}"))
    shipper = Shipper(tmp_path, config)
    shipper.start()
    output = tmp_path / "out.ndjson"
    until(lambda: len(whole_lines(output)) == 3, "three events")
    assert shipper.terminate() == 0
    events = [json.loads(line) for line in output.read_bytes().splitlines()]
    assert {Path(event["log"]["file"]["path"]).stem: event["host"]["name"] for event in events} == {
        "mfa01-a": "mfa01", "mfa02-a": "mfa02", "other": "reader",
    }  # fmt: skip
    assert {event["agent"]["name"] for event in events} == {"reader"}
