"""The fast path: the commonest plain lines straight to their events. Pure.

An optimisation of `parse.py`, nothing else. It knows four forms, in plain printable ASCII:

    TIME|L|PID|TID|COMPONENT|Calling pfAuthUser('DOMAIN\\name', '', 1)      or name@domain
    TIME|L|PID|TID|COMPONENT|authResult = N      together with the line behind it,
    TIME|L|PID|TID|COMPONENT|rawCallStatus = N   same time, same thread, its exchange open
    TIME|L|PID|TID|COMPONENT|GUID|Pfauth WORD for user 'USER'. Call status: CONSTANT - "Text".

and hands every other line to the general path, which then does it all. It also knows no field: its
templates are events that the general path made for marked lines, cut at the marks. A property test
holds both against each other, byte for byte.

Why it is quicker: the work of a line is a few searches in C and one f-string of ready pieces.
The chunk is read as latin-1, so bytes and characters are the same thing.
"""

import re
from collections.abc import Callable
from typing import Any

from shipper.model import Chunk, Code, Completion, Counts, Exchange, User
from shipper.parse import Events, Parser, user_json
from shipper.principal import split_principal
from shipper.times import SECOND

CALL = "|Calling pfAuthUser('"
VERDICT = "|authResult = "
STATUS = "|rawCallStatus = "
RESULT = "|Pfauth "

_HEAD = re.compile(r"Z\|[0-9A-Za-z]\|(0|[1-9][0-9]{0,17})\|(0|[1-9][0-9]{0,17})\|([A-Za-z0-9_]{1,128})")
_TAIL = re.compile(r"'(?:, (?:'[A-Za-z0-9._:-]*'|[A-Za-z0-9._:-]+))*\)")
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}").fullmatch
_RESULT_TAIL = re.compile(r'[A-Z][A-Z0-9_]{0,127} - "[A-Za-z0-9 #+.-]{1,99}"\.')
_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,8}")

# Marks: values that are valid where they stand, and stand nowhere else.
_START, _END = "1987-06-05T04:03:02.100000Z", "1987-06-05T04:03:03.223344Z"
_DURATION = "1123344000"
_OFFSETS = "770000000000000001", "770000000000000002", "770000000000000003"
_NAME, _GUID_MARK = "mark7user7mark", "7a7a7a7a-7b7b-7c7c-7d7d-7e7e7e7e7e7e"

Pieces = tuple[str, ...]
LIMIT = 2048  # templates of one kind that a thread keeps


class _Head:
    """What lines of one level, thread and component share: their thread, and templates made so far."""

    __slots__ = ("component", "pairs", "requests", "results", "text", "thread")

    def __init__(self, text: str, match: re.Match[str]) -> None:
        self.text = text
        self.thread = (match[3], int(match[1]), int(match[2]))
        self.component = match[3]
        self.requests: dict[str, Pieces] = {}
        self.pairs: dict[tuple[str, str], tuple[Pieces, Code, bool]] = {}
        self.results: dict[str, tuple[Pieces, Code, bool]] = {}


