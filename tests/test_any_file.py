"""Any file through the command line: encodings, damage, size, devices. Everything runs as a process."""

import gzip
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest

from tests.support import event_log as evtx

PARSE = [sys.executable, "-m", "shipper", "parse", "--deterministic", "-q"]
LAUNCH = [sys.executable, "-I", "-S", str(Path(__file__).parent / "bench" / "launch.py")]
PATIENCE = 60.0
MB = 1_000_000
LIMIT = 1 << 20
ROOM = 40 * MB  # that a long line may take more than a short file: some copies of 1 MiB, and of the event, six times as long

LINES = (
    "2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|Calling pfAuthUser('DOM\\Zoë', '', 1)",
    "2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|authResult = 1",
    "2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|rawCallStatus = 21",
    "Grüße, no line of this log 👤",
    "",
    "2017-02-14T02:57:25Z|e|1412|6452|pfsvc|a | b \\ \"c\" 'd'",
)
TEXT = "".join(line + "\n" for line in LINES)

Event = dict[str, Any]


@dataclass(frozen=True)
class Done:
    """A process that has ended."""

    status: int
    out: bytes
    error: str

    @property
    def events(self) -> list[Event]:
        return [orjson.loads(line) for line in self.out.splitlines()]

    @property
    def originals(self) -> list[str]:
        return [event["event"]["original"] for event in self.events]

    @property
    def sentence(self) -> str:
        """What standard error says: one sentence, no traceback."""
        assert self.error.startswith("mfa-shipper: "), self.error
        assert self.error.count("\n") == 1, self.error
        return self.error.removeprefix("mfa-shipper: ").rstrip("\n")


