"""Installs, starts, stops and removes the Windows service, as an administrator. I/O, only on Windows."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pywintypes
import win32evtlogutil
import win32service
import winerror

from shipper.config.load import load_config
from shipper.errors import RunError, UsageError
from shipper.service.log import EVENT_TEXTS, log_file
from shipper.service.rights import ACCOUNT, NAME, make_state_dir

DESCRIPTION = "Follows the logs of Azure MFA Server and of the NPS extension, and delivers their events."
SECOND = 1000  # in milliseconds, the unit of the service manager
RECOVERY = {
    "ResetPeriod": 24 * 60 * 60,  # seconds without a failure, after which the actions start over
    "RebootMsg": "",
    "Command": "",
    "Actions": [(win32service.SC_ACTION_RESTART, wait * SECOND) for wait in (5, 30, 60)],  # the last one repeats
}
PATIENCE = 40.0  # seconds; Windows itself gives a service 30 to start
_UNKNOWN = (winerror.ERROR_CALL_NOT_IMPLEMENTED, winerror.ERROR_INVALID_LEVEL, winerror.ERROR_NOT_SUPPORTED)


def install(config_file: str) -> list[str]:
    """Install the service, or update it to this configuration and this version's settings; return sentences about it.

    Raises:
        UsageError: the configuration is wrong.
        RunError: Windows refuses.
    """
    config_file = os.path.abspath(config_file)
    with _in_folder_of(config_file):
        config, _ = load_config(config_file, os.environ, "inputs")
        state_dir = os.path.abspath(config.state_dir)
        with _manager() as manager:
            make_state_dir(state_dir)
            command = subprocess.list2cmdline([*_program(), "service", "host", "--config", config_file])
            with _told():
                service = _create_or_change(manager, command)
                unknown = [name for name, level, value in _settings() if not _set(service, level, value)]
                win32evtlogutil.AddSourceToRegistry(NAME, EVENT_TEXTS, "Application")
    told = [
        f"the service {NAME} is installed: it starts some minutes after Windows, as {ACCOUNT}",
        f"it may write to {state_dir}, and logs to {log_file(state_dir)}",
    ]
    return told + [f"this Windows does not know {name}: set without it" for name in unknown]


def start(config_file: str) -> list[str]:
    """Check the configuration, start the service, and wait until it runs.

    Raises:
        UsageError: the service is not installed, has another configuration, or its configuration is wrong.
        RunError: the service does not run.
    """
    with _manager() as manager, _told():
        service = _own(manager, config_file)
        if _state(service) == win32service.SERVICE_RUNNING:
            return [f"the service {NAME} runs already"]
        with _in_folder_of(config_file):
            config, _ = load_config(os.path.abspath(config_file), os.environ, "inputs")
            log = log_file(os.path.abspath(config.state_dir))
        win32service.StartService(service, None)
        if not _reaches(service, win32service.SERVICE_RUNNING, win32service.SERVICE_STOPPED):
            raise RunError(f"the service {NAME} has not begun within {PATIENCE:.0f} seconds; see {log}")
        if _state(service) != win32service.SERVICE_RUNNING:
            raise RunError(f"the service {NAME} ended at once; {log} and the event log (Application, {NAME}) say why")
    return [f"the service {NAME} runs"]


def stop(config_file: str) -> list[str]:
    """Stop the service in order, and wait for its end.

    Raises:
        UsageError: the service is not installed, or has another configuration.
        RunError: the service does not end.
    """
    with _manager() as manager, _told():
        service = _own(manager, config_file)
        return [f"the service {NAME} is stopped" if _stop(service) else f"the service {NAME} did not run"]


def remove(config_file: str) -> list[str]:
    """Stop and remove the service, if there is one; configuration, state and log stay.

    Raises:
        UsageError: the service has another configuration.
        RunError: Windows refuses.
    """
    with _manager() as manager, _told():
        try:
            service = _own(manager, config_file)
        except _NotInstalled:
            return [f"there is no service {NAME}"]
        _stop(service)
        win32service.DeleteService(service)
        with contextlib.suppress(pywintypes.error):  # it is not registered
            win32evtlogutil.RemoveSourceFromRegistry(NAME)
    return [f"the service {NAME} is removed; its configuration and state_dir are still there"]


class _NotInstalled(UsageError):
    """There is no service of ours."""


def _program() -> list[str]:
    """The program for Windows to start: this one, or this Python. Not the command that pip creates: it starts another process."""
    return [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "shipper"]


@contextlib.contextmanager
def _in_folder_of(config_file: str) -> Iterator[None]:
    """Work in the folder of the configuration, to which its relative paths refer, as in `host`."""
    folder = os.path.dirname(os.path.abspath(config_file))
    if not os.path.isdir(folder):
        raise UsageError(f"there is no folder {folder}")
    with contextlib.chdir(folder):
        yield


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn errors of Windows into a `RunError` with a sentence."""
    try:
        yield
    except pywintypes.error as error:
        if error.winerror == winerror.ERROR_ACCESS_DENIED:
            raise RunError("this needs an administrator: open the console with `Run as administrator`") from None
        if error.winerror == winerror.ERROR_SERVICE_MARKED_FOR_DELETE:
            raise RunError(
                f"the service {NAME} is still being removed: close the window `Services` and try again, or restart Windows"
            ) from None
        raise RunError(f"Windows refuses: {error.strerror.rstrip('.')} ({error.funcname}, error {error.winerror})") from None


