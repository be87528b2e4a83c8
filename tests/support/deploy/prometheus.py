"""A real Prometheus that scrapes a real sidecar, as deploy/prometheus says."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from tests.support.jars import free_port
from tests.support.process import Shipper, configuration, until
from tests.support.tools import DEPLOY, ROOT, tool

HINT = "apt-get install --no-install-recommends prometheus"
FOLDER = DEPLOY / "prometheus"
SECONDS = "1s"  # between two scrapes, and two evaluations of the rules


def get(url: str) -> bytes:
    """The body of a page."""
    with urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
        return body


class Sidecar:
    """`mfa-shipper run`, writing to a file, with a log that lines can be added to."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.port = free_port()
        output = {"type": "file", "file": {"path": str(folder / "events.ndjson")}, "batch": {"max_age": "100ms"}}
        self.shipper = Shipper(folder, configuration(folder, output, metrics={"listen": f"127.0.0.1:{self.port}"}))
        self.log = folder / "logs" / "MfaServer.log"
        self.log.touch()
        self.lines = 0

    def start(self) -> None:
        self.shipper.start()
        until(lambda: self.shipper.alive and self._answers(), "the sidecar answers")

    def _answers(self) -> bool:
        try:
            return bool(self.scrape())
        except OSError:
            return False

    def scrape(self) -> str:
        """The page that Prometheus reads."""
        return get(f"http://127.0.0.1:{self.port}/metrics").decode()

    def write(self, lines: list[str]) -> None:
        """Add lines to the log, their time stamps set to now."""
        with open(self.log, "a", encoding="utf-8") as log:
            for line in lines:
                _, bar, rest = line.partition("|")
                now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                log.write((f"{now}|{rest}" if bar else line) + "\n")
        self.lines += len(lines)


class Prometheus:
    """The server and what it answers."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def _api(self, path: str, **parameters: str) -> Any:
        try:
            answer = json.loads(get(f"{self.url}/api/v1/{path}?{urlencode(parameters)}"))
        except HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None
        assert answer["status"] == "success", answer
        assert not answer.get("warnings"), answer
        return answer["data"]

    def query(self, expression: str) -> dict[str, float]:
        """The values of an expression now, by the labels of their series."""
        series = self._api("query", query=expression)["result"]
        return {json.dumps(sample["metric"], sort_keys=True): float(sample["value"][1]) for sample in series}

    def query_range(self, expression: str, begin: float, end: float, step: float) -> list[dict[str, Any]]:
        """The series of an expression, with their `metric` and `values`; times are in seconds."""
        found: list[dict[str, Any]] = self._api("query_range", query=expression, start=str(begin), end=str(end), step=str(step))[
            "result"
        ]
        return found

    def value(self, expression: str) -> float | None:
        """The only value."""
        values = list(self.query(expression).values())
        assert len(values) < 2, values
        return values[0] if values else None

    def alerts(self, state: str) -> set[str]:
        """The names of the alerts in a state: pending or firing."""
        return {alert["labels"]["alertname"] for alert in self._api("alerts")["alerts"] if alert["state"] == state}

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._api("rules")["groups"] for rule in group["rules"]]


@contextmanager
def running(folder: Path, target: str) -> Iterator[Prometheus]:
    """Prometheus with our own configuration and rules: only intervals, paths and the target differ."""
    program = tool("prometheus", HINT)
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": SECONDS, "scrape_timeout": SECONDS, "evaluation_interval": SECONDS}
    config["rule_files"] = [str(FOLDER / name) for name in config["rule_files"]]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    port = free_port()
    with open(folder / "prometheus.log", "wb") as log:
        process = subprocess.Popen(
            [program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log,
        )  # fmt: skip
    server = Prometheus(port)
    try:
        until(lambda: _up(server, process, folder), "Prometheus has scraped the sidecar")
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _up(server: Prometheus, process: "subprocess.Popen[bytes]", folder: Path) -> bool:
    assert process.poll() is None, (folder / "prometheus.log").read_text(encoding="utf-8")
    try:
        get(f"{server.url}/-/ready")  # 503 while it starts
        return server.value('up{job="mfa-shipper"}') == 1
    except OSError:
        return False


def sample() -> list[str]:
    """Lines with every status code, a double prompt, fraud, and lines that no pattern matches."""
    codes = (ROOT / "tests" / "golden" / "codes" / "input.log").read_text(encoding="utf-8").splitlines()
    example = (DEPLOY / "examples" / "MultiFactorAuthRadiusSvc.log").read_text(encoding="utf-8").splitlines()
    return [*codes, *example, "no pattern matches this", "nor this"]


def write_until_rates_move(sidecar: Sidecar, server: Prometheus) -> None:
    """A copy of the sample between any two scrapes, until four of them have seen more lines than the one before."""

    def moving() -> bool:
        sidecar.write(sample())
        return (server.value("changes(mfa_shipper_lines_read_total[5m])") or 0) >= 4

    until(moving, "the counter of lines has grown in four scrapes", every=1.0)
