"""What a Kafka client is told, and what it does for the sink: two libraries behind one protocol."""

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
    """All that a client is told. `transactional_id` fences a forgotten twin; no secret is in its `repr`. With `make_topics`,
    a broker that makes topics makes those that are asked for."""

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
        """A text of a client, which may quote what it was told, without the password."""
        return hide(text, (self.password,)) if self.password else text


class Fenced(RunError):
    """Another producer has begun to use our transactional id: a second shipper runs."""

    def __init__(self, transactional_id: str) -> None:
        super().__init__(
            f"another shipper with the transactional id {transactional_id} has taken over; "
            "stop one of them, or give each an output.kafka.transactional_id of its own"
        )


class Pending:
    """What became of some records that were handed to a client; the client keeps it up to date.

    Attributes:
        left: how many are not yet acknowledged or refused.
        refused: reason by index, for records that the client itself refused to send.
        rejected: reason the broker gave when it refused a request; perhaps it means only some of the records in it.
        failed: why some could not be delivered; sending them again may help.
        fenced: because the broker knows a later producer with our transactional id, or has given up our transaction.
    """

    __slots__ = ("failed", "fenced", "left", "refused", "rejected")

    def __init__(self, left: int) -> None:
        self.left = left
        self.refused: dict[int, str] = {}
        self.rejected: str | None = None
        self.failed: str | None = None
        self.fenced = False

    def fail(self, error: Exception) -> None:
        """Some could not be delivered: `Fenced`, or `SinkDown`."""
        self.failed, self.fenced = str(error), self.fenced or isinstance(error, Fenced)

    @property
    def refusal(self) -> str | None:
        """Of a single record: why the client or the broker refused it, None if neither did."""
        return self.refused.get(0) or self.rejected


class Part(NamedTuple):
    """Records of a topic.

    Attributes:
        records: by partition the keys and values, in the order of their offsets.
        ends: by partition the offset behind the last one.
    """

    records: dict[int, list[tuple[bytes | None, bytes | None]]]
    ends: dict[int, int]


class Client(Protocol):
    """One connection to Kafka. Every method may raise `SinkDown`, and `Fenced` with transactions."""

    def connect(self) -> None:
        """Connect to a broker; nobody is fenced yet. Blocks for seconds at most."""

    def take_over(self) -> None:
        """Fence earlier producers with our transactional id; their transactions end before this returns."""

    def read(self, topic: str, begin: Mapping[int, int], *, committed: bool) -> Part:
        """All records of a topic from an offset a partition (none given: the first) to its present end.

        Args:
            topic: what to read; it is made if the broker makes topics.
            begin: offsets by partition.
            committed: leave out what is not, or not yet, committed, and end at the first open transaction.
        """

    def send(self, pending: Pending, records: list[Record]) -> None:
        """Hand records over; `pending` learns what becomes of them, during this call and the later ones."""

    def collect(self, first: Pending | None, timeout: float) -> None:
        """Let acknowledgements come in, waiting up to `timeout` seconds for all of `first`."""

    def begin(self) -> None:
        """Begin a transaction."""

    def commit(self) -> None:
        """Start to commit; `committed` tells when that is done."""

    def committed(self, timeout: float) -> bool:
        """True once the commit has succeeded, waiting up to `timeout` seconds."""

    def rights(self, topics: Iterable[str]) -> dict[str, set[str] | None]:
        """The operations that we are allowed on each topic, such as WRITE; None for a topic that does not exist."""

    def cleanup_policy(self, topic: str) -> str | None:
        """`cleanup.policy` of a topic; None if the topic does not exist or we may not see its configuration."""

    def close(self, timeout: float) -> None:
        """Drop the connection; never raises."""


def reader_group() -> str:
    """A consumer group with no other member."""
    return f"mfa-shipper-{token_hex(8)}"
