"""Opens files so that other programs may rename, replace, delete and truncate them meanwhile. I/O.

POSIX always allows that. On Windows a file opened by Python can be neither renamed nor deleted, which would harm the watched
server. So files are opened with `CreateFileW` and full sharing (Microsoft, "CreateFileW function", dwShareMode). Windows also
refuses to rename or delete a file while a virus scanner reads it, so `patiently` retries for a while.
"""

import errno
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

Open = Callable[[str], int]
"""Opens a path for reading and returns the descriptor; raises OSError."""

PATIENCE = 2.0  # seconds; a scanner reads a new file for a fraction of a second
PAUSE = 0.02  # seconds

if sys.platform == "win32":
    import ctypes
    import msvcrt

    GENERIC_READ, GENERIC_WRITE = 0x80000000, 0x40000000
    SHARE_ALL = 1 | 2 | 4  # FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_SHARE_DELETE
    CREATE_NEW, CREATE_ALWAYS, OPEN_EXISTING, OPEN_ALWAYS, TRUNCATE_EXISTING = 1, 2, 3, 4, 5
    FILE_ATTRIBUTE_NORMAL = 0x80
    INVALID_HANDLE_VALUE = ctypes.c_void_p(-1).value
    ACCESS_DENIED, SHARING_VIOLATION, LOCK_VIOLATION = 5, 32, 33

    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel32.CreateFileW.restype = ctypes.c_void_p
    _kernel32.CreateFileW.argtypes = (
        ctypes.c_wchar_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p,
    )  # fmt: skip
    _kernel32.CloseHandle.argtypes = (ctypes.c_void_p,)

    def _open(path: str, flags: int, mode: int) -> int:
        access = {os.O_RDONLY: GENERIC_READ, os.O_WRONLY: GENERIC_WRITE}.get(flags & 3, GENERIC_READ | GENERIC_WRITE)
        handle = _kernel32.CreateFileW(path, access, SHARE_ALL, None, _disposition(flags), FILE_ATTRIBUTE_NORMAL, None)
        if handle in (None, INVALID_HANDLE_VALUE):
            error = ctypes.WinError(ctypes.get_last_error())
            if error.winerror == ACCESS_DENIED and os.path.isdir(path):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            error.filename = path
            raise error
        try:
            return msvcrt.open_osfhandle(handle, flags & (os.O_APPEND | 3) | os.O_BINARY | os.O_NOINHERIT)
        except OSError:
            _kernel32.CloseHandle(handle)
            raise

    def _disposition(flags: int) -> int:
        if flags & os.O_CREAT and flags & os.O_EXCL:
            return CREATE_NEW
        if flags & os.O_CREAT:
            return CREATE_ALWAYS if flags & os.O_TRUNC else OPEN_ALWAYS
        return TRUNCATE_EXISTING if flags & os.O_TRUNC else OPEN_EXISTING

    def _handed_on(descriptor: int, popen: Any) -> tuple[Any, ...]:
        handle = popen.duplicate_for_child(msvcrt.get_osfhandle(descriptor))
        return msvcrt.open_osfhandle, (handle, os.O_RDWR | os.O_BINARY)

    def _is_held(error: OSError) -> bool:
        return error.winerror in (ACCESS_DENIED, SHARING_VIOLATION, LOCK_VIOLATION)

    def _pread(descriptor: int, size: int, offset: int) -> bytes:
        before = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, offset, os.SEEK_SET)
        try:
            return os.read(descriptor, size)
        finally:
            os.lseek(descriptor, before, os.SEEK_SET)

    def _pwrite(descriptor: int, data: bytes | memoryview, offset: int) -> int:
        before = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, offset, os.SEEK_SET)
        try:
            return os.write(descriptor, data)
        finally:
            os.lseek(descriptor, before, os.SEEK_SET)

    NONBLOCK = 0
else:
    _pread, _pwrite = os.pread, os.pwrite
    NONBLOCK = os.O_NONBLOCK

    def _open(path: str, flags: int, mode: int) -> int:
        return os.open(path, flags, mode)

    def _handed_on(descriptor: int, popen: Any) -> tuple[Any, ...]:
        return int, (popen.duplicate_for_child(descriptor),)

    def _is_held(error: OSError) -> bool:
        return False


def open_shared(path: str, flags: int, mode: int = 0o640) -> int:
    """Open a file and return the descriptor, which no other program inherits. Line ends are never translated.

    Args:
        path: the file.
        flags: those of `os.open`.
        mode: mode of a new file, on systems that have modes.

    Raises:
        OSError: the file cannot be opened.
    """
    return _open(path, flags, mode)


def open_log(path: str) -> int:
    """Open a file for reading and return the descriptor. Never blocks, not even on a pipe without a writer.

    Raises:
        OSError: the file cannot be opened.
    """
    return _open(path, os.O_RDONLY | NONBLOCK, 0)


@cache  # a descriptor can be passed to a process only once; pickle recognizes the same object
def handed_on(descriptor: int) -> "_HandedOn":
    """Wrap a descriptor to send it to a process that `multiprocessing` spawns, which receives its own descriptor of the file."""
    return _HandedOn(descriptor)


class _HandedOn:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __reduce__(self) -> tuple[Any, ...]:
        from multiprocessing.context import get_spawning_popen

        return _handed_on(self._descriptor, get_spawning_popen())


def patiently(change: Callable[..., None], *paths: str) -> None:
    """Rename, replace or delete files; retry for `PATIENCE` seconds while another program makes Windows refuse.

    Raises:
        OSError: the error of the last attempt.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            change(*paths)
        except PermissionError as error:
            if not _is_held(error) or time.monotonic() > end:
                raise
        else:
            return
        time.sleep(PAUSE)


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Read `size` bytes from `offset`, fewer only at the end of the file, without moving the position of the descriptor."""
    parts: list[bytes] = []
    while size > 0:
        part = _pread(descriptor, size, offset)
        if not part:
            break
        parts.append(part)
        size -= len(part)
        offset += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def write_at(descriptor: int, data: bytes | memoryview, offset: int) -> int:
    """Write at `offset` and return how many bytes were written, without moving the position of the descriptor."""
    return _pwrite(descriptor, data, offset)
