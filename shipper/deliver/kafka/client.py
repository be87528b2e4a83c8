"""What a Kafka client is told, and what it does for the sink: two libraries behind one protocol."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from shipper.deliver.kafka.records import Record
from shipper.deliver.sink import Batch, Refusal
from shipper.errors import RunError

MAX_RECORD = 1_000_000  # Kafka's default; a larger batch would be refused as a whole, small records with it


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """All that a client is told. `transactional_id` fences a forgotten twin; no secret is in its `repr`."""

    bootstrap_servers: tuple[str, ...]
    topic: str
    alert_topic: str | None = None
    dead_letter_topic: str | None = None
    exactly_once: bool = False
    state_topic: str = "mfa-shipper-state"
    transactional_id: str = "mfa-shipper"
    client: str = "kafka-python"
    client_id: str = "mfa-shipper"
    compression: str = "zstd"
    protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    exact_keys: bool = False  # read each event as JSON, because more than the parser has shaped it


class Fenced(RunError):  # noqa: N818  what happened to us
    """Another producer with our transactional id has begun: a twin that runs at the same time."""


class Pending:
    """A batch on its way: the client counts `left` down, notes what is `refused` and why it `failed`.

    `doubtful`: the broker refused a request, and perhaps not for the sake of each record in it.
    """

    __slots__ = ("batch", "doubtful", "failed", "left", "refused")

    def __init__(self, batch: Batch, records: int) -> None:
        self.batch = batch
        self.left = records
        self.refused: list[Refusal] = []
        self.doubtful = False
        self.failed: str | None = None


class Client(Protocol):
    """One connection to Kafka. Every method may raise `SinkDown`, and `Fenced` with transactions."""

    def connect(self) -> None:
        """Reach a broker, and begin the era of our transactional id; seconds at most."""

    def read_state(self, topic: str) -> dict[bytes, bytes]:
        """The committed records of a compacted topic, the last of each key."""

    def send(self, pending: Pending, records: list[Record]) -> None:
        """Hand records over."""

    def collect(self, first: Pending | None, timeout: float) -> None:
        """Let acknowledgements come in, waiting up to `timeout` seconds for those of `first`."""

    def begin(self) -> None:
        """Begin a transaction."""

    def commit(self) -> None:
        """Begin to commit; `committed` says when it is done."""

    def committed(self, timeout: float) -> bool:
        """True once the commit has ended well, waiting up to `timeout` seconds."""

    def rights(self, topics: Iterable[str]) -> dict[str, set[str] | None]:
        """The operations that we are allowed on each topic, such as WRITE; None for one that does not exist."""

    def close(self, timeout: float) -> None:
        """Drop the connection; never raises."""


def no_secret(text: str, options: KafkaOptions) -> str:
    """A sentence without the password, whatever a client put into it."""
    return text.replace(options.password, "***") if options.password else text


TOO_LARGE = "the record is larger than the topic takes (max.message.bytes)"


def reader_group() -> str:
    """A consumer group that nobody else is in."""
    return f"mfa-shipper-{secrets.token_hex(8)}"
