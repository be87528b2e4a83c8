"""Signals for a real `mfa-shipper run`: SIGHUP reloads, SIGTERM ends in time whatever the sink does."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from tests.support.kafka import free_port
from tests.support.process import Shipper, configuration, delivered, numbered, until, whole_lines


def to_file(folder: Path, name: str = "out.ndjson") -> dict[str, Any]:
    return {"type": "file", "file": {"path": str(folder / name)}, "batch": {"max_age": "50ms", "max_events": 20}}


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in whole_lines(path)]


def messages(path: Path) -> list[str]:
    return [event["message"] for event in events(path)]


def write(folder: Path, begin: int, end: int) -> None:
    with open(folder / "logs" / "Mfa.log", "ab") as log:
        log.write(numbered(begin, end))


def reload(shipper: Shipper, said: str = "the configuration is reloaded") -> None:
    before = shipper.said().count(said)
    os.kill(shipper.pid, signal.SIGHUP)
    until(lambda: shipper.said().count(said) > before, said)


@pytest.fixture
def shipper(tmp_path: Path) -> Iterator[Shipper]:
    """A shipper that has delivered ten lines to a file, and noted it: what is not yet synced when the file is renamed comes again."""
    shipper = Shipper(tmp_path, configuration(tmp_path, to_file(tmp_path)))
    write(tmp_path, 0, 10)
    shipper.start()
    until(lambda: delivered(tmp_path) == len(numbered(0, 10)), "ten events are delivered")
    yield shipper
    assert shipper.terminate() == 0
    assert "Traceback" not in shipper.said()


def test_hup_opens_the_output_file_anew(shipper: Shipper, tmp_path: Path) -> None:
    """As logrotate's postrotate does: the path is there again without any event."""
    out = tmp_path / "out.ndjson"
    out.rename(tmp_path / "out.ndjson.1")
    reload(shipper)
    until(out.exists, "the file is there again")
    write(tmp_path, 10, 20)
    until(lambda: len(messages(out)) == 10, "ten more events")
    assert messages(tmp_path / "out.ndjson.1") + messages(out) == [f"line {number}" for number in range(20)]


def test_hup_under_load_loses_and_repeats_nothing(shipper: Shipper, tmp_path: Path) -> None:
    for number in range(1, 6):
        write(tmp_path, number * 500, number * 500 + 500)
        reload(shipper)
    write(tmp_path, 3000, 3010)
    wanted = [f"line {number}" for number in (*range(10), *range(500, 3010))]
    until(lambda: len(messages(tmp_path / "out.ndjson")) >= len(wanted), "all events")
    assert messages(tmp_path / "out.ndjson") == wanted


def test_hup_takes_a_new_configuration(shipper: Shipper, tmp_path: Path) -> None:
    port = free_port()
    config = configuration(tmp_path, to_file(tmp_path, "other.ndjson"), metrics={"listen": f"127.0.0.1:{port}"})
    shipper.config.write_text(yaml.safe_dump(config), encoding="utf-8")
    reload(shipper)
    write(tmp_path, 10, 20)
    until(lambda: len(messages(tmp_path / "other.ndjson")) == 10, "ten events in the other file")
    reload(shipper)  # the port is given up and taken again

    def ready() -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    until(ready, "the metrics page is there")
    assert len(messages(tmp_path / "out.ndjson")) == 10


def test_hup_at_the_start_ends_nothing(tmp_path: Path) -> None:
    """From the first moment on in which Python runs our code, through imports and configuration, to the first event."""
    shipper = Shipper(tmp_path, configuration(tmp_path, to_file(tmp_path)))
    write(tmp_path, 0, 10)
    process = shipper.start()
    until(lambda: signals_not_fatal(process.pid) & 1 << (signal.SIGHUP - 1), "SIGHUP no longer ends it", every=0.0005)

    def survives() -> bool:
        os.kill(process.pid, signal.SIGHUP)
        assert process.poll() is None, shipper.said()
        return bool(messages(tmp_path / "out.ndjson"))

    until(survives, "the first event", every=0.005)
    until(lambda: len(messages(tmp_path / "out.ndjson")) == 10, "ten events")
    assert shipper.terminate() == 0
    assert messages(tmp_path / "out.ndjson") == [f"line {number}" for number in range(10)]


