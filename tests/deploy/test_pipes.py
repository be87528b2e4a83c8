"""deploy/pipes: lines in, the same events out as `parse` gives, through real rsyslog, syslog-ng and Telegraf.

What is compared is every event whole (but for the machine and the file's name), in order: ids say that no byte of a
line was changed on the way. The rest of the configurations are checked as far as that goes without their programs.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from shipper.config.load import load_config
from tests.deploy.named_fields import in_text, known, unknown_in_text
from tests.support.deploy.pipes import (
    PIPES,
    Position,
    events,
    filters,
    listening,
    parsed,
    same,
    send,
    started,
    write_lines,
    written,
)
from tests.support.process import until
from tests.support.tools import ROOT, SYSLOG_NG, run, tool

LINES = 3000
SOON = 3.0  # seconds from a line in the log to its event at the end of the chain
LATER = "2017-02-14T09:57:24.600871Z|0|1412|6452|pfrad|rawCallStatus = 112"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Position]:
    made = Position(tmp_path)
    yield made
    made.receiver.close()


@dataclass(frozen=True)
class Daemon:
    """rsyslog or syslog-ng: how it is started, in the foreground and with its files in the test's own folder."""

    program: list[str]
    config: Path
    options: Sequence[str | Path]
    environment: dict[str, str]


def rsyslog(place: Position) -> Daemon:
    program = tool("rsyslogd", "apt-get install --no-install-recommends rsyslog")
    place.state.joinpath("rsyslog").mkdir()
    config = place.put("rsyslog.conf", **{"/var/spool/rsyslog": str(place.state / "rsyslog")})
    # As a user who may not become another one, and without the system's own log.
    return Daemon([program], config, ["-n", "-i", place.folder / "rsyslog.pid"], {})


def syslog_ng(place: Position, name: str = "syslog-ng.conf") -> Daemon:
    """With an environment where it was unpacked and not installed."""
    program = [tool("syslog-ng", "see deploy/pipes/README.md")]
    environment = {}
    if program[0].startswith(str(SYSLOG_NG)):
        library = SYSLOG_NG / "usr" / "lib"
        modules = next(library.glob("syslog-ng/*/libafprog.so")).parent
        places = [library / "x86_64-linux-gnu", library / "syslog-ng", SYSLOG_NG / "lib" / "x86_64-linux-gnu"]
        program, environment = [*program, f"--module-path={modules}"], {"LD_LIBRARY_PATH": ":".join(map(str, places))}
    state = place.state / "syslog-ng"
    options = ["-F", "-R", f"{state}.persist", "-p", f"{state}.pid", "-c", f"{state}.ctl", "--no-caps"]
    return Daemon(program, place.put(name), options, environment)


@pytest.fixture(params=[rsyslog, syslog_ng], ids=lambda made: str(made.__name__))
def daemon(request: pytest.FixtureRequest, place: Position) -> Daemon:
    made: Daemon = request.param(place)
    return made


def runs(daemon: Daemon, place: Position) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    return started(place.folder, *daemon.program, "-f", daemon.config, *daemon.options, environment=daemon.environment)


def append(place: Position, lines: list[str]) -> None:
    with open(place.log, "a", encoding="utf-8") as log:
        log.write("".join(f"{line}\n" for line in lines))


def originals(texts: list[str]) -> list[str]:
    """The lines that events were made of."""
    return [event["event"].get("original") for event in events(texts)]


def one_more_comes_soon(place: Position, before: int) -> None:
    began = time.monotonic()
    append(place, [LATER])
    receiver = place.receiver
    until(lambda: len(receiver.lines()) == before + 1, "one more event", 30, every=0.02)
    assert time.monotonic() - began < SOON
    assert json.loads(receiver.lines()[-1])["event"]["code"] == "112"


# --- rsyslog and syslog-ng


def test_rsyslog_accepts_the_configuration(place: Position) -> None:
    daemon = rsyslog(place)
    done = run(*daemon.program, "-N1", "-f", daemon.config)
    assert done.returncode == 0, done.stderr
    assert "End of config validation run. Bye." in done.stderr
    assert len(done.stderr.splitlines()) == 2, done.stderr  # no warning


