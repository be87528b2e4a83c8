"""Zip and tar archives: each file in one is a file of its own, under the path `ARCHIVE!MEMBER`. I/O.

Only a compressed tar archive is unpacked to disk, because it can only be read forwards: it goes into a temporary file
without a name. An archive inside an archive is refused, like any other file that is no log.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from shipper.errors import RunError, UsageError
from shipper.read.archive_members import Member, part_of
from shipper.read.compression import Read, Unpacked, form_of
from shipper.read.signatures import LOOK, TAR, ZIP, no_log
from shipper.read.tar_archive import members_of_tar, unpacked_tar
from shipper.read.zip_archive import members_of_zip
from shipper.shared_files import open_log, read_at


@contextmanager
def open_archive(path: str) -> Iterator[list[Member] | None]:
    """Open an archive and yield its files, in archive order; None if the file is no archive.

    Raises:
        UsageError: the file cannot be read, or the archive holds no files, or more than is reasonable.
        RunError: on leaving the block: the archive is damaged or cut off. Inside it, files are read as far as they can be.
    """
    with ExitStack() as closing:
        try:
            descriptor = open_log(path)
            try:
                members, failure = _members(path, descriptor, closing)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
        if members is not None and not members:
            raise UsageError(str(failure or f"{path} is an archive without files"))
        yield members
        if failure is not None:
            raise failure


Opened = tuple[list[Member] | None, RunError | None]
"""The files of an archive, and what is wrong with it."""


def _members(path: str, descriptor: int, closing: ExitStack) -> Opened:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return None, None
    head = read_at(descriptor, LOOK, 0)
    kind, form = no_log(head), form_of(head)
    if kind is ZIP:
        return members_of_zip(path, descriptor, status.st_size), None
    if kind is TAR:
        return members_of_tar(path, descriptor, status.st_size)
    if form is None or no_log(_beginning(Unpacked(form, part_of(descriptor, 0, status.st_size), path))) is not TAR:
        return None, None
    spool, failure = unpacked_tar(path, Unpacked(form, part_of(descriptor, 0, status.st_size), path), closing)
    members, damage = members_of_tar(path, spool, status.st_size, unpacked=True)
    return members, failure or damage


def _beginning(read: Read) -> bytes:
    """Read enough of the beginning to tell what a file is, as far as it can be read."""
    head = b""
    try:
        while len(head) < LOOK and (block := read(LOOK - len(head))):
            head += block
    except RunError:
        pass
    return head
