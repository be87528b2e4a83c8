"""`parse --pseudonyms` and `pipeline.pseudonyms`: the key, and that both give the same pseudonyms."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import Shipper, configuration, until

KEY = "geheim-0123456789abcdef"
LOG = "".join(
    f"2017-02-14T02:57:{second}.000000Z|0|1412|6452|pfrad|{said}\n"
    for second, said in (
        (10, "Calling pfAuthUser('Domain\\pnigam', '', 1)"), (15, "authResult = 1"), (15, "rawCallStatus = 21"),
        (20, "Calling pfAuthUser('DOMAIN\\PNigam', '', 1)"), (25, "authResult = 1"), (25, "rawCallStatus = 21"),
    )
)  # fmt: skip


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    return path


def parse(folder: Path, *options: str | Path) -> "subprocess.CompletedProcess[bytes]":
    (folder / "Mfa.log").write_text(LOG)
    command = [sys.executable, "-m", "shipper", "parse", "Mfa.log", "-q", *map(str, options)]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False)


def events(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_the_names_go_out_hidden_and_come_in_as_they_are(tmp_path: Path, key: Path) -> None:
    done = parse(tmp_path, "--pseudonyms", key, "--where", "user.name=pnigam")
    found = events(done.stdout)

    assert (done.returncode, done.stderr, len(found)) == (0, b"", 7)
    assert len({event["user"]["name"] for event in found}) == 1
    assert b"pnigam" not in done.stdout.lower()
    assert KEY.encode() not in done.stdout


def test_a_key_that_others_can_read_is_told(tmp_path: Path, key: Path) -> None:
    key.chmod(0o640)
    done = parse(tmp_path, "--pseudonyms", key)
    assert (done.returncode, len(events(done.stdout))) == (0, 7)
    assert done.stderr.decode() == f"mfa-shipper: warning: others can read the key {key}; chmod 600 {key}\n"


@pytest.mark.parametrize("content", [b"", b"short-key\n", b"short\n" + b"x" * 32, b"\xff" * 32], ids=range(4))
def test_what_is_no_key(tmp_path: Path, key: Path, content: bytes) -> None:
    key.write_bytes(content)
    done = parse(tmp_path, "--pseudonyms", key)
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"--pseudonyms {key}: its first line must be a text of 16 bytes or more" in done.stderr.decode()
    assert b"short" not in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_no_key_at_all(tmp_path: Path) -> None:
    done = parse(tmp_path, "--pseudonyms", "nowhere")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"cannot read the key nowhere: No such file" in done.stderr


def test_run_has_the_pseudonyms_of_parse(tmp_path: Path, key: Path) -> None:
    output = tmp_path / "out.ndjson"
    config = configuration(tmp_path, {"type": "file", "file": {"path": str(output)}}, log={"level": "debug"})
    config["pipeline"] = {"pseudonyms": {"key": f"${{file:{key}}}"}}
    (tmp_path / "logs" / "Mfa.log").write_text(LOG)
    shipper = Shipper(tmp_path, config)
    shipper.start()
    until(lambda: output.exists() and len(output.read_bytes().splitlines()) == 7, "six events and a finding")
    assert shipper.terminate() == 0

    parsed = events(parse(tmp_path, "--pseudonyms", key).stdout)
    names = [(event["event"]["id"], event["user"], event["message"]) for event in events(output.read_bytes())]
    assert names == [(event["event"]["id"], event["user"], event["message"]) for event in parsed]
    kept = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert kept
    for path in (output, shipper.log, *kept):
        assert KEY not in path.read_text(encoding="utf-8")
        assert "pnigam" not in path.read_text(encoding="utf-8").lower()
