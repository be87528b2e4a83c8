"""SASL_SSL, SCRAM, access lists and client certificates on a real Kafka: what works, and what is said when not."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Producer

from tests.support.kafka import free_port, read_topic, start_or_skip
from tests.support.process import Shipper, configuration, until
from tests.support.secure import MECHANISM, USERS, SecureBroker

pytestmark = pytest.mark.slow

CLIENTS = ["kafka-python", "confluent-kafka"]
LOG = (Path(__file__).parents[2] / "deploy" / "examples" / "MultiFactorAuthRadiusSvc.log").read_bytes()
EVENTS = 24  # of LOG
RIGHTS = [f"{operation} TOPIC {topic}" for topic in ("mfa-events", "no-such-topic") for operation in ("WRITE", "DESCRIBE")]
WITH_TRANSACTIONS = [
    *(f"{operation} TRANSACTIONAL_ID mfa-test" for operation in ("WRITE", "DESCRIBE")),
    *(
        f"{operation} TOPIC mfa-state{end}"
        for end in ("", *(f"-{c}" for c in CLIENTS))
        for operation in ("WRITE", "DESCRIBE", "READ", "DESCRIBE_CONFIGS")
    ),
]


@pytest.fixture(scope="module")
def secured() -> Iterator[SecureBroker]:
    yield from _broker(mutual=False)


def _broker(*, mutual: bool) -> Iterator[SecureBroker]:
    with tempfile.TemporaryDirectory(prefix="mfa-secure-") as folder:
        one = SecureBroker(Path(folder), mutual=mutual)
        start_or_skip(one.start)
        try:
            one.create_topic("mfa-events")
            one.create_topic("mfa-late")
            one.create_topic("read-only")
            one.create_topic("no-configs", **{"cleanup.policy": "compact"})
            for topic in ("mfa-state", *(f"mfa-state-{client}" for client in CLIENTS)):
                one.create_topic(topic, **{"cleanup.policy": "compact"})
            one.allow(
                "shipper",
                *RIGHTS,
                *WITH_TRANSACTIONS,
                "DESCRIBE TOPIC read-only",
                "READ TOPIC no-configs",
                "WRITE TOPIC no-configs",
            )
            yield one
        finally:
            one.stop()


def config(broker: SecureBroker, folder: Path, client: str, kafka: dict[str, Any], **security: object) -> Shipper:
    """A shipper of `shipper`, changed by `kafka` and `security`."""
    sound = {
        "protocol": "SASL_SSL", "sasl_mechanism": MECHANISM, "username": "shipper",
        "password": "${file:" + str(folder / "password") + "}", "ca_file": str(broker.ca),
    }  # fmt: skip
    (folder / "password").write_text(USERS["shipper"])
    settings = {"bootstrap_servers": [broker.address], "topic": "mfa-events", "client": client, "transactional_id": "mfa-test"}
    output = {"type": "kafka", "batch": {"max_age": "50ms"}, "kafka": settings | kafka | {"security": sound | security}}
    return Shipper(folder, configuration(folder, output, metrics={"listen": f"127.0.0.1:{free_port()}"}))


def check(shipper: Shipper) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "shipper", "check", "--config", str(shipper.config), "--connect"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert not any(password in said for password in USERS.values())
    assert "Traceback" not in said
    return done.returncode, said


STATE_TOPIC = {"exactly_once": True, "state_topic": "no-configs"}
REFUSED = "refuses the user or the password"
# kafka-python may see the end of the connection only, if it is slow to read the refusal.
ENDED = "closes each connection as it is made: check protocol, sasl_mechanism .*, username and password"
FAULTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "wrong password": ({}, {"password": "not-the-password"}, REFUSED),
    "wrong user": ({}, {"username": "nobody"}, REFUSED),
    "wrong mechanism": (
        {},
        {"sasl_mechanism": "SCRAM-SHA-256"},
        "does not know sasl_mechanism SCRAM-SHA-256|closes each connection.*SCRAM-SHA-256",
    ),
    "missing topic": ({"topic": "no-such-topic"}, {}, "does not exist|missing topic: no-such-topic"),
    "no right at all": ({}, {"username": "stranger", "password": USERS["stranger"]}, "does not (let|give) stranger"),
    "no right to write": ({"topic": "read-only"}, {}, "does not give shipper WRITE on the topic read-only"),
    "no right to see the policy": (STATE_TOPIC, {}, "does not give shipper DESCRIBE_CONFIGS on the topic no-configs"),
    "nobody there": ({"bootstrap_servers": ["127.0.0.1:1"]}, {}, "nobody listens there"),
}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_check_says_what_is_wrong(secured: SecureBroker, tmp_path: Path, client: str, fault: str) -> None:
    kafka, security, sentence = FAULTS[fault]
    status, said = check(config(secured, tmp_path, client, kafka, **security))
    assert status == 1, said
    if sentence == REFUSED and client == "kafka-python":
        sentence = f"{REFUSED}|{ENDED}"
    assert re.search(sentence, said), said


OF_DETECT = {
    "does not give shipper DESCRIBE_CONFIGS on the topic detect-events": "DESCRIBE_CONFIGS TOPIC detect-events",
    "does not give shipper WRITE on the topic detect-found": "WRITE TOPIC detect-found",
    "does not give shipper READ on the group detect-group": "READ GROUP detect-group",
    "missing topic: detect-group-held; create it, or give shipper CREATE": "CREATE BROKER kafka-cluster",
}
MADE_BY_DETECT = ("detect-group-held", "changelog__detect-group--detect-group-held--default", "detect-group-dead-letters")


def test_check_says_what_detect_may_not_do(secured: SecureBroker, tmp_path: Path) -> None:
    """Each right that is missing is named, and once all are there nothing is."""
    secured.create_topic("detect-events")
    secured.create_topic("detect-found")
    file = tmp_path / "detect.yaml"
    kafka = {
        "bootstrap_servers": [secured.address], "topic": "detect-events", "alert_topic": "detect-found",
        "security": {
            "protocol": "SASL_SSL", "sasl_mechanism": MECHANISM, "username": "shipper", "password": USERS["shipper"],
            "ca_file": str(secured.ca),
        },
    }  # fmt: skip
    output = {"type": "kafka", "kafka": kafka}
    file.write_text(yaml.safe_dump({"state_dir": str(tmp_path), "output": output, "detect": {"group": "detect-group"}}))
    shipper = config(secured, tmp_path, "confluent-kafka", {})
    shipper.config = file
    secured.allow("shipper", "DESCRIBE TOPIC detect-found", "DESCRIBE_CONFIGS TOPIC detect-found", "READ TOPIC detect-events")
    secured.allow(
        "shipper", *(f"{right} TOPIC {topic}" for topic in MADE_BY_DETECT for right in ("READ", "WRITE", "DESCRIBE_CONFIGS"))
    )
    for sentence, right in OF_DETECT.items():
        status, said = check(shipper)
        assert status == 1, said
        assert sentence in said
        secured.allow("shipper", right)
    status, said = check(shipper)
    assert status == 0, said


@pytest.mark.parametrize("client", CLIENTS)
def test_check_says_that_the_ca_is_unknown(secured: SecureBroker, tmp_path: Path, client: str) -> None:
    status, said = check(config(secured, tmp_path, client, {}, ca_file=str(secured.other_ca)))
    assert status == 1
    assert "signed by an unknown CA" in said
    assert str(secured.other_ca) in said


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("exactly_once", [False, True])
def test_check_is_content(secured: SecureBroker, tmp_path: Path, client: str, exactly_once: bool) -> None:
    kafka = {"exactly_once": exactly_once, "state_topic": "mfa-state"}
    status, said = check(config(secured, tmp_path, client, kafka))
    assert status == 0, said


@pytest.mark.parametrize("client", CLIENTS)
def test_rights_that_come_later(secured: SecureBroker, tmp_path: Path, client: str) -> None:
    """Not allowed is not for ever: it waits, says so once and not at each try, and delivers all when it may."""
    topic = f"mfa-late-{client}"
    secured.create_topic(topic)
    shipper = config(secured, tmp_path, client, {"topic": topic})
    (tmp_path / "logs" / "Mfa.log").write_bytes(LOG)
    shipper.start()
    until(lambda: "access list" in shipper.said(), "it says that it may not write")
    secured.allow("shipper", f"WRITE TOPIC {topic}", f"DESCRIBE TOPIC {topic}")
    until(lambda: len(read_topic(secured.address, topic, **secured.options("admin"))) == EVENTS, "all events came", every=0.5)
    assert shipper.terminate() == 0
    assert shipper.said().count("access list") == 1
    assert USERS["shipper"] not in shipper.said()


@pytest.mark.parametrize("client", CLIENTS)
def test_the_right_to_see_the_policy_of_the_state_topic_may_come_later(
    secured: SecureBroker, tmp_path: Path, client: str
) -> None:
    state = f"mfa-hidden-{client}"
    secured.create_topic(state, **{"cleanup.policy": "compact"})
    secured.allow("shipper", f"READ TOPIC {state}", f"WRITE TOPIC {state}")
    shipper = config(secured, tmp_path, client, {"exactly_once": True, "state_topic": state})
    shipper.start()
    until(
        lambda: f"DESCRIBE_CONFIGS on the topic {state}" in shipper.said(), lambda: f"it says what is missing\n{shipper.said()}"
    )
    secured.allow("shipper", f"DESCRIBE_CONFIGS TOPIC {state}")
    until(lambda: "the sink accepts events" in shipper.said(), lambda: f"it goes on\n{shipper.said()}")
    assert shipper.terminate() == 0


@pytest.mark.parametrize("client", CLIENTS)
def test_exactly_once_over_sasl_ssl(secured: SecureBroker, tmp_path: Path, client: str) -> None:
    topic = f"mfa-once-{client}"
    secured.create_topic(topic)
    secured.allow("shipper", f"WRITE TOPIC {topic}", f"DESCRIBE TOPIC {topic}")
    shipper = config(secured, tmp_path, client, {"topic": topic, "exactly_once": True, "state_topic": f"mfa-state-{client}"})
    (tmp_path / "logs" / "Mfa.log").write_bytes(LOG)
    shipper.start()
    until(lambda: len(read_topic(secured.address, topic, **secured.options("admin"))) == EVENTS, "all events came", every=0.5)
    assert shipper.terminate() == 0


def test_a_new_ca(tmp_path: Path) -> None:
    """The broker comes back with a certificate of another CA, and `ca_file` holds that: both clients go on."""
    for broker in _broker(mutual=False):
        shippers = {}
        for client in CLIENTS:
            broker.create_topic(f"mfa-{client}")
            broker.allow("shipper", f"WRITE TOPIC mfa-{client}", f"DESCRIBE TOPIC mfa-{client}")
            folder = tmp_path / client
            folder.mkdir()
            shippers[client] = config(broker, folder, client, {"topic": f"mfa-{client}"})
            (folder / "logs" / "Mfa.log").write_bytes(LOG)
            shippers[client].start()
        for client, shipper in shippers.items():
            until(partial(_came, broker, f"mfa-{client}", EVENTS), shipper.said, every=0.5)

        broker.stop()
        broker.renew()
        broker.start()
        for client, shipper in shippers.items():
            with open(tmp_path / client / "logs" / "Mfa.log", "ab") as log:
                log.write(b"one line more\n")
            until(partial(_came, broker, f"mfa-{client}", EVENTS + 1), shipper.said, every=0.5)
            assert shipper.terminate() == 0


def _came(broker: SecureBroker, topic: str, events: int) -> bool:
    return len(read_topic(broker.address, topic, **broker.options("admin"))) >= events


def test_client_certificates(tmp_path: Path) -> None:
    """Mutual TLS: with a certificate both clients are let in, without one they say what is missing."""
    for broker in _broker(mutual=True):
        with_one = {"cert_file": str(broker.client_cert), "key_file": str(broker.client_key)}
        for client in CLIENTS:
            status, said = check(config(broker, tmp_path, client, {}, **with_one))
            assert status == 0, said
            status, said = check(config(broker, tmp_path, client, {}))
            assert status == 1
            assert "asks for a client certificate" in said, said


def test_a_ca_file_that_is_not_there(secured: SecureBroker, tmp_path: Path) -> None:
    for client in CLIENTS:
        shipper = config(secured, tmp_path, client, {}, ca_file=str(tmp_path / "none.pem"))
        status, said = check(shipper)
        assert status == 2
        assert f"ca_file: there is no file {tmp_path}/none.pem" in said


def test_detect_over_sasl_ssl(secured: SecureBroker, tmp_path: Path) -> None:
    """A right that comes later is enough; the id of its transactions is that of its state directory."""
    held, changelog = "tls-group-held", "changelog__tls-group--tls-group-held--default"
    topics = ("tls-events", "tls-found", "tls-dead", held, changelog)
    secured.create_topic("tls-events")
    rights = [f"{right} TOPIC {topic}" for topic in topics for right in ("READ", "WRITE", "DESCRIBE_CONFIGS")]
    secured.allow("shipper", *rights[1:], "READ GROUP tls-group", "CREATE BROKER kafka-cluster")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "transactional_id").write_text("mfa-test\n")
    shipper = config(secured, tmp_path, "kafka-python", {})
    document = yaml.safe_load(shipper.config.read_text())
    del document["inputs"], document["metrics"]
    kafka = document["output"]["kafka"] | {"topic": "tls-events", "alert_topic": "tls-found", "dead_letter_topic": "tls-dead"}
    document |= {"detect": {"group": "tls-group", "partitions": 2, "idle_timeout": "1s"}}
    document["output"] = {"type": "kafka", "kafka": kafka}
    shipper.config.write_text(yaml.safe_dump(document))
    detect = Shipper(tmp_path, document, verb="detect")
    detect.start()
    until(lambda: "detect begins again; nothing is lost" in detect.said(), detect.said)
    secured.allow("shipper", rights[0])
    until(lambda: "joining the group" in detect.said(), detect.said)
    producer = Producer(secured.options("admin"))
    producer.produce("tls-events", b"poison")
    assert producer.flush(20) == 0
    until(lambda: len(read_topic(secured.address, "tls-dead", **secured.options("admin"))) == 1, detect.said, every=0.5)
    assert detect.terminate() == 0, detect.said()
    assert USERS["shipper"] not in detect.said()
    assert "Traceback" not in detect.said()
