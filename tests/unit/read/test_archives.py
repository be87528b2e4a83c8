"""Zip and tar archives: each file in one is as good as a file beside it, damage is said, and size is bounded."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard

from shipper.errors import RunError, UsageError
from shipper.read import archive_members
from shipper.read.archives import open_archive
from shipper.read.inputs import open_inputs
from shipper.read.logs import Input
from tests.support.archives import Files, tarred, zipped
from tests.support.event_log import event_log
from tests.support.said import ABSENT
from tests.unit.read.test_event_log import events

EPOCH = "1970-01-01T00:00:00.000000Z"
Make = Callable[[Files], bytes]


def log(day: int, lines: int = 200) -> bytes:
    return b"".join(b"2017-02-%02dT02:57:19.%06dZ|0|1412|6452|pfrad|number %d\n" % (day, n, n * 7919) for n in range(lines))


FILES = {"MultiFactorAuthRadiusSvc.log": log(3), "old/MultiFactorAuthRadiusSvc.log.1": log(2), "ä/Zoë.log": log(4)}


def repacked(data: bytes, method: int, pack: Callable[[bytes], bytes]) -> bytes:
    """A zip archive of stored files, its contents packed by a method that Python does not write."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(stream, "w") as made:
        for info in archive.infolist():
            made.writestr(info.filename, b"" if info.is_dir() else pack(archive.read(info)))
    out = bytearray(stream.getvalue())
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(stream) as made:
        at = out.index(b"PK\1\2")
        for before, now in zip(archive.infolist(), made.infolist(), strict=True):
            if not now.is_dir():
                struct.pack_into("<H", out, now.header_offset + 8, method)
                struct.pack_into("<H4xIII", out, at + 10, method, before.CRC, now.compress_size, before.file_size)
            at += 46 + sum(struct.unpack_from("<HHH", out, at + 28))
    return bytes(out)


KINDS: dict[str, Make] = {
    "zip, stored": lambda files: zipped(files, zipfile.ZIP_STORED),
    "zip, deflated": zipped,
    "zip, bzip2": lambda files: zipped(files, zipfile.ZIP_BZIP2),
    "zip, zstd": lambda files: repacked(zipped(files), 93, zstandard.compress),
    "zip, xz": lambda files: repacked(zipped(files), 95, lzma.compress),
    "tar": tarred,
    "tar, ustar": lambda files: tarred(files, tarfile.USTAR_FORMAT),
    "tar, gnu": lambda files: tarred(files, tarfile.GNU_FORMAT),
    "tar.gz": lambda files: gzip.compress(tarred(files)),
    "tar.bz2": lambda files: bz2.compress(tarred(files), 1),
    "tar.xz": lambda files: lzma.compress(tarred(files)),
    "tar.zst": lambda files: zstandard.compress(tarred(files)),
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], str]:
    def writing(data: bytes, name: str = "a.log") -> str:
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return writing


Write = Callable[..., str]


def content(path: str) -> dict[str, bytes]:
    """The files of an archive, by name."""
    found: dict[str, bytes] = {}
    with open_archive(path) as members:
        assert members is not None
        for member in members:
            assert member.path == f"{path}!{member.name}"
            with member.open() as read:
                found[member.name] = b"".join(iter(lambda read=read: read(100), b""))  # type: ignore[misc]
    return found


def refused(path: str, kind: type[Exception] = UsageError) -> str:
    with pytest.raises(kind) as caught:
        content(path)
    return str(caught.value).removeprefix(path)


def inputs(path: str, left_out: list[str] | None = None) -> dict[str, Input]:
    with open_inputs([path], deterministic=True, left_out=left_out) as (logs, _):
        return {given.path.removeprefix(f"{path}!"): given for found in logs for given in found.inputs}


def named(path: str) -> list[list[str]]:
    """The names of the files of each log."""
    with open_inputs([path]) as (logs, _):
        return [[given.path.removeprefix(f"{path}!") for given in found.inputs] for found in logs]


# What is in an archive


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_is_known_by_its_first_bytes_and_each_file_in_it_is_read(kind: str, write: Write) -> None:
    assert content(write(KINDS[kind](FILES))) == FILES


