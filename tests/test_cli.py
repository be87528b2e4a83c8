"""The command as its users meet it: options, exit statuses, what goes where. Everything runs as a process."""

import csv
import fcntl
import gzip
import io
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from shipper import __version__
from shipper.decode.compiled import in_use

COMMAND = [sys.executable, "-m", "shipper"]
COMMANDS = ("parse", "explain", "codes", "check")
BASE = datetime(2017, 2, 14, 2, 57, 19)
PATIENCE = 30.0  # seconds until a test gives up
HEAD = 64 * 1024  # what is read of standard input before anything is written

Event = dict[str, Any]


@dataclass
class Done:
    """A process that has ended."""

    status: int
    out: bytes
    error: str

    @property
    def events(self) -> list[Event]:
        return [orjson.loads(line) for line in self.out.splitlines()]

    @property
    def sentence(self) -> str:
        """What a wrong use is told: one line, no traceback."""
        assert self.error.startswith("mfa-shipper: "), self.error
        assert self.error.count("\n") == 1, self.error
        assert "Traceback" not in self.error
        return self.error.removeprefix("mfa-shipper: ").rstrip("\n")


def call(*arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> Done:
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], input=stdin, capture_output=True, check=False, cwd=cwd, timeout=PATIENCE
    )
    return Done(done.returncode, done.stdout, done.stderr.decode())


