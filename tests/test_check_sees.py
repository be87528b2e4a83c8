"""What `run` would stumble over, `check` says before, in the same words: it tries what can be tried, and leaves nothing behind."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.support.process import Shipper, as_a_user, configuration, numbered, until

ROOT = Path(__file__).parent.parent


def said_all(command: str, config: Path, runner: tuple[str, ...] = ()) -> tuple[int, str, str]:
    """Status, standard output and standard error."""
    done = subprocess.run(
        [*runner, sys.executable, "-m", "shipper", command, "--config", config],
        capture_output=True, text=True, timeout=60, check=False, cwd=ROOT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def said(command: str, config: Path, runner: tuple[str, ...] = ()) -> tuple[int, str]:
    """Status and standard error."""
    status, _, complaint = said_all(command, config, runner)
    return status, complaint


class Case:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        output = {"type": "file", "file": {"path": str(folder / "out.ndjson")}, "batch": {"max_age": "50ms"}}
        self.config: dict[str, Any] = configuration(folder, output)
        self.runner: tuple[str, ...] = ()
        authority = trustme.CA()
        for name in ("a", "b"):
            made = authority.issue_cert("127.0.0.1")
            (folder / f"{name}.pem").write_bytes(made.cert_chain_pems[0].bytes())
            (folder / f"{name}.key").write_bytes(made.private_key_pem.bytes())
        (folder / "text.pem").write_text("no certificate\n")

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def listens(self, address: str, **more: str) -> None:
        self.config["metrics"] = {"listen": address, **more}

    def ships_to_kafka(self, compression: str = "zstd", **security: str) -> None:
        kafka = {"bootstrap_servers": ["127.0.0.1:1"], "topic": "t", "compression": compression, "security": security}
        self.config["output"] = {"type": "kafka", "kafka": kafka}

    def as_a_user(self) -> None:
        self.runner = as_a_user()


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield int(other.getsockname()[1])


def refused(case: Case, sentence: str) -> None:
    """Both commands refuse the configuration with this sentence, and make nothing."""
    config = Shipper(case.folder, case.config).config
    before = sorted(os.listdir(case.folder))
    status, checked = said("check", config, case.runner)
    assert (status, len(checked.splitlines())) == (2, 1), checked
    assert checked.startswith(f"mfa-shipper: {sentence}"), checked
    assert sorted(os.listdir(case.folder)) == before
    assert said("run", config, case.runner) == (2, checked)


def test_a_port_that_is_taken(case: Case, taken: int) -> None:
    case.listens(f"127.0.0.1:{taken}")
    refused(case, f"metrics.listen: cannot listen on 127.0.0.1:{taken}: Address already in use; choose another port, or null")


def test_an_address_of_another_machine(case: Case) -> None:
    case.listens("203.0.113.1:9108")
    refused(case, "metrics.listen: cannot listen on 203.0.113.1:9108: Cannot assign requested address")


FILES: dict[str, tuple[dict[str, str], str]] = {
    "no certificate": ({"cert_file": "no.pem", "key_file": "a.key"}, "cert_file: there is no file {}/no.pem"),
    "no key": ({"cert_file": "a.pem", "key_file": "no.key"}, "key_file: there is no file {}/no.key"),
    "bad certificate": (
        {"cert_file": "text.pem", "key_file": "a.key"}, "cert_file: {}/text.pem holds no certificate in PEM form",
    ),
    "bad key": ({"cert_file": "a.pem", "key_file": "text.pem"}, "key_file: {}/text.pem holds no private key in PEM form"),
    "another key": (
        {"cert_file": "a.pem", "key_file": "b.key"}, "key_file: {0}/b.key is not the key of the certificate {0}/a.pem",
    ),
}  # fmt: skip


@pytest.mark.parametrize("files", FILES)
@pytest.mark.parametrize("key", ["metrics", "output.kafka.security"])
def test_certificates(key: str, files: str, case: Case) -> None:
    names, sentence = FILES[files]
    paths = {name: case.path(file) for name, file in names.items()}
    if key == "metrics":
        case.listens("127.0.0.1:0", **paths)
    else:
        case.ships_to_kafka(protocol="SSL", **paths)
    refused(case, f"{key}.{sentence.format(case.folder)}")


@pytest.mark.parametrize(("file", "sentence"), [("no.pem", "there is no file {}"), ("text.pem", "{} holds no certificate")])
@pytest.mark.parametrize("client", ["kafka-python", "confluent-kafka"])
def test_authorities(client: str, file: str, sentence: str, case: Case) -> None:
    case.ships_to_kafka(protocol="SSL", ca_file=case.path(file))
    case.config["output"]["kafka"]["client"] = client
    refused(case, f"output.kafka.security.ca_file: {sentence.format(case.path(file))}")


def test_a_key_of_another_user(case: Case) -> None:
    case.as_a_user()
    os.chmod(case.path("a.key"), 0)
    case.listens("127.0.0.1:0", cert_file=case.path("a.pem"), key_file=case.path("a.key"))
    refused(case, f"metrics.key_file: {case.path('a.key')} cannot be read: Permission denied")


def test_a_lock_of_another_user(case: Case) -> None:
    """Such as root leaves, who ran the shipper once to try it."""
    case.as_a_user()
    os.mkdir(case.path("state"))
    Path(case.path("state/lock")).touch(0)
    refused(case, f"state_dir: {case.path('state/lock')} cannot be written; it belongs to another user")


def test_a_compression_that_is_not_installed(case: Case) -> None:
    try:
        import snappy  # type: ignore[import-not-found,unused-ignore]  # noqa: F401
    except ImportError:
        case.ships_to_kafka("snappy")
        refused(case, "output.kafka.compression: snappy needs python-snappy, which is not installed; install it, or choose zstd")
    else:
        pytest.skip("it is installed here")


def test_a_checkpoint_of_a_newer_version(case: Case) -> None:
    os.mkdir(case.path("state"))
    Path(case.path("state/checkpoint.json")).write_text(json.dumps({"version": 2}))
    config = Shipper(case.folder, case.config).config
    status, checked = said("check", config)
    assert (status, "checkpoint.json is unusable: it has version 2, this program reads 1" in checked) == (2, True), checked
    assert said("run", config) == (2, checked)


@pytest.fixture
def running(case: Case) -> Callable[[], Shipper]:
    def start() -> Shipper:
        Path(case.path("logs/Mfa.log")).write_bytes(numbered(0, 3))
        shipper = Shipper(case.folder, case.config)
        shipper.start()
        out = Path(case.path("out.ndjson"))
        until(lambda: out.exists() and out.read_bytes().count(b"\n") == 3, "its events")
        return shipper

    return start


def test_the_shipper_that_runs_is_no_obstacle(case: Case, taken: int, running: Callable[[], Shipper]) -> None:
    """Who changes the configuration checks it before the reload, while the old one is in use."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    case.listens(f"127.0.0.1:{port}")
    shipper = running()
    done = subprocess.run(
        [sys.executable, "-m", "shipper", "check", "--config", shipper.config],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert f"Address already in use, probably because of the shipper that runs with pid {shipper.pid}\n" in done.stdout


def test_the_output_of_another_shipper(case: Case, running: Callable[[], Shipper]) -> None:
    shipper = running()
    second = case.folder / "second"
    second.mkdir()
    config = Shipper(second, {**case.config, "state_dir": str(second / "state")}).config
    for command in ("check", "run"):
        status, complaint = said(command, config)
        assert status == 2, complaint
        assert f"pid {shipper.pid}" in complaint
        assert case.path("out.ndjson") in complaint


def test_rotated_files_that_no_input_matches(case: Case) -> None:
    logs = case.folder / "logs"
    case.config["inputs"] = [{"path": str(logs / "*.log")}]
    config = Shipper(case.folder, case.config).config
    status, shown, _ = said_all("check", config)
    lost = f"what is rotated away while nothing runs is lost: use {logs}/*.log*"
    assert status == 0
    assert f"warning    inputs[0].path: rotated logs, such as X.log.1, do not match; {lost}\n" in shown
    (logs / "a.log").touch()
    (logs / "a.log.1").touch()
    _, shown, _ = said_all("check", config)
    assert f"warning    inputs[0].path: {logs}/a.log.1 is a rotated log, and no input matches it; {lost}\n" in shown
    case.config["inputs"] = [{"path": f"{logs}/*.log*"}]
    _, shown, _ = said_all("check", Shipper(case.folder, case.config).config)
    assert "no input matches" not in shown
