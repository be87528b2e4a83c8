"""The fast path: the commonest plain lines straight to their events. Pure.

An optimisation of `parse.py`, nothing else. It knows these forms, in plain printable ASCII:

    TIME|L|PID|TID|COMPONENT|Calling pfAuthUser('USER', '', 1)
    TIME|L|PID|TID|COMPONENT|authResult = N      together with the line behind it,
    TIME|L|PID|TID|COMPONENT|rawCallStatus = N   same time, same thread, its exchange open
    TIME|L|PID|TID|COMPONENT|GUID|Pfauth WORD for user 'USER'. Call status: CONSTANT - "Text".

and hands every other line to the general path, from the same state. It knows no field: its
templates (`templates.py`) are events that the general path made of marked lines, cut at the marks.
A property test holds both paths against each other, byte for byte.

Why it is quicker: one regular expression cuts a whole chunk in C, and one f-string of ready pieces
makes an event. The chunk is read as latin-1, so that bytes and characters are the same thing.
"""

import re
from collections import Counter
from collections.abc import Callable

from shipper.decode.parser import Events, Parser
from shipper.decode.principal import split_principal
from shipper.decode.templates import Tally, Templates, process_json, user_pieces
from shipper.model import Chunk, ExchangeFields, LogFile, User, UserFields

_STAMP = r"(([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\.([0-9]{6})Z)"
_HEAD = r"(\|[^|\n]*+\|[^|\n]*+\|[^|\n]*+\|[^|\n]*+)"
_PLAIN = r"[ !#-&(-\[\]-~]"  # printable ASCII but the quotes and the backslash

# Groups: stamp, second, fraction, head; domain, name, tail of a request; verdict, status of a pair; any other line.
_EXCHANGES = re.compile(
    rf"{_STAMP}{_HEAD}\|(?:Calling pfAuthUser\('(?![,)])(?:({_PLAIN}+)\\)?({_PLAIN}+)('[^\n]*)\n"
    rf"|authResult = (-?[0-9]{{1,9}})\n\1\4\|rawCallStatus = (-?[0-9]{{1,9}})\n)"
    r"|([^\n]*)\n"
).findall

# Groups: stamp, second, fraction, head; GUID, word, user, tail of a result; any other line.
_RESULTS = re.compile(
    rf"{_STAMP}{_HEAD}\|([0-9A-Fa-f]{{8}}(?:-[0-9A-Fa-f]{{4}}){{3}}-[0-9A-Fa-f]{{12}})\|"
    rf"Pfauth (succeeded|failed) for user '((?:{_PLAIN}|\\)+)'\. Call status: ([^\n]*)\n"
    r"|([^\n]*)\n"
).findall

_FORM = re.compile(r"\|([0-9A-Za-z])\|(0|[1-9][0-9]{0,17})\|(0|[1-9][0-9]{0,17})\|([A-Za-z0-9_]{1,128})")
_FORMS = 16_384  # remembered; a log that has more threads is not in a hurry
_CONTEXTS = 32  # levels and components; lines of more than that take the general path, so that templates stay few

Scratch = Callable[[LogFile], Parser]


