"""The flow, from bytes in to bytes out. Read this file first, and in it `run_source`, where the flow of a log begins:
`read_input` gives the chunks of each file, and a `Pipeline` makes blocks of them (`__call__`: `decode`, then `_emit`).

    read/     chunks of whole lines, as bytes
      -> decode/   one ECS event per line (or per exchange), and the authentications that the chunk completes
      -> detect/   findings, each after the event that completed it
      -> emit/     the events and findings that the user selected, in the format that the user chose
      -> a `Block`, which the caller writes or delivers

A `Pipeline` holds all state of one log: for each component, the open exchanges, the recent prompts and the newest
event time. Event time is the only clock. The output is the same, byte for byte, for any read size.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from shipper import __version__
from shipper.decode import compiled
from shipper.decode.clock import LogState
from shipper.decode.ecs import Envelope
from shipper.decode.exchanges import Exchanges
from shipper.decode.facts import Facts, Library
from shipper.decode.kernel_parser import KernelParser
from shipper.decode.parser import Events, Options, Parser
from shipper.decode.plain import FastParser
from shipper.detect import default_rules
from shipper.detect.components import ComponentDetectors
from shipper.detect.detector import Detectors
from shipper.detect.finding import Found, event_of, woven
from shipper.detect.protocol import Rule
from shipper.emit.blocks import block, compiled_block
from shipper.emit.filters import selection
from shipper.emit.formats import wrapping
from shipper.emit.pseudonyms import Pseudonymizer, Pseudonyms
from shipper.errors import InputError
from shipper.memo import Texts
from shipper.model import MEMORY, Block, Chunk, CompletionFields, Counts, Label, LogFile
from shipper.read.files import KERNEL_READ_SIZE, LINE_LIMIT, READ_SIZE, STDIN, Read, read_chunks, read_fully, skip_mark
from shipper.read.logs import Input, Log


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that decides the output, resolved once at the start.

    `detectors` are the detectors to run, with their parameters; with `across` they run over all logs at once (see
    `across.py`), not in the pipeline of each. `only_findings`, `conditions`, `since`, `until` and `per_exchange` are the
    user's `--only`, `--where`, `--since`, `--until` (see `selection`) and `--events exchange`. `pseudonyms`: which names
    to replace, None for none. `memory`: bytes for open exchanges and recent prompts. `fast` and `kernel` can be switched
    off for comparison and change no byte. `completions_only`, for callers of `decode`: most events have no text.
    """

    library: Library
    options: Options = field(default_factory=Options)
    detectors: Mapping[str, Rule] = field(default_factory=default_rules)
    format: str = "ecs"
    host: str | None = None
    namespace: str = "default"
    index: str | None = None
    pretty: bool = False
    only_findings: bool = False
    conditions: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    pseudonyms: Pseudonyms | None = None
    per_exchange: bool = False
    across: bool = False
    completions_only: bool = False
    fast: bool = True
    kernel: bool = not compiled.WHY_NOT
    read_size: int = READ_SIZE if compiled.WHY_NOT else KERNEL_READ_SIZE
    line_limit: int = LINE_LIMIT
    memory: int = MEMORY

    @property
    def warm_up(self) -> int:
        """How far back, in nanoseconds, a log must be read to restore its state.

        Take a line such that all earlier lines of its component are older than this, by the component's newest event
        time. To read from that line on is enough: with the component's clock of then, with what `Pipeline.lasting` returned,
        and with any state of earlier lines or none, it leads to the same state as to read the whole log."""
        open_exchanges = Exchanges(self.options.exchange_timeout).patience
        return max([open_exchanges, *(rule.warm_up for rule in self.of_a_log.values())])

    @property
    def of_a_log(self) -> Mapping[str, Rule]:
        """The detectors that run in the pipeline of each log."""
        return {} if self.across else self.detectors


OnCompleted = Callable[[Sequence[CompletionFields], Sequence[Label]], None]
"""Called with the authentications that a chunk completes, and the labels of its events."""


