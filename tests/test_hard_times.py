"""Hard times for a real `mfa-shipper run`: a full disk, files it may not read, folders that go, clocks that jump."""

import bz2
import gzip
import lzma
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.support.process import Shipper, Verdict, as_a_user, configuration, expected, numbered, until, whole_lines

EXAMPLE = Path(__file__).parents[1] / "deploy" / "examples" / "MultiFactorAuthRadiusSvc.log"
LOG = EXAMPLE.read_bytes()


def ships_to_a_file(folder: Path, command: tuple[str, ...] = (), **more: Any) -> Shipper:
    """A shipper whose output is `out.ndjson` of the folder."""
    output = {"type": "file", "file": {"path": str(folder / "out.ndjson")}, "batch": {"max_age": "50ms"}}
    return Shipper(folder, configuration(folder, output, **more), command)


def came(folder: Path) -> list[bytes]:
    return whole_lines(folder / "out.ndjson")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid():
        pytest.skip("only root can mount a small disk")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Take all room that is left on the disk of a folder."""
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1024))
        except OSError:
            return ballast


def test_a_full_state_directory_does_not_stop_delivery(small_disk: Path, tmp_path: Path) -> None:
    shipper = ships_to_a_file(tmp_path, state_dir=str(small_disk))
    (tmp_path / "logs" / "Mfa.log").write_bytes(numbered(0, 10))
    shipper.start()
    until(lambda: len(came(tmp_path)) == 10 and (small_disk / "checkpoint.json").exists(), "ten lines and their place")
    ballast = fill(small_disk)
    with open(tmp_path / "logs" / "Mfa.log", "ab") as log:
        log.write(numbered(10, 20))
    until(lambda: len(came(tmp_path)) == 20, "ten more lines")
    until(lambda: "checkpoint cannot be written" in shipper.said(), "it says that the place is not kept")
    assert "No space left on device" in shipper.said()
    shipper.kill()
    # It starts on the full disk too, from the last place that could be written.
    shipper.start()
    until(lambda: len(came(tmp_path)) == 30, "what has no place yet comes again")
    until(lambda: shipper.said().count("checkpoint cannot be written") == 2, "it tried to keep the place")
    ballast.unlink()
    until(lambda: "the checkpoint can be written again" in shipper.said(), "it says that the place is kept again")
    assert shipper.terminate() == 0
    verdict = Verdict(came(tmp_path), expected([bytearray(numbered(0, 20))], tmp_path))
    assert (verdict.lost, verdict.wrong, verdict.repeats) == (0, 0, 10)
    shipper.start()
    until(lambda: shipper.said().count("continuing path=") == 2, "it goes on from its place")
    assert shipper.terminate() == 0
    assert len(came(tmp_path)) == 30


def test_it_starts_on_a_disk_that_is_full(small_disk: Path, tmp_path: Path) -> None:
    shipper = ships_to_a_file(tmp_path, state_dir=str(small_disk))
    fill(small_disk)
    (tmp_path / "logs" / "Mfa.log").write_bytes(numbered(0, 10))
    shipper.start()
    until(lambda: len(came(tmp_path)) == 10 or not shipper.alive, "ten lines")
    until(lambda: "checkpoint cannot be written" in shipper.said() or not shipper.alive, "it says that the place is not kept")
    assert shipper.terminate() == 0, shipper.said()


def test_a_full_output_disk_makes_reading_wait(small_disk: Path, tmp_path: Path) -> None:
    output = {"type": "file", "file": {"path": str(small_disk / "out.ndjson")}, "batch": {"max_age": "50ms", "max_events": 5}}
    shipper = Shipper(tmp_path, configuration(tmp_path, output))
    ballast = fill(small_disk)
    (tmp_path / "logs" / "Mfa.log").write_bytes(LOG)
    shipper.start()
    until(lambda: "does not accept events" in shipper.said(), "it says that it cannot deliver")
    assert "No space left on device" in shipper.said()
    ballast.unlink()
    out = small_disk / "out.ndjson"
    wanted = expected([bytearray(LOG)], tmp_path)
    until(lambda: out.read_bytes().count(b"\n") >= len(wanted), "all events")
    assert shipper.terminate() == 0
    verdict = Verdict(out.read_bytes().splitlines(), wanted)  # no line of it is torn
    assert (verdict.lost, verdict.wrong) == (0, 0)


def test_a_file_that_may_not_be_read_is_told_and_read_later(tmp_path: Path) -> None:
    shipper = ships_to_a_file(tmp_path, as_a_user())
    closed, other = tmp_path / "logs" / "MfaA.log", tmp_path / "logs" / "MfaB.log"
    closed.write_bytes(numbered(0, 10))
    other.write_bytes(numbered(10, 20))
    closed.chmod(0)
    shipper.start()
    until(lambda: len(came(tmp_path)) == 10, "the file that it may read")
    until(lambda: "MfaA.log: Permission denied; will retry" in shipper.said(), "it says which one it may not")
    closed.chmod(0o600)
    until(lambda: len(came(tmp_path)) == 20, "the other file")
    # A log that is open already is read on, whatever becomes of its permissions.
    closed.chmod(0)
    with open(closed, "ab") as log:
        log.write(numbered(20, 21))
    until(lambda: len(came(tmp_path)) == 21, "one more line")
    assert shipper.terminate() == 0
    assert shipper.said().count("Permission denied") == 1


def test_a_folder_that_disappears_and_returns(tmp_path: Path) -> None:
    shipper = ships_to_a_file(tmp_path)
    logs, away = tmp_path / "logs", tmp_path / "away"
    (logs / "Mfa.log").write_bytes(numbered(0, 10) + b"2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|ha")
    shipper.start()
    until(lambda: len(came(tmp_path)) == 10, "the whole lines")
    until((tmp_path / "state" / "checkpoint.json").exists, "their place")
    logs.rename(away)
    shutil.copytree(away, tmp_path / "back")
    with open(tmp_path / "back" / "Mfa.log", "ab") as log:
        log.write(b"lf\n" + numbered(10, 20))
    began = len(shipper.said())
    shipper.kill()
    shipper.start()
    until(lambda: "continuing path=" in shipper.said()[began:], "it starts without its folder")
    (tmp_path / "back").rename(logs)
    until(lambda: len(came(tmp_path)) >= 21, "what came while the folder was away")
    logs.rename(tmp_path / "gone")
    (tmp_path / "gone").rename(logs)
    with open(logs / "Mfa.log", "ab") as log:
        log.write(numbered(20, 30))
    until(lambda: len(came(tmp_path)) >= 31, "what came when it was back again")
    assert shipper.terminate() == 0
    content = bytearray((logs / "Mfa.log").read_bytes())
    verdict = Verdict(came(tmp_path), expected([content], tmp_path))
    assert (verdict.lost, verdict.wrong, verdict.repeats) == (0, 0, 0), verdict


def test_a_hole_that_copytruncate_leaves_costs_no_line(tmp_path: Path) -> None:
    """The writer keeps its place, so what it writes next stands behind 200 MiB of NULs."""
    shipper = ships_to_a_file(tmp_path)
    path, hole = tmp_path / "logs" / "Mfa.log", 200 << 20
    before, behind = numbered(0, 10), LOG.replace(b"\n", b" \t\r\n")
    path.write_bytes(before)
    shipper.start()
    until(lambda: len(came(tmp_path)) == 10, "what was there")
    small = shipper.memory("VmHWM")
    with open(path, "r+b") as writer:
        writer.truncate(0)
        writer.truncate(hole)
        writer.seek(hole)
        writer.write(behind)
    until(lambda: len(came(tmp_path)) >= 10 + LOG.count(b"\n"), "what was written behind the hole")
    until(lambda: any(b'"double_prompt"' in event for event in came(tmp_path)), "the finding in it")
    assert shipper.memory("VmHWM") < small + (30 << 20)
    assert shipper.terminate() == 0
    verdict = Verdict(came(tmp_path), expected([bytearray(before), bytearray(hole) + behind], tmp_path))
    assert (verdict.lost, verdict.wrong, verdict.repeats) == (0, 0, 0), verdict


@pytest.mark.parametrize(
    ("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zst", zstandard.compress)]
)
def test_a_rotated_log_goes_on_where_it_was_when_it_has_been_compressed(
    ending: str, pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """Its bytes are those of random names, which fill more than the 64 KiB that are looked at."""
    shipper = ships_to_a_file(tmp_path)
    path = tmp_path / "logs" / "Mfa.log"
    begin = b"".join(b"2017-02-14T02:57:19Z|0|1412|6452|pfrad|%s\n" % os.urandom(30).hex().encode() for _ in range(3000))
    path.write_bytes(begin)
    shipper.start()
    until(lambda: len(came(tmp_path)) == 3000, "what was there")
    until((tmp_path / "state" / "checkpoint.json").exists, "its place")
    shipper.kill()
    path.unlink()
    (tmp_path / "logs" / f"Mfa.log.1.{ending}").write_bytes(pack(begin + numbered(0, 10)))
    path.write_bytes(numbered(10, 20))
    shipper.start()
    until(lambda: len(came(tmp_path)) >= 3020, "the rest of the rotated log, and the new one")
    assert shipper.terminate() == 0
    verdict = Verdict(came(tmp_path), expected([bytearray(begin + numbered(0, 10)), bytearray(numbered(10, 20))], tmp_path))
    assert (verdict.lost, verdict.wrong) == (0, 0), verdict
    assert verdict.repeats <= 3000


# Each look at the clock finds another day: the next one, or each third time one that is long over.
JUMPING = """
import itertools, sys, time
days = (day if day % 3 else -day for day in itertools.cycle(range(1, 1000)))
real = time.time
time.time = lambda: real() + 86400 * next(days)
time.time_ns = lambda: int(time.time() * 1e9)  # what logging looks at since Python 3.13
from shipper.cli import main
main()
"""


def test_a_clock_that_jumps_changes_nothing(tmp_path: Path) -> None:
    shipper = ships_to_a_file(tmp_path)
    script = tmp_path / "jumping.py"
    script.write_text(JUMPING, encoding="utf-8")
    (tmp_path / "logs" / "Mfa.log").write_bytes(LOG)
    wanted = expected([bytearray(LOG)], tmp_path)
    with open(shipper.log, "wb") as log:
        process = subprocess.Popen([sys.executable, script, "run", "--config", shipper.config], stdout=log, stderr=log)
    try:
        until(lambda: len(came(tmp_path)) == len(wanted), "all events")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, shipper.said()
    finally:
        process.kill()
        process.wait()
    stamps = {one[:10] for one in shipper.said().splitlines()}
    assert len(stamps) > 1, "the clock did not jump"
    verdict = Verdict(came(tmp_path), wanted)
    assert (verdict.lost, verdict.wrong, verdict.repeats) == (0, 0, 0), verdict
    assert any(b'"action":"double_prompt"' in one for one in came(tmp_path))


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def many_logs(folder: Path, lines: int) -> list[bytearray]:
    contents = [bytearray(numbered(number * lines, (number + 1) * lines)) for number in range(500)]
    for number, content in enumerate(contents):
        # Two letters: digits at the end would make them rotated files of one log.
        (folder / "logs" / f"Mfa{chr(97 + number // 26)}{chr(97 + number % 26)}.log").write_bytes(content)
    return contents


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
def test_a_line_of_the_far_future_moves_nothing_and_is_told(tmp_path: Path) -> None:
    shipper = ships_to_a_file(tmp_path)
    (tmp_path / "logs" / "Mfa.log").write_bytes(b"9999-12-31T23:59:59.999999Z|0|1|1|pfrad|x\n" + LOG)
    shipper.start()
    until(lambda: len(came(tmp_path)) == 25, "all events")
    until(lambda: "lines are dated more than a day ahead of their log" in shipper.said(), "the warning")
    assert shipper.terminate() == 0
    assert "number=1" in shipper.said()
    assert sum(b'"double_prompt"' in event for event in came(tmp_path)) == 1


def test_five_hundred_files_at_once(tmp_path: Path) -> None:
    shipper = ships_to_a_file(tmp_path, tail={"rotate_wait": "1s", "read_size": "1KiB"})
    contents = many_logs(tmp_path, 40)
    process = shipper.start()
    until(lambda: len(came(tmp_path)) == 500 * 40, "all lines of all files")
    assert descriptors(process.pid) < 500 + 50
    # Fair: they take turns, so every file has had one before any has had three.
    turns: dict[bytes, int] = {}
    behind = 0
    last = b""
    for one in came(tmp_path):
        name = one.partition(b'"log":{"file":{"path":"')[2].partition(b'"')[0]
        if name != last:
            turns[name] = turns.get(name, 0) + 1
            behind = max(behind, turns[name] if len(turns) < 500 else 0)
        last = name
    assert behind <= 2
    with open(tmp_path / "logs" / "Mfaab.log", "ab") as log:
        log.write(numbered(10**6, 10**6 + 1))
    until(lambda: len(came(tmp_path)) == 500 * 40 + 1, "one more line")
    assert shipper.terminate() == 0
    assert len(set(came(tmp_path))) == sum(content.count(b"\n") for content in contents) + 1


@pytest.mark.skipif(not shutil.which("prlimit"), reason="prlimit is missing")
def test_more_files_than_may_be_open(tmp_path: Path) -> None:
    shipper = ships_to_a_file(tmp_path, ("prlimit", "--nofile=200"))
    many_logs(tmp_path, 2)
    process = shipper.start()
    until(lambda: len(came(tmp_path)) == 1000, "all lines of all files")
    until(lambda: (tmp_path / "state" / "checkpoint.json").exists(), "the place is written all the same")
    assert descriptors(process.pid) < 200
    for name in ("aa", "jj", "tf"):
        with open(tmp_path / "logs" / f"Mfa{name}.log", "ab") as log:
            log.write(numbered(10**6, 10**6 + 1))
    until(lambda: len(came(tmp_path)) == 1003, "one more line of three of them")
    assert shipper.terminate() == 0
    assert len({one.partition(b'"id":"')[2].partition(b'"')[0] for one in came(tmp_path)}) == 1003
