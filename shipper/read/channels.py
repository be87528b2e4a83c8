"""All followed event log channels, and files and channels together. I/O through the `EventLogs` given.

`Channels` is to channels what `Tail` is to files, with the same `look`, `read` and `replay`. `FilesAndChannels` combines
both for a configuration that names channels; without channels, a `Tail` alone is used.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from shipper.read.channel import ChannelInput, ChannelTrouble, EventLogs, FollowedChannel
from shipper.read.inputs import FileId, TailOptions
from shipper.read.losses import Losses
from shipper.read.position import Position, Reading
from shipper.read.reunite import KnownPositions
from shipper.read.rotation import is_channel
from shipper.read.sources import Sources
from shipper.read.tail import Tail

RETRY = 5.0  # seconds before a channel that could not be read is tried again


class Channels:
    """The channels that are followed.

    Attributes:
        begun: positions at which channels with `start: end` begin, by key; the caller takes them.
        past_lost: sources whose recent past could not be read again at the start.
        losses: records that were gone before they could be read.
    """

    def __init__(
        self,
        inputs: Sequence[ChannelInput],
        logs: EventLogs,
        positions: Mapping[str, Position],
        options: TailOptions,
        *,
        now: Callable[[], float],
    ) -> None:
        """
        Args:
            inputs: what to follow, no channel twice.
            logs: the event logs that hold the channels.
            positions: how far channels were read before, by key; positions of files are ignored.
            options: how to follow them.
            now: seconds of a monotonic clock.
        """
        self._now = now
        self._channels = [FollowedChannel(given, logs, options) for given in inputs]
        self._turns = list(self._channels)
        self._retry_at: dict[str, float] = {}
        self._troubles: dict[str, str] = {}
        self._at_start: dict[str, list[tuple[str, Position]]] = {}  # by source, the oldest first
        for key, position in sorted(positions.items(), key=lambda item: item[1].time):
            if is_channel(position.path):
                self._at_start.setdefault(position.source, []).append((key, position))
        for channel in self._channels:
            if channel.source in self._at_start:
                channel.resume(*self._at_start[channel.source][-1])
        self.begun: dict[str, Position] = {}
        self.past_lost: set[str] = set()
        self.losses = Losses(KnownPositions({}))

    def look(self) -> None:
        """Fetch new records, channel by channel. Never waits."""
        now = self._now()
        for channel in self._channels:
            if now < self._retry_at.get(channel.path, now):
                continue
            try:
                if channel.from_end:
                    channel.begin_at_end()
                    self.begun[channel.key] = channel.position()
                channel.look()
                self._troubles.pop(channel.path, None)
            except ChannelTrouble as trouble:
                channel.from_end &= not trouble.absent  # all records of a channel that appears later are new
                self._note(channel, trouble, now)
            self._take_losses(channel)

    def _take_losses(self, channel: FollowedChannel) -> None:
        self.losses.told += channel.losses
        self.losses.possible += len(channel.losses)
        channel.losses.clear()

    def _note(self, channel: FollowedChannel, trouble: ChannelTrouble, now: float) -> None:
        self._troubles[channel.path] = str(trouble)
        self._retry_at[channel.path] = now + RETRY

    def read(self) -> Reading | None:
        """The next record, None if there is none: channels take turns."""
        for number, channel in enumerate(self._turns):
            try:
                reading = channel.next()
            except ChannelTrouble as trouble:
                self._note(channel, trouble, self._now())
                continue
            self._take_losses(channel)
            if reading is not None:
                self._turns = self._turns[number + 1 :] + self._turns[: number + 1]
                return reading
        return None

    def replay(self, source: str, key: str, offset: int) -> Iterator[Reading]:
        """Read records of a channel again, from a number up to the position with which this run began.

        Records that are gone are skipped. The source is added to `past_lost` if `key` is not the channel's, or it cannot be read.
        """
        channel = next(channel for channel in self._channels if channel.source == source)
        positions = dict(self._at_start.get(source, []))
        position = positions.get(channel.key)
        if key not in positions or key != channel.key:
            self.past_lost.add(source)
        if key not in positions or position is None:
            return
        try:
            yield from channel.between(offset if key == channel.key else 0, position)
        except ChannelTrouble:
            self.past_lost.add(source)

    @property
    def problems(self) -> Mapping[str, str]:
        """Sentences on why channels cannot be read, and the notices of all channels."""
        notices = [notice for channel in self._channels for notice in channel.notices]
        return {**self._troubles, **{notice: notice for notice in notices}}

    @property
    def there(self) -> set[FileId]:
        """The device and inode in the positions of these channels."""
        return {channel.id for channel in self._channels}

    @property
    def cleared(self) -> int:
        """How often the records of a channel were counted anew."""
        return sum(channel.cleared for channel in self._channels)


class FilesAndChannels:
    """Files and channels together, with the interface of `Tail`."""

    def __init__(self, tail: Tail, channels: Channels) -> None:
        self._tail = tail
        self._channels = channels
        channels.begun, channels.past_lost, channels.losses = tail.begun, tail.past_lost, tail.losses
        self.begun, self.past_lost, self.losses = tail.begun, tail.past_lost, tail.losses
        self._channels_first = False

    def look(self) -> None:
        """Check all files and channels."""
        self._tail.look()
        self._channels.look()

    def read(self) -> Reading | None:
        """The next lines or record: files and channels take turns."""
        self._channels_first = not self._channels_first
        first, second = (self._channels, self._tail) if self._channels_first else (self._tail, self._channels)
        return first.read() or second.read()

    def replay(self, source: str, key: str, offset: int) -> Iterator[Reading]:
        """See `Tail.replay`."""
        return (self._channels if is_channel(source) else self._tail).replay(source, key, offset)

    @property
    def problems(self) -> Mapping[str, str]:
        """Sentences about current problems."""
        return {**self._tail.problems, **self._channels.problems}

    @property
    def sources(self) -> Sources:
        """The sources of the files."""
        return self._tail.sources

    @property
    def rotations(self) -> int:
        """Files that were rotated away."""
        return self._tail.rotations

    @property
    def truncations(self) -> int:
        """Truncated files and cleared channels."""
        return self._tail.truncations + self._channels.cleared

    @property
    def there(self) -> set[FileId]:
        """Device and inode of the files and channels that are there."""
        return self._tail.there | self._channels.there

    @property
    def levels(self) -> tuple[int, int]:
        """See `Tail.levels`; files only."""
        return self._tail.levels

    def close(self) -> None:
        """Close all files; channels keep nothing open."""
        self._tail.close()
