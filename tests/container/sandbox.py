"""Runs the program of an image as a container engine would: its own view of processes and mounts, a root that cannot be written, a user
without rights. The network is that of the machine, so the real Kafka and OpenSearch of the tests are on 127.0.0.1.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.docker.build import buildah
from tests.support.process import until

ENTER = Path(__file__).with_name("enter.py")
CHOWN = 0  # the number of the capability


@dataclass(frozen=True)
class Mount:
    """A file or folder of the machine in the container; what is missing there is made."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True)
class User:
    """Who a process of the container is."""

    user: int = 10001
    group: int = 10001
    groups: tuple[int, ...] = ()
    capabilities: tuple[int, ...] = ()


class Container:
    """One that runs."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log

    def said(self) -> str:
        """What it wrote to both its streams."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def kill(self, number: signal.Signals) -> None:
        """Send a signal to its process 1."""
        [child] = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        os.kill(int(child), number)

    def stop(self, seconds: float = 30) -> int:
        """Its exit status after a SIGTERM."""
        self.kill(signal.SIGTERM)
        return self.process.wait(seconds)


class Image:
    """An image, unpacked.

    Attributes:
        root: its files.
        config: what the Dockerfile says of how it is run, as Docker keeps it.
    """

    def __init__(self, name: str, root: Path) -> None:
        self.root = root
        self.config: dict[str, Any] = json.loads(buildah("inspect", "--type=image", name))["Docker"]["config"]

    def environment(self) -> dict[str, str]:
        """The variables that its processes begin with."""
        return dict(variable.split("=", 1) for variable in self.config["Env"])

    def _command(
        self, words: Sequence[str], mounts: Sequence[Mount], user: User, environment: Mapping[str, str], folder: str | None
    ) -> list[str]:
        order = {
            "root": str(self.root),
            "words": list(words),
            "mounts": [[str(mount.source), mount.target, mount.writable] for mount in mounts],
            "user": user.user,
            "group": user.group,
            "groups": list(user.groups),
            "capabilities": list(user.capabilities),
            "environment": self.environment() | dict(environment),
            "folder": folder or self.config["WorkingDir"],
        }
        namespaces = ["unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child"]
        return [*namespaces, sys.executable, str(ENTER), json.dumps(order)]

    def run(
        self,
        *words: str,
        mounts: Sequence[Mount] = (),
        user: User = User(),
        environment: Mapping[str, str] | None = None,
        folder: str | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in it to its end; without the entry point if it begins with another program of the image."""
        command = self._command(words, mounts, user, environment or {}, folder)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    @contextmanager
    def running(
        self,
        *words: str,
        log: Path,
        mounts: Sequence[Mount] = (),
        user: User = User(),
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[Container]:
        """A container that runs until the block ends."""
        with open(log, "wb") as file:
            process = subprocess.Popen(
                self._command(words, mounts, user, environment or {}, None), stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        try:
            yield Container(process, log)
        finally:
            process.kill()  # and --kill-child ends what is in it
            process.wait()

    def command(self, *arguments: str) -> list[str]:
        """What an engine runs: the entry point, with these arguments or the image's own."""
        return [*self.config["Entrypoint"], *(arguments or self.config["Cmd"])]

    def healthy(self, **environment: str) -> bool:
        """Whether the image's own health check is content."""
        [kind, *words] = self.config["Healthcheck"]["Test"]
        assert kind == "CMD"
        return self.run(*words, environment=environment).returncode == 0


def until_healthy(image: Image, container: Container, **environment: str) -> None:
    """Return once the health check of the image is content with a container."""
    until(lambda: image.healthy(**environment), lambda: f"the container is healthy: {container.said()}", every=0.5)
