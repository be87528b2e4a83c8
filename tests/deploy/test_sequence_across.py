"""What EQL finds of the double prompts across servers, on the judge's logs: the numbers that the page tells."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.test_sigma_sequence import findings, of_exchanges, of_results, query
from tests.support.deploy.sigma_run import run_eql
from tests.support.fleet import Fleet
from tests.support.tools import DEPLOY, ROOT

SERVERS, SIGN_INS = 4, 600
PAGE = DEPLOY / "docs" / "across-servers-in-a-siem.md"
Document = dict[str, Any]


def parsed(folder: Path, *options: str) -> list[Document]:
    command = [sys.executable, "-m", "shipper", "parse", "--deterministic", "--no-original", "-q", *options]
    done = subprocess.run([*command, *sorted(map(str, folder.iterdir()))], capture_output=True, check=True, cwd=ROOT)
    return [json.loads(line) for line in done.stdout.splitlines()]


def told() -> dict[int, list[int]]:
    """The rows of the page's table, by seed."""
    rows = re.findall(r"^\| (\d+) \|((?: \d+ \|)+)$", PAGE.read_text(encoding="utf-8"), re.M)
    return {int(seed): [int(number) for number in numbers.split("|") if number.strip()] for seed, numbers in rows}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_page_tells_what_is_found(seed: int, tmp_path: Path) -> None:
    for server in range(SERVERS):
        (tmp_path / f"mfa0{server}").mkdir()
        lines = (line.text for line in Fleet(seed, SERVERS, SIGN_INS).lines() if line.server == server)
        (tmp_path / f"mfa0{server}" / "Mfa.log").write_text("".join(lines), encoding="utf-8")
    documents = parsed(tmp_path, "--across")
    events = [event for event in documents if event["event"]["kind"] == "event"]
    ours = findings(documents)
    patterns = list(ours.values())
    double = {second for _, second in ours}
    alone = {second for _, second in findings(parsed(tmp_path))}

    sequences = {second for _, second in of_exchanges(events) | of_results(events)}
    prompts = {request["event"]["id"] for request, _ in run_eql(query("prompts"), events)}
    both = [[one["event"]["id"] for one in hit] for hit in run_eql(query("concurrent"), events)]
    concurrent = {second for first, second in both if first in prompts and second in prompts}
    theirs = sequences | concurrent

    assert len(double) == len(ours)
    counted = [
        *(len(ours), patterns.count("sequential"), patterns.count("concurrent"), len(alone)),
        *(len(sequences & double), len(concurrent & double), len(double - theirs), len(theirs - double)),
    ]
    assert told()[seed] == counted
