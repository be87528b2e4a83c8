"""The sections of the outputs in the configuration file: their keys, types and defaults. Pure."""

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from shipper.config.values import (
    Address,
    Duration,
    FilePath,
    Name,
    Namespace,
    Positive,
    RotatedPath,
    SecretText,
    Section,
    Size,
    Topic,
    Url,
    hidden_default,
)
from shipper.times import SECOND

FORMAT_OF = {"elasticsearch": "elastic-bulk", "splunk_hec": "splunk-hec"}
"""The format of those types of output that take no other."""


class BatchSection(Section, frozen=True):
    """When a batch is sent: after the read that brings it to this many events or bytes, or at this age of its first
    event. These limits are soft, because a batch ends with a whole read; small limits make reads smaller, down to 1 KiB."""

    max_events: Positive = 2000
    max_bytes: Size = hidden_default(1 << 20)
    max_age: Duration = hidden_default(SECOND)


class Security(Section, frozen=True):
    """How to connect to the broker. `cert_file` and `key_file` are the client's own (mTLS)."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    username: Name | None = None
    password: SecretText | None = None
    ca_file: FilePath | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None


class KafkaSection(Section, frozen=True):
    """Kafka. `alert_topic` null: alerts go to `topic` as well. `dead_letter_topic` null: records that the broker
    refuses go to a file in `state_dir`. `exactly_once`: events and position in one transaction."""

    bootstrap_servers: Annotated[list[Address], Meta(min_length=1)]
    topic: Topic
    alert_topic: Topic | None = None
    dead_letter_topic: Topic | None = None
    exactly_once: bool = False
    state_topic: Topic = "mfa-shipper-state"
    transactional_id: Name | None = None
    client: Literal["kafka-python", "confluent-kafka"] = "kafka-python"
    client_id: Name = "mfa-shipper"
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "zstd"
    security: Security = msgspec.field(default_factory=Security)


class FileSection(Section, frozen=True):
    """A file that is appended to. `rotate_size` and `rotate_every`: when it is renamed and a new file begins;
    `keep`: how many renamed files stay (null: all)."""

    path: RotatedPath
    rotate_size: Size | None = None
    rotate_every: Duration | None = None
    keep: Positive | None = None


class HttpSecurity(Section, frozen=True):
    """Which authorities to trust, and the client's own certificate (mTLS)."""

    ca_file: FilePath | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None


class ElasticsearchSecurity(HttpSecurity, frozen=True):
    """How to connect to the cluster: with `api_key`, encoded as Kibana shows it or `ID:KEY`, or with `username` and `password`."""

    api_key: SecretText | None = None
    username: Name | None = None
    password: SecretText | None = None


class ElasticsearchSection(Section, frozen=True):
    """Elasticsearch or OpenSearch. `urls`: nodes of one cluster, of which any that answers is used. `namespace`: of the data
    streams. `timeout`: how long to wait for an answer."""

    urls: Annotated[list[Url], Meta(min_length=1)]
    namespace: Namespace = "default"
    compression: Literal["none", "gzip"] = "gzip"
    timeout: Duration = hidden_default(60 * SECOND)
    security: ElasticsearchSecurity = msgspec.field(default_factory=ElasticsearchSecurity)


class SplunkHecSection(Section, frozen=True):
    """Splunk's HTTP Event Collector. `index` null: the token's own. `acknowledgement`: wait until the indexers have the events,
    where the token has it."""

    url: Url
    token: SecretText
    index: Annotated[str, Meta(pattern="^[a-z0-9_][a-z0-9_-]{0,79}$")] | None = None
    acknowledgement: bool = True
    compression: Literal["none", "gzip"] = "gzip"
    timeout: Duration = hidden_default(60 * SECOND)
    security: HttpSecurity = msgspec.field(default_factory=HttpSecurity)


class OutputSection(Section, frozen=True):
    """Where events go, and in which form. `format` null: `ecs`, or what the type takes: elasticsearch `elastic-bulk`, splunk_hec
    `splunk-hec`. `events: exchange`: one event for the three lines of an exchange; null: that for these two, else `line`."""

    type: Literal["stdout", "file", "kafka", "elasticsearch", "splunk_hec"]
    format: Literal["ecs", "ocsf", "splunk-hec", "elastic-bulk"] | None = None
    events: Literal["line", "exchange"] | None = None
    batch: BatchSection = msgspec.field(default_factory=BatchSection)
    kafka: KafkaSection | None = None
    file: FileSection | None = None
    elasticsearch: ElasticsearchSection | None = None
    splunk_hec: SplunkHecSection | None = None

    @property
    def files(self) -> list[tuple[str, str]]:
        """The files that the sink writes: keys of its section, those of the type `RotatedPath`, each with its path."""
        section = getattr(self, self.type, None)
        keys = [] if section is None else msgspec.structs.fields(section)
        paths = [(key.name, getattr(section, key.name)) for key in keys if RotatedPath in (key.type, *get_args(key.type))]
        return [(key, path) for key, path in paths if path is not None]

    @property
    def form(self) -> str:
        """`format`, or its default."""
        return self.format or FORMAT_OF.get(self.type, "ecs")

    @property
    def unit(self) -> Literal["line", "exchange"]:
        """`events`, or its default."""
        return self.events or ("exchange" if self.type in FORMAT_OF else "line")
