"""The fast path: the commonest plain lines straight to their events. Pure.

An optimisation of `parse.py`, nothing else. It knows these forms, in plain printable ASCII:

    TIME|L|PID|TID|COMPONENT|Calling pfAuthUser('USER', '', 1)
    TIME|L|PID|TID|COMPONENT|authResult = N      N of one digit, together with the line behind it,
    TIME|L|PID|TID|COMPONENT|rawCallStatus = N   same time, same thread, its exchange open
    TIME|L|PID|TID|COMPONENT|GUID|Pfauth WORD for user 'USER'. Call status: CONSTANT - "Text".

and hands every other line to the general path, from the same state. It knows no field: its
templates (`templates.py`) are events that the general path made of marked lines, cut at the marks.
A property test holds both paths against each other, byte for byte.

Why it is quicker: the work of a line is a few searches in C and one f-string of ready pieces. The
chunk is read as latin-1, so that bytes and characters are the same thing.
"""

import re
from collections import Counter
from collections.abc import Callable

from shipper.model import Chunk, Completion, Exchange, LogFile, User
from shipper.parse import Events, Parser
from shipper.principal import split_principal
from shipper.templates import RESULT, Context, Tally, process_json, user_pieces

_FORM = re.compile(
    r"Z\|(?P<level>[0-9A-Za-z])\|(?P<pid>0|[1-9][0-9]{0,17})\|(?P<tid>0|[1-9][0-9]{0,17})\|(?P<component>[A-Za-z0-9_]{1,128})"
    r"(?P<message>|\|Calling pfAuthUser\(|\|authResult = (?P<verdict>0|-?[1-9]))"
)
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}").fullmatch
_FORMS = 16_384  # remembered; a log that has more threads is not in a hurry
_CONTEXTS = 32  # there are a few levels and components; lines of more take the general path

Scratch = Callable[[LogFile], Parser]


class _Form:
    """A line without its time, user and code: what all lines of this form and thread share.

    `bare` is one without a message, where a GUID and a result may follow.
    """

    __slots__ = ("bare", "component", "context", "pairs", "process", "thread", "verdict")

    def __init__(self, match: re.Match[str], context: Context) -> None:
        _, pid, tid, component, message, verdict = match.groups()
        self.bare = not message
        self.component = component
        self.context = context
        self.process = process_json(pid, tid)
        self.thread = f"{component}|{pid}|{tid}"
        self.verdict = verdict
        self.pairs = context.pairs.setdefault(verdict or "", {})


