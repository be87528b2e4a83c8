"""A real OpenSearch from Maven's jars, for tests and for people: `python -m tests.support.opensearch`.

One process, one node, 127.0.0.1 only, no security plug-in: for tests, never for data.
"""

import argparse
import http.client
import json
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.jars import Unavailable, class_path, free_port

HERE = Path(__file__).parent
JAVA = ("java", "-Xms512m", "-Xmx512m", "-Xshare:auto", "-XX:TieredStopAtLevel=1")


class Refused(AssertionError):
    """The server answered with an error; the text is its reason."""


class OpenSearch:
    """One node with its data in a folder."""

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.log = folder / "node.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, deadline: float = 120.0) -> "OpenSearch":
        """Start it, and return when it answers."""
        classes = class_path("opensearch", HERE / "opensearch.pom.xml")
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [*JAVA, "-cp", classes, str(HERE / "OpenSearchNode.java"), str(self.folder), str(self.port), str(free_port())]
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + deadline
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise AssertionError(f"OpenSearch did not start: {self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)
        return self

    def _answers(self) -> bool:
        try:
            return "version" in self.ask("GET", "/")
        except (OSError, http.client.HTTPException, Refused):
            return False

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Send a request, and return the answer's JSON. A body of bytes or text goes as it is, anything else as JSON.

        Raises:
            Refused: for any status from 400 on.
        """
        if body is None:
            content = None
        elif isinstance(body, bytes | str):
            content = body.encode() if isinstance(body, str) else body
        else:
            content = json.dumps(body).encode()
        kind = "application/x-ndjson" if path.partition("?")[0].endswith("_bulk") else "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, content, {"Content-Type": kind})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise Refused(f"{method} {path}: {answer.status} {text.decode(errors='replace')[:2000]}")
        found: dict[str, Any] = json.loads(text)
        return found

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone; `start` goes on with what it had acknowledged."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)

    def stop(self) -> None:
        """The orderly end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(20)


def main() -> None:
    """Run a node in the foreground."""
    arguments = argparse.ArgumentParser(description=main.__doc__)
    arguments.add_argument("--port", type=int, default=9200)
    port = arguments.parse_args().port
    with tempfile.TemporaryDirectory(prefix="mfa-opensearch-") as folder:
        try:
            node = OpenSearch(Path(folder), port=port).start()
        except Unavailable as error:
            raise SystemExit(str(error)) from None
        print(f"OpenSearch answers on 127.0.0.1:{port}; its data go with it. Ctrl-C ends it.", flush=True)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            signal.pause()
        except KeyboardInterrupt:
            node.stop()


if __name__ == "__main__":
    main()
