"""deploy/pipes: lines in, the same events out as `parse` gives, through real rsyslog, syslog-ng and Telegraf.

What is compared is every event whole (but for the machine and the file's name), in order: ids say that no byte of a
line was changed on the way. The rest of the configurations are checked as far as that goes without their programs.
"""

import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipper.config.load import load_config
from tests.deploy.named_fields import in_text, known, unknown_in_text
from tests.support.deploy.pipes import (
    PIPES,
    SYSLOG_NG,
    Position,
    Receiver,
    events,
    filters,
    find,
    listening,
    parsed,
    run,
    same,
    send,
    started,
    write_lines,
    written,
)
from tests.support.deploy.prometheus import free_port
from tests.support.process import until
from tests.support.tools import ROOT

LINES = 3000
SOON = 3.0  # seconds from a line in the log to its event at the end of the chain
LATER = b"2017-02-14T09:57:24.600871Z|0|1412|6452|pfrad|rawCallStatus = 112\n"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Position]:
    made = Position(tmp_path)
    made.receiver = Receiver()
    made.port = free_port()
    yield made
    made.receiver.close()


def filter_is_started_again(place: Position, daemon: int) -> None:
    """Kill the filter; the daemon starts another, and no line that is written after that is missing."""
    write_lines(place.log, 30)
    first = [event for event in parsed(place.log) if event["event"]["kind"] != "alert"]
    until(lambda: len(written(place)) >= len(first), "the events of the first lines", 60)
    old = filters(daemon)
    assert old
    for process in old:
        os.kill(process, signal.SIGKILL)
    until(lambda: not set(filters(daemon)) & set(old), "the filter is gone", 30)
    before = len(written(place))
    more = [f"2017-02-14T09:57:{number:02d}.600871Z|0|1412|6452|pfrad|rawCallStatus = 21" for number in range(40)]
    append(place, more[:20])  # the daemon notices when it hands them on
    until(lambda: set(filters(daemon)) - set(old), "another filter runs", 30)
    append(place, more[20:])
    until(lambda: len(written(place)) >= before + len(more), "the events of the lines after that", 60)
    assert originals(written(place)[before:]) == more


def append(place: Position, lines: list[str]) -> None:
    with open(place.log, "a", encoding="utf-8") as log:
        log.write("".join(f"{line}\n" for line in lines))


def originals(texts: list[str]) -> list[str]:
    """The lines that events were made of."""
    return [event["event"].get("original") for event in events(texts)]


def empty_lines_do_not_arrive(place: Position) -> None:
    """As the README says: an empty line is an event of `parse`, but other shippers leave it out."""
    last = LATER.replace(b"112", b"21")
    place.log.write_bytes(LATER + b"\n\n" + last)
    assert len(parsed(place.log)) == 4
    until(lambda: originals(written(place))[-1:] == [last.decode().rstrip()], "the event of the last line", 30)
    assert originals(written(place)) == [LATER.decode().rstrip(), last.decode().rstrip()]


def windows_line_ends_are_no_part_of_a_line(place: Position) -> None:
    whole = place.folder / "whole.log"
    write_lines(whole, 300)
    whole.write_bytes(whole.read_bytes().replace(b"\n", b"\r\n"))
    whole.rename(place.log)
    wanted = [event["event"].get("original") for event in parsed(place.log)]
    until(lambda: len(written(place)) >= len(wanted), f"{len(wanted)} events in the file", 60)
    assert originals(written(place)) == wanted


def through_the_filter(place: Position) -> list[dict[str, Any]]:
    """Wait until the events are written, and at the end of the chain; compare them; then one more line, timed."""
    assert place.receiver
    wanted = parsed(place.log)
    assert any(event["event"]["kind"] == "alert" for event in wanted)
    until(lambda: len(written(place)) >= len(wanted), f"{len(wanted)} events in the file", 60)
    same(events(written(place)), wanted)
    receiver = place.receiver
    until(lambda: len(receiver.lines()) >= len(wanted), f"{len(wanted)} events received", 60)
    same(events(receiver.lines()), wanted)
    return wanted


def one_more_comes_soon(place: Position, before: int) -> None:
    assert place.receiver
    began = time.monotonic()
    with open(place.log, "ab") as log:
        log.write(LATER)
    receiver = place.receiver
    until(lambda: len(receiver.lines()) == before + 1, "one more event", 30, every=0.02)
    assert time.monotonic() - began < SOON
    assert json.loads(receiver.lines()[-1])["event"]["code"] == "112"


# --- rsyslog


@pytest.fixture
def rsyslog(place: Position) -> list[str | Path]:
    program = find("rsyslogd", "apt-get install --no-install-recommends rsyslog")
    place.state.joinpath("rsyslog").mkdir()
    config = place.put("rsyslog.conf", **{"/var/spool/rsyslog": str(place.state / "rsyslog")})
    # As a user who may not become another one, and without the system's own log.
    return [program, "-n", "-f", config, "-i", place.folder / "rsyslog.pid"]


def test_rsyslog_accepts_the_configuration(rsyslog: list[str | Path]) -> None:
    done = run(rsyslog[0], "-N1", "-f", rsyslog[3])
    assert done.returncode == 0, done.stderr
    assert "End of config validation run. Bye." in done.stderr
    assert len(done.stderr.splitlines()) == 2, done.stderr  # no warning


def test_rsyslog_follows_a_file(place: Position, rsyslog: list[str | Path]) -> None:
    write_lines(place.log, LINES)
    with started(place.folder, *rsyslog):
        wanted = through_the_filter(place)
        one_more_comes_soon(place, len(wanted))
    assert len(written(place)) == len(wanted) + 1  # nothing is added when it stops


