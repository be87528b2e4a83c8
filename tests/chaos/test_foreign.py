"""A shipper that is killed again and again while another program rotates, deletes and compresses its log, into a real Kafka."""

import contextlib
import json
import random
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.foreign import Foreign
from tests.chaos.server import Arrivals, Server
from tests.support.generate import Recipe, generate
from tests.support.kafka import Broker, create_topic, read_topic
from tests.support.process import Shipper, Verdict, configuration, expected, until

pytestmark = pytest.mark.slow

KILLS = 7  # not after a day whose log was deleted, or nothing would be left to deliver
LINES = 600  # a life of the shipper
DATE = b"2017-02-14"


class World:
    """A log that a foreign process writes, a shipper, and the topic that it fills."""

    def __init__(self, client: str, exactly_once: bool, broker: Broker, folder: Path) -> None:
        self.folder, self.address, self.topic = folder, broker.address, f"foreign-{secrets.token_hex(4)}"
        create_topic(broker.address, self.topic)
        create_topic(broker.address, f"{self.topic}-state", 1, **{"cleanup.policy": "compact"})
        kafka = {
            "bootstrap_servers": [broker.address], "topic": self.topic, "state_topic": f"{self.topic}-state",
            "client": client, "exactly_once": exactly_once, "transactional_id": self.topic,
        }  # fmt: skip
        output = {"type": "kafka", "kafka": kafka, "batch": {"max_age": "200ms", "max_events": 300}}
        self.shipper = Shipper(folder, configuration(folder, output))
        self.random = random.Random(16)
        self.log = Foreign(str(folder / "logs" / "Mfa.log"), 16)

    def day(self, number: int) -> Server[Foreign]:
        """Who writes the log of a day, of which nothing has to do with the day before."""
        text = self.folder / "text"
        generate(Recipe(lines=LINES, seed=number, users=30), text)
        return Server(self.log, text.read_bytes().replace(DATE, b"%s%02d" % (DATE[:-2], number + 1)), self.random)

    def came(self) -> list[bytes]:
        """The records that are committed."""
        return [record.value for record in read_topic(self.address, self.topic) if record.value is not None]

    def all_came(self) -> bool:
        """Each line that was written to its end is there; each of them is one event."""
        ids = {event["event"]["id"] for event in map(json.loads, self.came()) if event["event"]["kind"] != "alert"}
        return len(ids) >= sum(content.count(b"\n") for content in self.log.generations)

    def rotate(self, server: Server[Foreign]) -> None:
        """The log gets another name; perhaps that file is compressed while the next one is read."""
        server.write(0.05, whole=True)
        self.log.rename()
        if self.random.random() < 0.5:
            server.write(0.05)
            self.log.compress()

    def delete(self, server: Server[Foreign]) -> None:
        """The log of a whole day is deleted when it has been read; what begins then is another one."""
        server.write(1.0)
        until(self.all_came, lambda: f"what is deleted came\n{self.shipper.said()[-3000:]}", every=0.2)
        self.log.delete()


@contextlib.contextmanager
def named(shipper: Shipper) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        error.add_note(shipper.said()[-3000:])
        raise


@pytest.mark.parametrize("client", ["kafka-python", "confluent-kafka"])
@pytest.mark.parametrize("exactly_once", [False, True], ids=["at-least-once", "exactly-once"])
def test_kills(client: str, exactly_once: bool, broker: Broker, tmp_path: Path) -> None:
    folder = tmp_path / "Prüfung der Anmeldung"
    folder.mkdir()
    world = World(client, exactly_once, broker, folder)
    with named(world.shipper), contextlib.closing(Arrivals(world.address, world.topic)) as arrivals:
        for number in range(KILLS):
            server = world.day(number)
            server.write(0.2)  # while nobody reads
            world.shipper.start()
            before = arrivals()
            lines = server.write(0.2)
            world.rotate(server)
            lines += server.write(0.2)
            arrivals.grow(world.random.randint(0, lines), before)
            if number % 3 == 2:
                world.delete(server)
            assert world.shipper.alive
            world.shipper.kill()
            server.write(1.0)
        world.shipper.start()
        until(world.all_came, "everything came", every=0.5)
        if world.shipper.hears_orders:
            assert world.shipper.terminate() == 0
        else:
            world.shipper.kill()
        world.log.close()
        assert "Traceback" not in world.shipper.said()
        verdict = Verdict(world.came(), expected(world.log.generations, folder))

    assert (verdict.lost, verdict.wrong) == (0, 0), verdict
    assert not (exactly_once and verdict.repeats), verdict