def parse(*arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> Done:
    command = [*PARSE, *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False, cwd=cwd, timeout=PATIENCE)
    return Done(done.returncode, done.stdout, done.stderr.decode())


def parsed(tmp_path: Path, data: bytes) -> list[Event]:
    """The events of a file with these bytes."""
    path = tmp_path / "any.log"
    path.write_bytes(data)
    done = parse(path)
    assert (done.status, done.error) == (0, "")
    events = done.events
    assert all(event["log"].pop("file") == {"path": str(path)} for event in events)
    return events


def originals(events: list[Event]) -> list[str]:
    return [event["event"]["original"] for event in events]


def without_place(events: list[Event]) -> list[Event]:
    """What is left of events when they may stand elsewhere in another file."""
    for event in events:
        del event["event"]["id"], event["log"]["offset"]
        event.get("azure_mfa", {}).pop("exchange", None)
    return events


# Encodings and line ends


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    return without_place(parsed(tmp_path_factory.mktemp("plain"), TEXT.encode()))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_and_the_line_ends_change_no_event(tmp_path: Path, plain: list[Event], encoding: str, end: str) -> None:
    data = ("\ufeff" + TEXT.replace("\n", end)).encode(encoding)
    events = parsed(tmp_path, data)
    assert events[0]["log"]["offset"] == len("\ufeff".encode(encoding))
    for event, line in zip(events, LINES, strict=True):
        offset, content = event["log"]["offset"], line.encode(encoding)
        assert data[offset : offset + len(content)] == content
    assert without_place(events) == plain


def test_standard_input_gives_the_events_of_a_file(tmp_path: Path) -> None:
    data = b"\xef\xbb\xbfundated\n" + TEXT.encode() + b"\xff no end"
    for given in (data, gzip.compress(data)):
        assert parse("-", stdin=given).events == parsed(tmp_path, data)


def test_a_lone_carriage_return_belongs_to_the_line(tmp_path: Path) -> None:
    events = parsed(tmp_path, b"\r\n\rone\rtwo\r\r\n\r\r\nthree\r")
    assert originals(events) == ["", "\rone\rtwo\r", "\r", "three\r"]
    assert [event["log"]["offset"] for event in events] == [0, 2, 13, 16]


def test_what_unicode_takes_for_a_line_end_is_a_character(tmp_path: Path) -> None:
    line = "2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|a\u2028b\u2029c\x85d\x0be"
    assert originals(parsed(tmp_path, f"{line}\n{line}".encode())) == [line, line]


def test_nul_bytes_are_characters_but_before_a_line(tmp_path: Path) -> None:
    line = "2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|a\0b\0"
    events = parsed(tmp_path, b"\0\0\n" + line.encode() + b"\n\0" + line.encode() + b"\n\0")
    assert originals(events) == ["", line, line]
    assert [event["event"]["kind"] for event in events] == ["pipeline_error", "event", "event"]
    assert [event["log"]["offset"] for event in events] == [2, 3, 3 + len(line) + 2]
    assert events[1]["message"] == "a\0b\0"


def test_bytes_that_do_not_decode(tmp_path: Path) -> None:
    events = parsed(tmp_path, TEXT.encode("latin-1", "replace") + b"\xff\xfe\x00")
    assert originals(events)[3] == "Gr\ufffd\ufffde, no line of this log ?"
    assert [event.get("tags", []).count("mfa_decode_error") for event in events] == [1, 0, 0, 1, 0, 0, 1]
    assert events[2]["user"] == {"name": "Zo\ufffd", "domain": "DOM"}


def test_an_empty_file_has_no_event(tmp_path: Path) -> None:
    for data in (b"", b"\xff\xfe", gzip.compress(b"")):
        assert parsed(tmp_path, data) == []


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_last_line_may_lack_its_end(tmp_path: Path, end: str) -> None:
    assert originals(parsed(tmp_path, (TEXT + LINES[0] + end).encode())) == [*LINES, LINES[0]]


# Size


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("size")


def peak(path: Path, *options: str) -> tuple[int, list[Event]]:
    """Bytes of memory that `parse` takes for a file at most, and the events."""
    out = path.with_suffix(".ndjson")
    done = subprocess.run([*LAUNCH, str(out), *PARSE, *options, str(path)], capture_output=True, check=True, timeout=PATIENCE)
    status, _, _, most = done.stdout.split()
    assert (status, done.stderr) == (b"0", b"")
    return int(most), [orjson.loads(line) for line in out.read_bytes().splitlines()]


@pytest.fixture(scope="module")
def usual(folder: Path) -> int:
    path = folder / "small.log"
    path.write_text(TEXT)
    return peak(path)[0]


LONG = {
    "a line": b"x" * 10 * MB,
    "a plain request": LINES[0].encode().replace("Zoë".encode(), b"x" * 10 * MB),
    "a result": b"2017-02-14T02:57:19.234778Z|i|1|2|pfsvc|82a3db8d-3317-43f7-b203-6ba81cba93c9|Pfauth failed for user '" + b"x" * 10 * MB,
    "quotes": b"2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|Calling pfAuthUser(" + b"'" * 10 * MB,
    "NUL bytes": b"x" + b"\0" * 10 * MB,
    "carriage returns": b"\r" * 10 * MB,
    "bytes that do not decode": b"\xff" * 10 * MB,
    "UTF-16": "\ufeff".encode("utf-16-le") + "山".encode("utf-16-le") * 5 * MB,
}  # fmt: skip


@pytest.mark.parametrize("kind", LONG)
def test_a_line_of_10_mb_is_cut_and_memory_stays_bounded(folder: Path, usual: int, kind: str) -> None:
    data = LONG[kind]
    encoding = "utf-16-le" if kind == "UTF-16" else "utf-8"
    path = folder / "long.log"
    path.write_bytes(data + f"\n{TEXT}".encode(encoding) if encoding == "utf-8" else data + f"\n{TEXT}".encode("utf-16-le"))
    most, events = peak(path)
    start = 2 if encoding == "utf-16-le" else 0
    assert originals(events[1:]) == list(LINES)
    assert events[0]["event"]["original"] == data[start : start + LIMIT].decode(encoding, "replace")
    assert "mfa_line_too_long" in events[0]["tags"]
    assert events[1]["log"]["offset"] == len(data) + len("\n".encode(encoding))
    assert most < usual + ROOM


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("first", ["", LINES[-1]])
def test_a_hole_of_200_mib_is_no_part_of_the_line_behind_it(folder: Path, usual: int, first: str, workers: str) -> None:
    """What copytruncate leaves under a writer that goes on where it was; on the disk it takes no room."""
    path, hole = folder / "hole.log", 200 << 20
    with open(path, "wb") as file:
        file.write(first.encode() + b"\n" * bool(first))
        file.truncate(hole)
        file.seek(hole)
        file.write(TEXT.encode())
    most, events = peak(path, "--workers", workers)
    assert originals(events) == [*([first] if first else ()), *LINES]
    assert events[-len(LINES)]["log"]["offset"] == hole
    assert most < usual + ROOM


def zipped(path: Path, log: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(log, "a.log")


def tarred(mode: Literal["w:", "w:gz"]) -> Callable[[Path, Path], None]:
    def make(path: Path, log: Path) -> None:
        with tarfile.open(path, mode) as archive:
            archive.add(log, "a.log")

    return make


@pytest.mark.parametrize("pack", [zipped, tarred("w:"), tarred("w:gz")], ids=["zip", "tar", "tar.gz"])
def test_a_large_file_in_an_archive_takes_no_more_memory(folder: Path, usual: int, pack: Callable[[Path, Path], None]) -> None:
    path, log = folder / "packed", folder / "large.log"
    with open(log, "wb") as file:
        file.truncate(150 << 20)
        file.seek(150 << 20)
        file.write(TEXT.encode())
    pack(path, log)
    most, events = peak(path)
    assert originals(events) == list(LINES)
    assert events[0]["log"]["offset"] == 150 << 20
    assert most < usual + ROOM


@pytest.mark.slow
def test_a_large_event_log_takes_no_more_memory(folder: Path, usual: int) -> None:
    pytest.importorskip("evtx")
    path = folder / "large.evtx"
    path.write_bytes(evtx.event_log([evtx.Event(datetime(2026, 3, 1, tzinfo=UTC), [f"{n}" * 1000]) for n in range(10_000)]))
    assert path.stat().st_size > 2 * ROOM
    most, events = peak(path)
    assert len(events) == 10_000
    assert most < usual + ROOM


@pytest.mark.parametrize("where", ["first", "last"])
def test_a_gzip_file_that_grows_a_thousandfold(folder: Path, usual: int, where: str) -> None:
    path = folder / "bomb.log.gz"
    bomb = gzip.compress(b"x" * 64 * MB, 1)
    text = gzip.compress(f"\n{TEXT}".encode() if where == "first" else TEXT.encode())
    path.write_bytes(bomb + text if where == "first" else text + bomb)
    most, events = peak(path)
    assert len(events) == len(LINES) + 1
    assert [event.get("tags", []).count("mfa_line_too_long") for event in events].index(1) == (
        0 if where == "first" else len(LINES)
    )
    assert most < usual + ROOM


def test_a_log_of_many_lines_takes_no_more_memory_than_a_short_one(folder: Path, usual: int) -> None:
    path = folder / "many.log"
    path.write_bytes(b"".join(b"2017-02-14T02:57:19.%06dZ|0|1412|6452|pfrad|number %d\n" % (n, n) for n in range(50_000)))
    most, events = peak(path)
    assert len(events) == 50_000
    assert most < usual + ROOM


# Damage


def test_what_is_no_log_is_refused_before_any_output(tmp_path: Path) -> None:
    log, archive = tmp_path / "a.log", tmp_path / "b.log"
    log.write_text(TEXT, encoding="utf-8")
    archive.write_bytes(b"7z\xbc\xaf\x27\x1c\0\4" + bytes(24))
    for arguments, data, name in (((log, archive), b"", str(archive)), (("-",), archive.read_bytes(), "standard input")):
        done = parse(*arguments, stdin=data)
        assert (done.status, done.out) == (2, b"")
        assert done.sentence == f"{name} is a 7z archive, not a log: unpack it first"


@pytest.mark.parametrize("given", ["file", "pipe"])
@pytest.mark.parametrize("lines", [6, 20_000])
@pytest.mark.parametrize("dated", [True, False])
def test_of_a_gzip_file_that_ends_too_early_what_is_readable_is_shipped(
    tmp_path: Path, given: str, lines: int, dated: bool
) -> None:
    text = [f"2017-02-14T02:57:19Z|0|1|2|pfrad|{number}" if dated else str(number) for number in range(lines)]
    whole = gzip.compress("".join(line + "\n" for line in text).encode())
    path = tmp_path / "cut.log.gz"
    path.write_bytes(whole[:-9])  # without its check sum, and one byte of the last block
    done = parse(path) if given == "file" else parse("-", stdin=path.read_bytes())
    name = str(path) if given == "file" else "standard input"
    assert done.status == 1
    assert (
        done.sentence
        == f"{name}: the gzip file ends too early, after {len(whole) - 9} compressed bytes; its whole lines up to there were read: get it once more"
    )
    found = done.originals
    assert len(found) > lines * 0.9 - 1
    assert found == text[: len(found)]


def test_of_a_gzip_file_that_is_damaged_in_its_middle_what_is_readable_is_shipped(tmp_path: Path) -> None:
    text = [f"2017-02-14T02:57:19Z|0|1|2|pfrad|{number * 7919 % 100_003}" for number in range(25_000)]
    data = bytearray(gzip.compress("".join(line + "\n" for line in text).encode()))
    data[len(data) // 2 :: 97] = b"\xff" * len(data[len(data) // 2 :: 97])
    path = tmp_path / "damaged.log.gz"
    path.write_bytes(data)
    done = parse(path)
    assert done.status == 1
    assert done.sentence.startswith(f"{path}: damaged gzip data before compressed byte ")
    assert done.originals[:12_000] == text[:12_000]


def test_other_files_before_a_damaged_one_are_shipped_first(tmp_path: Path) -> None:
    fine, damaged = tmp_path / "a.log", tmp_path / "b.log.gz"
    fine.write_text(TEXT)
    damaged.write_bytes(gzip.compress(b"2018-02-14T02:57:19Z|0|1|2|pfrad|later\n")[:-4])
    done = parse(damaged, fine)
    assert done.status == 1
    assert "b.log.gz: the gzip file ends too early" in done.sentence
    assert done.originals == [*LINES, "2018-02-14T02:57:19Z|0|1|2|pfrad|later"]


# What is no file


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.log", "there is no file {}; give a log file, a glob or - for standard input"),
        ("*.nothing", "no file matches {}; give a log file, a glob or - for standard input"),
        ("directory", "{} holds no logs, such as X.log, X.log.1 or X-20170214.log.gz; name its files"),
        ("dangling.log", "{} is a link that leads to no file"),
        ("pipe", "{} is a pipe, which can be read once only; give it to standard input (-) instead"),
        ("fine.log/below.log", "there is no file {}; give a log file, a glob or - for standard input"),
    ],
)
@pytest.mark.parametrize("where", ["alone", "behind"])
def test_what_cannot_be_read_is_told_before_any_output(tmp_path: Path, name: str, said: str, where: str) -> None:
    fine = tmp_path / "fine.log"
    fine.write_text(TEXT)
    (tmp_path / "directory").mkdir()
    (tmp_path / "dangling.log").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / name
    done = parse(*[path] if where == "alone" else [fine, path])
    assert (done.status, done.out) == (2, b"")
    assert done.sentence == said.format(path, path)


def test_a_link_is_the_file_that_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real.log").write_text(TEXT)
    link = tmp_path / "link.log"
    link.symlink_to("real.log")
    assert parse(link).originals == list(LINES)


# Devices and pipes


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("lines", [1, 20_000])
@pytest.mark.parametrize("way", ["--output", "stdout"])
def test_a_full_disk_is_one_sentence(tmp_path: Path, lines: int, way: str) -> None:
    path = tmp_path / "a.log"
    path.write_text(LINES[0] + "\n" * lines)
    options = ["--output", "/dev/full"] if way == "--output" else []
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*PARSE, str(path), *options], stdout=full, stderr=subprocess.PIPE, check=False, timeout=PATIENCE)
    name = "/dev/full" if options else "standard output"
    assert done.returncode == 1
    assert done.stderr.decode() == f"mfa-shipper: cannot write {name}: No space left on device, after 0 bytes\n"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path, workers: str) -> None:
    path = tmp_path / "a.log"
    path.write_text(TEXT * 20_000)
    with open(tmp_path / "error", "wb") as error:
        process = subprocess.Popen([*PARSE, str(path), "--workers", workers], stdout=subprocess.PIPE, stderr=error)
        head = subprocess.run(["head", "-1"], stdin=process.stdout, capture_output=True, check=True, timeout=PATIENCE)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
    assert head.stdout.count(b"\n") == 1
    assert orjson.loads(head.stdout)["event"]["original"] == LINES[0]
    assert (tmp_path / "error").read_bytes() == b""


def test_standard_input_that_is_a_file_or_a_device(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(TEXT)
    for name, events in ((str(path), len(LINES)), (os.devnull, 0)):
        with open(name, "rb") as file:
            done = subprocess.run([*PARSE, "-"], stdin=file, capture_output=True, check=True, timeout=PATIENCE)
        assert (done.stdout.count(b"\n"), done.stderr) == (events, b"")


@pytest.mark.parametrize("mode", [{}, {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_the_output_is_the_same_in_a_locale_without_unicode(tmp_path: Path, mode: dict[str, str]) -> None:
    path = tmp_path / "Zoë.log"
    path.write_bytes(TEXT.encode())
    environment = {**os.environ, "LC_ALL": "C", **mode}
    done = subprocess.run([*PARSE, str(path)], capture_output=True, check=True, env=environment, timeout=PATIENCE)
    assert done.stdout == parse(path).out