class _Thread:
    """What the lines of one level, thread and component share."""

    __slots__ = ("component", "context", "pairs", "process", "requests", "thread")

    def __init__(self, match: re.Match[str], context: Templates) -> None:
        _, pid, tid, self.component = match.groups()
        self.context = context
        self.requests = context.requests
        self.pairs = context.pairs
        self.process = process_json(pid, tid)
        self.thread = f"{self.component}|{pid}|{tid}"


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
        self._forms: dict[str, _Thread] = {}
        self._contexts: dict[tuple[str, str], Templates] = {}
        self._domain_user = user_pieces("name", "domain", None)
        self._mail_user = user_pieces("name", "domain", "email")
        self._bare_user = user_pieces("name", None, None)

    def __call__(self, chunk: Chunk) -> Events:
        """As `Parser.__call__`."""
        general, data = self.general, chunk.data
        gap = 1
        if b"\r" in data:
            gap = 2
            if not data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r"):
                return general(chunk)
            data = data.replace(b"\r\n", b"\n")
        exchanges = general.state.exchanges
        if chunk.cut or general.file.encoding != "utf-8" or len(exchanges.open) + data.count(b"\n") >= exchanges.LIMIT:
            return general(chunk)
        text = data.decode("latin-1")
        if text and not text.endswith("\n"):
            text += "\n"
        general.begin()
        events = self._results(text, chunk.offset, gap) if "|Pfauth " in text else self._exchanges(text, chunk.offset, gap)
        return events, general.completions

    def _exchanges(self, text: str, offset: int, gap: int) -> list[str]:
        """The events of a text that begins at `offset`, `gap` bytes between two lines: RADIUS exchanges.

        One loop and local names: a call a line would cost as much as the line.
        """
        general = self.general
        state, new_second, prefix = general.state, general.clock.second, f"{general.file.fingerprint}-"
        opens, timeout, newest = state.exchanges.open, state.exchanges.timeout, state.newest
        forms, seconds, last = self._forms, general.clock.seconds, general.last_time
        keep = None if general.options.keep_original else 0
        u0, u1, u2, u3 = self._domain_user
        events: list[str] = []
        tallies: list[Tally] = []
        add, complete, tell = events.append, general.completions.append, tallies.append
        who: UserFields | None
        exchange: ExchangeFields | None
        requests = 0
        for stamp, second, fraction, head, domain, name, tail, verdict, status, line in _EXCHANGES(text):
            form = forms.get(head) or self._form(head)
            whole = seconds.get(second)
            if whole is None and form:
                whole = new_second(second)
            if form is None or whole is None:
                pass
            elif name:
                pieces = form.requests.get(tail) or form.context.request(tail)
                if domain:
                    user = f"{domain}\\{name}"
                    escaped = f"{domain}\\\\{name}{tail}"
                    who = (name, domain, None, user.casefold())
                    shared = f"{u0}{name}{u1}{domain}{u2}{name}{u3}{form.process}"
                else:
                    user, escaped = name, f"{name}{tail}"
                    who, shared = self._user(name, form)
                time = whole + int(fraction) * 1000
                event_id = f"{prefix}{offset}"
                exchange = (time, stamp, event_id, who, shared, None)
                if pieces and shared and opens.setdefault(form.thread, exchange) is exchange:
                    if time > newest:
                        newest = time
                    last = stamp
                    p0, p1, p2, p3, p4, p5, p6, p7 = pieces
                    original = f"{stamp}{head}|Calling pfAuthUser('{escaped}"
                    add(
                        f"{p0}{stamp}{p1}{event_id}{p2}{original[:keep]}{p3}Calling pfAuthUser('{escaped}{p4}{shared}{p5}{offset}{p6}{event_id}{p7}"
                    )
                    requests += 1
                    offset += len(original) + gap
                    if domain:
                        offset -= 1  # the backslash stands twice in JSON
                    continue
            elif status:
                pair = form.pairs.get((verdict, status)) or form.context.pair(verdict, status)
                exchange = opens.get(form.thread)
                if pair is not None and exchange is not None:
                    start, start_text, event_id, who, shared, _ = exchange
                    time = whole + int(fraction) * 1000
                    duration = time - start
                    if 0 <= duration <= timeout:
                        if time > newest:
                            newest = time
                        last = stamp
                        (v0, v1, v2, v3, v4, v5, v6), (s0, s1, s2, s3, s4, s5, s6, s7, s8, s9), code, success, tally = pair
                        original, original_2 = f"{stamp}{head}|authResult = {verdict}", f"{stamp}{head}|rawCallStatus = {status}"
                        offset_2 = offset + len(original) + gap
                        complete(
                            (len(events), who, event_id, form.component, start, start_text, time, stamp, code, success, newest)
                        )
                        add(
                            f"{v0}{stamp}{v1}{prefix}{offset}{v2}{original[:keep]}{v3}{shared}{v4}{offset}{v5}{event_id}{v6}\n"
                            f"{s0}{stamp}{s1}{prefix}{offset_2}{s2}{start_text}{s3}{stamp}{s4}{duration}{s5}{original_2[:keep]}{s6}{shared}{s7}{offset_2}{s8}{event_id}{s9}"
                        )
                        del opens[form.thread]
                        tell(tally)
                        offset = offset_2 + len(original_2) + gap
                        continue
            # Not plain: the general path does it, from the same state.
            if name:
                line = f"{stamp}{head}|Calling pfAuthUser('" + (f"{domain}\\{name}{tail}" if domain else f"{name}{tail}")
            elif status:
                line = f"{stamp}{head}|authResult = {verdict}\n{stamp}{head}|rawCallStatus = {status}"
            state.newest, general.last_time = newest, last
            for one in line.split("\n"):
                general.position = len(events)
                add(general.raw(one.encode("latin-1"), offset, ended=False))
                offset += len(one) + gap
            newest, last = state.newest, general.last_time
        state.newest, general.last_time = newest, last
        general.counts.requests += requests
        general.counts.lines += requests
        self._count(tallies)
        return events

    def _results(self, text: str, offset: int, gap: int) -> list[str]:
        """As `_exchanges`, for the one-line results of pfsvc."""
        general = self.general
        state, clock, prefix = general.state, general.clock, f"{general.file.fingerprint}-"
        forms, seconds = self._forms, clock.seconds
        u0, u1, u2, u3 = self._domain_user
        who: UserFields | None
        keep = None if general.options.keep_original else 0
        events: list[str] = []
        tallies: list[Tally] = []
        for stamp, second, fraction, head, guid, word, user, tail, line in _RESULTS(text):
            form = forms.get(head) or self._form(head)
            whole = seconds.get(second)
            if whole is None and form:
                whole = clock.second(second)
            if form is not None and whole is not None:
                time = whole + int(fraction) * 1000
                result = form.context.results.get((word, tail)) or form.context.result(word, tail)
                domain, _, name = user.partition("\\")
                if domain and name and "\\" not in name:
                    who = (name, domain, None, user.casefold())
                    shared = f"{u0}{name}{u1}{domain}{u2}{name}{u3}{form.process}"
                else:
                    who, shared = self._user(user, form)
                if result is not None and shared:
                    general.last_time = stamp
                    if time > state.newest:
                        state.newest = time
                    (p0, p1, p2, p3, p4, p5, p6, p7), code, success, tally, escaped_tail = result
                    event_id = f"{prefix}{offset}"
                    general.completions.append(
                        (len(events), who, event_id, form.component, time, stamp, time, stamp, code, success, state.newest)
                    )
                    tallies.append(tally)
                    escaped = user.replace("\\", "\\\\")
                    message = f"Pfauth {word} for user '{escaped}'. Call status: {escaped_tail}"
                    original = f"{stamp}{head}|{guid}|{message}"
                    events.append(
                        f"{p0}{stamp}{p1}{event_id}{p2}{original[:keep]}{p3}{message}{p4}{shared}{p5}{offset}{p6}{guid}{p7}"
                    )
                    offset += len(original) + len(user) - len(escaped) + len(tail) - len(escaped_tail) + gap
                    continue
            if guid:
                line = f"{stamp}{head}|{guid}|Pfauth {word} for user '{user}'. Call status: {tail}"
            general.position = len(events)
            events.append(general.raw(line.encode("latin-1"), offset, ended=False))
            offset += len(line) + gap
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

    def _form(self, head: str) -> _Thread | None:
        """What is between time and message, not seen yet; None if it is not plain."""
        match = _FORM.fullmatch(head)
        if match is None:
            return None
        if len(self._forms) >= _FORMS:
            self._forms.clear()
        key = match[1], match[4]
        context = self._contexts.get(key)
        if context is None:
            if len(self._contexts) >= _CONTEXTS:
                return None
            context = self._contexts[key] = Templates(self._scratch, self.general.file, *key)
        form = self._forms[head] = _Thread(match, context)
        self.threads.add(form.thread)
        return form

    def _user(self, text: str, form: _Thread) -> tuple[User | None, str]:
        """A user of any form, and the JSON text that the lines of the exchange share; no text if it is not plain."""
        user = split_principal(text)
        if user is None:
            return None, form.process
        if "\\" in user.name:
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
