"""Runs a module as `python -m` does, in a process that hears a Ctrl-Break when its standard input ends. For Windows.

Wine has no console that could send one to a process. So this one calls what the program gave to `SetConsoleCtrlHandler`, on another
thread, as Windows does.
"""

import runpy
import sys
import threading

from shipper import consoles

CTRL_BREAK_EVENT = 1


def break_at_the_end() -> None:
    sys.stdin.buffer.read()
    if sys.platform == "win32":
        consoles._on_event(CTRL_BREAK_EVENT)


if __name__ == "__main__":
    threading.Thread(target=break_at_the_end, daemon=True).start()
    module = sys.argv.pop(1)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
