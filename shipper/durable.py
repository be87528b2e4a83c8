"""Files that survive a loss of power: what was written is on the disk, and so is its name. I/O.

A new or renamed file is safe only when its folder has been synced as well as its content.
"""

import errno
import os
import sys

# What file systems answer that cannot sync a folder (network shares, FUSE), or that do not let us open it.
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)


def write_durably(path: str, data: bytes, mode: int = 0o640) -> None:
    """Replace the content of `path`: after a crash there is the old content or the new one, never a part.

    Raises:
        OSError: not written; the old content is still there.
    """
    temporary = f"{path}.new"
    write_synced(temporary, data, mode)
    rename_durably(temporary, path)


def write_synced(path: str, data: bytes, mode: int = 0o640) -> None:
    """Create or overwrite a file; its bytes are on the disk when this returns, its name perhaps not yet.

    Raises:
        OSError: not written, or only in part.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, in as many calls as it takes.

    Raises:
        OSError: a part of it may have been written.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def rename_durably(source: str, target: str) -> None:
    """Give the file `source` the name `target`, which it takes from any other file, for good.

    Raises:
        OSError: not renamed; or renamed, and the name may be lost with a loss of power.
    """
    os.replace(source, target)
    sync_folder(target)


def sync_folder(path: str) -> None:
    """Make the name of a file that was just created or renamed safe. No effect where folders cannot be synced.

    Raises:
        OSError: the device failed.
    """
    if sys.platform == "win32":
        return  # a folder cannot be opened there; NTFS logs its changes by itself
    try:
        descriptor = os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
