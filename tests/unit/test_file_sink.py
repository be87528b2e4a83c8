"""The file sink: rotation by size and age, and lines that a crash or a full disk tore."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipper.deliver.file import TAIL, FileOptions, FileSink
from shipper.deliver.rotated_files import rotated
from shipper.deliver.sink import Batch, Receipt, SinkDown
from shipper.errors import UsageError
from shipper.model import Block, Origin
from shipper.testing import FakeClock, block
from shipper.times import SECOND
from tests.support.process import as_a_user, room, until
from tests.support.removal import remove
from tests.support.said import ABSENT


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


@pytest.mark.posix("a limit on the size of files stands for a full disk")
@pytest.mark.parametrize(
    ("size", "whole"),
    [(10, b"1\n22\n333\n"), (7, b"1\n22\n"), (9, b"1\n22\n333\n"), (8, b"1\n22\n"), (3, b"1\n"), (2, b"1\n"), (1, b"")],
)
def test_a_disk_that_fills_up_leaves_whole_lines_and_takes_the_rest_later(size: int, whole: bytes, rig: Rig) -> None:
    rig.open()
    assert rig.sink is not None
    batch = Batch(1, (block(b"1"), block(b"22", b"333"), block(b"4444")))
    for _ in range(3):
        rig.sink.send(batch)
        with room(size), pytest.raises(SinkDown, match=r"cannot write .*: File too large"):
            rig.sink.poll(0)
        assert rig.contents == [whole]
        rig.sink.abandon()
        rig.sink.open()
    rig.sink.send(batch)
    assert rig.sink.poll(0) == [Receipt(1)]
    assert rig.contents == [b"1\n22\n333\n4444\n"]


@pytest.mark.posix("a limit on the size of files stands for a full disk")
def test_batches_before_the_one_that_a_full_disk_refuses_count(rig: Rig) -> None:
    rig.open()
    assert rig.sink is not None
    for number in (1, 2, 3):
        rig.sink.send(Batch(number, (block(b"%d" % number),)))
    with room(5):
        assert rig.sink.poll(0) == [Receipt(1), Receipt(2)]
        with pytest.raises(SinkDown):
            rig.sink.poll(0)
    assert rig.contents == [b"1\n2\n"]
    assert rig.sink.poll(0) == [Receipt(3)]
    assert rig.contents == [b"1\n2\n3\n"]


@pytest.mark.posix("a limit on the size of files stands for a full disk")
def test_two_lines_of_an_event_are_not_torn_apart(rig: Rig) -> None:
    rig.open()
    assert rig.sink is not None
    events = Block(b"{}\n{1}\n{}\n{2}\n", [7, 14], [("", "", Origin(None, "", ""), None)] * 2)
    rig.sink.send(Batch(1, (events,)))
    with room(11), pytest.raises(SinkDown):
        rig.sink.poll(0)
    assert rig.contents == [b"{}\n{1}\n"]


def rename(path: Path) -> None:
    path.rename(path.with_name("taken"))


def replace(path: Path) -> None:
    path.with_name("other").write_bytes(b"other\n")
    if sys.platform == "win32":  # which replaces no file that is open
        remove(path)
    path.with_name("other").replace(path)


def truncate(path: Path) -> None:
    os.truncate(path, 0)


NEIGHBOURS = [rename, replace, truncate, remove]


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_a_file_that_another_program_takes_between_batches(neighbour: Callable[[Path], object], rig: Rig) -> None:
    rig.open()
    rig.send(b"1\n")
    neighbour(rig.path)
    rig.send(b"2\n")
    rig.send(b"3\n")
    assert rig.sink is not None
    assert rig.sink.reopened == 1
    assert rig.path.read_bytes().removeprefix(b"other\n") == b"2\n3\n"
    if neighbour is rename:
        assert rig.path.with_name("taken").read_bytes() == b"1\n"


def after_the_next_sync(act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let something happen right behind the next sync; holds the descriptor that was synced as soon as it has."""
    real = os.fsync
    synced: list[int] = []

    def fsync(descriptor: int) -> None:
        real(descriptor)
        if not synced:
            synced.append(descriptor)
            act()

    monkeypatch.setattr(os, "fsync", fsync)
    return synced


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_a_file_that_another_program_takes_before_a_batch_counts(
    neighbour: Callable[[Path], object], rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The neighbour comes between write and sync: what is not known to be in the file of the path is written there."""
    rig.open()
    rig.send(b"1\n")
    calls = after_the_next_sync(lambda: neighbour(rig.path), monkeypatch)
    rig.send(b"2\n")
    assert calls
    assert rig.path.read_bytes().removeprefix(b"other\n") == b"2\n"


def test_a_file_that_is_taken_all_the_time_is_a_state_and_no_error(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.open()
    assert rig.sink is not None
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        if rig.path.exists():
            remove(rig.path)

    monkeypatch.setattr(os, "fsync", fsync)
    rig.sink.send(Batch(1, (block(b"1"),)))
    with pytest.raises(SinkDown, match="another program replaces or cuts it all the time"):
        rig.sink.poll(0)


def test_a_taken_file_does_not_take_back_what_was_rotated(rig: Rig) -> None:
    rig.open(rotate_size=2)
    assert rig.sink is not None
    for number in (1, 2):
        rig.sink.send(Batch(number, (block(b"%d" % number),)))
    assert rig.sink.poll(0) == [Receipt(1), Receipt(2)]
    rig.path.unlink()
    rig.send(b"3\n")
    assert rig.contents == [b"1\n", b"3\n"]


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_a_file_that_another_program_takes_right_before_its_rotation(
    neighbour: Callable[[Path], object], rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not count yet is written again, also where the new file gets the inode of the one that was removed."""
    rig.open(rotate_size=4)
    assert rig.sink is not None
    calls = after_the_next_sync(lambda: neighbour(rig.path), monkeypatch)
    for number in (1, 2, 3):
        rig.sink.send(Batch(number, (block(b"%d" % number),)))
    receipts: list[Receipt] = []
    until(lambda: receipts.extend(rig.sink.poll(0)) or len(receipts) == 3, "all count")  # type: ignore[union-attr, func-returns-value]
    assert calls
    assert rig.sink.reopened == 1
    assert b"".join(rig.contents).replace(b"other\n", b"") == b"1\n2\n3\n"


def test_half_a_line_that_somebody_else_wrote_swallows_none_of_ours(rig: Rig) -> None:
    rig.open()
    rig.send(b"1\n")
    with rig.path.open("ab") as file:
        file.write(b"whole\nhalf")
    rig.send(b"2\n")
    assert rig.contents == [b"1\nwhole\n2\n"]


@pytest.mark.parametrize(
    "name", ["ev[prod].ndjson", "[", *([] if sys.platform == "win32" else ["ev*.ndjson", "e?.ndjson", "**"])]
)
def test_a_name_is_no_glob(name: str, rig: Rig) -> None:
    rig.path = rig.path.with_name(name)
    others = [rig.path.with_name(f"{other}.20170214T025719Z") for other in ("evp.ndjson", "ev.ndjson", "ex.ndjson", "x")]
    for other in others:
        other.write_bytes(b"of another output\n")
    rig.open(rotate_size=1, keep=2)
    for number in range(6):
        rig.send(b"%d\n" % number)
    assert rig.contents == [b"3\n", b"4\n", b"5\n"]
    assert [other.read_bytes() for other in others] == [b"of another output\n"] * 4


def test_two_shippers_do_not_share_a_file(rig: Rig) -> None:
    rig.open()
    link = rig.path.with_name("link")
    link.symlink_to(rig.path)
    for path in (rig.path, link)[: 1 + link.is_symlink()]:  # Wine makes none
        with pytest.raises(
            UsageError, match=f"output file {re.escape(str(path))} is in use by the mfa-shipper with pid {os.getpid()}; stop that"
        ):
            FileSink(FileOptions(str(path))).open()
    rig.close()
    second = FileSink(FileOptions(str(rig.path)))
    second.open()
    second.close(0)


@pytest.mark.posix("permissions that a user can be stopped by")
def test_a_folder_in_which_nothing_can_be_made_has_no_lock(tmp_path: Path) -> None:
    (tmp_path / "out").touch(0o666)
    tmp_path.chmod(0o555)
    code = (
        f"from shipper.deliver.file import *; sink = FileSink(FileOptions({str(tmp_path / 'out')!r})); sink.open(); sink.close(0)"
    )
    subprocess.run([*as_a_user(), sys.executable, "-c", code], check=True)
    tmp_path.chmod(0o755)
    assert os.listdir(tmp_path) == ["out"]


def test_a_folder_is_refused(rig: Rig) -> None:
    rig.path.mkdir()
    refuses(rig.path, "a folder")


@pytest.mark.posix("Windows has no pipe with a name among its files")
def test_a_fifo_is_refused(rig: Rig) -> None:
    os.mkfifo(rig.path)
    refuses(rig.path, "a FIFO")


def refuses(path: Path, kind: str) -> None:
    sentence = re.escape(f"output.file.path: {path} is {kind}, not a file; give the path of a file")
    with pytest.raises(UsageError, match=f"^{sentence}$"):
        FileSink(FileOptions(str(path)))


def test_a_device_is_refused() -> None:
    with pytest.raises(UsageError, match=f"{os.devnull} is a device, not a file"):
        FileSink(FileOptions(os.devnull))


@pytest.mark.posix("Windows has no pipe with a name among its files")
def test_a_fifo_that_takes_the_place_of_the_file_is_waited_for(rig: Rig) -> None:
    rig.open()
    rig.path.unlink()
    os.mkfifo(rig.path)
    assert rig.sink is not None
    rig.sink.send(Batch(1, (block(b"1"),)))
    with pytest.raises(SinkDown, match="is a FIFO, not a file"):
        rig.sink.poll(0)
    rig.sink.abandon()
    rig.path.unlink()
    rig.sink.open()
    rig.send(b"1\n")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SinkDown, match=f"cannot open .*: ({'|'.join(ABSENT)})"):
        FileSink(FileOptions(str(tmp_path / "nowhere" / "out"))).open()


