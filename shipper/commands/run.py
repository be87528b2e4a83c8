"""`run`: a configuration becomes a running shipper, and signals end it. I/O.

Everything is built here, in this order: lock, checkpoint, sink, places, tail, loop.
"""

import contextlib
import os
import random
import signal
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from secrets import token_hex
from threading import Event
from typing import Any

from shipper import __version__
from shipper.config.sections import Config
from shipper.decode.library import load, syslog_time
from shipper.decode.line_patterns import stamp_reader
from shipper.decode.parser import Options
from shipper.deliver.batch import Limits
from shipper.deliver.delivery import Delivery
from shipper.deliver.sink import Refusal
from shipper.detect.double_prompt import Rule
from shipper.emit.output import ClosedPipe
from shipper.errors import MfaShipperError, UsageError
from shipper.pipeline import Settings
from shipper.read.inputs import TailInput, TailOptions
from shipper.read.position import Position
from shipper.read.tail import Tail
from shipper.sidecar.assemble import build_sink, dead_letter_box
from shipper.sidecar.checkpoint import Checkpoint, Lock
from shipper.sidecar.log import log
from shipper.sidecar.loop import Sidecar
from shipper.sidecar.metrics import Server
from shipper.sidecar.vitals import Vitals
from shipper.sidecar.warm_start import WarmStart, read_records
from shipper.times import SECOND

OTHER_FILES = 64  # descriptors that are no logs: the sink's, the checkpoint's, those of a metrics page


def settings_of(config: Config) -> Settings:
    """The pipelines' settings.

    Raises:
        UsageError: patterns or code table are wrong.
    """
    p = config.pipeline
    fields = {"host": p.host, "labels": p.labels, "observer": p.observer, "tags": list(p.tags)}
    constants: dict[str, Any] = {name: value for name, value in fields.items() if value}
    host = str(p.host.get("name") or "") or None
    agent = {"name": host} if host else {}
    constants["agent"] = {**agent, "type": "mfa-shipper", "version": __version__}
    rule = p.double_prompt
    return Settings(
        library=load(
            tuple(_path(one) for one in p.patterns),
            None if p.status_codes is None else _path(p.status_codes),
            syslog=None if p.syslog.year is None else syslog_time(p.syslog.year, p.syslog.zone, "pipeline.syslog"),
        ),
        options=Options(p.keep_original, constants, rule.exchange_timeout),
        rule=Rule(rule.window, rule.exchange_timeout, rule.include_retries),
        format=config.output.format,
        host=host,
        namespace=p.data_stream.namespace,
        per_exchange=config.output.events == "exchange",
        read_size=config.tail.read_size,
        line_limit=config.tail.max_line,
    )


def _path(name: str) -> Path:
    return Path(name).expanduser()


class _Watcher:
    """Says each change of the sink's state once."""

    def __init__(self, sink: str) -> None:
        self._sink = sink
        self._was_down = False

    def down(self, reason: str) -> None:
        log("warning", "the sink does not accept events; reading waits, nothing is lost", sink=self._sink, reason=reason)
        self._was_down = True

    def up(self) -> None:
        log("info", "the sink accepts events" + (" again" if self._was_down else ""), sink=self._sink)

    def refused(self, refusals: tuple[Refusal, ...]) -> None:
        log("error", "records were refused and are among the dead letters", number=len(refusals), reason=refusals[0].reason)


def run(config: Config, secrets: Collection[str] = ()) -> int:
    """Follow and deliver until SIGTERM or SIGINT; the exit status. `secrets` are shown nowhere.

    Raises:
        UsageError: it cannot begin.
        RunError: it cannot go on.
    """
    settings = settings_of(config)
    most_open = _raise_limits()
    checkpoint = Checkpoint(config.state_dir)
    lock = Lock(config.state_dir)
    vitals = Vitals()
    server = Server(config.metrics.listen, vitals, time.monotonic_ns, secrets) if config.metrics.listen else None
    with contextlib.ExitStack() as stack:
        stack.callback(lock.release)
        if server:
            stack.callback(server.close)
        return _work(config, settings, checkpoint, vitals, most_open)


