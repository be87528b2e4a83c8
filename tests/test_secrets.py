"""What came from the environment or a file is shown nowhere: everything that each command writes is searched for it."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import yaml

from shipper.config.load import load_config
from shipper.secrets import hide, hide_in
from tests.support.kafka import free_port
from tests.support.process import until

# A part that stays as it is in any notation, among characters that do not.
MARK = "s3cr3t"
PASSWORD = f"""pä"ss\\w'ört-{MARK}"""
SECRETS = {"PASSWORD": PASSWORD, "TOPIC": f"{MARK}-topic"}


def settings(folder: Path, port: int, metrics: int, **log: str) -> dict[str, Any]:
    (folder / "logs").mkdir(exist_ok=True)
    (folder / "user").write_text(f"{MARK}-user\n", encoding="utf-8")
    security = {
        "protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "username": f"${{file:{folder}/user}}",
        "password": "${PASSWORD}",
    }
    kafka = {"bootstrap_servers": [f"127.0.0.1:{port}"], "topic": "${TOPIC}", "security": security}
    return {
        "state_dir": str(folder / "state"),
        "inputs": [{"path": str(folder / "logs" / "Mfa*.log")}],
        "output": {"type": "kafka", "kafka": kafka},
        "metrics": {"listen": f"127.0.0.1:{metrics}"},
        "log": log,
        "shutdown_timeout": "100ms",
    }


def written(folder: Path, config: dict[str, Any]) -> Path:
    path = folder / "c.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shipper", *arguments],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **SECRETS},
    )  # fmt: skip


def page(url: str) -> str:
    """A page's text, also of one that says that something is wrong."""
    try:
        with urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
    except HTTPError as error:
        return error.read().decode()
    except OSError:
        return ""


@pytest.mark.parametrize(("form", "client"), [("text", "kafka-python"), ("json", "confluent-kafka")])
def test_run(form: str, client: str, tmp_path: Path) -> None:
    metrics = free_port()
    config = settings(tmp_path, free_port(), metrics, level="debug", format=form)
    config["output"]["kafka"]["client"] = client
    config["state_dir"] = f"{tmp_path}/${{TOPIC}}"  # which the log names
    (tmp_path / "logs" / "Mfa.log").write_text("2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|a line\n")
    log = tmp_path / "shipper.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "shipper", "run", "--config", written(tmp_path, config)],
            stdout=out, stderr=out, env={**os.environ, **SECRETS},
        )  # fmt: skip
    try:
        until(lambda: "does not accept events" in log.read_text(encoding="utf-8"), "the broker cannot be reached")
        pages = [page(f"http://127.0.0.1:{metrics}/{name}") for name in ("metrics", "readyz", "healthz")]
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert all(pages)
    said = log.read_text(encoding="utf-8")
    assert f"{tmp_path}/***" in said
    if form == "json":
        assert all(json.loads(one)["message"] for one in said.splitlines() if one.startswith("{"))
    kept = [file.read_text(encoding="utf-8") for file in (tmp_path / SECRETS["TOPIC"]).rglob("*") if file.is_file()]
    assert kept
    assert [text for text in (said, *pages, *kept) if MARK in text] == []


def test_check_status_and_replay(tmp_path: Path) -> None:
    config = settings(tmp_path, free_port(), free_port())
    config["state_dir"] = f"{tmp_path}/${{TOPIC}}"
    path = written(tmp_path, config)
    state = tmp_path / SECRETS["TOPIC"]
    state.mkdir()
    letter = {"time": "2017-02-14T00:00:00Z", "reason": "too large", "line": "{}"}
    (state / "dead_letters.ndjson").write_text(json.dumps(letter) + "\n", encoding="utf-8")
    with ThreadPoolExecutor() as pool:  # two of them wait for a broker
        calls = ("check",), ("check", "--connect"), ("status",), ("status", "--format", "json"), ("replay",)
        planned, reached, text, data, replayed = pool.map(lambda call: command(*call, "--config", path), calls)
    assert [one.returncode for one in (planned, reached, text, data, replayed)] == [0, 1, 0, 0, 1], reached.stderr
    assert "kafka ***" in planned.stdout
    assert json.loads(data.stdout)["dead_letters"] == 1
    assert "the sink does not accept events" in replayed.stderr
    (state / "checkpoint.json").write_text("{}", encoding="utf-8")
    damaged = command("status", "--config", path)
    assert damaged.returncode == 1
    done = (planned, reached, text, data, replayed, damaged)
    assert [one for one in done if MARK in one.stdout + one.stderr] == []


