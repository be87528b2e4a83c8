"""A network that cuts, delays, half-closes and refuses; a cluster that loses a broker; records that are refused."""

import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from shipper.testing import LogWriter
from tests.chaos.kill import delivered
from tests.chaos.proxy import Proxy
from tests.chaos.server import Arrivals, Server
from tests.support.cluster import Cluster
from tests.support.generate import Recipe, generate
from tests.support.kafka import Broker, create_topic, free_port, read_topic, start_or_skip
from tests.support.process import Shipper, Verdict, configuration, expected, until

pytestmark = pytest.mark.slow

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


def server_of(folder: Path, lines: int) -> Server[LogWriter]:
    """Writes a log of so many lines."""
    generate(Recipe(lines=lines, seed=lines, users=40), folder / "text")
    return Server(LogWriter(str(folder / "logs" / "Mfa.log")), (folder / "text").read_bytes(), random.Random(lines))


def wait_for_all(folder: Path, server: Server[LogWriter], shipper: Shipper, when: str = "") -> None:
    """Return when all that was written is delivered."""
    until(lambda: delivered(folder, server.writer), lambda: f"everything is delivered{when}\n{shipper.said()[-2000:]}")


@pytest.mark.parametrize(("client", "exactly_once"), MODES)
def test_a_bad_network(client: str, exactly_once: bool, tmp_path: Path) -> None:
    port = free_port()
    proxy = Proxy(port)
    broker = Broker(tmp_path / "kafka", port=port, advertised=proxy.port)
    start_or_skip(broker.start)
    rnd = random.Random(3)
    try:
        shipper = prepared(tmp_path, [broker.address], 1, client, exactly_once)
        server = server_of(tmp_path, 4000)
        shipper.start()
        for trouble in (cut, half_close, slow, refuse, half_close, cut):
            passed, some = proxy.passed, rnd.randrange(5000)
            server.write(0.12, whole=True)
            until(lambda: proxy.passed > passed + some, "it is sending")  # noqa: B023  called at once
            # More of the log, because all may have been sent by now, and a client that has nothing to send rests.
            trouble(proxy, lambda: server.write(0.04, whole=True))
            wait_for_all(tmp_path, server, shipper, f" after {trouble.__name__}")
        assert shipper.terminate() == 0
        came = [one.value for one in read_topic(broker.address, "events") if one.value is not None]
        verdict = Verdict(came, expected(server.writer.generations, tmp_path))
        assert (verdict.lost, verdict.wrong) == (0, 0), verdict
        assert not (exactly_once and verdict.repeats), verdict
    finally:
        broker.kill()
        proxy.close()


def cut(proxy: Proxy, write: Callable[[], object]) -> None:
    assert proxy.cut()
    write()


def half_close(proxy: Proxy, write: Callable[[], object]) -> None:
    accepted = proxy.accepted
    proxy.half_close()
    write()
    until(lambda: proxy.accepted > accepted, "it connects again")


def slow(proxy: Proxy, write: Callable[[], object]) -> None:
    passed, proxy.delay = proxy.passed, 0.2
    write()
    until(lambda: proxy.passed > passed, "something gets through")
    proxy.delay = 0.0


def refuse(proxy: Proxy, write: Callable[[], object]) -> None:
    refused, proxy.refusing = proxy.refused, True
    proxy.cut()
    write()
    until(lambda: proxy.refused > refused + 1, "it tries to connect, twice")
    proxy.refusing = False


def test_one_of_three_brokers_dies(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "kafka")
    start_or_skip(cluster.start)
    try:
        brokers = ",".join(cluster.addresses)
        shipper = prepared(tmp_path, cluster.addresses, 3, "confluent-kafka", True)
        second = tmp_path / "second"
        second.mkdir()
        create_topic(brokers, "plain", 3, 3)
        kafka = {"bootstrap_servers": cluster.addresses, "topic": "plain", "client": "kafka-python"}
        other = Shipper(second, configuration(second, {"type": "kafka", "kafka": kafka}))
        servers = [server_of(folder, 3000) for folder in (tmp_path, second)]
        shipper.start()
        other.start()
        with closing(Arrivals(brokers, "events")) as events, closing(Arrivals(brokers, "plain")) as plain:
            written = [server.write(0.5) for server in servers]
            events.grow(written[0] // 2, 0)
            plain.grow(written[1] // 2, 0)
        cluster.members[0].kill()
        for folder, one, server in zip((tmp_path, second), (shipper, other), servers, strict=True):
            server.write(1.0)
            wait_for_all(folder, server, one)
            assert one.terminate() == 0
        living = ",".join(cluster.addresses[1:])
        for topic, folder, server in zip(("events", "plain"), (tmp_path, second), servers, strict=True):
            came = [one.value for one in read_topic(living, topic) if one.value is not None]
            verdict = Verdict(came, expected(server.writer.generations, folder))
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
    seen: list[bytes | None] = []

    def all_are_there() -> bool:
        seen[:] = [one.value for one in read_topic(broker.address, name)]
        return len(set(seen)) == 3

    until(all_are_there, lambda: f"the short ones are delivered; there are {seen}\n{shipper.said()[-2000:]}", every=0.5)
    assert len(seen) == 3 or not exactly_once
    letters = tmp_path / "state" / "dead_letters.ndjson"
    until(lambda: letters.exists() and letters.read_bytes().count(b"\n") == 1, "the longest is in the file")
    (letter,) = [one.value or b"" for one in read_topic(broker.address, f"{name}-dead")]
    assert b"m" * 5000 in letter
    assert b'"reason":"' in letter
    assert shipper.terminate() == 0