def parse(*arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> Done:
    """`parse --deterministic`, which must succeed."""
    done = call("parse", "--deterministic", *arguments, stdin=stdin, cwd=cwd)
    assert done.status == 0, done.error
    return done


def until(true: Callable[[], object], what: str) -> None:
    """Wait until it is true, or fail."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"waited in vain: {what}"


# A log


def stamp(second: float) -> str:
    return (BASE + timedelta(seconds=second)).isoformat(timespec="microseconds") + "Z"


def request(at: float, user: str, thread: int) -> str:
    return f"{stamp(at)}|0|1412|{thread}|pfrad|Calling pfAuthUser('{user}', '', 1)\n"


def answer(at: float, thread: int, verdict: int, code: int) -> str:
    head = f"{stamp(at)}|0|1412|{thread}|pfrad|"
    return f"{head}authResult = {verdict}\n{head}rawCallStatus = {code}\n"


def exchange(at: float, user: str, thread: int, verdict: int = 1, code: int = 21, seconds: float = 5) -> str:
    return request(at, user, thread) + answer(at + seconds, thread, verdict, code)


LINES = (
    exchange(0, "CONTOSO\\bob", 1)
    + exchange(20, "CONTOSO\\bob", 2)  # 15 s after the first had succeeded: a double prompt
    + exchange(40, "ann@example.com", 3, verdict=0, code=129)
    + exchange(60, "ann@example.com", 4)  # a retry
    + exchange(100, "O'Brien", 5, code=6)
    + exchange(300, "CONTOSO\\bob", 6, seconds=59)
    + exchange(430, "CONTOSO\\bob", 7)  # 71 s after the end of the one before
    + f"{stamp(500)}|i|9|8|pfsvc|Reloading configuration\n"
    + "no line of a log\n"
    + answer(510, 99, 1, 21)  # orphans
    + request(520, "eve", 10)  # open at the end
)
TOTAL = LINES.count("\n")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "Radius.log"
    path.write_text(LINES)
    return path


@pytest.fixture(scope="module")
def lines(log: Path) -> list[Event]:
    """The events of the log, one a line, and one finding."""
    return parse("-q", log).events


# Help, version, wrong use


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)], ids=["itself", *COMMANDS])
def test_help(command: tuple[str, ...]) -> None:
    done = call(*command, "--help")

    assert (done.status, done.error) == (0, "")
    assert done.out.startswith(b"Usage: ")
    assert b"--help" in done.out
    named = {"parse": "--only", "explain": "LINE-or-CODE", "codes": "--status-codes", "check": "--patterns"}
    for word in [named[name] for name in command] or COMMANDS:
        assert word.encode() in done.out


def test_version_and_no_command() -> None:
    assert call("--version").out.decode() == f"mfa-shipper, version {__version__}\nkernel: {in_use()}\n"
    nothing = call()
    assert (nothing.status, nothing.out) == (2, b"")
    assert nothing.error.startswith("Usage: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["parse"], "Missing argument"),
        (["convert", "a.log"], "No such command 'convert'"),
        (["parse", "--fromat", "ecs", "LOG"], "--format"),
        (["parse", "--format", "xml", "LOG"], "'xml' is not one of 'ecs', 'ocsf', 'splunk-hec', 'elastic-bulk'"),
        (["parse", "--window", "soon", "LOG"], "'soon' is not a duration; write 60s"),
        (["parse", "--window=-1s", "LOG"], "is not a duration"),
        (["parse", "--exchange-timeout", "1e400s", "LOG"], "is not a duration"),
        (["parse", "--max-line", "big", "LOG"], "'big' is not a size"),
        (["parse", "--max-line", "15", "LOG"], "'15' is not from 16 bytes to 1GiB"),
        (["parse", "--max-line", "2GiB", "LOG"], "'2GiB' is not from 16 bytes to 1GiB"),
        (["parse", "--where", "user.name", "LOG"], "--where user.name: expected FIELD=VALUE"),
        (["parse", "--where", "=bob", "LOG"], "expected FIELD=VALUE"),
        (["parse", "--only", "mfa-status", "LOG"], "double_prompt"),
        (["parse", "--workers", "0", "LOG"], "--workers 0: expected a number from 1 to 256, or auto"),
        (["parse", "--workers", "9" * 5000, "LOG"], "expected a number from 1 to 256, or auto"),
        (
            ["parse", "--namespace", "Prod", "LOG"],
            "Invalid value for '--namespace': 'Prod' is not a data stream namespace; write",
        ),
        (["parse", "--namespace", "É", "LOG"], "'É' is not a data stream namespace"),
        (["parse", "--namespace", "\udcff", "LOG"], "'\\udcff' is not a data stream namespace"),
        (["parse", "--host", "\udcff", "LOG"], "Invalid value for '--host': '\\udcff' is not UTF-8"),
        (["report", "--host", "\udcff", "LOG"], "Invalid value for '--host': '\\udcff' is not UTF-8"),
        (["parse", "--patterns", "nowhere", "LOG"], "pattern directory nowhere does not exist"),
        (["parse", "--patterns", "LOG", "LOG"], "is no directory"),
        (["parse", "--status-codes", "nowhere.csv", "LOG"], "cannot read the code table nowhere.csv: No such file"),
        (["parse", "nowhere.log"], "there is no file nowhere.log"),
        (["parse", "no\x1b2Jwhere.log"], "there is no file no\\x1b2Jwhere.log"),
        (["parse", "LOG", "--no\x1b2Jwhere"], "No such option '--no\\x1b2Jwhere'"),
        (["parse", "nowhere*.log"], "no file matches nowhere*.log"),
        (["parse", "LOG", "--output", ""], "Invalid value for '--output': it may not be empty"),
        (["parse", "LOG", "--patterns", ""], "Invalid value for '--patterns': it may not be empty"),
        (["parse", "LOG", "--pseudonyms", ""], "Invalid value for '--pseudonyms': it may not be empty"),
        (["parse", ""], "the name of a FILE is empty; give a log file"),
        (["parse", "LOG", "--syslog-zone", "Foo"], "--syslog-zone: the zone 'Foo' is not known"),
        (["parse", "LOG", "--bogus"], "No such option '--bogus'."),
        (["parse", "LOG", "--plan", "--pretty"], "--pretty does not go with --plan"),
        (
            ["parse", "LOG", "--format", "elastic-bulk", "--pretty"],
            "--pretty does not go with --format elastic-bulk, whose reader",
        ),
        (["parse", "LOG", "--plan", "--output", "x.ndjson"], "--output does not go with --plan"),
        (["parse", "LOG", "--namespace", "mfa"], "--namespace is for --format elastic-bulk"),
        (
            ["report", "LOG", "--output", "x.pdf"],
            "--output x.pdf: there is no form for .pdf; end its name in .html, .htm, .json or .txt",
        ),
        (["report", "LOG", "--output", "x.csv"], "--output x.csv: there is no form for .csv"),
        (["codes", "--output", "x.pdf"], "end its name in .html, .htm, .json, .csv or .txt, or give --format"),
        (["explain", "", "--in", "LOG"], "there is nobody to tell of"),
        (["explain", "bob", "--in", ""], "the name of a FILE is empty"),
        (["check", "--config", ""], "Invalid value for '--config': it may not be empty"),
        (["check", "--config", "x.yaml", "--patterns", "DIR"], "--patterns does not go with --config"),
        (["run", "--config", ""], "Invalid value for '--config': it may not be empty"),
        (["status", "--config", ""], "Invalid value for '--config': it may not be empty"),
        (
            ["parse", "LOG", "--output", "no/such/folder/out"],
            "cannot create no/such/folder/out: there is no folder no/such/folder; create it first",
        ),
        (["parse", "LOG", "--output", "LOG"], "is one of the logs to read"),
        (["explain", "zzzzz"], "'zzzzz' is no status code"),
        (["codes", "--format", "xml"], "'xml' is not one of 'table', 'json', 'csv'"),
        (["check", "--patterns", "nowhere"], "pattern directory nowhere does not exist"),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else "",
)
def test_wrong_use_is_one_sentence(tmp_path: Path, arguments: list[str], said: str) -> None:
    log = tmp_path / "a.log"
    log.write_text(LINES)

    done = call(*(str(log) if argument == "LOG" else argument for argument in arguments), cwd=tmp_path)

    assert said in done.sentence
    assert (done.status, done.out) == (2, b"")
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]
    assert log.read_text() == LINES


def test_each_command_has_one_short_line_in_the_help() -> None:
    listed = call("--help").out.decode().partition("Commands:\n")[2]

    assert listed.count("\n") == 10
    assert "..." not in listed


def test_a_closed_standard_error_is_no_failure(log: Path) -> None:
    line = f'( exec 3>&1; {{ "{sys.executable}" -m shipper parse "{log}" 2>&1 >/dev/null 3>&-; echo $? >&3; }} | true )'
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=False, timeout=PATIENCE)

    assert done.stdout == b"0\n"


@pytest.mark.parametrize("command", ["parse", "report"])
@pytest.mark.parametrize(
    "redirection", ["LOG >> LOG", "LOG --output LINK", "- < LOG >> LOG", "- --output LOG < LOG", "- --output LINK < LOG"]
)
def test_no_output_goes_into_its_own_input(command: str, redirection: str, tmp_path: Path) -> None:
    log, link = tmp_path / "a.txt", tmp_path / "other.txt"
    log.write_text(LINES)
    os.link(log, link)

    line = f'"{sys.executable}" -m shipper {command} ' + redirection.replace("LOG", str(log)).replace("LINK", str(link))
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=False, timeout=PATIENCE)

    assert "is one of the logs to read; give another name" in Done(done.returncode, done.stdout, done.stderr.decode()).sentence
    assert done.returncode == 2
    assert log.read_text() == LINES
    assert len(list(tmp_path.iterdir())) == 2


def test_no_output_replaces_the_key_or_the_table(log: Path, tmp_path: Path) -> None:
    key, table = tmp_path / "key", tmp_path / "codes.csv"
    key.write_text("a key of more than sixteen bytes")
    key.chmod(0o600)
    table.write_bytes(call("codes", "--format", "csv").out)
    reading: tuple[list[str | Path], ...] = (
        ["parse", log, "--pseudonyms", key, "--output", key],
        ["report", log, "--status-codes", table, "--format", "text", "--output", table],
        ["codes", "--status-codes", table, "--output", table],
    )
    for arguments in reading:
        done = call(*arguments)
        assert "is a file that an option reads" in done.sentence
        assert done.status == 2
    assert key.read_text() == "a key of more than sixteen bytes"


def test_a_missing_file_is_told_before_any_output(log: Path) -> None:
    done = call("parse", log, "nowhere.log")

    assert (done.status, done.out) == (2, b"")


def test_a_closed_standard_output_or_error(log: Path) -> None:
    def through_shell(redirection: str) -> Done:
        line = f'"{sys.executable}" -m shipper parse "{log}" {redirection}'
        done = subprocess.run(["sh", "-c", line], capture_output=True, check=False, timeout=PATIENCE)
        return Done(done.returncode, done.stdout, done.stderr.decode())

    closed = through_shell(">&-")
    assert closed.status == 2
    assert closed.sentence.startswith("standard output is closed")
    silent = through_shell("2>&-")
    assert silent.status == 0
    assert len(silent.events) == TOTAL + 1  # no summary among them


# What goes wrong while running


def bulk() -> bytes:
    """Rather more than is read before the first event is written, rather less than that and what a pipe holds."""
    data = "".join(exchange(10 * n, f"user{n}", n % 50) for n in range(340)).encode()
    assert HEAD < len(data) < 2 * HEAD
    return data


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)],
    ids=["interrupt", "terminate", "kill"],
)
def test_a_signal_in_the_middle_leaves_the_old_output(tmp_path: Path, number: signal.Signals, status: int) -> None:
    fifo, out = tmp_path / "fifo", tmp_path / "folder" / "out.ndjson"
    out.parent.mkdir()
    out.write_text("old")
    os.mkfifo(fifo)
    with open(fifo, "r+b", buffering=0) as writer, open(fifo, "rb") as reader:
        command = [*COMMAND, "parse", "-", "--output", str(out)]
        process = subprocess.Popen(command, stdin=reader, stderr=subprocess.PIPE, preexec_fn=_listen)
        writer.write(bulk())
        until(lambda: any(path.stat().st_size for path in out.parent.glob(".*.part")), "for output")
        process.send_signal(number)
        _, error = process.communicate(timeout=PATIENCE)

    assert process.returncode == status
    assert error.strip() == b""
    assert out.read_text() == "old"
    if number != signal.SIGKILL:
        assert os.listdir(out.parent) == ["out.ndjson"]


def _listen() -> None:
    """A test that runs in the background must not pass on that it ignores interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_what_can_be_read_of_a_cut_pipe_is_explained() -> None:
    packed = gzip.compress(LINES.encode(), 0)
    done = call("explain", "-", stdin=packed[:-12])
    assert done.status == 1
    assert done.out == call("explain", "-", stdin=LINES.encode().rpartition(b"\n")[0].rpartition(b"\n")[0] + b"\n").out
    assert "standard input: the gzip file ends too early" in done.sentence
    assert call("explain", "-", stdin=packed[:14]).out == b""


INTERRUPTED = """
import signal, sys
module, action, sys.argv[1:] = sys.argv[1], sys.argv[2], ["codes"]
signal.signal(signal.SIGINT, signal.SIG_IGN if action == "ignored" else signal.default_int_handler)

class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == module:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
from shipper.__main__ import main
main()
"""


@pytest.mark.parametrize("module", ["shipper.cli", "click", "orjson", "shipper.commands.codes"])
@pytest.mark.parametrize("action", ["heard", "ignored"])
def test_an_interrupt_during_the_imports_ends_quietly(module: str, action: str) -> None:
    """Where nobody catches `KeyboardInterrupt`, and compiled modules crash of it. In the background it may be ignored."""
    command = [sys.executable, "-c", INTERRUPTED, module, action]
    done = subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE)
    assert done.returncode == (0 if action == "ignored" else 130), done.stderr
    assert done.stderr.strip() == b""
    assert bool(done.stdout) == (action == "ignored")


