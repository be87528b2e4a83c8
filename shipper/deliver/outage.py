"""How long a sink has been away, and when that is to be told again. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from shipper.times import SECOND

REMINDER = 60 * SECOND


class Reminder(NamedTuple):
    """What is to be told.

    Attributes:
        minutes: that the sink has been away.
        reason: the latest one.
    """

    minutes: int
    reason: str


class Outage:
    """Whether the sink is away."""

    def __init__(self, now: Callable[[], int]) -> None:
        """`now`: nanoseconds of a monotonic clock."""
        self._now = now
        self._since: int | None = None
        self._told = 0
        self._reason = ""

    def begin(self, reason: str) -> None:
        """It is away, or still away for another reason; the caller tells that."""
        self._told, self._reason = self._now(), reason
        self._since = self._told if self._since is None else self._since

    def end(self) -> None:
        """It is back."""
        self._since = None

    def due(self) -> Reminder | None:
        """What is to be told now, once a minute while it is away."""
        now = self._now()
        if self._since is None or now - self._told < REMINDER:
            return None
        self._told = now
        return Reminder((now - self._since) // REMINDER, self._reason)
