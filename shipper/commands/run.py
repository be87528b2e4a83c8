"""`run`: start the sidecar, turn its loop, and end it on a signal. I/O."""

import contextlib
import gc
import sys
import time
from collections.abc import Callable

from shipper import __version__
from shipper.commands.signals import Stop
from shipper.config.rules import warnings
from shipper.config.sections import Config
from shipper.deliver.delivery import Delivery
from shipper.deliver.outage import Outage
from shipper.deliver.sink import Refusal
from shipper.detect import DETECTORS
from shipper.emit.output import ClosedPipe
from shipper.errors import MfaShipperError, UsageError
from shipper.sidecar.assemble import accepted, build_delivery, build_loop, keep_transactional_id, listen_of, stores_positions
from shipper.sidecar.checkpoint import Checkpoint, Stored, farther
from shipper.sidecar.lock import lock_state
from shipper.sidecar.log import log, set_up
from shipper.sidecar.loop import Sidecar
from shipper.sidecar.pages import Server, pages_of
from shipper.sidecar.places import read_records
from shipper.sidecar.vitals import Vitals
from shipper.times import SECOND

OTHER_FILES = 64  # descriptors besides those of logs: for the sink, the checkpoint and the metrics page
SHOWN = 20  # positions to log at the start


YOUNG = 5000  # new objects that trigger the collector; 700 by default
AGAIN = 1.0  # seconds until the configuration before a reload is tried again


class SinkLog:
    """Logs each change of the sink's state once, and a reminder every minute while the sink is away."""

    def __init__(self, now: Callable[[], int] = time.monotonic_ns) -> None:
        """`now`: nanoseconds of a monotonic clock."""
        self.sink = ""
        self._was_down = False
        self._outage = Outage(now)

    def down(self, reason: str) -> None:
        log("warning", "the sink does not accept events; reading waits, nothing is lost", sink=self.sink, reason=reason)
        self._was_down = True
        self._outage.begin(reason)

    def up(self) -> None:
        log("info", "the sink accepts events" + (" again" if self._was_down else ""), sink=self.sink)
        self._outage.end()

    def remind(self) -> None:
        """Log once a minute that the sink is still away. Call it often."""
        due = self._outage.due()
        if due:
            log(
                "warning",
                "the sink still does not accept events; nothing is lost",
                sink=self.sink,
                minutes=due.minutes,
                reason=due.reason,
            )

    def refused(self, refusals: tuple[Refusal, ...]) -> None:
        log("error", "records were refused and are among the dead letters", number=len(refusals), reason=refusals[0].reason)

    def unkept(self, reason: str | None) -> None:
        if reason is None:
            log("info", "dead letters can be kept again")
        else:
            log("error", "what was refused waits in memory; all else goes on, but the position stays before it", reason=reason)


Load = Callable[[], tuple[Config, set[str]]]
"""Reads the configuration again; returns it and its secrets. Raises UsageError if it is wrong."""


def run(config: Config, secrets: set[str], load: Load, stop: Stop, started: Callable[[], None] = lambda: None) -> int:
    """Follow and deliver until SIGTERM or SIGINT; returns the exit status.

    SIGHUP reloads: what was read is delivered, then all parts are rebuilt from the current configuration. If that fails, the old
    configuration stays; if that fails too, for example because a folder has taken the place of the output file, it is tried
    every second.

    Args:
        config: the configuration.
        secrets: texts never to show; secrets of a reloaded configuration are added.
        load: reads the configuration again.
        stop: set by the signals.
        started: called when nothing in the configuration can prevent the work any more, also after a reload.

    Raises:
        UsageError: the shipper cannot start.
        RunError: the shipper cannot continue.
    """
    most_open = _raise_limits()
    proven: Config | None = None  # the configuration before a reload
    trouble = ""  # why `proven` cannot be used, as last logged
    while True:
        stop.timeout = config.shutdown_timeout / SECOND
        try:
            with _Shipper(config, secrets, stop, most_open) as shipper:
                started()
                following = shipper.follow(load)
        except UsageError as error:
            if proven is None:
                raise
            if config is not proven:
                log("error", "the new configuration cannot be used; the old one stays", reason=str(error))
                config = proven
                continue
            if str(error) != trouble:
                trouble = str(error)
                log("error", "the old configuration cannot be used either, for now; it is tried every second", reason=trouble)
            if stop.wait(AGAIN):
                return 0
            config = _read_again(load, secrets, stop) or proven
            continue
        if following is None:
            return 0
        config, proven, trouble = following, config, ""


def _read_again(load: Load, secrets: set[str], stop: Stop) -> Config | None:
    """The current configuration, if a signal asked to reload and the configuration is usable; its secrets are added."""
    if not stop.reload:
        return None
    stop.reload = False
    try:
        config, more = load()
        secrets |= more
        accepted(config, stdout=True)
    except UsageError as error:
        log("error", "the configuration was not reloaded; the old one stays", reason=str(error))
        return None
    set_up(config.log.level, config.log.format, secrets)
    log("info", "the configuration is reloaded")
    return config


