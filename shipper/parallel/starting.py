"""How other processes are started. I/O.

By fork where there is one, which costs nothing and hands on whatever there is. Windows starts programs only, so the work is sent
to a new one: all of it but standard input, which only one process can read.
"""

import gc
import os
import sys
import time
from collections.abc import Collection
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

from shipper.read.files import Read

METHOD = "fork" if hasattr(os, "fork") else "spawn"
MOST = 60 if sys.platform == "win32" else 256  # the executor of `each.py` takes no more there

if sys.platform == "win32":
    import ctypes
    from multiprocessing.connection import PipeConnection

    Connection = PipeConnection

    PAUSE = 0.005  # seconds

    def has_message(connection: Connection) -> bool:
        """True if something came, or nothing will any more. `poll` begins to read and takes that back, which loses messages
        under Wine."""
        size = ctypes.c_uint32()
        peek = ctypes.WinDLL("kernel32").PeekNamedPipe
        there = peek(ctypes.c_void_p(connection.fileno()), None, 0, None, ctypes.byref(size), None)
        return not there or size.value > 0

    def wait_for(connections: Collection[Connection], processes: Collection[BaseProcess]) -> list[object]:
        """Wait until a message came or a process ended: those connections, and the sentinels of those processes."""
        while True:
            ended = [process.sentinel for process in processes if process.exitcode is not None]
            ready = [*filter(has_message, connections), *ended]
            if ready:
                return ready
            time.sleep(PAUSE)

else:
    from multiprocessing import connection as pipes

    Connection = pipes.Connection

    def has_message(connection: Connection) -> bool:
        """True if something came, or nothing will any more."""
        return connection.poll()

    def wait_for(connections: Collection[Connection], processes: Collection[BaseProcess]) -> list[object]:
        """Wait until a message came or a process ended: those connections, and the sentinels of those processes."""
        return list(wait([*connections, *(process.sentinel for process in processes)]))


def can_share(stdin: Read | None) -> bool:
    """True if other processes can do a part of the work; `stdin` is what reads standard input, if that is a part of it."""
    return METHOD == "fork" or stdin is None


def settle() -> None:
    """In a new process: what a forked one has from its parent, which does without the collector of cycles."""
    gc.disable()
