"""The files in a tar archive. I/O."""

import os
import tarfile
import tempfile
from contextlib import ExitStack
from functools import partial

from shipper.errors import RunError, UsageError
from shipper.read.archive_members import MOST, ArchiveFile, Member, as_path, check_size, part_of
from shipper.read.compression import BLOCK, Read
from shipper.read.files import guarded


def unpacked_tar(path: str, read: Read, closing: ExitStack) -> tuple[int, RunError | None]:
    """Copy the bytes that can be read to a temporary file; return its descriptor, and what is wrong with the rest."""
    spool = closing.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  closed with the others
    failure: RunError | None = None
    while True:
        try:
            block = read(BLOCK)
        except RunError as error:
            block, failure = b"", error
        try:
            spool.write(block)
            if not block:
                spool.flush()
                return spool.fileno(), failure
        except OSError as error:
            raise UsageError(f"no room to unpack {path} in {tempfile.gettempdir()}: {error.strerror}; set TMPDIR") from None


def members_of_tar(path: str, descriptor: int, packed: int, *, unpacked: bool = False) -> tuple[list[Member], RunError | None]:
    """The files of an archive, and what is wrong with it.

    Args:
        path: of the archive.
        descriptor: of the archive; of an `unpacked` copy if the archive is compressed.
        packed: bytes of the file at `path`.

    Raises:
        UsageError: the archive holds too many files, or becomes too large.
    """
    infos: dict[str, tarfile.TarInfo] = {}
    twice: dict[str, int] = {}
    failure: RunError | None = None
    try:
        with tarfile.open(fileobj=ArchiveFile(descriptor), mode="r:") as archive:
            for number, info in enumerate(archive):
                if number >= MOST:
                    raise UsageError(f"{path} holds more than {MOST} files: unpack it yourself")
                if info.isreg():
                    name = as_path(info.name.removeprefix("./"))
                    if info.size < 0:
                        raise ValueError(f"its header says that {name} has {info.size} bytes")
                    twice[name] = twice.get(name, -1) + 1
                    infos[name] = info
            if not _all_nul(descriptor, archive.offset):
                behind = f"what stands behind byte {archive.offset} is not read"
                failure = RunError(f"{path}: the tar archive is damaged or cut off: {behind}")
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        failure = RunError(f"{path}: the tar archive is damaged or cut off: {error}")
    most = check_size(path, [info.size for info in infos.values()], packed)
    held = descriptor if unpacked else None
    members = [
        Member(path, name, partial(_bytes_of, f"{path}!{name}", info), most, held, twice[name]) for name, info in infos.items()
    ]
    return members, failure


def _bytes_of(name: str, info: tarfile.TarInfo, descriptor: int) -> Read:
    if info.issparse():
        with tarfile.open(fileobj=ArchiveFile(descriptor), mode="r:") as archive:
            content = archive.extractfile(info)
        assert content is not None
        raw = getattr(content, "raw", content)  # the buffered reader around it loses the bytes before an error
        return _whole(guarded(raw.read, name), info.size, name)
    return _whole(guarded(part_of(descriptor, info.offset_data, info.size), name), info.size, name)


def _whole(read: Read, size: int, name: str) -> Read:
    """Wrap `read` to raise an error behind its last byte if there are fewer than `size`."""
    left = size

    def reading(wanted: int) -> bytes:
        nonlocal left
        try:
            data = read(wanted)
        except tarfile.TarError:  # only from a sparse file
            data = b""
        left -= len(data)
        if not data and left:
            raise RunError(
                f"{name}: the tar archive ends too early, {left} bytes before the end of this file; its whole lines up to there were"
                " read: get the archive once more"
            )
        return data

    return reading


def _all_nul(descriptor: int, begin: int) -> bool:
    """True if an archive ends properly at `begin`: only NULs follow, and at least one."""
    read = part_of(descriptor, begin, os.fstat(descriptor).st_size - begin)
    seen = False
    while block := read(BLOCK):
        if block.strip(b"\0"):
            return False
        seen = True
    return seen