@pytest.mark.parametrize("name", ["syslog-ng.conf", "syslog-ng-sidecar.conf"])
def test_syslog_ng_accepts_the_configuration(place: Position, name: str) -> None:
    daemon = syslog_ng(place, name)
    done = run(*daemon.program, "-s", "-f", daemon.config, environment=daemon.environment)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")  # no warning


def test_it_follows_a_file(place: Position, daemon: Daemon) -> None:
    """The events are written, and come to the end of the chain; then one more line, timed."""
    write_lines(place.log, LINES)
    wanted, receiver = parsed(place.log), place.receiver
    assert any(event["event"]["kind"] == "alert" for event in wanted)
    with runs(daemon, place):
        until(lambda: len(written(place)) >= len(wanted), f"{len(wanted)} events in the file", 60)
        same(events(written(place)), wanted)
        until(lambda: len(receiver.lines()) >= len(wanted), f"{len(wanted)} events received", 60)
        same(events(receiver.lines()), wanted)
        one_more_comes_soon(place, len(wanted))
    assert len(written(place)) == len(wanted) + 1  # nothing is added when it stops


@pytest.mark.parametrize(
    ("daemon", "header"),
    [
        (rsyslog, "<14>Feb 14 02:57:19 mfa01 mfa: "),
        (rsyslog, "<14>1 2017-02-14T02:57:19Z mfa01 mfa - - - "),
        (syslog_ng, "<14>Feb 14 02:57:19 mfa01 mfa: "),
    ],
    indirect=["daemon"],
)
def test_it_takes_syslog_messages(place: Position, daemon: Daemon, header: str) -> None:
    log = place.folder / "sent.log"
    lines = write_lines(log, LINES)
    wanted = parsed(log)
    with runs(daemon, place):
        until(lambda: listening(place.port), "it listens")
        send(place.port, lines, header)
        until(lambda: len(written(place)) >= len(wanted), f"{len(wanted)} events in the file", 60)
        same(events(written(place)), wanted)


def test_it_starts_the_filter_again(place: Position, daemon: Daemon) -> None:
    """Kill the filter; the daemon starts another, and no line that is written after that is missing."""
    with runs(daemon, place) as process:
        write_lines(place.log, 30)
        first = [event for event in parsed(place.log) if event["event"]["kind"] != "alert"]
        until(lambda: len(written(place)) >= len(first), "the events of the first lines", 60)
        old = filters(process.pid)
        assert old
        for number in old:
            os.kill(number, signal.SIGKILL)
        until(lambda: not set(filters(process.pid)) & set(old), "the filter is gone", 30)
        before = len(written(place))
        more = [f"2017-02-14T09:57:{number:02d}.600871Z|0|1412|6452|pfrad|rawCallStatus = 21" for number in range(40)]
        append(place, more[:20])  # the daemon notices when it hands them on
        until(lambda: set(filters(process.pid)) - set(old), "another filter runs", 30)
        append(place, more[20:])
        until(lambda: len(written(place)) >= before + len(more), "the events of the lines after that", 60)
        assert originals(written(place)[before:]) == more


def test_it_drops_empty_lines(place: Position, daemon: Daemon) -> None:
    """As the README says: an empty line is an event of `parse`, but other shippers leave it out."""
    last = LATER.replace("112", "21")
    with runs(daemon, place):
        append(place, [LATER, "", "", last])
        assert len(parsed(place.log)) == 4
        until(lambda: originals(written(place))[-1:] == [last], "the event of the last line", 30)
        assert originals(written(place)) == [LATER, last]


def test_it_bears_windows_line_ends(place: Position, daemon: Daemon) -> None:
    """They are no part of a line."""
    with runs(daemon, place):
        whole = place.folder / "whole.log"
        write_lines(whole, 300)
        whole.write_bytes(whole.read_bytes().replace(b"\n", b"\r\n"))
        whole.rename(place.log)
        wanted = [event["event"].get("original") for event in parsed(place.log)]
        until(lambda: len(written(place)) >= len(wanted), f"{len(wanted)} events in the file", 60)
        assert originals(written(place)) == wanted


def test_syslog_ng_starts_the_sidecar(place: Position) -> None:
    write_lines(place.log, LINES)
    wanted, receiver = parsed(place.log), place.receiver
    place.put("stdout.yaml")
    with runs(syslog_ng(place, "syslog-ng-sidecar.conf"), place):
        until(lambda: len(receiver.lines()) >= len(wanted), f"{len(wanted)} events received", 60)
        same(events(receiver.lines()), wanted)
        one_more_comes_soon(place, len(wanted))


