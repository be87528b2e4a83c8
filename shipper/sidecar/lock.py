"""The lock of a state directory: one shipper at a time. I/O."""

import contextlib
import os
import sys
import time

from shipper.errors import UsageError

NAME = "lock"
PATIENCE = 1.0  # seconds: `status` takes the lock for a moment, to see whether it is free


class Lock:
    """Held as long as the process lives; released by the system when it dies, however it dies."""

    def __init__(self, state_dir: str) -> None:
        """
        Raises:
            UsageError: another shipper holds it, or the file cannot be created.
        """
        path = os.path.join(state_dir, NAME)
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
        except OSError as error:
            raise UsageError(f"{path} cannot be created: {error.strerror}") from None
        end = time.monotonic() + PATIENCE
        while not (held := _lock(self._descriptor)) and time.monotonic() < end:
            time.sleep(0.05)
        if not held:
            pid = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise UsageError(
                f"state_dir {state_dir} is in use by the mfa-shipper with pid {pid or 'unknown'}; stop that one, or give another state_dir"
            )
        with contextlib.suppress(OSError):  # on a full disk the lock is held, only without the pid in it
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Give the state directory free."""
        os.close(self._descriptor)


def lock_holder(state_dir: str) -> int | None:
    """The pid of the shipper that runs on a state directory, 0 if it is not known; None if none runs."""
    try:
        descriptor = os.open(os.path.join(state_dir, NAME), os.O_RDONLY)
    except OSError:
        return None
    try:
        if _lock(descriptor, shared=True):
            return None
        pid = os.read(descriptor, 32).strip()
        return int(pid) if pid.isdigit() else 0
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, shared: bool = False) -> bool:
    """True once it is locked. `shared` suffices to see whether another holds it, and needs no right to write."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # far behind the pid, so that others can still read that
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
