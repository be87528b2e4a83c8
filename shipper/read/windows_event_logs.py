"""The event logs of this machine, by pywin32: the only code that calls Windows' event log. I/O.

Each fetch opens a query and seeks to a bookmark; there is no subscription. So no handle can go stale when a log is cleared or
the service restarts, and each fetch returns the last record again, which reveals a cleared channel. A bookmark consists of
the channel's name and a record number, so only the number has to be kept.

No test has run against a real event log: Wine has none. All decisions about records are left to the callers of `EventLogs`.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from xml.sax.saxutils import quoteattr

from shipper.errors import UsageError
from shipper.read.channel import ChannelTrouble, Record

# From winerror.h.
FILE_NOT_FOUND, ACCESS_DENIED, NOT_FOUND, INVALID_BOUND = 2, 5, 1168, 1734
RPC = (1702, 1717, 1722, 1723, 1726, 1818)
INVALID_CHANNEL, INVALID_QUERY, CHANNEL_NOT_FOUND, INVALID_POSITION = 15000, 15001, 15007, 15012
FILTER_FAULTS = range(15013, 15027)  # faults in an XPath expression

_NUMBER = re.compile(r"""\bRecordId=['"]([0-9]+)['"]""")
_STEP = 16  # records per call
_TIMEOUT = 5000  # milliseconds per call


class WindowsEventLogs:
    """The event logs of this machine. It is an `EventLogs`."""

    def __init__(self, api: Any, error: Any) -> None:
        """`api` is the module win32evtlog, and `error` what its functions raise."""
        self._api = api
        self._error = error

    def records(self, channel: str, query: str, number: int, limit: int) -> Sequence[Record]:
        with self._told(channel, query):
            try:
                return self._records(channel, query, number, limit, _STEP)
            except self._error as error:
                if error.winerror != INVALID_BOUND:
                    raise
            return self._records(channel, query, number, limit, 1)  # several long records may exceed what a call can return

    def newest(self, channel: str, query: str) -> Record | None:
        api = self._api
        with self._told(channel, query):
            found = api.EvtQuery(channel, api.EvtQueryChannelPath | api.EvtQueryReverseDirection, query)
            events = api.EvtNext(found, 1, _TIMEOUT)
            return self._record(events[0]) if events else None

    def _records(self, channel: str, query: str, number: int, limit: int, step: int) -> list[Record]:
        api = self._api
        found = api.EvtQuery(channel, api.EvtQueryChannelPath | api.EvtQueryForwardDirection, query)
        if number and not self._seek(found, bookmark_of(channel, number)):
            return []
        records: list[Record] = []
        while len(records) < limit and (events := api.EvtNext(found, min(step, limit - len(records)), _TIMEOUT)):
            records += map(self._record, events)
        return records

    def _seek(self, found: Any, bookmark: str) -> bool:
        """Seek to the record of a bookmark or the nearest one; False if there is no record at all."""
        api = self._api
        try:
            api.EvtSeek(found, 0, api.EvtSeekRelativeToBookmark, api.EvtCreateBookmark(bookmark))
        except self._error as error:
            if error.winerror in (NOT_FOUND, INVALID_POSITION):
                return False
            raise
        return True

    def _record(self, event: Any) -> Record:
        api = self._api
        bookmark = api.EvtCreateBookmark()
        api.EvtUpdateBookmark(bookmark, event)
        # The number in the event itself is another computer's if the event was forwarded.
        number = number_in(api.EvtRender(bookmark, api.EvtRenderBookmark))
        try:
            return Record(number, api.EvtRender(event, api.EvtRenderEventXml).strip())
        except self._error as error:
            return Record(number, "", _words(error))

    @contextmanager
    def _told(self, channel: str, query: str) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            raise trouble_of(channel, query, error.winerror, _words(error)) from None


def windows_event_logs() -> WindowsEventLogs:
    """The event logs of this machine.

    Raises:
        UsageError: this is not Windows, or pywin32 is not installed.
    """
    if os.name != "nt":
        raise UsageError(
            "windows_event_log needs Windows, and this is another system; run mfa-shipper on the server, or let it export the "
            "channel into a file"
        )
    try:
        import pywintypes
        import win32evtlog
    except ImportError:
        raise UsageError(
            "windows_event_log needs pywin32, which is not installed; in a checkout, pip install '.[windows]'"
        ) from None
    return WindowsEventLogs(win32evtlog, pywintypes.error)


def bookmark_of(channel: str, number: int) -> str:
    """The bookmark of a record, as `EvtRender` writes it."""
    return f"<BookmarkList><Bookmark Channel={quoteattr(channel)} RecordId='{number}' IsCurrent='true'/></BookmarkList>"


def number_in(bookmark: str) -> int:
    """The number of the record that a bookmark of one channel points to; 0 if to none."""
    found = _NUMBER.search(bookmark)
    return int(found[1]) if found else 0


def trouble_of(channel: str, query: str, number: int, words: str) -> ChannelTrouble:
    """What a Windows error, given by its number and message, means for a channel."""
    if number in (FILE_NOT_FOUND, CHANNEL_NOT_FOUND):
        return ChannelTrouble(f"there is no event log channel {channel} on this machine; will look again", absent=True)
    if number == INVALID_CHANNEL:
        return ChannelTrouble(f"{channel} is no name of an event log channel; wevtutil el lists those there are", lasting=True)
    if number == INVALID_QUERY or number in FILTER_FAULTS:
        return ChannelTrouble(f"Windows does not understand the query {query!r} of {channel}: {words}", lasting=True)
    if number == ACCESS_DENIED:
        return ChannelTrouble(
            f"the event log channel {channel} may not be read: make the user who runs the shipper a member of the group "
            "Event Log Readers, and start it again; will retry"
        )
    if number in RPC:
        return ChannelTrouble(f"the event log service does not answer for {channel} ({words}); will retry")
    return ChannelTrouble(f"the event log channel {channel} cannot be read: {words} (error {number}); will retry")


def _words(error: Any) -> str:
    return str(error.strerror or error.funcname or "no reason was given").strip().rstrip(".")
