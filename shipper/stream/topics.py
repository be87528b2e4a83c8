"""The topics of `detect`: checks the ones that must exist, and creates its own. I/O."""

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
BROKERS_CHOICE = -1  # for the number of partitions and of replicas

HELD_CONFIG = {
    "cleanup.policy": "delete",
    "retention.ms": str(WEEK_MS),
    "retention.bytes": "-1",
    "message.timestamp.type": "LogAppendTime",  # old events must not expire at once
}
CHANGELOG_CONFIG = {
    # A start without local state reads the whole topic, so its size must stay close to that of the state. Only closed segments
    # are compacted, so segments close early.
    "cleanup.policy": "compact",
    "segment.bytes": str(32 << 20),
    "segment.ms": str(HOUR_MS),
    "min.cleanable.dirty.ratio": "0.1",
    "delete.retention.ms": str(24 * HOUR_MS),
}


class TopicPlan(NamedTuple):
    """A topic that `detect` creates if it does not exist."""

    name: str
    partitions: int
    config: Mapping[str, str]


def own_topics(settings: DetectSettings) -> list[TopicPlan]:
    """Return all topics except the events topic."""
    plans = [
        TopicPlan(settings.held_topic, settings.partitions, HELD_CONFIG),
        TopicPlan(settings.changelog_topic, settings.partitions, CHANGELOG_CONFIG),
        TopicPlan(settings.dead_letter_topic, BROKERS_CHOICE, {}),
    ]
    if settings.alert_topic != settings.kafka.topic:
        plans.append(TopicPlan(settings.alert_topic, BROKERS_CHOICE, {}))
    return plans


class Topics:
    """Lists and creates topics."""

    def __init__(self, settings: DetectSettings) -> None:
        self._settings = settings
        self._trouble: list[str] = []
        self._admin = AdminClient(connection(settings.kafka) | {"error_cb": self._note})

    def _note(self, error: KafkaError) -> None:
        self._trouble.append(error.str())

    def partitions(self) -> dict[str, int]:
        """Return the number of partitions of each topic of the cluster.

        Raises:
            SinkDown: no broker answers.
        """
        try:
            found = self._admin.list_topics(timeout=SECONDS).topics
        except KafkaException as error:
            self._admin.poll(0)  # fetches the errors for `_trouble`
            raise self._down(error) from None
        return {name: len(topic.partitions) for name, topic in found.items() if topic.error is None}

    def _down(self, error: KafkaException) -> SinkDown:
        text = self._settings.kafka.without_secrets(error.args[0].str())
        return SinkDown(cause([text, *self._trouble], self._settings.kafka) or text)

    def prepare(self) -> int:
        """Create the missing topics; return the number of partitions of the events topic.

        Raises:
            SinkDown: no broker answers, the events topic does not exist yet, or a topic cannot be created now.
            UsageError: a topic has the wrong number of partitions, or the client may not create a topic.
        """
        found, settings = self.partitions(), self._settings
        fault = mismatch(found, settings)
        if fault is not None:
            raise UsageError(fault)
        if not found.get(settings.kafka.topic):
            raise SinkDown(missing(settings))
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


def missing(settings: DetectSettings) -> str:
    """Return the sentence for a missing events topic."""
    return f"there is no topic {settings.kafka.topic} now; the sidecars write to it (output.kafka.topic)"


def mismatch(found: Mapping[str, int], settings: DetectSettings) -> str | None:
    """Return what is wrong with the existing topics, and what to do; None if nothing is.

    Args:
        found: the number of partitions of each topic of the cluster.
        settings: the settings that the topics must fit.
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