def _work(config: Config, settings: Settings, checkpoint: Checkpoint, vitals: Vitals, most_open: int | None) -> int:
    sink = build_sink(config)
    vitals.sink = sink.name
    stop = Event()
    _catch_signals(stop)
    stored = checkpoint.load()
    for warning in stored.warnings:
        log("error", warning)
    letters = dead_letter_box(config)
    watcher = _Watcher(sink.name)
    delivery = Delivery(sink, letters, watcher, run=token_hex(8), now=time.monotonic_ns, random=random.random)
    places, warm = stored.places, stored.warm
    if config.output.kafka and config.output.kafka.exactly_once and config.output.type == "kafka":
        remembered = _places_in_sink(delivery, stop, vitals)
        if remembered is None:
            return 0
        if remembered[0]:
            places, warm = remembered
    _say_what_will_happen(config, sink.name, places)
    inputs = [TailInput(os.path.expanduser(one.path), one.start, one.encoding, tuple(one.exclude)) for one in config.inputs]
    tail = Tail(
        inputs,
        places,
        TailOptions(
            line_limit=config.tail.max_line,
            read_size=config.tail.read_size,
            rotate_wait=config.tail.rotate_wait / SECOND,
            stamp_of=stamp_reader(settings.library.lines),
            most_open=most_open,
        ),
        now=time.monotonic,
    )
    batch = config.output.batch
    sidecar = Sidecar(
        tail,
        delivery,
        checkpoint,
        settings,
        limits=Limits(batch.max_events, batch.max_bytes, batch.max_age),
        places=places,
        warm=warm,
        vitals=vitals,
        now=time.monotonic_ns,
        wait=stop.wait,
        poll_interval=config.tail.poll_interval,
    )
    return _follow(config, sidecar, stop)


def _follow(config: Config, sidecar: Sidecar, stop: Event) -> int:
    told: set[str] = set()
    trouble: str | None = None
    try:
        while not stop.is_set():
            sidecar.turn()
            problems = set(sidecar.vitals.problems.values())
            for problem in problems - told:
                log("warning", problem)
            told = problems
            if sidecar.vitals.save_trouble != trouble:
                trouble = sidecar.vitals.save_trouble
                log("warning" if trouble else "info", trouble or "the checkpoint can be written again")
    except ClosedPipe:
        sidecar.stop(0)
        return 0
    except MfaShipperError:
        sidecar.stop(0)
        raise
    log("info", "stopping: what was read is delivered first", timeout_seconds=config.shutdown_timeout / SECOND)
    try:
        delivered = sidecar.stop(config.shutdown_timeout)
    except ClosedPipe:
        delivered = False
    if not delivered:
        log(
            "warning", "not all that was read could be delivered in time; the next run does it", reason=sidecar.vitals.sink_reason
        )
    counts = sidecar.vitals.counts
    log("info", "stopped", lines=counts.lines, events=counts.events, double_prompts=counts.findings)
    return 0


def _places_in_sink(delivery: Delivery, stop: Event, vitals: Vitals) -> tuple[dict[str, Position], dict[str, WarmStart]] | None:
    """The places that the sink keeps, as soon as it can be reached; None if the shipper is told to stop before."""
    while not stop.is_set():
        delivery.turn(0.0)
        vitals.beat = time.monotonic_ns()
        vitals.sink_up, vitals.sink_reason = delivery.is_up, delivery.reason
        if delivery.connected:
            try:
                return read_records(delivery.stored)
            except ValueError as error:
                raise UsageError(
                    f"output.kafka.state_topic holds records that are not ours ({error}); give another topic"
                ) from None
        stop.wait(0.1)
    return None


def _say_what_will_happen(config: Config, sink: str, places: Mapping[str, Position]) -> None:
    log(
        "info",
        f"mfa-shipper {__version__} starts",
        inputs=[one.path for one in config.inputs],
        output=sink,
        format=config.output.format,
        state_dir=config.state_dir,
        metrics=config.metrics.listen or "off",
    )
    if not places:
        log("info", "no places are known: files are read as inputs[].start says")
    for place in list(places.values())[-20:]:
        log("info", "a place is known", path=place.path, offset=place.offset)


def _catch_signals(stop: Event) -> None:
    """The first signal asks to stop, the second one does not ask."""

    def caught(number: int, frame: object) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    signal.signal(signal.SIGTERM, caught)
    signal.signal(signal.SIGINT, caught)


def _raise_limits() -> int | None:
    """As many files as the system allows: each log that is followed stays open. How many logs that may be."""
    try:
        import resource
    except ImportError:
        return None  # Windows has no such limit
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else max(1, soft - OTHER_FILES)
