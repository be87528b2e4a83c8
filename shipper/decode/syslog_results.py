"""The fast path for one-line results that MFA Server sends through syslog, in the messages of RFC 5424 and RFC 3164. Pure.

Like `wrapped.py`, for lines with no head but syslog's, which gives time, host, component and process.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from shipper.decode.grok import Convert
from shipper.decode.heavy import LONGEST_NAME
from shipper.decode.parser import Events, Parser
from shipper.decode.templates import Result, Tally, Templates, count
from shipper.decode.threads import Sender, Threads
from shipper.decode.wrapped import GUID, USER, lines_of, take_result
from shipper.model import Chunk, LogFile
from shipper.times import to_utc

FOUND = 4096  # pairs of sender and template cached; then all are dropped, and found again
KINDS = 32  # of senders that get templates; lines of any other take the general path

_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
_BSD = r"[A-Z][a-z]{2} {1,2}[0-9]{1,2} [0-9]{2}:[0-9]{2}:[0-9]{2}"
_WORD, _NAME = "[!-~]{1,255}", r"[!-9;-Z\\^-~]{1,255}"

# Groups: time, host, program and process of an RFC 5424 head, then of another; GUID, word, user and tail of a result. For any
# other line all groups are empty.
_RESULTS = re.compile(
    rf"(?:[0-9]{{1,7}} (?=<))?(?:<[0-9]{{1,3}}>1 ({_TIME}) ({_WORD}) ({_WORD}) ({_WORD}) {_WORD} - (?:ï»¿)?"
    rf"|(?:<[0-9]{{1,3}}>)?({_TIME}|{_BSD}) ({_NAME}) ({_NAME})(?:\[([0-9]{{1,18}})\])?: )"
    rf"(?:{GUID}\|)?Pfauth (succeeded|failed) for user '{USER}'\. Call status: ([^\n]*)\n|[^\n]*\n"
)
LONGEST_PID = 18  # digits that are read as a number
_PID = re.compile(r"0|[1-9][0-9]{0,17}")
_FIRST = 4  # lines at the start of a chunk; one of them must be such a result


class SyslogParser:
    """Takes the chunks of one file that begin with results sent through syslog."""

    def __init__(self, general: Parser, scratch: Callable[[LogFile], Parser]) -> None:
        """
        Args:
            general: parses every line that is not plain, and holds the state.
            scratch: makes a parser like `general` with a new state, for templates.
        """
        self._general = general
        self._threads = Threads(scratch, general.file, general.state)
        self._found: dict[tuple[Any, ...], tuple[Sender, Result]] = {}
        self._templates: dict[tuple[str, str, bool, bool], Templates] = {}
        self._local = _reader_of_local_times(general)

    def __call__(self, chunk: Chunk, data: bytes) -> Events | None:
        """The events of a chunk; None if it does not begin with such results.

        Args:
            chunk: as it was read.
            data: its bytes, with LF for each line end and no CR left.
        """
        if not any(map(_is_result, data.split(b"\n", _FIRST)[:_FIRST])):
            return None
        general, tallies = self._general, list[Tally]()
        general.begin()
        text = data.decode("latin-1")
        found = _RESULTS.findall(text if text.endswith("\n") else text + "\n")
        for groups, (raw, offset, original) in zip(found, lines_of(chunk, data), strict=True):
            if original is None or not groups[9] or not self._take(groups, offset, original, tallies):
                general.raw(raw, offset, ended=offset + len(raw) < chunk.offset + len(chunk.data))
        count(general.counts, tallies)
        return general.end()

    def _take(self, groups: tuple[str, ...], offset: int, original: str, tallies: list[Tally]) -> bool:
        """Parse a line; False leaves it to the general path."""
        time_1, host_1, program_1, pid_1, time_2, host_2, program_2, pid_2, guid, word, user, tail = groups
        stamp = time_1 or time_2
        if stamp[-1] != "Z":
            stamp = (to_utc(stamp) if stamp[0].isdigit() else self._local(stamp)) or ""
        time = self._general.stamps.read(stamp)
        key = host_1, program_1, pid_1, host_2, program_2, pid_2, not guid, word, tail
        found = None if time is None else self._found.get(key) or self._find(*key)
        if time is None or found is None:
            return False
        sender, template = found
        principal = self._threads.user(user, sender.process)
        return take_result(self._general, template, principal, sender, (stamp, time, offset, original), word, user, guid, tallies)

    def _find(self, *key: Any) -> tuple[Sender, Result] | None:
        """The sender of a line, and its template; None leaves it to the general path."""
        host_1, program_1, pid_1, host_2, program_2, pid_2, no_guid, word, tail = key
        host, program, pid = host_1 or host_2, program_1 or program_2, pid_1 or pid_2
        is_number = pid.isdigit() and len(pid) <= LONGEST_PID
        is_odd = (is_number and not _PID.fullmatch(pid)) or "-" in (host_2, program_2)  # "-" is a name in RFC 3164
        if is_odd or len(program) > LONGEST_NAME:  # detectors get a long name shortened
            return None
        kind = host, program, is_number, not no_guid
        templates = self._templates.get(kind) or self._new_templates(kind)
        template = None if templates is None else templates.results.get((word, tail)) or templates.result(word, tail)
        if template is None:
            return None
        if len(self._found) >= FOUND:
            self._found.clear()
        component = "" if program == "-" else program
        sender = Sender(component, pid if is_number else None, self._general.state.of(component))
        found = self._found[key] = sender, template
        return found

    def _new_templates(self, kind: tuple[str, str, bool, bool]) -> Templates | None:
        if len(self._templates) >= KINDS:
            return None
        host, program, has_pid, has_guid = kind
        around = partial(_sent, host=host, program=program, has_pid=has_pid, has_guid=has_guid)
        ids = f"{'process' if has_pid else ''} {'request' if has_guid else ''}"
        general = self._general
        templates = Templates(self._threads.scratch, general.file, "", "", around, ids)
        self._templates[kind] = templates
        return templates


def _reader_of_local_times(general: Parser) -> Convert:
    """The general path's reader of RFC 3164 time stamps."""
    fields = (field for pattern in general.library.lines if pattern.name == "LINE_SYSLOG_3164" for field in pattern.fields)
    return next(convert for _, field, convert in fields if field == "@timestamp" and convert is not None)


def _is_result(line: bytes) -> bool:
    found = _RESULTS.match(line.decode("latin-1") + "\n")
    return found is not None and found[10] is not None


def _sent(line: str, *, host: str, program: str, has_pid: bool, has_guid: bool) -> str:
    """A line of MFA Server as the program would send it."""
    stamp, _, pid, _, _, guid, message = line.split("|", 6)
    head = f"<1>1 {stamp} {host} {program} {pid if has_pid else '-'} - - "
    return head + (f"{guid}|{message}" if has_guid else message)
