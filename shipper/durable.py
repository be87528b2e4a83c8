"""Writes files whose content and name survive a loss of power. I/O.

A new or renamed file is safe only once both its content and its folder have been synced.
"""

import contextlib
import errno
import os
import sys

from shipper.shared_files import open_shared, patiently

# Errors of file systems that cannot sync a folder (network shares, FUSE) or deny opening it.
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)
NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)  # refuses a symbolic link in place of the file; not on Windows


def write_durably(path: str, data: bytes, mode: int = 0o640) -> None:
    """Replace the content of `path`: after a crash the file has the old content or the new, never a part of it.

    Raises:
        OSError: not written; the old content is still there.
    """
    temporary = f"{path}.new"
    write_synced(temporary, data, mode)
    _make_alike(temporary, path)
    rename_durably(temporary, path)


def write_synced(path: str, data: bytes, mode: int = 0o640) -> None:
    """Create or overwrite a file and sync its content, but not its folder: a new name may still be lost.

    Raises:
        OSError: nothing or only a part was written. A symbolic link is not followed.
    """
    descriptor = open_made(path, os.O_WRONLY | os.O_TRUNC | NOFOLLOW, mode)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_made(path: str, flags: int, mode: int = 0o640) -> int:
    """Open a file, creating it if it does not exist, and return the descriptor.

    A file that root creates belongs to the owner of its folder: otherwise a command that was run once as root would leave
    files that the service cannot open.

    Raises:
        OSError: the file cannot be opened or created.
    """
    try:
        descriptor = open_shared(path, flags | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return open_shared(path, flags | os.O_CREAT, mode)
    if sys.platform != "win32" and os.geteuid() == 0:
        folder = os.stat(os.path.dirname(os.path.abspath(path)))
        with contextlib.suppress(OSError):  # a file system without owners
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor


def _make_alike(path: str, model: str) -> None:
    """Give the file at `path` the mode of `model` and, if permitted, its owner; do nothing if `model` does not exist."""
    if sys.platform == "win32":
        return
    try:
        status = os.stat(model)
    except FileNotFoundError:
        return
    with contextlib.suppress(PermissionError):
        os.chown(path, status.st_uid, status.st_gid)
    os.chmod(path, status.st_mode & 0o777)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, in as many calls as it takes.

    Raises:
        OSError: a part may have been written.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def rename_durably(source: str, target: str) -> None:
    """Rename `source` to `target`, replacing an existing file, and sync the folder.

    Raises:
        OSError: the file was not renamed, or a loss of power may undo the renaming.
    """
    patiently(os.replace, source, target)
    sync_folder(target)


def sync_folder(path: str) -> None:
    """Sync the folder of `path`, a file just created or renamed. No effect where folders cannot be synced.

    Raises:
        OSError: the device failed.
    """
    if sys.platform == "win32":
        return  # Windows cannot open a folder; NTFS keeps a journal of its changes
    try:
        descriptor = os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
