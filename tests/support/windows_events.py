"""Windows' event log as files, and pywin32's functions over it: Wine has no event log.

The functions take and give what pywin32's take and give; how a query is sought is what Microsoft documents of EvtSeek. Run as a
module it is `mfa-shipper` on a machine with such an event log, in the folder that MFA_TEST_EVENT_LOG names.
"""

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import unescape

from shipper.read import windows_event_logs
from shipper.read.windows_event_logs import WindowsEventLogs
from tests.support.exports import EVENTS, xml

FOLDER = "MFA_TEST_EVENT_LOG"
CHANNEL = "Microsoft-AzureMfa-AuthZ/AuthZOptCh"


def record(event: int, number: int) -> str:
    """An event of the NPS extension as Windows keeps it: without its text rendered."""
    return xml(EVENTS[event], rendered=False).replace("<EventRecordID>7<", f"<EventRecordID>{number}<")


class WindowsChannel:
    """A channel, in a file that another process reads while it changes."""

    def __init__(self, folder: Path, name: str = CHANNEL) -> None:
        self._file = folder / quote(name.casefold(), safe="")
        self.name = name

    def create(self) -> "WindowsChannel":
        self._save({"next": 1, "records": [], "error": 0})
        return self

    def _load(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        return loaded

    def _save(self, state: dict[str, Any]) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(state), encoding="utf-8")
        os.replace(new, self._file)

    def write(self, *events: int) -> None:
        """Records of these of `EVENTS`."""
        state = self._load()
        for event in events:
            state["records"].append([state["next"], record(event, state["next"])])
            state["next"] += 1
        self._save(state)

    def write_text(self, text: str | None) -> None:
        """A record of this text; None: one that Windows cannot render."""
        state = self._load()
        state["records"].append([state["next"], text])
        state["next"] += 1
        self._save(state)

    def clear(self, *, anew: bool) -> None:
        """Remove all records; `anew`: the next one has the number 1."""
        state = self._load()
        self._save({**state, "records": [], "next": 1 if anew else state["next"]})

    def overwrite(self, number: int) -> None:
        """Remove so many records, the oldest ones, as a full log does."""
        state = self._load()
        self._save({**state, "records": state["records"][number:]})

    def fail(self, error: int) -> None:
        """From now on each query fails with this error of Windows; 0: none does."""
        self._save({**self._load(), "error": error})

    def remove(self) -> None:
        """There is no such channel any more."""
        self._file.unlink()


class WindowsError_(Exception):  # noqa: N801
    """As `pywintypes.error`."""

    def __init__(self, winerror: int, funcname: str, strerror: str) -> None:
        super().__init__(winerror, funcname, strerror)
        self.winerror, self.funcname, self.strerror = winerror, funcname, strerror


class _Results:
    def __init__(self, channel: str, records: list[tuple[int, str | None]]) -> None:
        self.channel, self.records, self.at = channel, records, 0


class _Event:
    def __init__(self, channel: str, number: int, text: str | None) -> None:
        self.channel, self.number, self.text = channel, number, text


class _Bookmark:
    def __init__(self, text: str | None) -> None:
        self.text = text or "<BookmarkList>\r\n</BookmarkList>"


class EventLogApi:
    """What is used of `win32evtlog`."""

    EvtQueryChannelPath, EvtQueryForwardDirection, EvtQueryReverseDirection = 0x1, 0x100, 0x200
    EvtRenderEventXml, EvtRenderBookmark = 1, 2
    EvtSeekRelativeToBookmark = 4

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.longest = 1 << 20  # characters of the records that one call gives; above: RPC_S_INVALID_BOUND
        self.queries = 0

    def EvtQuery(self, Path: str, Flags: int, Query: str | None = None) -> _Results:  # noqa: N802, N803
        self.queries += 1
        try:
            state = WindowsChannel(self.folder, Path)._load()
        except FileNotFoundError:
            raise WindowsError_(15007, "EvtQuery", "The specified channel could not be found.") from None
        if state["error"]:
            raise WindowsError_(state["error"], "EvtQuery", "Something is wrong.")
        level = re.fullmatch(r"\*|\*\[System\[Level=([0-9])\]\]", Query or "*")
        if level is None:
            raise WindowsError_(15001, "EvtQuery", "The specified query is invalid.")
        records = [(number, text) for number, text in state["records"] if not level[1] or f"<Level>{level[1]}<" in (text or "")]
        assert Flags & self.EvtQueryChannelPath
        return _Results(Path, records if Flags & self.EvtQueryForwardDirection else records[::-1])

    def EvtSeek(self, ResultSet: _Results, Position: int, Flags: int, Bookmark: _Bookmark) -> None:  # noqa: N802, N803
        assert (Position, Flags) == (0, self.EvtSeekRelativeToBookmark)
        found = re.fullmatch(
            r"""<BookmarkList>\s*<Bookmark Channel=(["'])(.*)\1 RecordId='([0-9]+)' IsCurrent='true'/>\s*</BookmarkList>""",
            Bookmark.text,
        )
        assert found
        assert unescape(found[2]).casefold() == ResultSet.channel.casefold()
        if not ResultSet.records:
            raise WindowsError_(1168, "EvtSeek", "Element not found.")
        behind = [at for at, (number, _) in enumerate(ResultSet.records) if number >= int(found[3])]
        ResultSet.at = behind[0] if behind else len(ResultSet.records) - 1

    def EvtNext(self, ResultSet: _Results, Count: int, Timeout: int = -1) -> tuple[_Event, ...]:  # noqa: N802, N803
        assert Timeout > 0
        records = ResultSet.records[ResultSet.at : ResultSet.at + Count]
        if len(records) > 1 and sum(len(text or "") for _, text in records) > self.longest:
            raise WindowsError_(1734, "EvtNext", "The array bounds are invalid.")
        ResultSet.at += len(records)
        return tuple(_Event(ResultSet.channel, *of_record) for of_record in records)

    def EvtCreateBookmark(self, BookmarkXML: str | None = None) -> _Bookmark:  # noqa: N802, N803
        return _Bookmark(BookmarkXML)

    def EvtUpdateBookmark(self, Bookmark: _Bookmark, Event: _Event) -> None:  # noqa: N802, N803
        inside = f"<Bookmark Channel='{Event.channel}' RecordId='{Event.number}' IsCurrent='true'/>"
        Bookmark.text = f"<BookmarkList>\r\n  {inside}\r\n</BookmarkList>"

    def EvtRender(self, Event: _Event | _Bookmark, Flags: int) -> str:  # noqa: N802, N803
        if isinstance(Event, _Bookmark):
            assert Flags == self.EvtRenderBookmark
            return Event.text
        assert Flags == self.EvtRenderEventXml
        if Event.text is None:
            raise WindowsError_(15005, "EvtRender", "The event data raised by the publisher is not compatible.")
        return Event.text


def logs_in(folder: Path) -> WindowsEventLogs:
    """The event logs of a machine that keeps them in this folder."""
    return WindowsEventLogs(EventLogApi(folder), WindowsError_)


if __name__ == "__main__":
    from shipper.__main__ import main

    windows_event_logs.windows_event_logs = lambda: logs_in(Path(os.environ[FOLDER]))
    main()
