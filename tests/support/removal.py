"""Deletes files that somebody has open."""

import os
import secrets
import sys
import tempfile
from pathlib import Path


def remove(path: Path) -> None:
    """The name is gone at once, and whoever has the file open keeps it: as on POSIX, and on Windows since Windows 10.

    Under Wine the name would stay until the last has closed the file, and whoever opened it again would write into the file that goes.
    """
    if sys.platform == "win32":
        path = path.rename(Path(tempfile.gettempdir()) / f"removed-{secrets.token_hex(8)}")
    os.unlink(path)
