"""Locks: a file that one process at a time can hold, with the pid of that process in it. I/O."""

import contextlib
import os
import sys
import time

from shipper.durable import NOFOLLOW, open_made
from shipper.errors import UsageError
from shipper.shared_files import open_shared

PATIENCE = 1.0  # seconds; who only looks whether a lock is held holds it for a moment


class Lock:
    """Held as long as the process lives; released by the system when it dies, however it dies."""

    def __init__(self, path: str, guarded: str, remedy: str) -> None:
        """
        Args:
            path: the file of the lock; it stays when the lock is released.
            guarded: what the lock stands for, as errors call it.
            remedy: what a user can do when another shipper holds it.

        Raises:
            UsageError: another shipper holds it.
            OSError: the file cannot be made.
        """
        self._descriptor = open_made(path, os.O_RDWR | NOFOLLOW)
        end = time.monotonic() + PATIENCE
        while not _take(self._descriptor, shared=False):
            if time.monotonic() > end:
                pid = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
                os.close(self._descriptor)
                raise UsageError(f"{guarded} is in use by the mfa-shipper with pid {pid or 'unknown'}; {remedy}")
            time.sleep(PATIENCE / 100)
        with contextlib.suppress(OSError):  # on a full disk the lock is held, only without the pid in it
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let others have it."""
        os.close(self._descriptor)


def lock_beside(path: str) -> str:
    """The path of the lock of a file, which stands in the same folder."""
    folder, name = os.path.split(os.path.realpath(path))
    return os.path.join(folder, f".{name}.lock")


def holder(path: str) -> int | None:
    """The pid of the shipper that holds the lock of this file, 0 if it is not known; None if none does.

    Raises:
        OSError: the file is there and cannot be read.
    """
    try:
        descriptor = open_shared(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        if _take(descriptor, shared=True):
            return None
        pid = os.read(descriptor, 32).strip()
        return int(pid) if pid.isdigit() else 0
    finally:
        os.close(descriptor)


def _take(descriptor: int, *, shared: bool) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # far behind the pid, so that others can still read that
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            finally:
                os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
