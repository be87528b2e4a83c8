"""Opening a log so that its writer can still rename and delete it. I/O.

POSIX always allows that. On Windows a file that Python has opened cannot be renamed, which would harm
the very server that is being watched, so it is opened with `CreateFileW` and all sharing allowed
(Microsoft, "CreateFileW function", dwShareMode).
"""

import os
import sys
from collections.abc import Callable
from typing import Any

Open = Callable[[str], int]
"""Opens a path for reading and returns the descriptor; raises OSError."""

GENERIC_READ = 0x80000000
FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_SHARE_DELETE = 1, 2, 4
OPEN_EXISTING = 3
FILE_ATTRIBUTE_NORMAL = 0x80
NO_HANDLE = (None, -1, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)  # INVALID_HANDLE_VALUE, as a pointer of 32 or 64 bits


def open_posix(path: str) -> int:
    """Open a file on any system but Windows. Never blocks, not even on a pipe that nobody writes to."""
    return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))


def open_windows(path: str, kernel32: Any, to_descriptor: Callable[[int, int], int], error: Callable[[], OSError]) -> int:
    """Open a file on Windows, with all sharing allowed.

    Args:
        path: the file.
        kernel32: the library, `ctypes.WinDLL("kernel32")`.
        to_descriptor: `msvcrt.open_osfhandle`.
        error: returns the error of the last call.

    Raises:
        OSError: it cannot be opened.
    """
    share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE
    handle = kernel32.CreateFileW(path, GENERIC_READ, share, None, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, None)
    if handle in NO_HANDLE:
        raise error()
    try:
        return to_descriptor(handle, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError:
        kernel32.CloseHandle(handle)
        raise


def default_opener() -> Open:
    """The opener for this system."""
    if sys.platform == "win32":
        import ctypes
        import msvcrt

        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel32.CreateFileW.restype = ctypes.c_void_p

        def last() -> OSError:
            return ctypes.WinError(ctypes.get_last_error())

        return lambda path: open_windows(path, kernel32, msvcrt.open_osfhandle, last)
    return open_posix


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Up to `size` bytes from `offset`, fewer only at the end of the file."""
    parts: list[bytes] = []
    while size > 0:
        if hasattr(os, "pread"):
            part = os.pread(descriptor, size, offset)
        else:
            os.lseek(descriptor, offset, os.SEEK_SET)
            part = os.read(descriptor, size)
        if not part:
            break
        parts.append(part)
        size -= len(part)
        offset += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
