"""`detect` on a real Kafka, behind real sidecars: findings across servers, exactly once, whatever comes into the topic."""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.support.kafka import Broker, create_topic, free_port, read_topic
from tests.support.process import Shipper, configuration, until

APPROVED, DENIED = 21, 129
T0 = 40_000  # seconds of the day


def stamp(seconds: float) -> str:
    whole, fraction = divmod(round(seconds * 10**6), 10**6)
    return f"2017-02-14T{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{fraction:06}Z"


def sign_in(user: str, begin: float, end: float, status: int = APPROVED, thread: int = 7) -> str:
    """The three lines of an exchange."""
    verdict = int(status == APPROVED)
    return (
        f"{stamp(begin)}|0|1412|{thread}|pfrad|Calling pfAuthUser('{user}', '', 1)\n"
        f"{stamp(end)}|0|1412|{thread}|pfrad|authResult = {verdict}\n"
        f"{stamp(end)}|0|1412|{thread}|pfrad|rawCallStatus = {status}\n"
    )


def status(user: str, number: int, end: float) -> bytes:
    """The event with which a prompt of three seconds ends, as a sidecar ships it."""
    event = {
        "id": f"2017021440000000000-{number:08}-3", "module": "azure_mfa", "kind": "event", "provider": "pfrad",
        "action": "mfa-status", "outcome": "success", "start": stamp(end - 3), "end": stamp(end),
    }  # fmt: skip
    code = {"code": 21, "description": "Approved", "class": "authenticated", "prompted": True, "method": "mobile_app"}
    azure = {"status": code, "exchange": {"id": f"2017021440000000000-{number:08}"}}
    document = {"@timestamp": stamp(end), "event": event, "azure_mfa": azure, "user": {"name": user}, "host": {"name": "mfa01"}}
    return json.dumps(document).encode()


def detects(instance: Shipper) -> bool:
    return "detecting" in instance.said()


class Rig:
    """Topics, the sidecars of some servers, and instances of `detect`."""

    def __init__(self, broker: Broker, folder: Path, events: str = "line", **detect: Any) -> None:
        self.broker, self.folder, self.events = broker, folder, events
        self.name = f"detect-{secrets.token_hex(4)}"
        self.detect = {"group": self.name, "idle_timeout": "1s", "partitions": 4, **detect}
        create_topic(broker.address, self.name)
        create_topic(broker.address, self.alerts, 2)

    @property
    def alerts(self) -> str:
        return f"{self.name}-alerts"

    @property
    def kafka(self) -> dict[str, Any]:
        return {"bootstrap_servers": [self.broker.address], "topic": self.name, "alert_topic": self.alerts}

    def ship(self, server: str, text: str) -> None:
        """Ship a log by a real sidecar, to its end."""
        folder = self.folder / server
        folder.mkdir()
        output = {"type": "kafka", "events": self.events, "kafka": self.kafka, "batch": {"max_age": "50ms"}}
        config = configuration(folder, output, pipeline={"detectors": [], "host": {"name": server}})
        (folder / "logs" / "Mfa.log").write_text(text)
        before = len(read_topic(self.broker.address, self.name))
        wanted = before + text.count("\n") // (1 if self.events == "line" else 3)
        sidecar = Shipper(folder, config)
        sidecar.start()
        until(lambda: len(read_topic(self.broker.address, self.name)) >= wanted, sidecar.said, every=0.2)
        assert sidecar.terminate() == 0, sidecar.said()

    def instance(self, name: str = "detect", **more: Any) -> Shipper:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        config = {
            "state_dir": str(folder / "state"), "output": {"type": "kafka", "kafka": self.kafka},
            "detect": self.detect, **more,
        }  # fmt: skip
        return Shipper(folder, config, verb="detect")

    def put(self, values: Sequence[bytes | None], key: bytes | None = None) -> None:
        producer = Producer({"bootstrap.servers": self.broker.address})
        for value in values:
            producer.produce(self.name, value, key)
        assert producer.flush(20) == 0

    def found(self) -> list[dict[str, Any]]:
        return [json.loads(record.value) for record in read_topic(self.broker.address, self.alerts) if record.value]

    def dead(self) -> list[dict[str, Any]]:
        return [
            json.loads(record.value) for record in read_topic(self.broker.address, f"{self.name}-dead-letters") if record.value
        ]

    def waits_for(self, number: int, instance: Shipper) -> list[dict[str, Any]]:
        until(lambda: len(self.found()) >= number, instance.said, every=0.3)
        return self.found()


