"""The signals of `run` and `detect`: end in order, end at once, reload. I/O."""

import _thread
import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable

from shipper.consoles import on_end
from shipper.sidecar.log import log

GRACE = 0.4  # seconds from `shutdown_timeout` to the end of a shipper whose sink hangs


class Stop:
    """A flag that a signal sets, and that wakes a waiting thread at once.

    Not `threading.Event`: its lock is not reentrant, so a handler that sets it while the same thread is entering `wait`
    never returns.

    It holds two sockets until it is closed.

    Attributes:
        reload: True if a signal asked to reload; the code that reloads resets it.
        timeout: seconds from the signal to the end, at most.
    """

    def __init__(self, timeout: float = 10.0) -> None:
        self.reload = False
        self.timeout = timeout
        self._set = False
        self._since = 0.0
        self._reader, self._writer = socket.socketpair()  # on Windows, `select` takes nothing else
        self._writer.setblocking(False)

    def set(self) -> None:
        """Ask to stop. Safe in a signal handler at any moment, and on any thread."""
        self._set, self._since = True, self._since or time.monotonic()
        self._wake()

    def ask_to_reload(self) -> None:
        """Ask to read the configuration again; as safe as `set`."""
        self.reload = True
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # the socket is full, or closed
            self._writer.send(b"x")

    def close(self) -> None:
        """Close the sockets. A later signal still sets the flag, but wakes nobody."""
        self._reader.close()
        self._writer.close()

    def is_set(self) -> bool:
        """True from the first `set` on."""
        return self._set

    @property
    def left(self) -> float:
        """Seconds left until the end; `timeout` before the signal."""
        return max(0.0, self.timeout - (time.monotonic() - self._since)) if self._set else self.timeout

    def wait(self, seconds: float) -> bool:
        """Wait for a stop or a reload, for so many seconds at most; return True if the stop is set.

        Once the stop is set, a call sleeps up to 10 ms, so that a loop that waits for a sink does not take a whole processor.
        """
        if self._set:
            time.sleep(min(seconds, 0.01))
        elif select.select([self._reader], [], [], seconds)[0] and not self._set:
            self._reader.recv(4096)
        return self._set


def catch(stop: Stop) -> None:
    """Make the first stop signal end the shipper in order within `stop.timeout`, the second one at once; SIGHUP reloads.

    On Windows the stop signals are Ctrl-C, Ctrl-Break, closing the console, and shutting down Windows.
    """

    def caught(number: int, frame: object = None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        begin_end(stop)

    on_end(caught)
    signal.signal(signal.SIGTERM, caught)
    signal.signal(signal.SIGINT, caught)
    if hasattr(signal, "SIGHUP"):  # not on Windows
        signal.signal(signal.SIGHUP, lambda number, frame: stop.ask_to_reload())


def begin_end(stop: Stop, at_the_latest: Callable[[], None] = lambda: None) -> None:
    """End the shipper in order, within `stop.timeout`. Safe in a signal handler at any moment, and more than once.

    Args:
        stop: the flag to set.
        at_the_latest: called before the process is killed because it did not end in time.
    """
    if stop.is_set():
        return
    stop.set()
    _thread.start_new_thread(_end_after, (stop.timeout + GRACE, at_the_latest))  # `Thread` takes locks, which a handler must not


def _end_after(seconds: float, at_the_latest: Callable[[], None]) -> None:
    """End the process after `seconds`, whatever its main thread waits for: a client that connects, a disk that hangs.

    This is like a kill, at a moment when a kill costs only repeated events.
    """
    time.sleep(seconds)
    _thread.start_new_thread(_leave, ())
    at_the_latest()
    log("warning", "the sink does not answer; what was read and not delivered is delivered by the next run")
    os._exit(0)


def _leave() -> None:
    time.sleep(GRACE / 2)  # standard error may be what hangs
    os._exit(0)
