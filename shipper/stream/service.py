"""Runs `detect` until it is asked to stop: prepares the topics, and restarts the application after an error. I/O.

Quix Streams raises when another member has replaced a frozen instance, and when no broker has answered for minutes. No data is
lost, so the service builds a new application, after a pause that grows.
"""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Collection
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException

from shipper import __version__
from shipper.deliver.sink import SinkDown
from shipper.errors import RunError, UsageError
from shipper.sidecar.lock import lock_state
from shipper.sidecar.log import LOGGER, log
from shipper.sidecar.pages import Server
from shipper.sidecar.transactional_id import keep, kept
from shipper.stream.settings import DetectSettings
from shipper.stream.sparing import SparingLog
from shipper.stream.ticks import Ticks
from shipper.stream.topics import Topics
from shipper.stream.topology import Detection, InvalidStoreChangelogOffset, QuixException, build, local_state
from shipper.stream.vitals import DetectVitals, pages_of

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before a restart
RAN_WELL = 60.0  # seconds of running after which the pause is reset to the first
LOST = tuple(
    f'code="{code}"'
    for code in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE, KafkaError._TIMED_OUT)  # noqa: SLF001
)
"""The endings of Quix Streams' log messages about a lost connection."""
BEGINS = "detect begins again; nothing is lost"
AWAY = "events cannot be read now; findings wait"
CROWDED = "a user signs in so often that the oldest sign-ins are forgotten; a health probe, perhaps"


class Ending(Protocol):
    """The request to stop the process; implemented by `commands.signals.Stop`."""

    reload: bool

    def is_set(self) -> bool:
        """Return True once a stop was requested."""

    def wait(self, seconds: float) -> bool:
        """Wait for a request, at most `seconds`; return True if there is one."""

    def ask_to_reload(self) -> None:
        """Request a reload."""


Load = Callable[[], tuple[DetectSettings, Collection[str]]]
"""Reads the configuration again and returns the settings and the secrets. Raises UsageError if it is wrong."""


def run_detect(
    settings: DetectSettings,
    secrets: set[str],
    ending: Ending,
    *,
    catch: Callable[[], None],
    end: Callable[[], None],
    load: Load,
) -> int:
    """Detect until SIGTERM or SIGINT; returns the exit status.

    Args:
        settings: the settings to start with.
        secrets: texts never to show; secrets of a reloaded configuration are added.
        ending: set by the signal handlers.
        catch: installs the signal handlers; called again whenever Quix Streams has installed its own.
        end: starts the shutdown of the process, as SIGTERM and SIGINT do.
        load: see `Load`.

    Raises:
        UsageError: detect cannot start.
        RunError: detect cannot continue.
    """
    catch()
    proven: DetectSettings | None = None
    while True:
        try:
            with _Service(settings, secrets, ending, catch, end) as service:
                service.run()
        except UsageError as error:
            if proven is None:
                raise
            log("error", "the new configuration cannot be used; the old one stays", reason=str(error))
            settings, proven = proven, None
            continue
        if ending.is_set() or not ending.reload:
            return 0
        ending.reload = False
        try:
            fresh, more = load()
            secrets |= set(more)
            settings, proven = fresh, settings
            log("info", "the configuration is reloaded")
        except UsageError as error:
            log("error", "the configuration was not reloaded; the old one stays", reason=str(error))