# --- Telegraf


def test_telegraf_makes_a_metric_of_each_event(place: Position) -> None:
    program = tool("telegraf", "see deploy/pipes/README.md")
    write_lines(place.log, LINES)
    wanted = parsed(place.log)
    place.put("stdout.yaml")
    config = place.put("telegraf.conf")
    out = place.out / "metrics.json"
    with started(place.folder, program, "--config", config):
        until(lambda: out.exists() and out.read_bytes().count(b"\n") >= len(wanted), f"{len(wanted)} metrics", 90)
    metrics = {metric["tags"]["id"]: metric for metric in map(json.loads, out.read_text(encoding="utf-8").splitlines())}
    assert len(metrics) == len(wanted)
    for event in wanted:
        metric = metrics[event["event"]["id"]]
        assert metric["fields"].get("original") == event["event"].get("original")
        assert metric["tags"]["kind"] == event["event"]["kind"]
        assert metric["tags"].get("class") == event.get("azure_mfa", {}).get("status", {}).get("class")
        assert metric["fields"].get("user") == event.get("user", {}).get("name")
        assert metric["fields"].get("duration_ns") == event["event"].get("duration")


# --- what can be said without the programs


def test_the_sidecar_accepts_its_configuration() -> None:
    config, _ = load_config(str(PIPES / "stdout.yaml"), {})
    assert config.output.type == "stdout"


@pytest.mark.parametrize(
    "name", ["vector.yaml", "fluent-bit.yaml", "filebeat.yml", "fluent-bit-winevtlog.yaml", "winlogbeat.yml"]
)
def test_yaml_is_yaml(name: str) -> None:
    assert isinstance(yaml.safe_load((PIPES / name).read_text(encoding="utf-8")), dict)


def test_every_command_line_is_one_that_exists() -> None:
    """`mfa-shipper` with its options, as the examples call it, must be understood by the real command."""
    lines = set()
    for path in PIPES.iterdir():
        for found in re.finditer(r"mfa-shipper[\"', ]+(parse|run)\b([^\"'\n|>]*)", path.read_text(encoding="utf-8")):
            lines.add((found[1], tuple(re.findall(r"(?<=[\s,])--?[a-z-]*(?=[\s,]|$)", found[2]))))
    assert {"parse", "run"} <= {command for command, _ in lines}
    for command, options in lines:
        known_ones = run(sys.executable, "-m", "shipper", command, "--help", cwd=ROOT).stdout
        for option in options:
            assert option == "-" or re.search(rf"(?<![\w-]){option}\b", known_ones), f"{command} {option}"


def test_fields_that_are_named_exist() -> None:
    for path in sorted(PIPES.iterdir()):
        text = re.sub(r"code => '.*?'", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)  # Ruby, where event is a variable
        assert not unknown_in_text(text), path.name
    for name in ("vector.yaml", "logstash-input.conf", "filebeat.yml", "telegraf.conf", "fluent-bit.yaml"):
        assert in_text((PIPES / name).read_text(encoding="utf-8")) & known(), name
    assert {"event.dataset", "event.id"} <= in_text((PIPES / "vector.yaml").read_text(encoding="utf-8"))
    assert "event.id" in in_text((PIPES / "fluent-bit.yaml").read_text(encoding="utf-8"))


def test_vector_reads_what_the_sidecar_writes_and_waits_for_the_store() -> None:
    vector = yaml.safe_load((PIPES / "vector.yaml").read_text(encoding="utf-8"))
    written, _ = load_config(str(ROOT / "deploy" / "examples" / "file.yaml"), {})
    assert written.output.file is not None
    assert vector["sources"]["mfa"]["include"] == [f"{written.output.file.path}*"]
    assert vector["sinks"]["elastic"]["acknowledgements"] == {"enabled": True}
    assert "${" not in (PIPES / "vector.yaml").read_text(encoding="utf-8").partition("\nsources:")[2]


def test_every_example_has_a_section() -> None:
    text = (PIPES / "README.md").read_text(encoding="utf-8")
    for path in PIPES.iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in text, path.name