def twice(user: str) -> tuple[str, str]:
    """A double prompt over two servers."""
    return sign_in(user, T0, T0 + 5), sign_in(user, T0 + 13, T0 + 17)


@pytest.mark.parametrize("events", ["line", "exchange"])
def test_a_double_prompt_across_two_servers(broker: Broker, tmp_path: Path, events: str) -> None:
    rig = Rig(broker, tmp_path, events)
    first, second = twice("CONTOSO\\anna")
    rig.ship("mfa01", first + sign_in("CONTOSO\\bert", T0 + 20, T0 + 22))
    rig.ship("mfa02", second)
    detect = rig.instance()
    detect.start()

    (finding,) = rig.waits_for(1, detect)
    assert finding["event"]["action"] == "double_prompt"
    assert finding["host"] == {"name": "mfa02"}
    sides = finding["azure_mfa"]["double_prompt"]
    assert (sides["first"]["host"], sides["second"]["host"], sides["gap_ms"]) == ("mfa01", "mfa02", 8000)
    assert "asked twice: a second prompt began 8.0 s after the first one had succeeded" in finding["message"]
    (record,) = read_topic(broker.address, rig.alerts)
    assert record.key == b"contoso\\anna"
    assert record.headers == {"schema": b"1", "dataset": b"azure_mfa.radius"}
    assert detect.terminate() == 0, detect.said()
    assert "Traceback" not in detect.said()


def test_fatigue_across_two_servers(broker: Broker, tmp_path: Path) -> None:
    rig = Rig(broker, tmp_path)
    refused = [sign_in("eve", T0 + 30 * n, T0 + 30 * n + 10, DENIED) for n in range(5)]
    rig.ship("mfa01", refused[0] + refused[2] + refused[4])
    rig.ship("mfa02", refused[1] + refused[3] + sign_in("eve", T0 + 160, T0 + 170))
    detect = rig.instance()
    detect.start()

    told, gave_in = sorted(rig.waits_for(2, detect), key=lambda finding: finding["@timestamp"])
    assert [finding["azure_mfa"]["mfa_fatigue"]["gave_in"] for finding in (told, gave_in)] == [False, True]
    assert (told["host"]["name"], gave_in["host"]["name"]) == ("mfa01", "mfa02")
    assert told["azure_mfa"]["mfa_fatigue"]["count"] == 5
    assert detect.terminate() == 0, detect.said()


def test_what_is_none_of_ours_stops_nothing(broker: Broker, tmp_path: Path) -> None:
    rig = Rig(broker, tmp_path)
    poison = [
        b"",
        None,
        b"\xff\xfe{",
        b"[]",
        b"null",
        b'{"event":',
        b'{"@timestamp":"x","event":{"module":"azure_mfa","kind":"event"}}',
        b"{}",
    ]
    rig.put(poison)
    first, second = twice("anna")
    rig.ship("mfa01", first)
    rig.put(poison)
    rig.ship("mfa02", second)
    detect = rig.instance()
    detect.start()

    rig.waits_for(1, detect)
    until(lambda: len(rig.dead()) >= 2 * len(poison), detect.said, every=0.3)
    detect.kill()
    again = rig.instance()
    again.start()
    rig.ship("mfa03", sign_in("anna", T0 + 20, T0 + 21))
    found = rig.waits_for(2, again)
    assert Counter(finding["event"]["id"] for finding in found).most_common(1)[0][1] == 1
    assert len(rig.dead()) == 2 * len(poison)
    assert {"no JSON", "the record is empty"} < {letter["reason"] for letter in rig.dead()}
    assert again.terminate() == 0, again.said()
    assert "Traceback" not in again.said()


def pairs(rig: Rig) -> set[str]:
    """The ids of the double prompts that were found."""
    return {finding["event"]["id"] for finding in rig.found() if finding["rule"]["name"] == "double_prompt"}


