"""The topics of `detect`: which there must be, and those that it makes itself. I/O."""

from collections.abc import Mapping
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from shipper.deliver.kafka.causes import cause
from shipper.deliver.kafka.confluent import settings as connection
from shipper.deliver.sink import SinkDown
from shipper.errors import UsageError
from shipper.stream.settings import DetectSettings

SECONDS = 10.0
WEEK_MS, HOUR_MS = 7 * 24 * 3600 * 1000, 3600 * 1000
BROKERS_CHOICE = -1  # of how many partitions and replicas

HELD_CONFIG = {
    "cleanup.policy": "delete",
    "retention.ms": str(WEEK_MS),
    "retention.bytes": "-1",
    "message.timestamp.type": "LogAppendTime",  # old events must not expire at once
}
CHANGELOG_CONFIG = {
    # A start without local state reads all of it, so it is kept close to the size of the state: segments that are closed
    # soon, since only those are compacted.
    "cleanup.policy": "compact",
    "segment.bytes": str(32 << 20),
    "segment.ms": str(HOUR_MS),
    "min.cleanable.dirty.ratio": "0.1",
    "delete.retention.ms": str(24 * HOUR_MS),
}


class TopicPlan(NamedTuple):
    """A topic that `detect` makes if it is not there."""

    name: str
    partitions: int
    config: Mapping[str, str]


def own_topics(settings: DetectSettings) -> list[TopicPlan]:
    """All topics but that of the events."""
    plans = [
        TopicPlan(settings.held_topic, settings.partitions, HELD_CONFIG),
        TopicPlan(settings.changelog_topic, settings.partitions, CHANGELOG_CONFIG),
        TopicPlan(settings.dead_letter_topic, BROKERS_CHOICE, {}),
    ]
    if settings.alert_topic != settings.kafka.topic:
        plans.append(TopicPlan(settings.alert_topic, BROKERS_CHOICE, {}))
    return plans


class Topics:
    """Looks at topics and makes them."""

    def __init__(self, settings: DetectSettings) -> None:
        self._settings = settings
        self._trouble: list[str] = []
        self._admin = AdminClient(connection(settings.kafka) | {"error_cb": self._note})

    def _note(self, error: KafkaError) -> None:
        self._trouble.append(error.str())

    def partitions(self) -> dict[str, int]:
        """How many partitions each topic of the cluster has.

        Raises:
            SinkDown: no broker answers.
        """
        try:
            found = self._admin.list_topics(timeout=SECONDS).topics
        except KafkaException as error:
            self._admin.poll(0)  # takes what is in `_trouble`
            raise self._down(error) from None
        return {name: len(topic.partitions) for name, topic in found.items() if topic.error is None}

    def _down(self, error: KafkaException) -> SinkDown:
        text = self._settings.kafka.without_secrets(error.args[0].str())
        return SinkDown(cause([text, *self._trouble], self._settings.kafka) or text)

    def prepare(self) -> int:
        """Make what is missing; returns how many partitions the events have.

        Raises:
            SinkDown: no broker answers, or there is no topic of events yet, or a topic cannot be made now.
            UsageError: a topic has another number of partitions than it must have.
        """
        found, settings = self.partitions(), self._settings
        fault = mismatch(found, settings)
        if fault is not None:
            raise UsageError(fault)
        if not found.get(settings.kafka.topic):
            raise SinkDown(f"there is no topic {settings.kafka.topic} yet; the sidecars write to it (output.kafka.topic)")
        self._make([plan for plan in own_topics(settings) if plan.name not in found])
        return found[settings.kafka.topic]

    def _make(self, plans: list[TopicPlan]) -> None:
        if not plans:
            return
        new = [NewTopic(plan.name, plan.partitions, BROKERS_CHOICE, config=dict(plan.config)) for plan in plans]
        for name, made in self._admin.create_topics(new, request_timeout=SECONDS).items():
            try:
                made.result()
            except KafkaException as error:
                code = error.args[0].code()
                if code == KafkaError.TOPIC_ALREADY_EXISTS:
                    continue  # another instance was faster
                if code in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
                    user = self._settings.kafka.username or "this client"
                    raise UsageError(
                        f"the access list of the broker does not let {user} create the topic {name}: give it CREATE, or create it"
                    ) from None
                raise SinkDown(f"the topic {name} cannot be created: {error.args[0].str()}") from None


def mismatch(found: Mapping[str, int], settings: DetectSettings) -> str | None:
    """What is wrong with the topics that are there, and what to do; None if nothing is.

    Args:
        found: the number of partitions of each topic of the cluster.
        settings: what they are for.
    """
    held, changelog = found.get(settings.held_topic), found.get(settings.changelog_topic)
    if held is not None and changelog is not None and held != changelog:
        return (
            f"the topic {settings.held_topic} has {held} partitions and {settings.changelog_topic} has {changelog}: their number must "
            "never change. Take another detect.group, which begins anew with topics of its own"
        )
    for name, number in ((settings.held_topic, held), (settings.changelog_topic, changelog)):
        if number is not None and number != settings.partitions:
            return (
                f"the topic {name} has {number} partitions, but detect.partitions is {settings.partitions}: set it to {number}, or take "
                "another detect.group, which begins anew with topics of its own"
            )
    return None