class Pipeline:
    """Turns the chunks of one log into blocks of output.

    `on_completed`, if set, is called for each chunk.
    """

    def __init__(self, settings: Settings, counts: Counts) -> None:
        """`counts` is kept up to date; logs may share it."""
        self.settings = settings
        self.counts = counts
        merges = settings.per_exchange and not settings.only_findings
        whole = not (merges and settings.completions_only)  # events without texts cannot be merged
        self._compiled = settings.kernel and settings.fast and settings.library.builtin and whole
        self.state = LogState(settings.options.exchange_timeout, merges=merges, memory=settings.memory)
        self.on_completed: OnCompleted | None = None
        self.envelope = Envelope(settings.options.constants)
        new = partial(Detectors, settings.of_a_log, counts, settings.memory, kernel=self._compiled)
        self._detectors = ComponentDetectors(new, self.state)
        self._facts: Texts[Facts] = Texts(Parser.MEMO, Parser.MEMO_TEXT)
        self._keep = selection(settings.conditions, settings.since, settings.until)
        self._hide = Pseudonymizer(settings.pseudonyms) if settings.pseudonyms else None
        self._wrap = wrapping(settings.format, settings.host, settings.namespace, settings.index, indent=settings.pretty)
        # No stage between parser and output looks at the events, so the parser may format them.
        self._direct = not (self._keep or self._hide or settings.only_findings or settings.pretty)
        self.parser: Parser | FastParser | KernelParser = self._general(LogFile(None, "", ""))

    def open(self, file: LogFile, last_time: str | None = None) -> None:
        """Expect chunks of `file`; `last_time` is the last time stamp before them, if they do not begin with its first line."""
        general = self._general(file)
        general.last_time = last_time or file.time
        self.parser = general
        if self.settings.fast and self.settings.library.builtin:
            scratch = partial(_scratch, self.settings)
            fast = FastParser(general, scratch, completions_only=self.settings.completions_only)
            wrap = self._wrap if self._direct else None
            self.parser = KernelParser(fast, wrap, completions_only=self.settings.completions_only) if self._compiled else fast

    def _general(self, file: LogFile) -> Parser:
        s = self.settings
        return Parser(s.library, s.options, file, self.state, self.counts, self._facts)

    def __call__(self, chunk: Chunk) -> Block:
        """The events of a chunk and the findings that it completes, as a block."""
        (texts, labels, _), findings = self.decode(chunk)
        return self._emit(texts, labels, findings)

    def decode(self, chunk: Chunk) -> tuple[Events, list[Found]]:
        """The events of a chunk with the authentications that it completes, and the findings, not yet filtered or formatted."""
        events = self.parser(chunk)
        labels = events.labels
        if self.on_completed is not None:
            self.on_completed(events.completions, labels)
        return events, [_with_host(finding, labels[finding[0]][2].host) for finding in self._detectors(events.completions)]

    def close(self) -> Block:
        """End the log: count the exchanges that are still open, and return the events that were held back."""
        state, newest = self.state, self.state.newest
        self.counts.given_up += state.expire()
        self.counts.misdated += sum(component.misdated(newest) for component in state.components.values())
        self.counts.open_at_end += state.open
        events = state.close()
        return self._emit([event.text for event in events], [event.label for event in events], [])

    def findings(self, findings: list[Found]) -> Block:
        """Filter and format findings that were made elsewhere."""
        return self._emit([], [], findings)

    def _emit(self, texts: Sequence[str], labels: Sequence[Label], found: list[Found]) -> Block:
        """Filter and format events and findings."""
        findings = [event_of(finding, self.envelope) for finding in found]
        if self.state.merges:
            self.counts.merged += self.state.take_merged()
        if self.settings.only_findings:
            self.counts.filtered += len(texts)
            texts, labels = [text for _, text, _ in findings], [label for _, _, label in findings]
        else:
            self.counts.events += len(texts)
            if self._direct and compiled.are_compiled(texts):
                return compiled_block(texts, labels, findings, self._wrap)
            if findings:
                texts, labels = woven(texts, labels, findings)
        if self._keep is not None:
            texts, labels = self._filter(texts, labels)
        if self._hide is not None:
            texts, labels = self._hidden(texts, labels, self._hide)
        return block(texts, labels, self._wrap)

    def _filter(self, texts: Sequence[str], labels: Sequence[Label]) -> tuple[list[str], list[Label]]:
        assert self._keep is not None
        kept: list[tuple[str, Label]] = []
        for entry in zip(texts, labels, strict=True):
            if self._keep(*entry):
                kept.append(entry)
            elif entry[1][2].kind == "alert":
                self.counts.findings_filtered += 1
            else:
                self.counts.events -= 1
                self.counts.filtered += 1
        return [text for text, _ in kept], [label for _, label in kept]

    def _hidden(self, texts: Sequence[str], labels: Sequence[Label], hide: Pseudonymizer) -> tuple[list[str], list[Label]]:
        texts, labels = hide([*texts], [*labels])
        self.counts.masked += hide.masked
        hide.masked = 0
        if hide.users:
            self.counts.shapes.clear()  # a shape still shows a name that had no quotes
        return texts, labels

    def snapshot(self) -> bytes:
        """Everything that a later line can depend on, as JSON; `restore` continues from it."""
        try:
            return orjson.dumps(self.values(), default=list, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # orjson takes neither the year 9999 in nanoseconds nor a lone surrogate
            return json.dumps(self.values(), sort_keys=True, default=list).encode()  # anew: orjson used up the iterators

    def values(self) -> dict[str, Any]:
        """The values that `snapshot` writes, for a pipeline that continues in place of this one."""
        components = self.state.components
        self.counts.given_up += self.state.expire()  # expired exchanges can change nothing
        ahead = [name for name, component in components.items() if component.waiting and component.waiting.completed is not None]
        return {
            "components": self.state.snapshot(),
            "last_time": self.last_time,
            "detectors": self._detectors.snapshot({name: component.newest for name, component in components.items()}),
            "undo": self._detectors.undo(ahead),
            "generations": self._detectors.generations(),
        }

    def lasting(self) -> dict[str, Any]:
        """The state that does not follow from the recent past, however much of it is read (`warm_up`), as JSON values."""
        return self._detectors.lasting()

    def restore(
        self, snapshot: bytes | Mapping[str, Any], lasting: Mapping[str, Any] | None = None, *, held: bool = True
    ) -> None:
        """Continue from a snapshot or its values; call `open` first, for the next file. With a snapshot made from the recent past
        alone, pass what `lasting` returned at that point. `held=False` drops held-back events: the other pipeline keeps them."""
        state: Mapping[str, Any] = json.loads(snapshot) if isinstance(snapshot, bytes) else snapshot
        self.state.restore(state["components"], held=held, for_kernel=self._compiled)
        self._general_parser.last_time = state["last_time"]
        newest = {name: component.newest for name, component in self.state.components.items()}
        self._detectors.restore(state["detectors"], newest, lasting, state["undo"], state["generations"])

    @property
    def _general_parser(self) -> Parser:
        return self.parser if isinstance(self.parser, Parser) else self.parser.general

    @property
    def sizes(self) -> tuple[int, int]:
        """The number of messages in the memo, and of users in the detectors."""
        return len(self._facts), self._detectors.size

    @property
    def last_time(self) -> str:
        """The time stamp that an undated line would get now."""
        return self._general_parser.last_time


def _scratch(settings: Settings, file: LogFile) -> Parser:
    """A parser like a pipeline's, with state that no line of the log has touched. A function without the pipeline: the
    pipeline holds it, and a reference back would be a cycle, which `parse` never collects.
    """
    s = settings
    return Parser(s.library, s.options, file, LogState(s.options.exchange_timeout), Counts())


def _with_host(finding: Found, host: str | None) -> Found:
    """A finding with the `host.name` of the event that it follows; None if that is the host of the run."""
    return finding if host is None else finding._replace(host=host)


def run_source(
    settings: Settings, source: Log, stdin: Read | None, counts: Counts, on_completed: OnCompleted | None = None
) -> Iterator[tuple[Block, int]]:
    """Yield the blocks of output for one log, file by file, each with the number of input bytes that it took;
    `counts` is kept up to date.

    Raises:
        InputError: a file could not be read to its end; everything readable has been yielded.
    """
    pipeline = Pipeline(settings, counts)
    pipeline.on_completed = on_completed
    failure: InputError | None = None
    try:
        for one in source.inputs:
            pipeline.open(one.file)
            for chunk in read_input(settings, one, stdin):
                yield pipeline(chunk), len(chunk.data)
    except InputError as error:
        failure = error
    yield pipeline.close(), 0
    if failure is not None:
        raise failure


def read_input(settings: Settings, one: Input, stdin: Read | None) -> Iterator[Chunk]:
    """Yield the chunks of a whole file, or of standard input, which `stdin` reads from its beginning."""
    with one.open() as opened:
        read, at = skip_mark(stdin if one.path == STDIN and stdin is not None else opened)
        export = one.file.export
        if export is not None:
            at += len(read_fully(read, export.start - at))
        yield from read_chunks(read, at, one.file.encoding, settings.read_size, settings.line_limit, export, parts=one.file.parts)


def settings(
    library: Library,
    detectors: Mapping[str, Rule],
    fields: Mapping[str, Any],
    *,
    server: str | None = None,
    exchange_timeout: int = Options().exchange_timeout,
    agent: bool = True,
    keep_original: bool = True,
    **choices: Any,
) -> Settings:
    """The settings for a user's choices, on the command line of `parse` or in the configuration of `run`.

    Args:
        library: the patterns and codes.
        detectors: the detectors to run, with their parameters.
        fields: constant fields of every event, such as `host` and `tags`; empty ones are left out.
        server: `host.name` of every event; overrides `fields` and the lines.
        exchange_timeout: how long a request waits for its status, in nanoseconds.
        agent: name the version that made the event, and its host, in every event.
        keep_original: keep `event.original`.
        choices: the other fields of `Settings`.
    """
    constants = {name: value for name, value in fields.items() if value}
    host = str(fields.get("host", {}).get("name") or "") or None
    if agent:
        constants["agent"] = {**({"name": host} if host else {}), "type": "mfa-shipper", "version": __version__}
    if server is not None:
        constants["host"] = {"name": server}
    options = Options(keep_original, constants, exchange_timeout, own_host=server is None)
    return Settings(library, options, detectors, host=server or host, **choices)