@pytest.mark.parametrize("kind", KINDS)
def test_files_in_an_archive_are_identified_as_those_beside_it(kind: str, write: Write, tmp_path: Path) -> None:
    path = write(KINDS[kind](FILES))
    beside = {}
    for name, data in FILES.items():
        plain = tmp_path / "plain" / name
        plain.parent.mkdir(parents=True, exist_ok=True)
        plain.write_bytes(data)
        with open_inputs([str(plain)]) as ([found], _):
            beside[name] = found.inputs[0].file
    for name, given in inputs(path).items():
        assert given.file.path == f"{path}!{name}"
        assert (given.file.fingerprint, given.file.time) == (beside[name].fingerprint, beside[name].time)
        assert (given.on_disk, given.size) == (path, None)


@pytest.mark.parametrize("data", [b"", log(1), gzip.compress(log(1)), gzip.compress(b"", mtime=0), b"PK", b"BZh9"])
def test_what_is_no_archive_is_left_to_others(data: bytes, write: Write) -> None:
    with open_archive(write(data)) as members:
        assert members is None
    with open_archive(os.devnull) as members:
        assert members is None


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_files_in_an_archive_may_be_compressed(pack: Callable[[bytes], bytes], write: Write) -> None:
    for make in (zipped, tarred):
        assert content(write(make({"a.log.1.gz": pack(log(1))}))) == {"a.log.1.gz": log(1)}


@pytest.mark.parametrize("make", [zipped, tarred])
def test_event_logs_in_an_archive_are_read(make: Make, write: Write) -> None:
    pytest.importorskip("evtx")
    data = event_log(events(3))
    found = content(write(make({"a.evtx": data, "b.evtx.gz": gzip.compress(data)})))
    assert [text.count(b"<Event ") for text in found.values()] == [3, 3]


def test_the_last_of_two_files_of_one_name_counts(write: Write) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        data = _twice()
    path, left_out = write(data), list[str]()
    assert content(path) == {"a.log": log(2)}
    assert list(inputs(path, left_out)) == ["a.log"]
    assert left_out == [f"{path}!a.log stands 2 times in the archive: only the last is read, as unpacking gives it"]


def test_the_last_of_files_of_one_name_counts_in_a_tar_archive_that_was_appended_to(write: Write) -> None:
    stream = io.BytesIO(tarred({"a.log": log(1), "b.log": log(1)}))
    with tarfile.open(fileobj=stream, mode="a") as archive:
        for name, data in (("a.log", log(2)), ("./a.log", log(3))):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    path, left_out = write(stream.getvalue()), list[str]()
    assert content(path) == {"a.log": log(3), "b.log": log(1)}
    inputs(path, left_out)
    assert left_out == [f"{path}!a.log stands 3 times in the archive: only the last is read, as unpacking gives it"]


