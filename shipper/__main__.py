"""The command `mfa-shipper`, also as `python -m shipper`."""

import signal
import sys


def main() -> None:
    """Run the command.

    A SIGHUP must not end `run` while it starts, and importing takes longest: ignore the signal until the handlers are set.
    Nothing is lost, since no configuration has been read that could be reloaded.
    """
    if sys.argv[1:2] == ["run"] and hasattr(signal, "SIGHUP"):  # not on Windows
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if sys.platform == "win32" and sys.argv[1:3] == ["service", "host"]:
        from shipper.service.host import main as command
    else:
        from shipper.cli import main as command
    command()


if __name__ == "__main__":
    main()
