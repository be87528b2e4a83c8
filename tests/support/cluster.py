"""Three real Kafka brokers, of which one may die: every record is on two of them before it counts."""

import base64
import secrets
from pathlib import Path

from tests.support.kafka import Broker, free_port

SIZE = 3


class Member(Broker):
    """One of the three, broker and controller at once."""

    def __init__(self, folder: Path, node: int, controllers: dict[int, int], cluster: str) -> None:
        super().__init__(folder, auto_create=False)
        self._node, self._controllers = node, controllers
        self._controller = controllers[node]
        self.cluster = cluster

    def properties(self) -> dict[str, object]:
        """`server.properties`."""
        voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in self._controllers.items())
        return super().properties() | {
            "node.id": self._node,
            "controller.quorum.voters": voters,
            "default.replication.factor": SIZE,
            "min.insync.replicas": 2,
            "offsets.topic.replication.factor": SIZE,
            "transaction.state.log.replication.factor": SIZE,
            "transaction.state.log.min.isr": 2,
            "broker.session.timeout.ms": 6000,
        }


class Cluster:
    """All three."""

    def __init__(self, folder: Path) -> None:
        controllers = {node: free_port() for node in range(1, SIZE + 1)}
        cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        self.members = [Member(folder / str(node), node, controllers, cluster) for node in controllers]

    @property
    def addresses(self) -> list[str]:
        """What a client is given."""
        return [member.address for member in self.members]

    def start(self) -> "Cluster":
        """Start all; one alone has no quorum and does not answer, so none is waited for before the last is there."""
        for member in self.members:
            member.launch()
        for member in self.members:
            member.wait(120)
        return self

    def stop(self) -> None:
        """End all, quorum or not."""
        for member in self.members:
            member.kill()