def test_hup_while_the_configuration_is_read_is_not_lost(tmp_path: Path) -> None:
    """A secret in a FIFO holds the start up: what is read before the signal may be old."""
    fifo = tmp_path / "key"
    os.mkfifo(fifo)
    pseudonyms = {"key": f"${{file:{fifo}}}", "fields": ["user"]}
    shipper = Shipper(tmp_path, configuration(tmp_path, to_file(tmp_path), pipeline={"pseudonyms": pseudonyms}))
    process = shipper.start()
    with open(fifo, "wb") as secret:  # waits for the shipper to open it
        os.kill(process.pid, signal.SIGHUP)
        secret.write(b"0123456789abcdef" * 4)
    until(lambda: "no checkpoint yet" in shipper.said(), "it has read the first secret")
    with open(fifo, "wb") as secret:
        secret.write(b"fedcba9876543210" * 4)
    until(lambda: "the configuration is reloaded" in shipper.said(), "it is read again")
    assert shipper.terminate() == 0


def test_hup_reads_secrets_again(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("0123456789abcdef" * 4, encoding="utf-8")
    pseudonyms = {"key": f"${{file:{key}}}", "fields": ["user"]}
    shipper = Shipper(tmp_path, configuration(tmp_path, to_file(tmp_path), pipeline={"pseudonyms": pseudonyms}))
    line = b"2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|Calling pfAuthUser('CONTOSO\\pnigam', '', 1)\n"
    log, out = tmp_path / "logs" / "Mfa.log", tmp_path / "out.ndjson"
    log.write_bytes(line)
    shipper.start()
    until(lambda: len(events(out)) == 1, "an event")
    key.write_text("fedcba9876543210" * 4, encoding="utf-8")
    reload(shipper)
    log.write_bytes(line * 2)
    until(lambda: len(events(out)) == 2, "another event")
    first, second = (event["user"]["name"] for event in events(out))
    assert first != second
    assert shipper.terminate() == 0


@pytest.mark.parametrize("text", ["state_dir: [", "state_dir: x\n", None], ids=["no YAML", "incomplete", "gone"])
def test_hup_with_a_wrong_configuration_keeps_the_old_one(text: str | None, shipper: Shipper, tmp_path: Path) -> None:
    kept = shipper.config.read_bytes()
    shipper.config.unlink()
    if text is not None:
        shipper.config.write_text(text, encoding="utf-8")
    reload(shipper, "the configuration was not reloaded; the old one stays")
    write(tmp_path, 10, 20)
    until(lambda: len(messages(tmp_path / "out.ndjson")) == 20, "ten more events")
    shipper.config.write_bytes(kept)


def test_hup_with_an_output_inside_the_inputs_keeps_the_old_one(shipper: Shipper, tmp_path: Path) -> None:
    config = configuration(tmp_path, to_file(tmp_path, "logs/Mfa.events.log"))
    shipper.config.write_text(yaml.safe_dump(config), encoding="utf-8")
    reload(shipper, "the configuration was not reloaded; the old one stays")
    assert "so it would read what it writes" in shipper.said()


def test_hup_with_a_port_that_is_taken_goes_back_to_the_old_one(shipper: Shipper, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        config = configuration(tmp_path, to_file(tmp_path), metrics={"listen": f"127.0.0.1:{other.getsockname()[1]}"})
        shipper.config.write_text(yaml.safe_dump(config), encoding="utf-8")
        reload(shipper, "the new configuration cannot be used; the old one stays")
        write(tmp_path, 10, 20)
        until(lambda: len(messages(tmp_path / "out.ndjson")) == 20, "ten more events")


@pytest.mark.parametrize("mended", ["the world", "the configuration"])
def test_what_cannot_go_on_after_hup_is_tried_until_it_can(mended: str, tmp_path: Path) -> None:
    """Somebody puts a folder in the place of the output after the configuration was looked at."""
    folder, out = tmp_path / "out", tmp_path / "out" / "out.ndjson"
    folder.mkdir()
    shipper = Shipper(tmp_path, configuration(tmp_path, to_file(tmp_path, "out/out.ndjson"), shutdown_timeout="3s"))
    write(tmp_path, 0, 10)
    shipper.start()
    until(lambda: len(messages(out)) == 10, "ten events")
    folder.rename(tmp_path / "away")
    write(tmp_path, 10, 20)
    until(lambda: "the sink does not accept events" in shipper.said(), "there is no folder for them")
    reload(shipper)
    out.mkdir(parents=True)  # while it waits for a place for what it has read
    until(lambda: "the old configuration cannot be used either, for now" in shipper.said(), shipper.said)
    if mended == "the world":
        out.rmdir()
    else:
        out = tmp_path / "other.ndjson"
        config = configuration(tmp_path, to_file(tmp_path, out.name))
        shipper.config.write_text(yaml.safe_dump(config), encoding="utf-8")
        os.kill(shipper.pid, signal.SIGHUP)
    waiting = {line.split("|")[-1] for line in numbered(10, 20).decode().splitlines()}
    until(lambda: out.is_file() and waiting <= {*messages(out)}, shipper.said)  # the others too, if no checkpoint was written yet
    assert shipper.terminate() == 0
    assert "Traceback" not in shipper.said()


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of something that accepts connections and says nothing."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(100)
        yield door.getsockname()[1]


@pytest.mark.parametrize("exactly_once", [False, True])
@pytest.mark.parametrize("client", ["kafka-python", "confluent-kafka"])
@pytest.mark.parametrize("broker", ["refuses", "silent", "unknown"])
def test_term_ends_in_time_without_a_broker(broker: str, client: str, exactly_once: bool, silent: int, tmp_path: Path) -> None:
    address = {"refuses": f"127.0.0.1:{free_port()}", "silent": f"127.0.0.1:{silent}", "unknown": "nowhere.invalid:9092"}[broker]
    kafka = {"bootstrap_servers": [address], "topic": "nobody", "client": client, "exactly_once": exactly_once}
    shipper = Shipper(tmp_path, configuration(tmp_path, {"type": "kafka", "kafka": kafka}, shutdown_timeout="2s"))
    write(tmp_path, 0, 10)
    process = shipper.start()
    until(lambda: signals_caught(process.pid) & 1 << (signal.SIGTERM - 1), "the signal is caught")
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(25) == 0  # seconds; the clients themselves would try for 30 and more
    assert "Traceback" not in shipper.said()


def signals_caught(pid: int, kinds: tuple[str, ...] = ("SigCgt:",)) -> int:
    """The signals as bits, number 1 the lowest."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    masks = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(kinds)]
    return reduce(int.__or__, masks)


def signals_not_fatal(pid: int) -> int:
    return signals_caught(pid, ("SigCgt:", "SigIgn:"))


def test_term_ends_in_time_with_a_reader_that_sleeps(tmp_path: Path) -> None:
    shipper = Shipper(tmp_path, configuration(tmp_path, {"type": "stdout"}, shutdown_timeout="1s"))
    write(tmp_path, 0, 5000)
    reading, writing = os.pipe()
    process = shipper.start(stdout=writing)
    os.close(writing)
    until(lambda: len(os.read(reading, 1)) == 1, "the first byte")
    assert shipper.terminate() == 0
    os.close(reading)
    assert process.returncode == 0


def test_the_second_term_ends_at_once(tmp_path: Path) -> None:
    file = {"path": str(tmp_path / "no folder" / "out.ndjson")}
    shipper = Shipper(tmp_path, configuration(tmp_path, {"type": "file", "file": file}, shutdown_timeout="60s"))
    write(tmp_path, 0, 10)
    process = shipper.start()
    until(lambda: "does not accept events" in shipper.said(), "the sink is down")
    os.kill(process.pid, signal.SIGTERM)
    until(lambda: "stopping" in shipper.said(), "it stops")
    assert shipper.terminate() == 128 + signal.SIGTERM
