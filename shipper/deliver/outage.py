"""How long a sink has been down, and when to report it again. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from shipper.times import SECOND

REMINDER = 60 * SECOND


class Reminder(NamedTuple):
    """A reminder that the sink is still down.

    Attributes:
        minutes: how long the sink has been down.
        reason: the latest reason.
    """

    minutes: int
    reason: str


class Outage:
    """Tracks whether the sink is down."""

    def __init__(self, now: Callable[[], int]) -> None:
        """`now`: nanoseconds of a monotonic clock."""
        self._now = now
        self._since: int | None = None
        self._told = 0
        self._reason = ""

    def begin(self, reason: str) -> None:
        """The sink is down, or still down for another reason; the caller reports this one."""
        self._told, self._reason = self._now(), reason
        self._since = self._told if self._since is None else self._since

    def end(self) -> None:
        """The sink is up again."""
        self._since = None

    def due(self) -> Reminder | None:
        """The reminder to report now, once a minute while the sink is down; otherwise None."""
        now = self._now()
        if self._since is None or now - self._told < REMINDER:
            return None
        self._told = now
        return Reminder((now - self._since) // REMINDER, self._reason)
