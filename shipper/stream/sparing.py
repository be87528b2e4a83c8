"""Rate-limits log messages about a lasting condition: when it begins, then at most once a minute. I/O: it logs."""

import re
from collections.abc import Callable
from typing import Any

from shipper.sidecar.log import log
from shipper.times import SECOND

AGAIN = 60 * SECOND
_NUMBER = re.compile("[0-9]+")


class SparingLog:
    """Logs a sentence at most once a minute, regardless of the numbers in it. Any thread may use it."""

    def __init__(self, now: Callable[[], int]) -> None:
        """`now` returns nanoseconds of a monotonic clock."""
        self._now = now
        self._said: dict[str, int] = {}

    def __call__(self, level: str, sentence: str, **fields: Any) -> bool:
        """Log a sentence and named values, see `log`; return False, and log nothing, if it was logged within the last minute."""
        now, said = self._now(), _NUMBER.sub("", sentence)
        self._said = {text: time for text, time in self._said.items() if now - time < AGAIN}
        if said in self._said:
            return False
        self._said[said] = now
        log(level, sentence, **fields)
        return True

    def over(self, sentence: str) -> None:
        """Note that a condition is over, so that its sentence is logged at once when it returns."""
        self._said.pop(_NUMBER.sub("", sentence), None)
