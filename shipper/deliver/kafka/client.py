"""The options of a Kafka client, and the protocol that hides which of two libraries is used."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from typing import NamedTuple, Protocol

from shipper.deliver.kafka.records import Record
from shipper.errors import RunError
from shipper.secrets import hide

MAX_RECORD = 1_000_000  # Kafka's default; a broker refuses a larger request as a whole, small records included
TOO_LARGE = "the record is larger than the topic takes (max.message.bytes)"


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """The options of a client. `transactional_id` fences a forgotten second shipper; the `repr` shows no secret. With
    `make_topics`, a broker that creates topics automatically creates the ones asked for."""

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
    make_topics: bool = True

    def without_secrets(self, text: str) -> str:
        """Remove the password from a text of a client, which may quote its options."""
        return hide(text, (self.password,)) if self.password else text


class Fenced(RunError):
    """Another producer has begun to use our transactional id: a second shipper runs."""

    def __init__(self, transactional_id: str) -> None:
        super().__init__(
            f"another shipper with the transactional id {transactional_id} has taken over; "
            "stop one of them, or give each an output.kafka.transactional_id of its own"
        )


class Pending:
    """The state of records that were handed to a client; the client keeps it up to date.

    Attributes:
        left: number of records not yet acknowledged or refused.
        refused: reason by index, for records that the client itself refused to send.
        rejected: the broker's reason for refusing a request, which may apply to only some of the records in it.
        failed: why some records could not be delivered; sending them again may help.
        fenced: True if the broker knows a later producer with our transactional id, or has aborted our transaction.
    """

    __slots__ = ("failed", "fenced", "left", "refused", "rejected")

    def __init__(self, left: int) -> None:
        self.left = left
        self.refused: dict[int, str] = {}
        self.rejected: str | None = None
        self.failed: str | None = None
        self.fenced = False

    def fail(self, error: Exception) -> None:
        """Record why some records could not be delivered: `Fenced` or `SinkDown`."""
        self.failed, self.fenced = str(error), self.fenced or isinstance(error, Fenced)

    @property
    def refusal(self) -> str | None:
        """For a single record: why the client or the broker refused it; None if neither did."""
        return self.refused.get(0) or self.rejected


class Part(NamedTuple):
    """Records of a topic.

    Attributes:
        records: keys and values by partition, in the order of their offsets.
        ends: the offset after the last record, by partition.
    """

    records: dict[int, list[tuple[bytes | None, bytes | None]]]
    ends: dict[int, int]


class Client(Protocol):
    """One connection to Kafka. Every method may raise `SinkDown`, and `Fenced` with transactions."""

    def connect(self) -> None:
        """Connect to a broker without fencing any producer. Blocks for seconds at most."""

    def take_over(self) -> None:
        """Fence earlier producers with our transactional id; their transactions end before this returns."""

    def read(self, topic: str, begin: Mapping[int, int], *, committed: bool) -> Part:
        """Read all records of a topic up to the present end of each partition.

        Args:
            topic: the topic; created if the broker creates topics.
            begin: the first offset by partition; without one, the first record.
            committed: skip records that are not committed, and end at the first open transaction.
        """

    def send(self, pending: Pending, records: list[Record]) -> None:
        """Hand records over; this call and later ones update `pending`."""

    def collect(self, first: Pending | None, timeout: float) -> None:
        """Process acknowledgements, waiting up to `timeout` seconds for all of `first`."""

    def begin(self) -> None:
        """Begin a transaction."""

    def commit(self) -> None:
        """Start to commit; `committed` reports the end."""

    def committed(self, timeout: float) -> bool:
        """True once the commit has succeeded, waiting up to `timeout` seconds."""

    def rights(self, topics: Iterable[str]) -> dict[str, set[str] | None]:
        """The operations allowed to us on each topic, such as WRITE; None for a topic that does not exist."""

    def cleanup_policy(self, topic: str) -> str | None:
        """The `cleanup.policy` of a topic; None if the topic does not exist or we may not see its configuration."""

    def close(self, timeout: float) -> None:
        """Drop the connection; never raises."""


def reader_group() -> str:
    """A random name for a consumer group, so that it has no other member."""
    return f"mfa-shipper-{token_hex(8)}"
