"""The sections of the configuration file: their keys, types and defaults. Pure.

These classes are the reference: `schemas/config.schema.json` is generated from them.
"""

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, cast, get_type_hints

import msgspec
from msgspec import Meta

from shipper.config.values import (
    Address,
    ChannelName,
    Duration,
    ExistingFile,
    ExistingFolder,
    FilePath,
    Glob,
    ListenAddress,
    Name,
    Namespace,
    Positive,
    Query,
    RotatedPath,
    SecretText,
    Size,
    Topic,
    Url,
    Zone,
)
from shipper.detect import DETECTORS, EXCHANGE_TIMEOUT, option_names
from shipper.detect.protocol import AnyDetector, AtLeastOne, Nanoseconds
from shipper.model import MEMORY
from shipper.times import SECOND

FORMAT_OF = {"elasticsearch": "elastic-bulk", "splunk_hec": "splunk-hec"}
"""The format of those types of output that take no other."""


def _default(value: int) -> Any:
    """A default that the schema leaves out, because it has another unit there."""
    return msgspec.field(default_factory=lambda: value)


class _Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A section; an unknown key in it is an error."""


class InputHost(_Section, frozen=True):
    """The server that writes the logs of an input."""

    name: Name


class Input(_Section, frozen=True):
    """One glob to follow, or with `type: windows_event_log` one or more channels of the event log, and of their records those
    that `query` finds. `start` applies to files and channels without a stored position that exist at the first look;
    `encoding` is that of the files, which `auto` detects; `exclude` holds globs of files to leave alone; `host` becomes
    `host.name` of the events, whatever `pipeline.host` or their lines say."""

    type: Literal["file", "windows_event_log"] = "file"
    path: Glob | None = None
    channel: ChannelName | list[ChannelName] | None = None
    query: Query | None = None
    start: Literal["beginning", "end"] = "beginning"
    encoding: Literal["auto", "utf-8", "utf-16-le", "utf-16-be"] = "auto"
    exclude: list[Glob] = []
    host: InputHost | None = None

    @property
    def channels(self) -> list[str]:
        """The channels of an event log; none of files."""
        return [self.channel] if isinstance(self.channel, str) else self.channel or []

    @property
    def names(self) -> list[str]:
        """What is followed: the glob, or the channels."""
        return self.channels if self.path is None else [self.path]


class TailSection(_Section, frozen=True):
    """How files are followed. A file that was rotated away is complete when nothing has come for `rotate_wait`;
    a line longer than `max_line` is cut there."""

    poll_interval: Duration = _default(SECOND // 4)
    rotate_wait: Duration = _default(5 * SECOND)
    max_line: Size = _default(1 << 20)
    read_size: Size = _default(16 << 10)


class DataStream(_Section, frozen=True):
    """The namespace of Elastic's data streams, for `elastic-bulk`."""

    namespace: Namespace = "default"


class SyslogSection(_Section, frozen=True):
    """What the time stamps of RFC 3164 leave out: the year (YYYY, or YYYY-MM for the twelve months from there) and the zone."""

    year: Annotated[str, Meta(pattern="^[0-9]{4}(-(0[1-9]|1[0-2]))?$")] | None = None
    zone: Zone = "UTC"


class PseudonymsSection(_Section, frozen=True):
    """Which of an event's names become pseudonyms, made with `key` (null: none do). `user`: all fields of users;
    `source.ip`: addresses. Both are replaced in the message and the original too."""

    key: SecretText | None
    fields: Annotated[list[Literal["user", "source.ip"]], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["user", "source.ip"]
    )


class PipelineSection(_Section, frozen=True):
    """How lines become events. `host`, `labels`, `tags` and `observer` are constant fields of every event. `memory`: bytes that
    open exchanges and recent prompts of a log may take; past it the oldest are given up, and counted."""

    detectors: list[str] = []
    patterns: list[ExistingFolder] = []
    status_codes: ExistingFile | None = None
    keep_original: bool = True
    memory: Size = _default(MEMORY)
    syslog: SyslogSection = msgspec.field(default_factory=SyslogSection)
    local_zone: Zone | None = None
    pseudonyms: PseudonymsSection | None = None
    host: dict[str, Any] = {}
    labels: dict[str, str | int | float | bool] = {}
    tags: list[Name] = []
    observer: dict[str, Any] = {}
    data_stream: DataStream = msgspec.field(default_factory=DataStream)


class BatchSection(_Section, frozen=True):
    """When a batch is sent: after the read that brings it to this many events or bytes, or at this age of its first
    event. These limits are soft, because a batch ends with a whole read; small limits make reads smaller, down to 1 KiB."""

    max_events: Positive = 2000
    max_bytes: Size = _default(1 << 20)
    max_age: Duration = _default(SECOND)


class Security(_Section, frozen=True):
    """How to connect to the broker. `cert_file` and `key_file` are the client's own (mTLS)."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    username: Name | None = None
    password: SecretText | None = None
    ca_file: FilePath | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None


class KafkaSection(_Section, frozen=True):
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


class FileSection(_Section, frozen=True):
    """A file that is appended to. `rotate_size` and `rotate_every`: when it is renamed and a new file begins;
    `keep`: how many renamed files stay (null: all)."""

    path: RotatedPath
    rotate_size: Size | None = None
    rotate_every: Duration | None = None
    keep: Positive | None = None


class HttpSecurity(_Section, frozen=True):
    """Which authorities to trust, and the client's own certificate (mTLS)."""

    ca_file: FilePath | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None


class ElasticsearchSecurity(HttpSecurity, frozen=True):
    """How to connect to the cluster: with `api_key`, encoded as Kibana shows it or `ID:KEY`, or with `username` and `password`."""

    api_key: SecretText | None = None
    username: Name | None = None
    password: SecretText | None = None


