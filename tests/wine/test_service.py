"""The service under Wine's service manager: installed, started, stopped in order, started with Windows, removed."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.jars import ROOT, free_port
from tests.support.kafka import start_or_skip
from tests.support.process import numbered, until
from tests.support.windows import environment
from tests.support.windows_services import CONFIGURATION, RELOAD, STATUS, Service, ServiceManager, service_manager

CODE = f"Z:{ROOT}"
STOPPED = 1


@pytest.fixture(scope="module")
def manager() -> Iterator[ServiceManager]:
    start_or_skip(environment)
    with service_manager(PYTHONPATH=CODE) as made:
        yield made


class Place:
    """A configuration beside logs and state, in a folder with blanks and umlauts in its name."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.folder = folder / "Anmeldungen für München"
        self.log, self.state = self.folder / "logs" / "MultiFactorAuthRadiusSvc.log", self.folder / "state"
        self.log.parent.mkdir(parents=True)
        self.config = self.folder / "mfa shipper.yaml"
        self.written = 0
        self.configure(more)

    def configure(self, more: str = "", output: str = "{type: file, file: {path: state/events.ndjson}}") -> None:
        """Write the configuration; its paths are relative, and its folder is their place."""
        self.config.write_text(f"state_dir: state\ninputs: [{{path: 'logs/*.log*'}}]\noutput: {output}\n{more}", encoding="utf-8")

    def write(self, lines: int) -> None:
        """Append lines to the log."""
        with open(self.log, "ab") as log:
            log.write(numbered(self.written, self.written + lines))
        self.written += lines

    def delivered(self) -> list[int]:
        """The numbers of the lines that were delivered."""
        path = self.state / "events.ndjson"
        events = path.read_bytes().splitlines() if path.exists() else []
        return [int(json.loads(event)["message"].removeprefix("line ")) for event in events]

    def said(self) -> str:
        """What the service has logged."""
        return (self.state / "mfa-shipper.log").read_text(encoding="utf-8")


@contextmanager
def installed(manager: ServiceManager, place: Place) -> Iterator[Service]:
    """The service of a configuration, which is removed in the end."""
    service = of(manager, place.config)
    assert "is installed" in service("install")
    try:
        yield service
    finally:
        service("remove")


def of(manager: ServiceManager, config: Path) -> Service:
    return Service(manager, [manager.windows.python, "-m", "shipper"], config, PYTHONPATH=CODE)


def test_a_service_ships_and_goes_on_where_it_was_stopped_or_the_power_lost(manager: ServiceManager, tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write(1000)
    with installed(manager, place) as service:
        assert "runs" in service("start")
        assert "runs already" in service("start")
        until(lambda: len(place.delivered()) == 1000, place.said)

        assert "is stopped" in service("stop")
        assert "did not run" in service("stop")
        assert " stopped " in place.said().splitlines()[-1]

        place.write(1000)
        service("start")
        until(lambda: len(place.delivered()) == 2000, place.said)
        assert place.delivered() == list(range(2000))

        manager.switch_off()
        place.write(1000)
        manager.boot()  # which starts it
        until(lambda: set(place.delivered()) == set(range(3000)), place.said)

        assert "is removed" in service("remove")
        assert "there is no service" in service("remove")
        assert "there is no service" in service("start", status=2)


def test_it_is_installed_with_all_its_settings(manager: ServiceManager, tmp_path: Path) -> None:
    place, other = Place(tmp_path / "one"), Place(tmp_path / "two")
    with installed(manager, place) as service:
        assert "is installed" in service("install")  # again
        config, description = manager.ask(CONFIGURATION)
        kind, start_type, _, command, _, _, _, account, name = config

        assert (kind, start_type, account, name) == (0x10, 2, r"NT SERVICE\mfa-shipper", "mfa-shipper")
        assert command.endswith(r'-m shipper service host --config "Z:{}"'.format(str(place.config).replace("/", "\\")))
        assert "delivers their events" in description
        assert place.state.is_dir()

        for action in ("start", "stop", "remove"):
            assert "has another configuration; it is: " in of(manager, other.config)(action, status=2)


def test_a_configuration_that_cannot_work_is_told_before_anything_is_changed(manager: ServiceManager, tmp_path: Path) -> None:
    place = Place(tmp_path, more="shutdown_timeuot: 3s\n")
    assert "shutdown_timeout" in of(manager, place.config)("install", status=2)
    assert "there is no service" in of(manager, place.config)("start", status=2)

    place.configure()
    (place.state / "mine").mkdir(parents=True)
    assert "a folder of its own" in of(manager, place.config)("install", status=2)


def test_a_service_that_cannot_start_says_why(manager: ServiceManager, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = Place(tmp_path, more=f"metrics: {{listen: '127.0.0.1:{taken.getsockname()[1]}'}}\n")
        with installed(manager, place) as service:
            assert "mfa-shipper.log" in service("start", status=1)
            assert "metrics.listen" in place.said()
            status = manager.ask(STATUS)
            assert status["CurrentState"] == STOPPED
            assert (status["Win32ExitCode"], status["ServiceSpecificExitCode"]) == (1066, 2)


def test_it_ends_in_time_though_its_sink_does_not_answer(manager: ServiceManager, tmp_path: Path) -> None:
    place = Place(tmp_path)
    kafka = f"{{type: kafka, kafka: {{bootstrap_servers: ['127.0.0.1:{free_port()}'], topic: t}}}}"
    place.configure("shutdown_timeout: 1s\n", kafka)
    place.write(10)
    with installed(manager, place) as service:
        service("start")
        until(lambda: "does not accept events" in place.said(), place.said)
        assert "is stopped" in service("stop")
        status = manager.ask(STATUS)
        assert (status["Win32ExitCode"], status["ServiceSpecificExitCode"]) == (0, 0)


def test_it_reads_its_configuration_again_when_windows_says_that_it_has_changed(manager: ServiceManager, tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write(10)
    with installed(manager, place) as service:
        service("start")
        until(lambda: len(place.delivered()) == 10, place.said)
        place.configure("log: {format: json}\n")
        manager.ask(RELOAD)
        until(lambda: '"message": "the configuration is reloaded"' in place.said(), place.said)
        place.write(10)
        until(lambda: place.delivered() == list(range(20)), place.said)


def test_only_windows_starts_it_as_a_service(manager: ServiceManager, tmp_path: Path) -> None:
    assert "mfa-shipper service start" in of(manager, Place(tmp_path).config)("host", status=2)
