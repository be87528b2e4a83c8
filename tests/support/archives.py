"""Makes zip and tar archives for tests."""

import io
import tarfile
import zipfile
from collections.abc import Mapping

Files = Mapping[str, bytes]


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of these files, and a folder."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.mkdir("folder")
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def tarred(files: Files, form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive of these files, a folder, and a link that leads out of it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        folder, link = tarfile.TarInfo("folder"), tarfile.TarInfo("link.log")
        folder.type, link.type, link.linkname = tarfile.DIRTYPE, tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(folder)
        archive.addfile(link)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()
