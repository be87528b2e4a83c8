"""What `detect` is told. Pure."""

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
    """All that decides what `detect` does; durations in nanoseconds.

    Attributes:
        kafka: the brokers and how to reach them; `topic` holds the events, and findings go to `alert_topic` (None: to
            `topic`). Records that are none of ours go to `dead_letter_topic` (None: to `GROUP-dead-letters`). What is said of
            transactions and of the client has no meaning here.
        group: the consumer group. Instances with one group share the partitions of the events.
        state_dir: of this instance alone: its transactional id, and the state as far as it is on disk.
        rules: the detectors that run, with their parameters, by name.
        constants: fields of every finding, as in `decode.parser.Options`.
        lateness: of event time; how much later than a newer event of its partition an event may come and still be taken in order.
        idle_timeout: after which a partition that is read to its end counts as quiet: what waits in it is taken.
        commit_interval: of the transactions. A finding comes about twice as long after its events.
        partitions: of the topic between the two stages, fixed when that topic is made. No more instances than these share the
            detection.
        shutdown_timeout: from a signal to the end at the latest.
        listen: where the pages of metrics and health are, None for nowhere.
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
        """The topic between the two stages: authentications on their way to their users' state."""
        return f"{self.group}-held"

    @property
    def changelog_topic(self) -> str:
        """The topic from which a lost state is made again; Quix Streams gives it its name."""
        return f"changelog__{self.group}--{self.held_topic}--default"

    @property
    def alert_topic(self) -> str:
        """Where findings go."""
        return self.kafka.alert_topic or self.kafka.topic

    @property
    def dead_letter_topic(self) -> str:
        """Where records go that are none of ours."""
        return self.kafka.dead_letter_topic or f"{self.group}-dead-letters"