class FastParser:
    """A `Parser` for one file of the built-in log families: the same call, the same answers."""

    def __init__(self, general: Parser, scratch: Scratch) -> None:
        """
        Args:
            general: does every line that is not plain, and holds the state.
            scratch: makes a parser like it with a state of its own, for templates.
        """
        self.general = general
        self._scratch = scratch
        self.threads = general.threads
        self._forms: dict[str, _Form] = {}
        self._contexts: dict[tuple[str, str], Context] = {}
        self._domain_user = user_pieces("name", "domain", None)
        self._mail_user = user_pieces("name", "domain", "email")
        self._bare_user = user_pieces("name", None, None)

    def __call__(self, chunk: Chunk) -> Events:
        """As `Parser.__call__`."""
        general = self.general
        text = chunk.data.decode("latin-1")
        end = "\n"
        if "\r" in text:
            end = "\r\n"
            if not text.count(end) == text.count("\n") == text.count("\r"):
                return general(chunk)
        lines = text.split(end)
        if not lines[-1]:
            lines.pop()
        exchanges = general.state.exchanges
        if chunk.cut or general.file.encoding != "utf-8" or len(exchanges.open) + len(lines) > exchanges.LIMIT:
            return general(chunk)
        general.begin()
        return self._lines(lines, chunk.offset, len(end)), general.completions

    def _lines(self, lines: list[str], offset: int, gap: int) -> list[str]:
        """The events of plain lines (`gap` bytes apart), the first of which begins at `offset`.

        One loop and local names: a call a line would cost as much as the line. The time is checked
        by parts: the second is known to the clock, six digits follow, and the form begins with Z.
        """
        general = self.general
        state, clock, prefix = general.state, general.clock, f"{general.file.fingerprint}-"
        opens, timeout, newest = state.exchanges.open, state.exchanges.timeout, state.newest
        forms, seconds, stamp = self._forms, clock.seconds, general.last_time
        keep = None if general.options.keep_original else 0
        u0, u1, u2, u3 = self._domain_user
        new, an_exchange, a_user, a_completion = tuple.__new__, Exchange, User, Completion
        events: list[str] = []
        tallies: list[Tally] = []
        add, complete = events.append, general.completions.append
        who: User | None
        exchange: Exchange | None
        requests = 0
        following = iter(lines)
        for line in following:
            behind = None
            bracket = line.find("(")
            key = line[26 : bracket + 1] if bracket > 0 else line[26:]
            form = forms.get(key) or self._form(key)
            if form is not None:
                second = seconds.get(line[:19])
                if second is None:
                    clock.read(line[:27])
                    second = seconds.get(line[:19], 0)
                micro = line[20:26]
                time = second * 1_000_000_000 + int(micro) * 1000 if second and line[19] == "." and micro.isdecimal() else 0
                if not time:
                    pass
                elif bracket > 0:
                    quote = line.find("'", bracket + 2)
                    user, tail = line[bracket + 2 : quote], line[quote:]
                    pieces = form.context.requests.get(tail) or form.context.request(tail)
                    # Where a comma follows the first quote, the user ends there, and is none.
                    if (
                        pieces
                        and line[bracket + 1] == "'"
                        and line[bracket + 2] != ","
                        and user.isascii()
                        and user.isprintable()
                        and '"' not in user
                    ):
                        domain, _, name = user.partition("\\")
                        if domain and name and "\\" not in name:
                            who = new(a_user, (name, domain, None, user.casefold()))
                            shared = f"{u0}{name}{u1}{domain}{u2}{name}{u3}{form.process}"
                        else:
                            who, shared = self._user(user, form)
                        now, event_id = line[:27], f"{prefix}{offset}"
                        exchange = new(an_exchange, (time, now, event_id, who, shared, None))
                        if who and opens.setdefault(form.thread, exchange) is exchange:
                            stamp = now
                            if time > newest:
                                newest = time
                            p0, p1, p2, p3, p4, p5, p6, p7 = pieces
                            escaped = line.replace("\\", "\\\\")
                            message = escaped[bracket - 18 :]
                            add(
                                f"{p0}{now}{p1}{event_id}{p2}{escaped[:keep]}{p3}{message}{p4}{shared}{p5}{offset}{p6}{event_id}{p7}"
                            )
                            requests += 1
                            offset += len(line) + gap
                            continue
                elif form.verdict:
                    behind = next(following, None)
                    exchange = opens.get(form.thread)
                    head = line[: -13 - len(form.verdict)]
                    if behind is not None and exchange is not None and behind.startswith(head):
                        status = behind[len(head) :]
                        pair = form.pairs.get(status) or form.context.pair(form.verdict, status)
                        start, start_text, event_id, _, shared, _ = exchange
                        duration = time - start
                        if pair is not None and 0 <= duration <= timeout:
                            if time > newest:
                                newest = time
                            stamp = line[:27]
                            (v0, v1, v2, v3, v4, v5, v6), (s0, s1, s2, s3, s4, s5, s6, s7, s8, s9), code, success, tally = pair
                            position, offset_2 = len(events), offset + len(line) + gap
                            complete(new(a_completion, (position, exchange, form.component, time, stamp, code, success, newest)))
                            add(
                                f"{v0}{stamp}{v1}{prefix}{offset}{v2}{line[:keep]}{v3}{shared}{v4}{offset}{v5}{event_id}{v6}\n"
                                f"{s0}{stamp}{s1}{prefix}{offset_2}{s2}{start_text}{s3}{stamp}{s4}{duration}{s5}{behind[:keep]}{s6}{shared}{s7}{offset_2}{s8}{event_id}{s9}"
                            )
                            del opens[form.thread]
                            tallies.append(tally)
                            offset = offset_2 + len(behind) + gap
                            continue
            # Not plain, or one of the rarer forms: from here on the state is the general path's.
            state.newest, general.last_time, general.position = newest, stamp, len(events)
            add(self._result(line, offset, tallies) or general.raw(line.encode("latin-1"), offset, ended=False))
            offset += len(line) + gap
            if behind is not None:
                general.position = len(events)
                add(general.raw(behind.encode("latin-1"), offset, ended=False))
                offset += len(behind) + gap
            newest, stamp = state.newest, general.last_time
        state.newest, general.last_time = newest, stamp
        general.counts.requests += requests
        general.counts.lines += requests
        self._count(tallies)
        return events

    def _count(self, tallies: list[Tally]) -> None:
        counts = self.general.counts
        for tally, number in Counter(tallies).items():
            counts.lines += number * tally.lines
            counts.verdicts += number * (tally.lines - 1)
            counts.statuses += number * (tally.lines - 1)
            counts.results += number * (2 - tally.lines)
            counts.unknown_codes += number * tally.unknown
            counts.conflicts += number * tally.conflict
            counts.classes[tally.status_class] += number

    def _form(self, text: str) -> _Form | None:
        """The form of a line that is not known yet, from its Z to its message or bracket; None if it is not plain."""
        match = _FORM.fullmatch(text)
        if match is None:
            return None
        if len(self._forms) >= _FORMS:
            self._forms.clear()
        key = match["level"], match["component"]
        context = self._contexts.get(key)
        if context is None:
            if len(self._contexts) >= _CONTEXTS:
                return None
            context = self._contexts[key] = Context(self._scratch, self.general.file, *key)
        form = self._forms[text] = _Form(match, context)
        self.threads.add(form.thread)
        return form

    def _user(self, text: str, form: _Form) -> tuple[User | None, str]:
        """A plain user of any form, and the JSON text that the lines of the exchange share; None if it is not plain."""
        user = split_principal(text)
        if user is None or "\\" in user.name:
            return None, ""
        name, domain, email, _ = user
        if email is not None:
            m0, m1, m2, m3, m4, m5 = self._mail_user
            return user, f"{m0}{name}{m1}{domain}{m2}{email}{m3}{name}{m4}{email}{m5}{form.process}"
        if domain is not None:
            u0, u1, u2, u3 = self._domain_user
            return user, f"{u0}{name}{u1}{domain}{u2}{name}{u3}{form.process}"
        b0, b1, b2 = self._bare_user
        return user, f"{b0}{name}{b1}{name}{b2}{form.process}"

    def _result(self, line: str, offset: int, tallies: list[Tally]) -> str | None:
        """The event of a one-line result, or None if it is not plain."""
        head, found, rest = line.partition(RESULT)
        if not found:
            return None
        general, stamp, guid = self.general, head[:27], head[-36:]
        head = head[26:-37]
        form = self._forms.get(head) or self._form(head)
        time = general.clock.read(stamp)
        word, _, rest = rest.partition(" for user '")
        text, _, tail = rest.partition("'. Call status: ")
        if not form or not form.bare or not time or line[26 + len(head)] != "|" or not _GUID(guid) or not text.isascii():
            return None
        if not text.isprintable() or '"' in text or "'" in text:
            return None
        template = form.context.results.get((word, tail)) or form.context.result(word, tail)
        user, shared = self._user(text, form)
        if not template or not user:
            return None
        (p0, p1, p2, p3, p4, p5, p6, p7), code, success, tally = template
        state = general.state
        general.last_time = stamp
        state.newest = max(state.newest, time)
        event_id = f"{general.file.fingerprint}-{offset}"
        exchange = Exchange(time, stamp, event_id, user, shared)
        general.completions.append(
            Completion(general.position, exchange, form.component, time, stamp, code, success, state.newest)
        )
        tallies.append(tally)
        escaped = line.replace("\\", "\\\\").replace('"', '\\"')
        original = escaped if general.options.keep_original else ""
        message = escaped[64 + len(head) :]
        return f"{p0}{stamp}{p1}{event_id}{p2}{original}{p3}{message}{p4}{shared}{p5}{offset}{p6}{guid}{p7}"