def mistake(config: dict[str, Any], name: str) -> None:
    """Make one mistake beside, or with, the secret."""
    kafka = config["output"]["kafka"]
    security = kafka["security"]
    if name == "wrong type beside it":
        security["username"] = ["${PASSWORD}"]
    elif name == "in place of a choice":
        security["sasl_mechanism"] = "${PASSWORD}"
    elif name == "in place of a number":
        config["output"]["batch"] = {"max_events": "${PASSWORD}"}
    elif name == "in place of a duration":
        config["shutdown_timeout"] = "${PASSWORD}"
    elif name == "in place of a section":
        kafka["security"] = "${PASSWORD}"
    elif name == "a wrong key beside it":
        security["passwort"] = security.pop("password")
    elif name == "an address":
        config["metrics"]["listen"] = "${PASSWORD}"
    elif name == "contradiction":
        security["protocol"] = "PLAINTEXT"
    elif name == "not set":
        config["log"] = {"level": "${NOT_SET_ANYWHERE}"}
    elif name == "no such patterns":
        config["pipeline"] = {"patterns": ["/nowhere/${PASSWORD}"]}
    elif name == "no such state":
        config["state_dir"] = "/proc/${PASSWORD}"
    else:
        assert name == "no such CA"
        security |= {"protocol": "SASL_SSL", "ca_file": "/nowhere/${PASSWORD}"}


MISTAKES = [
    "wrong type beside it", "in place of a choice", "in place of a number", "in place of a duration", "in place of a section",
    "a wrong key beside it", "an address", "contradiction", "not set", "no such patterns", "no such state",
]  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, tmp_path: Path) -> None:
    config = settings(tmp_path, free_port(), free_port())
    mistake(config, name)
    done = command("run", "--config", written(tmp_path, config))
    assert done.returncode == 2
    assert done.stderr.startswith("mfa-shipper: ")
    assert "Traceback" not in done.stderr
    assert MARK not in done.stdout + done.stderr


def test_a_certificate_that_is_not_there(tmp_path: Path) -> None:
    config = settings(tmp_path, free_port(), free_port())
    mistake(config, "no such CA")
    done = command("check", "--connect", "--config", written(tmp_path, config))
    assert done.returncode in (1, 2)
    assert "/nowhere/***" in done.stderr
    assert MARK not in done.stdout + done.stderr


def test_a_password_in_the_file_itself_is_a_secret_too(tmp_path: Path) -> None:
    config = settings(tmp_path, 9092, 9108)
    config["output"]["kafka"]["security"]["password"] = "written down"
    _, secrets = load_config(str(written(tmp_path, config)), SECRETS)
    assert {"written down", f"{MARK}-user", SECRETS["TOPIC"]} <= secrets


@pytest.mark.parametrize(
    "form", [PASSWORD, repr(PASSWORD), repr(PASSWORD.encode()), json.dumps(PASSWORD), json.dumps(PASSWORD, ensure_ascii=False)]
)
def test_every_notation_is_found(form: str) -> None:
    assert MARK not in hide(f"wrong: {form}!", {PASSWORD})
    assert "***" in hide(form, {PASSWORD})


def test_a_secret_inside_another_one() -> None:
    assert hide("abcd ab", {"ab", "abcd", ""}) == "*** ***"


def test_a_secret_of_a_letter_leaves_no_holes_in_our_words() -> None:
    """`***assword` and `in***ut` would tell it."""
    said = "output.kafka.security: leave user and password out"
    assert hide(said, {"p"}) == said
    assert hide("wrong password: 'p' (p=p)", {"p"}) == "wrong password: '***' (***=***)"
    assert hide("pipe.", {"pip", "pipe"}) == "***."


def test_what_is_hidden_in_json_stays_json() -> None:
    value = {"lag": 42, "path": "/x/42", "none": None, "list": [True, Path("/42")]}
    assert hide_in(value, {"42"}) == {"lag": 42, "path": "/x/***", "none": None, "list": [True, "/***"]}
