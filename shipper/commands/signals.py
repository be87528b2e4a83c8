"""The signals of `run`: end in order, end at once, reload. I/O."""

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

GRACE = 0.4  # seconds between `shutdown_timeout` and the end of a shipper whose sink does not give way


class Stop:
    """Set by a signal; who waits for it goes on at once.

    Not `threading.Event`: its lock is not reentrant, and a handler that sets it while the same thread is on its way
    into `wait` never returns.

    It holds two sockets until it is closed.

    Attributes:
        reload: a signal asked to read the configuration again; for who does it to take back.
        timeout: seconds from the signal to the end, at the latest.
    """

    def __init__(self, timeout: float = 10.0) -> None:
        self.reload = False
        self.timeout = timeout
        self._set = False
        self._since = 0.0
        self._reader, self._writer = socket.socketpair()  # Windows can wait for nothing else
        self._writer.setblocking(False)

    def set(self) -> None:
        """Stop. May be called by a signal handler at any moment, and by another thread."""
        self._set, self._since = True, self._since or time.monotonic()
        self._wake()

    def ask_to_reload(self) -> None:
        """Likewise, to read the configuration again."""
        self.reload = True
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # it is full, or closed
            self._writer.send(b"x")

    def close(self) -> None:
        """Give the sockets back. A later signal is noted, and wakes nobody."""
        self._reader.close()
        self._writer.close()

    def is_set(self) -> bool:
        """True from the first `set` on."""
        return self._set

    @property
    def left(self) -> float:
        """Seconds until the end; `timeout` before the signal."""
        return max(0.0, self.timeout - (time.monotonic() - self._since)) if self._set else self.timeout

    def wait(self, seconds: float) -> bool:
        """Wait until it is set or a reload is asked for, for so many seconds at most; True if it is set.

        Who waits again and again after that, for a sink that is away, does not take a whole processor.
        """
        if self._set:
            time.sleep(min(seconds, 0.01))
        elif select.select([self._reader], [], [], seconds)[0] and not self._set:
            self._reader.recv(4096)
        return self._set


def catch(stop: Stop) -> None:
    """The first signal to end ends the shipper in order within `stop.timeout`, the second one at once; SIGHUP reloads.

    On Windows the signals are Ctrl-C, Ctrl-Break, and that the console is closed or Windows shuts down.
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
    """End the shipper in order, within `stop.timeout`. May be called by a signal handler at any moment, and more than once.

    Args:
        stop: is set.
        at_the_latest: called before the process is ended because it did not end in that time.
    """
    if stop.is_set():
        return
    stop.set()
    _thread.start_new_thread(_end_after, (stop.timeout + GRACE, at_the_latest))  # `Thread` takes locks, which a handler must not


def _end_after(seconds: float, at_the_latest: Callable[[], None]) -> None:
    """End the process, whatever its other thread is waiting for: a client that connects, a disk that hangs.

    It is the end of a kill, at a moment at which that costs nothing but repeats.
    """
    time.sleep(seconds)
    _thread.start_new_thread(_leave, ())
    at_the_latest()
    log("warning", "the sink does not answer; what was read and not delivered is delivered by the next run")
    os._exit(0)


def _leave() -> None:
    time.sleep(GRACE / 2)  # standard error may be what hangs
    os._exit(0)
