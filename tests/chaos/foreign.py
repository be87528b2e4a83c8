"""A server that writes a log, in a process of its own: it renames, deletes and compresses its log while others have it open.

`Foreign` tells such a process what to do. The process is this module as a program; it uses nothing of `shipper`. On Windows it
opens the log as a server must that renames it while it writes: others may read, write, rename and delete it. Half of the logs it
opens as most programs do there, so that nobody can rename or delete them; those it closes first.
"""

import gzip
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.support.removal import remove

KEPT = 30  # rotated logs; more than a test makes
PATIENCE = 60.0  # seconds until a deleted name is free on Windows: until the last who had the file open has closed it


class Foreign:
    """The process, and what it has written so far: `generations` as those of `shipper.testing.LogWriter`."""

    def __init__(self, path: str, seed: int) -> None:
        self.generations: list[bytearray] = [bytearray()]
        command, pipe = [sys.executable, "-m", "tests.chaos.foreign", path, str(seed)], subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe)

    def write(self, data: bytes) -> None:
        """Append to the log; makes it if it is not there."""
        self._order(f"write {len(data)}", data)
        self.generations[-1] += data

    def rename(self) -> None:
        """The log becomes `.1`, that one `.2`, and so on; the next write makes a new log."""
        self._end_generation("rename")

    def delete(self) -> None:
        """Delete the log; the next write makes a new one."""
        self._end_generation("delete")

    def compress(self) -> None:
        """`.1` becomes `.1.gz`."""
        self._order("compress")

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=PATIENCE)

    def _end_generation(self, order: str) -> None:
        if self.generations[-1]:
            self._order(order)
            self.generations.append(bytearray())

    def _order(self, order: str, data: bytes = b"") -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{order}\n".encode() + data)
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer.strip() == b"done", f"{order}: {answer!r}"


class Log:
    """The log in the process that writes it."""

    def __init__(self, path: Path, seed: int) -> None:
        self._path, self._random = path, random.Random(seed)
        self._descriptor, self._shared = -1, True

    def write(self, data: bytes) -> None:
        if self._descriptor < 0:
            self._shared = self._random.random() < 0.5
            end = time.monotonic() + PATIENCE
            while self._descriptor < 0:
                try:
                    self._descriptor = open_to_append(str(self._path), shared=self._shared)
                except PermissionError:
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.005)
        while data:
            data = data[os.write(self._descriptor, data) :]

    def rename(self) -> None:
        self._close_unless_shared()
        for number in range(KEPT, 0, -1):
            for ending in ("", ".gz"):
                rotated = self._rotated(number, ending)
                if rotated.exists():
                    rotated.rename(self._rotated(number + 1, ending))
        self._path.rename(self._rotated(1))
        self._close()

    def delete(self) -> None:
        self._close_unless_shared()
        remove(self._path)
        self._close()

    def compress(self) -> None:
        plain, packed = self._rotated(1), self._rotated(1, ".gz")
        if plain.exists():
            with open(plain, "rb") as source, gzip.open(packed, "wb") as target:
                shutil.copyfileobj(source, target)
            remove(plain)

    def _rotated(self, number: int, ending: str = "") -> Path:
        return self._path.with_name(f"{self._path.name}.{number}{ending}")

    def _close_unless_shared(self) -> None:
        if not self._shared:
            self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


if sys.platform == "win32":
    import ctypes
    import msvcrt
    from ctypes import wintypes

    create_file = ctypes.WinDLL("kernel32", use_last_error=True).CreateFileW
    create_file.restype = wintypes.HANDLE
    GENERIC_WRITE, SHARE_ALL, OPEN_ALWAYS, NORMAL = 0x40000000, 1 | 2 | 4, 4, 0x80

    def open_to_append(path: str, *, shared: bool) -> int:
        if not shared:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_BINARY)
        handle = create_file(path, GENERIC_WRITE, SHARE_ALL, None, OPEN_ALWAYS, NORMAL, None)
        if handle == ctypes.c_void_p(-1).value:
            raise ctypes.WinError(ctypes.get_last_error())
        return msvcrt.open_osfhandle(handle, os.O_WRONLY | os.O_APPEND | os.O_BINARY)
else:

    def open_to_append(path: str, *, shared: bool) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def main() -> None:
    """Do what is ordered, one line after the other."""
    log = Log(Path(sys.argv[1]), int(sys.argv[2]))
    orders = {"rename": log.rename, "delete": log.delete, "compress": log.compress}
    for line in sys.stdin.buffer:
        order, _, size = line.decode().strip().partition(" ")
        if size:
            log.write(sys.stdin.buffer.read(int(size)))
        else:
            orders[order]()
        print("done", flush=True)


if __name__ == "__main__":
    main()
