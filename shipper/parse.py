"""One line in, one ECS document out: the general path. Pure.

    line -> grok (LINE_*) -> facts of its message -> exchange of its thread -> document

There is one meaning of a line, and it is here; `fast.py` only repeats it quicker. Messages that
were seen before have their facts in a memo. The order of fields is the order of `_document`:
`event.id`, `event.dataset` and `@timestamp` stand first, where the formats look for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from shipper.correlate import Exchanges
from shipper.ecs import LEVELS, MODULE, TYPES, Envelope, dataset, status_fields, user_fields
from shipper.facts import Facts, interpret
from shipper.library import Library
from shipper.model import Chunk, Code, Completion, Counts, Document, Exchange, LogFile, User
from shipper.status import SEVERITIES
from shipper.times import SECOND, Clock, looks_like_time


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


@dataclass(slots=True)
class SourceState:
    """What the lines of a source have in common: open exchanges and the newest event time (0: none yet)."""

    exchanges: Exchanges
    newest: int = 0


Events = tuple[list[str], list[Completion]]


class Parser:
    """Turns the chunks of one file into events, in order.

    Events are JSON texts whose characters are the bytes of the output (UTF-8 read as latin-1), so
    that plain parts of a line pass through without another encoding.
    """

    MEMO = 8192  # messages remembered
    MEMO_LENGTH = 256  # a longer message comes once

    def __init__(
        self, library: Library, options: Options, file: LogFile, state: SourceState, counts: Counts, facts: dict[str, Facts]
    ) -> None:
        """`facts` is the memo of messages; the parsers of a run share it."""
        self.library = library
        self.options = options
        self.file = file
        self.state = state
        self.counts = counts
        self.clock = Clock()
        self.last_time = file.time
        self.completions: list[Completion] = []
        self.position = 0
        self._facts = facts
        self._envelope = Envelope(options.constants)
        self._unit = 2 if file.encoding.startswith("utf-16") else 1

    def __call__(self, chunk: Chunk) -> Events:
        """The events of a chunk, and the authentications completed in it (their positions count events)."""
        self.begin()
        events = []
        newline = b"\n" if self._unit == 1 else "\n".encode(self.file.encoding)
        offset, data = chunk.offset, chunk.data
        at = 0
        while at < len(data) or (chunk.cut and not at):
            end = data.find(newline, at)
            while end >= 0 and self._unit == 2 and end % 2:
                end = data.find(newline, end + 1)
            stop = len(data) if end < 0 else end
            events.append(self.raw(data[at:stop], offset + at, ended=end >= 0, cut=chunk.cut))
            at = stop + self._unit
        return events, self.completions

    def begin(self) -> None:
        """Start a chunk: completions are counted from its first event."""
        self.completions = []
        self.position = 0

    def raw(self, line: bytes, offset: int, *, ended: bool, cut: bool = False) -> str:
        """The event of a line given as bytes without its LF; `ended` says whether it had one."""
        carriage_return = b"\r" if self._unit == 1 else "\r".encode(self.file.encoding)
        if ended and line.endswith(carriage_return) and len(line) % self._unit == 0:
            line = line[: -len(carriage_return)]
        tags = []
        if cut:
            tags.append("mfa_line_too_long")
            self.counts.too_long += 1
            line = _whole_characters(line, self.file.encoding)
        try:
            text = line.decode(self.file.encoding)
        except UnicodeDecodeError:
            text = line.decode(self.file.encoding, "replace")
            tags.append("mfa_decode_error")
            self.counts.decode_errors += 1
        return self.line(text, offset, tags)

    def line(self, text: str, offset: int, tags: list[str]) -> str:
        """The event of a decoded line."""
        document = self._read(text, offset, tags)
        self.counts.lines += 1
        self.position += 1
        return orjson.dumps(document).decode("latin-1")

    def _read(self, text: str, offset: int, tags: list[str]) -> Document:
        event_id = f"{self.file.fingerprint}-{offset}"
        for pattern in self.library.lines:
            fields = pattern.match(text)
            if fields is None:
                continue
            stamp = fields.pop("@timestamp", "")
            time = self.clock.read(stamp)
            if time is None:
                break
            self._seen(stamp, time)
            return self._well_formed(text, offset, event_id, stamp, time, fields, tags)
        return self._unparsed(text, offset, event_id, tags)

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
            "error": {"message": explain_unparsed(text, stamp, time)},
        }
        return self._envelope.close(document, ["_grokparsefailure", *tags])

    def _well_formed(
        self, text: str, offset: int, event_id: str, stamp: str, time: int, fields: Document, tags: list[str]
    ) -> Document:
        message = fields.pop("message", "")
        facts = self._facts_of(message)
        component = fields.pop("event.provider", "")
        level, pid, tid = (fields.pop(f"{name}", None) for name in ("log.level", "process.pid", "process.thread.id"))
        thread = (component, pid, tid) if pid is not None and tid is not None else None
        event: Document = {"id": event_id, "dataset": dataset(component or "log"), "kind": "event"}
        azure: Document = {}
        if facts.kind == "log":
            self.counts.logs += 1
            event["action"] = "log"
            user = facts.user
        else:
            event |= {"category": ["authentication"], "type": [TYPES[facts.kind]], "action": f"mfa-{facts.kind}"}
            if facts.kind == "request":
                user = self._request(facts, thread, event, azure, stamp, time)
            elif facts.kind == "verdict":
                user = self._verdict(facts, thread, event, azure, time, tags)
            elif facts.kind == "status":
                user = self._status(facts, thread, event, azure, stamp, time, tags)
            else:
                user = self._result(facts, component, event, azure, stamp, time, tags)
        event["module"] = MODULE
        if component:
            event["provider"] = component
        if self.options.keep_original:
            event["original"] = text
        document: Document = {"@timestamp": stamp, "event": event, "message": message}
        if user is not None:
            document |= user_fields(user)
        if pid is not None or tid is not None:
            document["process"] = {}
            if pid is not None:
                document["process"]["pid"] = pid
            if tid is not None:
                document["process"]["thread"] = {"id": tid}
        document["log"] = self._log(level, offset)
        if azure:
            document["azure_mfa"] = azure
        for name, value in (*fields.items(), *facts.extra):
            _put(document, name, value)
        address = document.get("source", {}).get("ip")
        if address:
            document.setdefault("related", {})["ip"] = [address]
        return self._envelope.close(document, tags)

    def _facts_of(self, message: str) -> Facts:
        facts = self._facts.get(message)
        if facts is None:
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

    def _request(
        self, facts: Facts, thread: Any, event: Document, azure: Document, stamp: str, time: int
    ) -> User | None:
        self.counts.requests += 1
        event["outcome"] = "unknown"
        if facts.arguments:
            azure["request"] = {"arguments": list(facts.arguments)}
        azure["exchange"] = {"id": event["id"]}
        if thread is not None:
            exchange = Exchange(time, stamp, event["id"], facts.user, user_json(facts.user))
            self.counts.given_up += self.state.exchanges.request(thread, exchange)
        return facts.user

    def _verdict(
        self, facts: Facts, thread: Any, event: Document, azure: Document, time: int, tags: list[str]
    ) -> User | None:
        self.counts.verdicts += 1
        event["outcome"] = facts.verdict
        azure["auth_result"] = facts.auth_result
        exchange = self.state.exchanges.belonging(thread, time)
        if exchange is None:
            return self._orphan(tags)
        self.state.exchanges.verdict(thread, exchange, facts.verdict or "unknown")
        azure["exchange"] = {"id": exchange.id}
        return exchange.user

    def _status(
        self, facts: Facts, thread: Any, event: Document, azure: Document, stamp: str, time: int, tags: list[str]
    ) -> User | None:
        code = facts.code
        assert code is not None
        self.counts.statuses += 1
        exchange = self.state.exchanges.belonging(thread, time)
        verdict = exchange.verdict if exchange else None
        self._outcome(event, azure, code, verdict, tags)
        if exchange is None:
            return self._orphan(tags)
        event |= {"start": exchange.start_text, "end": stamp, "duration": time - exchange.start}
        azure["exchange"] = {"id": exchange.id}
        self.state.exchanges.close(thread)
        self._complete(exchange, thread[0], stamp, time, code, event["outcome"])
        return exchange.user

    def _result(
        self, facts: Facts, component: str, event: Document, azure: Document, stamp: str, time: int, tags: list[str]
    ) -> User | None:
        assert facts.code is not None
        self.counts.results += 1
        self._outcome(event, azure, facts.code, facts.verdict, tags)
        exchange = Exchange(time, stamp, event["id"], facts.user, user_json(facts.user))
        self._complete(exchange, component, stamp, time, facts.code, event["outcome"])
        return facts.user

    def _complete(self, exchange: Exchange, component: str, stamp: str, time: int, code: Code, outcome: str) -> None:
        newest = self.state.newest
        success = outcome == "success"
        self.completions.append(
            Completion(self.position, exchange, component, time, stamp, code, success, newest)
        )

    def _outcome(self, event: Document, azure: Document, code: Code, verdict: str | None, tags: list[str]) -> None:
        """What a status code and a verdict say together."""
        self.counts.classes[code.status_class] += 1
        self.counts.unknown_codes += not code.known
        event["outcome"] = verdict or code.outcome
        if code.number is not None:
            event["code"] = str(code.number)
        event["reason"] = code.description
        event["severity"] = SEVERITIES[code.severity]
        azure["status"] = status_fields(code)
        if {verdict, code.outcome} == {"success", "failure"}:
            self.counts.conflicts += 1
            tags.append("mfa_outcome_conflict")

    def _orphan(self, tags: list[str]) -> None:
        self.counts.orphans += 1
        tags.append("mfa_orphan")

    def _log(self, level: str | None, offset: int) -> Document:
        log: Document = {}
        if level is not None:
            log["level"] = LEVELS.get(level, level)
        if self.file.path is not None:
            log["file"] = {"path": self.file.path}
        log["offset"] = offset
        return log


def user_json(user: User | None) -> str:
    """The user fields of an event as the JSON text between two others, with a comma behind."""
    return orjson.dumps(user_fields(user))[1:-1].decode("latin-1") + "," if user else ""


def explain_unparsed(text: str, stamp: str, time: int | None) -> str:
    """Why no pattern matched a line, in a sentence."""
    if not text:
        return "the line is empty"
    if time is not None:
        return "after the time stamp, LEVEL|PID|TID|COMPONENT|MESSAGE was expected"
    if looks_like_time(stamp):
        return f"the time stamp {stamp} names no real instant"
    return "the line does not begin with a time stamp such as 2017-02-14T02:57:19.234778Z and a |"


def _put(document: Document, name: str, value: Any) -> None:
    """Set a field given by its dotted name."""
    *parents, last = name.split(".")
    at = document
    for parent in parents:
        inner = at.setdefault(parent, {})
        if not isinstance(inner, dict):
            inner = at[parent] = {}
        at = inner
    at[last] = value


def _whole_characters(line: bytes, encoding: str) -> bytes:
    """A line that was cut at a byte count, without the character that the cut went through."""
    if encoding != "utf-8":
        unit = int.from_bytes(line[-2:], "little" if encoding == "utf-16-le" else "big")
        return line[:-2] if 0xD800 <= unit < 0xDC00 else line
    for tail in range(1, min(4, len(line) + 1)):
        lead = line[-tail]
        if lead >= 0xC0:
            return line[:-tail] if tail < 2 + (lead >= 0xE0) + (lead >= 0xF0) else line
        if lead < 0x80:
            break
    return line
