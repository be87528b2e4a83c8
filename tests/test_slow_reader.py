"""Standard output as a sink of a real process, when its reader sleeps or goes away."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.process import Shipper, Verdict, configuration, expected, numbered, until


def full_pipe(shipper: Shipper) -> tuple["subprocess.Popen[bytes]", int]:
    """Start it with a pipe as standard output that nobody reads, and wait until it is full."""
    reading, writing = os.pipe()
    process = shipper.start(stdout=writing)
    until(lambda: not select.select([], [writing], [], 0)[1], "the pipe is full")
    os.close(writing)
    return process, reading


@pytest.fixture
def to_a_pipe(tmp_path: Path) -> Shipper:
    """A shipper with more to say than a pipe takes."""
    output = {"type": "stdout", "batch": {"max_age": "50ms", "max_events": 20}}
    tail = {"read_size": "1KiB"}  # some fifteen lines: places are kept for whole reads
    one = Shipper(tmp_path, configuration(tmp_path, output, shutdown_timeout="1s", tail=tail))
    (tmp_path / "logs" / "Mfa.log").write_bytes(numbered(0, 2000))
    return one


def number_of(line: bytes) -> int:
    return int(line.partition(b"|line ")[2].partition(b'"')[0])


def read_all(reading: int) -> bytes:
    with open(reading, "rb") as pipe:
        return pipe.read()


def test_sigterm_while_the_reader_sleeps(to_a_pipe: Shipper, tmp_path: Path) -> None:
    process, reading = full_pipe(to_a_pipe)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert "the next run does it" in to_a_pipe.said()
    to_a_pipe.terminate()
    first = read_all(reading).splitlines(keepends=True)
    whole = [one for one in first if one.endswith(b"\n")]
    assert whole
    reading, writing = os.pipe()
    process = to_a_pipe.start(stdout=writing)
    os.close(writing)
    wanted = expected([bytearray(numbered(0, 2000))], tmp_path)
    second = b""
    while b'|line 1999"' not in second:
        second += os.read(reading, 1 << 16)
    assert to_a_pipe.terminate() == 0
    second += read_all(reading)
    verdict = Verdict([*whole, *second.splitlines()], wanted)
    assert (verdict.lost, verdict.wrong) == (0, 0), verdict
    assert verdict.repeats <= 4 * 20 + 2 * 15  # four batches are under way at most, and a read ends between two


def test_a_reload_while_the_reader_sleeps_tears_no_line(to_a_pipe: Shipper, tmp_path: Path) -> None:
    """A pipe takes 4 KiB at a time, so it is full in the middle of an event."""
    process, reading = full_pipe(to_a_pipe)
    for number in range(1, 4):
        process.send_signal(signal.SIGHUP)
        until(lambda wanted=number: to_a_pipe.said().count("the next run does it") == wanted, "it gives up what waits")  # type: ignore[misc]
    came = b""
    while b'|line 1999"' not in came:
        came += os.read(reading, 1 << 16)
    assert to_a_pipe.terminate() == 0
    came += read_all(reading)
    verdict = Verdict(came.splitlines(), expected([bytearray(numbered(0, 2000))], tmp_path))
    assert (verdict.lost, verdict.wrong) == (0, 0), verdict


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_leaves_at_once(number: signal.Signals, to_a_pipe: Shipper) -> None:
    to_a_pipe.config.write_text(
        to_a_pipe.config.read_text(encoding="utf-8").replace("shutdown_timeout: 1s", "shutdown_timeout: 600s"), encoding="utf-8"
    )
    process, reading = full_pipe(to_a_pipe)
    process.send_signal(number)
    until(lambda: "stopping" in to_a_pipe.said(), "it stops")
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(30) == 128 + number
    os.close(reading)


def test_a_reader_that_goes_away_loses_nothing(to_a_pipe: Shipper, tmp_path: Path) -> None:
    process, reading = full_pipe(to_a_pipe)
    first = b""
    while len(first) < 300_000:
        first += os.read(reading, 1 << 16)
    os.close(reading)
    assert process.wait(30) == 0
    assert "Traceback" not in to_a_pipe.said()
    to_a_pipe.terminate()
    reading, writing = os.pipe()
    to_a_pipe.start(stdout=writing)
    os.close(writing)
    second = b""
    while b'|line 1999"' not in second:
        second += os.read(reading, 1 << 16)
    assert to_a_pipe.terminate() == 0
    second += read_all(reading)
    # A pipe cannot say what of it was read: what was in it when the reader went is gone, and no more than that.
    assert len(second) > 100_000
    begin, end = number_of(first.splitlines()[-2]), number_of(second.splitlines()[0])
    # What comes again is what the checkpoint, which is saved at its own pace, did not have yet.
    assert begin - 400 <= end <= begin + 65_536 // 500


def test_replay_to_a_reader_that_goes_away_keeps_the_letters(to_a_pipe: Shipper, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    letters = tmp_path / "state" / "dead_letters.ndjson"
    letter = json.dumps({"time": "2017-02-14T00:00:00Z", "reason": "too large", "line": "x" * 10_000}) + "\n"
    letters.write_text(letter * 50, encoding="utf-8")
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "shipper", "replay", "--config", to_a_pipe.config], stdout=writing, stderr=subprocess.PIPE
    )
    until(lambda: not select.select([], [writing], [], 0)[1], "the pipe is full")
    os.close(writing)
    os.close(reading)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, b"")
    # Those that the pipe took are gone, as with run; the others stay.
    assert 50 - 65_536 // 10_000 - 1 <= letters.read_text(encoding="utf-8").count("\n") <= 50
