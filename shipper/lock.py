"""Locks: a file that one process at a time can hold, and that contains the pid of this process. I/O."""

import contextlib
import os
import sys
import time

from shipper.durable import NOFOLLOW, open_made
from shipper.errors import UsageError
from shipper.shared_files import open_shared

PATIENCE = 1.0  # seconds; a process that calls `holder` holds the lock for a moment


class Lock:
    """A held lock. The system releases it when the process ends, however it ends."""

    def __init__(self, path: str, guarded: str, remedy: str) -> None:
        """
        Args:
            path: the lock file; it stays when the lock is released.
            guarded: what the lock guards, as errors call it.
            remedy: what a user can do when another shipper holds the lock.

        Raises:
            UsageError: another shipper holds the lock.
            OSError: the file cannot be created.
        """
        self._descriptor = open_made(path, os.O_RDWR | NOFOLLOW)
        end = time.monotonic() + PATIENCE
        while not _take(self._descriptor, shared=False):
            if time.monotonic() > end:
                pid = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
                os.close(self._descriptor)
                raise UsageError(f"{guarded} is in use by the mfa-shipper with pid {pid or 'unknown'}; {remedy}")
            time.sleep(PATIENCE / 100)
        with contextlib.suppress(OSError):  # on a full disk the lock is held without a pid in the file
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)


def lock_beside(path: str) -> str:
    """The path of the lock file for a file, in the same folder."""
    folder, name = os.path.split(os.path.realpath(path))
    return os.path.join(folder, f".{name}.lock")


def holder(path: str) -> int | None:
    """The pid of the shipper that holds this lock file, 0 if the pid is unknown; None if no shipper holds it.

    Raises:
        OSError: the file exists and cannot be read.
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

            os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # far behind the pid, so that others can still read the pid
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
