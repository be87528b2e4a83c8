"""A real Apache Kafka from Maven's jars, for tests and for people: `python -m tests.support.kafka`.

One process is broker and controller (KRaft). It listens on 127.0.0.1 only.
"""

import argparse
import base64
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.support.jars import Unavailable, class_path, free_port, locked

__all__ = ["Broker", "Lent", "Seen", "Unavailable", "create_topic", "free_port", "read_topic", "shared"]

Started = TypeVar("Started")

LENT = "MFA_SHIPPER_TEST_BROKER"  # the variable with the port of a broker that somebody else started, and ends
QUICK_START = ("java", "-Xmx512m", "-Xshare:auto", "-XX:TieredStopAtLevel=1")
LONG_RUN = ("java", "-Xmx512m")  # with the compiler that a Kafka has in real life: to measure with


def jars() -> str:
    """The class path of Kafka; raises Unavailable."""
    return class_path("kafka", Path(__file__).with_name("kafka.pom.xml"))


class Broker:
    """One broker with its data; it can be killed and started again on the same port.

    `advertised` is the port that clients are told, for a proxy in between. `security` holds lines for
    `server.properties` that replace the plain listener.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        advertised: int | None = None,
        auto_create: bool = True,
        java: tuple[str, ...] = QUICK_START,
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._controller = free_port()
        self.advertised = advertised or self.port
        self._auto_create = auto_create
        self._java = java
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder / "broker.log"
        self.cluster: str | None = None  # the id of one that it belongs to

    @property
    def address(self) -> str:
        """What a client is given."""
        return f"127.0.0.1:{self.advertised}"

    def properties(self) -> dict[str, object]:
        """`server.properties`."""
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.advertised}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": self.folder / "data",
            "num.partitions": 3,
            "auto.create.topics.enable": str(self._auto_create).lower(),
            "offsets.topic.num.partitions": 4,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
        }

    def format_arguments(self) -> list[str]:
        """More arguments for the storage tool."""
        return []

    def start(self, deadline: float = 180.0) -> "Broker":
        """Start it, and return when it answers."""
        self.launch()
        return self.wait(deadline)

    def launch(self) -> None:
        """Start it and do not wait."""
        classes = jars()
        properties = self.folder / "server.properties"
        if not properties.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            properties.write_text("".join(f"{key}={value}\n" for key, value in self.properties().items()))
            cluster = self.cluster or base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
            tool = [
                *QUICK_START,
                "-cp",
                classes,
                "kafka.tools.StorageTool",
                "format",
                f"--cluster-id={cluster}",
                "-c",
                str(properties),
            ]
            done = subprocess.run([*tool, *self.format_arguments()], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                [*self._java, "-cp", classes, "kafka.Kafka", str(properties)], stdout=log, stderr=log
            )

    def wait(self, deadline: float) -> "Broker":
        """Return when it answers."""
        assert self._process is not None
        end = time.monotonic() + deadline
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"the broker did not start: {self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL: as when the machine goes."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(20)

    def stop(self) -> None:
        """The orderly end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


class Lent(Broker):
    """One that another process started: nobody here may end it. (Beside Python on Windows no Java runs.)"""

    def __init__(self, folder: Path, port: str) -> None:
        super().__init__(folder, port=int(port))

    def launch(self) -> None:
        """It runs."""

    def wait(self, deadline: float) -> "Broker":
        assert self._answers(), f"nobody listens on port {self.port}"
        return self

    def kill(self) -> None:
        raise AssertionError("a broker that is lent cannot be killed: the test wants one of its own, and @pytest.mark.posix")


@contextmanager
def shared(folder: Path) -> Iterator[Broker]:
    """One broker for all processes that name the same folder. The first one starts it, and waits for the others before it ends it.

    Raises:
        Unavailable: as `jars`.
    """
    import fcntl

    port = folder / "port"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "users", "w") as users:
        with locked(folder / "lock"):
            broker = Lent(folder, port.read_text()) if port.exists() else Broker(folder)
            broker.start()
            fcntl.flock(users, fcntl.LOCK_SH)
            if not isinstance(broker, Lent):
                port.write_text(str(broker.port))
        try:
            yield broker
        finally:
            if not isinstance(broker, Lent):
                with locked(folder / "lock"):
                    fcntl.flock(users, fcntl.LOCK_EX)
                    port.unlink()
                broker.kill()  # nobody wants its data