@contextlib.contextmanager
def _manager() -> Iterator[Any]:
    with _told():
        manager = win32service.OpenSCManager(None, None, win32service.SC_MANAGER_ALL_ACCESS)
    try:
        yield manager
    finally:
        win32service.CloseServiceHandle(manager)


def _own(manager: Any, config_file: str) -> Any:
    """The service installed with this configuration.

    Raises:
        UsageError: there is no service, or it has another configuration.
    """
    try:
        service = win32service.OpenService(manager, NAME, win32service.SERVICE_ALL_ACCESS)
    except pywintypes.error as error:
        if error.winerror != winerror.ERROR_SERVICE_DOES_NOT_EXIST:
            raise
        raise _NotInstalled(f"there is no service {NAME}: mfa-shipper service install --config FILE makes it") from None
    command = win32service.QueryServiceConfig(service)[3]
    given = subprocess.list2cmdline(["--config", os.path.abspath(config_file)])
    if not os.path.normcase(command).endswith(os.path.normcase(given)):
        raise UsageError(f"the service {NAME} has another configuration; it is: {command}")
    return service


def _create_or_change(manager: Any, command: str) -> Any:
    kind = win32service.SERVICE_WIN32_OWN_PROCESS, win32service.SERVICE_AUTO_START, win32service.SERVICE_ERROR_NORMAL
    allowed = win32service.SERVICE_ALL_ACCESS
    try:
        return win32service.CreateService(manager, NAME, NAME, allowed, *kind, command, None, False, None, ACCOUNT, None)
    except pywintypes.error as error:
        if error.winerror != winerror.ERROR_SERVICE_EXISTS:
            raise
    service = win32service.OpenService(manager, NAME, allowed)
    win32service.ChangeServiceConfig(service, *kind, command, None, False, None, ACCOUNT, None, NAME)
    return service


def _settings() -> list[tuple[str, int, object]]:
    return [
        ("descriptions", win32service.SERVICE_CONFIG_DESCRIPTION, DESCRIPTION),
        ("delayed start", win32service.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, True),
        ("recovery actions", win32service.SERVICE_CONFIG_FAILURE_ACTIONS, RECOVERY),
    ]


def _set(service: Any, level: int, value: object) -> bool:
    """Change a setting; return False if the service manager does not know it."""
    try:
        win32service.ChangeServiceConfig2(service, level, value)
    except pywintypes.error as error:
        if error.winerror not in _UNKNOWN:
            raise
        return False
    return True


def _stop(service: Any) -> bool:
    """Stop the service; return False if it did not run."""
    if _state(service) == win32service.SERVICE_STOPPED:
        return False
    with contextlib.suppress(pywintypes.error):  # it is ending already; if not, the error below says so
        win32service.ControlService(service, win32service.SERVICE_CONTROL_STOP)
    if not _reaches(service, win32service.SERVICE_STOPPED):
        raise RunError(f"the service {NAME} does not end; the task manager can end its process")
    return True


def _state(service: Any) -> int:
    return int(_status(service)["CurrentState"])


def _status(service: Any) -> Any:
    return win32service.QueryServiceStatusEx(service)


def _reaches(service: Any, *states: int) -> bool:
    """Wait for one of these states, for `PATIENCE` plus the service's wait hint; return False if none is reached."""
    begin = time.monotonic()
    while True:
        status = _status(service)
        if status["CurrentState"] in states:
            return True
        if time.monotonic() > begin + PATIENCE + status["WaitHint"] / SECOND:
            return False
        time.sleep(0.1)
