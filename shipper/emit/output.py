"""The output of `parse`: standard output, or a file that appears only when it is complete. I/O."""

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from shipper.consoles import writer_of
from shipper.durable import rename_durably
from shipper.errors import RunError, UsageError, reader_is_gone
from shipper.shared_files import handed_on, open_shared, patiently


class ClosedPipe(Exception):
    """The reader of standard output has closed the pipe."""


class Output:
    """Writes blocks to a file descriptor; `written` counts the bytes. Errors call the output `name`. `is_temporary`: the file gets
    its name only when it is complete."""

    def __init__(self, descriptor: int, name: str, *, is_temporary: bool = False) -> None:
        self.descriptor = descriptor
        self.is_temporary = is_temporary
        self._name = name
        self._write = writer_of(descriptor)
        self.written = 0

    def __reduce__(self) -> tuple[Any, ...]:  # for a worker process, which writes to the same file
        return Output, (handed_on(self.descriptor), self._name)

    def write(self, block: bytes) -> None:
        """Write a whole block, in as many calls as it takes.

        Raises:
            ClosedPipe: the reader has gone.
            RunError: the device is full or failed; a part may have been written.
        """
        rest = memoryview(block)
        try:
            while rest:
                size = self._write(rest)
                self.written += size
                rest = rest[size:]
        except OSError as error:
            if reader_is_gone(error):
                raise ClosedPipe from None
            raise RunError(f"cannot write {self._name}: {error.strerror}, after {self.written} bytes") from None


@contextmanager
def open_output(path: str | None) -> Iterator[Output]:
    """The output for `--output PATH` (None or `-`: standard output).

    A file is written under a temporary name in the same folder, and renamed when all of it is on disk. After
    an error there is no new file, and an existing file is unchanged. Devices and pipes are written directly.

    Raises:
        UsageError: the file cannot be created, or standard output is closed.
    """
    if path is None or path == "-":
        if sys.stdout is None:
            raise UsageError("standard output is closed; redirect it or give --output FILE")
        yield Output(sys.stdout.fileno(), "standard output")
        return
    if not path:
        raise UsageError("--output names no file; leave it out for standard output")
    try:
        if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
            descriptor, temporary = open_shared(path, os.O_WRONLY), None
        else:
            folder = os.path.dirname(os.path.realpath(path))
            prefix = f".{os.path.basename(path)[:32]}."  # cut: the name may already be as long as allowed
            descriptor, temporary = tempfile.mkstemp(prefix=prefix, suffix=".part", dir=folder)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
    except FileNotFoundError:
        raise UsageError(f"cannot create {path}: there is no folder {os.path.dirname(path)}; create it first") from None
    except OSError as error:
        raise UsageError(f"cannot create {path}: {error.strerror}") from None
    try:
        try:
            yield Output(descriptor, path, is_temporary=temporary is not None)
            if temporary is not None:
                _sync(descriptor, path)
        finally:
            os.close(descriptor)  # Windows does not rename an open file
        if temporary is not None:
            _settle(temporary, path)
    except BaseException:
        if temporary is not None:
            with suppress(FileNotFoundError):  # already renamed, if only syncing the folder failed
                patiently(os.unlink, temporary)
        raise


def _sync(descriptor: int, path: str) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise _unfinished(path, error) from None


def _settle(temporary: str, path: str) -> None:
    try:
        rename_durably(temporary, os.path.realpath(path))
    except OSError as error:
        raise _unfinished(path, error) from None


def _unfinished(path: str, error: OSError) -> RunError:
    return RunError(f"cannot finish {path}: {error.strerror}")
