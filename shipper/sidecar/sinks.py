"""Build the sink of `output.type` with its options. I/O."""

from base64 import b64encode
from collections.abc import Callable
from importlib.util import find_spec
from secrets import token_hex

from shipper.config.outputs import ElasticsearchSection, ElasticsearchSecurity, SplunkHecSection
from shipper.config.sections import Config
from shipper.deliver.http.options import HttpOptions
from shipper.deliver.kafka.client import Client, KafkaOptions
from shipper.deliver.kafka.sink import KafkaSink
from shipper.deliver.sink import Sink
from shipper.errors import UsageError
from shipper.sidecar.transactional_id import kept
from shipper.times import SECOND


def _stdout(config: Config, run: str) -> Sink:
    from shipper.deliver.stdout import stdout_sink

    return stdout_sink()


def _file(config: Config, run: str) -> Sink:
    from shipper.deliver.file import FileOptions, FileSink

    section = config.output.file
    assert section is not None
    return FileSink(FileOptions(section.path, section.rotate_size, section.rotate_every, section.keep))


def _kafka(config: Config, run: str) -> Sink:
    options = kafka_options(config)
    if options.client == "kafka-python" and options.compression == "snappy" and find_spec("snappy") is None:
        raise UsageError(
            "output.kafka.compression: snappy needs python-snappy, which is not installed; install it, or choose zstd"
        )
    return KafkaSink(options, client_class(options.client), run=run)


def _elasticsearch(config: Config, run: str) -> Sink:
    from shipper.deliver.http.elasticsearch import BulkCourier
    from shipper.deliver.http.sink import HttpSink

    section = config.output.elasticsearch
    assert section is not None
    security = section.security
    options = _http_options(section, section.urls, _authorization(security))
    return HttpSink("elasticsearch", BulkCourier(options, section.namespace))


def _splunk_hec(config: Config, run: str) -> Sink:
    from shipper.deliver.http.sink import HttpSink
    from shipper.deliver.http.splunk_hec import HecCourier

    section = config.output.splunk_hec
    assert section is not None
    options = _http_options(section, [section.url], f"Splunk {section.token.value}")
    return HttpSink("splunk_hec", HecCourier(options, acknowledgement=section.acknowledgement))


def _http_options(section: ElasticsearchSection | SplunkHecSection, urls: list[str], authorization: str | None) -> HttpOptions:
    return HttpOptions(
        tuple(urls),
        {"Authorization": authorization} if authorization else {},
        section.compression == "gzip",
        section.timeout / SECOND,
        section.security.ca_file,
        section.security.cert_file,
        section.security.key_file,
    )


def _authorization(security: ElasticsearchSecurity) -> str | None:
    if security.api_key is not None:
        key = security.api_key.value
        # Beats write ID:KEY, which is the decoded form of the header value.
        return f"ApiKey {b64encode(key.encode()).decode() if ':' in key else key}"
    if security.username is None or security.password is None:
        return None
    login = f"{security.username}:{security.password.value}".encode()
    return f"Basic {b64encode(login).decode()}"


def client_class(name: str) -> Callable[[KafkaOptions], Client]:
    """The Kafka client with this name, imported late because the import takes up to half a second.

    Raises:
        UsageError: the client is not installed.
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


def kafka_options(config: Config) -> KafkaOptions:
    """The options of a Kafka client.

    Raises:
        UsageError: the transactional id of the state directory cannot be read.
    """
    section = config.output.kafka
    assert section is not None
    security = section.security
    return KafkaOptions(
        tuple(section.bootstrap_servers),
        section.topic,
        section.alert_topic,
        section.dead_letter_topic,
        section.exactly_once,
        section.state_topic,
        section.transactional_id or kept(config.state_dir) or f"mfa-shipper-{token_hex(8)}",
        section.client,
        section.client_id,
        section.compression,
        security.protocol,
        security.sasl_mechanism,
        security.username,
        None if security.password is None else security.password.value,
        security.ca_file,
        security.cert_file,
        security.key_file,
    )


SINKS: dict[str, Callable[[Config, str], Sink]] = {
    "stdout": _stdout,
    "file": _file,
    "kafka": _kafka,
    "elasticsearch": _elasticsearch,
    "splunk_hec": _splunk_hec,
}


def build_sink(config: Config, run: str = "") -> Sink:
    """Build the sink of `output.type`; nothing is connected yet. `run` identifies this process among all that write to it.

    Raises:
        UsageError: the sink cannot be used here.
    """
    return SINKS[config.output.type](config, run or token_hex(8))
