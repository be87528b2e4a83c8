"""The clock of a log: its newest event time, and the other state that its lines share. Pure.

One line cannot move the clock for good. A time more than a day ahead of the newest one, and the first one of a log, waits
for the next line that has a time: if that is not more than a day before it, it becomes the newest; else its line was
misdated, and is as if it had not been there, but for its event.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shipper.decode.exchanges import Exchanges
from shipper.decode.merging import Merger
from shipper.times import BEFORE_ALL, SECOND

DAY = 24 * 3600 * SECOND


@dataclass(slots=True)
class Waiting:
    """A time that waits for the next one.

    Attributes:
        time: in nanoseconds since 1970.
        thread, exchange: of its line's exchange, if it is a request.
        completed: its line completed the authentication of a user.
    """

    time: int
    thread: str | None = None
    exchange: str | None = None
    completed: bool = False


class LogState:
    """The state that a log's lines share: open exchanges, the clock, and events held back for merging.

    Attributes:
        newest: the newest event time, in nanoseconds since 1970.
        limit: a line with a later time must call `turn`; any other may set `newest`. It may be lower than it could be.
        waiting: the time that waits for the next one, if one does.
    """

    __slots__ = ("_ahead", "exchanges", "limit", "merger", "newest", "waiting")

    def __init__(self, exchanges: Exchanges, merger: Merger | None = None) -> None:
        self.exchanges = exchanges
        self.merger = merger
        self.newest = BEFORE_ALL
        self.limit = BEFORE_ALL
        self.waiting: Waiting | None = None
        # Whatever the timeout: no verdict or status that waits may belong to an exchange.
        self._ahead = max(DAY, exchanges.patience)

    def turn(self, time: int) -> Waiting | None:
        """Take the time of the next line; returns the time that waited, if its line turns out to be misdated.

        Afterwards `waiting` is this line's if its time waits.
        """
        before, self.waiting = self.waiting, None
        if before is not None and time >= before.time - DAY:
            self.newest, before = before.time, None
        if self.newest == BEFORE_ALL or time > self.newest + self._ahead:
            self.waiting, self.limit = Waiting(time), BEFORE_ALL
        else:
            self.newest = max(self.newest, time)
            self.limit = self.newest + self._ahead
        return before

    def withdraw(self, misdated: Waiting) -> bool:
        """Close the exchange that a misdated line opened; True if it was still open."""
        if misdated.thread is None:
            return False
        exchange = self.exchanges.open.get(misdated.thread)
        if exchange is None or exchange[2] != misdated.exchange:
            return False
        self.exchanges.close(misdated.thread)
        return True

    def snapshot(self) -> dict[str, Any]:
        """The clock as a JSON value."""
        waiting = self.waiting
        waits = None if waiting is None else [waiting.time, waiting.thread, waiting.exchange, waiting.completed]
        return {"newest": self.newest, "waiting": waits}

    def restore(self, newest: int, waiting: Sequence[Any] | None = None) -> None:
        """Set the clock as it was in a snapshot."""
        self.newest = newest
        self.waiting = None if waiting is None else Waiting(*waiting)
        self.limit = BEFORE_ALL if waiting is not None or newest == BEFORE_ALL else newest + self._ahead