class ElasticsearchSection(_Section, frozen=True):
    """Elasticsearch or OpenSearch. `urls`: nodes of one cluster, of which any that answers is used. `namespace`: of the data
    streams. `timeout`: how long to wait for an answer."""

    urls: Annotated[list[Url], Meta(min_length=1)]
    namespace: Namespace = "default"
    compression: Literal["none", "gzip"] = "gzip"
    timeout: Duration = _default(60 * SECOND)
    security: ElasticsearchSecurity = msgspec.field(default_factory=ElasticsearchSecurity)


class SplunkHecSection(_Section, frozen=True):
    """Splunk's HTTP Event Collector. `index` null: the token's own. `acknowledgement`: wait until the indexers have the events,
    where the token has it."""

    url: Url
    token: SecretText
    index: Annotated[str, Meta(pattern="^[a-z0-9_][a-z0-9_-]{0,79}$")] | None = None
    acknowledgement: bool = True
    compression: Literal["none", "gzip"] = "gzip"
    timeout: Duration = _default(60 * SECOND)
    security: HttpSecurity = msgspec.field(default_factory=HttpSecurity)


class OutputSection(_Section, frozen=True):
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
    def form(self) -> str:
        """`format`, or its default."""
        return self.format or FORMAT_OF.get(self.type, "ecs")

    @property
    def unit(self) -> Literal["line", "exchange"]:
        """`events`, or its default."""
        return self.events or ("exchange" if self.type in FORMAT_OF else "line")


class DetectSection(_Section, frozen=True):
    """The detectors over what many sidecars send, by `mfa-shipper detect`: it reads `output.kafka.topic`. Instances with one
    `group` share its partitions. Events count in the order of time if they arrive within `lateness` of each other, in event
    time; a partition into which nothing comes for `idle_timeout` holds no finding back. `partitions`: of the topic that holds the
    authentications, which `detect` makes; it must never get more."""

    group: Topic = "mfa-detect"
    lateness: Duration = _default(300 * SECOND)
    idle_timeout: Duration = _default(30 * SECOND)
    partitions: Positive = 12


class MetricsSection(_Section, frozen=True):
    """`HOST:PORT` for /metrics, /healthz and /readyz (`listen`; null: none). With `username` and `password` they ask for these;
    with `cert_file` and `key_file` they are HTTPS."""

    listen: ListenAddress | None = None
    username: Name | None = None
    password: SecretText | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None


class LogSection(_Section, frozen=True):
    """The shipper's own log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class Config(_Section, frozen=True):
    """The whole configuration. One shipper per `state_dir`, which holds the checkpoint and the dead letters. `run` needs `inputs`,
    `detect` its section."""

    state_dir: FilePath
    output: OutputSection
    inputs: Annotated[list[Input], Meta(min_length=1)] = msgspec.field(default_factory=list)
    detect: DetectSection | None = None
    pipeline: PipelineSection = msgspec.field(default_factory=PipelineSection)
    tail: TailSection = msgspec.field(default_factory=TailSection)
    shutdown_timeout: Duration = _default(10 * SECOND)
    metrics: MetricsSection = msgspec.field(default_factory=MetricsSection)
    log: LogSection = msgspec.field(default_factory=LogSection)


def config_type() -> type[Config]:
    """`Config` as the file is checked against it: each registered detector adds a section of its parameters to `pipeline`."""
    return _config_type(tuple(DETECTORS))


@cache
def _config_type(registered: tuple[str, ...]) -> type[Config]:
    names: Any = Literal[registered]
    sections = {name: _detector_section(DETECTORS[name]) for name in registered}
    keys: list[_Key] = [("detectors", list[names], msgspec.field(default_factory=lambda: list(registered)))]
    keys += [(name, section, msgspec.field(default_factory=section)) for name, section in sections.items()]
    pipeline = _with_keys(PipelineSection, "PipelineSection", keys, PipelineSection.__doc__)
    return _with_keys(Config, "Config", [("pipeline", pipeline, msgspec.field(default_factory=pipeline))], Config.__doc__)


def options_of(pipeline: PipelineSection) -> dict[str, dict[str, Any]]:
    """The parameters of the detectors, by detector; durations in nanoseconds."""
    found: dict[str, dict[str, Any]] = {}
    for name in DETECTORS:
        found[name] = msgspec.structs.asdict(getattr(pipeline, name))
    return found


_Key = tuple[str, Any, Any]  # its name, type and default
_SectionType = TypeVar("_SectionType", bound=_Section)


def _detector_section(detector: AnyDetector) -> type[_Section]:
    """The section of a detector. The exchange timeout is the log's, and stands in that of double_prompt."""
    types, defaults = get_type_hints(detector.rule, include_extras=True), detector.rule()
    keys: list[_Key] = []
    for name in option_names(detector.name):
        if name == EXCHANGE_TIMEOUT and detector.name != "double_prompt":
            continue
        default = getattr(defaults, name)
        if types[name] == Nanoseconds:
            keys.append((name, Duration, _default(default)))
        else:
            keys.append((name, Positive if types[name] == AtLeastOne else types[name], default))
    title = "".join(word.capitalize() for word in detector.name.split("_"))
    return _with_keys(_Section, f"{title}Section", keys, detector.rule.__doc__)


def _with_keys(base: type[_SectionType], name: str, keys: Sequence[_Key], doc: str | None) -> type[_SectionType]:
    section = msgspec.defstruct(
        name, keys, bases=(base,), namespace={"__doc__": doc}, module=__name__,
        frozen=True, kw_only=True, forbid_unknown_fields=True,
    )  # fmt: skip
    return cast("type[_SectionType]", section)
