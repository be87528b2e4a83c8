"""A log of what lasts: said when it begins, and then at most once a minute. I/O: it logs."""

from collections.abc import Callable
from typing import Any

from shipper.sidecar.log import log
from shipper.times import SECOND

AGAIN = 60 * SECOND


class SparingLog:
    """Says the same sentence at most once a minute. Any thread may use it."""

    def __init__(self, now: Callable[[], int]) -> None:
        """`now`: nanoseconds of a clock that never goes back."""
        self._now = now
        self._said: dict[str, int] = {}

    def __call__(self, level: str, sentence: str, **fields: Any) -> bool:
        """Log a sentence and named values, see `log`; False if it was said within the last minute and is not logged."""
        now, before = self._now(), self._said.get(sentence)
        if before is not None and now - before < AGAIN:
            return False
        self._said[sentence] = now
        log(level, sentence, **fields)
        return True

    def over(self, sentence: str) -> None:
        """What a sentence says is over: it is said at once when it begins again."""
        self._said.pop(sentence, None)
