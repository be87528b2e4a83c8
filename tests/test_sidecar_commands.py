"""The sidecar as a user meets it: run, check --config, status, replay."""

import json
import lzma
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support.kafka import free_port
from tests.support.ocsf import faults
from tests.support.process import Shipper, configuration, until

ROOT = Path(__file__).parent.parent
LOG = (ROOT / "deploy" / "examples" / "MultiFactorAuthRadiusSvc.log").read_bytes()


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "shipper", *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def shipper(tmp_path: Path) -> Shipper:
    output = {"type": "file", "file": {"path": str(tmp_path / "out.ndjson")}, "batch": {"max_age": "50ms"}}
    one = Shipper(tmp_path, configuration(tmp_path, output))
    (tmp_path / "logs" / "Mfa.log").write_bytes(LOG)
    return one


def lines(folder: Path) -> int:
    path = folder / "out.ndjson"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_run_ships_what_is_there_and_what_comes(shipper: Shipper, tmp_path: Path) -> None:
    shipper.start()
    until(lambda: lines(tmp_path) == 24, "the events of the example")
    with open(tmp_path / "logs" / "Mfa.log", "ab") as log:
        log.write(LOG.splitlines(keepends=True)[0])
    until(lambda: lines(tmp_path) == 25, "the event of one more line")
    assert shipper.terminate() == 0
    assert "stopped lines=24 events=25 double_prompts=1" in shipper.said()


def test_run_ships_in_ocsf(tmp_path: Path) -> None:
    output = {"type": "file", "format": "ocsf", "events": "exchange", "file": {"path": str(tmp_path / "out.ndjson")}}
    shipper = Shipper(tmp_path, configuration(tmp_path, output | {"batch": {"max_age": "50ms"}}))
    (tmp_path / "logs" / "Mfa.log").write_bytes(LOG)
    shipper.start()
    until(lambda: lines(tmp_path) == 10, "an event for each sign-in")
    assert shipper.terminate() == 0
    events = [json.loads(line) for line in (tmp_path / "out.ndjson").read_bytes().splitlines()]
    assert [faults(event) for event in events] == [[]] * 10
    assert [event["class_uid"] for event in events].count(2004) == 1
    assert sum(event["class_uid"] == 3002 and event["activity_id"] == 1 for event in events) == 7


def test_a_second_shipper_is_kept_away(shipper: Shipper, tmp_path: Path) -> None:
    process = shipper.start()
    until(lambda: lines(tmp_path) == 24, "the events of the example")
    second = command("run", "--config", shipper.config)
    assert second.returncode == 2
    assert f"in use by the mfa-shipper with pid {process.pid}" in second.stderr
    status = json.loads(command("status", "--config", shipper.config, "--format", "json").stdout)
    assert status["running"] == process.pid
    assert [(one["offset"], one["lag_bytes"]) for one in status["files"]] == [(len(LOG), 0)]
    shipper.kill()
    assert "no shipper is running" in command("status", "--config", shipper.config).stdout


