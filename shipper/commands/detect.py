"""`detect`: run the detectors over the topic that many sidecars fill. I/O."""

from collections.abc import Callable, Collection
from contextlib import closing
from functools import partial

from shipper.commands.signals import Stop, begin_end, catch
from shipper.config.sections import Config
from shipper.errors import UsageError
from shipper.sidecar.log import set_up
from shipper.stream.assemble import detect_settings
from shipper.stream.settings import DetectSettings
from shipper.times import SECOND

MISSING = "detect: Quix Streams is not installed; in a checkout, pip install '.[detect]'"


def detect(config: Config, secrets: set[str], load: Callable[[], tuple[Config, set[str]]]) -> int:
    """Detect until SIGTERM or SIGINT; returns the exit status.

    Args:
        config: the configuration.
        secrets: texts never to show; secrets of a reloaded configuration are added.
        load: reads the configuration again. Raises UsageError if it is wrong.

    Raises:
        UsageError: detect cannot start.
        RunError: detect cannot continue.
    """
    try:
        from shipper.stream.service import run_detect
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("shipper"):
            raise
        raise UsageError(MISSING) from None

    def load_again() -> tuple[DetectSettings, Collection[str]]:
        fresh, more = load()
        set_up(fresh.log.level, fresh.log.format, secrets | more)
        stop.timeout = fresh.shutdown_timeout / SECOND
        return detect_settings(fresh), more

    with closing(Stop(config.shutdown_timeout / SECOND)) as stop:
        catching, ending = partial(catch, stop), partial(begin_end, stop)
        return run_detect(detect_settings(config), secrets, stop, catch=catching, end=ending, load=load_again)
