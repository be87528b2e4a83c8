"""`parse --across` as a user meets it: several servers, any number of workers, damaged files, many files."""

import gzip
import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.generate import Recipe, generate
from tests.support.oracle import SECOND
from tests.support.oracle_across import completions_across

Logs = dict[str, bytes]


def parse(*arguments: str | Path, open_files: int | None = None) -> tuple[int, bytes, str]:
    """Exit status, output and errors."""

    def limit() -> None:
        if open_files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))

    command = [sys.executable, "-m", "shipper", "parse", "--across", "--deterministic", "-q", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=300, check=False, preexec_fn=limit)
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The logs of three servers in one folder, of the same users and the same hour; the first one's was rotated."""
    folder = tmp_path_factory.mktemp("across")
    for server in (1, 2, 3):
        generate(Recipe(lines=20_000, seed=server, users=1000), folder / f"mfa0{server}-Svc.log")
    whole = folder / "mfa01-Svc.log"
    lines = whole.read_bytes().splitlines(keepends=True)
    whole.write_bytes(b"".join(lines[7_500:]))
    (folder / "mfa01-Svc.log.1.gz").write_bytes(gzip.compress(b"".join(lines[:7_500])))
    return folder


@pytest.fixture(scope="module")
def whole(logs: Path) -> bytes:
    """What one process makes of them."""
    status, output, error = parse(logs)
    assert (status, error) == (0, "")
    return output


@pytest.mark.parametrize("workers", ["2", "3", "7"])
def test_any_number_of_workers_writes_the_same(logs: Path, whole: bytes, workers: str) -> None:
    assert parse(logs, "--workers", workers) == (0, whole, "")


def test_findings_of_all_servers_stand_behind_the_events_of_each(logs: Path, whole: bytes) -> None:
    events = [json.loads(line)["event"] for line in whole.splitlines()]
    kinds = [event["kind"] for event in events]
    begin = kinds.index("alert")
    assert set(kinds[begin:]) == {"alert"}
    apart = [json.loads(line)["event"] for line in parse_apart(logs).splitlines()]
    assert events[:begin] == [event for event in apart if event["kind"] != "alert"]
    alone = {event["id"] for event in apart if event["kind"] == "alert"}
    together = {event["id"] for event in events[begin:]}
    assert len(alone - together) <= len(alone) // 100  # an answer to a two-step prompt may be found on another server
    assert len(together) > len(alone) + 100


def parse_apart(*arguments: str | Path) -> bytes:
    command = [sys.executable, "-m", "shipper", "parse", "--deterministic", "-q", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=300, check=True).stdout


def test_findings_are_those_of_the_oracle(tmp_path: Path) -> None:
    sources = []
    for server in (1, 2):
        path = tmp_path / f"mfa0{server}.log"
        generate(Recipe(lines=3000, seed=server, users=40), path)
        sources.append([path.read_bytes()])
    among = completions_across(sources, 600 * SECOND)
    expected = oracle.find_among(among, window=60 * SECOND, timeout=600 * SECOND).findings
    status, output, _ = parse(tmp_path, "--only", "double_prompt")
    assert status == 0
    assert [json.loads(line)["event"]["id"] for line in output.splitlines()] == [found.fields["id"] for found in expected]
    assert len(expected) > 100


@pytest.mark.parametrize("workers", ["2", "3"])
def test_of_a_damaged_log_what_could_be_read_counts(tmp_path: Path, logs: Path, workers: str) -> None:
    for path in logs.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = tmp_path / "mfa02-Svc.log.gz"
    data = gzip.compress((tmp_path / "mfa02-Svc.log").read_bytes())
    (tmp_path / "mfa02-Svc.log").unlink()
    damaged.write_bytes(data[: len(data) // 2])
    one = parse(tmp_path)
    assert parse(tmp_path, "--workers", workers) == one
    status, output, error = one
    assert status == 1
    assert error.startswith(f"mfa-shipper: {damaged}: the gzip file ends too early")
    assert b'"kind":"alert"' in output


def test_many_logs_need_few_open_files(tmp_path: Path) -> None:
    lines = [
        b"2017-02-14T02:57:%02d.000000Z|0|1412|6452|pfrad|Calling pfAuthUser('anna', '', 1)\n"
        b"2017-02-14T02:57:%02d.500000Z|0|1412|6452|pfrad|rawCallStatus = 21\n" % (second, second)
        for second in range(60)
    ]
    for server in range(300):
        (tmp_path / f"mfa{server:03}-Svc.log").write_bytes(b"2017-02-14T02:56:00Z|0|1|2|pfrad|%d\n" % server + lines[server % 60])
    status, output, error = parse(tmp_path, "--only", "double_prompt", open_files=24)
    assert (status, error) == (0, "")
    assert len(output.splitlines()) == 299


def test_the_filters_hold_for_findings_as_well(logs: Path, whole: bytes) -> None:
    alerts = [line for line in whole.splitlines(keepends=True) if b'"kind":"alert"' in line]
    user = json.loads(alerts[0])["user"]["name"]
    status, output, _ = parse(logs, "--only", "findings", "--where", f"user.name={user}")
    assert status == 0
    assert output == b"".join(line for line in alerts if json.loads(line)["user"]["name"].casefold() == user.casefold())
    assert output.count(b"\n") < len(alerts)


def test_standard_input_is_one_of_the_logs(tmp_path: Path, logs: Path) -> None:
    other = (logs / "mfa02-Svc.log").read_bytes()
    command = [sys.executable, "-m", "shipper", "parse", "--across", "--only", "findings", "--deterministic", "-q"]
    files = [str(logs / "mfa03-Svc.log")]
    piped = subprocess.run([*command, *files, "-"], input=other, capture_output=True, timeout=300, check=True)
    named = subprocess.run([*command, *files, str(logs / "mfa02-Svc.log")], capture_output=True, timeout=300, check=True)
    assert piped.stdout == named.stdout
    assert piped.stdout
