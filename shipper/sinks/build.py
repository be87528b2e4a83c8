"""From the configuration to a sink: the registry of kinds. I/O."""

import os
from collections.abc import Callable

from shipper.sections import Config
from shipper.sinks.dead_letters import NAME, DeadLetterFile
from shipper.sinks.protocol import Sink


def _stdout(config: Config) -> Sink:
    from shipper.sinks.stdout import StdoutSink

    return StdoutSink()


def _file(config: Config) -> Sink:
    from shipper.sinks.file import FileOptions, FileSink

    section = config.output.file
    assert section is not None
    return FileSink(FileOptions(os.path.expanduser(section.path), section.rotate_size, section.rotate_every, section.keep))


SINKS: dict[str, Callable[[Config], Sink]] = {"stdout": _stdout, "file": _file}


def build_sink(config: Config) -> Sink:
    """The sink of `output.type`; nothing is connected yet.

    Raises:
        UsageError: it cannot be used here.
    """
    return SINKS[config.output.type](config)


def dead_letters(config: Config) -> DeadLetterFile:
    """The dead letters of the state directory."""
    return DeadLetterFile(os.path.join(config.state_dir, NAME))
