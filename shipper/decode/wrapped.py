"""The fast path for lines inside another program's lines: Docker, CRI, syslog, another shipper. Pure.

Like `plain.py`, only an optimisation of `parser.py`: it parses the same lines inside the wrappers that
`wrappers.py` knows, and leaves any other line to the general path. It handles each line separately, which is
simpler than the loops of `plain.py`, and fast enough: a quarter of the general path's time.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import accumulate

from shipper.decode.halves import add_all, take_half
from shipper.decode.parser import Events, Parser
from shipper.decode.pieces import weave
from shipper.decode.templates import Result, Tally, count
from shipper.decode.threads import LONGEST_USER, Sender, Thread, Threads
from shipper.decode.wrappers import LONGEST_LINE_END, PLAIN_HEADS, Inner, rewrap
from shipper.memo import length
from shipper.model import Chunk, Counts, LogFile, UserFields
from shipper.read.lines import BLANKS

FRAMES = 8  # pairs of host names that get templates; lines of any other take the general path
LONGEST_HOST = 512  # characters of such a pair
CONTEXTS = 4  # pairs of level and component for each pair of host names
THREADS = 2048  # cached for each pair of host names

_STAMP = r"(([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\.([0-9]{6})Z)"
_HEAD = r"(\|[^|\n]*+\|[^|\n]*+\|[^|\n]*+\|[^|\n]*+)"
USER = rf"([ !#-&(-~]{{1,{LONGEST_USER}}})"  # printable ASCII except quotes
GUID = r"([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})"

# Groups: stamp, second, fraction, head; user and tail of a request; a verdict; a status; GUID, word, user and tail of a result.
_LINE = (
    rf"{_STAMP}{_HEAD}\|(?:Calling pfAuthUser\('(?![,)]){USER}('[^\n]*)|authResult = (-?[0-9]{{1,9}})|rawCallStatus = (-?[0-9]{{1,9}})"
    rf"|{GUID}\|Pfauth (succeeded|failed) for user '{USER}'\. Call status: ([^\n]*))\n"
)
# Before these groups: an octet count, and three for the host in a head, two of them empty. For any other line all are empty.
_BEHIND_HEADS = re.compile(rf"{PLAIN_HEADS}{_LINE}|[^\n]*\n")
_ALONE = re.compile(rf"()()()(){_LINE}|[^\n]*\n")
_CONTROLS = bytes(range(32)).replace(b"\n", b"")

_STAMPED = re.compile(_STAMP)
_FIRST = 4  # lines at the start of a chunk; one of them must be wrapped
Frame = tuple[str | None, str | None]  # `hostname` and `host` of `Inner`
Found = tuple[str, ...]  # the groups of one line
NOBODY: Frame = (None, None)


# A line for a template: its time as the log writes it and in nanoseconds since 1970, its offset in the file, and its whole
# text, escaped as in a JSON string.
Line = tuple[str, int, int, str]


class WrappedParser:
    """Takes the chunks of one file that begin with wrapped lines."""

    def __init__(self, general: Parser, scratch: Callable[[LogFile], Parser]) -> None:
        """
        Args:
            general: parses every line that is not plain, and holds the state.
            scratch: makes a parser like `general` with a new state, for templates.
        """
        self._general = general
        self._unwrap: Callable[[str], Inner | None] = general.library.envelopes.wrappers.unwrap
        self._scratch = scratch
        self._threads: dict[Frame, Threads] = {}

    def __call__(self, chunk: Chunk, data: bytes) -> Events | None:
        """The events of a chunk; None if it does not begin with wrapped lines.

        Args:
            chunk: as it was read.
            data: its bytes, with LF for each line end and no CR left.
        """
        first = data.split(b"\n", _FIRST)[:_FIRST]
        if any(self._is_record(line) for line in first):
            lines = self._records(data)
        elif any(map(_is_behind_a_head, first)):
            lines = _behind_heads(data)
        else:
            return None
        self._general.begin()
        self._take(chunk, data, lines)
        return self._general.end()

    def _is_record(self, line: bytes) -> bool:
        """True for a line of JSON with a line of MFA Server inside."""
        inner = self._unwrap(line.decode("utf-8", "replace")) if line.startswith(b"{") else None
        return inner is not None and _STAMPED.match(inner.text) is not None

    def _records(self, data: bytes) -> Iterator[tuple[Found, Frame]]:
        """The groups and the hosts of lines of JSON."""
        lines = [self._unwrap(line) for line in _lines(data.decode("utf-8", "replace"))]
        text = "".join(
            [f"{line.text}\n" if line is not None and "\n" not in line.text and not line.partial else "\n" for line in lines]
        )
        return zip(_ALONE.findall(text), [(line.hostname, line.host) if line else NOBODY for line in lines], strict=True)

    def _take(self, chunk: Chunk, data: bytes, lines: Iterable[tuple[Found, Frame]]) -> None:
        """Parse the lines of a chunk, each with its groups and its hosts."""
        general, seconds = self._general, self._general.stamps.seconds
        halves, results = list[Counts](), list[Tally]()
        for (found, frame), (raw, offset, original) in zip(lines, lines_of(chunk, data), strict=True):
            *_, stamp, second, fraction, head, user, call, verdict, status, guid, word, who, result = found
            whole = seconds[second]
            thread = None if whole is None or original is None else self._thread(frame, head)
            done = False
            if thread is not None and whole is not None and original is not None:
                if verdict or status:
                    done = take_half(general, thread, stamp, whole, fraction, verdict, status, offset, head, original, halves) > 0
                else:
                    line = stamp, whole + int(fraction) * 1000, offset, original
                    threads = self._threads[frame]
                    if word:
                        template = thread.templates.results.get((word, result)) or thread.templates.result(word, result)
                        principal = threads.user(who, thread.process)
                        done = take_result(general, template, principal, thread, line, word, who, guid, results)
                    else:
                        done = self._request(line, thread, threads.user(user, thread.process), user, call)
            if not done:
                general.raw(raw, offset, ended=offset + len(raw) < chunk.offset + len(chunk.data))
        add_all(general.counts, halves)
        count(general.counts, results)

    def _thread(self, frame: Frame, head: str) -> Thread | None:
        threads = self._threads.get(frame)
        if threads is None:
            if len(self._threads) >= FRAMES or length(frame) > LONGEST_HOST:
                return None
            around = partial(rewrap, hostname=frame[0], host=frame[1])
            threads = self._threads[frame] = Threads(
                self._scratch, self._general.file, self._general.state, around, THREADS, CONTEXTS
            )
        return threads.known.get(head) or threads.find(head)

    def _request(self, line: Line, thread: Thread, principal: tuple[UserFields | None, str], user: str, call: str) -> bool:
        """Parse a request; `call` follows its user, from the quote on. False leaves the line to the general path."""
        general, state = self._general, thread.state
        template = thread.templates.requests.get(call) or thread.templates.request(call)
        stamp, time, offset, original = line
        who, shared = principal
        event_id = f"{general.file.fingerprint}-{offset}"
        exchange = (time, stamp, event_id, who, shared, None)
        if not template or not shared or time > state.limit or state.merger is not None:
            return False
        if state.exchanges.open.setdefault(thread.key, exchange) is not exchange:
            return False
        state.newest, state.spoke = max(state.newest, time), True
        general.last_time = stamp
        pieces, origin = template
        kept = original if general.options.keep_original else ""
        message = f"Calling pfAuthUser('{user}{call}".replace("\\", "\\\\")
        general.texts.append(weave(pieces, (stamp, event_id, kept, message, shared, str(offset), event_id)))
        general.labels.append((stamp, event_id, origin, who and who[3]))
        general.counts.requests += 1
        general.counts.lines += 1
        return True


def take_result(
    general: Parser,
    template: Result | None,
    principal: tuple[UserFields | None, str],
    sender: Thread | Sender,
    line: Line,
    word: str,
    user: str,
    guid: str,
    tallies: list[Tally],
) -> bool:
    """Parse a one-line result.

    Args:
        general: the parser that holds the state and gets the event.
        template: of the event; None if there is none.
        principal: the user, and the JSON of user and process; empty if they are not plain.
        sender: the thread or program that wrote the line.
        line: its time, offset and text.
        word: the verdict.
        user: as the line names it.
        guid: of the request; empty if there is none.
        tallies: get what the line adds to the counts.

    Returns:
        False if the general path must take it.
    """
    who, shared = principal
    stamp, time, offset, original = line
    state = sender.state
    if template is None or not shared or time > state.limit:
        return False
    if state.merger is not None:
        general.emit(state.merger.overdue(time))
    state.newest, state.spoke = max(state.newest, time), True
    general.last_time = stamp
    pieces, origin, code, success, tally, escaped_tail = template
    event_id = f"{general.file.fingerprint}-{offset}"
    general.completions.append(
        (len(general.texts), who, event_id, sender.component, time, stamp, time, stamp, code, success, state.newest)
    )
    tallies.append(tally)
    kept = original if general.options.keep_original else ""
    escaped = user.replace("\\", "\\\\")
    p0, p1, p2, p3, p4, p5, p6, *last = pieces  # the last gap, if any, is the GUID's
    event = f"{p0}{stamp}{p1}{event_id}{p2}{kept}{p3}Pfauth {word} for user '{escaped}'. Call status: {escaped_tail}{p4}{shared}{p5}{offset}{p6}"
    general.texts.append(f"{event}{guid}{last[0]}" if guid else event)
    general.labels.append((stamp, event_id, origin, who and who[3]))
    return True


def lines_of(chunk: Chunk, data: bytes) -> Iterator[tuple[bytes, int, str | None]]:
    """The lines of a chunk: their bytes without LF, their offsets, and their texts escaped as in a JSON string.

    A text is None if its escaping is not that simple; `data` is the chunk with LF as line end.
    """
    raws = chunk.data.split(b"\n")
    if not raws[-1]:
        del raws[-1]
    offsets = accumulate((len(raw) + 1 for raw in raws), initial=chunk.offset)
    texts: list[str | None] = list(data.decode("latin-1").replace("\\", "\\\\").replace('"', '\\"').split("\n"))
    if not _is_clean(data):
        texts = [text if _is_clean(raw.removesuffix(b"\r")) else None for text, raw in zip(texts, raws, strict=False)]
    return zip(raws, offsets, texts, strict=False)


def _is_behind_a_head(line: bytes) -> bool:
    found = _BEHIND_HEADS.match(line.decode("latin-1") + "\n")
    return found is not None and found[5] is not None


def _behind_heads(data: bytes) -> Iterator[tuple[Found, Frame]]:
    """The groups and the hosts of lines behind heads."""
    text = "\n".join(_lines(data.decode("latin-1"))) + "\n"
    found: list[Found] = _BEHIND_HEADS.findall(text)
    if any(groups[0] for groups in found):
        found = [_as_counted(*pair) for pair in zip(found, text.split("\n"), strict=False)]
    hosts = [groups[1] or groups[2] or groups[3] for groups in found]
    return zip(found, [NOBODY if host in ("", "-") else (host, host) for host in hosts], strict=True)


def _as_counted(groups: Found, line: str) -> Found:
    """The groups of a line; empty ones, which leave it to the general path, if its octet count does not match its length."""
    count = groups[0]
    if not count or (0 <= int(count) - len(line) + len(count) + 1 <= LONGEST_LINE_END and line == line.rstrip(BLANKS)):
        return groups
    return ("",) * len(groups)


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")


def _is_clean(data: bytes) -> bool:
    """True for UTF-8 that JSON leaves unchanged except for quotes, backslashes and line ends."""
    if len(data.translate(None, _CONTROLS)) < len(data):
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
