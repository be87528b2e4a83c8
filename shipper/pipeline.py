"""The flow, from bytes to bytes. Read this file first.

    files.read_chunks     bytes of whole lines, one read at a time
      -> parse (fast)     one ECS event a line; authentications completed on the way
      -> detect           double_prompt findings, each behind the line that completed it
      -> filters          what the user wants to see
      -> formats          ecs, splunk-hec, elastic-bulk
      -> the caller writes the block

A `Pipeline` is all the state there is of one log: open exchanges, recent prompts, the newest
event time. Event time is the only clock. The same bytes come out whatever the size of the reads.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from shipper.decode.ecs import Envelope
from shipper.decode.exchanges import Exchanges, LogState
from shipper.decode.facts import Facts, Library
from shipper.decode.parser import Options, Parser
from shipper.decode.plain import FastParser
from shipper.detect import default_rules
from shipper.detect.detector import Detectors
from shipper.detect.finding import Found
from shipper.detect.protocol import Rule
from shipper.emit.filters import ExchangeEvents, pretty, where
from shipper.emit.formats import FORMATS, Add, Format, json_text
from shipper.model import Chunk, Counts, Exchange, ExchangeFields, LogFile, User
from shipper.read.files import LINE_LIMIT, READ_SIZE, STDIN, Read, open_bytes, read_chunks, skip_mark
from shipper.read.identity import Input, Log


@dataclass(frozen=True, slots=True)
class Settings:
    """All that decides what comes out, resolved once at the start.

    `only_findings`, `conditions` and `per_exchange` are the user's `--only double_prompt`,
    `--where` and `--events exchange`. `fast` may be switched off to compare; it changes no byte.
    """

    library: Library
    options: Options = field(default_factory=Options)
    detectors: Mapping[str, Rule] = field(default_factory=default_rules)
    format: str = "ecs"
    host: str | None = None
    namespace: str = "default"
    pretty: bool = False
    only_findings: bool = False
    conditions: tuple[str, ...] = ()
    per_exchange: bool = False
    fast: bool = True
    read_size: int = READ_SIZE
    line_limit: int = LINE_LIMIT


class Pipeline:
    """From the chunks of one source to blocks of output."""

    def __init__(self, settings: Settings, counts: Counts) -> None:
        """`counts` is kept up to date; sources may share it."""
        self.settings = settings
        self.counts = counts
        self.state = LogState(Exchanges(settings.options.exchange_timeout))
        self._envelope = Envelope(settings.options.constants)
        self._detectors = Detectors(settings.detectors, self._envelope, self.counts)
        self._facts: dict[str, Facts] = {}
        self._keep = where(settings.conditions) if settings.conditions else None
        self._exchanges = ExchangeEvents(settings.options.exchange_timeout, self.counts) if settings.per_exchange else None
        self._wrap = _format(settings)
        self._source: str | None = None
        self._selects = settings.only_findings or settings.per_exchange or self._keep is not None
        self.parser: Parser | FastParser = self._general(LogFile(None, "", ""))

    def open(self, file: LogFile, last_time: str | None = None) -> None:
        """The chunks to come are of this file; `last_time` where they do not begin with its first line."""
        general = self._general(file)
        general.last_time = last_time or file.time
        self._source = _source(self.settings, file)
        fast = self.settings.fast and self.settings.library.builtin
        self.parser = FastParser(general, partial(_scratch, self.settings)) if fast else general

    def _general(self, file: LogFile) -> Parser:
        s = self.settings
        return Parser(s.library, s.options, file, self.state, self.counts, self._facts)

    def __call__(self, chunk: Chunk) -> bytes:
        """The output for a chunk."""
        before = self.counts.lines
        events, completions = self.parser(chunk)
        findings = self._detectors(completions)
        if self._selects:
            return self._block(self._select(events, findings))
        self.counts.events += self.counts.lines - before
        return self._block(events, findings, self._source)

    def _block(self, events: list[str], findings: Sequence[Found] = (), source: str | None = None) -> bytes:
        """The output for events of `source`, each finding behind the event that completed it."""
        wrap = self._wrap
        if wrap is None:
            events = _weave(events, findings) if findings else events
            return "\n".join([*events, ""]).encode("latin-1") if events else b""
        parts: list[str] = []
        add, at = parts.append, 0
        for found in findings:
            for event in events[at : found.position + 1]:
                wrap(event, source, add)
            wrap(found.text, None, add)
            at = found.position + 1
        for event in events[at:]:
            wrap(event, source, add)
        return "".join(parts).encode("latin-1")

    def _select(self, events: list[str], findings: list[Found]) -> list[str]:
        """The events that the user wants, findings in their places."""
        at = 0
        out: list[str] = []
        for position, event in enumerate(events):
            if not self.settings.only_findings:
                for text in event.split("\n"):
                    out += self._wanted(text)
            else:
                self.counts.filtered += 1 + event.count("\n")
            while at < len(findings) and findings[at].position == position:
                if self._keep is None or self._keep(findings[at].text):
                    out.append(findings[at].text)
                else:
                    self.counts.findings_filtered += 1
                at += 1
        return out

    def _wanted(self, text: str) -> list[str]:
        texts = [text] if self._exchanges is None else self._exchanges(text)
        kept = texts if self._keep is None else [one for one in texts if self._keep(one)]
        self.counts.filtered += len(texts) - len(kept)
        self.counts.events += len(kept)
        return kept

    def close(self) -> bytes:
        """The end of the source: what waits for more lines is counted, and given out where it was held back."""
        self.counts.open_at_end += len(self.state.exchanges.open)
        if self._exchanges is None:
            return b""
        waiting = self._exchanges.close()
        events = waiting if self._keep is None else [text for text in waiting if self._keep(text)]
        self.counts.filtered += len(waiting) - len(events)
        self.counts.events += len(events)
        return self._block(events)

    def snapshot(self) -> bytes:
        """All that a later line can depend on, as JSON; `restore` goes on from it.

        Not by orjson: a time stamp of the year 9999 in nanoseconds is more than 64 bits.
        """
        state = {
            "newest": self.state.newest,
            "last_time": self.last_time,
            "open": [[thread, _plain(exchange)] for thread, exchange in self.state.exchanges.open.items()],
            "detectors": self._detectors.snapshot(self.state.newest),
            "waiting": self._exchanges.waiting if self._exchanges else {},
        }
        return json.dumps(state).encode()

    def restore(self, snapshot: bytes) -> None:
        """Go on from a snapshot; call `open` first, for the file that comes next."""
        state: Mapping[str, Any] = json.loads(snapshot)
        self.state.newest = state["newest"]
        self._general_parser.last_time = state["last_time"]
        self.state.exchanges.open.clear()
        for thread, (start, start_text, event_id, user, shared_json, verdict) in state["open"]:
            exchange = Exchange(start, start_text, event_id, User(*user) if user else None, shared_json, verdict)
            self.state.exchanges.open[thread] = exchange
        self._detectors.restore(state["detectors"], state["newest"])
        if self._exchanges:
            self._exchanges.waiting = state["waiting"]

    def signature(self) -> bytes:
        """A digest of the snapshot but for the open exchanges, quicker to make: equal bytes, equal state."""
        waiting = self._exchanges.waiting if self._exchanges else {}
        state = [self.state.newest, self.last_time, self._detectors.signature(self.state.newest), waiting]
        return hashlib.sha256(json.dumps(state).encode()).digest()

    @property
    def _general_parser(self) -> Parser:
        return self.parser.general if isinstance(self.parser, FastParser) else self.parser

    def touched(self, threads: Iterable[str]) -> bool:
        """True if a line since `open` was, or may have been, of one of these threads (see `Parser.threads`)."""
        return any(thread in self.parser.threads for thread in threads)

    @property
    def sizes(self) -> tuple[int, int]:
        """How many messages are in the memo, and how many users in the detector."""
        return len(self._facts), self._detectors.size

    @property
    def last_time(self) -> str:
        """The time stamp that an undated line of the file would take now."""
        return self._general_parser.last_time


def _scratch(settings: Settings, file: LogFile) -> Parser:
    """A parser like those of a pipeline that no line of the log has touched. It knows of no pipeline: what a
    pipeline holds must not hold the pipeline, because `parse` runs without a collector of cycles.
    """
    s = settings
    return Parser(s.library, s.options, file, LogState(Exchanges(s.options.exchange_timeout)), Counts(), {})


def _plain(exchange: ExchangeFields) -> list[Any]:
    start, start_text, event_id, user, shared_json, verdict = exchange
    return [start, start_text, event_id, list(user) if user else None, shared_json, verdict]


def _format(settings: Settings) -> Format | None:
    """What is done to the text of each event; None for nothing."""
    wrap = FORMATS[settings.format](host=settings.host, namespace=settings.namespace)
    if settings.pretty:
        return partial(_pretty, wrap)
    return None if settings.format == "ecs" else wrap


def _source(settings: Settings, file: LogFile) -> str | None:
    """What a format may take for the path in the events of a file; None where a user's fields may stand in its place."""
    constants = orjson.dumps(dict(settings.options.constants))
    if not settings.library.builtin or b'"log"' in constants or b'"file"' in constants:
        return None
    return "" if file.path is None else json_text(file.path)