def test_a_damaged_file_leaves_the_old_output(tmp_path: Path) -> None:
    log, out = tmp_path / "a.log.gz", tmp_path / "out.ndjson"
    log.write_bytes(gzip.compress(bulk())[:-40])
    out.write_text("old")

    done = call("parse", log, "--output", out)

    assert done.status == 1
    assert (
        f"  note: {out} is not written, since it would not be complete\nmfa-shipper: {log}: the gzip file ends too early"
        in done.error
    )
    assert out.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["a.log.gz", "out.ndjson"]


@pytest.mark.parametrize("given", ["file", "pipe"])
def test_what_is_readable_of_a_small_damaged_file_is_shipped(tmp_path: Path, log: Path, given: str) -> None:
    damaged = tmp_path / "b.log.gz"
    damaged.write_bytes(gzip.compress(LINES.replace("pfrad", "pfsvc").encode())[:-12])  # no copy of the other

    done = call("parse", "-q", log, damaged) if given == "file" else call("parse", "-q", "-", stdin=damaged.read_bytes())

    assert done.status == 1
    assert "the gzip file ends too early" in done.sentence
    assert len(done.events) > (TOTAL + 10 if given == "file" else 10)


def cut_short(form: str, text: bytes) -> bytes:
    """A packed log that ends where its text ends; its own end is missing."""
    if form == "gzip":
        return gzip.compress(text, 0)[:-8]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("Mfa.log")
        member.size = len(text) + 1000
        archive.addfile(member, io.BytesIO(text + bytes(1000)))
    return packed.getvalue()[: 512 + len(text)]


