"""One line in, one ECS document out: the general path. Pure.

    line -> grok (LINE_*) -> facts of its message -> exchange of its thread -> document

There is one meaning of a line, and it is here; `fast.py` only repeats it quicker. Messages that
were seen before have their facts in a memo. The order of fields is the order of `_document`:
`event.id`, `event.dataset` and `@timestamp` stand first, where the formats look for them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from shipper.decode.ecs import ACTIONS, MFA, MODULE, Envelope, dataset, put, shared_json, status_fields, user_parts
from shipper.decode.exchanges import LogState
from shipper.decode.facts import Facts, Kind, Library, interpret
from shipper.decode.line_patterns import Context, Line, line_patterns_of
from shipper.decode.status_codes import SEVERITIES
from shipper.model import Chunk, Code, Completion, CompletionFields, Counts, Document, Exchange, LogFile, User
from shipper.read.lines import DECODE_ERROR, TOO_LONG, decode, split, why_unparsed
from shipper.times import SECOND, StampReader


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may choose about documents.

    Attributes:
        keep_original: `event.original` on every event, not only where no pattern matched.
        constants: fields that every event carries, such as host, agent, labels; `tags` come before a line's own.
        exchange_timeout: nanoseconds from a request to its status at most.
    """

    keep_original: bool = True
    constants: Mapping[str, Any] = field(default_factory=dict)
    exchange_timeout: int = 600 * SECOND


Events = tuple[list[str], list[CompletionFields]]