def _pretty(wrap: Format, text: str, source: str | None, add: Add) -> None:
    parts: list[str] = []
    wrap(text, source, parts.append)
    add(pretty("".join(parts)[:-1]))
    add("\n")


def _weave(events: list[str], findings: Sequence[Found]) -> list[str]:
    """The events with each finding behind the event that completed it."""
    out: list[str] = []
    at = 0
    for found in findings:
        out += events[at : found.position + 1]
        out.append(found.text)
        at = found.position + 1
    return out + events[at:]


def run_source(settings: Settings, source: Log, stdin: Read | None, counts: Counts) -> Iterator[tuple[bytes, int]]:
    """Blocks of output for one source, its files one after the other, each with the bytes of input
    that it took; `counts` is kept up to date.

    Raises:
        RunError: a file could not be read to its end; what was readable has been given out.
    """
    pipeline = Pipeline(settings, counts)
    for one in source.inputs:
        pipeline.open(one.file)
        for chunk in read_input(settings, one, stdin):
            yield pipeline(chunk), len(chunk.data)
    yield pipeline.close(), 0


def read_input(settings: Settings, one: Input, stdin: Read | None) -> Iterator[Chunk]:
    """The chunks of a whole file, or of standard input, which `stdin` reads from its beginning."""
    with open_bytes(one.path) as opened:
        read, at = skip_mark(stdin if one.path == STDIN and stdin is not None else opened)
        yield from read_chunks(read, at, one.file.encoding, settings.read_size, settings.line_limit)
