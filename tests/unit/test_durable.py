"""What must survive a loss of power: content is synced before a file takes its name, the folder after that.

The order of the calls is recorded; they still happen.
"""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shipper.deliver.dead_letters import DeadLetterFile
from shipper.deliver.file import FileOptions, FileSink
from shipper.deliver.sink import Batch, Refusal
from shipper.durable import sync_folder, write_durably
from shipper.emit.output import open_output
from shipper.errors import RunError
from shipper.sidecar.checkpoint import Checkpoint
from shipper.testing import block

FOLDER = [] if sys.platform == "win32" else ["sync ."]  # Windows syncs no folder


class Recorder:
    """Syncs and renames below a folder, in their order: `sync NAME`, `sync .` for the folder, `rename NAME`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.calls: list[str] = []
        self.fails: dict[str, OSError] = {}
        for name, record in (("fsync", self._sync), ("replace", self._rename), ("rename", self._rename)):
            monkeypatch.setattr(os, name, self._recording(getattr(os, name), record))

    def _recording(self, real: Callable[..., None], record: Callable[..., str]) -> Callable[..., None]:
        def call(*arguments: str | int) -> None:
            self.calls.append(record(*arguments))
            if self.calls[-1] in self.fails:
                raise self.fails[self.calls[-1]]
            real(*arguments)

        return call

    def _sync(self, descriptor: int) -> str:
        status = os.fstat(descriptor)
        paths = [self.folder, *self.folder.iterdir()]
        [name] = {str(path.relative_to(self.folder)) for path in paths if os.path.samestat(path.stat(), status)}
        return f"sync {name}"

    def _rename(self, source: str, target: str) -> str:
        return f"rename {os.path.relpath(target, self.folder)}"


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(tmp_path, monkeypatch)


def test_content_name_folder(recorder: Recorder, tmp_path: Path) -> None:
    write_durably(str(tmp_path / "a"), b"one")
    write_durably(str(tmp_path / "a"), b"two")
    assert recorder.calls == ["sync a.new", "rename a", *FOLDER] * 2
    assert (tmp_path / "a").read_bytes() == b"two"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640 or sys.platform == "win32"
    assert os.listdir(tmp_path) == ["a"]


def test_the_folder_of_a_bare_name_is_the_current_one(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sync_folder("a")
    assert recorder.calls == FOLDER


@pytest.mark.posix("Wine makes no symbolic links")
def test_the_folder_of_a_link_is_that_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "link").symlink_to(elsewhere / "a")
    recorder = Recorder(elsewhere, monkeypatch)
    sync_folder(str(tmp_path / "link"))
    assert recorder.calls == FOLDER


def test_a_failed_write_leaves_the_old_content(recorder: Recorder, tmp_path: Path) -> None:
    write_durably(str(tmp_path / "a"), b"old")
    recorder.fails["sync a.new"] = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="No space"):
        write_durably(str(tmp_path / "a"), b"new")
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_folders_is_no_error(number: int, recorder: Recorder, tmp_path: Path) -> None:
    recorder.fails["sync ."] = OSError(number, "unsupported")
    write_durably(str(tmp_path / "a"), b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


@pytest.mark.posix("Windows syncs no folder")
def test_a_device_that_fails_is_one(recorder: Recorder, tmp_path: Path) -> None:
    recorder.fails["sync ."] = OSError(errno.EIO, "Input/output error")
    with pytest.raises(OSError, match="Input/output error"):
        write_durably(str(tmp_path / "a"), b"x")


# Who writes durably


def refused(*lines: bytes) -> tuple[Refusal, ...]:
    return Batch(1, (block(*lines),)).refusals(dict.fromkeys(range(len(lines)), "x"))


def test_the_checkpoint(recorder: Recorder, tmp_path: Path) -> None:
    assert Checkpoint(str(tmp_path)).save({}, {}) is None
    assert recorder.calls == ["sync checkpoint.json.new", "rename checkpoint.json", *FOLDER]


def test_a_new_file_of_dead_letters(recorder: Recorder, tmp_path: Path) -> None:
    letters = DeadLetterFile(str(tmp_path / "letters"))
    letters.add(refused(b"1"))
    assert recorder.calls == ["sync letters", *FOLDER]
    recorder.calls.clear()
    letters.add(refused(b"2"))
    assert recorder.calls == ["sync letters"]


def test_dead_letters_that_were_delivered(recorder: Recorder, tmp_path: Path) -> None:
    letters = DeadLetterFile(str(tmp_path / "letters"))
    letters.add(refused(b"1", b"2"))
    recorder.calls.clear()
    letters.keep_only([1])
    assert recorder.calls == ["sync letters.new", "rename letters", *FOLDER]


def test_the_output_file_of_the_sidecar(recorder: Recorder, tmp_path: Path) -> None:
    sink = FileSink(FileOptions(str(tmp_path / "out"), rotate_size=1))
    sink.open()
    assert recorder.calls == FOLDER
    for number in (1, 2):
        recorder.calls.clear()
        sink.send(Batch(number, (block(b"line"),)))
        sink.poll(0)
    sink.close(0)
    assert recorder.calls[0] == "sync out"
    assert recorder.calls[1].startswith("rename out.2")
    assert recorder.calls[2:] == [*FOLDER, "sync out"]


def test_the_output_of_parse(recorder: Recorder, tmp_path: Path) -> None:
    with open_output(str(tmp_path / "out")) as out:
        out.write(b"x")
    assert recorder.calls[0].endswith(".part")
    assert recorder.calls[1:] == ["rename out", *FOLDER]


@pytest.mark.posix("Windows syncs no folder")
def test_an_output_of_parse_whose_folder_cannot_be_synced(recorder: Recorder, tmp_path: Path) -> None:
    recorder.fails["sync ."] = OSError(errno.EIO, "Input/output error")
    with pytest.raises(RunError, match=r"cannot finish .*out: Input/output error"), open_output(str(tmp_path / "out")) as out:
        out.write(b"x")
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.posix("only root makes files for others")
def test_what_root_makes_in_the_folder_of_a_user_belongs_to_the_user(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root makes files for others")
    os.chown(tmp_path, 1234, 1235)
    write_durably(str(tmp_path / "a"), b"one")
    assert ((tmp_path / "a").stat().st_uid, (tmp_path / "a").stat().st_gid) == (1234, 1235)


def test_a_file_that_is_replaced_keeps_mode_and_owner(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "a").chmod(0o604)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        os.chown(tmp_path / "a", 1234, 1235)
    before = (tmp_path / "a").stat()
    write_durably(str(tmp_path / "a"), b"two")
    after = (tmp_path / "a").stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


@pytest.mark.posix("Wine makes no symbolic links")
def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "a.new").symlink_to("precious")
    with pytest.raises(OSError, match="symbolic link"):
        write_durably(str(tmp_path / "a"), b"one")
    assert (tmp_path / "precious").read_bytes() == b"precious"
