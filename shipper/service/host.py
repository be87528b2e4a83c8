"""The process that the Windows service manager starts: `run`, started and stopped by Windows. I/O, only on Windows.

Windows waits 30 seconds for `StartServiceCtrlDispatcher` (Wine: 10), even when it has just booted and is busy. So everything that
can be imported later is imported after that call.
"""

import functools
import logging
import os
import sys
from collections.abc import Iterable

import pywintypes
import servicemanager
import win32service
import winerror
from win32serviceutil import ServiceFramework

from shipper.commands.signals import GRACE, Stop, begin_end
from shipper.errors import MfaShipperError, RunError, UsageError, of_system
from shipper.secrets import hide
from shipper.service.log import EVENT_TEXTS, to_event_log, to_file
from shipper.service.rights import NAME
from shipper.sidecar.log import log, log_to, set_up

SECOND = 1000  # in milliseconds, the unit of the service manager
BEGIN = 30 * SECOND  # until the next report, while the service starts


def main() -> None:
    """The command `mfa-shipper service host --config FILE`, which Windows runs."""
    try:
        host(sys.argv[-1])
    except MfaShipperError as error:
        print(f"mfa-shipper: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


def host(config_file: str) -> None:
    """Run as the service, until Windows stops it.

    Raises:
        UsageError: Windows has not started this process as a service.
        RunError: the service manager does not answer.
    """
    servicemanager.Initialize(NAME, EVENT_TEXTS)
    servicemanager.PrepareToHostSingle(functools.partial(_Service, os.path.abspath(config_file)))
    try:
        servicemanager.StartServiceCtrlDispatcher()  # type: ignore[no-untyped-call]
    except pywintypes.error as error:
        if error.winerror != winerror.ERROR_FAILED_SERVICE_CONTROLLER_CONNECT:
            raise RunError(f"the service manager does not answer: {error.strerror}") from None
        raise UsageError("only Windows itself starts this: use mfa-shipper service start --config FILE") from None


class _Service(ServiceFramework):
    _svc_name_ = NAME
    _svc_display_name_ = NAME

    def __init__(self, config_file: str, arguments: Iterable[str]) -> None:
        super().__init__(arguments)
        self._config_file = config_file
        self._secrets: set[str] = set()
        self._begun = False
        self._stop = Stop()

    def GetAcceptedControls(self) -> int:  # noqa: N802
        controls = win32service.SERVICE_ACCEPT_STOP, win32service.SERVICE_ACCEPT_SHUTDOWN, win32service.SERVICE_ACCEPT_PARAMCHANGE
        return sum(controls)

    def SvcStop(self) -> None:  # noqa: N802
        """Called on another thread than `SvcRun`."""
        if not self._stop.is_set():
            self._report(win32service.SERVICE_STOP_PENDING, round((self._stop.timeout + 2 * GRACE) * SECOND))
            begin_end(self._stop, lambda: self._report(win32service.SERVICE_STOPPED))

    SvcShutdown = SvcStop

    def SvcInterrogate(self) -> None:  # noqa: N802
        """Do nothing: Windows has the state from the last report."""

    def SvcOtherEx(self, control: int, event_type: int, data: object) -> None:  # noqa: N802
        if control == win32service.SERVICE_CONTROL_PARAMCHANGE:
            self._stop.ask_to_reload()

    def SvcRun(self) -> None:  # noqa: N802
        self._report(win32service.SERVICE_START_PENDING, BEGIN)
        log_to([to_event_log()])
        set_up("info", "text", ())
        status = self._run()
        if status == 2:  # a restart would fail in the same way
            self._report(win32service.SERVICE_STOPPED, 0, winerror.ERROR_SERVICE_SPECIFIC_ERROR, status)
        elif status == 0:
            self._report(win32service.SERVICE_STOPPED)
        logging.shutdown()
        os._exit(status)  # status 1 is not reported, so Windows sees a failure and restarts the service

    def _run(self) -> int:
        """Run the sidecar and return the exit status; every error is logged."""
        try:
            from shipper.commands.run import run
            from shipper.config.load import load_config

            os.chdir(os.path.dirname(self._config_file))
            load = functools.partial(load_config, self._config_file, os.environ, "inputs")
            config, self._secrets = load()
            log_to([to_event_log(), to_file(config.state_dir)])
            set_up(config.log.level, config.log.format, self._secrets)
            return run(config, self._secrets, load, self._stop, self._started)
        except MfaShipperError as error:
            return self._failed(str(error), error.exit_status)
        except OSError as error:
            return self._failed(of_system(error), 1)
        except Exception as error:
            return self._failed(f"a fault of mfa-shipper itself: {error!r}", 1)

    def _failed(self, sentence: str, status: int) -> int:
        log("error", hide(sentence, self._secrets))
        return status

    def _started(self) -> None:
        if not self._begun and not self._stop.is_set():
            self._report(win32service.SERVICE_RUNNING)
        self._begun = True

    def _report(self, state: int, wait_hint: int = 0, error: int = 0, status: int = 0) -> None:
        self.ReportServiceStatus(state, wait_hint, error, status)
