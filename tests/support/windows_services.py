"""Wine's service manager, and a program that it runs as a service.

It is no Windows: it knows no delayed start, does not see that a service was killed, and so runs no recovery actions; every account
is the user's own, and rights to files bind nobody.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.windows import Windows, a_windows, wineserver

TIMEOUT = 300.0  # seconds
CONTROL = r"System\CurrentControlSet\Control"
ASK = """
import json, win32service as w
service = w.OpenService(w.OpenSCManager(None, None, w.SC_MANAGER_ALL_ACCESS), "mfa-shipper", w.SERVICE_ALL_ACCESS)
"""
CONFIGURATION = (
    ASK + "print(json.dumps([w.QueryServiceConfig(service), w.QueryServiceConfig2(service, w.SERVICE_CONFIG_DESCRIPTION)]))"
)
STATUS = ASK + "print(json.dumps(w.QueryServiceStatusEx(service)))"
RELOAD = ASK + "print(json.dumps(w.ControlService(service, w.SERVICE_CONTROL_PARAMCHANGE)))"


class ServiceManager:
    """Services of a Windows of one's own: use `service_manager`, which ends it."""

    def __init__(self, windows: Windows, **environment: str) -> None:
        """`environment` is that of all services."""
        self.windows = windows
        _register(windows, CONTROL, {"ServicesPipeTimeout": "dword:0003a980"})  # 240 s, on a busy machine
        _register(
            windows, rf"{CONTROL}\Session Manager\Environment", {name: _quoted(value) for name, value in environment.items()}
        )
        self._pipes: list[int] = []
        self.boot()

    def boot(self) -> None:
        """Start it, and with it the services that are installed."""
        env, null = self.windows.env, subprocess.DEVNULL
        subprocess.run([wineserver(), "--persistent"], env=env, stdin=null, stdout=null, stderr=null, check=True)
        # The first process starts the service manager, which keeps its streams open: pipes, or no Python starts as a service.
        given, keep = os.pipe()
        said, saying = os.pipe()
        first = ["wine", "cmd", "/c", "exit"]
        subprocess.run(first, env=env, stdin=given, stdout=saying, stderr=saying, timeout=TIMEOUT, check=True)
        os.close(given)
        os.close(saying)
        self._pipes = [keep, said]

    def switch_off(self) -> None:
        """End all processes at once, as a loss of power does."""
        self.windows.end()
        while self._pipes:
            os.close(self._pipes.pop())

    def run(
        self, *command: str | Path, cwd: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of Windows."""
        return subprocess.run(
            ["wine", *map(str, command)], cwd=cwd, env={**self.windows.env, **(environment or {})}, input="", capture_output=True,
            encoding="utf-8", errors="replace", timeout=TIMEOUT, check=False,
        )  # fmt: skip

    def ask(self, script: str) -> Any:
        """What a script prints as JSON."""
        done = self.run(self.windows.python, "-c", script)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


class Service:
    """The commands `service` of a program, with one configuration."""

    def __init__(self, manager: ServiceManager, program: Sequence[str | Path], config: Path, **environment: str) -> None:
        self._manager, self._program, self._config, self._environment = manager, program, config, environment

    def __call__(self, action: str, status: int = 0) -> str:
        """What an action prints on both streams; `status` is the exit status that it must have."""
        config = "Z:" + str(self._config).replace("/", "\\")
        done = self._manager.run(*self._program, "service", action, "--config", config, environment=self._environment)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr


@contextmanager
def service_manager(**environment: str) -> Iterator[ServiceManager]:
    """A Windows with a service manager, as long as the context lasts."""
    with a_windows() as windows:
        manager = ServiceManager(windows, **environment)
        try:
            yield manager
        finally:
            manager.switch_off()


def _register(windows: Windows, key: str, values: dict[str, str]) -> None:
    """Add values to the registry, before its first process starts."""
    section = f"\n[{_doubled(key)}]\n" + "".join(f'"{name}"={value}\n' for name, value in values.items())
    with open(windows.prefix / "system.reg", "a", encoding="utf-8") as file:
        file.write(section)


def _quoted(value: str) -> str:
    return f'"{_doubled(value)}"'


def _doubled(text: str) -> str:
    return text.replace("\\", "\\\\")
