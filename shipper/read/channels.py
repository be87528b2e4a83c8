"""All event log channels that are followed, and beside them the files: what the sidecar reads. I/O through the `EventLogs` given.

`Channels` is to channels what `Tail` is to files, and has the same methods. `FilesAndChannels` is both, for a configuration that
names channels; one that names none has a `Tail` alone.
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

RETRY = 5.0  # seconds until a channel that could not be read is tried again


class Channels:
    """The channels that are followed.

    Attributes:
        begun: positions at which channels with `start: end` begin, by key; for the caller to take.
        past_lost: sources whose recent past could not be read again at the start.
        losses: what is gone unread.
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
            logs: where the channels are.
            positions: how far they were read before, by key; those of files may be among them.
            options: how to follow.
            now: seconds of a clock that only goes forward.
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
        """Fetch what came, channel by channel. Never waits."""
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
                channel.from_end &= not trouble.absent  # what a channel holds that comes later is new
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
        """The next record: channels take turns; None if there is none."""
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
        """The records of a channel once more: from a number up to the position that reading began with.

        What is no longer there is left out; the source is in `past_lost` then.
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
        """Why a channel cannot be read, and what was met since the last look, as sentences."""
        notices = [notice for channel in self._channels for notice in channel.notices]
        return {**self._troubles, **{notice: notice for notice in notices}}

    @property
    def there(self) -> set[FileId]:
        """What stands in the positions of these channels for device and inode."""
        return {channel.id for channel in self._channels}

    @property
    def cleared(self) -> int:
        """How often the records of a channel were counted anew."""
        return sum(channel.cleared for channel in self._channels)


class FilesAndChannels:
    """Files and channels as one: what `Tail` has, of both."""

    def __init__(self, tail: Tail, channels: Channels) -> None:
        self._tail = tail
        self._channels = channels
        channels.begun, channels.past_lost, channels.losses = tail.begun, tail.past_lost, tail.losses
        self.begun, self.past_lost, self.losses = tail.begun, tail.past_lost, tail.losses
        self._channels_first = False

    def look(self) -> None:
        """See what became of all of them."""
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
        """Sentences about what is wrong now."""
        return {**self._tail.problems, **self._channels.problems}

    @property
    def sources(self) -> Sources:
        """Those of the files."""
        return self._tail.sources

    @property
    def rotations(self) -> int:
        """Files that were rotated away."""
        return self._tail.rotations

    @property
    def truncations(self) -> int:
        """Files that were cut, and channels that were cleared."""
        return self._tail.truncations + self._channels.cleared

    @property
    def there(self) -> set[FileId]:
        """What identifies the files and channels that are there."""
        return self._tail.there | self._channels.there

    @property
    def levels(self) -> tuple[int, int]:
        """See `Tail.levels`; of files."""
        return self._tail.levels

    def close(self) -> None:
        """Close all files; of a channel nothing stays open."""
        self._tail.close()