def create_topic(address: str, name: str, partitions: int = 3, copies: int = 1, /, **config: str) -> None:
    """Make a topic, and return when it is there."""
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": address})
    end = time.monotonic() + 60
    while True:  # a broker that has just started may not take it yet
        try:
            admin.create_topics([NewTopic(name, partitions, copies, config=config)])[name].result(20)
            break
        except Exception as error:
            if "ALREADY_EXISTS" in str(error):
                break
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
    while name not in admin.list_topics(timeout=20).topics:  # a busy broker lists it a moment later
        assert time.monotonic() < end, f"the topic {name} is not listed"
        time.sleep(0.02)


def start_or_skip(start: Callable[[], Started]) -> Started:
    """Start brokers for tests; where none is to be had, they are skipped. In CI that is a failure."""
    import pytest

    try:
        return start()
    except Unavailable as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


class Seen:
    """A record as a reader saw it."""

    def __init__(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: dict[str, Any]) -> None:
        self.topic, self.partition, self.key, self.value, self.headers = topic, partition, key, value, headers


def read_topic(address: str, topic: str, begin: Mapping[int, int] | None = None, /, **options: object) -> list[Seen]:
    """All committed records of a topic, read by confluent-kafka: not our code, not our client.

    `begin`: the offsets to read from, by partition; 0 where none is given.
    """
    from confluent_kafka import Consumer, KafkaError, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": address, "group.id": secrets.token_hex(8), "isolation.level": "read_committed",
            "enable.partition.eof": True, "auto.offset.reset": "earliest", "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,  # a broker answers as late as that where a partition has ended
            **options,
        }
    )  # fmt: skip
    try:
        found = consumer.list_topics(topic, 20).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, (begin or {}).get(number, 0)) for number in found])
        waiting, seen = set(found), []
        end = time.monotonic() + 120
        while waiting:
            if time.monotonic() > end:
                raise AssertionError(f"{topic} could not be read to its end")
            for message in consumer.consume(10_000, 0.05):  # waits so long even when all is there
                error = message.error()
                if error is None:
                    headers = dict(message.headers() or [])
                    seen.append(Seen(topic, message.partition() or 0, message.key(), message.value(), headers))
                elif error.code() == KafkaError._PARTITION_EOF:
                    waiting.discard(message.partition())
        return seen
    finally:
        consumer.close()


def consume(address: str, topic: str) -> None:
    """Print what is in a topic and what comes, until ctrl-C."""
    from confluent_kafka import Consumer

    consumer = Consumer({"bootstrap.servers": address, "group.id": secrets.token_hex(8), "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        while True:
            message = consumer.poll(1.0)
            if message is not None and message.error() is None:
                print((message.value() or b"").decode(errors="replace"), flush=True)
    except KeyboardInterrupt:
        consumer.close()


def main() -> None:
    """Run a broker in the foreground, or show what arrives there."""
    arguments = argparse.ArgumentParser(description=main.__doc__)
    arguments.add_argument("--port", type=int, default=9092)
    arguments.add_argument("--consume", metavar="TOPIC", help="show what arrives in a topic of the broker on that port")
    given = arguments.parse_args()
    port = given.port
    if given.consume:
        consume(f"127.0.0.1:{port}", given.consume)
        return
    with tempfile.TemporaryDirectory(prefix="mfa-kafka-") as folder:
        try:
            broker = Broker(Path(folder), port=port).start()
        except Unavailable as error:
            raise SystemExit(str(error)) from None
        create_topic(broker.address, "mfa-events")
        create_topic(broker.address, "mfa-shipper-state", 1, **{"cleanup.policy": "compact"})
        print(f"Kafka listens on 127.0.0.1:{port}, with the topics mfa-events and mfa-shipper-state. Ctrl-C ends it.", flush=True)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            broker.stop()


if __name__ == "__main__":
    main()
