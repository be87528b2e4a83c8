"""The streams of the command and the keys that end it, on any console. I/O.

A Windows console takes bytes only in its code page, but text in any script. It reports a key press or its closing on a
separate thread, while the other threads may wait for a pipe.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import TextIOWrapper

Write = Callable[[bytes | memoryview], int]
"""Writes some of the bytes, and returns how many."""

if sys.platform == "win32":
    import ctypes
    import time

    ENDS = {0: signal.SIGINT, 1: signal.SIGBREAK, 2: signal.SIGTERM, 6: signal.SIGTERM}  # CTRL_C, _BREAK, _CLOSE, _SHUTDOWN_EVENT
    KEYS = (0, 1)
    CTRL_LOGOFF_EVENT = 5  # sent only to services, which keep running when a user logs off
    FOREVER = 3600.0  # seconds

    _end: Callable[[int], None] | None = None

    def _on_event(event: int) -> int:
        if _end is not None and event in ENDS:
            _end(ENDS[event])
            if event not in KEYS:
                time.sleep(FOREVER)  # when this returns, Windows ends the process; it does so anyway, some seconds later
            return 1
        return int(event == CTRL_LOGOFF_EVENT)

    _HANDLER = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint32)(_on_event)  # kept: Windows calls it until the process ends

    def on_end(end: Callable[[int], None]) -> None:
        """Call `end` with the number of a signal on Ctrl-C or Ctrl-Break, and when the console is closed or Windows shuts
        down: on another thread, whatever the main thread waits for."""
        global _end
        if _end is None:
            ctypes.WinDLL("kernel32").SetConsoleCtrlHandler(_HANDLER, 1)
        _end = end

    def writer_of(descriptor: int) -> Write:
        """A function that writes to a descriptor. A console shows UTF-8 bytes as text."""
        return open(descriptor, "wb", buffering=0, closefd=False).write

    def reader_of(descriptor: int) -> Callable[[int], bytes]:
        """A function that reads from a descriptor, up to a number of bytes. Typed text arrives as UTF-8."""
        return open(descriptor, "rb", buffering=0, closefd=False).read

    @contextmanager
    def uninterrupted() -> Iterator[None]:
        """Make processes that are started inside ignore Ctrl-C."""
        kernel32 = ctypes.WinDLL("kernel32")
        kernel32.SetConsoleCtrlHandler(None, 1)  # a new process inherits that
        try:
            yield
        finally:
            kernel32.SetConsoleCtrlHandler(None, 0)

    def _end_on_break() -> None:
        signal.signal(signal.SIGBREAK, signal.default_int_handler)

else:

    def on_end(end: Callable[[int], None]) -> None:
        """Do nothing: signals reach the main thread, whatever it waits for."""

    def writer_of(descriptor: int) -> Write:
        """A function that writes to a descriptor."""
        return partial(os.write, descriptor)

    def reader_of(descriptor: int) -> Callable[[int], bytes]:
        """A function that reads from a descriptor, up to a number of bytes."""
        return partial(os.read, descriptor)

    @contextmanager
    def uninterrupted() -> Iterator[None]:
        """Block SIGINT and SIGTERM: processes that are started inside never receive them, this one does at the end."""
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})  # a new process inherits that
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _end_on_break() -> None:
        pass


def set_up() -> None:
    """Make standard output and error escape characters that their encoding lacks, instead of failing. On Windows, set them to
    UTF-8, and let Ctrl-Break end a command as Ctrl-C does."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8" if sys.platform == "win32" else None, errors="backslashreplace")
    _end_on_break()
