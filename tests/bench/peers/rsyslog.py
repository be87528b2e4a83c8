"""rsyslog with liblognorm on a log of pfrad: takes lines apart, looks up status codes, writes JSON. No line is tied to another.

    python rsyslog.py LOG OUT

Ends when OUT has a line for each line of LOG. rsyslog follows a file for ever, so it is stopped then.
"""

import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

RULES = Path(__file__).with_name("radius.rulebase")
CODES = Path(__file__).resolve().parents[3] / "schemas" / "status_codes.csv"
PATIENCE = 600.0  # seconds without another line
PAUSE = 0.05  # seconds between two looks

CONFIGURATION = """
global(workDirectory="{folder}")
module(load="imfile")
module(load="mmnormalize")
lookup_table(name="codes" file="{folder}/codes.json")
template(name="event" type="list" option.jsonf="on") {{
  property(outname="@timestamp" name="$!time" format="jsonf")
  property(outname="event.action" name="$!action" format="jsonf")
  property(outname="event.provider" name="$!component" format="jsonf")
  property(outname="log.level" name="$!level" format="jsonf")
  property(outname="process.pid" name="$!pid" format="jsonf")
  property(outname="process.thread.id" name="$!tid" format="jsonf")
  property(outname="user.name" name="$!user" format="jsonf" onEmpty="skip")
  property(outname="azure_mfa.auth_result" name="$!verdict" format="jsonf" onEmpty="skip")
  property(outname="event.code" name="$!code" format="jsonf" onEmpty="skip")
  property(outname="event.reason" name="$!reason" format="jsonf" onEmpty="skip")
  property(outname="message" name="$!message" format="jsonf" onEmpty="skip")
}}
ruleset(name="mfa" queue.type="Direct") {{
  action(type="mmnormalize" rulebase="{rules}")
  if $!code != "" then set $!reason = lookup("codes", $!code);
  action(type="omfile" file="{out}" template="event" ioBufferSize="64k")
}}
input(type="imfile" file="{log}" tag="mfa" ruleset="mfa")
"""


def main(log: Path, out: Path) -> None:
    """Run rsyslog until it has written all."""
    with open(log, "rb") as file:
        wanted = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    out.write_bytes(b"")
    with tempfile.TemporaryDirectory(prefix="mfa-rsyslog-") as name, open(out, "rb") as written:
        folder = Path(name)
        folder.joinpath("codes.json").write_text(json.dumps(_codes()), encoding="utf-8")
        text = CONFIGURATION.format(folder=folder, rules=RULES, log=log.resolve(), out=out.resolve())
        folder.joinpath("rsyslog.conf").write_text(text, encoding="utf-8")
        command = ["rsyslogd", "-n", "-i", str(folder / "pid"), "-f", str(folder / "rsyslog.conf")]
        with subprocess.Popen(command) as program:
            _wait(program, written.read, wanted)
            program.terminate()


def _wait(program: "subprocess.Popen[bytes]", read: Callable[[int], bytes], wanted: int) -> None:
    """Read what it writes until there are so many lines."""
    found, deadline = 0, time.monotonic() + PATIENCE
    while found < wanted:
        more = sum(block.count(b"\n") for block in iter(lambda: read(1 << 20), b""))
        found += more
        if more:
            deadline = time.monotonic() + PATIENCE
        elif program.poll() is not None or time.monotonic() > deadline:
            program.kill()
            raise SystemExit(f"rsyslog wrote {found} lines of {wanted}")
        time.sleep(PAUSE)


def _codes() -> dict[str, object]:
    """The table of status codes as rsyslog looks them up."""
    with open(CODES, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["code"]]
    table = [{"index": row["code"], "value": row["description"]} for row in rows]
    return {"version": 1, "nomatch": "", "type": "string", "table": table}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