@pytest.mark.parametrize("header", ["<14>Feb 14 02:57:19 mfa01 mfa: ", "<14>1 2017-02-14T02:57:19Z mfa01 mfa - - - "])
def test_rsyslog_takes_syslog_messages(place: Position, rsyslog: list[str | Path], header: str) -> None:
    log = place.folder / "sent.log"
    lines = write_lines(log, LINES)
    wanted = parsed(log)
    with started(place.folder, *rsyslog):
        until(lambda: listening(place.port), "rsyslog listens")
        send(place.port, lines, header)
        until(lambda: len(written(place)) >= len(wanted), f"{len(wanted)} events in the file", 60)
        same(events(written(place)), wanted)


def test_rsyslog_starts_the_filter_again(place: Position, rsyslog: list[str | Path]) -> None:
    with started(place.folder, *rsyslog) as process:
        filter_is_started_again(place, process.pid)


def test_rsyslog_drops_empty_lines(place: Position, rsyslog: list[str | Path]) -> None:
    with started(place.folder, *rsyslog):
        empty_lines_do_not_arrive(place)


def test_rsyslog_bears_windows_line_ends(place: Position, rsyslog: list[str | Path]) -> None:
    with started(place.folder, *rsyslog):
        windows_line_ends_are_no_part_of_a_line(place)


# --- syslog-ng


@pytest.fixture
def syslog_ng() -> tuple[list[str], dict[str, str]]:
    """The command, and its environment where it was unpacked and not installed."""
    program = find("syslog-ng", "see deploy/pipes/README.md", SYSLOG_NG / "usr" / "sbin")
    if not program.startswith(str(SYSLOG_NG)):
        return [program], {}
    library = SYSLOG_NG / "usr" / "lib"
    modules = next(library.glob("syslog-ng/*/libafprog.so")).parent
    places = [library / "x86_64-linux-gnu", library / "syslog-ng", SYSLOG_NG / "lib" / "x86_64-linux-gnu"]
    return [program, f"--module-path={modules}"], {"LD_LIBRARY_PATH": ":".join(map(str, places))}


def in_foreground(place: Position, command: list[str], config: Path) -> list[str | Path]:
    state = place.state / "syslog-ng"
    return [*command, "-F", "-f", config, "-R", f"{state}.persist", "-p", f"{state}.pid", "-c", f"{state}.ctl", "--no-caps"]


@pytest.mark.parametrize("name", ["syslog-ng.conf", "syslog-ng-sidecar.conf"])
def test_syslog_ng_accepts_the_configuration(place: Position, syslog_ng: tuple[list[str], dict[str, str]], name: str) -> None:
    command, environment = syslog_ng
    done = run(*command, "-s", "-f", place.put(name), environment=environment)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")  # no warning


def test_syslog_ng_follows_a_file(place: Position, syslog_ng: tuple[list[str], dict[str, str]]) -> None:
    command, environment = syslog_ng
    write_lines(place.log, LINES)
    place.events.touch()
    with started(place.folder, *in_foreground(place, command, place.put("syslog-ng.conf")), environment=environment):
        wanted = through_the_filter(place)
        one_more_comes_soon(place, len(wanted))


def test_syslog_ng_starts_the_filter_again(place: Position, syslog_ng: tuple[list[str], dict[str, str]]) -> None:
    command, environment = syslog_ng
    place.events.touch()
    with started(place.folder, *in_foreground(place, command, place.put("syslog-ng.conf")), environment=environment) as process:
        filter_is_started_again(place, process.pid)


def test_syslog_ng_drops_empty_lines(place: Position, syslog_ng: tuple[list[str], dict[str, str]]) -> None:
    command, environment = syslog_ng
    with started(place.folder, *in_foreground(place, command, place.put("syslog-ng.conf")), environment=environment):
        empty_lines_do_not_arrive(place)


def test_syslog_ng_bears_windows_line_ends(place: Position, syslog_ng: tuple[list[str], dict[str, str]]) -> None:
    command, environment = syslog_ng
    with started(place.folder, *in_foreground(place, command, place.put("syslog-ng.conf")), environment=environment):
        windows_line_ends_are_no_part_of_a_line(place)


def test_syslog_ng_takes_syslog_messages(place: Position, syslog_ng: tuple[list[str], dict[str, str]]) -> None:
    command, environment = syslog_ng
    log = place.folder / "sent.log"
    lines = write_lines(log, LINES)
    wanted = parsed(log)
    with started(place.folder, *in_foreground(place, command, place.put("syslog-ng.conf")), environment=environment):
        until(lambda: listening(place.port), "syslog-ng listens")
        send(place.port, lines, "<14>Feb 14 02:57:19 mfa01 mfa: ")
        until(lambda: len(written(place)) >= len(wanted), f"{len(wanted)} events in the file", 60)
        same(events(written(place)), wanted)


def test_syslog_ng_starts_the_sidecar(place: Position, syslog_ng: tuple[list[str], dict[str, str]]) -> None:
    command, environment = syslog_ng
    assert place.receiver
    write_lines(place.log, LINES)
    wanted = parsed(place.log)
    place.put("stdout.yaml")
    receiver = place.receiver
    with started(place.folder, *in_foreground(place, command, place.put("syslog-ng-sidecar.conf")), environment=environment):
        until(lambda: len(receiver.lines()) >= len(wanted), f"{len(wanted)} events received", 60)
        same(events(receiver.lines()), wanted)
        one_more_comes_soon(place, len(wanted))


# --- Telegraf


def test_telegraf_makes_a_metric_of_each_event(place: Position) -> None:
    places = (ROOT / ".cache" / "go" / "bin",)
    program = find("telegraf", "see deploy/pipes/README.md", *places)
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
        known_ones = run(sys.executable, "-m", "shipper", command, "--help").stdout
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
