"""Exchanges: the three lines that one thread writes for one authentication. Pure.

A request opens an exchange on its thread; a verdict or status belongs to it when it comes at most
`timeout` after it and not before it; the status closes it. Threads interleave and are used again.
"""

from dataclasses import dataclass

from shipper.model import Exchange, ExchangeFields, named
from shipper.times import BEFORE_ALL

Thread = str  # COMPONENT|PID|TID: a text, because its hash is computed once


class Exchanges:
    """The open exchanges of one source, by thread.

    `open` is public for the fast path. It is bounded: where more than `LIMIT` threads wait for a
    status, the exchange that waited longest is given up.
    """

    LIMIT = 65_536

    def __init__(self, timeout: int) -> None:
        """`timeout` in nanoseconds."""
        self.timeout = timeout
        self.open: dict[Thread, ExchangeFields] = {}

    def request(self, thread: Thread, exchange: Exchange) -> int:
        """Open an exchange; returns how many older ones this gives up (0 or 1)."""
        given_up = self.open.pop(thread, None) is not None
        if len(self.open) >= self.LIMIT:
            del self.open[next(iter(self.open))]
            given_up = True
        self.open[thread] = exchange
        return int(given_up)

    def belonging(self, thread: Thread | None, time: int) -> Exchange | None:
        """The open exchange that a verdict or status of this thread and time belongs to."""
        exchange = self.open.get(thread) if thread is not None else None
        if exchange is not None and 0 <= time - exchange[0] <= self.timeout:
            return named(exchange)
        return None

    def verdict(self, thread: Thread, exchange: Exchange, outcome: str) -> None:
        """Note the verdict of an open exchange."""
        self.open[thread] = exchange._replace(verdict=outcome)

    def close(self, thread: Thread) -> None:
        """The status has come."""
        del self.open[thread]


@dataclass(slots=True)
class LogState:
    """What the lines of a source have in common: open exchanges and the newest event time."""

    exchanges: Exchanges
    newest: int = BEFORE_ALL
