"""The streams of the command and the keys that end it, on any console. I/O.

A console of Windows takes bytes in a code page of its own, but text in any script; and it says that it is closed, or that a key
was pressed, on a thread of its own, while the others may wait for a pipe.
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
    CTRL_LOGOFF_EVENT = 5  # only services hear of it, which stay when somebody leaves
    FOREVER = 3600.0  # seconds

    _end: Callable[[int], None] | None = None

    def _on_event(event: int) -> int:
        if _end is not None and event in ENDS:
            _end(ENDS[event])
            if event not in KEYS:
                time.sleep(FOREVER)  # when this returns, Windows ends the process; it does so anyway, some seconds later
            return 1
        return int(event == CTRL_LOGOFF_EVENT)

    _HANDLER = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint32)(_on_event)  # kept: Windows calls it as long as the process lives

    def on_end(end: Callable[[int], None]) -> None:
        """`end` is called, with the number of a signal, for Ctrl-C, Ctrl-Break, and when the console is closed or Windows shuts
        down: on another thread, whatever the main thread waits for."""
        global _end
        if _end is None:
            ctypes.WinDLL("kernel32").SetConsoleCtrlHandler(_HANDLER, 1)
        _end = end

    def writer_of(descriptor: int) -> Write:
        """What writes to a descriptor. A console shows the UTF-8 as the text that it is."""
        return open(descriptor, "wb", buffering=0, closefd=False).write

    def reader_of(descriptor: int) -> Callable[[int], bytes]:
        """What reads from a descriptor, up to so many bytes. What is typed comes as UTF-8."""
        return open(descriptor, "rb", buffering=0, closefd=False).read

    @contextmanager
    def uninterrupted() -> Iterator[None]:
        """Processes that are started inside take no notice of Ctrl-C."""
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
        """Nothing to be done: signals come to the main thread, whatever it waits for."""

    def writer_of(descriptor: int) -> Write:
        """What writes to a descriptor."""
        return partial(os.write, descriptor)

    def reader_of(descriptor: int) -> Callable[[int], bytes]:
        """What reads from a descriptor, up to so many bytes."""
        return partial(os.read, descriptor)

    @contextmanager
    def uninterrupted() -> Iterator[None]:
        """Processes that are started inside take no notice of an interrupt, nor of SIGTERM; one that comes meanwhile waits."""
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})  # a new process inherits that
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _end_on_break() -> None:
        pass


def set_up() -> None:
    """What is said about the work never fails for a character that the encoding of the stream lacks; on Windows it is UTF-8.
    Ctrl-Break there ends a command as Ctrl-C does."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8" if sys.platform == "win32" else None, errors="backslashreplace")
    _end_on_break()