def test_a_size_below_zero_in_a_tar_archive_is_damage(write: Write) -> None:
    header = bytearray(tarfile.TarInfo("b.log").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 12
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    whole = tarred({"a.log": log(1)}).rstrip(b"\0")
    path = write(whole + bytes(-len(whole) % 512) + bytes(header) + bytes(1024))
    found: list[str] = []
    with pytest.raises(RunError) as caught, open_archive(path) as members:
        found += [member.name for member in members or ()]
    assert str(caught.value) == f"{path}: the tar archive is damaged or cut off: its header says that b.log has -1 bytes"


def _twice() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.log", log(1))
        archive.writestr("a.log", log(2))
    return stream.getvalue()


def test_names_are_those_that_unpacking_gives(write: Write) -> None:
    assert list(content(write(zipped({"logs\\a.log": log(1)})))) == ["logs/a.log"]
    assert list(content(write(tarred({"./a.log": log(1), "/b.log": log(1)})))) == ["a.log", "/b.log"]


@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_name_cannot_end_a_line_or_command_a_terminal(make: Make, write: Write) -> None:
    path = write(make({"a\nb.log": log(1), "\x1b[2J.log": log(2)}))
    assert list(content(path)) == ["a\\x0ab.log", "\\x1b[2J.log"]
    path = write(make({"c\x9b.zip": zipped(FILES)}))
    with pytest.raises(UsageError) as caught:
        inputs(path)
    assert str(caught.value) == f"{path}!c\\x9b.zip is a zip archive, not a log: unpack it first"


def test_a_file_with_a_hole_in_a_tar_archive(write: Write) -> None:
    """Of GNU tar, for `tar --sparse`: nothing but a line behind a hole is stored."""
    stored = log(1, 1).ljust(512, b"\0")
    info = tarfile.TarInfo("a.log")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, len(stored)
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[386:410] = b"%011o\0%011o\0" % (10_000_384, len(stored))
    header[483:495] = b"%011o\0" % (10_000_384 + len(stored))
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    path = write(bytes(header) + stored + bytes(1024))
    assert content(path) == {"a.log": bytes(10_000_384) + stored}
    assert inputs(path)["a.log"].file.time == "2017-02-01T02:57:19.000000Z"
    assert refused(write(bytes(header) + stored[:100]), RunError).startswith("!a.log: the tar archive ends too early, ")


def test_an_archive_without_files_is_refused(write: Write) -> None:
    for data in (zipped({}), b"PK\5\6" + bytes(18), tarred({})):
        assert refused(write(data)) == " is an archive without files"


def test_an_archive_that_cannot_be_opened(tmp_path: Path) -> None:
    path = str(tmp_path / "no")
    assert refused(path) in [f"cannot read {path}: {said}" for said in ABSENT]


def test_an_archive_that_is_gone_when_a_file_in_it_is_opened(write: Write) -> None:
    path = write(zipped(FILES))
    with open_archive(path) as members:
        assert members is not None
        os.unlink(path)
        with pytest.raises(RunError, match="cannot open"), members[0].open():
            pass


# Which files make which log


@pytest.mark.parametrize("kind", ["zip, deflated", "tar.gz"])
def test_files_in_an_archive_make_logs_as_those_of_a_folder_do(kind: str, write: Write) -> None:
    files = {
        "b/X.log": log(9),
        "b/X.log.1": log(8),
        "X.log": log(5),
        "Y.log": log(4),
        "b/X-20170207.log.gz": gzip.compress(log(7)),
    }
    assert named(write(KINDS[kind](files))) == [["Y.log"], ["X.log"], ["b/X-20170207.log.gz", "b/X.log.1", "b/X.log"]]


def test_a_log_that_was_packed_when_it_was_rotated_belongs_to_the_log_beside_it(write: Write, tmp_path: Path) -> None:
    for name, inside, day in (
        ("X.log.2.zip", "X.log", 1),
        ("X-20170202.zip", "X-20170202.log", 2),
        ("X.log.1.zip", "logs/X.log.1", 3),
    ):
        write(zipped({inside: log(day)}), name)
    write(log(4), "X.log")
    write(zipped({"X.log": log(5)}), "Y.zip")
    with open_inputs([str(tmp_path / "*")]) as (logs, _):
        found = [[given.path.removeprefix(f"{tmp_path}{os.sep}") for given in log.inputs] for log in logs]
    assert found == [["X.log.2.zip!X.log", "X-20170202.zip!X-20170202.log", "X.log.1.zip!logs/X.log.1", "X.log"], ["Y.zip!X.log"]]


def test_a_file_in_an_archive_whose_times_contradict_its_name_is_set_apart(write: Write) -> None:
    files = {"X1.log": log(1) + log(9), "X1.log.1": log(2)}
    with open_inputs([write(zipped(files))]) as (logs, _):
        assert len(logs) == 2
        assert logs[1].apart is not None


def test_a_file_without_a_time_stamp_has_the_time_of_the_archive(write: Write) -> None:
    path = write(zipped({"a.log": b"undated\n"}))
    os.utime(path, (1_500_000_000, 1_500_000_000))
    with open_inputs([path]) as ([found], _):
        assert found.inputs[0].file.time == "2017-07-14T02:40:00.000000Z"
    assert inputs(path)["a.log"].file.time == EPOCH


# What is no log


def test_files_that_cannot_hold_a_log_are_left_out_and_named(write: Write) -> None:
    left_out: list[str] = []
    path = write(
        zipped(
            {"a.log": log(1), "b.png": b"\x89PNG\r\n\x1a\n", "c.exe": b"\x7fELF", "__MACOSX/._a.log": b"\0\5\x16\7" + bytes(9)}
        )
    )
    assert list(inputs(path, left_out)) == ["a.log"]
    assert left_out == [
        f"{path}!b.png is a picture, not a log: leave it out",
        f"{path}!c.exe is a program, not a log: leave it out",
        f"{path}!__MACOSX/._a.log is a file of macOS's own, not a log: leave it out",
    ]
    path = write(zipped({"b.png": b"\x89PNG\r\n\x1a\n"}))
    with pytest.raises(UsageError) as caught:
        inputs(path)
    assert str(caught.value) == f"{path} holds no log: {path}!b.png is a picture, not a log: leave it out"


@pytest.mark.parametrize("outer", [zipped, tarred])
@pytest.mark.parametrize(
    ("inner", "what"),
    [
        (zipped, "a zip archive"),
        (tarred, "a tar archive"),
        (lambda files: gzip.compress(tarred(files)), "a tar archive"),
        (lambda _: b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive"),
    ],
)
def test_an_archive_in_an_archive_is_refused(outer: Make, inner: Make, what: str, write: Write) -> None:
    path = write(outer({"a.log": log(1), "b": inner(FILES)}))
    with pytest.raises(UsageError) as caught:
        inputs(path)
    assert str(caught.value) == f"{path}!b is {what}, not a log: unpack it first"


# Damage


def test_an_encrypted_file_is_refused(write: Write) -> None:
    data = bytearray(zipped(FILES))
    data[data.index(b"PK\1\2") + 8] |= 1  # as in the directory; the first entry is a folder
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)
    data[second + 8] |= 1
    assert refused(write(bytes(data))) == "!MultiFactorAuthRadiusSvc.log is encrypted: unpack it first"


def test_a_method_that_is_not_read_is_refused(write: Write) -> None:
    said = "!MultiFactorAuthRadiusSvc.log is packed by method 14 of zip, which is not read: unpack it first"
    assert refused(write(zipped(FILES, zipfile.ZIP_LZMA))) == said


@pytest.mark.parametrize("damage", [lambda data: data[:-30], lambda data: data[: len(data) // 2], lambda data: data[:20]])
def test_a_zip_archive_that_was_cut_off_is_refused(damage: Callable[[bytes], bytes], write: Write) -> None:
    assert refused(write(damage(zipped(FILES)))).startswith(": the zip archive is damaged or cut off: ")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_file_in_a_zip_archive_is_read_as_far_as_it_can_be(method: int, write: Write) -> None:
    data = bytearray(zipped({"a.log": log(1, 20_000)}, method))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        info = archive.getinfo("a.log")
    at = info.header_offset + 35 + info.compress_size // 2
    data[at : at + 8] = b"\xff" * 8
    path = write(bytes(data))
    parts: list[bytes] = []
    with open_archive(path) as members, (members or [])[0].open() as read, pytest.raises(RunError) as caught:
        parts.extend(iter(lambda: read(1000), b""))
    assert str(caught.value).startswith(f"{path}!a.log: damaged zip")
    out = b"".join(parts)
    assert out[:400_000] == log(1, 20_000)[:400_000]


def test_a_directory_that_points_elsewhere(write: Write) -> None:
    data = bytearray(zipped({"a.log": log(1)}))
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)
    said = "!a.log: damaged zip archive: there is no file where its directory says"
    for offset in (7, len(data) + 1, 0xFFFFFFF0):
        struct.pack_into("<I", data, second + 42, offset)
        assert refused(write(bytes(data)), RunError) == said
    before_all = data[40:]  # what is missing in front moves all of it to offsets below 0
    struct.pack_into("<I", before_all, second - 40 + 42, 0)
    assert refused(write(b"PK\3\4" + bytes(before_all)), RunError) == said


def test_a_file_without_a_name(write: Write) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a", log(1))
    data = bytearray(stream.getvalue())
    at = data.index(b"PK\1\2")
    struct.pack_into("<H", data, at + 28, 0)
    del data[at + 46]
    struct.pack_into("<I", data, len(data) - 10, 46)  # bytes of the directory
    assert content(write(bytes(data))) == {"": log(1)}


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("seed", range(30))
def test_any_damage_is_survived(make: Make, seed: int, write: Write) -> None:
    data = bytearray(make(FILES))
    for n in range(seed % 4 + 1):
        at = (seed * 7919 + n * 104_729) % len(data) if seed % 2 else len(data) - 1 - (seed * 37 + n * 11) % 600
        data[at : at + 4] = (b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff")[seed % 3]
    path = write(bytes(data))
    for read in (inputs, content):
        with suppress(UsageError, RunError):
            read(path)


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst"])
def test_a_tar_archive_that_was_cut_off_is_read_as_far_as_it_can_be(kind: str, write: Write) -> None:
    files = {f"{n}.log": b"#" + os.urandom(3000) for n in range(300)}  # no first bytes of a compressed file
    data = KINDS[kind](files)
    path = write(data[: len(data) * 3 // 4])
    found: dict[str, bytes] = {}
    trouble: list[str] = []

    def read_all() -> None:
        with open_archive(path) as members:
            for member in members or ():
                with member.open() as read:
                    parts: list[bytes] = []
                    try:
                        parts.extend(iter(lambda read=read: read(1000), b""))  # type: ignore[misc]
                    except RunError as error:
                        trouble.append(str(error))
                    found[member.name] = b"".join(parts)

    with pytest.raises(RunError) as caught:
        read_all()
    assert "the tar archive is damaged or cut off" in str(caught.value) or "file ends too early" in str(caught.value)
    assert 50 < len(found) < 300
    assert len(trouble) <= 1
    assert all(files[name].startswith(data) for name, data in found.items())
    assert sum(files[name] == data for name, data in found.items()) == len(found) - len(trouble)


@pytest.mark.parametrize(
    ("damage", "left"),
    [
        (lambda data: data + data, list(FILES)),
        (lambda data: data.rstrip(b"\0") + bytes(-len(data.rstrip(b"\0")) % 512), list(FILES)),
        (lambda data: data.replace(b"\xc3\xa4/Zo", b"\xc3\xa4/zo"), list(FILES)[:2]),
    ],
)
def test_a_tar_archive_that_does_not_end_as_it_should_is_said(
    damage: Callable[[bytes], bytes], left: Sequence[str], write: Write
) -> None:
    path = write(damage(tarred(FILES, tarfile.GNU_FORMAT)))
    found: list[str] = []
    with pytest.raises(RunError) as caught, open_archive(path) as members:
        found += [member.name for member in members or ()]
    assert found == left
    assert str(caught.value).startswith(f"{path}: the tar archive is damaged or cut off: what stands behind byte ")


def test_a_tar_archive_of_which_nothing_can_be_read_is_refused(write: Write) -> None:
    data = tarred({"a.log": log(1)})
    path = write(data[:300])
    assert refused(path).startswith(": the tar archive is damaged or cut off: ")


# Bombs


@pytest.mark.parametrize("make", [zipped, tarred])
def test_an_archive_that_becomes_too_large_is_refused(make: Make, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_members, "BOMB_SIZE", 1000)
    monkeypatch.setattr(archive_members, "BOMB_RATIO", 2)
    path = write(make({f"{n}.log": bytes(100_000) for n in range(3)}))
    if make is zipped:
        assert refused(path) == (
            " becomes more than 256 MiB and more than 250 times the size of the archive: 300000 bytes;"
            " if that is right, unpack it yourself"
        )
    else:
        assert len(content(path)) == 3


def test_a_file_in_an_archive_that_is_compressed_once_more_is_read_up_to_the_same_bound(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_members, "BOMB_SIZE", 10_000)
    monkeypatch.setattr(archive_members, "BOMB_RATIO", 2)
    path = write(zipped({"a.log": gzip.compress(bytes(100_000))}))
    said = (
        "!a.log becomes more than 256 MiB and more than 250 times the size of the archive, and the rest is not read;"
        " if that is right, unpack it yourself"
    )
    assert refused(path, RunError) == said


def test_a_file_that_is_longer_than_its_directory_says(write: Write) -> None:
    data = bytearray(zipped({"a.log": log(1)}))
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)
    struct.pack_into("<I", data, second + 24, 100)
    said = "!a.log: damaged zip archive: size or check sum of the file are not those of its directory"
    path = write(bytes(data))
    assert refused(path, RunError) == said
    for size in (1, 33, 1 << 16):  # what comes before the error does not depend on the reads
        parts: list[bytes] = []
        with open_archive(path) as members, (members or [])[0].open() as read, pytest.raises(RunError):
            parts.extend(iter(lambda read=read, size=size: read(size), b""))  # type: ignore[misc]
        assert b"".join(parts) == log(1)[:100]


def test_an_archive_of_too_many_files_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("archive_members", "tar_archive"):
        monkeypatch.setattr(f"shipper.read.{module}.MOST", 2)
    for make in (zipped, tarred):
        assert refused(write(make(FILES))) == " holds more than 2 files: unpack it yourself"


def test_a_directory_of_a_zip_archive_takes_no_memory_beyond_reason(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_members, "DIRECTORY", 1 << 20)
    names = {f"{n:0>60000}.log": b"" for n in range(20)}
    said = ": the zip archive is damaged or cut off: its directory or a header in it has more than 1 MiB; repair it, or get it once more"
    assert refused(write(zipped(names))) == said


def test_no_room_to_unpack(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    path = write(gzip.compress(tarred(FILES)))
    monkeypatch.setattr("tempfile.TemporaryFile", Full)
    assert "no room to unpack" in refused(path)