def spare_the_collector() -> None:
    """Exempt all present objects from the collector of reference cycles, until the next call.

    The Kafka clients create so many objects for each record that the collector would scan all modules again every few seconds: a
    fifth of the time with kafka-python.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)


class _Shipper(contextlib.ExitStack):
    """Everything that runs with one configuration: lock, metrics page, delivery. Closes what it opened."""

    def __init__(self, config: Config, secrets: set[str], stop: Stop, most_open: int | None) -> None:
        """
        Raises:
            UsageError: the configuration cannot be used here.
        """
        super().__init__()
        self._config, self._secrets, self._stop, self._most_open = config, secrets, stop, most_open
        self._settings = accepted(config, stdout=True)
        self._vitals = Vitals()
        self._watcher = SinkLog()
        with contextlib.ExitStack() as opened:
            self._checkpoint = Checkpoint(config.state_dir)
            opened.callback(lock_state(config.state_dir).release)
            listen = listen_of(config)
            if listen:
                opened.callback(Server(listen, pages_of(self._vitals, time.monotonic_ns, secrets)).close)
            keep_transactional_id(config)
            self._delivery = build_delivery(config, self._watcher)
            self.enter_context(opened.pop_all())
        self._watcher.sink = self._delivery.sink.name
        self._vitals.delivery = self._delivery

    def follow(self, load: Load) -> Config | None:
        """Follow until a signal; return the configuration to continue with, or None to end.

        Raises:
            UsageError, RunError: the shipper cannot continue.
        """
        config, stop, delivery = self._config, self._stop, self._delivery
        stored = self._checkpoint.load()
        for warning in warnings(config):
            log("warning", warning)
        for warning in stored.warnings:
            log("error", warning)
        if stores_positions(config):
            in_sink = self._stored_in_sink(load)
            if not isinstance(in_sink, Stored):
                return in_sink
            stored = farther(stored, in_sink)
        _log_start(config, delivery.sink.name, stored)
        sidecar = build_loop(
            config, self._settings, delivery, self._checkpoint, stored, self._vitals, wait=stop.wait, most_open=self._most_open
        )
        spare_the_collector()
        try:
            following = self._turn(sidecar, load)
        except ClosedPipe:
            sidecar.stop(0)
            return None
        except MfaShipperError:
            sidecar.stop(0)
            raise
        _end(config, delivery, sidecar, round(stop.left * SECOND))
        return following

    def _turn(self, sidecar: Sidecar, load: Load) -> Config | None:
        """Turn the loop until a signal; see `follow`."""
        logged: set[str] = set()
        trouble: str | None = None
        misdated = 0  # lines logged so far; logged again at more than twice as many
        while not self._stop.is_set():
            sidecar.turn()
            self._watcher.remind()
            problems = {*sidecar.problems.values(), *sidecar.apart.values()}
            for problem in problems - logged:
                log("warning", problem)
            logged = problems
            for loss in sidecar.take_losses():
                log("warning", loss)
            if sidecar.vitals.counts.misdated > 2 * misdated:
                misdated = sidecar.vitals.counts.misdated
                log(
                    "warning",
                    "lines are dated more than a day ahead of their log: shipped, but they move no clock",
                    number=misdated,
                )
            if sidecar.vitals.save_trouble != trouble:
                trouble = sidecar.vitals.save_trouble
                log("warning" if trouble else "info", trouble or "the checkpoint can be written again")
            following = _read_again(load, self._secrets, self._stop)
            if following is not None:
                return following
        return None

    def _stored_in_sink(self, load: Load) -> Stored | Config | None:
        """Wait for the sink and return the positions that it stores; on a signal before that, return as `follow` does."""
        delivery = self._delivery
        while not self._stop.is_set():
            delivery.turn(0.0)
            self._vitals.beat = time.monotonic_ns()
            if delivery.connected:
                try:
                    return Stored(*read_records(delivery.stored))
                except ValueError as error:
                    raise UsageError(
                        f"output.kafka.state_topic holds records that are not ours ({error}); give another topic"
                    ) from None
            following = _read_again(load, self._secrets, self._stop)
            if following is not None:
                delivery.sink.close(0.0)
                return following
            self._watcher.remind()
            self._stop.wait(0.1)
        return None


def _end(config: Config, delivery: Delivery, sidecar: Sidecar, timeout: int) -> None:
    log("info", "stopping: what was read is delivered first", timeout_seconds=timeout / SECOND)
    try:
        delivered = sidecar.stop(timeout)
    except ClosedPipe:
        delivered = False
    if not delivered:
        log("warning", "not all that was read could be delivered in time; the next run does it", reason=delivery.reason)
    counts = sidecar.vitals.counts
    found = {DETECTORS[name].found.name: counts.detected[DETECTORS[name].found.name] for name in config.pipeline.detectors}
    events = counts.events + counts.findings - counts.findings_filtered
    log("info", "stopped", lines=counts.lines, events=events, **found)


def _log_start(config: Config, sink: str, stored: Stored) -> None:
    log(
        "info",
        f"mfa-shipper {__version__} starts",
        inputs=[name for section in config.inputs for name in section.names],
        output=sink,
        format=config.output.form,
        state_dir=config.state_dir,
        metrics=config.metrics.listen or "off",
    )
    if not stored.places and not stored.damaged:
        log("info", "no checkpoint yet: starting each file at inputs[].start")
    for position in list(stored.places.values())[-SHOWN:]:
        log("info", "continuing", path=position.path, offset=position.offset)


def _raise_limits() -> int | None:
    """Raise the limit of open files as far as the system allows, since each followed log stays open.

    Returns:
        How many logs may be open at once; None: no limit.
    """
    if sys.platform == "win32":
        return 8192 - OTHER_FILES  # the most that Microsoft's C library allows (`_setmaxstdio`)
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else max(1, soft - OTHER_FILES)
