"""Other shippers, started as processes with the configurations of deploy/pipes, their paths and ports moved to a test's own."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from tests.support.generate import Recipe, generate
from tests.support.jars import free_port
from tests.support.tools import DEPLOY, ROOT

PIPES = DEPLOY / "pipes"
ODD = [
    "2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|Calling pfAuthUser(‘CONTOSO\\anna’, ‘’, 1)",  # noqa: RUF001
    "2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|authResult = 1",
    "2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|rawCallStatus = 21",
    '2017-02-14T02:57:25.000000Z|0|1412|6452|pfrad|a tab\there, umlauts äöü, %msg%, $MESSAGE, \\n and a "quote"',
    "no pattern matches this",
    "  nor this, which begins and ends with spaces  ",
    '{"this": "is JSON"}',
    "2017-02-14T02:57:26.000000Z|0|1412|6452|pfrad|" + "long " * 3000,
]


def write_lines(path: Path, lines: int) -> list[str]:
    """A log of authentications with double prompts, and some lines that are hard on others' parsers."""
    generate(Recipe(lines=lines, users=40), path)
    with open(path, "ab") as log:
        log.write("".join(f"{line}\n" for line in ODD).encode())
    return path.read_text(encoding="utf-8").splitlines()


def parsed(path: Path) -> list[dict[str, Any]]:
    """What `parse` makes of the file."""
    done = subprocess.run(
        [sys.executable, "-m", "shipper", "parse", "--deterministic", "-q", str(path)], cwd=ROOT, capture_output=True, timeout=120, check=True
    )  # fmt: skip
    return [content(json.loads(line)) for line in done.stdout.splitlines()]


def content(document: dict[str, Any]) -> dict[str, Any]:
    """The event without the machine it came from and the name of its file, which a pipe does not know."""
    log = {key: value for key, value in document.get("log", {}).items() if key != "file"}
    return {key: value for key, value in document.items() if key not in ("host", "agent", "log")} | {"log": log}


class Position:
    """A test's own directories and ports, and a configuration moved there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs, self.out, self.state = folder / "logs", folder / "out", folder / "state"
        for directory in (self.logs, self.out, self.state):
            directory.mkdir()
        self.log = self.logs / "MultiFactorAuthRadiusSvc.log"
        self.events = self.out / "events.ndjson"
        self.command = folder / "mfa-shipper"
        self.command.write_text(
            f"#!/bin/sh\nPYTHONPATH='{ROOT}' exec '{sys.executable}' -m shipper \"$@\"\n", encoding="utf-8"
        )  # fmt: skip
        self.command.chmod(0o755)
        self.receiver = Receiver()
        self.port = free_port()

    def put(self, name: str, **more: str) -> Path:
        """A copy of a configuration. Each replacement must find its text: the examples all use the same places."""
        text = (PIPES / name).read_text(encoding="utf-8")
        everywhere = {
            "/usr/local/bin/mfa-shipper": str(self.command),
            "/etc/mfa-shipper/stdout.yaml": str(self.folder / "stdout.yaml"),
            "/var/log/mfa-shipper": str(self.out),
            "/var/log/mfa": str(self.logs),
            "/var/lib/mfa-shipper": str(self.state),
            "10514": str(self.port),
            "10515": str(self.receiver.port),
        }
        for old, new in more.items():
            assert old in text, f"{name} has no {old}"
            text = text.replace(old, new)
        for old, new in everywhere.items():
            text = re.sub(rf"{re.escape(old)}(?![\w-])", new.replace("\\", r"\\"), text)
        assert not re.search(r"/(var|etc|usr/local)/", re.sub(r"(?m)#.*$", "", text)), f"{name}: a path was left"
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path


class Receiver:
    """Whatever listens for JSON lines on TCP at the end of the example configurations."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._received = bytearray()
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while block := connection.recv(65536):
                self._received += block

    def lines(self) -> list[str]:
        return bytes(self._received).decode().split("\n")[:-1]

    def close(self) -> None:
        self._socket.close()


def send(port: int, lines: list[str], header: str) -> None:
    """Lines as syslog messages over TCP, each with its header."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall("".join(f"{header}{line}\n" for line in lines).encode())


@contextmanager
def started(
    folder: Path, *command: str | Path, environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A program in the foreground, ended by SIGTERM. When the test fails, the report has what the program said."""
    with open(folder / "program.log", "ab") as log:
        process = subprocess.Popen(
            [str(part) for part in command], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
    try:
        yield process
        assert process.poll() is None, "the program ended by itself"
    except AssertionError as error:
        error.add_note((folder / "program.log").read_text(encoding="utf-8", errors="replace"))
        raise
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()


def filters(of: int) -> list[int]:
    """The process ids of the filters that a daemon runs, also where a shell is between them."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except OSError:
            continue  # the process has ended

    def below(process: int) -> list[int]:
        return [deep for child, parent in parents.items() if parent == process for deep in (child, *below(child))]

    return below(of)


def listening(port: int) -> bool:
    """True if the port is open, by the kernel's table: a try to connect would be a message to some programs."""
    return any(
        f":{port:04X} " in line and " 0A " in line for line in Path("/proc/net/tcp").read_text(encoding="utf-8").splitlines()
    )


def events(texts: list[str]) -> list[dict[str, Any]]:
    return [content(json.loads(text)) for text in texts]


def written(place: Position) -> list[str]:
    return place.events.read_text(encoding="utf-8").split("\n")[:-1] if place.events.exists() else []


def same(got: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    """All events, in order; a difference is shown at its first place."""
    for number, (event, expected) in enumerate(zip(got, wanted, strict=False)):
        assert event == expected, f"event {number}"
    assert len(got) == len(wanted)