@pytest.mark.parametrize("form", ["gzip", "tar"])
@pytest.mark.parametrize("options", [(), ("--workers", "2"), ("--events", "exchange")])
def test_a_status_cut_short_by_the_end_of_a_download_is_no_event(tmp_path: Path, form: str, options: tuple[str, ...]) -> None:
    """`rawCallStatus = 2` of `rawCallStatus = 21` would be another status, under the id of the true one."""
    lines = (
        "2017-02-14T02:57:19.000000Z|0|1|2|pfrad|Calling pfAuthUser('anna', '', 1)\n"
        "2017-02-14T02:57:29.000000Z|0|1|2|pfrad|authResult = 1\n"
        "2017-02-14T02:57:29.000000Z|0|1|2|pfrad|rawCallStatus = 2"
    )
    cut = tmp_path / f"Mfa.log.{form}"
    cut.write_bytes(cut_short(form, lines.encode()))

    done = call("parse", *options, cut)
    assert done.status == 1
    sums, _, sentence = done.error.partition("mfa-shipper: ")
    assert sums.startswith("2 lines in ")
    assert "requests 1 · verdicts 1 · statuses 0" in sums
    assert "ends too early" in sentence
    assert "its whole lines up to there were read: get" in sentence
    assert len(done.events) == 2
    assert not any("status" in event["azure_mfa"] for event in done.events)


