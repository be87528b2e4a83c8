"""Translates a Kafka client's complaint into one sentence that says what to do. Pure.

Both clients retry when a password is wrong or a certificate unknown, as if the network were at
fault; the cause is a phrase somewhere in their logs. The phrases were collected from kafka-python 3.0
and librdkafka 2.16 against Apache Kafka 4.3.
"""

from collections.abc import Iterable, Mapping

from shipper.deliver.kafka.client import KafkaOptions

WRITE, READ, DESCRIBE_CONFIGS = "WRITE", "READ", "DESCRIBE_CONFIGS"

# The first match wins: a client that is turned away also complains of lost connections.
_CAUSES = (
    (
        ("invalid credentials", "SaslAuthenticationFailed"),
        "the broker refuses the user or the password: check username and password in output.kafka.security",
    ),
    (
        ("Unsupported SASL mechanism", "UnsupportedSaslMechanism"),
        "the broker does not know sasl_mechanism {mechanism}: use one that it offers",
    ),
    (
        ("certificate is not valid for", "hostname mismatch", "Hostname mismatch", "IP address mismatch"),
        "the broker's certificate is for another name than the one in bootstrap_servers",
    ),
    (
        ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed"),
        "the broker's certificate was signed by an unknown CA: ca_file ({ca}) must hold the CA that signed it",
    ),
    (
        ("certificate required", "CERTIFICATE_REQUIRED", "bad certificate", "BAD_CERTIFICATE", "handshake failure"),
        "the broker asks for a client certificate that it knows: check cert_file and key_file",
    ),
    (
        ("TopicAuthorizationFailed", "Topic authorization failed"),
        "the access list of the broker does not let {user} write to the topic: give it DESCRIBE and WRITE",
    ),
    (
        ("TransactionalIdAuthorizationFailed", "Transactional Id authorization failed"),
        "the access list of the broker does not let {user} use the transactional id {transaction}: give it DESCRIBE and WRITE",
    ),
    (
        ("Failed to update metadata", "UnknownTopicOrPartition", "Unknown topic or partition", "Unknown topic"),
        "a topic does not exist: create {topics}",
    ),
    (
        ("ssl.ca.location failed",),
        "the CA file {ca} cannot be used",
    ),
    (
        ("ssl.certificate.location failed", "ssl.key.location failed", "ssl_key", "ssl_cert"),
        "the client certificate {cert} or its key {key} cannot be used",
    ),
    (
        ("ECONNREFUSED", "Connection refused"),
        "nobody listens there: is the broker up, and bootstrap_servers right?",
    ),
    (
        ("socket disconnected", "closed by peer", "Connection reset"),
        "the broker closes each connection as it is made: check protocol, sasl_mechanism ({mechanism}), username and password",
    ),
    (
        ("wrong version number", "WRONG_VERSION_NUMBER", "record layer failure"),
        "the broker does not speak TLS on this port: check security.protocol",
    ),
)  # fmt: skip


def cause(complaints: Iterable[str], options: KafkaOptions) -> str | None:
    """The sentence for the cause of a client's complaints, or None if the cause is unknown."""
    text = "\n".join(complaints)
    for phrases, sentence in _CAUSES:
        if any(phrase in text for phrase in phrases):
            return sentence.format(
                mechanism=options.sasl_mechanism,
                ca=options.ca_file or "none given: those of the system",
                cert=options.cert_file,
                key=options.key_file,
                user=options.username or "this client",
                transaction=options.transactional_id,
                topics=" and ".join(topics(options)),
            )
    return None


def topics(options: KafkaOptions) -> dict[str, set[str]]:
    """The topics that a sink with these options uses, and the operations needed on each."""
    needed = {options.topic: {WRITE}}
    for other in (options.alert_topic, options.dead_letter_topic):
        if other:
            needed[other] = {WRITE}
    if options.exactly_once:
        needed[options.state_topic] = {READ, WRITE, DESCRIBE_CONFIGS}
    return needed


def lacking(options: KafkaOptions, rights: Mapping[str, set[str] | None]) -> str | None:
    """A sentence about the first problem: missing topics, or a topic that we may not use; None if all is well.

    Args:
        options: determine which operations are needed.
        rights: the operations allowed on each topic that was checked; None: the topic does not exist.
    """
    needed = {topic: operations for topic, operations in topics(options).items() if topic in rights}
    user = options.username or "this client"
    missing = [topic for topic in needed if rights[topic] is None]
    if options.exactly_once and options.state_topic in missing:
        return f"missing topic: {' and '.join(missing)}; create it ({options.state_topic} with cleanup.policy=compact)"
    if missing:
        return (
            f"missing topic: {' and '.join(missing)}; create it (a broker with auto.create.topics.enable does so when run starts)"
        )
    refused = {topic: sorted(more - (rights.get(topic) or set())) for topic, more in needed.items()}
    for topic, operations in refused.items():
        if operations:
            return f"missing right: the access list of the broker does not give {user} {' and '.join(operations)} on the topic {topic}"
    return None
