"""The settings of `detect`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shipper.deliver.kafka.client import KafkaOptions
from shipper.detect import default_rules
from shipper.detect.protocol import Rule
from shipper.sidecar.pages import Listen
from shipper.times import SECOND

PARTITIONS = 12


@dataclass(frozen=True, slots=True)
class DetectSettings:
    """All settings of `detect`; durations in nanoseconds.

    Attributes:
        kafka: the brokers and how to reach them; `topic` holds the events, findings go to `alert_topic` (None: to `topic`),
            and records that are not mfa-shipper events go to `dead_letter_topic` (None: to `GROUP-dead-letters`). The settings
            of transactions and of the client have no effect here.
        group: the consumer group. Instances of one group share the partitions of the events.
        state_dir: the directory of this instance alone, for its transactional id and the state on disk.
        rules: the detectors that run, with their parameters, by name.
        constants: fields of every finding, as in `decode.parser.Options`.
        lateness: how far behind the newest event time of its partition an event may arrive and still be processed in order.
        idle_timeout: how long a partition must stay read to its end to count as quiet, which releases what waits in it.
        commit_interval: interval of the transactions. A finding appears about two intervals after its events.
        partitions: number of partitions of the topic between the two stages, fixed when that topic is created. At most this many
            instances share the detection.
        shutdown_timeout: most time from a signal to the end of the process.
        listen: address of the metrics and health pages; None for no pages.
    """

    kafka: KafkaOptions
    group: str
    state_dir: str
    rules: Mapping[str, Rule] = field(default_factory=default_rules)
    constants: Mapping[str, Any] = field(default_factory=dict)
    lateness: int = 300 * SECOND
    idle_timeout: int = 30 * SECOND
    commit_interval: int = SECOND // 10
    partitions: int = PARTITIONS
    shutdown_timeout: int = 10 * SECOND
    listen: Listen | None = None

    @property
    def held_topic(self) -> str:
        """The topic between the two stages: authentications on their way to the state of their users."""
        return f"{self.group}-held"

    @property
    def changelog_topic(self) -> str:
        """The topic from which lost state is rebuilt; Quix Streams chooses its name."""
        return f"changelog__{self.group}--{self.held_topic}--default"

    @property
    def alert_topic(self) -> str:
        """The topic of findings."""
        return self.kafka.alert_topic or self.kafka.topic

    @property
    def dead_letter_topic(self) -> str:
        """The topic of records that are not mfa-shipper events."""
        return self.kafka.dead_letter_topic or f"{self.group}-dead-letters"
