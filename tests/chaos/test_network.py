"""A network that cuts, delays, half-closes and refuses; a cluster that loses a broker; records that are refused."""

import random
import threading
import time
from pathlib import Path

import pytest

from shipper.testing import LogWriter
from tests.chaos.kill import delivered
from tests.chaos.proxy import Proxy
from tests.support.cluster import Cluster
from tests.support.generate import Recipe, generate
from tests.support.kafka import Broker, create_topic, free_port, read_topic, start_or_skip
from tests.support.process import Shipper, Verdict, configuration, expected, until

MODES = [(client, exactly_once) for client in ("kafka-python", "confluent-kafka") for exactly_once in (False, True)]


def prepared(folder: Path, servers: list[str], copies: int, client: str, exactly_once: bool, **kafka: str) -> Shipper:
    """A shipper into a topic `events` of its own."""
    create_topic(",".join(servers), "events", 3, copies)
    create_topic(",".join(servers), "state", 1, copies, **{"cleanup.policy": "compact"})
    section = {
        "bootstrap_servers": servers, "topic": "events", "state_topic": "state", "client": client,
        "exactly_once": exactly_once, "transactional_id": "shipper", **kafka,
    }  # fmt: skip
    output = {"type": "kafka", "kafka": section, "batch": {"max_age": "100ms", "max_events": 500}}
    return Shipper(folder, configuration(folder, output))


def trickle(folder: Path, lines: int, seconds: float) -> LogWriter:
    """Write a log of so many lines within so many seconds."""
    generate(Recipe(lines=lines, seed=lines, users=40), folder / "text")
    data = (folder / "text").read_bytes()
    writer = LogWriter(str(folder / "logs" / "Mfa.log"))
    steps = 40
    size = len(data) // steps + 1
    for at in range(0, len(data), size):
        writer.write(data[at : at + size])
        time.sleep(seconds / steps)
    return writer


@pytest.mark.parametrize(("client", "exactly_once"), MODES)
def test_a_bad_network(client: str, exactly_once: bool, tmp_path: Path) -> None:
    port = free_port()
    proxy = Proxy(port)
    broker = Broker(tmp_path / "kafka", port=port, advertised=proxy.port)
    start_or_skip(broker.start)
    try:
        shipper = prepared(tmp_path, [broker.address], 1, client, exactly_once)
        shipper.start()
        calm = threading.Event()
        trouble = threading.Thread(target=_trouble, args=(proxy, calm), daemon=True)
        trouble.start()
        writer = trickle(tmp_path, 4000, 8)
        calm.set()
        trouble.join()
        until(lambda: delivered(tmp_path, writer), f"everything is delivered\n{shipper.said()[-2000:]}")
        assert shipper.terminate() == 0
        came = [one.value for one in read_topic(broker.address, "events") if one.value is not None]
        verdict = Verdict(came, expected(writer.generations, tmp_path))
        assert (verdict.lost, verdict.wrong) == (0, 0), verdict
        assert not (exactly_once and verdict.repeats), verdict
    finally:
        broker.kill()
        proxy.close()


def _trouble(proxy: Proxy, calm: threading.Event) -> None:
    rnd = random.Random(3)
    while not calm.wait(0.4 + rnd.random() * 0.4):
        what = rnd.randrange(4)
        if what == 0:
            proxy.cut()
        elif what == 1:
            proxy.half_close()
        elif what == 2:
            proxy.delay = 0.2
        else:
            proxy.refusing = True
            proxy.cut()
        calm.wait(0.6)
        proxy.delay, proxy.refusing = 0.0, False
    proxy.cut()  # what was half closed does not come back by itself


def test_one_of_three_brokers_dies(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "kafka")
    start_or_skip(cluster.start)
    try:
        shipper = prepared(tmp_path, cluster.addresses, 3, "confluent-kafka", True)
        second = tmp_path / "second"
        second.mkdir()
        create_topic(",".join(cluster.addresses), "plain", 3, 3)
        kafka = {"bootstrap_servers": cluster.addresses, "topic": "plain", "client": "kafka-python"}
        other = Shipper(second, configuration(second, {"type": "kafka", "kafka": kafka}))
        shipper.start()
        other.start()
        death = threading.Timer(3.0, cluster.members[0].kill)
        death.start()
        writers = [trickle(folder, 3000, 5) for folder in (tmp_path, second)]
        death.join()
        for folder, one, writer in zip((tmp_path, second), (shipper, other), writers, strict=True):
            until(lambda f=folder, w=writer: delivered(f, w), f"everything is delivered\n{one.said()[-2000:]}")  # type: ignore[misc]
            assert one.terminate() == 0
        living = ",".join(cluster.addresses[1:])
        for topic, folder, writer in zip(("events", "plain"), (tmp_path, second), writers, strict=True):
            came = [one.value for one in read_topic(living, topic) if one.value is not None]
            verdict = Verdict(came, expected(writer.generations, folder))
            assert (verdict.lost, verdict.wrong) == (0, 0), verdict
            assert topic == "plain" or not verdict.repeats, verdict
    finally:
        cluster.stop()


@pytest.mark.parametrize(("client", "exactly_once"), MODES)
def test_dead_letters_in_a_topic(client: str, exactly_once: bool, broker: Broker, tmp_path: Path) -> None:
    """What the topic will not take goes to the dead letter topic, and what even that will not take to the file."""
    name = f"small-{client}-{exactly_once}"
    create_topic(broker.address, name, 1, **{"max.message.bytes": "3000"})
    create_topic(broker.address, f"{name}-dead", 1, **{"max.message.bytes": "30000"})
    create_topic(broker.address, f"{name}-state", 1, **{"cleanup.policy": "compact"})
    kafka = {
        "bootstrap_servers": [broker.address], "topic": name, "dead_letter_topic": f"{name}-dead", "client": client,
        "exactly_once": exactly_once, "state_topic": f"{name}-state", "transactional_id": name, "compression": "none",
    }  # fmt: skip
    shipper = Shipper(tmp_path, configuration(tmp_path, {"type": "kafka", "kafka": kafka, "batch": {"max_events": 1}}))
    head = "2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|"
    texts = ["short", "m" * 5000, "short too", "l" * 50_000, "the end"]
    (tmp_path / "logs" / "Mfa.log").write_text("".join(f"{head}{text}\n" for text in texts))
    shipper.start()
    until(lambda: len(read_topic(broker.address, name)) == 3, "the short ones are delivered", every=0.5)
    letters = tmp_path / "state" / "dead_letters.ndjson"
    until(lambda: letters.exists() and letters.read_bytes().count(b"\n") == 1, "the longest is in the file")
    (letter,) = [one.value or b"" for one in read_topic(broker.address, f"{name}-dead")]
    assert b"m" * 5000 in letter
    assert b'"reason":"' in letter
    assert shipper.terminate() == 0
