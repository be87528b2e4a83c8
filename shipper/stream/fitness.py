"""Checks whether a broker has the topics and rights that `detect` needs. I/O: reads only, changes nothing."""

from collections.abc import Mapping
from dataclasses import replace

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from shipper.deliver.kafka.causes import DESCRIBE_CONFIGS, READ, WRITE
from shipper.deliver.kafka.confluent import CONNECT_SECONDS, ConfluentClient
from shipper.deliver.kafka.confluent import settings as connection
from shipper.stream.settings import DetectSettings
from shipper.stream.topics import TopicPlan, Topics, mismatch, own_topics


def unfit(settings: DetectSettings) -> str | None:
    """Return why `detect` cannot run with the broker's topics and rights; None if it can. The right to the transactional id is
    not checked: the check would fence the instance that uses the id.

    Raises:
        SinkDown: the broker cannot be reached.
    """
    client = ConfluentClient(replace(settings.kafka, exactly_once=False, make_topics=False))
    try:
        client.connect()
        return _unfit(settings, client)
    finally:
        client.close(0.0)


def _unfit(settings: DetectSettings, client: ConfluentClient) -> str | None:
    needed = _needed(settings)
    rights = client.rights(needed)
    reason = _lacking(settings, needed, rights) or mismatch(Topics(settings).partitions(), settings)
    admin = AdminClient(connection(settings.kafka))
    reason = reason or _group_refused(admin, settings)
    for plan in own_topics(settings):
        if reason is None and rights[plan.name] is None:
            reason = _cannot_make(admin, plan, settings)
    if reason is None and rights[settings.changelog_topic] is not None:
        policy = client.cleanup_policy(settings.changelog_topic)
        if policy is not None and "compact" not in policy.split(","):
            reason = (
                f"the topic {settings.changelog_topic} has cleanup.policy={policy}, so what it keeps of users expires; "
                "set cleanup.policy=compact"
            )
    return reason


def _needed(settings: DetectSettings) -> dict[str, set[str]]:
    """Return the operations that `detect` needs on each topic."""
    needed: dict[str, set[str]] = {settings.kafka.topic: {READ}}
    for topic in (settings.alert_topic, settings.dead_letter_topic):
        needed.setdefault(topic, set()).add(WRITE)
    needed |= {settings.held_topic: {READ, WRITE}, settings.changelog_topic: {READ, WRITE}}
    return {topic: operations | {DESCRIBE_CONFIGS} for topic, operations in needed.items()}  # Quix Streams describes each


def _lacking(settings: DetectSettings, needed: Mapping[str, set[str]], rights: Mapping[str, set[str] | None]) -> str | None:
    """Return why the rights do not suffice: no events topic, or a missing right on a topic; None if they suffice."""
    if rights[settings.kafka.topic] is None:
        return f"missing topic: {settings.kafka.topic}, to which the sidecars write; create it"
    for topic, operations in needed.items():
        given = rights[topic]
        if given is not None and not operations <= given:
            return _refused(settings, " and ".join(sorted(operations - given)), f"topic {topic}")
    return None


def _refused(settings: DetectSettings, operations: str, what: str) -> str:
    user = settings.kafka.username or "this client"
    return f"missing right: the access list of the broker does not give {user} {operations} on the {what}"


def _group_refused(admin: AdminClient, settings: DetectSettings) -> str | None:
    asked = admin.describe_consumer_groups([settings.group], include_authorized_operations=True, request_timeout=CONNECT_SECONDS)
    try:
        operations = asked[settings.group].result().authorized_operations
    except KafkaException as error:
        if error.args[0].code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
            return None  # the group does not exist yet
        operations = []
    given = {operation.name for operation in operations or ()}
    return _refused(settings, READ, f"group {settings.group}") if operations is not None and READ not in given else None


def _cannot_make(admin: AdminClient, plan: TopicPlan, settings: DetectSettings) -> str | None:
    """Return why a missing topic could not be created; None if it could. The broker only validates the request."""
    new = NewTopic(plan.name, plan.partitions, config=dict(plan.config))
    try:
        admin.create_topics([new], validate_only=True, request_timeout=CONNECT_SECONDS)[plan.name].result()
    except KafkaException as error:
        code = error.args[0].code()
        if code in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
            return f"missing topic: {plan.name}; create it, or give {settings.kafka.username or 'this client'} CREATE"
        if code != KafkaError.TOPIC_ALREADY_EXISTS:
            return f"the topic {plan.name} cannot be created: {error.args[0].str()}"
    return None
