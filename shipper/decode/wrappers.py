"""Unwraps lines of a log from those of another program: a container runtime, syslog, another shipper. Pure.

    Docker       {"log":"LINE\\n","stream":"stdout","time":"…"}
    CRI          2016-10-06T00:17:09.669794202Z stdout F LINE
    shippers     {…,"message":"LINE",…}, or another key of `schemas/envelopes.toml`
    syslog       RFC 5424, RFC 3164, rsyslog's ISO form, each with or without an octet count; Kiwi's files; no tag is needed

The line inside makes the event. Of the wrapper only the host is used; its time is when the line was passed on.
A syslog message that is no line of a log is not unwrapped: there the head belongs to the line (`patterns/syslog.grok`).
"""

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import orjson

DEPTH = 4  # wrappers around each other, such as Docker around syslog
LONGEST_NAME = 255
LONGEST_LINE_END = 2
PIECE = 4096  # least characters of Docker's pieces, which have 16 KiB: a shorter text lost its line end to another shipper

# A record with one of these keys, or with a text that begins so, is a Windows event, and its text is no line of a log.
_EVENT_KEYS, _EVENT_TEXT = frozenset({"Message", "winlog"}), "NPS Extension"

ISO_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
_BSD = r"[A-Z][a-z]{2} {1,2}[0-9]{1,2} [0-9]{2}:[0-9]{2}:[0-9]{2}"
_PRI = r"<[0-9]{1,3}>"
_COUNT = rf"[0-9]{{1,7}} (?={_PRI})"
_DATED = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:"
_BEGINS = rf'(?:{_DATED}|\{{ {{0,4}}"|<Event|{_PRI}|{_COUNT}|{_BSD} )'  # how any line begins
_KIWI_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"


def _heads(word: str, mark: str) -> str:
    """A regular expression for what stands before a line, with a group for the host in each of the last three alternatives.

    Args:
        word: one character of a name: neither a blank nor a bar, so that no name swallows the head of a line.
        mark: a byte order mark.
    """
    name = rf"{word}{{1,255}}"
    data = r'(?:-|(?>(?:\[(?>[^\]"\n]|"(?>[^"\\\n]|\\.)*")*\]))+)'  # structured data
    then = rf"(?={_BEGINS})"
    cri = rf"{ISO_TIME} (?:stdout|stderr) (?:[A-Z](?::{word}{{0,64}})? |{then})"  # the oldest CRI has no tag
    rfc_5424 = rf"{_PRI}1 (?:-|{ISO_TIME}) ({name}) {name} {name} {name} {data} (?:{mark})?{then}"
    others = rf"(?:{_PRI})?(?:{ISO_TIME}|{_BSD}) ({name}) {{1,4}}(?:{name} {{1,4}})??{then}"
    kiwi = rf"{_KIWI_TIME}\t\w{{1,16}}\.\w{{1,16}}\t({name})\t(?:{_BSD} {name} )?+(?:{name} {{1,4}})??{then}"
    return f"{cri}|{rfc_5424}|{others}|{kiwi}"


# A head, with or without an octet count, for text decoded as latin-1: a character is a byte. Where it matches before a line
# of MFA Server, `unwrap` removes the same text.
# The first group is the octet count, which the caller must check. A part of a line is left to the general path.
PLAIN_HEADS = rf"(?!{ISO_TIME} std(?:out|err) P)(?:([0-9]{{1,7}}) (?={_PRI}))?+(?>" + _heads("[!-{}~]", "ï»¿") + ")"

_HEAD = re.compile(f"{_COUNT}|" + _heads(r"[^\s|]", "\ufeff"))
_COUNTED = re.compile(rf"([0-9]{{1,7}}) (?={_PRI})")
_CRI_PART = re.compile(rf"{ISO_TIME} (?:stdout|stderr) P")
_CRI_HEAD = re.compile(rf"{ISO_TIME} (?:stdout|stderr) [A-Z](?::\S{{0,64}})? ")
_LINE = re.compile(_BEGINS)
_OWN = re.compile(r"[0-9-]{10}T[0-9:]{8}(?:\.[0-9]{1,9})?Z\|")  # how MFA Server begins a line: it has no wrapper


class Inner(NamedTuple):
    """A line without its wrappers.

    Attributes:
        text: the line.
        hostname: of the innermost syslog head; None if there is none or it names no host.
        host: of the innermost wrapper that names one.
        place: where the line stands, for a sentence.
        partial: True for a part of a line: a container runtime writes a long line in pieces.
    """

    text: str
    hostname: str | None
    host: str | None
    place: str
    partial: bool = False


def _is_part(wrapped: str, text: str) -> bool:
    """True for a container runtime's record that the next one continues: CRI marks it, Docker leaves out the line end."""
    if wrapped[:1] == "{":
        return len(text) >= PIECE and not text.endswith("\n") and '"stream"' in wrapped
    return _CRI_PART.match(wrapped) is not None


def _in_one(lines: str) -> str:
    """Join the parts in which a container runtime wrote a line; return any other text unchanged."""
    if lines.startswith('{"log":"'):
        return _docker_in_one(lines)
    texts, head = list[str](), ""
    for part in lines.split("\n"):
        found = _CRI_HEAD.match(part)
        if found is None:
            return lines
        head = found[0]
        texts.append(part[found.end() :])
    return head + "".join(texts)


