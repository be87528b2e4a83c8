"""The commands `mfa-shipper service ...`. I/O."""

import sys
from typing import Literal

import click

from shipper.commands.options import CONFIG
from shipper.errors import UsageError


@click.group(short_help="Install, start and stop the sidecar as a Windows service.")
def service() -> None:
    """Install, start, stop and remove the sidecar as a Windows service. These need an administrator."""


@service.command()
@CONFIG
def install(config_file: str) -> None:
    """Install the service, or change the one that is there: start with Windows, restart after a failure, an account of its own."""
    _control("install", config_file)


@service.command()
@CONFIG
def start(config_file: str) -> None:
    """Start the service and wait until it runs."""
    _control("start", config_file)


@service.command()
@CONFIG
def stop(config_file: str) -> None:
    """Stop the service: it delivers what it has read, within shutdown_timeout."""
    _control("stop", config_file)


@service.command()
@CONFIG
def remove(config_file: str) -> None:
    """Stop and remove the service; configuration and state_dir stay."""
    _control("remove", config_file)


def _control(action: Literal["install", "start", "stop", "remove"], config_file: str) -> None:
    _only_on_windows()
    from shipper.service import control

    for sentence in getattr(control, action)(config_file):
        print(sentence)


def _only_on_windows() -> None:
    """
    Raises:
        UsageError: this is not Windows, or pywin32 is missing.
    """
    if sys.platform != "win32":
        raise UsageError("`service` is for Windows; here systemd runs the sidecar: deploy/systemd/mfa-shipper.service")
    try:
        import win32service  # noqa: F401
    except ImportError:
        raise UsageError(
            "`service` needs the extra windows (pywin32 is missing): in a checkout, pip install '.[windows]'"
        ) from None