@pytest.mark.parametrize("options", [(), ("--workers", "2"), ("--across",)])
def test_of_an_archive_with_flipped_bits_the_place_and_what_to_do_are_told(tmp_path: Path, options: tuple[str, ...]) -> None:
    data = bytearray(gzip.compress(bulk()))
    data[len(data) // 2] ^= 0x55
    (tmp_path / "a.log.gz").write_bytes(data)
    for name in ("b.log", "c.log"):
        (tmp_path / name).write_text(LINES.replace("pfrad", "pfsvc").replace("2017", "2018") + f"{name}\n")

    done = call("parse", "-q", *options, tmp_path)

    assert done.status == 1
    assert len(done.events) > TOTAL
    where = r"a\.log\.gz: damaged gzip data before compressed byte [0-9]+: (?:incorrect data check|invalid [a-z /]+)"
    what = "the whole lines that came out of it were read and may be wrong: get the file once more; 2 more files were not read"
    assert re.search(f"{where}; {what}$", done.sentence), done.sentence


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk(log: Path) -> None:
    done = call("parse", log, "--output", "/dev/full")

    assert done.status == 1
    assert done.sentence == "cannot write /dev/full: No space left on device, after 0 bytes"


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(bulk())
    for command in (["parse", str(log)], ["codes"], ["explain", "21"]):
        process = subprocess.Popen([*COMMAND, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        if command[0] == "parse":
            assert process.stdout.readline().startswith(b'{"@timestamp"')
        process.stdout.close()
        _, error = process.communicate(timeout=PATIENCE)
        assert (process.returncode, error) == (0, b"")


# The summary


def sums(text: str) -> dict[str, int]:
    """The numbers of the summary's lines that the conservation of lines is about."""
    patterns = {
        "lines": r"^([\d,]+) lines in",
        "out": r", ([\d,]+) events out",
        "filtered": r", ([\d,]+) filtered out",
        "merged": r", ([\d,]+) lines merged",
        "findings": r"double prompts ([\d,]+)",
    }
    return {
        name: int(match[1].replace(",", "")) if (match := re.search(pattern, text, re.M)) else 0
        for name, pattern in patterns.items()
    }


def test_the_summary_stands_on_standard_error(log: Path) -> None:
    done = parse(log)

    assert re.match(rf"{TOTAL} lines in \d+\.\d s, {TOTAL + 1} events out\n", done.error)
    assert "  requests 8 · verdicts 8 · statuses 8 · results 0 · other 1 · unparsed 1\n" in done.error
    assert "  authentications 8\n  by class: authenticated 6, cached 1, denied 1\n" in done.error
    assert "double prompts 1\n" in done.error
    assert "note: 2 without the request line, 1 exchange open at the end\n" in done.error
    assert len(done.events) == TOTAL + 1
    assert parse("-q", log) == Done(0, done.out, "")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--where", "user.name=bob"],
        ["--where", "rule.name=nothing"],
        ["--only", "double_prompt"],
        ["--since", "2017-02-14T02:57:30", "--until", "2017-02-14T02:58"],
        ["--only", "double_prompt", "--where", "user.name=ann"],
        ["--events", "exchange"],
        ["--events", "exchange", "--where", "event.outcome=success"],
        ["--workers", "2", "--events", "exchange", "--where", "event.outcome=success"],
    ],
    ids=" ".join,
)
def test_no_line_disappears_from_the_sums(tmp_path: Path, log: Path, options: list[str]) -> None:
    other = tmp_path / "Other.log"
    other.write_text(LINES.replace("2017-02-14", "2017-02-15"))  # a copy would be read once

    done = parse(log, other, *options)

    found = sums(done.error)
    assert found["lines"] == 2 * TOTAL
    assert found["findings"] == 2
    assert found["out"] == len(done.events)
    assert found["lines"] + found["findings"] == found["out"] + found["filtered"] + found["merged"]


# What comes out


# Which files make which log


def day(path: Path, *hours: int) -> Path:
    text = "".join(f"2017-02-14T{hour:02}:00:00Z|0|1|2|pfrad|authResult = 1\n" for hour in hours)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_the_plan_says_which_files_make_which_log_and_why(tmp_path: Path) -> None:
    day(tmp_path / "mfa02-X.log", 3)
    day(tmp_path / "mfa01-X.log.1.gz", 1, 4)
    day(tmp_path / "mfa01-X.log", 5, 6)
    apart = day(tmp_path / "mfa01-X (1).log", 5, 7)
    (tmp_path / "Y.log").write_bytes(b"no date\n")
    done = call("parse", tmp_path, "-", "--plan", "--deterministic", stdin=b"2017-02-14T02:00:00Z|0|1|2|pfrad|x\n")
    fingerprint = parse("-q", apart).events[0]["event"]["id"].partition("-")[0]
    assert (done.status, done.error) == (0, "")
    assert (
        done.out.decode().replace(f"{tmp_path}/", "")
        == f"""\
Y.log
  Y.log, without a time stamp
mfa01-X.log
  mfa01-X.log.1.gz, from 2017-02-14T01:00:00Z
  mfa01-X.log, from 2017-02-14T05:00:00Z
standard input
  -, from 2017-02-14T02:00:00Z
mfa02-X.log
  mfa02-X.log, from 2017-02-14T03:00:00Z
mfa01-X.log {fingerprint}
  mfa01-X (1).log, from 2017-02-14T05:00:00Z
  note: mfa01-X (1).log is read as a log of its own, whatever its name says: it begins at 2017-02-14T05:00:00Z, and \
mfa01-X.log goes on until 2017-02-14T06:00:00Z
"""
    )


def test_the_plan_goes_by_the_timeout_and_does_not_excuse_a_mistake(tmp_path: Path) -> None:
    day(tmp_path / "X.log.1", 1, 5)
    day(tmp_path / "X.log", 4)
    assert b"note" in call("parse", tmp_path, "--plan").out
    assert b"note" not in call("parse", tmp_path, "--plan", "--exchange-timeout", "1h").out
    assert call("parse", tmp_path / "none", "--plan").sentence.startswith("there is no file")


def test_the_sums_say_what_was_set_apart(tmp_path: Path) -> None:
    day(tmp_path / "X.log.1", 1, 5)
    day(tmp_path / "X.log", 4)
    note = (
        f"  note: {tmp_path}/X.log is read as a log of its own, whatever its name says: it begins at 2017-02-14T04:00:00Z, "
        f"and {tmp_path}/X.log.1 goes on until 2017-02-14T05:00:00Z"
    )
    assert parse(tmp_path).error.splitlines()[-1] == note
    assert parse(tmp_path, "-q").error == ""


def test_no_original(log: Path, lines: list[Event]) -> None:
    without = parse("-q", "--no-original", log).events

    assert [event["event"]["id"] for event in without if "original" in event["event"]] == [
        event["event"]["id"] for event in without if event["event"]["kind"] == "pipeline_error"
    ]
    for event, full in zip(without, lines, strict=True):
        event["event"].setdefault("original", full["event"].get("original"))
        assert event == full or event["event"]["kind"] == "alert"


@pytest.mark.parametrize(
    ("conditions", "number"),
    [
        (["user.name=bob"], 13),
        (["azure_mfa.status.code=129"], 1),
        (["azure_mfa.status.prompted=false"], 1),
        (["event.type=end"], 8),
        (["tags=mfa_orphan"], 2),
        (["related.user=ann@example.com"], 6),
        (["user.name=bob", "event.action=mfa-status"], 4),
        (["user.name=bob", "user.name=ann"], 0),
        (["user.name=B?B"], 13),
        (["user.name=*b", "event.code=2*"], 4),
        (["related.user=*@EXAMPLE.com"], 6),
        (["message=authResult = 0"], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_where(log: Path, lines: list[Event], conditions: list[str], number: int) -> None:
    found = parse("-q", log, *(part for condition in conditions for part in ("--where", condition))).events

    assert len(found) == number
    assert all(event in lines for event in found)


def test_only_findings_are_those_of_all_detectors(log: Path, lines: list[Event]) -> None:
    assert parse("-q", "--only", "findings", log).events == [event for event in lines if event["event"]["kind"] == "alert"]


def test_a_span_of_time(log: Path, lines: list[Event]) -> None:
    times = sorted({event["@timestamp"] for event in lines})
    since, until = times[len(times) // 3], times[-2]

    found = parse("-q", "--since", since, "--until", until, log).events

    assert found == [event for event in lines if since <= event["@timestamp"] < until]
    assert 0 < len(found) < len(lines)
    assert any("user" in event for event in found if event["event"].get("action") == "mfa-status")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--where", "event.outcom=x"], "--where event.outcom=x: there is no field event.outcom; did you mean event.outcome?"),
        (["--since", "today"], "'today' is no date or time"),
        (["--since", "2017-02-14", "--until", "2017-02-14T00:00Z"], "--since must be before --until"),
    ],
    ids=" ".join,
)
def test_a_filter_that_lets_nothing_through_is_refused(log: Path, options: list[str], said: str) -> None:
    done = call("parse", *options, log)

    assert (done.status, done.events) == (2, [])
    assert said in done.error
    assert done.error.count("\n") == 1


def test_only_double_prompts(log: Path, lines: list[Event]) -> None:
    [finding] = parse("-q", "--only", "double_prompt", log).events

    assert finding in lines
    assert finding["event"]["action"] == "double_prompt"
    assert finding["azure_mfa"]["double_prompt"]["gap_ms"] == 15000
    assert finding["message"].startswith("CONTOSO\\bob was asked twice")


def test_events_of_exchanges_lose_nothing(log: Path, lines: list[Event]) -> None:
    merged = parse("-q", "--events", "exchange", log).events
    by_id = {event["event"]["id"]: event for event in merged}
    statuses = {e["azure_mfa"]["exchange"]["id"]: e for e in merged if e["event"].get("action") == "mfa-status" and "user" in e}

    assert len(by_id) == len(merged) == len(lines) - 2 * 7
    assert len(statuses) == 7
    assert [e for e in merged if e["event"].get("action") == "double_prompt"] == [
        e for e in lines if e["event"].get("action") == "double_prompt"
    ]
    for event in lines:
        action = event["event"].get("action")
        status = statuses.get(event.get("azure_mfa", {}).get("exchange", {}).get("id"))
        if status is None:
            assert by_id[event["event"]["id"]] == event
        elif action == "mfa-request":
            assert status["event"]["start"] == event["@timestamp"]
            assert status["azure_mfa"]["request"] == event["azure_mfa"]["request"]
            assert status["user"] == event["user"]
        elif action == "mfa-verdict":
            assert status["azure_mfa"]["auth_result"] == event["azure_mfa"]["auth_result"]
        else:
            assert status["event"]["original"][-1] == event["event"]["original"]
            same = {**status, "event": {**status["event"], "original": event["event"]["original"]}}
            assert {**event, "azure_mfa": None} == {**same, "azure_mfa": None}


def test_pretty_reads_back(log: Path, lines: list[Event]) -> None:
    text = parse("-q", "--pretty", log).out.decode()

    assert [orjson.loads(part) for part in text.replace("\n}\n{", "\n}\0{").split("\0")] == lines
    assert text.startswith('{\n  "@timestamp": "')


def test_host_and_agent_unless_deterministic(log: Path, lines: list[Event]) -> None:
    for event, plain in zip(call("parse", "-q", log).events, lines, strict=True):
        assert event.pop("agent") == {"name": event["host"]["name"], "type": "mfa-shipper", "version": __version__}
        assert event.pop("host")["name"]
        assert event == plain


def test_output_into_the_folder_of_the_input(tmp_path: Path, log: Path) -> None:
    (tmp_path / "Radius.log").write_text(LINES)
    wanted = parse("-q", "Radius.log", cwd=tmp_path).out
    out = tmp_path / "out.log"

    assert parse("-q", "--output", "out.log", "*.log", cwd=tmp_path).out == b""
    assert out.read_bytes() == wanted
    umask = os.umask(0)
    os.umask(umask)
    assert out.stat().st_mode & 0o777 == 0o666 & ~umask

    link = tmp_path / "link"
    link.symlink_to("out.log")
    parse("-q", "--output", "link", "--only", "double_prompt", "Radius.log", cwd=tmp_path)
    assert link.is_symlink()
    assert len(out.read_bytes().splitlines()) == 1
    assert sorted(os.listdir(tmp_path)) == ["Radius.log", "link", "out.log"]


@pytest.mark.parametrize(
    ("options", "patterns"),
    [
        ([], ["sequential"]),
        (["--window", "14s"], []),
        (["--window", "15000ms"], ["sequential"]),
        (["--window", "71"], ["sequential", "sequential"]),
        (["--window", "1.2m"], ["sequential", "sequential"]),
        (["--include-retries"], ["sequential", "retry"]),
        (["--exchange-timeout", "4s"], []),
        (["--exchange-timeout", "58s", "--window", "2m"], ["sequential"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_window_timeout_and_retries(log: Path, options: list[str], patterns: list[str]) -> None:
    found = parse("-q", "--only", "double_prompt", *options, log).events

    assert [event["azure_mfa"]["double_prompt"]["pattern"] for event in found] == patterns


def test_an_exchange_timeout_makes_orphans(log: Path) -> None:
    done = parse("--exchange-timeout", "58s", log)

    assert "note: 4 without the request line, 1 exchange given up, 1 exchange open at the end" in done.error


# Patterns and tables of one's own


def grok(folder: Path, *lines: str) -> Path:
    folder.mkdir()
    (folder / "own.grok").write_text("# my own\n\n" + "\n".join(lines) + "\n")
    return folder


def test_patterns_of_ones_own_add_a_family_and_win(tmp_path: Path) -> None:
    folder = grok(
        tmp_path / "own",
        "VPN_USER [A-Z]+",
        "MESSAGE_VPN VPN login of %{VPN_USER:user.name} from %{MFA_IPV4:[source][ip]:ip}",
        "MESSAGE_PFRAD_VERDICT authResult = %{WORD:labels.verdict}",
    )
    text = f"{stamp(0)}|i|1|2|vpn|VPN login of BOB from 10.0.0.5\n" + exchange(1, "CONTOSO\\bob", 1)

    vpn, _, verdict, status = parse("-q", "--patterns", folder, "-", stdin=text.encode()).events

    assert vpn["user"] == {"name": "BOB"}
    assert vpn["source"] == {"ip": "10.0.0.5"}
    assert (vpn["event"]["dataset"], vpn["event"]["action"]) == ("azure_mfa.vpn", "log")
    assert verdict["labels"] == {"verdict": "1"}
    assert verdict["event"]["action"] == "log"
    assert status["event"]["code"] == "21"
    assert "2 of them yours" in call("check", "--patterns", folder).out.decode()
    explained = call("explain", "--patterns", folder, text.splitlines()[0])
    assert explained.status == 0
    assert f"MESSAGE_VPN ({folder / 'own.grok'}:4)" in explained.out.decode()


@pytest.mark.parametrize(
    ("command", "line", "said"),
    [
        ("parse", "MESSAGE_A %{WROD:user.name}", "unknown pattern %{WROD}; did you mean %{WORD}?"),
        ("explain", "MESSAGE_A (unclosed", "bad expression of MESSAGE_A"),
        ("check", "MESSAGE_A %{WORD:user.nmae}", "there is no field user.nmae; did you mean user.name?"),
    ],
    ids=["name", "expression", "field"],
)
def test_a_bad_pattern_is_named_with_its_line(tmp_path: Path, log: Path, command: str, line: str, said: str) -> None:
    folder = grok(tmp_path / "own", "MESSAGE_GOOD good", line)
    subjects: dict[str, list[str | Path]] = {"parse": [log], "explain": ["21"], "check": []}

    done = call(command, "--patterns", folder, *subjects[command])

    assert (done.status, done.out) == (2, b"")
    assert done.sentence.startswith(f"{folder / 'own.grok'}:4: ")
    assert said in done.sentence


def test_status_codes_of_ones_own(tmp_path: Path, log: Path) -> None:
    table = tmp_path / "codes.csv"
    header = "code,description,class,outcome,prompted,method,severity,constant\n"
    table.write_text(header + "129,Pressed Deny,fraud,failure,true,mobile_app,critical,\n")

    [event] = parse("-q", "--status-codes", table, "--where", "azure_mfa.status.code=129", log).events
    assert event["event"]["reason"] == "Pressed Deny"
    assert event["event"]["severity"] == 99
    assert call("codes", "--status-codes", table, "--format", "csv").out.count(b"Pressed Deny,fraud") == 1
    assert call("explain", "--status-codes", table, "129").out.startswith(b"129: Pressed Deny\n")
    assert b"status codes: 72\n" in call("check", "--status-codes", table).out

    table.write_text(table.read_text() + "130,Denied,refused,failure,true,,low,\n")
    for command in (["parse", log], ["codes"], ["explain", "21"], ["check"]):
        done = call(*command, "--status-codes", table)
        assert (done.status, done.out) == (2, b"")
        assert done.sentence.startswith(f"{table}:3: class 'refused' is not one of ")


# Several files


def origins(done: Done) -> list[str]:
    """The files that the events came from, in order, each once a run of events."""
    names = [os.path.basename(event["log"]["file"]["path"]) for event in done.events if "log" in event]
    return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with its rotated files and another one. An exchange and a double prompt go across two rotations."""
    folder = tmp_path_factory.mktemp("several")
    with gzip.open(folder / "Radius-20170214.log.gz", "wt") as file:
        file.write(exchange(0, "ann", 1) + request(100, "CONTOSO\\bob", 2))
    (folder / "Radius.log.1").write_text(answer(105, 2, 1, 21) + exchange(108, "ann", 3, code=6))
    (folder / "Radius.log").write_text(exchange(120, "contoso\\BOB", 4) + exchange(900, "ann", 5))
    (folder / "Server.log").write_text(exchange(50, "CONTOSO\\bob", 2, seconds=56))
    return folder


RADIUS = ("Radius.log", "Radius.log.1", "Radius-20170214.log.gz")
IN_ORDER = [*reversed(RADIUS)]


@pytest.mark.parametrize(
    "names",
    [RADIUS, IN_ORDER, (RADIUS[1], RADIUS[2], RADIUS[0]), ("Radius*",), ("*.gz", "*.log.1", "./Radius.log", *RADIUS)],
    ids=" ".join,
)
def test_rotated_files_are_one_source_in_the_order_of_time(folder: Path, names: Sequence[str]) -> None:
    done = parse("-q", *names, cwd=folder)

    assert origins(done) == IN_ORDER
    events = [event for event in done.events if event["event"]["kind"] == "event"]
    assert [event["@timestamp"] for event in events] == sorted(event["@timestamp"] for event in events)
    asked, answered = events[3], events[5]
    assert answered["azure_mfa"]["exchange"]["id"] == asked["event"]["id"]
    assert answered["user"] == {"name": "bob", "domain": "CONTOSO"}
    [finding] = [event for event in done.events if event["event"]["kind"] == "alert"]
    assert finding["azure_mfa"]["double_prompt"]["first"]["id"] == asked["event"]["id"]
    assert finding["azure_mfa"]["double_prompt"]["gap_ms"] == 15000


@pytest.mark.parametrize("names", [("*",), ("Server.log", *RADIUS)], ids=" ".join)
def test_sources_come_one_after_the_other_and_share_nothing(folder: Path, names: Sequence[str]) -> None:
    done = parse(*names, cwd=folder)

    assert origins(done) == [*IN_ORDER, "Server.log"]
    assert sums(done.error)["findings"] == 1
    assert "without their request" not in done.error
    servers = [event for event in done.events if event.get("log", {}).get("file", {}).get("path") == "Server.log"]
    assert [event["event"]["action"] for event in servers] == ["mfa-request", "mfa-verdict", "mfa-status"]
    assert servers[2]["event"]["duration"] == 56_000_000_000


def test_standard_input_is_a_source_of_its_own(folder: Path, log: Path) -> None:
    data = (folder / "Radius.log").read_bytes()

    piped = parse("-q", "-", stdin=data).events
    from_file = parse("-q", folder / "Radius.log").events

    assert all("file" not in event["log"] for event in piped)
    for event in from_file:
        del event["log"]["file"]
    assert piped == from_file
    both = parse("-q", folder / "Radius.log.1", "-", stdin=data).events
    assert len(both) == 5 + 6
    assert Counter("file" in event["log"] for event in both) == {True: 5, False: 6}
    assert parse("-q", "-", stdin=gzip.compress(data)).events == piped


# The other commands


def test_explain() -> None:
    line = request(0, "CONTOSO\\bob", 1).strip()

    assert call("explain", "-104").out.startswith(b"-104: Trusted IP\n")
    assert call("explain", "no", "response").out.startswith(b"7 codes for no response:\n")
    one, piped = call("explain", line), call("explain", "-", stdin=line.encode())
    assert one == piped
    assert (one.status, one.error) == (0, "")
    assert b"user.name" in one.out
    assert b'"action": "mfa-request"' in one.out
    broken = call("explain", line.replace("pfrad|", "pfrad "))
    assert broken.status == 0
    assert b"LINE_MFA" in broken.out


def test_codes_and_check(tmp_path: Path) -> None:
    table, as_json, as_csv = (call("codes", "--format", form) for form in ("table", "json", "csv"))

    codes = orjson.loads(as_json.out)
    assert len(codes) == 72
    assert [str(code["code"]) for code in codes] == [row["code"] for row in csv.DictReader(io.StringIO(as_csv.out.decode()))]
    assert table.out.count(b"\n") == 73
    again = tmp_path / "again.csv"
    again.write_bytes(as_csv.out)
    assert call("codes", "--status-codes", again, "--format", "csv").out == as_csv.out
    check = call("check", "--status-codes", again)
    assert (check.status, check.error) == (0, "")
    assert check.out.endswith(f"kernel: {in_use()}\npatterns and status codes OK\n".encode())


# The bar


def on_a_terminal(*arguments: str | Path) -> tuple[bytes, str]:
    """Standard output, and what standard error shows on a terminal."""
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    command = [*COMMAND, "parse", "--deterministic", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment) as process:
        os.close(theirs)
        assert process.stdout is not None
        out = process.stdout.read()
        assert process.wait(PATIENCE) == 0
    fcntl.fcntl(ours, fcntl.F_SETFL, os.O_NONBLOCK)
    shown = b""
    try:
        while block := os.read(ours, 4096):
            shown += block
    except OSError:  # nothing more, or nobody there who could write more
        pass
    os.close(ours)
    return out, shown.decode()


def test_a_bar_on_a_terminal_only(log: Path) -> None:
    expected = parse(log)

    out, shown = on_a_terminal(log)
    assert out == expected.out
    assert "lines/s" in shown
    assert f"{TOTAL} lines in" in shown.rpartition("\x1b")[2]  # the summary, when the bar is gone
    assert "lines/s" in on_a_terminal("--workers", "2", log, log.parent / ".." / log.parent.name / log.name)[1]

    assert "lines/s" not in expected.error
    assert on_a_terminal("-q", "--no-progress", log) == (out, "")
    asked_for = parse("--progress", log)
    assert asked_for.out == out
    assert f"{TOTAL} lines in" in asked_for.error


def test_explain_reads_packed_lines_and_says_that_standard_input_is_closed(tmp_path: Path) -> None:
    line = b"2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|rawCallStatus = 21\n"
    assert "Mobile App Authenticated" in call("explain", "-", stdin=gzip.compress(line)).out.decode()
    closed = subprocess.run(
        ["sh", "-c", '"$@" <&-', "sh", *COMMAND, "explain", "-"], capture_output=True, check=False, timeout=PATIENCE
    )
    assert (closed.returncode, closed.stderr) == (1, b"mfa-shipper: cannot read standard input: it is closed\n")
