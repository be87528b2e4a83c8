"""Where the output goes: a file that appears only when it is complete, a device, standard output."""

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shipper.emit.output import ClosedPipe, Output, open_output
from shipper.errors import RunError, UsageError
from tests.support.said import FOLDER

FULL = Path("/dev/full")


class StopWriting(Exception):
    """Stands for anything that goes wrong while writing."""


def write(path: Path | str | None, *blocks: bytes) -> None:
    with open_output(None if path is None else str(path)) as out:
        for block in blocks:
            out.write(block)


# A file


def test_file_holds_all_blocks(tmp_path: Path) -> None:
    write(tmp_path / "out", b"one\n", b"", b"two\n")

    assert (tmp_path / "out").read_bytes() == b"one\ntwo\n"
    assert os.listdir(tmp_path) == ["out"]


def test_file_without_blocks_is_empty(tmp_path: Path) -> None:
    write(tmp_path / "out")

    assert (tmp_path / "out").read_bytes() == b""


def test_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    with open_output(str(tmp_path / "out")) as out:
        out.write(b"one\n")
        assert not (tmp_path / "out").exists()
        (part,) = tmp_path.iterdir()
        assert part.name.startswith(".out.")
        assert part.name.endswith(".part")
    assert (tmp_path / "out").read_bytes() == b"one\n"


def test_old_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"old and longer\n")
    with open_output(str(tmp_path / "out")) as out:
        out.write(b"new\n")
        assert (tmp_path / "out").read_bytes() == b"old and longer\n"
    assert (tmp_path / "out").read_bytes() == b"new\n"


@pytest.mark.parametrize("error", [StopWriting, RunError, ClosedPipe, KeyboardInterrupt])
@pytest.mark.parametrize("old", [None, b"old\n"])
def test_error_leaves_no_file_and_an_old_one_as_it_was(tmp_path: Path, error: type[BaseException], old: bytes | None) -> None:
    if old is not None:
        (tmp_path / "out").write_bytes(old)

    def fail() -> None:
        with open_output(str(tmp_path / "out")) as out:
            out.write(b"new\n")
            raise error

    with pytest.raises(error):
        fail()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([] if old is None else [old])


@pytest.mark.posix("the mode of a file")
def test_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "out", b"x")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


@pytest.mark.posix("Wine makes no symbolic links")
def test_link_stays_a_link_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "real").write_bytes(b"old\n")
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "real")

    write(tmp_path / "link", b"new\n")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "real").read_bytes() == b"new\n"
    assert os.listdir(tmp_path / "folder") == ["real"]


def test_name_without_folder_is_in_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("out", b"x")

    assert (tmp_path / "out").read_bytes() == b"x"


def test_name_may_be_as_long_as_a_name_can_be(tmp_path: Path) -> None:
    write(tmp_path / ("n" * 255), b"x")

    assert (tmp_path / ("n" * 255)).read_bytes() == b"x"


def test_file_that_cannot_take_its_name_is_an_error(tmp_path: Path) -> None:
    def take_the_name() -> None:
        with open_output(str(tmp_path / "out")):
            (tmp_path / "out").mkdir()

    with pytest.raises(RunError) as caught:
        take_the_name()
    assert str(caught.value) in [f"cannot finish {tmp_path / 'out'}: {said}" for said in FOLDER]
    assert os.listdir(tmp_path) == ["out"]


def test_file_that_is_not_safely_on_the_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="No space left on device"), open_output(str(tmp_path / "out")) as output:
        output.write(b"event\n")
    assert os.listdir(tmp_path) == []


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        write(tmp_path / "no" / "out")
    assert str(caught.value) == f"cannot create {tmp_path / 'no' / 'out'}: there is no folder {tmp_path / 'no'}; create it first"
    assert caught.value.exit_status == 2


def test_folder_is_no_output(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        write(tmp_path)
    assert str(caught.value) in [f"cannot create {tmp_path}: {said}" for said in FOLDER]


# Devices and pipes


def test_device_is_written_as_it_is() -> None:
    write(os.devnull, b"x")

    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


@pytest.mark.posix("Windows has no pipe with a name among its files")
def test_named_pipe_is_written_as_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write(tmp_path / "pipe", b"one\n", b"two\n")
    reader.join(60)

    assert read == [b"one\ntwo\n"]
    assert os.listdir(tmp_path) == ["pipe"]


@pytest.mark.posix("a device without space")
def test_full_device_is_an_error() -> None:
    with pytest.raises(RunError) as caught:
        write(FULL, b"x")
    assert str(caught.value) == "cannot write /dev/full: No space left on device, after 0 bytes"
    assert caught.value.exit_status == 1
    assert stat.S_ISCHR(FULL.stat().st_mode)


@pytest.mark.posix("a limit on the size of files stands for a full disk")
def test_full_disk_leaves_no_file(tmp_path: Path) -> None:
    """A limit on the size of files stands for the end of the disk; blocks count as far as they went."""
    program = (
        "import resource, signal, sys\n"
        "from shipper.emit.output import open_output\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with open_output(sys.argv[1]) as out:\n"
        "    out.write(b'x' * 600)\n"
        "    out.write(b'y' * 600)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "out")], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 1
    assert done.stderr.endswith(f"RunError: cannot write {tmp_path / 'out'}: File too large, after 1000 bytes\n")
    assert os.listdir(tmp_path) == []


def test_reader_that_went_away_ends_the_writing_quietly() -> None:
    out, into = os.pipe()
    os.close(out)
    try:
        with pytest.raises(ClosedPipe):
            Output(into, "pipe").write(b"x")
    finally:
        os.close(into)


def test_block_larger_than_a_pipe_is_written_whole() -> None:
    out, into = os.pipe()
    read: list[bytes] = []

    def reading() -> None:
        with open(out, "rb") as file:
            read.append(file.read())

    reader = threading.Thread(target=reading)
    reader.start()
    output = Output(into, "pipe")
    output.write(b"x" * 1_000_000)
    os.close(into)
    reader.join(60)

    assert read == [b"x" * 1_000_000]
    assert output.written == 1_000_000


@pytest.mark.parametrize("path", [None, "-"])
def test_standard_output(path: str | None, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write(path, b"one\n", b"two\n")

    assert capfdbinary.readouterr().out == b"one\ntwo\n"


def test_standard_output_is_still_open_afterwards(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write(None, b"one\n")
    write(None, b"two\n")

    assert capfdbinary.readouterr().out == b"one\ntwo\n"


def test_closed_standard_output_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # as Python starts where it is closed

    with pytest.raises(UsageError, match=r"^standard output is closed; redirect it or give --output FILE$"):
        write(None, b"x")


def test_an_output_without_a_name_is_no_file() -> None:
    with pytest.raises(UsageError, match="--output names no file"), open_output(""):
        pass
