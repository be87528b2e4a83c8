"""From the configuration to a sink: the registry of kinds. I/O."""

import hashlib
import os
import socket
from collections.abc import Callable
from functools import partial

import orjson

from shipper.config.sections import Config
from shipper.deliver.dead_letters import NAME, DeadLetterFile
from shipper.deliver.kafka.client import Client, KafkaOptions
from shipper.deliver.kafka.dead_letter_topic import DeadLetterTopic, options_for
from shipper.deliver.kafka.sink import KafkaSink
from shipper.deliver.sink import Sink
from shipper.errors import UsageError


def _stdout(config: Config) -> Sink:
    from shipper.deliver.stdout import StdoutSink

    return StdoutSink()


def _file(config: Config) -> Sink:
    from shipper.deliver.file import FileOptions, FileSink

    section = config.output.file
    assert section is not None
    return FileSink(FileOptions(os.path.expanduser(section.path), section.rotate_size, section.rotate_every, section.keep))


def _kafka(config: Config) -> Sink:
    options = kafka_options(config)
    return KafkaSink(options, client_class(options.client))


def client_class(name: str) -> Callable[[KafkaOptions], Client]:
    """The client of a name; imported late, because that takes its time.

    Raises:
        UsageError: it is not installed.
    """
    if name == "confluent-kafka":
        try:
            from shipper.deliver.kafka.confluent import ConfluentClient
        except ImportError:
            raise UsageError(
                "output.kafka.client: confluent-kafka is not installed; pip install 'confluent-kafka>=2.5', or choose kafka-python"
            ) from None
        return ConfluentClient
    from shipper.deliver.kafka.kafka_python import KafkaPythonClient

    return KafkaPythonClient


def transactional_id(state_dir: str) -> str:
    """An id for a state directory of this machine, the same in every run."""
    return f"mfa-shipper-{hashlib.sha256(f'{socket.gethostname()}:{state_dir}'.encode()).hexdigest()[:16]}"


def kafka_options(config: Config) -> KafkaOptions:
    """What a Kafka client is told."""
    section = config.output.kafka
    assert section is not None
    security = section.security
    files = (security.ca_file, security.cert_file, security.key_file)
    ca_file, cert_file, key_file = (None if file is None else os.path.expanduser(file) for file in files)
    return KafkaOptions(
        tuple(section.bootstrap_servers),
        section.topic,
        section.alert_topic,
        section.dead_letter_topic,
        section.exactly_once,
        section.state_topic,
        section.transactional_id or transactional_id(config.state_dir),
        section.client,
        section.client_id,
        section.compression,
        security.protocol,
        security.sasl_mechanism,
        security.username,
        None if security.password is None else security.password.value,
        ca_file,
        cert_file,
        key_file,
        exact_keys=bool(config.pipeline.patterns) or _names_a_user(config),
    )


def _names_a_user(config: Config) -> bool:
    """True if the fields that every event gets hold one that could be taken for the user."""
    pipeline = config.pipeline
    return b'"user"' in orjson.dumps([pipeline.host, pipeline.labels, pipeline.observer])


SINKS: dict[str, Callable[[Config], Sink]] = {"stdout": _stdout, "file": _file, "kafka": _kafka}


def build_sink(config: Config) -> Sink:
    """The sink of `output.type`; nothing is connected yet.

    Raises:
        UsageError: it cannot be used here.
    """
    return SINKS[config.output.type](config)


def dead_letter_box(config: Config) -> DeadLetterFile | DeadLetterTopic:
    """Where records go that the sink refuses: to `dead_letter_topic`, or to the state directory."""
    file = dead_letters(config)
    section = config.output.kafka if config.output.type == "kafka" else None
    if section is None or section.dead_letter_topic is None:
        return file
    options = options_for(kafka_options(config), section.dead_letter_topic)
    return DeadLetterTopic(section.dead_letter_topic, partial(client_class(options.client), options), file)


def dead_letters(config: Config) -> DeadLetterFile:
    """The dead letters of the state directory."""
    return DeadLetterFile(os.path.join(config.state_dir, NAME))
