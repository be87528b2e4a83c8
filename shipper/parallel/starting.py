"""Start worker processes. I/O.

With fork, where the system has it: a fork costs nothing and inherits everything. Windows can only start a new program, so the
work is sent to it: all but standard input, which only one process can read.
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
MOST = 60 if sys.platform == "win32" else 256  # `ProcessPoolExecutor` takes no more on Windows

if sys.platform == "win32":
    import ctypes
    from multiprocessing.connection import PipeConnection

    Connection = PipeConnection

    PAUSE = 0.005  # seconds

    def has_message(connection: Connection) -> bool:
        """True if a message waits, or the other end is closed. Not `poll`: it starts a read and cancels it, which loses
        messages under Wine."""
        size = ctypes.c_uint32()
        peek = ctypes.WinDLL("kernel32").PeekNamedPipe
        there = peek(ctypes.c_void_p(connection.fileno()), None, 0, None, ctypes.byref(size), None)
        return not there or size.value > 0

    def wait_for(connections: Collection[Connection], processes: Collection[BaseProcess]) -> list[object]:
        """Wait for a message or the end of a process; return connections with a message and sentinels of ended processes."""
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
        """True if a message waits, or the other end is closed."""
        return connection.poll()

    def wait_for(connections: Collection[Connection], processes: Collection[BaseProcess]) -> list[object]:
        """Wait for a message or the end of a process; return connections with a message and sentinels of ended processes."""
        return list(wait([*connections, *(process.sentinel for process in processes)]))


def can_share(stdin: Read | None) -> bool:
    """True if other processes can do part of the work; `stdin` reads standard input, None if that is no input."""
    return METHOD == "fork" or stdin is None


def settle() -> None:
    """Turn off the collector of reference cycles in a new process, as in its parent; only a forked one inherits that."""
    gc.disable()
