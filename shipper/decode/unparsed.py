"""Why no pattern matched a line: a sentence for its event, and the cause, for which the summary has a hint. Pure."""

import re
from typing import NamedTuple

from shipper.decode.windows_event import CAUSES, EventReader
from shipper.decode.wrappers import doubtful_count, wrong_count
from shipper.times import looks_like_syslog, looks_like_time

LOOK_AT = 512  # characters that are searched for a time stamp
SHOWN = 40  # characters of a line that a sentence quotes

_STAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z[|]")
_OTHER_CLOCK = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?)([Zz]|[+-][0-9]{2}:?[0-9]{2})?(?=[|\s])"
)
_MAIL = re.compile(r"[ \t]{0,8}>[> \t]{0,32}")

# The summary's hints, by cause as in `Counts.causes`: a fixed set, so that the counts are bounded.
HINTS = {
    "own": "hold events that mfa-shipper wrote: give the logs that they were made of",
    "mail": "begin with >, as text copied from a mail does: remove that, or get the file itself",
    "local_time": "have a time that is not UTC with a Z, as MFA Server writes it: was it converted to local time?",
    "frames": "hold messages of syslog whose octet counts do not tell where they end: was the file converted, or does it begin or end in a message?",
    "carriage_returns": "hold several lines with CR between them, as old Macs end lines: make them LF (tr '\\r' '\\n')",
    "glued": "hold the beginning of one line and another one: was the file cut, joined without a line end, or written by two programs?",
    "no_break_space": "hold no-break spaces (U+00A0), as text copied from a web page or a mail does: get the file itself",
    "continued": "continue the text of the event before: export the events as JSON or XML, where each is one record",
    "format_list": "come from PowerShell's Format-List, which breaks lines as the window is wide: pipe the events to ConvertTo-Json instead",
    "another_form": "hold a message of the NPS extension in a form that is not known, or in another language: export the events as XML",
    "partial": "hold a part of a longer line, which a container runtime wrote in pieces, and the others are missing: was the file cut?",
    "prefix": "have something before the time stamp, such as a file name or a line number: remove it",
    **CAUSES,
}

_OWN = re.compile(r'\{\s{0,8}"@timestamp": ?"[^"]{1,40}",\s{0,8}"event": ?\{\s{0,8}"id": ?"[0-9a-f]{16}-[0-9]')
_CONTINUED = re.compile(r"(?:Trace ID|Correlation ID|Timestamp): ")  # further lines of an error of the NPS extension
_BEGUN = re.compile(r"[0-9]{4}-[0-9]{2}")
_FORMAT_LIST = re.compile(r"(?:TimeCreated|ProviderName|Message|Id) {1,24}: ")
_NPS = "NPS Extension for Azure MFA:"
_NO_BREAK_SPACE = "\u00a0"
_PART = "this is a part of a longer line, which a container runtime wrote in pieces, and the others do not stand beside it"


def why_unknown(message: str) -> str | None:
    """The cause in `HINTS` why no pattern matches a message; None if none is recognized."""
    another = _STAMP.search(message)
    if another is not None:
        return "carriage_returns" if message[: another.start()].endswith("\r") else "glued"
    return "no_break_space" if _NO_BREAK_SPACE in message else None


class Reason(NamedTuple):
    """Why a line was not understood; `cause` is None if there is no hint."""

    text: str
    cause: str | None = None


def why_unparsed(
    text: str, time: int | None, events: EventReader, *, matched: bool = False, place: str = "", partial: bool = False
) -> Reason:
    """The reason why a line was not understood.

    Args:
        text: the line, without its wrappers.
        time: its text before the first `|` in nanoseconds since 1970, None if that names no real instant.
        events: reads the Windows events of its file.
        matched: a pattern matched the line, but its time stamp names no real instant.
        place: where in a wrapper the line stands (see `Inner`); empty if nothing is around it.
        partial: the line is known to be a part of a longer one.
    """
    reader = EventReader(events.envelopes) if place else events  # a line in a wrapper is no record of the file
    reason = Reason(_PART, "partial") if partial else _why(text, time, reader, matched=matched)
    return Reason(f"{place}: {reason.text}", reason.cause) if place else reason


