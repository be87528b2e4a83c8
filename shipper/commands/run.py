"""`run`: starts the sidecar, follows it, and ends it on a signal. I/O."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Collection

from shipper import __version__
from shipper.config.sections import Config
from shipper.deliver.delivery import Delivery
from shipper.deliver.sink import Refusal
from shipper.detect import DETECTORS
from shipper.emit.output import ClosedPipe
from shipper.errors import MfaShipperError, UsageError
from shipper.pipeline import Settings
from shipper.sidecar.assemble import build_delivery, build_loop, settings_of, stores_positions
from shipper.sidecar.checkpoint import Checkpoint, Stored
from shipper.sidecar.lock import Lock
from shipper.sidecar.log import log
from shipper.sidecar.loop import Sidecar
from shipper.sidecar.pages import Server
from shipper.sidecar.places import read_records
from shipper.sidecar.vitals import Vitals
from shipper.times import SECOND

OTHER_FILES = 64  # descriptors that are not logs: those of the sink, the checkpoint and the metrics page
SHOWN = 20  # known positions that are logged at the start


class Stop:
    """Set by a signal; who waits for it goes on at once.

    Not `threading.Event`: its lock is not reentrant, and a handler that sets it while the same thread is on its way
    into `wait` never returns.
    """

    def __init__(self) -> None:
        self._set = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def set(self) -> None:
        """Stop. May be called by a signal handler at any moment."""
        self._set = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"x")

    def is_set(self) -> bool:
        """True from the first `set` on."""
        return self._set

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, for so many seconds at most; True if it is."""
        if not self._set:
            select.select([self._reader], [], [], seconds)
        return self._set


class _SinkLog:
    """Logs each change of the sink's state once."""

    def __init__(self) -> None:
        self.sink = ""
        self._was_down = False

    def down(self, reason: str) -> None:
        log("warning", "the sink does not accept events; reading waits, nothing is lost", sink=self.sink, reason=reason)
        self._was_down = True

    def up(self) -> None:
        log("info", "the sink accepts events" + (" again" if self._was_down else ""), sink=self.sink)

    def refused(self, refusals: tuple[Refusal, ...]) -> None:
        log("error", "records were refused and are among the dead letters", number=len(refusals), reason=refusals[0].reason)


def run(config: Config, secrets: Collection[str] = ()) -> int:
    """Follow and deliver until SIGTERM or SIGINT; returns the exit status. `secrets` are never shown.

    Raises:
        UsageError: the shipper cannot start.
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
        return _run(config, settings, checkpoint, vitals, most_open)


def _run(config: Config, settings: Settings, checkpoint: Checkpoint, vitals: Vitals, most_open: int | None) -> int:
    watcher = _SinkLog()
    delivery = build_delivery(config, watcher)
    watcher.sink = delivery.sink.name
    vitals.delivery = delivery
    stop = Stop()
    _catch_signals(stop)
    stored = checkpoint.load()
    for warning in stored.warnings:
        log("error", warning)
    if stores_positions(config):
        in_sink = _stored_in_sink(delivery, stop, vitals)
        if in_sink is None:
            return 0
        stored = in_sink if in_sink.places else stored
    _log_start(config, delivery.sink.name, stored)
    loop = build_loop(config, settings, delivery, checkpoint, stored, vitals, wait=stop.wait, most_open=most_open)
    return _follow(config, delivery, loop, stop)


def _follow(config: Config, delivery: Delivery, sidecar: Sidecar, stop: Stop) -> int:
    logged: set[str] = set()
    trouble: str | None = None
    try:
        while not stop.is_set():
            sidecar.turn()
            problems = {*sidecar.problems.values(), *sidecar.apart.values()}
            for problem in problems - logged:
                log("warning", problem)
            logged = problems
            if sidecar.vitals.save_trouble != trouble:
                trouble = sidecar.vitals.save_trouble
                log("warning" if trouble else "info", trouble or "the checkpoint can be written again")
    except ClosedPipe:
        sidecar.stop(0)
        return 0
    except MfaShipperError:
        sidecar.stop(0)
        raise
    return _end(config, delivery, sidecar)


def _end(config: Config, delivery: Delivery, sidecar: Sidecar) -> int:
    log("info", "stopping: what was read is delivered first", timeout_seconds=config.shutdown_timeout / SECOND)
    try:
        delivered = sidecar.stop(config.shutdown_timeout)
    except ClosedPipe:
        delivered = False
    if not delivered:
        log("warning", "not all that was read could be delivered in time; the next run does it", reason=delivery.reason)
    counts = sidecar.vitals.counts
    found = {DETECTORS[name].found.name: counts.detected[DETECTORS[name].found.name] for name in config.pipeline.detectors}
    log("info", "stopped", lines=counts.lines, events=counts.events, **found)
    return 0


def _stored_in_sink(delivery: Delivery, stop: Stop, vitals: Vitals) -> Stored | None:
    """The positions that the sink keeps, as soon as it can be reached; None if the shipper is told to stop before."""
    while not stop.is_set():
        delivery.turn(0.0)
        vitals.beat = time.monotonic_ns()
        if delivery.connected:
            try:
                return Stored(*read_records(delivery.stored))
            except ValueError as error:
                raise UsageError(
                    f"output.kafka.state_topic holds records that are not ours ({error}); give another topic"
                ) from None
        stop.wait(0.1)
    return None


def _log_start(config: Config, sink: str, stored: Stored) -> None:
    log(
        "info",
        f"mfa-shipper {__version__} starts",
        inputs=[section.path for section in config.inputs],
        output=sink,
        format=config.output.format,
        state_dir=config.state_dir,
        metrics=config.metrics.listen or "off",
    )
    if not stored.places:
        log("info", "no checkpoint yet: starting each file at inputs[].start")
    for position in list(stored.places.values())[-SHOWN:]:
        log("info", "continuing", path=position.path, offset=position.offset)


def _catch_signals(stop: Stop) -> None:
    """The first signal ends the shipper in order, the second one at once."""

    def caught(number: int, frame: object) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    signal.signal(signal.SIGTERM, caught)
    signal.signal(signal.SIGINT, caught)


def _raise_limits() -> int | None:
    """Allow as many open files as the system does, since each followed log stays open.

    Returns:
        How many logs may be open at once; None: no limit.
    """
    try:
        import resource
    except ImportError:
        return None  # not on Windows, which has no such limit
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else max(1, soft - OTHER_FILES)
