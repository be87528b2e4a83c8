"""What is said on a stream of any encoding, and bytes to and from it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shipper.consoles import reader_of, writer_of
from shipper.errors import reader_is_gone

LINE = "2017-02-14T02:57:19.000000Z|0|1412|6452|pfrad|"
ENCODINGS = ("utf-8", "cp1252:strict", "cp437:strict", "ascii:strict", "ascii")


def command(*arguments: str, encoding: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    called = [sys.executable, "-m", "shipper", *arguments]
    return subprocess.run(called, input=given, capture_output=True, env=environment, timeout=60, check=False)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_sums_are_shown_on_a_console_of_any_code_page(encoding: str) -> None:
    """They hold a middle dot, and texts of the log."""
    done = command("parse", "-", encoding=encoding, given=f"{LINE}Größe Ω of the thing\n".encode())
    shown = "utf-8" if sys.platform == "win32" else encoding.partition(":")[0]
    assert done.returncode == 0
    assert "1 line in" in done.stderr.decode(shown)
    assert "Größe Ω".encode() in done.stdout  # events are UTF-8 whatever the console


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_error_is_one_sentence_on_a_console_of_any_code_page(encoding: str) -> None:
    done = command("parse", "Größe-Ω.log", encoding=encoding)
    assert done.returncode == 2
    assert done.stderr.startswith(b"mfa-shipper: there is no file Gr")
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere the user's locale decides")
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_on_windows_all_that_is_said_is_utf_8(encoding: str) -> None:
    assert "there is no file Größe-Ω.log".encode() in command("parse", "Größe-Ω.log", encoding=encoding).stderr


def test_bytes_go_through_a_descriptor_as_they_are() -> None:
    out, into = os.pipe()
    assert writer_of(into)(b"one\r\ntwo\n\x1a\xff") == 11
    assert writer_of(into)(memoryview(b"x")) == 1
    os.close(into)
    read = reader_of(out)
    assert (read(5), read(99), read(99)) == (b"one\r\n", b"two\n\x1a\xffx", b"")
    os.close(out)


def test_a_reader_that_has_gone_is_told_from_a_full_disk(tmp_path: Path) -> None:
    out, into = os.pipe()
    os.close(out)
    with pytest.raises(OSError, match=r"^\[Errno") as caught:
        os.write(into, b"x")
    os.close(into)
    assert reader_is_gone(caught.value)
    with pytest.raises(FileNotFoundError) as missing:
        os.stat(tmp_path / "a")
    assert not reader_is_gone(missing.value)


def test_nobody_has_to_read_the_sums() -> None:
    """As in `2>&1 | head`."""
    called = [sys.executable, "-m", "shipper", "parse", "-"]
    with subprocess.Popen(called, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stderr.close()
        process.stdin.write(f"{LINE}text\n".encode())
        process.stdin.close()
        assert process.wait(60) == 0
