"""A real VictoriaLogs, which takes events as Splunk's collector does: `make deploy-tools` builds it."""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.jars import free_port
from tests.support.process import until

PROGRAM = Path(__file__).parents[2] / ".cache" / "go" / "bin" / "victoria-logs"
EVER = {"start": "2010-01-01T00:00:00Z", "end": "2030-01-01T00:00:00Z"}


class VictoriaLogs:
    """One that answers.

    Attributes:
        url: where.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def find(self, query: str) -> list[dict[str, str]]:
        """What a query of LogsQL returns: flat objects, their values texts."""
        answers(f"{self.url}/internal/force_flush")
        asked = urllib.parse.urlencode({"query": query, "limit": 100_000, **EVER})
        with urllib.request.urlopen(f"{self.url}/select/logsql/query?{asked}", timeout=60) as answer:
            return [json.loads(line) for line in answer.read().splitlines()]

    def count(self) -> int:
        """How many events are there."""
        return int(self.find("* | stats count() n")[0]["n"])


@contextmanager
def victoria_logs(folder: Path) -> Iterator[VictoriaLogs]:
    """One with its data in a folder, until the end of the `with` block; `PROGRAM` must be there."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    arguments = [str(PROGRAM), f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=100y"]
    with open(folder / "log", "wb") as said, subprocess.Popen(arguments, stdout=said, stderr=said) as running:
        url = f"http://127.0.0.1:{port}"
        try:
            until(lambda: answers(f"{url}/health"), "VictoriaLogs answers")
            yield VictoriaLogs(url)
        finally:
            running.terminate()


def answers(url: str) -> bool:
    """True if a GET gives 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
