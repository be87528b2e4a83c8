"""One line in, one ECS document out: the general path. Pure.

    line -> grok (LINE_*) -> facts of its message -> exchange of its thread -> document

This path defines what a line means; `plain.py` only makes the same events faster. The facts of recent
messages are cached.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from shipper.decode.clock import ComponentState, LogState, Waiting
from shipper.decode.documents import Documents
from shipper.decode.ecs import MODULE, dataset, put
from shipper.decode.facts import Facts, Library, interpret
from shipper.decode.grok import Pattern
from shipper.decode.heavy import ORDINARY, light
from shipper.decode.kinds import KINDS, Part, thread_of
from shipper.decode.line_patterns import Context, Line, LineForm, Wrapped, inner_of, line_patterns_of
from shipper.decode.merging import Event
from shipper.decode.unparsed import Reason, doubt_at_end, own_event, why_unparsed
from shipper.decode.windows_event import EventReader
from shipper.memo import Memo, Texts
from shipper.model import Chunk, CompletionFields, Counts, Document, ExchangeFields, Label, LogFile, Origin, withdrawal
from shipper.read.lines import BLANKS, DECODE_ERROR, TOO_LONG, decode, split, without_lead
from shipper.times import SECOND, StampReader


@dataclass(frozen=True, slots=True)
class Options:
    """What users can configure about events.

    Attributes:
        keep_original: put `event.original` on every event, not only on lines that no pattern matches.
        constants: fields that every event carries, such as host, agent, labels; `tags` come before a line's own.
        own_host: take `host.name` from the head of a line that names its server, not from `constants`.
        exchange_timeout: the longest time from a request to its status, in nanoseconds.
    """

    keep_original: bool = True
    constants: Mapping[str, Any] = field(default_factory=dict)
    exchange_timeout: int = 600 * SECOND
    own_host: bool = True


class Events(NamedTuple):
    """The events of a chunk: their texts and labels, in order, and the authentications that they complete.

    A text is the JSON of one event with its line end. Each character is one byte of output (UTF-8 read as latin-1),
    so the plain parts of a line need no encoding.
    """

    texts: Sequence[str]
    labels: Sequence[Label]
    completions: Sequence[CompletionFields]


class Parser:
    """Turns the chunks of one file into events, in order."""

    MEMO = 24_576  # messages cached
    MEMO_LENGTH = 256  # characters; longer messages hardly ever repeat
    MEMO_TEXT = 64 * MEMO  # characters of all cached messages
    CONTEXTS = 4096  # processes and threads cached

    def __init__(
        self,
        library: Library,
        options: Options,
        file: LogFile,
        state: LogState,
        counts: Counts,
        facts: Texts[Facts] | None = None,
    ) -> None:
        """`facts` caches the facts of messages; parsers may share it."""
        self.library = library
        self.options = options
        self.file = file
        self.state = state
        self.counts = counts
        self.stamps = StampReader()
        self.last_time = file.time
        self.texts: list[str] = []
        self.labels: list[Label] = []
        self.completions: list[CompletionFields] = []
        self._facts = Texts(self.MEMO, self.MEMO_TEXT) if facts is None else facts
        self._events = EventReader(library.envelopes, file.export)
        self._line_patterns = line_patterns_of(library.lines, self._events)
        messages = library.messages
        self._by_first: Memo[str, list[Pattern]] = Memo(  # the patterns for messages with this first character
            lambda first: [pattern for pattern in messages if pattern.begins[:1] in ("", first)], 1024
        )
        self._own_host = options.own_host and file.host is None
        self._documents = Documents(file, options.constants, keep_original=options.keep_original)
        path, host = file.path, file.host
        self._origins: Memo[tuple[str, str | None], Origin] = Memo(lambda key: Origin(path, key[0], "event", host=key[1]), 1024)
        origins = self._origins
        self._unparsed_origin = Origin(path, dataset("unparsed"), "pipeline_error", host=host)
        self._contexts: Memo[tuple[str | None, str | None, str | None, str | None], Context] = Memo(
            lambda key: Context(*key, lambda name: origins[name, host]), self.CONTEXTS
        )

    def __call__(self, chunk: Chunk) -> Events:
        """The events of a chunk."""
        self.begin()
        data = chunk.data
        if chunk.records is not None:
            for record, begin, end in chunk.pieces():
                before = self.last_time
                ended = not (chunk.cut or (chunk.half and end == len(data)))
                self.raw(record, chunk.offset + begin, ended=ended, cut=chunk.cut, bare=True)
                if self.file.export is not None and self.last_time != before:
                    self.counts.backwards += self._is_older(self.last_time, before)
        elif data.isascii() and not chunk.cut and self.file.encoding == "utf-8" and b"\r" not in data and b"\0" not in data:
            self._ascii(chunk)
        else:
            for line, offset, ended in split(chunk, self.file.encoding):
                self.raw(line, offset, ended=ended, cut=chunk.cut)
        return self.end()

    def _ascii(self, chunk: Chunk) -> None:
        """Parse a chunk of ASCII text, decoded once as a whole."""
        *lines, rest = chunk.data.decode("ascii").split("\n")
        offset = chunk.offset
        for text in lines:
            self.line(text, offset, [])
            offset += len(text) + 1
        if rest:
            self.line(rest, offset, [], half=True)

    def _is_older(self, stamp: str, other: str) -> bool:
        time, before = self.stamps.read(stamp), self.stamps.read(other)
        return time is not None and before is not None and time < before

    def begin(self) -> None:
        """Start a chunk."""
        self.texts, self.labels, self.completions = [], [], []

    def end(self) -> Events:
        """Finish a chunk; return the events of the lines since `begin`."""
        self.counts.given_up += self.state.expire_first()
        self.counts.crowded_out += self.state.take_crowded_out()
        return Events(self.texts, self.labels, self.completions)

    def raw(self, line: bytes, offset: int, *, ended: bool, cut: bool = False, bare: bool = False) -> None:
        """Parse a line without LF, or a record. `ended`: its end was marked; `bare`: that mark's CR is gone; `cut`: it is cut."""
        line, offset = without_lead(line, offset, self.file.encoding)
        text, tags = decode(line, self.file.encoding, ended=ended and not bare, cut=cut)
        if tags:
            self.counts.decode_errors += DECODE_ERROR in tags
            self.counts.too_long += TOO_LONG in tags
        self.line(text, offset, tags, half=not (ended or cut))

    def line(self, text: str, offset: int, tags: list[str], *, half: bool = False) -> None:
        """Parse a decoded line; `half`: it ends with its file and may be incomplete."""
        self.counts.lines += 1
        event_id = f"{self.file.fingerprint}-{offset}"
        bare = text.rstrip(BLANKS)
        doubt = doubt_at_end(bare) if half else None
        if doubt is not None:
            self._unparsed(text, offset, event_id, tags, None, doubt)
            return
        for pattern in self._line_patterns:
            found = pattern.find(bare)
            if found is not None and self._well_formed(pattern, found, text, offset, event_id, tags):
                if isinstance(found, Wrapped) and found.inner.partial:
                    self.counts.causes["partial"] += 1
                return
            if found is not None:
                break
        else:
            found = None
        self._unparsed(text, offset, event_id, tags, found)

    def _well_formed(self, form: LineForm, found: Any, text: str, offset: int, event_id: str, tags: list[str]) -> bool:
        """Parse a line that `form` matched; return False, with no effect, if its time stamp names no real instant."""
        stamp, level, pid, tid, component, request_id, message = form.standard(found)
        if form.stamp is not None:
            stamp = form.stamp(stamp or "")
        time = self.stamps.read(stamp or "")
        if stamp is None or time is None:
            return False
        state = self.state.of(component)
        self.last_time = stamp
        if time > state.limit:
            misdated = state.turn(time)
            if misdated is not None:
                self._withdraw(misdated, state)
        elif time > state.newest:
            state.newest = time
        if state.merger is not None and state.waiting is None:
            self.emit(state.merger.overdue(time))
        message = message or ""
        facts = self._facts.get(message) or self._facts_of(message)
        context = self._contexts[level, pid, tid, component]
        line = text, offset, event_id, stamp, time, context, facts, tags
        part = KINDS[facts.kind](line, state, self.counts)
        _, outcome, _, user, completed = part
        if completed is not None:
            self._complete(line, completed, outcome, state.newest)
        if state.waiting is not None:
            state.waiting.completed = None if completed is None or completed[3] is None else component or ""
            if facts.kind == "request":
                state.waiting.thread, state.waiting.exchange = thread_of(line), event_id
        if state.merger is None and not form.has_extra and not facts.extra and facts.target is None:
            self.texts.append(self._documents.text(line, part, request_id))
            self.labels.append((stamp, event_id, context.origin, user and user[3]))
        else:
            self._add_document(form, found, line, part, request_id, state)
        if len(text) > ORDINARY or not text.isascii():
            self._weigh(line, part[2], state)
        return True

    def _weigh(self, line: Line, exchange: ExchangeFields | None, state: ComponentState) -> None:
        """Weigh the exchange of this line; give up exchanges if they take too much memory."""
        kind = line[6].kind
        if exchange is not None and (kind == "request" or (kind == "verdict" and state.merger is not None)):
            given_up, events = self.state.heavy.weigh(state.name, thread_of(line), exchange, line[0])
            self.counts.given_up += given_up
            self.counts.crowded_out += given_up
            self.emit(events)

    def _add_document(
        self, form: LineForm, found: Any, line: Line, part: Part, request_id: str | None, state: ComponentState
    ) -> None:
        """Emit the event of a line that may have fields of its own or must be merged."""
        _, _, event_id, stamp, time, context, facts, tags = line
        user = part[3]
        document = self._documents.document(line, part, request_id)
        extra = (*form.others(found), *facts.extra) if form.has_extra else facts.extra
        if extra:
            _put_extra(document, extra)
        own_host = _host_of(document) if form.has_extra and self._own_host else None
        self._documents.close(document, tags)
        if own_host is not None:
            document["host"] = own_host
        origin = context.origin if own_host is None else self._origins[context.dataset, own_host["name"]]
        self._add(document, (stamp, event_id, origin, user and user[3]), time, state)

    def _withdraw(self, misdated: Waiting, state: ComponentState) -> None:
        """Undo an earlier line that turned out to be misdated: only its event stays."""
        self.counts.misdated += 1
        self.counts.given_up += state.withdraw(misdated)
        if state.merger is not None and misdated.exchange is not None:
            self.emit(state.merger.release(misdated.exchange))
        if misdated.completed is not None:
            self.completions.append(withdrawal(misdated.completed))

    def _unparsed(self, text: str, offset: int, event_id: str, tags: list[str], found: Any, reason: Reason | None = None) -> None:
        """Emit a `pipeline_error` for a line that no pattern matches, or whose time stamp names no real instant, so that
        no line disappears. `reason`: why, if already known."""
        self.counts.unparsed += 1
        inner = inner_of(text, found, self._events)
        line, place, partial = (text, "", False) if inner is None else (inner.text, inner.place, inner.partial)
        stamp = line.partition("|")[0]
        time = self.stamps.read(stamp)
        if time is not None:
            self.last_time = stamp
        if reason is None:
            reason = own_event(text) or why_unparsed(
                line, time, self._events, matched=found is not None, place=place, partial=partial
            )
        if reason.cause is not None:
            self.counts.causes[reason.cause] += 1
        document: Document = {
            "@timestamp": self.last_time,
            "event": {
                "id": event_id,
                "dataset": self._unparsed_origin.dataset,
                "kind": "pipeline_error",
                "module": MODULE,
                "original": text,
            },
            "log": self._documents.log(None, offset),
            "error": {"message": reason.text},
        }
        label = (self.last_time, event_id, self._unparsed_origin, None)
        self._add(self._documents.close(document, ["_grokparsefailure", *tags]), label)

    def _add(self, document: Document, label: Label, time: int = 0, state: ComponentState | None = None) -> None:
        """Emit an event, or hand it to the merger of its component."""
        merger = None if state is None else state.merger
        if merger is None:
            self.texts.append(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE).decode("latin-1"))
            self.labels.append(label)
            return
        event = merger.take(Event(document, "", label), time)
        self.emit(self.state.surplus() if event is None else (event,))

    def emit(self, events: Iterable[Event]) -> None:
        """Emit events that were held back."""
        for event in events:
            self.texts.append(event.text)
            self.labels.append(event.label)

    def _facts_of(self, message: str) -> Facts:
        facts = self.interpret(message)
        if len(message) <= self.MEMO_LENGTH and not facts.correlation:  # a message with a correlation id never repeats
            self._facts.remember(message, facts)
        return facts

    def interpret(self, message: str) -> Facts:
        """The facts of a message according to the first pattern that matches it."""
        for pattern in self._by_first[message[:1]]:
            found = pattern.regex.fullmatch(message) if message.startswith(pattern.begins) else None
            if found is not None:
                return interpret(message, pattern, pattern.captured(found), self.library.codes)
        return interpret(message, None, {}, self.library.codes)

    def _complete(self, line: Line, exchange: ExchangeFields, outcome: str, newest: int) -> None:
        """Record the authentication that the next event completes; `newest` is the newest event time of its component."""
        _, _, _, stamp, time, context, facts, _ = line
        start, start_text, event_id, user, _, _ = exchange
        assert facts.code is not None
        at, (component, code) = len(self.texts), light(context.component or "", facts.code)
        self.completions.append(
            (at, user, event_id, component, start, start_text, time, stamp, code, outcome == "success", newest)
        )


def _host_of(document: Document) -> Document | None:
    """`host` of a line whose head names the server that wrote it (a Windows event, or syslog); None for any other line."""
    host: Document = document.get("host", {})
    name = host.get("name") or document["log"].get("syslog", {}).get("hostname")
    return None if name is None else {**host, "name": name}


def _put_extra(document: Document, extra: Sequence[tuple[str, Any]]) -> None:
    """Set the fields that only the pattern of this line captured."""
    azure = document.get("azure_mfa")
    if azure and "status" in azure:
        azure["status"] = azure["status"].copy()  # all events of this code share it
    for name, value in extra:
        put(document, name, value)
    address = document.get("source", {}).get("ip")
    if address:
        document.setdefault("related", {})["ip"] = [address]
