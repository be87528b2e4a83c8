"""The files in a zip archive, each read where it stands. I/O."""

import os
import zipfile
import zlib
from collections import Counter
from functools import partial

from shipper.errors import RunError, UsageError
from shipper.read.archive_members import ArchiveFile, Member, as_path, check_size, part_of
from shipper.read.compression import Read, Unpacked, zip_form
from shipper.read.files import guarded
from shipper.shared_files import read_at

ENCRYPTED = 1  # flag of a file
LOCAL_HEADER = 30  # bytes, without name and extra field


def members_of_zip(path: str, descriptor: int, size: int) -> list[Member]:
    """The files of the open archive at `path`.

    Raises:
        UsageError: the archive is damaged, cut off or encrypted, uses an unsupported method, or becomes too large.
    """
    try:
        with zipfile.ZipFile(ArchiveFile(descriptor)) as archive:
            given = [(as_path(info.filename.replace("\\", "/")), info) for info in archive.infolist()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UsageError(f"{path}: the zip archive is damaged or cut off: {error}; repair it, or get it once more") from None
    times = Counter(name for name, _ in given)
    infos = {name: info for name, info in given if not name.endswith("/")}
    most = check_size(path, [info.file_size for info in infos.values()], size)
    for name, info in infos.items():
        if info.flag_bits & ENCRYPTED:
            raise UsageError(f"{path}!{name} is encrypted: unpack it first")
        if info.compress_type and zip_form(info.compress_type) is None:
            raise UsageError(f"{path}!{name} is packed by method {info.compress_type} of zip, which is not read: unpack it first")
    return [
        Member(path, name, partial(_bytes_of, f"{path}!{name}", info), most, replaces=times[name] - 1)
        for name, info in infos.items()
    ]


def _bytes_of(name: str, info: zipfile.ZipInfo, descriptor: int) -> Read:
    inside = 0 <= info.header_offset < os.fstat(descriptor).st_size
    head = read_at(descriptor, LOCAL_HEADER, info.header_offset) if inside else b""
    begin = info.header_offset + LOCAL_HEADER + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    if head[:4] != b"PK\3\4":
        return _failing(f"{name}: damaged zip archive: there is no file where its directory says")
    packed = guarded(part_of(descriptor, begin, info.compress_size), name)
    form = zip_form(info.compress_type)
    return _checked(packed if form is None else Unpacked(form, packed, name), info, name)


def _failing(sentence: str) -> Read:
    def reading(size: int) -> bytes:
        raise RunError(sentence)

    return reading


def _checked(read: Read, info: zipfile.ZipInfo, name: str) -> Read:
    """Wrap `read` to return as many bytes as the directory says, and to raise an error if size or check sum is wrong."""
    size, check, is_longer = 0, 0, False

    def reading(wanted: int) -> bytes:
        nonlocal size, check, is_longer
        data = b"" if is_longer else read(wanted)
        is_longer = is_longer or len(data) > info.file_size - size
        data = data[: info.file_size - size]
        size += len(data)
        check = zlib.crc32(data, check)
        if not data and (is_longer or (size, check) != (info.file_size, info.CRC)):
            raise RunError(f"{name}: damaged zip archive: size or check sum of the file are not those of its directory")
        return data

    return reading
