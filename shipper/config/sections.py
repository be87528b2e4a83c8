"""The sections of the configuration file: their keys, types and defaults. Pure.

These classes and those of `outputs.py` are the reference: `schemas/config.schema.json` is generated from them.
"""

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, cast, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType

from shipper.config.outputs import OutputSection
from shipper.config.values import (
    ChannelName,
    Duration,
    ExistingFile,
    ExistingFolder,
    FilePath,
    Glob,
    IpAddress,
    ListenAddress,
    Name,
    Namespace,
    Positive,
    Query,
    SecretText,
    Section,
    Size,
    Topic,
    Zone,
    hidden_default,
)
from shipper.detect import DETECTORS, EXCHANGE_TIMEOUT, option_names
from shipper.detect.protocol import AnyDetector, AtLeastOne, Nanoseconds
from shipper.model import MEMORY
from shipper.times import SECOND


class InputHost(Section, frozen=True):
    """The server that writes the logs of an input."""

    name: Name


class Input(Section, frozen=True):
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
    exclude: list[Glob] = msgspec.field(default_factory=list)
    host: InputHost | None = None

    @property
    def channels(self) -> list[str]:
        """The channels of an event log; none of files."""
        return [self.channel] if isinstance(self.channel, str) else self.channel or []

    @property
    def names(self) -> list[str]:
        """What is followed: the glob, or the channels."""
        return self.channels if self.path is None else [self.path]


