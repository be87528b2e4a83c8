"""Builds the settings of `detect` from the configuration. I/O: reads the tables of patterns and codes."""

from shipper.config.sections import Config
from shipper.sidecar.assemble import listen_of, settings_of
from shipper.sidecar.sinks import kafka_options
from shipper.stream.settings import DetectSettings


def detect_settings(config: Config) -> DetectSettings:
    """The settings of `detect`.

    Raises:
        UsageError: patterns, code table or time zone are wrong.
    """
    section = config.detect
    assert section is not None
    settings = settings_of(config)
    return DetectSettings(
        kafka_options(config),
        str(section.group),
        str(config.state_dir),
        settings.detectors,
        settings.options.constants,
        lateness=int(section.lateness),
        idle_timeout=int(section.idle_timeout),
        partitions=section.partitions,
        shutdown_timeout=int(config.shutdown_timeout),
        listen=listen_of(config),
    )
