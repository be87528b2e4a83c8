"""One followed Windows event log channel: how far it is read, and its next records. I/O through the `EventLogs` given.

Windows numbers the records of a channel. The position is the number after that of the last record read, with a check of that
record, as for files: each fetch begins with that record, so a channel that was cleared and counts from 1 again is noticed.
Nothing stays open between two fetches, so a service that restarts, or a channel that appears later, is no special case.

A record identifies itself, as a file does by its beginning: `event.id` is made of the record and its number, and stays
the same after a restart, without a checkpoint, and in a channel that was cleared.
"""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from shipper.model import Chunk, Export, LogFile
from shipper.read.identity import FINGERPRINT_SPAN
from shipper.read.inputs import FileId, TailOptions
from shipper.read.position import Position, Reading
from shipper.read.rotation import CHANNEL, source_name
from shipper.times import EPOCH

LIMIT = 128  # records per fetch
ALL = "*"  # the query that finds every record
XML = Export("xml")
REMEDY = "make the log larger"


class Record(NamedTuple):
    """A record of a channel.

    Attributes:
        number: its number in the channel, from 1.
        xml: the event, as wevtutil prints it; empty if Windows cannot print it.
        trouble: why Windows cannot print it; empty if it can.
    """

    number: int
    xml: str
    trouble: str = ""


class ChannelTrouble(Exception):
    """A channel cannot be read now; the text is a sentence.

    Attributes:
        absent: there is no such channel.
        lasting: only another configuration helps.
    """

    def __init__(self, sentence: str, *, absent: bool = False, lasting: bool = False) -> None:
        super().__init__(sentence)
        self.absent = absent
        self.lasting = lasting