class TailSection(Section, frozen=True):
    """How files are followed. A file that was rotated away is complete when nothing has come for `rotate_wait`;
    a line longer than `max_line` is cut there."""

    poll_interval: Duration = hidden_default(SECOND // 4)
    rotate_wait: Duration = hidden_default(5 * SECOND)
    max_line: Size = hidden_default(1 << 20)
    read_size: Size = hidden_default(16 << 10)


class DataStream(Section, frozen=True):
    """The namespace of Elastic's data streams, for `elastic-bulk`."""

    namespace: Namespace = "default"


class SyslogSection(Section, frozen=True):
    """What the time stamps of RFC 3164 leave out: the year (YYYY, or YYYY-MM for the twelve months from there) and the zone."""

    year: Annotated[str, Meta(pattern="^[0-9]{4}(-(0[1-9]|1[0-2]))?$")] | None = None
    zone: Zone = "UTC"


class PseudonymsSection(Section, frozen=True):
    """Which of an event's names become pseudonyms, made with `key` (null: none do). `user`: all fields of users;
    `source.ip`: addresses. Both are replaced in the message and the original too."""

    key: SecretText | None
    fields: Annotated[list[Literal["user", "source.ip"]], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["user", "source.ip"]
    )


class OsSection(Section, frozen=True):
    """An operating system, in fields of ECS."""

    family: Name | UnsetType = UNSET
    full: Name | UnsetType = UNSET
    kernel: Name | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    platform: Name | UnsetType = UNSET
    type: Name | UnsetType = UNSET
    version: Name | UnsetType = UNSET


class _Machine(Section, frozen=True):
    """Fields of ECS that `host` and `observer` share."""

    name: Name | UnsetType = UNSET
    hostname: Name | UnsetType = UNSET
    ip: IpAddress | list[IpAddress] | UnsetType = UNSET
    type: Name | UnsetType = UNSET
    os: OsSection | UnsetType = UNSET

    @property
    def fields(self) -> dict[str, Any]:
        """As it stands in an event, where `ip` is always a list."""
        given: dict[str, Any] = msgspec.to_builtins(self)
        ips = [self.ip] if isinstance(self.ip, str) else self.ip or []
        return {name: value for name, value in (given | {"ip": ips}).items() if value}


class HostSection(_Machine, frozen=True):
    """The server, where neither `inputs[].host` nor the line names it."""

    id: Name | UnsetType = UNSET
    architecture: Name | UnsetType = UNSET


class ObserverSection(_Machine, frozen=True):
    """The machine or program that collects the logs."""

    vendor: Name | UnsetType = UNSET
    product: Name | UnsetType = UNSET
    version: Name | UnsetType = UNSET
    serial_number: Name | UnsetType = UNSET


class PipelineSection(Section, frozen=True):
    """How lines become events. `host`, `labels`, `tags` and `observer` are constant fields of every event. `memory`: bytes that
    open exchanges and recent prompts of a log may take; past it the oldest are given up, and counted."""

    detectors: list[str] = msgspec.field(default_factory=list)
    patterns: list[ExistingFolder] = msgspec.field(default_factory=list)
    status_codes: ExistingFile | None = None
    keep_original: bool = True
    memory: Size = hidden_default(MEMORY)
    syslog: SyslogSection = msgspec.field(default_factory=SyslogSection)
    local_zone: Zone | None = None
    pseudonyms: PseudonymsSection | None = None
    host: HostSection = msgspec.field(default_factory=HostSection)
    labels: dict[str, str | int | float | bool] = msgspec.field(default_factory=dict)
    tags: list[Name] = msgspec.field(default_factory=list)
    observer: ObserverSection = msgspec.field(default_factory=ObserverSection)
    data_stream: DataStream = msgspec.field(default_factory=DataStream)


class DetectSection(Section, frozen=True):
    """The detectors over what many sidecars send, by `mfa-shipper detect`: it reads `output.kafka.topic`. Instances with one
    `group` share its partitions. Events count in the order of time if they arrive within `lateness` of each other, in event
    time; a partition into which nothing comes for `idle_timeout` holds no finding back. `partitions`: of the topic that holds the
    authentications, which `detect` makes; it must never get more."""

    group: Topic = "mfa-detect"
    lateness: Duration = hidden_default(300 * SECOND)
    idle_timeout: Duration = hidden_default(30 * SECOND)
    partitions: Positive = 12


class MetricsSection(Section, frozen=True):
    """`HOST:PORT` for /metrics, /healthz and /readyz (`listen`; null: none). With `username` and `password` they ask for these;
    with `cert_file` and `key_file` they are HTTPS."""

    listen: ListenAddress | None = None
    username: Name | None = None
    password: SecretText | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None


class LogSection(Section, frozen=True):
    """The shipper's own log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class Config(Section, frozen=True):
    """The whole configuration. One shipper per `state_dir`, which holds the checkpoint and the dead letters. `run` needs `inputs`,
    `detect` its section."""

    state_dir: FilePath
    output: OutputSection
    inputs: Annotated[list[Input], Meta(min_length=1)] = msgspec.field(default_factory=list)
    detect: DetectSection | None = None
    pipeline: PipelineSection = msgspec.field(default_factory=PipelineSection)
    tail: TailSection = msgspec.field(default_factory=TailSection)
    shutdown_timeout: Duration = hidden_default(10 * SECOND)
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
_SectionType = TypeVar("_SectionType", bound=Section)


def _detector_section(detector: AnyDetector) -> type[Section]:
    """The section of a detector. The exchange timeout is the log's, and stands in that of double_prompt."""
    types, defaults = get_type_hints(detector.rule, include_extras=True), detector.rule()
    keys: list[_Key] = []
    for name in option_names(detector.name):
        if name == EXCHANGE_TIMEOUT and detector.name != "double_prompt":
            continue
        default = getattr(defaults, name)
        if types[name] == Nanoseconds:
            keys.append((name, Duration, hidden_default(default)))
        else:
            keys.append((name, Positive if types[name] == AtLeastOne else types[name], default))
    title = "".join(word.capitalize() for word in detector.name.split("_"))
    return _with_keys(Section, f"{title}Section", keys, detector.rule.__doc__)


def _with_keys(base: type[_SectionType], name: str, keys: Sequence[_Key], doc: str | None) -> type[_SectionType]:
    section = msgspec.defstruct(
        name, keys, bases=(base,), namespace={"__doc__": doc}, module=__name__,
        frozen=True, kw_only=True, forbid_unknown_fields=True,
    )  # fmt: skip
    return cast("type[_SectionType]", section)
