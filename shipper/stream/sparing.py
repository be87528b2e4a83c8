"""A log of what lasts: said when it begins, and then at most once a minute. I/O: it logs."""

import re
from collections.abc import Callable
from typing import Any

from shipper.sidecar.log import log
from shipper.times import SECOND

AGAIN = 60 * SECOND
_NUMBER = re.compile("[0-9]+")


class SparingLog:
    """Says a sentence at most once a minute, whatever numbers are in it. Any thread may use it."""

    def __init__(self, now: Callable[[], int]) -> None:
        """`now`: nanoseconds of a clock that never goes back."""
        self._now = now
        self._said: dict[str, int] = {}

    def __call__(self, level: str, sentence: str, **fields: Any) -> bool:
        """Log a sentence and named values, see `log`; False if the sentence was said within the last minute, and is not logged."""
        now, said = self._now(), _NUMBER.sub("", sentence)
        self._said = {text: time for text, time in self._said.items() if now - time < AGAIN}
        if said in self._said:
            return False
        self._said[said] = now
        log(level, sentence, **fields)
        return True

    def over(self, sentence: str) -> None:
        """What a sentence says is over: it is said at once when it begins again."""
        self._said.pop(_NUMBER.sub("", sentence), None)
