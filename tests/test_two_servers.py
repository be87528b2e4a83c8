"""The logs of two servers in one folder: what is found is what is found in each server's own folder."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.generate import Recipe, generate

ROTATED = {1: ["Svc.log.2.gz", "Svc.log.1", "Svc.log"], 2: ["Svc.log.1", "Svc.log"]}  # the files of each server, oldest first


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each of two servers, with the logs of the same two hours."""
    folder = tmp_path_factory.mktemp("servers")
    for server, names in ROTATED.items():
        (folder / str(server)).mkdir()
        whole = folder / "whole"
        generate(Recipe(lines=60_000, seed=server), whole)
        lines = whole.read_bytes().splitlines(keepends=True)
        whole.unlink()
        size = len(lines) // len(names)
        for number, name in enumerate(names):
            part = b"".join(lines[number * size : (number + 1) * size if number + 1 < len(names) else None])
            (folder / str(server) / name).write_bytes(gzip.compress(part) if name.endswith(".gz") else part)
    return folder


def parse(*arguments: str | Path) -> tuple[set[str], str]:
    """The ids of the double prompts, and what was said."""
    command = [sys.executable, "-m", "shipper", "parse", "--only", "double_prompt", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=300, check=True)
    ids = [json.loads(line)["event"]["id"] for line in done.stdout.splitlines()]
    assert len(ids) == len(set(ids))
    return set(ids), done.stderr.decode()


@pytest.fixture(scope="module")
def apart(servers: Path) -> dict[int, set[str]]:
    """The double prompts of each server."""
    return {server: parse(servers / str(server) / "*")[0] for server in ROTATED}


def flat(servers: Path, folder: Path, pattern: str) -> Path:
    """A folder that holds all logs, renamed."""
    for server, names in ROTATED.items():
        for name in names:
            os.link(servers / str(server) / name, folder / pattern.format(server=server, name=name, end=name[3:]))
    return folder


@pytest.mark.parametrize("pattern", ["mfa0{server}-{name}", "{server}{name}", "Svc_mfa0{server}{end}"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_number_in_the_name_tells_servers_apart(
    servers: Path, apart: dict[int, set[str]], tmp_path: Path, pattern: str, workers: str
) -> None:
    found, said = parse(flat(servers, tmp_path, pattern) / "*", "--workers", workers)
    assert found == apart[1] | apart[2]
    assert min(len(one) for one in apart.values()) > 100
    assert "log of its own" not in said


def test_across_servers_their_pairs_are_found_as_well(servers: Path, apart: dict[int, set[str]], tmp_path: Path) -> None:
    folder = flat(servers, tmp_path, "mfa0{server}-{name}")
    assert len(os.listdir(folder)) == 5
    found, _ = parse("--across", folder)
    assert parse("--across", "--workers", "2", folder)[0] == found
    alone = apart[1] | apart[2]
    assert len(alone - found) <= len(alone) // 100  # an answer to a two-step prompt may be found on the other server
    assert len(found) > len(alone) + 100


@pytest.mark.parametrize("pattern", ["Svc-0{server}{end}", "Svc ({server}){end}", "Svc{end} ({server})"])
def test_where_the_name_misleads_times_tell_servers_apart(
    servers: Path, apart: dict[int, set[str]], tmp_path: Path, pattern: str
) -> None:
    """One server's log is whole; of the other, which began a moment later, each file is a log of its own."""
    found, said = parse(flat(servers, tmp_path, pattern) / "*")
    lost = (apart[1] | apart[2]) - found
    assert found <= apart[1] | apart[2]
    assert lost <= apart[1] or lost <= apart[2]
    assert len(lost) < 30  # those on both sides of a rotation
    assert said.count("is read as a log of its own, whatever its name says: it begins at 2017-02-14T") in (2, 3)
