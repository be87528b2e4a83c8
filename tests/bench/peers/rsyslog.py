"""Runs rsyslog over a whole log, its events to standard output: a peer of `parse` in the benchmark.

    python rsyslog.py RSYSLOGD LOG

rsyslog follows files and ends with no log, so it is told to end when it has written an event for each line.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
LOOP = HERE.parent / "plain_loop.py"
PAUSE = 0.05  # seconds
BLOCK = 1 << 20


def main() -> None:
    """Run it."""
    program, log = sys.argv[1], Path(sys.argv[2]).resolve()
    lines = count(log)
    with tempfile.TemporaryDirectory(prefix="mfa-rsyslog-") as folder:
        configure(Path(folder), log)
        server = subprocess.Popen([program, "-n", "-f", f"{folder}/rsyslog.conf", "-i", f"{folder}/pid"])
        written, size = 0, -1
        while written < lines:
            time.sleep(PAUSE)
            if server.poll() is not None:
                sys.exit(f"{program} ended with {server.returncode}")
            before, size = size, os.fstat(1).st_size
            if size == before:
                written = count(Path("/proc/self/fd/1"))
        server.terminate()
        sys.exit(server.wait())


def configure(folder: Path, log: Path) -> None:
    """Write the configuration; descriptions of codes are those of the plain loop."""
    (reasons,) = re.findall(r"^REASONS = (\{.*?^\})", LOOP.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    rows = re.findall(r'"(\d+)": "([^"]*)"', reasons)
    table = {"version": 1, "nomatch": "something else", "type": "string"}
    table["table"] = [{"index": index, "value": value} for index, value in rows]
    (folder / "reasons.json").write_text(json.dumps(table), encoding="utf-8")
    (folder / "mfa.rulebase").write_bytes((HERE / "mfa.rulebase").read_bytes())
    text = (HERE / "rsyslog.conf").read_text(encoding="utf-8")
    places = {"LOG": str(log), "OUT": "/dev/stdout", "FOLDER": str(folder)}
    text = re.sub("|".join(places), lambda place: places[place[0]], text)
    (folder / "rsyslog.conf").write_text(text, encoding="utf-8")


def count(path: Path) -> int:
    """The lines of a file."""
    with open(path, "rb", buffering=0) as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(BLOCK), b""))


if __name__ == "__main__":
    main()
