"""A signal may come at any moment, also while the loop is on its way into waiting."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shipper.commands.signals import Stop

# A signal again and again, while the program does nothing but wait again and again.
STORM = """
import os
import signal
from shipper.commands.signals import Stop
caught = 0
def handler(number, frame):
    global caught, stop
    caught += 1
    stop.set()
stop = Stop()
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
while caught < 1000:
    stop._set = False
    stop.wait(0.00001)
signal.setitimer(signal.ITIMER_REAL, 0)
print("ended", flush=True)
os._exit(0)  # a last signal may come while Python takes its handlers away
"""


@pytest.mark.posix("a timer's signal")
def test_a_signal_in_the_middle_of_waiting_is_no_deadlock() -> None:
    done = subprocess.run([sys.executable, "-c", STORM], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "ended\n"


@pytest.mark.posix("a timer's signal")
def test_who_waits_goes_on_at_once() -> None:
    stop = Stop()
    previous = signal.signal(signal.SIGALRM, lambda number, frame: stop.set())
    try:
        began = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert not stop.is_set()
        assert stop.wait(30.0)
        assert time.monotonic() - began < 25
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert stop.is_set()
    assert stop.wait(30.0)


def test_a_signal_after_the_end_writes_into_no_file_that_has_the_number_of_its_socket(tmp_path: Path) -> None:
    stop = Stop()
    pair = {stop._reader.fileno(), stop._writer.fileno()}
    stop.close()
    with contextlib.ExitStack() as files:
        taken = {files.enter_context(open(tmp_path / name, "wb")).fileno() for name in ("a", "b")}
        stop.set()
        stop.ask_to_reload()
        assert taken == pair or sys.platform == "win32"  # where the numbers of sockets are no numbers of files
    assert stop.is_set()
    assert all(os.path.getsize(tmp_path / name) == 0 for name in ("a", "b"))