class Parser:
    """Turns the chunks of one file into events, in order.

    Events are JSON texts whose characters are the bytes of the output (UTF-8 read as latin-1), so
    that plain parts of a line pass through without another encoding.
    """

    MEMO = 24_576  # messages remembered
    MEMO_LENGTH = 256  # a longer message comes once

    def __init__(
        self, library: Library, options: Options, file: LogFile, state: LogState, counts: Counts, facts: dict[str, Facts]
    ) -> None:
        """`facts` is the memo of messages; the parsers of a run share it."""
        self.library = library
        self.options = options
        self.file = file
        self.state = state
        self.counts = counts
        self.clock = StampReader()
        self.last_time = file.time
        self.completions: list[CompletionFields] = []
        self.position = 0
        self._facts = facts
        self._heads: dict[tuple[str | None, ...], Context] = {}
        self.threads: set[str] = set()  # whose lines have come
        self._forms = line_patterns_of(library.lines)
        # Functions, not bound methods: a parser that holds itself stays for ever where no cycles are collected.
        self._kinds: dict[Kind, Callable[[Parser, Line], _Part]] = {
            "request": Parser._request,
            "verdict": Parser._verdict,
            "status": Parser._status,
            "result": Parser._result,
            "log": Parser._other,
        }
        self._envelope = Envelope(options.constants)
        self._file = None if file.path is None else {"path": file.path}

    def __call__(self, chunk: Chunk) -> Events:
        """The events of a chunk, and the authentications completed in it (their positions count events)."""
        self.begin()
        events = [self.raw(line, offset, ended=ended, cut=chunk.cut) for line, offset, ended in split(chunk, self.file.encoding)]
        return events, self.completions

    def begin(self) -> None:
        """Start a chunk: completions are counted from its first event."""
        self.completions = []
        self.position = 0

    def raw(self, line: bytes, offset: int, *, ended: bool, cut: bool = False) -> str:
        """The event of a line given as bytes without its LF; `ended` says whether it had one."""
        text, tags = decode(line, self.file.encoding, ended=ended, cut=cut)
        if tags:
            self.counts.decode_errors += DECODE_ERROR in tags
            self.counts.too_long += TOO_LONG in tags
        return self.line(text, offset, tags)

    def line(self, text: str, offset: int, tags: list[str]) -> str:
        """The event of a decoded line."""
        document = self._read(text, offset, tags)
        self.counts.lines += 1
        self.position += 1
        return orjson.dumps(document).decode("latin-1")

    def _read(self, text: str, offset: int, tags: list[str]) -> Document:
        event_id = f"{self.file.fingerprint}-{offset}"
        for form in self._forms:
            texts = form.pattern.texts(text)
            if texts is None:
                continue
            stamp, level, pid, tid, component, request_id, message = form.pick((*texts, None))
            if form.stamp is not None:
                stamp = form.stamp(stamp or "")
            time = self.clock.read(stamp or "")
            if stamp is None or time is None:
                break
            self.last_time = stamp
            if time > self.state.newest:
                self.state.newest = time
            head = self._heads.get((level, pid, tid, component)) or self._head(level, pid, tid, component)
            message = message or ""
            facts = self._facts.get(message) or self._facts_of(message)
            line = tuple.__new__(Line, (text, offset, event_id, stamp, time, head, facts, tags))
            extra = form.others(texts) if form.has_extra else facts.extra
            if form.has_extra and facts.extra:
                extra = (*extra, *facts.extra)
            return self._well_formed(line, request_id, extra)
        return self._unparsed(text, offset, event_id, tags)

    def _head(self, level: str | None, pid: str | None, tid: str | None, component: str | None) -> Context:
        head = Context(level, pid, tid, component)
        if len(self._heads) >= self.MEMO:
            self._heads.clear()
        self._heads[level, pid, tid, component] = head
        if head.thread is not None:
            self.threads.add(head.thread)
        return head

    def _seen(self, stamp: str, time: int) -> None:
        self.last_time = stamp
        self.state.newest = max(self.state.newest, time)

    def _unparsed(self, text: str, offset: int, event_id: str, tags: list[str]) -> Document:
        """A line that no pattern matches is an event all the same."""
        self.counts.unparsed += 1
        stamp = text.partition("|")[0]
        time = self.clock.read(stamp)
        if time is not None:
            self._seen(stamp, time)
        document: Document = {
            "@timestamp": self.last_time,
            "event": {
                "id": event_id,
                "dataset": dataset("unparsed"),
                "kind": "pipeline_error",
                "module": MODULE,
                "original": text,
            },
            "log": self._log(None, offset),
            "error": {"message": why_unparsed(text, stamp, time)},
        }
        return self._envelope.close(document, ["_grokparsefailure", *tags])

    def _well_formed(self, line: Line, request_id: str | None, extra: Sequence[tuple[str, Any]]) -> Document:
        facts, head = line.facts, line.head
        # Each kind says what it adds to the event, what stands below azure_mfa, and who signs in.
        more, azure, user = self._kinds[facts.kind](self, line)
        event: Document = {"id": line.id, "dataset": head.dataset, "kind": "event", **more, "module": MODULE}
        if head.component:
            event["provider"] = head.component
        if self.options.keep_original:
            event["original"] = line.text
        document: Document = {"@timestamp": line.stamp, "event": event, "message": facts.message}
        if user is not None:
            document["user"], document["related"] = user_parts(user)
        if facts.target is not None:
            whose, related = user_parts(facts.target)
            document.setdefault("user", {})["target"] = whose
            document["related"] = {"user": list(dict.fromkeys([*document.get("related", {}).get("user", ()), *related["user"]]))}
        if head.process is not None:
            document["process"] = head.process
        document["log"] = self._log(head.level, line.offset)
        if request_id is not None:
            azure.setdefault("request", {})["id"] = request_id
        if azure:
            document["azure_mfa"] = azure
        if extra:
            for name, value in extra:
                put(document, name, value)
            address = document.get("source", {}).get("ip")
            if address:
                document.setdefault("related", {})["ip"] = [address]
        return self._envelope.close(document, line.tags)

    def _facts_of(self, message: str) -> Facts:
        facts = self.interpret(message)
        if len(message) <= self.MEMO_LENGTH:
            if len(self._facts) >= self.MEMO:
                self._facts.clear()
            self._facts[message] = facts
        return facts

    def interpret(self, message: str) -> Facts:
        """The facts of a message: those of the first pattern that matches."""
        for pattern in self.library.messages:
            captured = pattern.match(message)
            if captured is not None:
                return interpret(message, pattern, captured, self.library.codes)
        return interpret(message, None, {}, self.library.codes)

    def _other(self, line: Line) -> "_Part":
        self.counts.logs += 1
        facts = line.facts
        if facts.action is None:
            return {"action": "log"}, {}, facts.user
        category, types, outcome = ACTIONS[facts.action]
        return {"category": category, "type": types, "action": facts.action, "outcome": facts.verdict or outcome}, {}, facts.user

    def _request(self, line: Line) -> "_Part":
        self.counts.requests += 1
        facts, thread = line.facts, self._thread(line)
        azure: Document = {"request": {"arguments": list(facts.arguments)}} if facts.arguments else {}
        azure["exchange"] = {"id": line.id}
        if thread is not None:
            exchange = Exchange(line.time, line.stamp, line.id, facts.user, shared_json(facts.user, line.head.process))
            self.counts.given_up += self.state.exchanges.request(thread, exchange)
        return {**MFA["request"], "outcome": "unknown"}, azure, facts.user

    def _thread(self, line: Line) -> str | None:
        """What ties a line to its exchange."""
        correlation = line.facts.correlation
        if correlation is None:
            return line.head.thread
        self.threads.add(correlation)
        return correlation

    def _verdict(self, line: Line) -> "_Part":
        self.counts.verdicts += 1
        facts, thread = line.facts, line.head.thread
        more: Document = {**MFA["verdict"], "outcome": facts.verdict}
        azure: Document = {"auth_result": facts.auth_result}
        exchange = self.state.exchanges.belonging(thread, line.time)
        if thread is None or exchange is None:
            self._orphan(line.tags)
            return more, azure, None
        self.state.exchanges.verdict(thread, exchange, facts.verdict or "unknown")
        azure["exchange"] = {"id": exchange.id}
        return more, azure, exchange.user

    def _status(self, line: Line) -> "_Part":
        facts, thread = line.facts, self._thread(line)
        code = facts.code
        assert code is not None
        self.counts.statuses += 1
        exchange = self.state.exchanges.belonging(thread, line.time)
        verdict = facts.verdict or (exchange.verdict if exchange else None)
        more: Document = {**MFA["status"], **self._outcome(code, verdict, line.tags)}
        azure: Document = {"status": status_fields(code).copy()}
        if thread is None or exchange is None:
            self._orphan(line.tags)
            return more, azure, facts.user
        more["start"] = exchange.start_text
        more["end"] = line.stamp
        more["duration"] = line.time - exchange.start
        azure["exchange"] = {"id": exchange.id}
        self.state.exchanges.close(thread)
        self._complete(line, exchange, code, more["outcome"])
        return more, azure, exchange.user or facts.user

    def _result(self, line: Line) -> "_Part":
        facts = line.facts
        assert facts.code is not None
        self.counts.results += 1
        more: Document = {**MFA["result"], **self._outcome(facts.code, facts.verdict, line.tags)}
        exchange = Exchange(line.time, line.stamp, line.id, facts.user, shared_json(facts.user, line.head.process))
        self._complete(line, exchange, facts.code, more["outcome"])
        return more, {"status": status_fields(facts.code).copy()}, facts.user

    def _complete(self, line: Line, exchange: Exchange, code: Code, outcome: str) -> None:
        component, success = line.head.component or "", outcome == "success"
        self.completions.append(
            Completion(
                self.position,
                exchange.user,
                exchange.id,
                component,
                exchange.start,
                exchange.start_text,
                line.time,
                line.stamp,
                code,
                success,
                self.state.newest,
            )
        )

    def _outcome(self, code: Code, verdict: str | None, tags: list[str]) -> Document:
        """What a status code and a verdict say together."""
        self.counts.classes[code.status_class] += 1
        self.counts.unknown_codes += not code.known
        if {verdict, code.outcome} == _CONTRADICTION:
            self.counts.conflicts += 1
            tags.append("mfa_outcome_conflict")
        said: Document = {"outcome": verdict or code.outcome}
        if code.number is not None:
            said["code"] = str(code.number)
        said["reason"] = code.description
        said["severity"] = SEVERITIES[code.severity]
        return said

    def _orphan(self, tags: list[str]) -> None:
        self.counts.orphans += 1
        tags.append("mfa_orphan")

    def _log(self, level: str | None, offset: int) -> Document:
        log: Document = {} if level is None else {"level": level}
        if self._file is not None:
            log["file"] = self._file
        log["offset"] = offset
        return log


_Part = tuple[Document, Document, User | None]
_CONTRADICTION = {"success", "failure"}
