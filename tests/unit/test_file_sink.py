"""The file sink: rotation by size and age, and lines that a crash or a full disk tore."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.deliver.file import TAIL, FileOptions, FileSink, rotated
from shipper.deliver.sink import Batch, SinkDown
from shipper.testing import FakeClock, block
from shipper.times import SECOND


class Rig:
    """A sink, its file, and a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "out.ndjson"
        self.clock = FakeClock()
        self.number = 0
        self.sink: FileSink | None = None

    def open(self, rotate_size: int | None = None, rotate_every: int | None = None, keep: int | None = None) -> None:
        self.close()
        options = FileOptions(str(self.path), rotate_size, rotate_every, keep)
        self.sink = FileSink(options, lambda: self.clock() / SECOND)
        self.sink.open()

    def send(self, data: bytes) -> None:
        """Deliver a batch that holds just this."""
        assert self.sink is not None
        self.number += 1
        self.sink.send(Batch(self.number, (block(*data.splitlines()),)))
        assert [one.number for one in self.sink.poll(0)] == [self.number]

    def close(self) -> None:
        if self.sink is not None:
            self.sink.close(0)

    @property
    def contents(self) -> list[bytes]:
        """Of the rotated files, the oldest first, and of the file."""
        return [Path(one).read_bytes() for one in (*rotated(str(self.path)), str(self.path))]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    one = Rig(tmp_path)
    yield one
    one.close()


def test_rotation_by_size(rig: Rig) -> None:
    rig.open(rotate_size=10)
    for data in (b"1234\n", b"5678\n", b"9\n", b"a line of its own that is too long\n", b"b\n"):
        rig.send(data)
    assert rig.contents == [b"1234\n5678\n", b"9\n", b"a line of its own that is too long\n", b"b\n"]


def test_rotation_by_age(rig: Rig) -> None:
    rig.open(rotate_every=60 * SECOND)
    rig.send(b"1\n")
    rig.clock.wait(59)
    rig.send(b"2\n")
    rig.clock.wait(1)
    rig.send(b"3\n")
    rig.clock.wait(59)
    rig.send(b"4\n")
    assert rig.contents == [b"1\n2\n", b"3\n4\n"]


def test_an_empty_file_is_not_rotated(rig: Rig) -> None:
    rig.open(rotate_every=SECOND, rotate_size=1)
    rig.clock.wait(5)
    rig.send(b"1\n")
    assert rig.contents == [b"1\n"]


def test_only_so_many_old_files_stay(rig: Rig) -> None:
    rig.open(rotate_size=1, keep=2)
    for number in range(12):
        rig.send(b"%d\n" % number)
    assert rig.contents == [b"9\n", b"10\n", b"11\n"]


def test_a_clock_that_went_back_does_not_make_the_newest_file_the_oldest(rig: Rig) -> None:
    (rig.path.parent / f"{rig.path.name}.29990101T000000Z").write_bytes(b"written when the clock was wrong\n")
    rig.open(rotate_size=1, keep=1)
    rig.send(b"1\n")
    rig.send(b"2\n")
    assert rig.contents == [b"1\n", b"2\n"]


def test_the_size_of_what_was_there_counts(rig: Rig) -> None:
    rig.path.write_bytes(b"from the last run\n")
    rig.open(rotate_size=20)
    rig.send(b"new\n")
    assert rig.contents == [b"from the last run\n", b"new\n"]


@pytest.mark.parametrize("torn", [b"torn", b"x" * (TAIL + 5), b"\0" * 9])
@pytest.mark.parametrize("whole", [b"", b"1\n2\n"])
def test_a_torn_line_is_taken_away(whole: bytes, torn: bytes, rig: Rig) -> None:
    rig.path.write_bytes(whole + torn)
    rig.open()
    rig.send(b"3\n")
    assert rig.contents == [whole + b"3\n"]


def test_nothing_counts_before_it_is_synced(rig: Rig) -> None:
    rig.open()
    assert rig.sink is not None
    rig.sink.send(Batch(1, (block(b"1"),)))
    rig.sink.abandon()
    rig.sink.open()
    assert rig.sink.poll(0) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
def test_a_full_disk_is_a_state_and_no_error(rig: Rig) -> None:
    rig.path.symlink_to("/dev/full")
    rig.open()
    assert rig.sink is not None
    with pytest.raises(SinkDown, match=r"cannot write .*: No space left on device"):
        rig.sink.send(Batch(1, (block(b"1"),)))
    rig.sink.abandon()
    rig.path.unlink()
    rig.sink.open()
    rig.send(b"1\n")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SinkDown, match=r"cannot open .*: No such file or directory"):
        FileSink(FileOptions(str(tmp_path / "nowhere" / "out"))).open()


def test_a_look_at_the_place_creates_nothing(tmp_path: Path) -> None:
    def said(path: Path) -> str | None:
        return FileSink(FileOptions(str(path))).verify()

    assert said(tmp_path / "out.ndjson") is None
    assert said(tmp_path) == f"cannot open {tmp_path}: it is a folder"
    assert said(tmp_path / "no" / "out") == f"cannot open {tmp_path}/no/out: there is no folder {tmp_path}/no"
    assert list(tmp_path.iterdir()) == []