class _Service(contextlib.ExitStack):
    """Everything that runs with one configuration. Closes what it opened."""

    def __init__(
        self,
        settings: DetectSettings,
        secrets: set[str],
        ending: Ending,
        catch: Callable[[], None],
        end: Callable[[], None],
    ) -> None:
        super().__init__()
        self._settings, self._ending, self._catch, self._end = settings, ending, catch, end
        self._app: Detection | None = None
        self._is_asked = False  # True once the application was asked to stop
        self._say = SparingLog(time.monotonic_ns)
        self._ticks: Ticks | None = None
        self._crowded_out = 0
        self._reason = ""  # for the last restart of the application
        self.vitals = DetectVitals(beat=time.monotonic_ns())
        with contextlib.ExitStack() as opened:
            os.makedirs(settings.state_dir, exist_ok=True)
            opened.callback(lock_state(settings.state_dir).release)
            if settings.listen:
                opened.callback(
                    Server(settings.listen, pages_of(self.vitals, settings.group, local_state(settings), secrets)).close
                )
            keep(settings.state_dir)
            self.enter_context(opened.pop_all())

    def run(self) -> None:
        """Detect until a stop or a reload is requested.

        Raises:
            UsageError: detection is impossible, and a retry would not help.
        """
        settings, vitals, ending = self._settings, self.vitals, self._ending
        _route_logs(self._say)
        log(
            "info", f"mfa-shipper {__version__} detects", topic=str(settings.kafka.topic), alerts=str(settings.alert_topic),
            group=settings.group, state_dir=settings.state_dir,
            detectors=list(settings.rules), metrics=settings.listen.address if settings.listen else "off",
        )  # fmt: skip
        pause = FIRST_PAUSE
        while not self._is_over():
            began = time.monotonic()
            try:
                self._detect()
            except SinkDown as error:
                self._note(str(error))
            except (KafkaException, QuixException, RuntimeError, OSError) as error:
                vitals.restarts += 1
                self._note(_told(error, self._settings))
            finally:
                self._app = None
                self._catch()
            if self._is_over():
                break
            pause = FIRST_PAUSE if time.monotonic() - began > RAN_WELL else min(2 * pause, LONGEST_PAUSE)
            ending.wait(pause)
        buckets = vitals.counts.buckets
        log("info", "stopped", events=vitals.counts.events, completions=vitals.counts.completions, **dict(buckets.detected))

    def _is_over(self) -> bool:
        return self._ending.is_set() or self._ending.reload

    def _note(self, reason: str) -> None:
        reason = self._settings.kafka.without_secrets(reason)
        if reason != self._reason:
            self._say.over(BEGINS)
        self.vitals.trouble = self._reason = reason
        if not self._is_over():
            self._say("warning", BEGINS, reason=reason)

    def _detect(self) -> None:
        """Run one application until it stops or fails."""
        settings, vitals = self._settings, self.vitals
        vitals.trouble = "not connected yet"
        number = Topics(settings).prepare()
        transactional_id = kept(settings.state_dir)
        assert transactional_id is not None
        self._app, stage = build(settings, transactional_id, vitals.counts, self._beat, self._stopped)
        vitals.clocks = stage.clocks
        self._catch_reload()
        ticks = self._ticks = vitals.ticks = Ticks(settings, self._turned)
        try:
            if not self._is_over():
                log("info", "joining the group", partitions=number)
                self._app.run()
        finally:
            ticks.close()
            vitals.away = ""
        if ticks.failure is not None:
            if isinstance(ticks.failure, KafkaException | SinkDown):
                raise ticks.failure
            raise RunError(f"detect: the thread that looks for quiet partitions has ended: {_told(ticks.failure, settings)}")

    def _turned(self, reason: str) -> None:
        """Note the result of a look at the broker: `reason` is empty if it answered. Called by the thread of `Ticks`."""
        before, self.vitals.away = self.vitals.away, reason
        if reason:
            self._say("warning", AWAY, reason=reason)
        elif before:
            log("info", "events can be read again")
            self._say.over(AWAY)

    def _beat(self) -> None:
        assert self._app is not None
        if self._ending.is_set() and not self._is_asked:
            self._app.stop()  # on Windows, another thread requests the stop
        if self._ticks is not None and self._ticks.failure is not None:
            self._app.stop(fail=True)
        self.vitals.counts.buckets.have(self._app.assigned(self._settings.held_topic))
        if self.vitals.trouble:
            log("info", "detecting")
            self.vitals.trouble = ""
        self.vitals.beat = time.monotonic_ns()
        self._tell_of_crowds()

    def _tell_of_crowds(self) -> None:
        buckets = self.vitals.counts.buckets
        number = buckets.crowded_out - self._crowded_out
        if number and self._say("warning", CROWDED, user=buckets.crowded, forgotten=number):
            self._crowded_out = buckets.crowded_out

    def _stopped(self) -> None:
        """Note that the application was asked to stop, by a signal or for a reload; a signal ends the process too."""
        self._is_asked = True
        if not self._ending.reload:
            self._end()

    def _catch_reload(self) -> None:
        def reload(number: int, frame: object) -> None:
            self._ending.ask_to_reload()
            if self._app is not None:
                self._app.stop()

        if hasattr(signal, "SIGHUP"):  # not on Windows
            signal.signal(signal.SIGHUP, reload)


def _told(error: Exception, settings: DetectSettings) -> str:
    """Return an error of Quix Streams or of its Kafka client as a sentence: the text of its root cause.

    Where the remedy that it names is for programmers, the sentence names what an administrator can do.
    """
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, InvalidStoreChangelogOffset):
        return (
            f"the state in {local_state(settings)} is ahead of the topic {settings.changelog_topic}: if the topic was removed, stop "
            "detect and remove the directory; if a broker was killed, it may have lost the end of a transaction, see deploy/docs/detect.md"
        )
    text = " ".join(str(cause).split()) or type(cause).__name__
    if "FENCED" in text.upper():
        text += "; if that comes again and again, two instances have copies of one state_dir: give each its own"
    return text


class _Relay(logging.Handler):
    """Copies what Quix Streams logs to the shipper's log, sparingly. Skips the reconnects that each client tries while a broker
    is down: `Ticks` reports that."""

    def __init__(self, say: SparingLog) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record, unless the same text was logged within the last minute."""
        text = record.getMessage()
        if not text.endswith(LOST):
            self._say("error" if record.levelno >= logging.ERROR else "warning", text)


def _route_logs(say: SparingLog) -> None:
    """Send the log of Quix Streams to the shipper's log: errors only, or everything at level debug."""
    ours, theirs = logging.getLogger(LOGGER), logging.getLogger("quixstreams")
    debug = ours.level == logging.DEBUG
    theirs.handlers, theirs.propagate = ours.handlers if debug else [_Relay(say)], False
    theirs.setLevel(logging.DEBUG if debug else logging.ERROR)
