"""What is no log is told apart by its first bytes, and no text is."""

import gzip
import io
import lzma
import sqlite3
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from shipper.errors import UsageError
from shipper.read.files import open_bytes, text_of
from shipper.read.signatures import no_log
from tests.support.tail_rig import Rig, line


def a_zip(folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "made", "w") as archive:
        archive.writestr("a.log", line(1))
    return (folder / "made").read_bytes()


def a_tar(folder: Path) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.log"))
    return stream.getvalue()


def a_database(folder: Path) -> bytes:
    connection = sqlite3.connect(folder / "made")
    connection.execute("create table t (a)")
    connection.close()
    return (folder / "made").read_bytes()


def a_program(folder: Path) -> bytes:
    with open(sys.executable, "rb") as file:
        return file.read(5000)


Make = Callable[[Path], bytes]
KINDS: dict[str, Make] = {
    "a zip archive": a_zip,
    "a tar archive": a_tar,
    "a database": a_database,
    "a program": a_program,
    "a PDF document": lambda _: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "a picture": lambda _: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "a rar archive": lambda _: b"Rar!\x1a\x07\x01\0",
    "a cabinet file": lambda _: b"MSCF\0\0\0\0",
    "a document of Microsoft Office or an installer": lambda _: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "an old Windows event log (.evt)": lambda _: b"0\0\0\0LfLe",
    "a file of macOS's own": lambda _: b"\0\5\x16\7\0\2\0\0Mac OS X",
    "a memory dump": lambda _: b"MDMP\x93\xa7",
    "an lzma file": lambda _: lzma.compress(line(1), lzma.FORMAT_ALONE),
    "a 7z archive": lambda _: b"7z\xbc\xaf\x27\x1c\0\4" + bytes(24),
    "a Windows event log (.evtx)": lambda _: b"ElfFile\0" + bytes(4088),
    "compressed twice, the second time with gzip": lambda _: gzip.compress(gzip.compress(line(1))),
}


@pytest.mark.parametrize("what", KINDS)
@pytest.mark.parametrize("packed", [False, True])
def test_file_that_is_no_log_is_refused_before_its_first_byte(what: str, packed: bool, tmp_path: Path) -> None:
    path, data = tmp_path / "a.log", KINDS[what](tmp_path)
    path.write_bytes(gzip.compress(data) if packed else data)
    with open_bytes(str(path), event_logs=False) as read:
        for _ in range(2):
            with pytest.raises(UsageError) as caught:
                read(1)
            assert str(caught.value).startswith(f"{path} is {what}, not a log: ")


def test_a_program_for_windows_is_told_from_a_line_that_begins_alike(tmp_path: Path) -> None:
    assert no_log(b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff") is not None
    assert no_log(b"MZ\n") is None


@pytest.mark.parametrize("data", [a_zip, a_tar])
def test_an_archive_on_standard_input_is_refused_with_what_to_do(data: Make, tmp_path: Path) -> None:
    read = text_of(io.BytesIO(data(tmp_path)).read, "standard input")
    with pytest.raises(UsageError, match="not a log: give its path instead, because it is read from its middle"):
        read(1)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"MZ is how this begins",
        b"PK",
        b"2017-02-14T02:57:19Z|0|1|2|pfrad|ustar",
        b"ustar" * 60,
        b"\n\r\r\n",
        b"SQLite format 3 \n",
    ],
)
def test_text_is_never_refused(head: bytes) -> None:
    assert no_log(head) is None


@pytest.mark.parametrize("what", KINDS)
def test_the_sidecar_leaves_it_out_and_says_so_once(what: str, rig: Rig) -> None:
    path = rig.path("b.log")
    path.write_bytes(KINDS[what](rig.folder))
    rig.append("a.log", line(1))
    said = []
    for second in range(2, 9):
        rig.append("a.log", line(second))
        if second == 4:  # it is in use
            rig.append("b.log", bytes(4096))
        rig.step()
        said.append(dict(rig.tail.problems))
    assert b"".join(data for _, _, data in rig.out) == b"".join(map(line, range(1, 9)))
    assert said[0].keys() == {str(path)}
    assert said[0][str(path)].startswith(f"{path} is {what}, not a log: ")
    assert all(now == said[0] for now in said)


def test_a_log_that_takes_its_place_is_read(rig: Rig) -> None:
    rig.path("a.log").write_bytes(a_tar(rig.folder))
    assert rig.step() == b""
    rig.path("a.log").write_bytes(line(1))
    assert rig.step() == line(1)
    assert rig.tail.problems == {}