def test_a_health_probe_that_signs_in_all_the_time_holds_up_nobody(broker: Broker, tmp_path: Path) -> None:
    """Its sign-ins would fill more than a record of Kafka: the changelog takes no state of a megabyte."""
    rig = Rig(broker, tmp_path, partitions=1, lateness="5s", idle_timeout="3s")
    rig.put([status("probe", number, T0 + number / 4) for number in range(6000)], b"probe")
    first, second = twice("anna")
    rig.ship("mfa01", first)
    rig.ship("mfa02", second)
    port = free_port()
    detect = rig.instance(metrics={"listen": f"127.0.0.1:{port}"})
    detect.start()

    until(lambda: any(finding["user"]["name"] == "anna" for finding in rig.found()), detect.said, every=1)
    until(lambda: len(pairs(rig)) >= 6000, detect.said, every=1)
    assert len(pairs(rig)) == 6000
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        (row,) = [row for row in answer.read().decode().splitlines() if row.startswith("mfa_shipper_detect_crowded_out_total")]
    assert float(row.split()[1]) > 4000
    until(
        lambda: "so often that the oldest sign-ins are forgotten; a health probe, perhaps user=probe" in detect.said(),
        detect.said,
    )
    assert detect.said().count("so often that") <= 3
    assert detect.terminate() == 0, detect.said()
    assert "begins again" not in detect.said()


def test_a_kill_and_a_restart_double_and_lose_nothing(broker: Broker, tmp_path: Path) -> None:
    rig = Rig(broker, tmp_path, lateness="1m")
    pairs = [twice(f"user{number}") for number in range(60)]
    halves = ["".join(text for pair in pairs for text in pair[side : side + 1]) for side in (0, 1)]
    rig.ship("mfa01", halves[0])
    detect = rig.instance()
    for _ in range(3):
        detect.start()
        until(lambda: "detecting" in detect.said(), detect.said)
        detect.kill()
    rig.ship("mfa02", halves[1])
    detect.start()
    found = rig.waits_for(60, detect)
    detect.kill()
    detect.start()
    rig.ship("mfa03", sign_in("user0", T0 + 30, T0 + 31))
    found = rig.waits_for(61, detect)
    assert Counter(Counter(finding["event"]["id"] for finding in found).values()) == {1: 61}
    assert detect.terminate() == 0, detect.said()


def test_its_pages(broker: Broker, tmp_path: Path) -> None:
    rig = Rig(broker, tmp_path)
    rig.ship("mfa01", "".join(twice("anna")))
    port = free_port()
    detect = rig.instance(metrics={"listen": f"127.0.0.1:{port}"})
    detect.start()
    rig.waits_for(1, detect)

    def page(path: str) -> str:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    until(lambda: "mfa_shipper_detect_double_prompts_total 1.0" in page("/metrics"), detect.said)
    metrics = page("/metrics")
    assert "mfa_shipper_detect_events_total 6.0" in metrics
    assert "mfa_shipper_detect_judged_total 2.0" in metrics
    assert json.loads(page("/readyz"))["ready"] is True
    assert json.loads(page("/healthz"))["alive"] is True
    check = [sys.executable, "-m", "shipper", "check", "--connect", "--config", str(detect.config)]
    looked = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (looked.returncode, looked.stderr) == (0, ""), looked.stderr
    assert f"Address already in use, probably because of the shipper that runs with pid {detect.pid}\n" in looked.stdout
    assert detect.terminate() == 0, detect.said()


def test_the_topic_of_buckets_must_not_grow(broker: Broker, tmp_path: Path) -> None:
    rig = Rig(broker, tmp_path)
    create_topic(broker.address, f"{rig.name}-held", 6)
    detect = rig.instance()
    process = detect.start()
    until(lambda: not detect.alive, detect.said)
    assert process.returncode == 2
    assert "has 6 partitions, but detect.partitions is 4" in detect.said()


def test_the_events_may_get_more_partitions(broker: Broker, tmp_path: Path) -> None:
    rig = Rig(broker, tmp_path)
    pairs = [twice(f"user{number}") for number in range(30)]
    rig.ship("mfa01", "".join(first for first, _ in pairs))
    detect = rig.instance()
    detect.start()
    until(lambda: "detecting" in detect.said(), detect.said)
    admin = AdminClient({"bootstrap.servers": broker.address})
    admin.create_partitions([NewPartitions(rig.name, 7)])[rig.name].result(20)
    rig.ship("mfa02", "".join(second for _, second in pairs))
    found = rig.waits_for(30, detect)
    assert len({finding["event"]["id"] for finding in found}) == len(found) == 30
    assert detect.terminate() == 0, detect.said()