def test_status_says_which_files_wait_and_why(shipper: Shipper, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    (logs / "MfaEmpty.log").touch()
    (logs / "MfaDateless.log").write_text("no time stamp\n")
    (logs / "MfaHalf.log").write_bytes(LOG[:60])
    (logs / "MfaArchive.log").write_bytes(b"PK\x03\x04" + b"x" * 300)
    (logs / "MfaLater.log").write_bytes(LOG[:60] + b"\n" + LOG)
    command_line = ("status", "--config", shipper.config, "--format", "json")

    def waiting() -> dict[str, str]:
        return {os.path.basename(file["path"]): file["reason"] for file in json.loads(command(*command_line).stdout)["waiting"]}

    assert waiting()["Mfa.log"] == waiting()["MfaLater.log"] == "nothing of it is delivered yet"
    shipper.start()
    until(lambda: lines(tmp_path) == 2 * 24 + 1, "the events of two logs")
    until(lambda: len(waiting()) == 4, "the positions in the checkpoint")
    assert waiting() == {
        "MfaEmpty.log": "it is empty",
        "MfaDateless.log": "it holds no whole line with a time stamp yet",
        "MfaHalf.log": "its first line with a time stamp is not complete yet",
        "MfaArchive.log": f"{logs}/MfaArchive.log is a zip archive, not a log: unpack it first",
    }
    text = command("status", "--config", shipper.config).stdout
    assert "  waiting\n" in text
    assert f"    {logs}/MfaEmpty.log: it is empty\n" in text


def files(shipper: Shipper) -> list[str]:
    """What `status` says of each file."""
    text = command("status", "--config", shipper.config).stdout
    return [line.rpartition("/")[2] for line in text.splitlines() if " bytes delivered" in line]


def test_status_finds_files_under_the_names_that_rotation_gave_them(shipper: Shipper, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "Mfa.log"

    def append(data: bytes) -> None:
        with open(log, "ab") as file:
            file.write(data)

    older, cut, newest = LOG.replace(b"2017-02-14", b"2017-02-12"), LOG.replace(b"-14T", b"-13T"), LOG
    log.write_bytes(older)
    shipper.start()
    until(lambda: lines(tmp_path) == 24, "the events of the first file")
    log.rename(f"{log}.1")
    log.write_bytes(cut)
    until(lambda: lines(tmp_path) == 48, "the events of the second")
    os.rename(f"{log}.1", f"{log}.2")
    shutil.copy(log, f"{log}.1")
    os.truncate(log, 0)
    append(newest)
    until(lambda: lines(tmp_path) == 72, "the events of the third")
    assert shipper.terminate() == 0

    size = f"{len(LOG):,} bytes delivered"
    assert files(shipper) == [f"Mfa.log{mark}: {size}, 0 bytes behind" for mark in (".2", ".1", "")]
    Path(f"{log}.2.xz").write_bytes(lzma.compress(older))
    os.remove(f"{log}.2")
    os.rename(f"{log}.1", f"{log}.2")
    append(b"more")
    assert files(shipper) == [f"Mfa.log{end}" for end in (
        f".2.xz: {size}, lag unknown", f".2: {size}, 0 bytes behind", f": {size}, 4 bytes behind"
    )]  # fmt: skip
    os.remove(f"{log}.2.xz")
    os.remove(f"{log}.2")
    assert [line.rpartition(", ")[2] for line in files(shipper)] == ["gone", "gone", "4 bytes behind"]


def test_a_hole_does_not_keep_status(shipper: Shipper, tmp_path: Path) -> None:
    with open(tmp_path / "logs" / "MfaHole.log", "wb") as hole:
        hole.truncate(200 << 30)
    text = command("status", "--config", shipper.config).stdout
    assert "MfaHole.log: it holds no whole line with a time stamp yet\n" in text


def test_metrics_and_health(tmp_path: Path) -> None:
    port = free_port()
    output = {"type": "file", "file": {"path": str(tmp_path / "out.ndjson")}}
    shipper = Shipper(tmp_path, configuration(tmp_path, output, metrics={"listen": f"127.0.0.1:{port}"}))
    (tmp_path / "logs" / "Mfa.log").write_bytes(LOG)
    shipper.start()

    def page(path: str) -> str:
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    until(lambda: "mfa_shipper_events_delivered_total 24.0" in page("/metrics"), "all events are delivered")
    assert "mfa_shipper_lines_read_total 23.0" in page("/metrics")
    assert "mfa_shipper_double_prompts_total 1.0" in page("/metrics")
    until(lambda: "mfa_shipper_events_waiting 0.0" in page("/metrics"), "no event waits")
    assert json.loads(page("/readyz"))["ready"]
    assert json.loads(page("/healthz"))["alive"]
    assert shipper.terminate() == 0


def test_a_closed_pipe_ends_it_quietly(tmp_path: Path) -> None:
    shipper = Shipper(tmp_path, configuration(tmp_path, {"type": "stdout", "batch": {"max_age": "50ms"}}))
    (tmp_path / "logs" / "Mfa.log").write_bytes(LOG)
    reading, writing = os.pipe()
    process = shipper.start(stdout=writing)
    os.close(writing)
    os.read(reading, 100)
    os.close(reading)
    with open(tmp_path / "logs" / "Mfa.log", "ab") as log:
        log.write(LOG)
    assert process.wait(60) == 0
    assert "Traceback" not in shipper.said()


def test_the_second_signal_does_not_ask(tmp_path: Path) -> None:
    file = {"path": str(tmp_path / "no folder" / "out.ndjson")}
    shipper = Shipper(tmp_path, configuration(tmp_path, {"type": "file", "file": file}, shutdown_timeout="60s"))
    (tmp_path / "logs" / "Mfa.log").write_bytes(LOG)
    process = shipper.start()
    until(lambda: "does not accept events" in shipper.said(), "the sink is down")
    os.kill(process.pid, signal.SIGINT)
    until(lambda: "stopping" in shipper.said(), "it stops")
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(30) == 130


def test_check_says_what_would_run(shipper: Shipper) -> None:
    done = command("check", "--config", shipper.config, "--connect")
    assert done.returncode == 0, done.stderr
    assert "(1 file now), from the beginning" in done.stdout
    assert done.stdout.endswith("output reachable\nconfiguration OK\n")


def test_check_and_status_say_which_files_make_which_log(shipper: Shipper, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    (logs / "Mfa.log.1").write_bytes(b"2017-02-14T02:00:00Z|0|1|2|pfrad|x\n")
    (logs / "Mfa01.log").write_bytes(b"2017-02-14T02:30:00Z|0|1|2|pfrad|x\n")
    done = command("check", "--config", shipper.config)
    assert done.returncode == 0, done.stderr
    begin, end = done.stdout.index("log "), done.stdout.index("pipeline ")
    assert (
        done.stdout[begin:end].replace(f"{logs}/", "")
        == """\
log        Mfa.log
             Mfa.log.1, from 2017-02-14T02:00:00Z
             Mfa.log, from 2017-02-14T02:57:19.234778Z
log        Mfa01.log
             Mfa01.log, from 2017-02-14T02:30:00Z
"""
    )
    shipper.start()
    until(lambda: lines(tmp_path) == 26, "the events of all files")
    assert shipper.terminate() == 0
    files = [file.split(":")[0] for file in command("status", "--config", shipper.config).stdout.splitlines()[1:-1]]
    assert files == [
        f"  {logs}/Mfa.log",
        f"    {logs}/Mfa.log.1",
        f"    {logs}/Mfa.log",
        f"  {logs}/Mfa01.log",
        f"    {logs}/Mfa01.log",
    ]
    status = json.loads(command("status", "--config", shipper.config, "--format", "json").stdout)
    assert [file["log"] for file in status["files"]] == [f"{logs}/Mfa.log", f"{logs}/Mfa.log", f"{logs}/Mfa01.log"]


def test_all_commands_agree_on_logs_whose_names_mislead(shipper: Shipper, tmp_path: Path) -> None:
    """Two servers' files in one folder, the second one's renamed by whoever copied it."""
    logs = tmp_path / "logs"
    (logs / "Mfa.log.1").write_bytes(b"2017-02-14T02:00:00Z|0|1|2|pfrad|x\n2017-02-14T02:50:00Z|0|1|2|pfrad|x\n")
    (logs / "Mfa (1).log").write_bytes(b"2017-02-14T02:10:00Z|0|1|2|pfrad|y\n2017-02-14T02:57:00Z|0|1|2|pfrad|y\n")
    (logs / "Mfa02.log").write_bytes(b"2017-02-14T02:10:00Z|0|1|2|pfrad|z\n")
    why = (
        f"{logs}/Mfa (1).log is read as a log of its own, whatever its name says: it begins at 2017-02-14T02:10:00Z, and "
        f"{logs}/Mfa.log.1 goes on until 2017-02-14T02:50:00Z"
    )
    planned = command("parse", "--plan", str(logs))
    checked = command("check", "--config", shipper.config).stdout
    assert f"  note: {why}\n" in planned.stdout
    assert f" note: {why}\n" in checked
    assert f"  note: {why}\n" in command("parse", "--output", os.devnull, str(logs)).stderr
    shipper.start()
    until(lambda: lines(tmp_path) == 29, "the events of all files")
    assert shipper.terminate() == 0
    assert shipper.said().count(why) == 1
    status = json.loads(command("status", "--config", shipper.config, "--format", "json").stdout)
    assert {(file["log"].partition(" ")[0], os.path.basename(file["path"])) for file in status["files"]} == {
        (f"{logs}/Mfa.log", "Mfa.log.1"),
        (f"{logs}/Mfa.log", "Mfa.log"),
        (f"{logs}/Mfa.log", "Mfa (1).log"),
        (f"{logs}/Mfa02.log", "Mfa02.log"),
    }
    for file in status["files"]:  # the log that was set apart has a name of its own, the same everywhere
        assert f"{file['log']}\n" in planned.stdout
        assert f"log        {file['log']}\n" in checked
    assert len({file["log"] for file in status["files"]}) == 3


def test_check_says_what_cannot_be_read(shipper: Shipper, tmp_path: Path) -> None:
    (tmp_path / "logs" / "Mfa2.log").symlink_to("nowhere")
    done = command("check", "--config", shipper.config)
    assert done.returncode == 0, done.stderr
    assert f"note       cannot read {tmp_path}/logs/Mfa2.log: No such file or directory; will retry\n" in done.stdout


def test_check_goes_on_past_what_is_no_log(shipper: Shipper, tmp_path: Path) -> None:
    (tmp_path / "logs" / "Mfa2.log").write_bytes(b"PK\3\4" + b"x" * 50)
    done = command("check", "--config", shipper.config)
    assert done.returncode == 0, done.stderr
    assert f"note       {tmp_path}/logs/Mfa2.log is a zip archive" in done.stdout


def test_replay_sends_dead_letters_and_takes_them_away(shipper: Shipper, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    letters = tmp_path / "state" / "dead_letters.ndjson"
    letters.write_text('{"time":"2017-02-14T00:00:00Z","reason":"too large","line":"{\\"a\\":1}"}\n', encoding="utf-8")
    done = command("replay", "--config", shipper.config)
    assert (done.returncode, done.stdout) == (0, "1 delivered, 0 refused again and kept\n")
    assert (tmp_path / "out.ndjson").read_text(encoding="utf-8") == '{"a":1}\n'
    assert letters.read_text(encoding="utf-8") == ""


LETTER = '{"time":"2017-02-14T00:00:00Z","reason":"too large","line":"{\\"a\\":1}"}\n'


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run it for another user")
def test_replay_as_root_leaves_nothing_that_the_service_cannot_open(shipper: Shipper, tmp_path: Path) -> None:
    state, letters = tmp_path / "state", tmp_path / "state" / "dead_letters.ndjson"
    state.mkdir()
    letters.write_text(LETTER, encoding="utf-8")
    letters.chmod(0o640)
    for path in (tmp_path, state, letters):
        os.chown(path, 1234, 1235)
    assert command("replay", "--config", shipper.config).returncode == 0
    written = [letters, state / "lock", tmp_path / "out.ndjson", tmp_path / ".out.ndjson.lock"]
    assert [(path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) for path in written] == [
        (1234, 1235, 0o640)
    ] * 4


def test_replay_makes_no_state_directory_and_touches_no_output_for_nothing(shipper: Shipper, tmp_path: Path) -> None:
    done = command("replay", "--config", shipper.config)
    assert (done.returncode, done.stdout) == (0, "0 delivered, 0 refused again and kept\n")
    assert not (tmp_path / "state").exists()
    assert not (tmp_path / "out.ndjson").exists()


@pytest.mark.parametrize("name", ["run", "status", "replay", "check"])
def test_a_wrong_configuration_is_one_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("state_dir: x\ninputs: []\noutput: {type: stdout}\n", encoding="utf-8")
    done = command(name, "--config", tmp_path / "c.yaml")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"{tmp_path}/c.yaml:2: inputs" in done.stderr


def test_dead_letters_that_are_no_file_are_refused(shipper: Shipper, tmp_path: Path) -> None:
    for wrong in (tmp_path / "nothing", tmp_path):
        done = command("replay", "--config", shipper.config, wrong)
        assert (done.returncode, done.stderr) == (2, f"mfa-shipper: there is no file {wrong}\n")


def test_replay_of_what_holds_no_dead_letters(shipper: Shipper, tmp_path: Path) -> None:
    for name, content in (("some.log", LOG), ("other.ndjson", b'{"x": 1}\n')):
        (tmp_path / name).write_bytes(content)
        done = command("replay", "--config", shipper.config, tmp_path / name)
        assert done.returncode == 2
        assert done.stderr.startswith(f"mfa-shipper: {tmp_path / name} holds no dead letters; give a file that run wrote")
