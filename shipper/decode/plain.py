"""The fast path: turns the commonest lines into events without the general path. Pure.

Only an optimisation of `parser.py`. It knows these forms, in plain printable ASCII:

    TIME|L|PID|TID|COMPONENT|Calling pfAuthUser('USER', '', 1)
    TIME|L|PID|TID|COMPONENT|authResult = N      usually with the next line of the file,
    TIME|L|PID|TID|COMPONENT|rawCallStatus = N   of the same time and thread; the exchange is open
    TIME|L|PID|TID|COMPONENT|GUID|Pfauth WORD for user 'USER'. Call status: CONSTANT - "Text".

Any other line goes to the general path as its original bytes; both paths share their state. The fast
path knows no field names: its templates (`templates.py`) are events that the general path made from
marked lines, cut at the marks. A property test compares the output of both paths byte for byte.

It is faster because one regular expression splits a whole chunk in C, and one f-string of ready pieces
makes an event. The chunk is decoded as latin-1, so that one character is one byte.
"""

import re
from collections.abc import Callable

from shipper.decode.clock import ComponentState
from shipper.decode.exchanges import Exchanges
from shipper.decode.halves import NO_EXCHANGE, take_half
from shipper.decode.merging import Event, Held, Merger
from shipper.decode.nps_events import NpsParser
from shipper.decode.parser import Events, Parser
from shipper.decode.syslog_results import SyslogParser
from shipper.decode.templates import CALL, STATUS, VERDICT, Pair, Tally, count
from shipper.decode.threads import LONGEST_USER, Thread, Threads
from shipper.decode.wrapped import WrappedParser
from shipper.model import Chunk, ExchangeFields, LogFile, UserFields

_STAMP = r"(([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\.([0-9]{6})Z)"
_HEAD = r"(\|[^|\n]*+\|[^|\n]*+\|[^|\n]*+\|[^|\n]*+)"
_PLAIN = r"[ !#-&(-\[\]-~]"  # printable ASCII except quotes and backslash
_DOMAIN, _NAME = rf"{_PLAIN}{{1,64}}", rf"{_PLAIN}{{1,{LONGEST_USER}}}"

# Groups: stamp, second, fraction, head; domain, name and tail of a request; a verdict and, if it is on the next line,
# its status; a status alone. For any other line all groups are empty.
EXCHANGES = re.compile(
    rf"{_STAMP}{_HEAD}\|(?:Calling pfAuthUser\('(?![,)])(?:({_DOMAIN})\\)?({_NAME})('[^\n]*)\n"
    rf"|authResult = (-?[0-9]{{1,9}})\n(?:\1\4\|rawCallStatus = (-?[0-9]{{1,9}})\n)?"
    rf"|rawCallStatus = (-?[0-9]{{1,9}})\n)"
    r"|[^\n]*\n"
).findall

# Groups: stamp, second, fraction, head; GUID, word, user and tail of a result. For any other line all groups are empty.
_RESULTS = re.compile(
    rf"{_STAMP}{_HEAD}\|([0-9A-Fa-f]{{8}}(?:-[0-9A-Fa-f]{{4}}){{3}}-[0-9A-Fa-f]{{12}})\|"
    rf"Pfauth (succeeded|failed) for user '([ !#-&(-~]{{1,{LONGEST_USER}}})'\. Call status: ([^\n]*)\n"
    r"|[^\n]*\n"
).findall

_CALL, _VERDICT, _STATUS = len(CALL), len(VERDICT), len(STATUS)

BEGINS = re.compile(rb"[0-9-]{10}T[0-9:]{8}\.[0-9]{6}Z\|").match
PASS_OVER = 15  # chunks that go to the general path as a whole after a chunk without a plain line
FEW = 32  # a chunk with fewer lines does not tell the kind of log: the first read of a file may be that short

NOBODY = ComponentState("", Exchanges(0))  # before the first plain line of a chunk

Scratch = Callable[[LogFile], Parser]


