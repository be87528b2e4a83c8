"""How a command ends: its errors become one sentence each, and an exit status. I/O.

Exit status: 0 done, 1 failed while running, 2 wrong usage, 130 after SIGINT; after SIGTERM that of the signal.
"""

import os
import signal
from collections.abc import Callable

import click

from shipper.commands.options import near_options
from shipper.commands.screen import tell
from shipper.errors import MfaShipperError, Terminated, of_system
from shipper.printable import printable


def _complain(sentence: str) -> None:
    tell("mfa-shipper:", "\n".join(map(printable, sentence.split("\n"))))


def end_in_order() -> None:
    """Make the first SIGTERM end a command as an interrupt does: no partial file stays, and the terminal gets its cursor back."""

    def end(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # timeout(1) sends a second one
        raise Terminated

    signal.signal(signal.SIGTERM, end)


def exit_status(command: Callable[[], object]) -> int:
    """Run a command and return its exit status; an error is shown as one sentence."""
    status: object = None
    try:
        status = command()
    except click.exceptions.Abort:
        status = 130
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption):
            error = click.NoSuchOption(error.option_name, possibilities=near_options(error))
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            error.show()
        else:
            _complain(error.format_message())
        status = 2
    except MfaShipperError as error:
        _complain(str(error))
        status = error.exit_status
    except OSError as error:
        _complain(of_system(error))
        status = 1
    except KeyboardInterrupt:
        status = 130
    except Terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)  # so that the parent process sees the signal
    return status if isinstance(status, int) else 0
