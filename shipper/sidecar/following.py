"""The inputs of the configuration, files and event log channels, and the tail that reads them. I/O."""

import time
from dataclasses import replace

from shipper.config.sections import Config
from shipper.errors import UsageError
from shipper.read.channel import ALL, ChannelInput, ChannelTrouble, EventLogs
from shipper.read.channels import Channels, FilesAndChannels
from shipper.read.inputs import TailInput, TailOptions
from shipper.read.rotation import is_channel
from shipper.read.tail import Tail
from shipper.sidecar.checkpoint import Stored


def inputs_of(config: Config) -> list[TailInput]:
    """The file inputs of the configuration."""
    return [
        TailInput(
            section.path,
            section.start,
            section.encoding,
            tuple(section.exclude),
            None if section.host is None else section.host.name,
        )
        for section in config.inputs
        if section.path is not None
    ]


def number_of(config: Config, number: int) -> int:
    """The index in `config.inputs` of the input with index `number` in `inputs_of`."""
    return [at for at, section in enumerate(config.inputs) if section.path is not None][number]


def channels_of(config: Config) -> list[ChannelInput]:
    """The event log channels of the configuration."""
    return [
        ChannelInput(channel, section.query or ALL, section.start, None if section.host is None else section.host.name)
        for section in config.inputs
        for channel in section.channels
    ]


def event_logs() -> EventLogs:
    """The event logs of this machine. The module is imported late because most configurations follow no event log.

    Raises:
        UsageError: event logs cannot be read here.
    """
    from shipper.read import windows_event_logs

    return windows_event_logs.windows_event_logs()


def refuse_channels(config: Config) -> None:
    """Refuse event log channels on a machine without event logs, and channels that Windows will never be able to read.

    Raises:
        UsageError: with the reason.
    """
    number = next((number for number, given in enumerate(config.inputs) if given.channels), None)
    if number is None:
        return
    try:
        logs = event_logs()
    except UsageError as error:
        raise UsageError(f"inputs[{number}].type: {error}") from None
    for given in channels_of(config):
        try:
            logs.newest(given.channel, given.query)
        except ChannelTrouble as trouble:
            if trouble.lasting:
                raise UsageError(str(trouble)) from None


def follow(config: Config, stored: Stored, options: TailOptions) -> Tail | FilesAndChannels:
    """Build the tail. If stored positions are missing, `start: end` would skip undelivered lines, so it is overridden."""
    files, channels = inputs_of(config), channels_of(config)
    if stored.damaged:
        files = [replace(given, start="beginning") for given in files]
        channels = [replace(given, start="beginning") for given in channels]
    if not channels:
        return Tail(files, stored.places, options, now=time.monotonic)
    of_files = {key: position for key, position in stored.places.items() if not is_channel(position.path)}
    tail = Tail(files, of_files, options, now=time.monotonic)
    return FilesAndChannels(tail, Channels(channels, event_logs(), stored.places, options, now=time.monotonic))