class FastParser:
    """A `Parser` for one file and the built-in patterns: same interface, same results, faster."""

    def __init__(self, general: Parser, scratch: Scratch, *, completions_only: bool = False) -> None:
        """
        Args:
            general: parses every line that is not plain, and holds the state.
            scratch: makes a parser like `general` with a new state, for templates.
            completions_only: emit only the last event of a plain exchange, with an empty text: a report needs just its label
                and the completion.
        """
        self._tells = not completions_only
        self.general = general
        self.threads = Threads(scratch, general.file, general.state)
        self._wrapped = WrappedParser(general, scratch)
        self._syslog = SyslogParser(general, scratch)
        self._nps = NpsParser(general, scratch)
        self.pass_over = 0  # chunks still to go to the general path after one without a plain line; public for `KernelParser`

    def __call__(self, chunk: Chunk) -> Events:
        """The events of a chunk."""
        general, data = self.general, chunk.data
        gap = 1
        if b"\r" in data:
            gap = 2
            if not data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r"):
                return general(chunk)
            data = data.replace(b"\r\n", b"\n")
        if chunk.cut or chunk.records is not None or general.file.encoding != "utf-8" or self._crowded(data):
            return general(chunk)
        events = None if BEGINS(data) else self._wrapped(chunk, data) or self._syslog(chunk, data) or self._nps(chunk, data)
        if events is not None:
            return events
        if self.pass_over:
            self.pass_over -= 1
            return general(chunk)
        if b"Z|" not in data:
            return general(chunk)  # syslog, Windows events: no plain line in sight
        text = data.decode("latin-1")
        if text and not text.endswith("\n"):
            text += "\n"
        general.begin()
        found = (self._results if "|Pfauth " in text else self._exchanges)(chunk, text, gap)
        self.pass_over = 0 if found or data.count(b"\n") < FEW else PASS_OVER
        return general.end()

    def _crowded(self, data: bytes) -> bool:
        """True if so many exchanges are open that a request may make `Exchanges` give up another thread's."""
        return self.general.state.crowded_by(data.count(b"\n"))

    def _exchanges(self, chunk: Chunk, text: str, gap: int) -> bool:
        """Parse the lines of a chunk with RADIUS exchanges; return False if none was plain.

        `text` is the chunk with LF line ends; `gap` is the length of a line end in the chunk, in bytes.
        A single loop with local names, because a function call per line would cost as much as the rest.
        """
        general, offset = self.general, chunk.offset
        state, prefix = NOBODY, f"{general.file.fingerprint}-"
        timeout, patience = general.options.exchange_timeout, 2 * general.options.exchange_timeout
        opens, newest, limit = state.exchanges.open, state.newest, state.limit
        threads, known, seconds, merges = self.threads, self.threads.known, general.stamps.seconds, general.state.merges
        keep, tells = None if general.options.keep_original else 0, self._tells
        u0, u1, u2, u3 = threads.domain_user
        texts, labels, tallies = general.texts, general.labels, list[Tally]()
        add, tag, complete, tell = texts.append, labels.append, general.completions.append, tallies.append
        who: UserFields | None
        exchange: ExchangeFields
        requests = halves = 0
        for stamp, second, fraction, head, domain, name, tail, verdict, status, alone in EXCHANGES(text):
            whole = seconds[second]
            thread = known.get(head) or (threads.find(head) if whole is not None else None)
            if thread is not None and thread.state is not state:
                state.newest, state = newest, thread.state
                opens, newest, limit, state.spoke = state.exchanges.open, state.newest, state.limit, True
            if name and thread is not None and whole is not None:
                if domain:
                    user = f"{domain}\\{name}"
                    who = (name, domain, None, user.casefold())
                    shared = f"{u0}{name}{u1}{domain}{u2}{name}{u3}{thread.process}" if tells else thread.process
                else:
                    user = name
                    who, shared = threads.user(name, thread.process)
                template = thread.templates.requests.get(tail) or thread.templates.request(tail)
                time = whole + int(fraction) * 1000
                event_id = f"{prefix}{offset}"
                exchange = (time, stamp, event_id, who, shared, None)
                if template and shared and time <= limit and opens.setdefault(thread.key, exchange) is exchange:
                    newest = time if time > newest else newest
                    general.last_time = stamp
                    if tells:
                        escaped = f"{domain}\\\\{name}{tail}" if domain else f"{name}{tail}"
                        original = f"{stamp}{head}|Calling pfAuthUser('{escaped}"
                        (p0, p1, p2, p3, p4, p5, p6, p7), origin = template
                        event = f"{p0}{stamp}{p1}{event_id}{p2}{original[:keep]}{p3}Calling pfAuthUser('{escaped}{p4}{shared}{p5}{offset}{p6}{event_id}{p7}"
                        label = (stamp, event_id, origin, who and who[3])
                        if not merges:
                            add(event)
                            tag(label)
                        else:
                            held = Held(time, Event(None, event, label), tail, original[:keep])
                            self._merger(state, time).held[event_id] = held
                    requests += 1
                    offset += len(stamp) + len(head) + _CALL + len(user) + len(tail) + gap
                    continue
            elif status and thread is not None and whole is not None:
                start, start_text, event_id, who, shared, _ = exchange = opens.get(thread.key, NO_EXCHANGE)
                time = whole + int(fraction) * 1000
                duration = time - start
                if 0 <= duration <= timeout and time <= limit and (newest if newest > time else time) - start <= patience:
                    newest = time if time > newest else newest
                    offset_2 = offset + len(stamp) + len(head) + _VERDICT + len(verdict) + gap
                    pair, event_2 = (
                        self._merged(thread, exchange, verdict, status, stamp, head, time, offset_2)
                        if merges
                        else (thread.templates.pairs.get((verdict, status)) or thread.templates.pair(verdict, status), "")
                    )
                    if pair:
                        general.last_time = stamp
                        pieces_1, origin_1, pieces_2, origin_2, code, success, tally = pair
                        key, id_2 = who and who[3], f"{prefix}{offset_2}"
                        if tells and not merges:
                            v0, v1, v2, v3, v4, v5, v6 = pieces_1
                            s0, s1, s2, s3, s4, s5, s6, s7, s8, s9 = pieces_2
                            id_1, original = f"{prefix}{offset}", f"{stamp}{head}|authResult = {verdict}"
                            add(f"{v0}{stamp}{v1}{id_1}{v2}{original[:keep]}{v3}{shared}{v4}{offset}{v5}{event_id}{v6}")
                            tag((stamp, id_1, origin_1, key))
                            original = f"{stamp}{head}|rawCallStatus = {status}"
                            event_2 = f"{s0}{stamp}{s1}{id_2}{s2}{start_text}{s3}{stamp}{s4}{duration}{s5}{original[:keep]}{s6}{shared}{s7}{offset_2}{s8}{event_id}{s9}"
                        at, component = len(texts), thread.component
                        complete((at, who, event_id, component, start, start_text, time, stamp, code, success, newest))
                        add(event_2)
                        tag((stamp, id_2, origin_2, key))
                        del opens[thread.key]
                        tell(tally)
                        offset = offset_2 + len(stamp) + len(head) + _STATUS + len(status) + gap
                        continue
            state.newest = newest
            halved = (verdict or alone) and not status
            done = take_half(general, thread, stamp, whole, fraction, verdict, alone, offset, stamp + head) if halved else 0
            halves += done
            offset = offset + done + gap if done else self._general(chunk, offset, 2 if status else 1)
            newest, limit = state.newest, state.limit
        state.newest = newest
        general.counts.requests += requests
        general.counts.lines += requests
        count(general.counts, tallies)
        return bool(requests or tallies or halves)

    def _general(self, chunk: Chunk, offset: int, lines: int) -> int:
        """Pass the next `lines` lines at `offset` to the general path unchanged; return the offset behind them."""
        data, at = chunk.data, offset - chunk.offset
        for _ in range(lines):
            end = data.find(b"\n", at)
            ended = end >= 0
            stop = end if ended else len(data)
            self.general.raw(data[at:stop], chunk.offset + at, ended=ended)
            at = stop + 1
        return chunk.offset + at

    def _merger(self, state: ComponentState, time: int) -> Merger:
        """The merger of a component, after emitting the held events whose status can no longer come at `time`."""
        assert state.merger is not None
        self.general.emit(state.merger.overdue(time))
        return state.merger

    def _merged(
        self, thread: Thread, exchange: ExchangeFields, verdict: str, status: str, stamp: str, head: str, time: int, offset: int
    ) -> tuple[Pair | None, str]:
        """The templates and the merged event of an exchange whose status is at `offset`; None for the general path."""
        merger, keep = self._merger(thread.state, time), None if self.general.options.keep_original else 0
        start, start_text, request_id, _, shared, _ = exchange
        held = merger.held.get(request_id)
        if held is None or held.tail is None:
            return None, ""
        templates = thread.templates
        pair = templates.merged.get((held.tail, verdict, status)) or templates.merge(held.tail, verdict, status)
        if pair is None:
            return None, ""
        del merger.held[request_id]
        merger.merged += 2
        s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11 = pair[2]
        event_id = f"{self.general.file.fingerprint}-{offset}"
        first = held.original
        second, third = f"{stamp}{head}|authResult = {verdict}"[:keep], f"{stamp}{head}|rawCallStatus = {status}"[:keep]
        return pair, (
            f"{s0}{stamp}{s1}{event_id}{s2}{start_text}{s3}{stamp}{s4}{time - start}{s5}{first}{s6}{second}{s7}{third}{s8}{shared}{s9}{offset}{s10}{request_id}{s11}"
        )

    def _results(self, chunk: Chunk, text: str, gap: int) -> bool:
        """Like `_exchanges`, for the one-line results of pfsvc."""
        general, offset = self.general, chunk.offset
        prefix, keep = f"{general.file.fingerprint}-", None if general.options.keep_original else 0
        threads, known, seconds, merges = self.threads, self.threads.known, general.stamps.seconds, general.state.merges
        texts, tallies = general.texts, list[Tally]()
        for stamp, second, fraction, head, guid, word, user, tail in _RESULTS(text):
            whole = seconds[second]
            thread = known.get(head) or (threads.find(head) if whole is not None else None)
            if thread is not None and whole is not None:
                time, state = whole + int(fraction) * 1000, thread.state
                result = thread.templates.results.get((word, tail)) or thread.templates.result(word, tail)
                who, shared = threads.user(user, thread.process)
                if result is not None and shared and time <= state.limit:
                    if merges:
                        self._merger(state, time)
                    general.last_time = stamp
                    state.newest, state.spoke = max(state.newest, time), True
                    (p0, p1, p2, p3, p4, p5, p6, p7), origin, code, success, tally, escaped_tail = result
                    event_id = f"{prefix}{offset}"
                    general.completions.append(
                        (len(texts), who, event_id, thread.component, time, stamp, time, stamp, code, success, state.newest)
                    )
                    tallies.append(tally)
                    escaped = user.replace("\\", "\\\\")
                    message = f"Pfauth {word} for user '{escaped}'. Call status: {escaped_tail}"
                    original = f"{stamp}{head}|{guid}|{message}"
                    texts.append(
                        f"{p0}{stamp}{p1}{event_id}{p2}{original[:keep]}{p3}{message}{p4}{shared}{p5}{offset}{p6}{guid}{p7}"
                    )
                    general.labels.append((stamp, event_id, origin, who and who[3]))
                    offset += len(original) + len(user) - len(escaped) + len(tail) - len(escaped_tail) + gap
                    continue
            offset = self._general(chunk, offset, 1)
        count(general.counts, tallies)
        return bool(tallies)
