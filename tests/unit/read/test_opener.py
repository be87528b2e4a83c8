"""Opening a log: here, and on Windows through injected functions (not run on Windows)."""

import os
from pathlib import Path

import pytest

from shipper.read.opener import default_opener, open_windows, read_at


class Kernel32:
    """Notes what it is called with."""

    def __init__(self, handle: int | None) -> None:
        self.handle = handle
        self.calls: list[tuple[object, ...]] = []
        self.closed: list[int] = []

    def CreateFileW(self, *arguments: object) -> int | None:  # noqa: N802  Windows' name
        self.calls.append(arguments)
        return self.handle

    def CloseHandle(self, handle: int) -> None:  # noqa: N802  Windows' name
        self.closed.append(handle)


def test_a_log_can_be_renamed_and_deleted_while_it_is_open(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123")
    descriptor = default_opener()(str(path))
    path.rename(tmp_path / "b")
    (tmp_path / "b").unlink()
    assert read_at(descriptor, 2, 1) == b"12"
    assert read_at(descriptor, 9, 2) == b"23"
    assert read_at(descriptor, 9, 4) == b""
    os.close(descriptor)


def test_a_pipe_under_the_name_of_a_log_does_not_stop_us(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    os.close(default_opener()(str(tmp_path / "a")))  # nobody writes to it


def test_a_log_is_not_handed_on_to_other_programs(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    descriptor = default_opener()(str(tmp_path / "a"))
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_windows_shares_reading_writing_and_deleting() -> None:
    kernel = Kernel32(42)
    assert open_windows("C:\\a.log", kernel, lambda handle, flags: handle + 1, lambda: OSError()) == 43
    path, access, sharing, security, disposition, attributes, template = kernel.calls[0]
    assert (path, access, sharing, disposition) == ("C:\\a.log", 0x80000000, 1 | 2 | 4, 3)
    assert (security, attributes, template) == (None, 0x80, None)
    assert kernel.closed == []


@pytest.mark.parametrize("handle", [None, -1, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF])
def test_windows_says_why_not(handle: int | None) -> None:
    def last() -> OSError:
        return PermissionError("it is used by another process")

    with pytest.raises(PermissionError, match="another process"):
        open_windows("a", Kernel32(handle), lambda handle, flags: 0, last)


def test_a_windows_handle_is_not_leaked() -> None:
    kernel = Kernel32(42)

    def refuse(handle: int, flags: int) -> int:
        raise OSError("too many descriptors")

    with pytest.raises(OSError, match="too many"):
        open_windows("a", kernel, refuse, lambda: OSError())
    assert kernel.closed == [42]
