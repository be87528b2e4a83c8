"""Files that others may rename, delete and cut while they are open: on every system, with what its own programs see."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from shipper.shared_files import PATIENCE, open_log, open_shared, patiently, read_at, write_at


def test_a_log_can_be_renamed_cut_and_deleted_by_another_process_while_it_is_open(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123")
    descriptor = open_log(str(path))
    other = "import os, sys; a, b = sys.argv[1:]; os.rename(a, b); open(b, 'ab').write(b'45'); os.truncate(b, 5); os.unlink(b)"
    subprocess.run([sys.executable, "-c", other, str(path), str(tmp_path / "b")], check=True, timeout=60)
    assert read_at(descriptor, 2, 1) == b"12"
    assert read_at(descriptor, 9, 2) == b"234"
    assert read_at(descriptor, 9, 5) == b""
    os.close(descriptor)
    assert os.listdir(tmp_path) == []


def test_a_file_of_ours_can_be_renamed_by_another_process_while_we_write(tmp_path: Path) -> None:
    descriptor = open_shared(str(tmp_path / "a"), os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL)
    os.write(descriptor, b"one\r\ntwo\n\x1athree\n")
    other = "import os, sys; os.rename(*sys.argv[1:])"
    subprocess.run([sys.executable, "-c", other, str(tmp_path / "a"), str(tmp_path / "b")], check=True, timeout=60)
    os.write(descriptor, b"four\n")
    os.close(descriptor)
    assert (tmp_path / "b").read_bytes() == b"one\r\ntwo\n\x1athree\nfour\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipe with a name among its files")
def test_a_pipe_under_the_name_of_a_log_does_not_stop_us(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    os.close(open_log(str(tmp_path / "a")))  # nobody writes to it


def test_a_log_is_not_handed_on_to_other_programs(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    descriptor = open_log(str(tmp_path / "a"))
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_what_is_not_there_and_what_is_there_already_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        open_log(str(tmp_path / "a"))
    assert caught.value.filename == str(tmp_path / "a")
    (tmp_path / "a").touch()
    with pytest.raises(FileExistsError):
        open_shared(str(tmp_path / "a"), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    with pytest.raises(IsADirectoryError), open(tmp_path, "rb", opener=open_shared):
        pass


@pytest.mark.parametrize(
    ("flags", "content"),
    [
        (os.O_WRONLY, b"XYcd"),
        (os.O_RDWR, b"XYcd"),
        (os.O_WRONLY | os.O_APPEND, b"abcdXY"),
        (os.O_WRONLY | os.O_TRUNC, b"XY"),
        (os.O_WRONLY | os.O_CREAT, b"XYcd"),
        (os.O_WRONLY | os.O_CREAT | os.O_TRUNC, b"XY"),
    ],
)
def test_flags_mean_what_they_always_mean(flags: int, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abcd")
    descriptor = open_shared(str(tmp_path / "a"), flags)
    os.write(descriptor, b"XY")
    os.close(descriptor)
    assert (tmp_path / "a").read_bytes() == content


def test_reading_and_writing_at_an_offset_moves_nothing(tmp_path: Path) -> None:
    descriptor = open_shared(str(tmp_path / "a"), os.O_RDWR | os.O_CREAT)
    os.write(descriptor, b"abcdef")
    os.lseek(descriptor, 1, os.SEEK_SET)
    assert read_at(descriptor, 2, 3) == b"de"
    assert write_at(descriptor, b"XY", 4) == 2
    assert os.read(descriptor, 9) == b"bcdXY"
    os.close(descriptor)


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere nobody keeps us from a rename")
def test_a_file_that_a_scanner_holds_is_renamed_when_that_lets_go(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    held = open(tmp_path / "a", "rb")  # noqa: SIM115  Python shares no deletion
    scanner = threading.Timer(PATIENCE / 4, held.close)
    scanner.start()
    patiently(os.replace, str(tmp_path / "a"), str(tmp_path / "b"))
    scanner.join()
    assert (tmp_path / "b").read_bytes() == b"a"


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere nobody keeps us from a rename")
def test_patience_has_an_end(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with open(tmp_path / "a", "rb"):
        began = time.monotonic()
        with pytest.raises(PermissionError):
            patiently(os.unlink, str(tmp_path / "a"))
        assert PATIENCE <= time.monotonic() - began < 10 * PATIENCE