class EventLogs(Protocol):
    """The event logs of a machine. A `query` is an XPath expression; `ALL` finds every record."""

    def records(self, channel: str, query: str, number: int, limit: int) -> Sequence[Record]:
        """Up to `limit` of the records that the query finds, the oldest first: from the one with this number on; without it
        from the next one on, or else only the last of all. `number` 0: from the oldest record on.

        Raises:
            ChannelTrouble: the channel cannot be read.
        """
        ...

    def newest(self, channel: str, query: str) -> Record | None:
        """The newest record that the query finds; None if it finds none.

        Raises:
            ChannelTrouble: the channel cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class ChannelInput:
    """A channel to follow.

    Attributes:
        channel: its name.
        query: an XPath expression that selects records.
        start: where to start if its position is not known: `beginning` or `end`.
        host: the name of the server that writes it; None if the configuration does not say.
    """

    channel: str
    query: str = ALL
    start: str = "beginning"
    host: str | None = None


class FollowedChannel:
    """How far a channel was read, and the records that were fetched ahead.

    Attributes:
        given: what to follow.
        path: how positions and messages name it.
        source: the log that its records form.
        key: its name among the positions, a new one once its records are counted anew; empty until it is known.
        offset: the number after that of the last record read; 0 before the first.
        from_end: reading begins behind the records that are there now, unless a position is known.
        cleared: how often its records were counted anew.
        losses: sentences about records that are gone; the caller takes them.
    """

    def __init__(self, given: ChannelInput, logs: EventLogs, options: TailOptions) -> None:
        self.given = given
        self.path = CHANNEL + given.channel
        self.source = source_name(self.path)
        self.key = ""
        self.offset = 0
        self.from_end = given.start == "end"
        self.cleared = 0
        self.losses: list[str] = []
        self._logs = logs
        self._options = options
        self._check = ""  # of the last record read; empty if Windows could not print it
        self._time = EPOCH  # of the first record read under this key
        self._ahead: deque[Record] = deque()
        self._full = False  # the last fetch ended at its limit
        self._met: list[str] = []  # sentences since the last look that the channel was cleared
        self._unreadable: list[Record] = []  # records since the last look that Windows could not print

    def resume(self, key: str, position: Position) -> None:
        """Go on from a stored position."""
        self.key, self.offset, self._check, self._time = key, position.offset, position.check, position.time
        self.from_end = False

    def begin_at_end(self) -> None:
        """Skip the records that are there now.

        Raises:
            ChannelTrouble: the channel cannot be read.
        """
        newest = self._logs.newest(self.given.channel, ALL)
        if newest is None:
            self.key = digest(self.source)
        else:
            self._identify(newest)
            self._pass(newest)
        self.from_end = False

    def look(self) -> None:
        """Fetch new records, once all records fetched before have been read.

        Raises:
            ChannelTrouble: the channel cannot be read.
        """
        self._met.clear()
        self._unreadable.clear()
        if not self._ahead:
            self._fetch()

    def _fetch(self) -> None:
        self._full = False
        records = self._records(max(0, self.offset - 1))
        if self.offset and records and self._counts_anew(records[0]):
            self._met.append(f"{self.path} was cleared: its records are counted anew and are read from the first of them")
            self.cleared += 1
            self.key, self.offset = "", 0
            records = self._records(0)
        self._full = len(records) == LIMIT
        self._ahead.extend(record for record in records if record.number >= self.offset)
        if self.offset and self._ahead and records[0].number >= self.offset:
            self._look_for_losses(records[0])

    def _records(self, number: int) -> Sequence[Record]:
        return self._logs.records(self.given.channel, self.given.query, number, LIMIT)

    def _counts_anew(self, first: Record) -> bool:
        """True if `first`, the record at the number of the last record read or nearest to it, shows that the channel was
        cleared and counts from 1 again."""
        last = self.offset - 1
        if first.number == last:
            return self._check not in ("", _check(first))
        if first.number > last:
            return False
        newest = self._logs.newest(self.given.channel, ALL)  # the query may find only older records
        return newest is not None and newest.number < last

    def _look_for_losses(self, first: Record) -> None:
        """Note records that are gone between the last one read, which is no longer found, and `first`."""
        if self.given.query != ALL:
            first = next(iter(self._logs.records(self.given.channel, ALL, self.offset, 1)), first)
        gone = first.number - self.offset
        if gone > 0:
            were = "a record was" if gone == 1 else f"{gone} records were"
            some = "" if self.given.query == ALL else ", of which the query may have found some"
            self.losses.append(f"{self.path}: {were} overwritten or cleared before they could be read{some}; {REMEDY}")

    def next(self) -> Reading | None:
        """The next record; None if there is none for now.

        Raises:
            ChannelTrouble: the channel cannot be read.
        """
        if not self._ahead and self._full:
            self._fetch()
        if not self._ahead:
            return None
        record = self._ahead.popleft()
        if not self.key:
            self._identify(record)
        if record.trouble:
            self._unreadable.append(record)
        self._pass(record)
        return self._reading(record, self.position())

    def _identify(self, record: Record) -> None:
        self.key = digest(f"{self.source}\n{record.number}\n{record.xml}")
        stamp_of = self._options.stamp_of
        self._time = (stamp_of and record.xml and stamp_of(record.xml, XML)) or EPOCH

    def _pass(self, record: Record) -> None:
        self.offset, self._check = record.number + 1, _check(record)

    def _reading(self, record: Record, position: Position) -> Reading:
        text = record.xml or (
            f"<Event><System><EventRecordID>{record.number}</EventRecordID><Channel>{self.given.channel}</Channel></System></Event>"
        )
        whole = text.encode("utf-8", "replace")
        data = whole[: self._options.line_limit]
        chunk = Chunk(data, record.number, len(data) < len(whole), ((0, len(data)),), numbered=True)
        return Reading(self.key, LogFile(None, digest(text), self._time, host=self.given.host, export=XML), chunk, position)

    @property
    def notices(self) -> list[str]:
        """Sentences about clearing and unreadable records since the last look."""
        if not self._unreadable:
            return self._met
        first, more = self._unreadable[0], len(self._unreadable) - 1
        others = f", nor can {more} behind it" if more else ""
        told = f"{self.path}: record {first.number} cannot be read ({first.trouble}){others}; an event in its place says so"
        return [*self._met, told]

    def position(self) -> Position:
        """Where reading resumes."""
        return Position(self.key, self.source, self.path, *self.id, self.offset, self._check, "utf-8", self._time)

    @property
    def id(self) -> FileId:
        """The device and inode in its positions: 0, and a number made of the key."""
        return 0, int(self.key[:12] or "0", 16)

    def between(self, begin: int, position: Position) -> Iterator[Reading]:
        """Read the records from a number up to a position again.

        Raises:
            ChannelTrouble: the channel cannot be read.
        """
        while records := [record for record in self._records(begin) if begin <= record.number < position.offset]:
            for record in records:
                yield self._reading(record, position)
            begin = records[-1].number + 1


def digest(text: str) -> str:
    """16 hex digits that identify a record by its text."""
    return hashlib.sha256(text.encode("utf-8", "replace")[:FINGERPRINT_SPAN]).hexdigest()[:16]


def _check(record: Record) -> str:
    return digest(record.xml) if record.xml else ""
