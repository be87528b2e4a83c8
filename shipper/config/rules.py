"""Which values do not go together, cannot work, or are odd. Pure."""

from shipper.config.sections import Config, KafkaSection, OutputSection, Security
from shipper.config.units import HOUR
from shipper.config.yaml_file import Path
from shipper.emit.pseudonyms import SHORTEST_KEY
from shipper.times import SECOND

LEAST_MEMORY = 1 << 20  # bytes

Fault = tuple[Path, str]  # a key path, and what is wrong there


def contradictions(config: Config) -> list[Fault]:
    """Key paths whose values do not go together, and why."""
    faults = _output_faults(config.output)
    if config.output.kafka is not None:
        faults += _kafka_faults(config.output.kafka)
    pseudonyms = config.pipeline.pseudonyms
    if pseudonyms is not None and pseudonyms.key is not None and len(pseudonyms.key.value.encode()) < SHORTEST_KEY:
        faults.append((("pipeline", "pseudonyms", "key"), f"it must have {SHORTEST_KEY} bytes or more, such as 64 hex digits"))
    if config.tail.read_size > config.tail.max_line:
        faults.append((("tail", "read_size"), "it may not be larger than max_line"))
    if (config.metrics.username is None) != (config.metrics.password is None):
        faults.append((("metrics",), "username and password go together"))
    if (config.metrics.cert_file is None) != (config.metrics.key_file is None):
        faults.append((("metrics",), "cert_file and key_file go together"))
    return faults + _out_of_range(config)


def _out_of_range(config: Config) -> list[Fault]:
    """Durations and numbers that would stop the flow, or fill the memory."""
    batch, tail = config.output.batch, config.tail
    faults: list[Fault] = []
    if config.pipeline.memory < LEAST_MEMORY:
        faults.append((("pipeline", "memory"), "it may not be less than 1MiB, which 512 open requests fill"))
    if not SECOND // 100 <= tail.poll_interval <= HOUR:
        faults.append((("tail", "poll_interval"), "it must be from 10ms, below which looking takes all of a core, to 1h"))
    for path, value in (
        (("tail", "rotate_wait"), tail.rotate_wait),
        (("output", "batch", "max_age"), batch.max_age),
        (("shutdown_timeout",), config.shutdown_timeout),
    ):
        if value > HOUR:
            faults.append((path, "it may not be longer than 1h"))
    if batch.max_events > 100_000:
        faults.append((("output", "batch", "max_events"), "it may not be more than 100000: a batch is kept in memory"))
    if batch.max_bytes > 64 << 20:
        faults.append((("output", "batch", "max_bytes"), "it may not be more than 64MiB: a batch is kept in memory"))
    return faults


def warnings(config: Config) -> list[str]:
    """What is allowed, but seldom meant; a sentence each."""
    listen = config.metrics.listen
    if (
        listen is None
        or config.metrics.password
        or listen.rpartition(":")[0] in ("localhost", "[::1]")
        or listen.startswith("127.")
    ):
        return []
    return [f"metrics.listen: {listen} can be reached from other machines, and asks for no password"]


def _output_faults(output: OutputSection) -> list[Fault]:
    faults: list[Fault] = []
    if output.type == "kafka" and output.kafka is None:
        faults.append((("output", "kafka"), "output.type is kafka, so this section is needed, with bootstrap_servers and topic"))
    if output.type == "file" and output.file is None:
        faults.append((("output", "file"), "output.type is file, so this section is needed, with a path"))
    if output.type == "kafka" and output.format == "elastic-bulk":
        faults.append((("output", "format"), "elastic-bulk has two lines an event and cannot go to Kafka; use ecs"))
    return faults


def _kafka_faults(kafka: KafkaSection) -> list[Fault]:
    path: Path = ("output", "kafka")
    faults = [((*path, "security", *key), message) for key, message in _security_faults(kafka.security)]
    if kafka.exactly_once and kafka.state_topic in (kafka.topic, kafka.alert_topic):
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
