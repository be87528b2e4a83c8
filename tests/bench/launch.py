"""Runs one command and reports what it took: CPU seconds, wall seconds, the peak memory of its largest process.

    python -I -S launch.py OUT COMMAND...

OUT is where the command's standard output goes. The report, a line of four numbers, goes to this
program's own standard output: exit status, CPU seconds, wall seconds, bytes.

Why a program of its own: after an `exec` the kernel keeps, as the new program's peak, what the
process that started it held. Started from a small process, a small program's peak is its own.

`RUSAGE_CHILDREN` adds up the CPU time and takes the largest peak of all processes below that were
waited for. A worker that its parent did not wait for would be missing, so this process adopts
orphans (Linux) and waits until there is nobody left.
"""

import ctypes
import os
import resource
import sys
import time

SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


def main() -> None:
    """Run the command to its end, and all that it left behind."""
    linux = sys.platform == "linux"
    if linux:
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    out, *command = sys.argv[1:]
    redirected = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    ]
    began = time.perf_counter()
    process = os.posix_spawnp(command[0], command, os.environ, file_actions=redirected)
    status = None
    wall = 0.0
    while True:
        try:
            pid, how = os.wait()
        except ChildProcessError:
            break
        if pid == process:
            wall, status = time.perf_counter() - began, os.waitstatus_to_exitcode(how)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(status, used.ru_utime + used.ru_stime, wall, used.ru_maxrss * (1024 if linux else 1))


if __name__ == "__main__":
    main()