def _why(text: str, time: int | None, events: EventReader, *, matched: bool) -> Reason:
    stamp = text.partition("|")[0]
    if not text:
        return Reason("the line is empty")
    count = wrong_count(text)
    if count is not None:
        return _miscounted(count)
    if time is not None and why_unknown(text[len(stamp) :]) == "glued":
        return Reason("another line begins before this one has ended", "glued")
    if time is not None:
        return Reason("after the time stamp, LEVEL|PID|TID|COMPONENT|MESSAGE was expected")
    if looks_like_syslog(text):
        if matched:
            return Reason(
                "a syslog time stamp names no year, or this is no day of that year: see --syslog-year (pipeline.syslog)"
            )
        return Reason("after the syslog time stamp, HOST TAG: MESSAGE was expected")
    if looks_like_time(stamp):
        return Reason(f"the time stamp {stamp} names no real instant")
    if matched:
        return Reason("the time stamp names no real instant")
    return _of_another_form(text, events)


def own_event(text: str) -> Reason | None:
    """The reason if a line is an event of mfa-shipper, as `parse` prints it; None otherwise."""
    return Reason("this is an event that mfa-shipper wrote, not a line of a log", "own") if _OWN.match(text) else None


def doubt_at_end(text: str) -> Reason | None:
    """The reason if the last record of a file, at its very end, may be incomplete or may hold more than one; None otherwise."""
    count = doubtful_count(text)
    return None if count is None else _miscounted(count)


def _miscounted(count: str) -> Reason:
    return Reason(f"the octet count {count} of syslog does not tell where its message ends", "frames")


def _of_another_form(text: str, events: EventReader) -> Reason:
    if events.looks_like_one(text) or text.rstrip() == "[":
        return Reason(*events.why_not(text))
    if text.lstrip().startswith("{"):
        return Reason("blanks stand before the JSON object, which was expected at the beginning of the line", "json")
    if _CONTINUED.match(text):
        return Reason("this goes on with the text of the event before it, in which line ends stand", "continued")
    if _NO_BREAK_SPACE in text[:LOOK_AT]:
        return Reason("a no-break space (U+00A0) stands where a blank or nothing was expected", "no_break_space")
    clock = _OTHER_CLOCK.match(text)
    if clock is not None:
        stamp, zone = clock.groups()
        if zone is not None and stamp[10] == "T" and text[clock.end() :].startswith(" "):
            return Reason(f"behind the time stamp {stamp}{zone}, a | or HOST TAG: MESSAGE was expected")
        if zone is None:
            return Reason(
                f"the time stamp {stamp} names no zone; MFA Server writes UTC, such as 2017-02-14T02:57:19.234778Z", "local_time"
            )
        what = f"the time stamp {stamp}{zone} was expected in the form 2017-02-14T02:57:19.234778Z"
        return Reason(what, None if zone in ("Z", "z", "+00:00", "+0000") else "local_time")
    if _FORMAT_LIST.match(text):
        return Reason(
            "a property stands here as PowerShell's Format-List writes it, which is no record of its own", "format_list"
        )
    if _NPS in text[:LOOK_AT]:
        return Reason("a message of the NPS extension stands here, in a form that is not known", "another_form")
    found = _STAMP.search(text, 0, LOOK_AT)
    if found is None and (stray := events.stray(text)) is not None:
        return Reason(stray)
    if found is None:
        return Reason("the line does not begin with a time stamp such as 2017-02-14T02:57:19.234778Z and a |")
    return _behind(text[: found.start()])


def _behind(before: str) -> Reason:
    """The reason if `before` stands before a time stamp."""
    if _MAIL.fullmatch(before):
        return Reason("the line begins with >, as text copied from a mail does", "mail")
    if before.strip("\r") and before.endswith("\r"):
        return Reason("several lines stand here with CR between them, and the first is none", "carriage_returns")
    if _BEGUN.match(before):
        return Reason("another line begins before this one has ended", "glued")
    shown = repr(before if len(before) <= SHOWN else before[:SHOWN] + "…")
    return Reason(f"the line does not begin with its time stamp: {shown} stands before it", "prefix")