class FastParser:
    """A `Parser` for one file of a built-in log family, with the same call and the same answers."""

    def __init__(self, general: Parser, scratch: Callable[[], Parser]) -> None:
        """
        Args:
            general: does every line that is not plain, and holds the state.
            scratch: makes a parser like it with a state of its own, for templates.
        """
        self.general = general
        self._scratch = scratch
        self._heads: dict[str, _Head | None] = {}
        user = user_json(User("\x01", "\x02", None, ""))
        self._domain_user = tuple(re.split(r"\\u000[12]", user))

    def seen(self) -> set[tuple[str, int, int]]:
        """The threads whose lines took this path."""
        return {head.thread for head in self._heads.values() if head}

    def __call__(self, chunk: Chunk) -> Events:
        """As `Parser.__call__`."""
        text = chunk.data.decode("latin-1")
        end = "\n"
        if "\r" in text:
            end = "\r\n"
            if not text.count(end) == text.count("\n") == text.count("\r") or not text.endswith(end):
                return self.general(chunk)
        exchanges = self.general.state.exchanges
        whole = text.endswith(end)
        lines = text.split(end)
        if whole:
            lines.pop()
        if chunk.cut or self.general.file.encoding != "utf-8" or len(exchanges.open) + len(lines) > exchanges.LIMIT:
            return self.general(chunk)
        return self._lines(lines, chunk.offset, len(end), whole)

    def _lines(self, lines: list[str], offset: int, gap: int, whole: bool) -> Events:
        # One long loop with local names: a call for each line would cost as much as the line.
        general = self.general
        general.begin()
        counts, state, clock = general.counts, general.state, general.clock
        opens, timeout = state.exchanges.open, state.exchanges.timeout
        heads, seconds, raw = self._heads, clock.seconds, general.raw
        completions = general.completions
        u0, u1, u2, u3 = self._domain_user[0], self._domain_user[1], self._domain_user[2], self._domain_user[3]
        if False:
            raise AssertionError
        keep = None if general.options.keep_original else 0
        new, make_exchange, make_completion = tuple.__new__, Exchange, Completion
        newest, stamp = state.newest, general.last_time
        requests = verdicts = statuses = results = 0
        events: list[str] = []
        codes: list[Code] = []
        add, last = events.append, len(lines) - 1
        index = -1
        while index < last:
            index += 1
            line = lines[index]
            head, found, rest = line.partition(CALL)
            if found:
                known = heads.get(head[26:]) or self._head(head)
                second = seconds.get(head[:19])
                micro = head[20:26]
                user, found, tail = rest.partition("'")
                domain, backslash, name = user.partition("\\")
                if (
                    known
                    and second is not None
                    and head[19:20] == "."
                    and micro.isdecimal()
                    and head.isascii()
                    and name
                    and domain
                    and "\\" not in name
                    and '"' not in user
                    and user.isascii()
                    and user.isprintable()
                    and known.thread not in opens
                ):
                    pieces = known.requests.get(tail) or self._request(known, tail)
                    if pieces:
                        stamp = head[:27]
                        time = second * 1_000_000_000 + int(micro) * 1000
                        if time > newest:
                            newest = time
                        p0, p1, p2, p3, p4, p5, p6, p7 = pieces
                        user_text = f"{u0}{name}{u1}{domain}{u2}{name}{u3}"
                        escaped = f"{head}{CALL}{domain}\\\\{name}'{tail}"
                        message = escaped[len(head) + 1 :]
                        add(
                            f"{p0}{stamp}{p1}{offset}{p2}{escaped[:keep]}{p3}{message}{p4}{user_text}{p5}{offset}{p6}{offset}{p7}"
                        )
                        opens[known.thread] = new(
                            make_exchange,
                            (time, stamp, f"{general.file.fingerprint}-{offset}", new(User, (name, domain, None, user.casefold())), user_text, None),
                        )
                        requests += 1
                        offset += len(line) + gap
                        continue
            else:
                head, found, value = line.partition(VERDICT)
                if found and index < last:
                    behind = lines[index + 1]
                    cut = len(head)
                    known = heads.get(head[26:]) or self._head(head)
                    second = seconds.get(head[:19])
                    micro = head[20:26]
                    if (
                        known
                        and second is not None
                        and head[19:20] == "."
                        and micro.isdecimal()
                        and head.isascii()
                        and behind.startswith(head)
                        and behind[cut : cut + 17] == STATUS
                        and (index + 1 < last or whole)
                    ):
                        time = second * 1_000_000_000 + int(micro) * 1000
                        exchange = opens.get(known.thread)
                        if exchange is not None and 0 <= time - exchange[0] <= timeout:
                            pair = known.pairs.get((value, behind[cut + 17 :])) or self._pair(known, value, behind[cut + 17 :])
                            if pair:
                                if time > newest:
                                    newest = time
                                stamp = head[:27]
                                start, start_text, xid, user_of, user_text, _ = exchange
                                (v0, v1, v2, v3, v4, v5, v6, v7, s1, s2, s3, s4, s5, s6, s7, s8, s9), code, success = pair
                                offset2 = offset + len(line) + gap
                                add(
                                    f"{v0}{stamp}{v1}{offset}{v2}{line[:keep]}{v3}{user_text}{v4}{offset}{v5}{xid}{v6}\n"
                                    f"{v0}{stamp}{v7}{offset2}{s1}{start_text}{s2}{stamp}{s3}{time - start}{s4}{behind[:keep]}{s5}{user_text}{s6}{offset2}{s7}{xid}{s8}"
                                )
                                del opens[known.thread]
                                completions.append(
                                    new(make_completion, (len(events) - 1, exchange, known.component, time, stamp, code, success, newest))
                                )
                                codes.append(code)
                                offset = offset2 + len(behind) + gap
                                index += 1
                                verdicts += 1
                                continue
                else:
                    pass
            # Not plain: the general path does it, from the same state.
            state.newest, general.last_time, general.position = newest, stamp, len(events)
            add(raw(line.encode("latin-1"), offset, ended=False))
            newest, stamp = state.newest, general.last_time
            offset += len(line) + gap
        state.newest, general.last_time = newest, stamp
        return events, completions
