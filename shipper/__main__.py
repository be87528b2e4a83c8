"""The command `mfa-shipper`, also as `python -m shipper`."""

import os
import signal
import sys


def main() -> None:
    """Run the command.

    A SIGHUP must not end `run` while it starts, and importing takes longest: ignore the signal until the handlers are set.
    Nothing is lost, since no configuration has been read that could be reloaded. Ctrl-C ends the imports without an exception:
    compiled modules are not prepared for one, and nobody would catch it.
    """
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:  # it may be ignored, as in the background of a shell script
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))
    if sys.argv[1:2] == ["run"] and hasattr(signal, "SIGHUP"):  # not on Windows
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if sys.platform == "win32" and sys.argv[1:3] == ["service", "host"]:
        from shipper.service.host import main as command
    else:
        from shipper.cli import main as command
    signal.signal(signal.SIGINT, interrupt)
    command()


if __name__ == "__main__":
    main()
