"""Find settings that contradict each other, cannot work, or are probably not intended. Pure."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import get_args
from urllib.parse import urlsplit

import msgspec

from shipper.config.outputs import FORMAT_OF, ElasticsearchSection, HttpSecurity, KafkaSection, OutputSection, Security
from shipper.config.sections import Config, DetectSection, Input, MetricsSection, TailSection, options_of
from shipper.config.units import HOUR, has_control
from shipper.config.values import Duration, Section
from shipper.config.yaml_file import Path
from shipper.emit.pseudonyms import SHORTEST_KEY
from shipper.times import SECOND

LONGEST_GROUP = 100
"""Characters. The longest topic name that Quix Streams makes contains the group twice, and Kafka allows 249."""

MOST_PARTITIONS = 1000

Fault = tuple[Path, str]  # a key path, and what is wrong there
DAY = 24 * HOUR
KEPT = "is kept in memory"
_Range = tuple[Path, int, int, int, str]  # a key path, its value, the minimum, the maximum, and the range in words


def absent(config: Config, needed: str) -> list[Fault]:
    """The fault of a missing section; `needed` is `inputs`, `detect`, or empty for either."""
    if needed == "detect" and config.detect is None:
        return [(("detect",), "this section is needed; {} takes its defaults")]
    if not config.inputs and (needed == "inputs" or config.detect is None):
        return [(("inputs",), "this key is missing")]
    return []


def contradictions(config: Config, needed: str = "") -> list[Fault]:
    """Key paths whose values contradict others or cannot work, and why; for `needed` see `absent`."""
    faults = _input_faults(config.inputs) + _output_faults(config.output)
    if config.detect is not None:
        if len(config.detect.group) > LONGEST_GROUP:
            faults.append((("detect", "group"), f"it may not be longer than {LONGEST_GROUP}: topics are named after it"))
        if needed == "detect" or not config.inputs:
            faults += _not_for_detect(config.output) + _useless_for_detect(config, config.detect)
    if config.output.kafka is not None:
        faults += _kafka_faults(config.output.kafka, None if config.inputs else config.detect)
    pseudonyms = config.pipeline.pseudonyms
    if pseudonyms is not None and pseudonyms.key is not None and len(pseudonyms.key.value.encode()) < SHORTEST_KEY:
        faults.append((("pipeline", "pseudonyms", "key"), f"it must have {SHORTEST_KEY} bytes or more, such as 64 hex digits"))
    return faults + _label_faults(config.pipeline.labels) + _metrics_faults(config.metrics) + _out_of_range(config)


def _input_faults(inputs: Sequence[Input]) -> list[Fault]:
    faults: list[Fault] = []
    first: dict[str, int] = {}  # by channel, the number of its first input
    for number, given in enumerate(inputs):
        path: Path = ("inputs", number)
        if given.type == "file":
            faults += [] if given.path is not None else [(path, "the key path is missing")]
            others = {"channel": given.channel is not None, "query": given.query is not None}
            faults += [((*path, key), "it goes with type: windows_event_log") for key, is_set in others.items() if is_set]
            continue
        faults += [] if given.channels else [(path, "the key channel is missing")]
        others = {"path": given.path is not None, "encoding": given.encoding != "auto", "exclude": bool(given.exclude)}
        faults += [((*path, key), "an event log has none; leave it out") for key, is_set in others.items() if is_set]
        for channel in given.channels:
            name = channel.casefold()
            if name in first:
                faults.append(((*path, "channel"), f"inputs[{first[name]}] follows {channel} already"))
            first.setdefault(name, number)
    return faults


def _label_faults(labels: Mapping[str, str | float | bool]) -> list[Fault]:
    faults: list[Fault] = []
    for name, value in labels.items():
        path: Path = ("pipeline", "labels", name)
        if not all(part.strip() for part in name.split(".")):
            faults.append((path, "the name of a label may not be empty, nor a part of it between dots: no index takes it"))
        elif has_control(name):
            faults.append((path, "the name of a label may not hold control characters"))
        elif isinstance(value, str) and has_control(value):
            faults.append((path, f"{value!r} holds control characters"))
    return faults


def _metrics_faults(metrics: MetricsSection) -> list[Fault]:
    faults: list[Fault] = []
    if (metrics.username is None) != (metrics.password is None):
        faults.append((("metrics",), "username and password go together"))
    if metrics.username is not None and ":" in metrics.username:
        faults.append((("metrics", "username"), "it may not hold a colon, which ends the name in what a client sends"))
    if (metrics.cert_file is None) != (metrics.key_file is None):
        faults.append((("metrics",), "cert_file and key_file go together"))
    return faults


def _out_of_range(config: Config) -> list[Fault]:
    """Durations and sizes that would stop the flow, fill the memory, or make no sense."""
    tail, options = config.tail, options_of(config.pipeline)
    most_read = max(tail.max_line, TailSection().read_size)  # the default is cut to max_line where that is less
    ranges: list[_Range] = [
        (("tail", "poll_interval"), tail.poll_interval, SECOND // 100, HOUR, "10ms, since less would take all of a core, to 1h"),
        (("tail", "rotate_wait"), tail.rotate_wait, 0, HOUR, "0s to 1h"),
        (("tail", "max_line"), tail.max_line, 1 << 10, 64 << 20, f"1KiB to 64MiB: a line {KEPT}"),
        (("tail", "read_size"), tail.read_size, 1 << 10, most_read, "1KiB to max_line"),
        (("shutdown_timeout",), config.shutdown_timeout, 0, HOUR, "0s to 1h"),
        (("pipeline", "memory"), config.pipeline.memory, 1 << 20, 1 << 30, "1MiB, which 512 open requests fill, to 1GiB"),
    ]
    if config.detect is not None:
        ranges += _of_detect(config.detect)
    ranges += _of_output(config.output)
    for name, values in options.items():
        fields = msgspec.structs.fields(getattr(config.pipeline, name))
        durations = [field.name for field in fields if field.type == Duration]
        ranges += [(("pipeline", name, key), values[key], 0, DAY, "0s to 24h") for key in durations]
    return [(path, f"it must be from {words}") for path, value, least, most, words in ranges if not least <= value <= most]


def _of_output(output: OutputSection) -> list[_Range]:
    batch, file = output.batch, output.file
    ranges: list[_Range] = [
        (("output", "batch", "max_age"), batch.max_age, 0, HOUR, "0s to 1h"),
        (("output", "batch", "max_events"), batch.max_events, 1, 100_000, f"1 to 100000: a batch {KEPT}"),
        (("output", "batch", "max_bytes"), batch.max_bytes, 1, 64 << 20, f"1 to 64MiB: a batch {KEPT}"),
    ]
    if file is not None and file.rotate_size is not None:
        ranges.append((("output", "file", "rotate_size"), file.rotate_size, 1 << 10, 1 << 30, "1KiB to 1GiB"))
    if file is not None and file.rotate_every is not None:
        ranges.append((("output", "file", "rotate_every"), file.rotate_every, SECOND, 3660 * DAY, "1s to 3660d"))
    for name, section in (("elasticsearch", output.elasticsearch), ("splunk_hec", output.splunk_hec)):
        if section is not None:
            ranges.append((("output", name, "timeout"), section.timeout, SECOND, HOUR, "1s to 1h: an answer takes some time"))
    return ranges


def _of_detect(detect: DetectSection) -> list[_Range]:
    return [
        (("detect", "lateness"), detect.lateness, 0, DAY, "0s to 24h: findings wait for so long"),
        (("detect", "idle_timeout"), detect.idle_timeout, SECOND, HOUR, "1s to 1h"),
        (("detect", "partitions"), detect.partitions, 1, MOST_PARTITIONS, f"1 to {MOST_PARTITIONS}"),
    ]


def warnings(config: Config) -> list[str]:
    """A sentence for each setting that is allowed, but seldom intended."""
    return _open_metrics(config.metrics) + _plain_secrets(config.output)


def _plain_secrets(output: OutputSection) -> list[str]:
    """A warning for each secret that crosses the network in plain text."""
    elastic, splunk = output.elasticsearch, output.splunk_hec
    urls: list[str] = []
    if output.type == "elasticsearch" and elastic is not None and (elastic.security.api_key or elastic.security.password):
        urls = elastic.urls
    elif output.type == "splunk_hec" and splunk is not None:
        urls = [splunk.url]
    plain = [url for url in urls if url.startswith("http://") and not _is_loopback(urlsplit(url).hostname or "")]
    return [f"output.{output.type}: the key or password goes to {url} in plain text: use https" for url in plain]


def _open_metrics(metrics: MetricsSection) -> list[str]:
    listen = metrics.listen
    if listen is None or _is_loopback(listen.rpartition(":")[0]) or (metrics.password and metrics.cert_file):
        return []
    why = "the password goes there in plain text: set cert_file and key_file" if metrics.password else "asks for no password"
    return [f"metrics.listen: {listen} can be reached from other machines, and {why}"]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _output_faults(output: OutputSection) -> list[Fault]:
    faults = _missing_section(output)
    fixed = FORMAT_OF.get(output.type)
    if fixed and output.format not in (None, fixed):
        faults.append((("output", "format"), f"{output.type} takes {fixed} and nothing else; leave the key out"))
    if output.elasticsearch is not None:
        faults += _elasticsearch_faults(output.elasticsearch)
    if output.splunk_hec is not None:
        path = ("output", "splunk_hec")
        faults += [
            ((*path, *key), fault) for key, fault in _certificate_faults(output.splunk_hec.security, [output.splunk_hec.url])
        ]
    if output.type == "kafka" and output.format == "elastic-bulk":
        faults.append((("output", "format"), "elastic-bulk has two lines an event and cannot go to Kafka; use ecs"))
    return faults


def _missing_section(output: OutputSection) -> list[Fault]:
    """The fault of a type whose section, the key with its name, may be left out only with other types."""
    kind = next((field.type for field in msgspec.structs.fields(type(output)) if field.name == output.type), None)
    if kind is None or getattr(output, output.type) is not None:
        return []
    sections = [inner for inner in get_args(kind) if isinstance(inner, type) and issubclass(inner, Section)]
    needed = [field.name for section in sections for field in msgspec.structs.fields(section) if field.required]
    how = f", with {' and '.join(needed)}" if needed else "; {} takes its defaults"
    return [(("output", output.type), f"output.type is {output.type}, so this section is needed{how}")]


def _elasticsearch_faults(section: ElasticsearchSection) -> list[Fault]:
    path, security = ("output", "elasticsearch"), section.security
    faults: list[Fault] = []
    if (security.username is None) != (security.password is None):
        faults.append(((*path, "security"), "username and password go together"))
    if security.api_key is not None and security.username is not None:
        faults.append(((*path, "security"), "give api_key, or username and password, but not both"))
    if security.username is not None and ":" in security.username:
        faults.append(((*path, "security", "username"), "it may not hold a colon, which ends the name in what a client sends"))
    return faults + [((*path, *key), fault) for key, fault in _certificate_faults(security, section.urls)]


def _certificate_faults(security: HttpSecurity, urls: list[str]) -> list[Fault]:
    """Faults with key paths below the section of an output."""
    faults: list[Fault] = []
    if (security.cert_file is None) != (security.key_file is None):
        faults.append((("security",), "cert_file and key_file go together"))
    if (security.ca_file or security.cert_file) and all(url.startswith("http://") for url in urls):
        faults.append((("security",), "http has no certificates; use https, or leave ca_file and cert_file out"))
    return faults


def _not_for_detect(output: OutputSection) -> list[Fault]:
    """Settings of the output that leave `detect` nothing to read."""
    if output.type != "kafka":
        return [(("output", "type"), f"detect reads the events of sidecars from Kafka; use kafka instead of {output.type}")]
    if output.form != "ecs":
        return [
            (
                ("output", "format"),
                f"detect cannot read {output.form}; let the sidecars write ecs into this topic, and say so here",
            )
        ]
    return []


def _useless_for_detect(config: Config, detect: DetectSection) -> list[Fault]:
    """Settings with which `detect` would find nothing, or read its own records."""
    faults: list[Fault] = []
    if not config.pipeline.detectors:
        faults.append((("pipeline", "detectors"), "detect has nothing to look for; name detectors, or leave the key out for all"))
    kafka = config.output.kafka
    if kafka is None:
        return faults
    held = f"{detect.group}-held"
    own = [held, f"changelog__{detect.group}--{held}--default"]
    letters = f"{detect.group}-dead-letters"
    for name, topic in (
        ("topic", kafka.topic),
        ("alert_topic", kafka.alert_topic),
        ("dead_letter_topic", kafka.dead_letter_topic),
    ):
        taken = own if name == "dead_letter_topic" or kafka.dead_letter_topic else [*own, letters]
        if topic in taken:
            faults.append(
                (("output", "kafka", name), f"detect keeps records of its own in {topic}; take another topic or detect.group")
            )
    return faults


def _kafka_faults(kafka: KafkaSection, detect: DetectSection | None) -> list[Fault]:
    """`detect` is None if the sidecar writes to the topics."""
    path: Path = ("output", "kafka")
    faults = [((*path, "security", *key), message) for key, message in _security_faults(kafka.security)]
    if kafka.dead_letter_topic in (kafka.topic, kafka.alert_topic) and kafka.dead_letter_topic is not None:
        hint = (
            "what a topic refuses needs another one, or null for a file in state_dir"
            if detect is None
            else f"records that are no events need another topic, or null for {detect.group}-dead-letters"
        )
        faults.append(((*path, "dead_letter_topic"), hint))
    if kafka.exactly_once and kafka.state_topic in (kafka.topic, kafka.alert_topic, kafka.dead_letter_topic):
        faults.append(((*path, "state_topic"), "the positions need a topic of their own, with cleanup.policy=compact"))
    return faults


def _security_faults(security: Security) -> list[Fault]:
    """Faults with key paths below `security`."""
    faults: list[Fault] = []
    login = (security.sasl_mechanism, security.username, security.password)
    sasl = security.protocol.startswith("SASL")
    if sasl and not all(login):
        faults.append(((), f"{security.protocol} needs sasl_mechanism, username and password"))
    if not sasl and any(login):
        faults.append((("protocol",), f"{security.protocol} has no users; use SASL_SSL, or leave user and password out"))
    if not security.protocol.endswith("SSL") and (security.ca_file or security.cert_file):
        faults.append((("protocol",), f"{security.protocol} has no certificates; use SSL or SASL_SSL"))
    if (security.cert_file is None) != (security.key_file is None):
        faults.append(((), "cert_file and key_file go together"))
    return faults
