"""Archives and Windows event logs through the command line: the same events as from the files in them. Everything runs as a process."""

import bz2
import gzip
import io
import lzma
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

PARSE = [sys.executable, "-m", "shipper", "parse", "--deterministic"]
PATIENCE = 60.0


def exchange(at: datetime, user: str) -> str:
    def stamp(seconds: float) -> str:
        return (at + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    return (
        f"{stamp(0)}|0|1412|6452|pfrad|Calling pfAuthUser('CONTOSO\\{user}', '', 1)\n"
        f"{stamp(5)}|0|1412|6452|pfrad|authResult = 1\n"
        f"{stamp(5)}|0|1412|6452|pfrad|rawCallStatus = 21\n"
    )


BEGIN = datetime(2017, 2, 14, 2, 57, 19, 234778, UTC)
FILES = {
    "mfa01/MultiFactorAuthRadiusSvc.log": exchange(BEGIN + timedelta(seconds=20), "anna"),  # a double prompt over two files
    "mfa01/MultiFactorAuthRadiusSvc.log.1": exchange(BEGIN, "anna"),
    "mfa02/MultiFactorAuthRadiusSvc.log": exchange(BEGIN + timedelta(seconds=2), "bert")
    + exchange(BEGIN + timedelta(hours=1), "ö"),
}


def a_zip(folder: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in FILES:
            archive.write(folder / name, name)


def a_tar(pack: Callable[[bytes], bytes]) -> Callable[[Path, Path], None]:
    def make(folder: Path, path: Path) -> None:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            archive.add(folder, ".")
        path.write_bytes(pack(stream.getvalue()))

    return make


ARCHIVES = {
    "zip": a_zip,
    "tar": a_tar(bytes),
    "tar.gz": a_tar(gzip.compress),
    "tar.bz2": a_tar(bz2.compress),
    "tar.xz": a_tar(lzma.compress),
    "tar.zst": a_tar(zstandard.compress),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / "logs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "logs" / name).write_text(text, encoding="utf-8")
    return tmp_path / "logs"


def parse(*arguments: str | Path, status: int = 0) -> tuple[list[dict[str, Any]], str]:
    """The events, and what standard error says."""
    done = subprocess.run([*PARSE, *map(str, arguments)], capture_output=True, check=False, timeout=PATIENCE)
    assert done.returncode == status, done.stderr
    return [orjson.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def with_paths(events: Sequence[dict[str, Any]], path_of: Callable[[str], str]) -> list[dict[str, Any]]:
    """The events, their files under other paths."""
    for event in events:
        file = event.get("log", {}).get("file")
        if file is not None:
            file["path"] = path_of(file["path"])
    return list(events)


@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_archive_gives_the_events_of_its_files(kind: str, workers: str, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mail.bin"
    ARCHIVES[kind](folder, path)
    plain, _ = parse(*(folder / name for name in FILES), "-q", "--workers", workers)
    packed, _ = parse(path, "-q", "--workers", workers)
    assert with_paths(packed, lambda name: name.removeprefix(f"{path}!")) == with_paths(
        plain, lambda name: name.removeprefix(f"{folder}/")
    )
    assert [event["event"]["action"] for event in packed].count("double_prompt") == 1


def test_the_plan_shows_the_files_of_an_archive_and_what_is_left_out(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mail.zip"
    a_zip(folder, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("logo.png", b"\x89PNG\r\n\x1a\n")
    done = subprocess.run([*PARSE, "--plan", str(path)], capture_output=True, check=True, text=True, timeout=PATIENCE)
    assert done.stdout.splitlines() == [
        f"{path}!mfa01/MultiFactorAuthRadiusSvc.log",
        f"  {path}!mfa01/MultiFactorAuthRadiusSvc.log.1, from 2017-02-14T02:57:19.234778Z",
        f"  {path}!mfa01/MultiFactorAuthRadiusSvc.log, from 2017-02-14T02:57:39.234778Z",
        f"{path}!mfa02/MultiFactorAuthRadiusSvc.log",
        f"  {path}!mfa02/MultiFactorAuthRadiusSvc.log, from 2017-02-14T02:57:21.234778Z",
        f"note: {path}!logo.png is a picture, not a log: leave it out",
    ]
    _, said = parse(path)
    assert f"note: {path}!logo.png is a picture, not a log: leave it out\n" in said


def test_of_an_archive_that_was_cut_off_what_is_readable_is_shipped(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.tar"
    a_tar(bytes)(folder, path)
    whole = path.read_bytes().rstrip(b"\0")
    path.write_bytes(whole + bytes(-len(whole) % 512))
    events, said = parse(path, status=1)
    assert len(events) == 13
    assert said.startswith(f"mfa-shipper: {path}: the tar archive is damaged or cut off: what stands behind byte ")
    done = subprocess.run([*PARSE, "--plan", str(path)], capture_output=True, check=True, text=True, timeout=PATIENCE)
    assert done.stdout.splitlines()[-1].startswith(f"note: {path}: the tar archive is damaged or cut off: ")


def test_the_output_may_not_replace_the_archive(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mail.zip"
    a_zip(folder, path)
    before = path.read_bytes()
    _, said = parse(path, "--output", path, status=2)
    assert f"--output {path} is one of the logs to read" in said
    assert path.read_bytes() == before