def test_two_instances_share_the_work(broker: Broker, tmp_path: Path) -> None:
    rig = Rig(broker, tmp_path)
    instances = [rig.instance("one"), rig.instance("two")]
    for instance in instances:
        instance.start()
    for instance in instances:
        until(partial(detects, instance), instance.said)
    pairs = [twice(f"user{number}") for number in range(40)]
    rig.ship("mfa01", "".join(first for first, _ in pairs))
    instances[0].kill()
    rig.ship("mfa02", "".join(second for _, second in pairs))
    found = rig.waits_for(40, instances[1])
    assert Counter(Counter(finding["event"]["id"] for finding in found).values()) == {1: 40}
    assert instances[1].terminate() == 0, instances[1].said()


def test_what_waits_is_counted_by_the_instance_that_has_it(broker: Broker, tmp_path: Path) -> None:
    rig = Rig(broker, tmp_path, lateness="10m", idle_timeout="1h")
    ports = {name: free_port() for name in ("one", "two")}
    instances = {name: rig.instance(name, metrics={"listen": f"127.0.0.1:{port}"}) for name, port in ports.items()}

    def waiting(name: str) -> float:
        with urlopen(f"http://127.0.0.1:{ports[name]}/metrics", timeout=10) as answer:
            rows = answer.read().decode().splitlines()
        return float(next(row.split()[1] for row in rows if row.startswith("mfa_shipper_detect_waiting ")))

    instances["one"].start()
    until(lambda: detects(instances["one"]), instances["one"].said)
    for number in range(60):
        rig.put([status(f"user{number}", number, T0 + number)], f"user{number}".encode())
    until(lambda: waiting("one") == 60, instances["one"].said, every=0.2)
    instances["two"].start()
    until(lambda: detects(instances["two"]), instances["two"].said)
    until(lambda: 0 < waiting("one") < 60, instances["one"].said, every=0.2)
    for number in range(60, 120):  # the time goes on, so each bucket of the second one gets a record as well
        rig.put([status(f"user{number}", number, T0 + number)], f"user{number}".encode())
    both = lambda: "".join(instance.said() for instance in instances.values())  # noqa: E731
    until(lambda: waiting("two") > 0 and waiting("one") + waiting("two") == 120, both, every=0.2)
    for instance in instances.values():
        assert instance.terminate() == 0, instance.said()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")
def test_sighup_reads_the_configuration_again(broker: Broker, tmp_path: Path) -> None:
    rig = Rig(broker, tmp_path)
    rig.ship("mfa01", twice("anna")[0])
    detect = rig.instance()
    detect.start()
    until(lambda: "detecting" in detect.said(), detect.said)
    config = detect.config.read_text()
    detect.config.write_text(config + "nonsense: 1\n")
    os.kill(detect.pid, signal.SIGHUP)
    until(lambda: "was not reloaded; the old one stays" in detect.said(), detect.said)
    detect.config.write_text(config.replace("idle_timeout: 1s", "idle_timeout: 2s"))
    os.kill(detect.pid, signal.SIGHUP)
    until(lambda: "the configuration is reloaded" in detect.said(), detect.said)
    rig.ship("mfa02", twice("anna")[1])
    rig.waits_for(1, detect)
    assert detect.terminate() == 0, detect.said()


def test_it_waits_for_the_topic_and_the_broker(broker: Broker, tmp_path: Path) -> None:
    rig = Rig(broker, tmp_path)
    detect = Shipper(
        tmp_path,
        {
            "state_dir": str(tmp_path / "state"),
            "output": {"type": "kafka", "kafka": rig.kafka | {"topic": f"{rig.name}-later"}},
            "detect": rig.detect,
        },
        verb="detect",
    )
    detect.start()
    until(lambda: f"there is no topic {rig.name}-later now" in detect.said(), detect.said)
    create_topic(broker.address, f"{rig.name}-later")
    until(lambda: "detecting" in detect.said(), detect.said)
    assert detect.terminate() == 0, detect.said()


def test_without_quix_streams_it_says_what_to_install(tmp_path: Path) -> None:
    rig = {"type": "kafka", "kafka": {"bootstrap_servers": ["127.0.0.1:1"], "topic": "t"}}
    config = tmp_path / "mfa.yaml"
    config.write_text(json.dumps({"state_dir": str(tmp_path / "s"), "output": rig, "detect": {}}))
    code = "import sys; sys.modules['quixstreams'] = None; from shipper.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "detect", "--config", str(config)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "mfa-shipper: detect: Quix Streams is not installed; in a checkout, pip install '.[detect]'\n"