def _docker_in_one(lines: str) -> str:
    try:
        records = [orjson.loads(part) for part in lines.split("\n")]
    except orjson.JSONDecodeError:
        return lines
    texts: list[str] = []
    for record in records:
        text = record.get("log") if isinstance(record, dict) else None
        if not isinstance(text, str):
            return lines
        texts.append(text)
    end = "\n" if len(texts[-1]) < PIECE and not texts[-1].endswith("\n") else ""  # a program's last line may have none
    return orjson.dumps(records[-1] | {"log": "".join(texts) + end}).decode()


# A removed wrapper: the text inside, the host that it names, whether it is syslog, and where the text stood.
_Layer = tuple[str, str | None, bool, str]


def rewrap(line: str, hostname: str | None, host: str | None) -> str:
    """Wrap a line so that `unwrap` returns it with these host names."""
    if host is not None and host != hostname:
        line = orjson.dumps({"message": line, "host": host}).decode()
    elif hostname is None:
        return orjson.dumps({"message": line}).decode()
    return line if hostname is None else f"<1>1 - {hostname} - - - - {line}"


def wrong_count(text: str) -> str | None:
    """The octet count of a syslog message if it is wrong and another counted message follows in the text; otherwise None.

    A wrong count of a single message does no harm: files get converted.
    """
    found = _COUNTED.match(text)
    if found is None or _COUNTED.search(text, found.end()) is None:
        return None
    # A byte that does not decode has become a character, so the number of bytes is uncertain.
    least, most = len(text) - found.end(), len(text.encode("utf-8", "replace")) - found.end()
    return None if least <= int(found[1]) <= most + LONGEST_LINE_END else found[1]


def doubtful_count(text: str) -> str | None:
    """The octet count of a syslog message at the end of a file that ends with a digit, and not where the count says: digits
    may be missing, or may begin the next count. None for any other text."""
    found = _COUNTED.match(text)
    if found is None or not text[-1].isdigit():
        return None
    message = text[found.end() :]
    return None if int(found[1]) in (len(message), len(message.encode("utf-8", "replace"))) else found[1]


def _head(text: str) -> _Layer | None:
    found = _HEAD.match(text)
    if found is None:
        return None
    host = found[1] or found[2] or found[3]
    counted = text[: found.end() - 1].isdigit()
    if counted and wrong_count(text) is not None:
        return None
    place = "behind the syslog head" if host else "behind the octet count" if counted else "behind the CRI prefix"
    return text[found.end() :], None if host == "-" else host, host is not None, place


def _begins_like_a_line(text: str) -> bool:
    return _LINE.match(text.removeprefix("\ufeff")) is not None


def _is_no_event(record: dict[str, Any], text: str) -> bool:
    return _EVENT_KEYS.isdisjoint(record) and not text.startswith(_EVENT_TEXT)


class Shipper(NamedTuple):
    """Another shipper's keys for the line and for the server that it runs on; a dot goes one object down."""

    line: tuple[str, ...]
    host: tuple[str, ...] = ()


class _Keys(NamedTuple):
    """The keys of all shippers. `record` finds a key of `lines` with a text that may begin like a line."""

    lines: tuple[str, ...]
    hosts: tuple[tuple[str, str], ...]
    record: "re.Pattern[str]"


class Wrappers:
    """Removes what other programs put around a line."""

    def __init__(self, read: Callable[[], Sequence[Shipper]]) -> None:
        """`read` returns the shippers; it is called for the first JSON record, so never for a plain log."""
        self._read = read

    @cached_property
    def _keys(self) -> _Keys:
        shippers = self._read()
        lines = tuple(dict.fromkeys(key for shipper in shippers for key in shipper.line))
        hosts = dict.fromkeys(key.partition(".")[::2] for shipper in shippers for key in shipper.host)
        # In JSON `\\` begins an escaped `<` or `"`.
        record = rf'"(?:{"|".join(map(re.escape, lines))})"[ \t]*:[ \t]*"(?=[0-9<{{\\]|[JFMASOND][a-z]{{2}} )'
        return _Keys(lines, tuple(hosts), re.compile(record))

    def unwrap(self, line: str, *, strictly: bool = True) -> Inner | None:
        """The line inside a line; None if nothing is wrapped around it.

        Args:
            line: a line of a file.
            strictly: a record of another shipper counts only if its text begins like a line of a log.
        """
        text, hostname, host, partial = _in_one(line) if "\n" in line else line, None, None, False
        places: list[str] = []
        while len(places) < DEPTH:
            layer = self._record(text, strictly=strictly) if text[:1] == "{" else _head(text)
            if layer is None:
                break
            partial = partial or _is_part(text, layer[0])
            text, named, by_syslog, place = layer
            places.append(place)
            host = named or host
            hostname = named if named and by_syslog else hostname
            if _OWN.match(text):
                break
        return Inner(text.rstrip(" \t\r\n"), hostname, host, ", ".join(places), partial) if places else None

    def _record(self, text: str, *, strictly: bool) -> _Layer | None:
        if strictly and self._keys.record.search(text) is None:
            return None
        try:
            record = orjson.loads(text)
        except orjson.JSONDecodeError:
            return None
        for key in self._keys.lines:
            value = record.get(key)
            if isinstance(value, str) and (_begins_like_a_line(value) if strictly else _is_no_event(record, value)):
                return value.removeprefix("\ufeff"), _host(record, self._keys.hosts), False, f"in {key} of the JSON object"
        return None


def _host(record: dict[str, Any], names: Sequence[tuple[str, str]]) -> str | None:
    for name, inner_name in names:
        value = record.get(name)
        if inner_name and isinstance(value, dict):
            value = value.get(inner_name)
        elif inner_name:
            continue
        if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME:
            return value
    return None