def test_a_look_at_the_place_creates_nothing(tmp_path: Path) -> None:
    def said(path: Path) -> str | None:
        return FileSink(FileOptions(str(path))).verify()

    assert said(tmp_path / "out.ndjson") is None
    assert said(tmp_path / "no" / "out") == f"cannot open {tmp_path / 'no' / 'out'}: there is no folder {tmp_path / 'no'}"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_renamed_is_a_state_and_no_error(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder may not be written, or the name is as long as names may be."""
    rig.open(rotate_size=10)
    rig.send(b"12345678\n")
    rename = os.rename

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    assert rig.sink is not None
    monkeypatch.setattr(os, "rename", refuse)
    for _ in range(2):
        rig.sink.send(Batch(2, (block(b"next"),)))
        with pytest.raises(SinkDown, match=r"cannot write .*: Permission denied"):
            rig.sink.poll(0)
        rig.sink.abandon()
        rig.sink.open()
    monkeypatch.setattr(os, "rename", rename)
    rig.number = 1
    rig.send(b"next\n")
    assert rig.contents == [b"12345678\n", b"next\n"]


def test_a_file_that_cannot_be_opened_after_rotation(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.open(rotate_size=10)
    rig.send(b"12345678\n")
    assert rig.sink is not None
    opened = rig.sink._open
    calls: list[int] = []

    def fail_once() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise OSError(28, "No space left on device")
        opened()

    monkeypatch.setattr(rig.sink, "_open", fail_once)
    rig.sink.send(Batch(2, (block(b"next"),)))
    with pytest.raises(SinkDown, match="No space left on device"):
        rig.sink.poll(0)
    assert [receipt.number for receipt in rig.sink.poll(0)] == [2]
    assert rig.contents == [b"12345678\n", b"next\n"]
